"""``mss-bench perturbations``."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.cli.options import (
    Action,
    add_actions,
    documentation,
    execute_action,
    parameter_table,
    print_checks,
    terminal_width,
)
from mss_bench.core.parameters import param, parameters
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.perturbations import Perturbation

__all__ = ["ACTIONS", "configure", "execute"]


class List(Action):
    """List every perturbation, with its strengths and what becomes of the references."""

    plugins: tuple[Path, ...] = RunOptions.plugins

    def setup(self) -> None:
        from mss_bench.perturbations import perturbations

        for plugin in self.plugins:
            perturbations.add_file(plugin)

    def execute(self) -> int:
        """Print the list."""
        from mss_bench.perturbations import perturbations
        from mss_bench.report.table import Table

        rows = []
        for name, cls in perturbations.load_all().items():
            summary = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ").replace("``", "")
            rows.append([name, ladder_text(cls), "changed alike" if cls.alike else "clean", summary])
        print(
            Table("", ["name", "strengths, mild to severe", "references", "what it does"], [rows]).console(
                terminal_width()
            )
        )
        print("\nParameters: mss-bench perturbations show NAME; use: mss-bench run --perturb NAME:key=value")
        return 0


class Show(List):
    """Show one perturbation: strengths, parameters, what becomes of the references."""

    perturbation: str = param(flag="NAME", metavar="NAME", doc="Perturbation.")

    def execute(self) -> int:
        """Print its facts, parameters and documentation."""
        from mss_bench.core.text import filled
        from mss_bench.perturbations import perturbations

        cls = perturbations.load(self.perturbation)
        facts = [
            f"strengths: {ladder_text(cls)}",
            "references: go through the same change" if cls.alike else "references: stay clean",
            "" if cls.keeps_time else "annotations of the songs are left out, since times change",
            f"not here: {cls.missing()}" if cls.missing() else "",
        ]
        print(f"{self.perturbation} (version {cls.version})")
        for fact in filter(None, facts):
            print(filled(f"  {fact}", terminal_width(), "    "))
        print()
        print(parameter_table(cls, cls.defaults({})))
        print(documentation(cls))
        return 0


class Check(List):
    """Check a perturbation against the contract."""

    spec: str = param(
        flag="SPEC", metavar="SPEC", doc="Perturbation as name or name:key=value, or a Python file with perturbations."
    )

    def execute(self) -> int:
        """Print the checks; the status is 1 where one fails."""
        from mss_bench.core.spec import Spec, build
        from mss_bench.errors import ConfigError
        from mss_bench.perturbations import perturbations
        from mss_bench.perturbations.contract import check_perturbation

        own_file = self.spec.endswith(".py") and self.spec not in perturbations
        specs = perturbations.add_file(Path(self.spec)) if own_file else [self.spec]
        if not specs:
            raise ConfigError(f"{self.spec} has no Perturbation class with a name of its own")
        checked = ((name, build(perturbations, Spec.parse(name))[0]) for name in specs)
        return max(print_checks(name, check_perturbation(perturbation)) for name, perturbation in checked)


def ladder_text(cls: type[Perturbation]) -> str:
    """Return the strengths of a perturbation: ``rate=192, 96, 64 kbit/s``."""
    if not cls.ladder:
        return "one"
    values = ", ".join(f"{value:g}" for value in cls.ladder)
    return f"{cls.strength}={values} {parameters(cls)[cls.strength].unit}".rstrip()


ACTIONS: dict[str, type[Action]] = {"list": List, "show": Show, "check": Check}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add_actions(parser, ACTIONS)


def execute(args: argparse.Namespace) -> int:
    """Execute an action."""
    return execute_action(args, ACTIONS[args.action])
