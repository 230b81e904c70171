"""``mss-bench metrics``."""

from __future__ import annotations

import argparse
import inspect

from mss_bench.cli.arguments import add_plugins

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_plugins(actions.add_parser("list", help="every metric, with what it reports"))
    show = actions.add_parser("show", help="definition, parameters, direction and reference of one metric")
    show.add_argument("name", metavar="NAME")
    add_plugins(show)


def execute(args: argparse.Namespace) -> int:
    """List or show."""
    from mss_bench.metrics import metrics
    from mss_bench.spec import format_params, parameters
    from mss_bench.text import columns

    for plugin in args.plugins:
        metrics.add_file(plugin)
    if args.action == "list":
        rows = []
        for name in metrics.names():
            cls = metrics.load(name)
            rows.append((name, ", ".join(q.name for q in cls.quantities), cls.citation))
        print(columns(rows, ("name", "reports", "citation")))
        return 0
    cls = metrics.load(args.name)
    print(f"{args.name} (version {cls.version})")
    for q in cls.quantities:
        better = "higher is better" if q.higher_is_better else "lower is better"
        print(f"  {q.name} [{q.unit or 'no unit'}, {better}]: {q.definition}")
    found = {k: p.default for k, p in parameters(cls).items()}
    if found:
        print("  parameters (name=default): " + format_params(found))
    print()
    print(inspect.getdoc(cls))
    return 0
