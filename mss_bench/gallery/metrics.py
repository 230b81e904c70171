"""The gallery of metrics: a card for each, and what each quantity makes of constructed degradations.

One command measures every metric on every ladder of `mss_bench.metrics.perceptual.degradations`, draws the matrix and
writes the cards. Some of the metrics can be measured anew; what was known of the others is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mss_bench.core.parameters import parameters
from mss_bench.gallery.artifact_rule import LEAST, OWN_FAULT, Case, check_rule, read_cases, write_cases
from mss_bench.gallery.reaction_figure import reaction_figure
from mss_bench.gallery.reactions import SECONDS, Measurement, built_in, measure
from mss_bench.gallery.texts import describe
from mss_bench.metrics import Metric, metrics
from mss_bench.metrics.cards import (
    COSTS,
    REACTIONS,
    Cost,
    Reactions,
    cost_text,
    range_text,
    reaction_text,
    read_costs,
    read_reactions,
    speed_text,
    write_costs,
    write_reactions,
)
from mss_bench.metrics.perceptual.degradations import LADDERS
from mss_bench.report.plots import save

__all__ = ["write_gallery"]


def write_gallery(
    out: Path, *, names: Sequence[str] = (), songs: int = 2, rule_songs: int = 3, anew: bool = True, ship: bool = False,
    say: Callable[[str], None] = print,
) -> list[Path]:  # fmt: skip
    """Measure metrics and write the pages.

    Parameters
    ----------
    out : Path
        Folder of the gallery: ``README.md``, ``reaction.csv``, ``costs.csv``, ``artifact_rule.csv`` and
        ``reaction.png``. A file ``notes.md`` in it is taken into the page.
    names : sequence of str
        Measure only these metrics anew.
    songs : int
        Excerpts for metrics that are not slow.
    rule_songs : int
        Songs on which the measures of artifacts are tried, each with four stems.
    anew : bool
        Measure; otherwise pages are made from the numbers in `out`.
    ship : bool
        Write what was measured into the package as well, where ``mss-bench metrics show`` reads it.
    say : callable
        Told what happens.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    MssBenchError
        Unknown metric, or one that cannot be measured here.
    """
    for name in names:
        metrics.load(name)
    classes = built_in()
    out.mkdir(parents=True, exist_ok=True)
    page, table, cost_table, rule, picture = (
        out / name for name in ("README.md", "reaction.csv", "costs.csv", "artifact_rule.csv", "reaction.png")
    )
    measured = measure(names, songs=songs, say=say) if anew else Measurement({}, {})
    reactions = {**(read_reactions(table) if table.is_file() else {}), **measured.reactions}
    costs = _costs(classes, measured.costs, read_costs(cost_table) if cost_table.is_file() else {})
    targets = [(table, cost_table), (REACTIONS, COSTS)] if ship else [(table, cost_table)]
    for reaction_file, cost_file in targets:
        write_reactions(reaction_file, classes, reactions)
        write_costs(cost_file, costs)
    if anew and (not names or "artifacts" in names):
        write_cases(rule, check_rule(rule_songs, say))
    picture.write_bytes(save(reaction_figure(classes, reactions), "png"))
    cases = read_cases(rule) if rule.is_file() else []
    page.write_text(_page(out / "notes.md", classes, reactions, costs, cases), encoding="utf-8")
    return [page, picture, *([rule] if cases else []), *(file for pair in targets for file in pair)]


def _costs(classes: Mapping[str, type[Metric]], now: Mapping[str, Cost], before: Mapping[str, Cost]) -> dict[str, Cost]:
    """What was measured now, else what was before, else why nothing was."""
    found = {}
    for name in classes:
        known, fresh = before.get(name), now.get(name)
        if fresh is not None and math.isnan(fresh.score) and known is not None and not math.isnan(known.score):
            fresh = known
        found[name] = fresh or known or Cost(math.nan, math.nan, "not measured")
    return found


def _page(
    notes: Path, classes: Mapping[str, type[Metric]], reactions: Reactions, costs: Mapping[str, Cost],
    cases: Sequence[Case],
) -> str:  # fmt: skip
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mss_bench.gallery", "templates"), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    environment.filters |= {"ratio": _ratio, "cell": _cell, "speed": speed_text}
    stems = list(dict.fromkeys((case.song, case.stem) for case in cases))
    by_place = {(case.song, case.stem, case.quantity): case for case in cases}
    return environment.get_template("metrics.md.j2").render(
        classes=classes, describe=describe, costs=costs, cost_text=cost_text, range_text=range_text,
        reaction=lambda name, quantity: reaction_text(quantity, reactions.get((name, quantity.name), {})),
        ladders=LADDERS, seconds=SECONDS, parameters=_parameters, stems=stems, cases=by_place, own=OWN_FAULT,
        least=LEAST, defined=[case for case in cases if not math.isnan(case.ratio)],
        notes=notes.read_text(encoding="utf-8").strip() if notes.is_file() else "",
    )  # fmt: skip


def _ratio(case: Case) -> str:
    """How many times as strongly, with the other fault where that is too little."""
    if math.isnan(case.ratio):
        return "–"
    text = "∞" if math.isinf(case.ratio) else f"{case.ratio:.0f}" if case.ratio >= 9.95 else f"{case.ratio:.1f}"
    return text if case.holds else f"**{text}** ({case.ladder})"


def _cell(text: str) -> str:
    """Text in a cell of a table, where a bar would end it."""
    return text.replace("|", "\\|")


def _parameters(cls: type) -> str:
    found = parameters(cls).items()
    return ", ".join(f"`{n}`" if p.required or p.default is None else f"`{n}={p.default}`" for n, p in found)
