"""Make the page of metrics: a card for each, and what each quantity makes of constructed degradations.

::

    python reports/metrics/make.py                   # measures all; a quarter of an hour on one core
    python reports/metrics/make.py usdr si_sdr       # measures these anew, keeps the numbers of the others
    python reports/metrics/make.py --page            # measures nothing, makes the page from the numbers beside it
    python reports/metrics/make.py --ship            # writes the numbers into the package, too

Measures every metric on every ladder of `mss_bench.metrics.perceptual.degradations`, draws the matrix of reactions and
writes the cards.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # pages share helpers: the package `reports`

from mss_bench.metrics import metrics
from mss_bench.metrics.cards import (
    COSTS,
    REACTIONS,
    Cost,
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
from reports.metrics.artifact_rule import LEAST, OWN_FAULT, Case, check_rule, read_cases, write_cases
from reports.metrics.reaction_figure import reaction_figure
from reports.metrics.reactions import SECONDS, Measurement, built_in, measure
from reports.pages import describe, parameter_list, render, run_script, save_png

HERE = Path(__file__).resolve().parent


def write_page(
    out: Path, *, names: Sequence[str] = (), songs: int = 2, rule_songs: int = 3, anew: bool = True, ship: bool = False
) -> list[Path]:
    """Measure metrics and write the page.

    Parameters
    ----------
    out : Path
        Folder of the page: ``README.md``, ``reaction.csv``, ``costs.csv``, ``artifact_rule.csv`` and ``reaction.png``.
    names : sequence of str
        Measure only these metrics anew.
    songs : int
        Excerpts for metrics that are not slow.
    rule_songs : int
        Songs on which the measures of artifacts are tried, each with four stems.
    anew : bool
        Measure; otherwise the page is made from the numbers in `out`.
    ship : bool
        Write what was measured into the package as well, where ``mss-bench metrics show`` reads it.

    Returns
    -------
    list of Path
        The files written.
    """
    for name in names:
        metrics.load(name)  # an unknown name is an error
    classes = built_in()
    out.mkdir(parents=True, exist_ok=True)
    reaction_file, cost_file, rule_file = out / "reaction.csv", out / "costs.csv", out / "artifact_rule.csv"
    measured = measure(names, songs=songs) if anew else Measurement({}, {})
    reactions = {**(read_reactions(reaction_file) if reaction_file.is_file() else {}), **measured.reactions}
    costs = _latest_costs(list(classes), measured.costs, read_costs(cost_file) if cost_file.is_file() else {})
    files = [out / "README.md", out / "reaction.png"]
    for reactions_to, costs_to in [(reaction_file, cost_file), *([(REACTIONS, COSTS)] if ship else [])]:
        write_reactions(reactions_to, classes, reactions)
        write_costs(costs_to, costs)
        files += [reactions_to, costs_to]
    if anew and (not names or "artifacts" in names):
        write_cases(rule_file, check_rule(rule_songs))
    cases = read_cases(rule_file) if rule_file.is_file() else []
    save_png(reaction_figure(classes, reactions), out / "reaction.png")
    render(
        HERE / "page.md.j2", out, {"ratio": _ratio, "cell": _cell, "speed": speed_text},
        classes=classes, describe=describe, costs=costs, cost_text=cost_text, range_text=range_text,
        reaction=lambda name, quantity: reaction_text(quantity, reactions.get((name, quantity.name), {})),
        ladders=LADDERS, seconds=SECONDS, parameters=parameter_list, own=OWN_FAULT, least=LEAST,
        stems=list(dict.fromkeys((case.song, case.stem) for case in cases)),
        cases={(case.song, case.stem, case.quantity): case for case in cases},
        defined=[case for case in cases if not math.isnan(case.ratio)],
    )  # fmt: skip
    return [*files, *([rule_file] if cases else [])]


def _latest_costs(names: Sequence[str], now: Mapping[str, Cost], before: Mapping[str, Cost]) -> dict[str, Cost]:
    """Return for each metric what was measured now, else what was before, else why nothing was."""
    nothing = Cost(math.nan, math.nan, "not measured")
    measured = {n: c for costs in (before, now) for n, c in costs.items() if not math.isnan(c.score)}
    return {name: measured.get(name) or now.get(name) or before.get(name) or nothing for name in names}


def _ratio(case: Case) -> str:
    """Return how many times as strongly a measure reacts to its own fault; with the other one where that is too few."""
    if math.isnan(case.ratio):
        return "–"
    text = "∞" if math.isinf(case.ratio) else f"{case.ratio:.0f}" if case.ratio >= 9.95 else f"{case.ratio:.1f}"
    return text if case.holds else f"**{text}** ({case.ladder})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")  # a bar would end the cell of the table


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and make the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="measure only these anew; what was known is kept")
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR", help="folder of the page (default: its own)")
    parser.add_argument("--songs", type=int, default=2, metavar="N", help="excerpts of the demo (default: %(default)s)")
    parser.add_argument(
        "--rule-songs", type=int, default=3, metavar="N", help="songs for the measures of artifacts (%(default)s)"
    )
    parser.add_argument("--page", action="store_true", help="measure nothing: the page from the numbers in --out")
    parser.add_argument("--ship", action="store_true", help="also what `metrics show` prints (in the package itself)")
    args = parser.parse_args(arguments)
    files = write_page(
        args.out, names=args.names, songs=args.songs, rule_songs=args.rule_songs, anew=not args.page, ship=args.ship
    )
    print(f"{len(files)} files in {args.out}")


if __name__ == "__main__":
    run_script(main)
