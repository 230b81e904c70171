"""``mss-bench datasets``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mss_bench.cli.options import Parser, add_actions, add_options, given, terminal_width
from mss_bench.core.parameters import Parameterized, param
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.datasets import Dataset

__all__ = ["configure", "execute"]


class Command(Parameterized):
    """Options of the verb."""

    name: str = param(flag="NAME", metavar="NAME", doc="Data set, with options as in demo:n_songs=12.")


def configure(parser: Parser) -> None:
    """Add the options."""
    actions = add_actions(
        parser,
        {
            "list": "every data set of the catalog and whether it is there",
            "show": "one data set: subsets, targets, licence, citation",
            "check": "look for missing, damaged, inconsistent and duplicate audio",
        },
    )
    for action in ("show", "check"):
        add_options(actions[action], Command)
    add_options(actions["check"], RunOptions, ["subset"], subset={"doc": "Subset (default: all that are there)."})
    add_options(actions["check"], RunOptions, ["tracks", "max_tracks"])
    for action in ("show", "check"):
        add_options(actions[action], RunOptions, ["root"])
    for subparser in actions.values():
        add_options(subparser, RunOptions, ["catalogs", "plugins"])


def execute(args: argparse.Namespace) -> int:
    """List, show or check."""
    from mss_bench.datasets import layouts

    options = RunOptions(**given(args, RunOptions))
    for plugin in options.plugins:
        layouts.add_file(plugin)
    if args.action == "list":
        _list(options)
        return 0
    dataset = options.with_values(dataset=args.name).open_dataset()
    if args.action == "show":
        _show(dataset)
        return 0
    return _check(dataset, options)


def _list(options: RunOptions) -> None:
    from mss_bench.datasets.catalog import load_catalog
    from mss_bench.report.table import Table

    rows = [
        [name, "/".join(dataset.subsets) or "-", dataset.description, dataset.where()]
        for name, dataset in load_catalog(options.catalogs).items()
    ]
    print(Table("", ["name", "subsets", "what it holds", "where"], [rows]).console(terminal_width()))


def _show(dataset: Dataset) -> None:
    from mss_bench.core.text import columns

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
        ("mixture", dataset.mixture),
        ("licence", dataset.licence),
        ("citation", dataset.citation),
        ("homepage", dataset.homepage),
    ]
    print(dataset.name)
    print(columns([fact for fact in facts if fact[1]], indent="  "))


def _check(dataset: Dataset, options: RunOptions) -> int:
    from mss_bench.datasets.doctor import examine
    from mss_bench.report.table import Table

    subsets: list[str | None] = [options.subset]
    if options.subset in (None, "all") and dataset.subsets and dataset.root is not None:
        # A copy with one subset alone is common; the missing one is said, not refused.
        present = dataset.present_subsets()
        for name in set(dataset.subsets) - set(present):
            print(f"note: subset {name!r} is not in {dataset.root}")
        subsets = [*present] or [None]
    elif options.subset is None and dataset.subsets:
        subsets = ["all"]
    tracks = [track for subset in subsets for track in dataset.tracks(subset, options.tracks)]
    report = examine(dataset, tracks[: options.max_tracks])
    if report.findings:
        rows = [[f.severity, f"{f.subset}/{f.track}".lstrip("/"), f.part, f.message] for f in report.findings]
        print(Table("", ["severity", "track", "part", "finding"], [rows]).console(terminal_width()))
    print(report.summary())
    return 1 if report.errors else 0
