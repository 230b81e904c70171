"""``mss-bench metrics``."""

from __future__ import annotations

import argparse
import inspect
import shutil
import textwrap
from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING

from mss_bench.cli.arguments import add_plugins

if TYPE_CHECKING:
    from mss_bench.metrics import Metric

__all__ = ["configure", "execute"]

_LIST_HEAD = ("name", "reports", "what it is")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_plugins(actions.add_parser("list", help="every metric, with what it reports"))
    show = actions.add_parser("show", help="one metric: definition, range, cost, what it reacts to, caution")
    show.add_argument("name", metavar="NAME")
    add_plugins(show)


def execute(args: argparse.Namespace) -> int:
    """List or show."""
    from mss_bench.core.parameters import parameters
    from mss_bench.core.spec import format_params
    from mss_bench.metrics import metrics
    from mss_bench.metrics.cards import card_lines, range_text
    from mss_bench.metrics.presets import PRESETS

    for plugin in args.plugins:
        metrics.add_file(plugin)
    if args.action == "list":
        _list(metrics.load_all())
        return 0
    cls = metrics.load(args.name)
    print(f"{args.name} (version {cls.version})")
    for q in cls.quantities:
        better = "higher is better" if q.higher_is_better else "lower is better"
        print(f"  {q.name} [{q.unit or 'no unit'}, {better}, {range_text(q)}]: {q.definition}")
    presets = PRESETS.get(args.name, {})
    found = {k: p.default for k, p in parameters(cls).items() if not (presets and p.default is None)}
    if found:
        print("  parameters (name=default): " + format_params(found))
    for preset, values in presets.items():
        print(f"  preset={preset}: {format_params(values)}" + " (default)" * (preset == next(iter(presets))))
    print(f"  {cls.citation}")
    width = max(60, min(120, shutil.get_terminal_size((100, 24)).columns))
    for line in card_lines(args.name, cls):
        print(textwrap.fill(line, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))
    print()
    print(inspect.getdoc(cls))
    return 0


def _list(classes: Mapping[str, type[Metric]]) -> None:
    """A line for each metric, no wider than the terminal."""
    from mss_bench.core.text import columns

    reported = {name: textwrap.wrap(", ".join(q.name for q in cls.quantities), 32) for name, cls in classes.items()}
    room = max(80, min(120, shutil.get_terminal_size((100, 24)).columns))
    room -= max(map(len, reported)) + max(len(line) for lines in reported.values() for line in lines) + 4
    rows = []
    for name, cls in classes.items():
        summary = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("``", "")
        lines = zip_longest([name], reported[name], textwrap.wrap(summary, room), fillvalue="")
        rows += [tuple(line) for line in lines]
    print(columns(rows, _LIST_HEAD))
    print("\nDefinitions, parameters, presets and references: mss-bench metrics show NAME")
