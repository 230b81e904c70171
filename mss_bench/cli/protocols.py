"""``mss-bench protocols``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.cli.options import Action, print_checks, terminal_width, verb
from mss_bench.core.parameters import param
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.protocols import Beside

__all__ = ["ACTIONS", "configure", "execute"]


class List(Action):
    """List every scoring protocol: what its number is, and of which data."""

    protocol_files: tuple[Path, ...] = RunOptions.protocol_files

    def execute(self) -> int:
        """Print the list."""
        from mss_bench.leaderboards.beside import reproducible
        from mss_bench.protocols import load_protocols
        from mss_bench.report.table import Table

        rows = [
            [name, p.definition, f"{', '.join(p.datasets) or 'any'} {p.subset or ''}".strip(), str(len(p.tracks) or "")]
            for name, p in load_protocols(self.protocol_files).items()
        ]
        print(Table("", ["name", "what its number is", "data set", "tracks"], [rows]).console(terminal_width()))
        print("\nAll rules: mss-bench protocols show NAME")
        print("Published tables from values of each song: mss-bench protocols reproduce NAME")
        print(f"NAME is any of {reproducible()}")
        return 0


class Show(List):
    """Show one protocol: all its rules, and the options of a run that they are."""

    protocol: str = param(flag="NAME", metavar="NAME", doc="Protocol, as in sisec18@1; without a version the latest.")

    def execute(self) -> int:
        """Print what is declared."""
        from mss_bench.core.text import columns
        from mss_bench.protocols import get_protocol
        from mss_bench.running.by_protocol import check_metrics
        from mss_bench.stats.choices import AGGREGATIONS

        p = get_protocol(self.protocol, self.protocol_files)
        check_metrics(p)
        given = {"--dataset": p.datasets[0] if p.datasets else "", "--subset": p.subset or ""}
        given |= {"-m": ",".join(p.metrics), "--missing-stems": p.missing_stems, "--fit": ",".join(p.fit)}
        options = shlex.join(word for option in given.items() if option[1] for word in option)
        facts = [
            ("title", p.title),
            ("number", p.definition),
            ("data set", f"{', '.join(p.datasets) or 'any'}{f', subset {p.subset}' if p.subset else ''}"),
            ("tracks", f"{len(p.tracks)}, named in the list {p.track_list}" if p.tracks else "not fixed"),
            ("targets", ", ".join(p.targets)),
            *((f"group {name}", ", ".join(members)) for name, members in p.groups.items()),
            ("metrics", ", ".join(p.metrics)),
            ("published", ", ".join(p.quantities)),
            ("aggregation", AGGREGATIONS[p.aggregation] + ("; then the mean over the targets" if p.mean else "")),
            ("silence", p.silence),
            ("absent stems", p.missing_stems),
            ("length", p.length),
            ("channels", p.channels),
            ("complete", p.complete),
            *(("published in", where) for where in p.published),
            *(("stands beside", _beside(rows)) for rows in p.beside),
        ]  # fmt: skip
        print(p.name)
        print(columns([fact for fact in facts if fact[1]], indent="  ", width=terminal_width()))
        # Not as facts of the table, which are wrapped: whoever pastes a command wants it in one line.
        print("as options:")
        print(f"  mss-bench run {options}")
        print(f"  mss-bench score ESTIMATES {options}")
        print(f"  mss-bench report RUN --aggregation {p.aggregation}")
        return 0


def _beside(rows: Beside) -> str:
    """Return which published rows are meant, in words."""
    from mss_bench.leaderboards.beside import is_here

    board = rows.board if is_here(rows) else f"{rows.board}, which is not here"
    chosen = [rows.test_set, rows.metric, " or ".join(f"{each!r}" for each in rows.aggregation)]
    return f"the board {board}" + (f": {', '.join(filter(None, chosen))}" if any(chosen) else "")


class Check(Show):
    """Check whether a data set has what a protocol asks for: targets, subset, tracks."""

    protocol: str = Show.protocol  # before the data set on the command line
    dataset: str = param(flag="DATASET", metavar="DATASET", doc="Data set, with options as in demo:n_songs=12.")
    catalogs: tuple[Path, ...] = RunOptions.catalogs
    root: Path | None = RunOptions.root

    def execute(self) -> int:
        """Print the checks; the status is 1 where one fails."""
        from mss_bench.protocols import get_protocol
        from mss_bench.running.by_protocol import check_dataset

        protocol = get_protocol(self.protocol, self.protocol_files)
        dataset = RunOptions(dataset=self.dataset, catalogs=self.catalogs, root=self.root).open_dataset()
        return print_checks(f"{protocol.name}, {dataset.name}", check_dataset(protocol, dataset))


class Reproduce(Show):
    """Reproduce published tables from the values of each song on a board: sisec18, moisesdb-4, moisesdb-6, gensvs."""

    def execute(self) -> int:
        """Print a table for each quantity, the usual one first."""
        from mss_bench.core.spec import Spec, build
        from mss_bench.leaderboards.beside import reproduced
        from mss_bench.metrics import metrics
        from mss_bench.protocols import get_protocol
        from mss_bench.report.protocols import tables_of

        protocol = get_protocol(self.protocol, self.protocol_files)
        families = [build(metrics, Spec.parse(spec))[0] for spec in protocol.metrics]
        run = {"quantities": [vars(quantity) for family in families for quantity in family.quantities]}
        tables = tables_of(reproduced(protocol), run)
        print("\n\n".join(table.console(terminal_width()) for table in tables))
        return 0


ACTIONS: dict[str, type[Action]] = {"list": List, "show": Show, "check": Check, "reproduce": Reproduce}

configure, execute = verb(ACTIONS)
