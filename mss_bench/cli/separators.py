"""``mss-bench separators``."""

from __future__ import annotations

import argparse
import inspect
import sys
from typing import TYPE_CHECKING

from mss_bench.cli.options import Parser, add_actions, add_options, given, terminal_width
from mss_bench.core.parameters import Parameterized, param
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.core.checks import CheckResult

__all__ = ["configure", "execute"]


class Command(Parameterized):
    """Options of the verb."""

    name: str = param(flag="NAME", metavar="NAME", doc="Separator.")
    spec: str = param(
        flag="SPEC", metavar="SPEC",
        doc="Separator as name or name:key=value, a Python file with separators, or a model's manifest (.yaml).",
    )  # fmt: skip


def configure(parser: Parser) -> None:
    """Add the options."""
    actions = add_actions(
        parser,
        {
            "list": "every separator, with what it delivers",
            "show": "parameters, assumption, citation, needs of one separator",
            "check": "hold a separator to the contract",
        },
    )
    add_options(actions["show"], Command, ["name"])
    add_options(actions["check"], Command, ["spec"])
    for subparser in actions.values():
        add_options(subparser, RunOptions, ["plugins"])


def execute(args: argparse.Namespace) -> int:
    """List, show or check."""
    from mss_bench.separators import separators

    for plugin in given(args, RunOptions).get("plugins", ()):
        separators.add_file(plugin)
    if args.action == "list":
        _list()
        return 0
    if args.action == "show":
        _show(args.name)
        return 0
    return _check(args.spec)


def _list() -> None:
    from mss_bench.report.table import Cell, Row, Table
    from mss_bench.separators import separators

    rows: list[Row] = [
        [Cell(name, tag="oracle" if cls.needs_references else ""), _delivers(cls), _summary(cls)]
        for name, cls in separators.load_all().items()
    ]
    print(Table("", ["name", "delivers", "what it is"], [rows]).console(terminal_width()))
    print("\nParameters, assumption and citation: mss-bench separators show NAME")
    for problem in separators.problems:
        print(f"note: {problem}", file=sys.stderr)


def _delivers(cls: type) -> str:
    sets = getattr(cls, "target_sets", ())
    return " or ".join("/".join(s) for s in sets) or "any stems"


def _summary(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _show(name: str) -> None:
    from mss_bench.core.parameters import parameters
    from mss_bench.core.spec import format_params
    from mss_bench.core.text import columns
    from mss_bench.separators import separators

    cls = separators.load(name)
    facts = [
        ("version", cls.version),
        ("from", separators.origin(name)),
        ("delivers", _delivers(cls)),
        ("channels", " or ".join(map(str, cls.channels)) or "any"),
        ("oracle", "yes, it is given the references" if cls.needs_references else "no"),
        ("adds up to the mixture", "yes" if cls.adds_up else "no"),
        ("deterministic", "yes" if cls.deterministic else "no"),
        ("assumption", cls.assumption),
        ("trained on", ", ".join(cls.trained_on)),
        ("needs", f"pip install 'mss-bench[{cls.extra}]'" if cls.extra else ""),
        ("licence", cls.licence),
        ("citation", cls.citation),
    ]
    print(name)
    print(columns([f for f in facts if f[1]], indent="  "))
    found = parameters(cls)
    if found:
        print("  parameters (name=default)")
        for key, parameter in found.items():
            required = parameter.required
            print(f"    {key} (required)" if required else f"    {format_params({key: parameter.default})}")
    print()
    print(inspect.getdoc(cls))


def _check_manifest(path: str) -> int:
    from mss_bench.core.parameters import MappingError
    from mss_bench.separators.contract import check_separator
    from mss_bench.separators.deep.manifest import read_manifest
    from mss_bench.separators.deep.model import Model

    try:
        described = read_manifest(path, check_weights=True)
    except MappingError as error:
        print("\n".join(error.problems))
        return 1
    return _print_results(path, check_separator(Model(manifest=path), sample_rate=described.sample_rate))


def _check(spec: str) -> int:
    from pathlib import Path

    from mss_bench.core.spec import Spec, build
    from mss_bench.errors import ConfigError
    from mss_bench.separators import separators
    from mss_bench.separators.contract import check_separator

    if spec.endswith((".yaml", ".yml")) and spec.partition(":")[0] not in separators:
        return _check_manifest(spec)
    specs = [spec]
    if spec.endswith(".py") and spec.partition(":")[0] not in separators:
        specs = separators.add_file(Path(spec))
        if not specs:
            raise ConfigError(f"{spec} has no Separator class with a name of its own")
    return max(_print_results(name, check_separator(build(separators, Spec.parse(name))[0])) for name in specs)


def _print_results(name: str, results: list[CheckResult]) -> int:
    from mss_bench.core.text import columns

    print(name)
    print(columns([("ok" if r.passed else "FAIL", r.name, r.detail) for r in results], indent="  "))
    return 0 if all(r.passed for r in results) else 1
