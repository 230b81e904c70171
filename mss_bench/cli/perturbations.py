"""``mss-bench perturbations``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from mss_bench.cli.options import (
    Action,
    documentation,
    parameter_table,
    terminal_width,
    verb,
)
from mss_bench.cli.registered import OfRegistry
from mss_bench.core.parameters import param, parameters

if TYPE_CHECKING:
    from mss_bench.perturbations import Perturbation

__all__ = ["ACTIONS", "configure", "execute"]


class List(OfRegistry):
    """List every perturbation, with its strengths and what becomes of the references."""

    registered = "perturbations"

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
        from mss_bench.perturbations.contract import check_perturbation

        return self.checked(self.specs(self.spec), check_perturbation)


def ladder_text(cls: type[Perturbation]) -> str:
    """Return the strengths of a perturbation: ``rate=192, 96, 64 kbit/s``."""
    if not cls.ladder:
        return "one"
    values = ", ".join(f"{value:g}" for value in cls.ladder)
    return f"{cls.strength}={values} {parameters(cls)[cls.strength].unit}".rstrip()


ACTIONS: dict[str, type[Action]] = {"list": List, "show": Show, "check": Check}

configure, execute = verb(ACTIONS)
