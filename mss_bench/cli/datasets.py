"""``mss-bench datasets``."""

from __future__ import annotations

import argparse

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every data set of the catalog and whether it is there")
    show = actions.add_parser("show", help="one data set: subsets, targets, licence, citation")
    check = actions.add_parser("check", help="look for missing, damaged, inconsistent and duplicate audio")
    for action in (listing, show, check):
        action.add_argument("--datasets", action="append", default=[], metavar="FILE", help="a catalog of your own")
    for action in (show, check):
        action.add_argument("name", metavar="NAME")
        action.add_argument("--root", metavar="DIR", help="folder of the data set, instead of the declared one")
    check.add_argument("--subset", help="a subset, or 'all' (default: all)", default="all")
    check.add_argument("--max-tracks", type=int, metavar="N", help="only the first N tracks")


def execute(args: argparse.Namespace) -> int:
    """List, show or check."""
    from mss_bench.core.spec import Spec
    from mss_bench.core.text import columns
    from mss_bench.datasets.catalog import get, load_catalog

    if args.action == "list":
        rows = []
        for name, entry in load_catalog(args.datasets).items():
            rows.append((name, "/".join(entry.subsets) or "-", entry.description, entry.where()))
        print(columns(rows, ("name", "subsets", "what", "where")))
        return 0
    spec = Spec.parse(args.name)
    dataset = get(spec.name, args.datasets, args.root, **spec.params)
    if args.action == "show":
        facts = [
            ("description", dataset.description),
            ("layout", dataset.layout),
            ("root", dataset.where()),
            ("sample rate", f"{dataset.sample_rate} Hz"),
            ("subsets", ", ".join(s + " (default)" * (s == dataset.default_subset) for s in dataset.subsets)),
            ("stems", ", ".join(dataset.targets.stems)),
            *((f"group {g.name}", ", ".join(f"{t} = {' + '.join(dataset.targets[t])}" if len(dataset.targets[t]) > 1
                                           else t for t in g.targets)) for g in dataset.groups),
            ("mixture", dataset.mixture),
            ("licence", dataset.licence),
            ("citation", dataset.citation),
            ("homepage", dataset.homepage),
        ]  # fmt: skip
        print(dataset.name)
        print(columns([f for f in facts if f[1]], indent="  "))
        return 0
    return _check(dataset, args)


def _check(dataset: object, args: argparse.Namespace) -> int:
    from mss_bench.core.text import columns
    from mss_bench.datasets.catalog import Dataset
    from mss_bench.datasets.doctor import examine

    assert isinstance(dataset, Dataset)
    subset = None if not dataset.subsets else args.subset
    if subset == "all" and dataset.root is not None:
        # A copy with one subset alone is common; the missing one is said, not refused.
        there = dataset.present_subsets()
        for name in set(dataset.subsets) - set(there):
            print(f"note: subset {name!r} is not in {dataset.root}")
        tracks = [t for s in there for t in dataset.tracks(s)] or dataset.tracks()
        tracks = tracks[: args.max_tracks]
    else:
        tracks = dataset.tracks(subset, max_tracks=args.max_tracks)
    report = examine(dataset, tracks)
    if report.findings:
        rows = [(f.severity, f"{f.subset}/{f.track}".lstrip("/"), f.part, f.message) for f in report.findings]
        print(columns(rows, ("severity", "track", "part", "finding")))
    print(report.summary())
    return 1 if report.errors else 0
