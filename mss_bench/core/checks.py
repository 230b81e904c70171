"""Results of contract suites: what separators and metrics declare, and whether they keep to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mss_bench.core.parameters import parameters as declarations
from mss_bench.errors import ConfigError, MssBenchError

__all__ = ["BrokenPromise", "CheckResult", "check_facts", "check_parameters", "describe", "run_check"]


@dataclass(frozen=True)
class CheckResult:
    """Result of one check.

    Parameters
    ----------
    name : str
        What was checked, e.g. ``"adds up"``.
    passed : bool
    detail : str
        What was measured, or why it failed.
    """

    name: str
    passed: bool
    detail: str


class BrokenPromise(Exception):
    """Error of a check whose promise was not kept; the message says how."""


def run_check(name: str, check: Callable[[], str]) -> CheckResult:
    """Run a check, which returns its detail or raises; any exception is a failure."""
    try:
        return CheckResult(name, True, check())
    except BrokenPromise as broken:
        return CheckResult(name, False, str(broken))
    except Exception as error:
        return CheckResult(name, False, describe(error))


def describe(error: Exception) -> str:
    """Return an error in words: the message alone where it is meant for users."""
    return str(error) if isinstance(error, MssBenchError) else f"raised {type(error).__name__}: {error}"


def check_parameters(cls: type) -> str:
    """Check that a constructor's parameters can be given by name, and that their defaults are as declared.

    Raises
    ------
    BrokenPromise
        One has no name of its own or no annotation, or a default that its own declaration refuses.
    """
    parameters = list(inspect.signature(cls).parameters.values())
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.POSITIONAL_ONLY):
            raise BrokenPromise(f"the constructor takes {p}; expected keyword parameters with a name each")
        if p.annotation is p.empty:
            raise BrokenPromise(f"the constructor's parameter {p.name!r} lacks an annotation; expected its type")
    for declared in declarations(cls).values():
        if not declared.required:
            try:
                declared.convert(declared.default)
            except ConfigError as error:  # nobody could write the default that the help names
                raise BrokenPromise(f"the default is refused by its own declaration: {error}") from error
    return ", ".join(p.name for p in parameters) or "none"


def check_facts(instance: object, kinds: Mapping[str, type]) -> None:
    """Check the types of what a class declares about itself as attributes.

    Parameters
    ----------
    instance : object
    kinds : mapping of str to type
        Attribute to its type; ``tuple`` means one of names.

    Raises
    ------
    BrokenPromise
    """
    words = {bool: "True or False", str: "text", tuple: "a tuple of names, each once", int: "a whole number"}
    for name, kind in kinds.items():
        value = getattr(instance, name)
        names = [v for v in value if isinstance(v, str) and v] if isinstance(value, tuple) else []
        if not isinstance(value, kind) or (isinstance(value, tuple) and len(set(names)) != len(value)):
            raise BrokenPromise(f"{name} is {value!r}; expected {words[kind]}")
