"""``mss-bench compare``."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mss_bench.cli.options import Action, Shared, verb
from mss_bench.core.parameters import param
from mss_bench.stats.choices import AGGREGATIONS, MISSING

if TYPE_CHECKING:
    from mss_bench.stats.compare import Comparison

__all__ = ["configure", "execute"]

_EXAMPLES = """\
examples:
  mss-bench compare runs/demo nmf_supervised kam                       SDR of the vocals, in a sentence for a paper
  mss-bench compare runs/demo nmf_supervised kam --metric SI-SDR --target bass --format json
  mss-bench compare runs/nightly new_model old_model --fail-if-worse   for a model's own CI

The test is Wilcoxon's signed-rank test of the songs' differences: of this pair alone, where it was planned, and within
all pairs of the table, where it was looked for. Of several groups of targets the one with most stems is taken, and the
sentence names it.

exit status: 0 compared; 1 the tables are older than the cells, or, with --fail-if-worse, A is worse than B or failed on
a song, or a cell of either is missing; 2 wrong use or input, or, with --fail-if-worse, fewer than 6 songs, which show
nothing.
"""


class Compare(Action):
    """Compare two methods of a run on the same songs, in a sentence for a paper."""

    run: Path = Shared.run
    a: str = param(flag="A", metavar="A", doc="A method, as the tables name it.")
    b: str = param(flag="B", metavar="B", doc="The method that it is compared with.")
    metric: str = param("", metavar="NAME", doc="Metric (default: SDR, or else the first of the run).")
    target: str = param("", metavar="NAME", doc="Target (default: vocals, or else the first that both have).")
    group: str = param("", metavar="NAME", doc="Group of targets (default: the one with most stems).")
    aggregation: str = param("median_of_medians", choices=tuple(AGGREGATIONS), metavar="A", doc="As in report.")
    missing: str = param("floor", choices=tuple(MISSING), metavar="RULE", doc="As in report.")
    level: float = param(0.95, above=0, below=1, doc="Level of the intervals.")
    format: Literal["text", "json", "csv"] = param(
        "text",
        doc='A sentence, or all numbers; JSON has null for what is not computed, and "inf" and "-inf" for infinities.',
    )
    fail_if_worse: bool = param(False, doc="End with status 1 where A is worse than B, tested alone at 0.05.")

    def execute(self) -> int:
        """Print the comparison."""
        from mss_bench.api import load
        from mss_bench.core.streams import tell
        from mss_bench.core.text import counted
        from mss_bench.errors import ConfigError, RunError
        from mss_bench.report.failures import group_failures
        from mss_bench.report.selection import the_separator
        from mss_bench.running.tables import build_missing
        from mss_bench.stats.verdicts import Verdict

        build_missing(self.run)
        results = load(self.run)
        a, b = (the_separator(results.tracks, name) for name in (self.a, self.b))
        counts = group_failures(results.tracks, results.failures, results.run, {a, b}).counts
        try:
            compared = results.compare(
                a, b, self.metric, self.target, group=self.group, aggregation=self.aggregation, missing=self.missing,
                level=self.level,
            )  # fmt: skip
        except RunError as error:
            if not (self.fail_if_worse and counts.missing):
                raise
            tell(f"{error}; {counts.banner_of(f'{a} and {b}')}")
            return 1
        everything = group_failures(results.tracks, results.failures, results.run).counts
        if banner := everything.banner_of("all methods" if counts.missing else ""):
            tell(f"warning: {banner}")
        if results.outdated:
            rebuild = f"mss-bench results rebuild {shlex.quote(str(self.run))}"
            tell(f"note: the tables of {self.run} are older than its cells; make them anew: {rebuild}")
        print(_printed(compared, self.format))
        if not self.fail_if_worse:
            return 1 if results.outdated else 0
        alone = compared.pair.alone
        if alone is Verdict.TOO_FEW:
            raise ConfigError(f"--fail-if-worse needs at least 6 songs to show anything, got {compared.pair.n_tracks}")
        worse = alone is Verdict.TOLD_APART and compared.pair.rank_biserial < 0
        if failed := group_failures(results.tracks, results.failures, results.run, {a}).counts.failed:
            tell(f"--fail-if-worse: {a} failed on {counted(failed, 'song')}, where a stand-in counts")
        if compared.lacking:
            tell(f"--fail-if-worse: {compared.lacking}, where others have one")
        return 1 if results.outdated or worse or failed or counts.missing or compared.lacking else 0


def _printed(compared: Comparison, kind: str) -> str:
    import json

    row = compared.to_dict()
    if kind == "json":
        plain = {name: _plain(v) if isinstance(v, float) else v for name, v in row.items()}
        return json.dumps(plain, indent=1, ensure_ascii=False)
    if kind == "csv":
        import pandas as pd

        from mss_bench.core.text import frame_csv

        return frame_csv(pd.DataFrame([row])).rstrip("\n")
    return str(compared)


def _plain(value: float) -> float | str | None:
    """Return a number for JSON, which has neither NaN nor infinities."""
    return None if math.isnan(value) else str(value) if math.isinf(value) else value


configure, execute = verb(Compare, epilog=_EXAMPLES)
