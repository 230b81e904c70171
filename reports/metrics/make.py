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

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # pages share helpers: the package `reports`

from mss_bench.core.parameters import param
from mss_bench.metrics import metrics
from mss_bench.metrics.cards import (
    COSTS,
    NO_EVIDENCE,
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
from mss_bench.metrics.evidence import EVIDENCE, evidence_text
from mss_bench.metrics.perceptual.degradations import LADDERS
from reports.metrics.artifact_rule import LEAST, OWN_FAULT, Case, check_rule, read_cases, write_cases
from reports.metrics.reaction_figure import reaction_figure
from reports.metrics.reactions import LEFT_OUT, SECONDS, Measurement, built_in, measure
from reports.pages import Page, describe, make, parameter_list, render, save_png

HERE = Path(__file__).resolve().parent


class MetricsPage(Page):
    """The page: ``README.md``, ``reaction.csv``, ``costs.csv``, ``artifact_rule.csv`` and ``reaction.png``."""

    names: tuple[str, ...] = param(
        (), flag="names", metavar="NAME", doc="Measure only these metrics anew, keep what is known of the others."
    )
    out = HERE
    songs: int = param(2, at_least=1, doc="Excerpts for metrics that are not slow.")
    rule_songs: int = param(
        3, at_least=1, doc="Songs on which the measures of artifacts are tried, with four stems each."
    )
    page: bool = param(False, doc="Measure nothing: make the page from the numbers in its folder.")
    ship: bool = param(False, doc="Write the numbers into the package, too, where `metrics show` reads them.")

    def write(self) -> list[Path]:
        """Measure metrics and write the page."""
        for name in self.names:
            metrics.load(name)  # an unknown name is an error
        classes = built_in()
        self.out.mkdir(parents=True, exist_ok=True)
        reaction_file, cost_file, rule_file = (
            self.out / "reaction.csv",
            self.out / "costs.csv",
            self.out / "artifact_rule.csv",
        )
        measured = Measurement({}, {}) if self.page else measure(self.names, songs=self.songs)
        reactions = {**(read_reactions(reaction_file) if reaction_file.is_file() else {}), **measured.reactions}
        costs = _latest_costs(list(classes), measured.costs, read_costs(cost_file) if cost_file.is_file() else {})
        files = [self.out / "README.md", self.out / "reaction.png"]
        for reactions_to, costs_to in [(reaction_file, cost_file), *([(REACTIONS, COSTS)] if self.ship else [])]:
            write_reactions(reactions_to, classes, reactions)
            write_costs(costs_to, costs)
            files += [reactions_to, costs_to]
        if not self.page and (not self.names or "artifacts" in self.names):
            write_cases(rule_file, check_rule(self.rule_songs))
        cases = read_cases(rule_file) if rule_file.is_file() else []
        save_png(reaction_figure(classes, reactions), self.out / "reaction.png")
        render(
            HERE / "page.md.j2", self.out,
            {"ratio": _ratio, "cell": _cell, "speed": speed_text, "evidence": evidence_text},
            evidence=EVIDENCE, no_evidence=NO_EVIDENCE,
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

    def nothing(name: str) -> Cost:
        return Cost(math.nan, math.nan, f"not measured: {LEFT_OUT[name]}" if name in LEFT_OUT else "not measured")

    measured = {n: c for costs in (before, now) for n, c in costs.items() if not math.isnan(c.score)}
    return {name: measured.get(name) or now.get(name) or before.get(name) or nothing(name) for name in names}


def _ratio(case: Case) -> str:
    """Return how many times as strongly a measure reacts to its own fault; with the other one where that is too few."""
    if math.isnan(case.ratio):
        return "–"
    text = "∞" if math.isinf(case.ratio) else f"{case.ratio:.0f}" if case.ratio >= 9.95 else f"{case.ratio:.1f}"
    return text if case.holds else f"**{text}** ({case.ladder})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")  # a bar would end the cell of the table


if __name__ == "__main__":
    make(MetricsPage, __doc__)
