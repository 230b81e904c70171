"""``mss-bench datasets``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.cli.options import Action, parameter_table, print_checks, terminal_width, verb
from mss_bench.core.parameters import param, parameters
from mss_bench.errors import UnknownNameError
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.core.tracks import Track
    from mss_bench.datasets import Dataset

__all__ = ["ACTIONS", "configure", "execute"]


class List(Action):
    """List every data set of the catalog and whether it is there."""

    catalogs: tuple[Path, ...] = RunOptions.catalogs
    plugins: tuple[Path, ...] = RunOptions.plugins

    def setup(self) -> None:
        from mss_bench.datasets import layouts

        for plugin in self.plugins:
            layouts.add_file(plugin)

    def execute(self) -> int:
        """Print the list."""
        from mss_bench.datasets.catalog import load_catalog
        from mss_bench.report.table import Table

        rows = [
            [name, "/".join(dataset.subsets) or "-", dataset.description, dataset.where()]
            for name, dataset in load_catalog(self.catalogs).items()
        ]
        print(Table("", ["name", "subsets", "what it holds", "where"], [rows]).console(terminal_width()))
        return 0


class Show(List):
    """Show one data set: subsets, targets, licence, citation."""

    dataset: str = param(flag="NAME", metavar="NAME", doc="Data set, with options as in demo:n_songs=12.")
    root: Path | None = RunOptions.root

    def open(self) -> Dataset:
        """Return the data set."""
        return RunOptions(dataset=self.dataset, catalogs=self.catalogs, root=self.root).open_dataset()

    def execute(self) -> int:
        """Print what is declared."""
        from mss_bench.core.text import columns
        from mss_bench.datasets import Dataset

        dataset = self.open()

        def parts(target: str) -> str:
            stems = dataset.targets[target]
            return f"{target} = {' + '.join(stems)}" if len(stems) > 1 else target

        facts = [
            ("description", dataset.description),
            ("layout", dataset.layout),
            ("root", dataset.where()),
            ("sample rate", f"{dataset.sample_rate} Hz"),
            ("subsets", ", ".join(s + " (default)" * (s == dataset.default_subset) for s in dataset.subsets)),
            ("stems", ", ".join(dataset.targets.stems)),
            *((f"group {group.name}", ", ".join(map(parts, group.targets))) for group in dataset.groups),
            ("map", str(dataset.map)),
            ("mixture", dataset.mixture),
            ("left out", "tracks that lack a stem" if dataset.complete else ""),
            ("made alike", ", ".join(_made_alike(dataset))),
            ("errata", f"{len(dataset.errata)} tracks; --without-errata leaves them out" if dataset.errata else ""),
            ("licence", dataset.licence),
            ("citation", dataset.citation),
            ("homepage", dataset.homepage),
        ]
        print(dataset.name)
        print(columns([fact for fact in facts if fact[1]], indent="  ", width=terminal_width()))
        hidden = {name for name in parameters(Dataset) if name not in _SHOWN_OPTIONS}
        own = {name: getattr(dataset, name) for name in parameters(type(dataset)) if name not in hidden}
        hidden |= {name for name in own if parameters(type(dataset))[name].required}  # what describes the data set
        if options := parameter_table(type(dataset), own, leave_out=hidden):
            print(f"\nOptions:\n{options}", end="")
        return 0


_SHOWN_OPTIONS = ("missing_stems", "complete", "trim", "mono", "resample")
"""Options of every layout that are worth showing beside those of its own."""


def _made_alike(dataset: Dataset) -> list[str]:
    """Return how files of a song that differ are made to fit, for display."""
    done = {
        "cut to the shortest": dataset.trim,
        "mono made stereo": dataset.mono == "double",
        f"resampled to {dataset.resample} Hz": dataset.resample,
    }
    return [words for words, is_done in done.items() if is_done]


class Check(Show):
    """Look for missing, damaged, inconsistent and duplicate audio."""

    subset: str = param("all", doc="Subset, or all that are there.")
    tracks: tuple[str, ...] = RunOptions.tracks
    max_tracks: int | None = RunOptions.max_tracks

    def execute(self) -> int:
        """Print what is found; the status is 1 where there are errors."""
        from mss_bench.datasets.doctor import examine
        from mss_bench.report.table import Table

        dataset = self.open()
        report = examine(dataset, self._tracks(dataset)[: self.max_tracks])
        if report.findings:
            rows = [[f.severity, f"{f.subset}/{f.track}".lstrip("/"), f.part, f.message] for f in report.findings]
            print(Table("", ["severity", "track", "part", "finding"], [rows]).console(terminal_width()))
        print(report.summary())
        return 1 if report.errors else 0

    def _tracks(self, dataset: Dataset) -> list[Track]:
        if self.subset != "all" or dataset.root is None:
            return dataset.tracks(self.subset if dataset.subsets else None, self.tracks)
        # A copy with one subset alone is common; a missing one is reported and no error.
        present = dataset.present_subsets()
        for name in [subset for subset in dataset.whole_subsets() if subset not in present]:
            print(f"note: subset {name!r} is not in {dataset.root}")
        tracks = [track for subset in present for track in dataset.tracks(subset)] or dataset.tracks()
        if unknown := set(self.tracks) - {track.name for track in tracks}:
            raise UnknownNameError(f"track of {dataset.name}", min(unknown), {track.name for track in tracks})
        return [track for track in tracks if not self.tracks or track.name in self.tracks]


class CheckLayout(Show):
    """Check the layout of a data set against the contract: what a plugin's find() returns."""

    def execute(self) -> int:
        """Print the checks; the status is 1 where one fails."""
        from mss_bench.datasets.contract import check_layout

        dataset = self.open()
        return print_checks(f"{dataset.name} (layout {dataset.layout})", check_layout(dataset))


class Export(Show):
    """Write metadata of a data set that others read: Croissant 1.0, for its folder."""

    hashes: bool = param(False, doc="Name the SHA-256 of every file, which reads all of them.")
    out: Path | None = param(
        None, short="-o", metavar="FILE", doc="File, best beside the data as croissant.json (default: print it)."
    )

    def execute(self) -> int:
        """Write the metadata, and say on standard error what the entry lacks."""
        import json
        import sys

        from mss_bench.core.files import write_atomic
        from mss_bench.exports.croissant import croissant

        dataset = self.open()
        content, absent = croissant(dataset, hashes=self.hashes)
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        if self.out is None:
            print(text, end="")
        else:
            print(write_atomic(self.out, text))
        if absent:
            said = ", ".join(absent)
            print(f"note: Croissant asks for {said}, which the entry of {dataset.name} does not say", file=sys.stderr)
        return 0


ACTIONS: dict[str, type[Action]] = {
    "list": List, "show": Show, "check": Check, "check-layout": CheckLayout, "export": Export
}  # fmt: skip

configure, execute = verb(ACTIONS)
