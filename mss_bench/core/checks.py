"""Results of contract suites: what separators and metrics declare, and whether they keep to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from mss_bench.errors import MssBenchError

__all__ = ["BrokenPromise", "CheckResult", "check_parameters", "describe", "run_check"]


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
    """Whether a constructor's parameters can be given by name, on the command line too.

    Raises
    ------
    BrokenPromise
        One has no name of its own or no annotation.
    """
    parameters = list(inspect.signature(cls).parameters.values())
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.POSITIONAL_ONLY):
            raise BrokenPromise(f"the constructor takes {p}; expected keyword parameters with a name each")
        if p.annotation is p.empty:
            raise BrokenPromise(f"the constructor's parameter {p.name!r} lacks an annotation; expected its type")
    return ", ".join(p.name for p in parameters) or "none"
