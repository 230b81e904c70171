"""``mss-bench metrics``."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path

from mss_bench.cli import arena
from mss_bench.cli.options import (
    Action,
    add_actions,
    documentation,
    execute_action,
    parameter_table,
    print_checks,
    terminal_width,
)
from mss_bench.core.parameters import param
from mss_bench.running.options import RunOptions

__all__ = ["ACTIONS", "configure", "execute"]


class List(Action):
    """List every metric, with what it reports."""

    plugins: tuple[Path, ...] = RunOptions.plugins

    def setup(self) -> None:
        from mss_bench.metrics import metrics

        for plugin in self.plugins:
            metrics.add_file(plugin)

    def execute(self) -> int:
        """Print the list."""
        from mss_bench.metrics import metrics
        from mss_bench.report.table import Table

        rows = []
        for name, cls in metrics.load_all().items():
            summary = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("``", "")
            rows.append([name, ", ".join(q.name for q in cls.quantities), summary])
        print(Table("", ["name", "reports", "what it is"], [rows]).console(terminal_width()))
        print("\nDefinitions, parameters, presets and references: mss-bench metrics show NAME")
        return 0


class Show(List):
    """Show one metric: definition, range, cost, what it reacts to, caution."""

    metric: str = param(flag="NAME", metavar="NAME", doc="Metric, or one of its quantities such as SDR.")

    def execute(self) -> int:
        """Print its quantities, parameters, presets, card and documentation."""
        from mss_bench.core.spec import format_params
        from mss_bench.core.text import filled, wrap
        from mss_bench.metrics import metrics
        from mss_bench.metrics.cards import card_lines, range_text

        name = metrics.canonical(self.metric)
        if name not in (self.metric, self.metric.lower()):
            print(f"{self.metric} is a quantity of the metric {name}.")
        cls = metrics.load(name)
        print(f"{name} (version {cls.version})")
        width = terminal_width()
        for q in cls.quantities:
            better = "higher is better" if q.higher_is_better else "lower is better"
            text = f"  {q.name} [{q.unit or 'no unit'}, {better}, {range_text(q)}]: {q.definition}"
            print(filled(text, width, "    "))
        for preset in cls.presets:
            values = {k: v for k, v in cls.defaults({"preset": preset}).items() if k != "preset"}
            text = f"preset={preset}: {format_params(values)}" + " (default)" * (preset == next(iter(cls.presets)))
            print("\n".join(f"  {line}" for line in wrap(text, width - 2, indent=2, breaks=" ,")))
        print(filled(f"  {cls.citation}", width, "    "))
        for line in card_lines(name, cls):
            print(filled(f"  {line}", width, "    "))
        print()
        print(parameter_table(cls, cls.defaults({}) | ({"preset": next(iter(cls.presets))} if cls.presets else {})))
        print(documentation(cls))
        return 0


class Check(List):
    """Check a metric against the contract."""

    spec: str = param(
        flag="SPEC", metavar="SPEC", doc="Metric as name or name:key=value, or a Python file with metrics."
    )

    def execute(self) -> int:
        """Print the checks; the status is 1 where one fails."""
        from mss_bench.core.spec import Spec, build
        from mss_bench.errors import ConfigError
        from mss_bench.metrics import metrics
        from mss_bench.metrics.contract import check_metric

        own_file = self.spec.endswith(".py") and self.spec not in metrics
        specs = metrics.add_file(Path(self.spec)) if own_file else [self.spec]
        if not specs:
            raise ConfigError(f"{self.spec} has no Metric class with a name of its own")
        return max(print_checks(name, check_metric(build(metrics, Spec.parse(name))[0])) for name in specs)


ACTIONS: dict[str, type[Action]] = {"list": List, "show": Show, "check": Check, **arena.ACTIONS}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add_actions(parser, ACTIONS, {"arena": "Hold metrics against what listeners said."})


def execute(args: argparse.Namespace) -> int:
    """Execute an action."""
    return execute_action(args, ACTIONS[args.action])
