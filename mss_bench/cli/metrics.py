"""``mss-bench metrics``."""

from __future__ import annotations

import inspect

from mss_bench.cli import arena
from mss_bench.cli.options import (
    Action,
    documentation,
    parameter_table,
    terminal_width,
    verb,
)
from mss_bench.cli.registered import OfRegistry
from mss_bench.core.parameters import param

__all__ = ["ACTIONS", "configure", "execute"]


class List(OfRegistry):
    """List every metric, with what it reports."""

    registered = "metrics"

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
        from mss_bench.metrics.contract import check_metric

        return self.checked(self.specs(self.spec), check_metric)


ACTIONS: dict[str, type[Action]] = {"list": List, "show": Show, "check": Check, **arena.ACTIONS}

configure, execute = verb(ACTIONS, {"arena": "Hold metrics against what listeners said."})
