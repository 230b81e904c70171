"""``mss-bench metrics``."""

from __future__ import annotations

import argparse
import inspect
import shutil
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mss_bench.cli.options import Parser, add_actions, add_options, given, terminal_width
from mss_bench.core.parameters import Parameterized, param
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.metrics import Metric

__all__ = ["configure", "execute"]


class Command(Parameterized):
    """Options of the verb."""

    name: str = param(flag="NAME", metavar="NAME", doc="Metric, or one of its quantities such as SDR.")


def configure(parser: Parser) -> None:
    """Add the options."""
    actions = add_actions(
        parser,
        {
            "list": "every metric, with what it reports",
            "show": "one metric: definition, range, cost, what it reacts to, caution",
        },
    )
    add_options(actions["show"], Command)
    for subparser in actions.values():
        add_options(subparser, RunOptions, ["plugins"])


def execute(args: argparse.Namespace) -> int:
    """List or show."""
    from mss_bench.core.parameters import parameters
    from mss_bench.core.spec import format_params
    from mss_bench.metrics import metrics
    from mss_bench.metrics.cards import card_lines, range_text

    for plugin in given(args, RunOptions).get("plugins", ()):
        metrics.add_file(plugin)
    if args.action == "list":
        _list(metrics.load_all())
        return 0
    name = metrics.canonical(args.name)
    if name != args.name:
        print(f"{args.name} is a quantity of the metric {name}.")
    cls = metrics.load(name)
    print(f"{name} (version {cls.version})")
    for q in cls.quantities:
        better = "higher is better" if q.higher_is_better else "lower is better"
        print(f"  {q.name} [{q.unit or 'no unit'}, {better}, {range_text(q)}]: {q.definition}")
    defaults = {k: p.default for k, p in parameters(cls).items() if k != "preset"}
    if defaults:
        print("  parameters (name=default): " + format_params(defaults))
    for preset in cls.presets:
        values = {k: v for k, v in cls.defaults({"preset": preset}).items() if k != "preset"}
        print(f"  preset={preset}: {format_params(values)}" + " (default)" * (preset == next(iter(cls.presets))))
    print(f"  {cls.citation}")
    width = max(60, min(120, shutil.get_terminal_size((100, 24)).columns))
    for line in card_lines(name, cls):
        print(textwrap.fill(line, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))
    print()
    print(inspect.getdoc(cls))
    return 0


def _list(classes: Mapping[str, type[Metric]]) -> None:
    from mss_bench.report.table import Table

    rows = [
        [
            name,
            ", ".join(q.name for q in cls.quantities),
            (inspect.getdoc(cls) or "").split("\n\n")[0].replace("``", ""),
        ]
        for name, cls in classes.items()
    ]
    print(Table("", ["name", "reports", "what it is"], [rows]).console(terminal_width()))
    print("\nDefinitions, parameters, presets and references: mss-bench metrics show NAME")
