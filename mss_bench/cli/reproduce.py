"""``mss-bench reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.cli.options import Action, terminal_width, verb
from mss_bench.core.parameters import param
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    import pandas as pd

    from mss_bench.reproduction.again import Request

__all__ = ["Again", "Reproduce", "configure", "execute"]

_SHOWN = 20


class Again(Action):
    """Declare what is needed to compute the numbers of a bundle again."""

    dataset: str = param("", metavar="NAME", doc="Data set in the place of the recipe's (default: that).")
    root: Path | None = RunOptions.root
    catalogs: tuple[Path, ...] = RunOptions.catalogs
    weights: Path | None = param(
        None, metavar="DIR", doc="Folder of the weights that the bundle names by their checksums (default: none)."
    )
    sample: int = param(0, at_least=0, metavar="N", doc="Only N songs, drawn at random; 0 for all.")
    draw: int = param(0, at_least=0, metavar="N", doc="Seed of that draw.")
    tolerance: float = param(0.01, at_least=0, metavar="X", doc="Greatest difference of two values of a song.")
    trust: bool = param(False, doc="Execute code of the bundle: its plugins, and commands that it names.")
    jobs: int | None = RunOptions.jobs

    def request(self, out: Path | None = None) -> Request:
        """Return what is asked for."""
        from mss_bench.reproduction.again import Request

        return Request(
            self.dataset, self.root, self.catalogs, self.weights, self.sample, self.draw, self.trust, out, self.jobs,
            self.tolerance,
        )  # fmt: skip


class Reproduce(Again):
    """Run the recipe of a bundle again and compare every value; status 1 where some differ."""

    bundle: Path = param(flag="BUNDLE", metavar="BUNDLE", doc="What mss-bench leaderboard submit wrote.")
    csv: Path | None = param(None, metavar="FILE", doc="Write every difference there (default: none).")
    out: Path | None = param(None, short="-o", metavar="DIR", doc="Run folder to keep (default: a temporary one).")

    def execute(self) -> int:
        """Print how many values are the same, and those that are not."""
        from mss_bench.core.files import write_atomic
        from mss_bench.core.text import frame_csv
        from mss_bench.leaderboards.bundle import read_bundle
        from mss_bench.reproduction.again import reproduce

        bundle = read_bundle(self.bundle)
        with bundle.unpacked() as folder:
            board = bundle.board(folder)
            entries = bundle.entries(board)
            table = reproduce(bundle, board, entries, self.request(self.out))
        if self.csv is not None:
            write_atomic(self.csv, frame_csv(table))
        print("\n".join(shown(table)))
        return 0 if bool(table["same"].all()) else 1


def shown(table: pd.DataFrame) -> list[str]:
    """Return a comparison as lines: a count a method, then the values that differ, the largest difference first."""
    from mss_bench.report.table import Column, Table

    lines = []
    for method, part in table.groupby("method", sort=False):
        worst = part["difference"].abs().max()
        songs = part["track"].nunique()
        lines.append(
            f"{method}: {int(part['same'].sum())} of {len(part)} values are the same, on {songs} songs; largest "
            f"difference {worst:.3g}"
        )
    other = table[~table["same"]]
    if len(other):
        other = other.reindex(other["difference"].abs().sort_values(ascending=False, na_position="first").index)
        rows = other.drop(columns="same").head(_SHOWN).to_numpy().tolist()
        columns: list[str | Column] = ["separator", "track", "target", "metric", "was", "now", "difference"]
        lines += ["", Table("Values that differ", columns, [rows]).console(terminal_width())]
        if len(other) > _SHOWN:
            lines.append(f"and {len(other) - _SHOWN} more; --csv FILE has all")
    return lines


configure, execute = verb(Reproduce)
