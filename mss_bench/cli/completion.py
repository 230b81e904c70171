"""Completion of the command line by the tab key, through argcomplete.

The shell runs the command with its line in the environment at each press of the key, so that names come from the
registries and the catalog. Other starts of the command do not import the library.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable

from mss_bench.core.parameters import Parameter

__all__ = ["SHELLS", "asked_for", "complete", "completer", "line", "shell_code"]

SHELLS = ("bash", "zsh", "fish")


def shell_code(shell: str) -> str:
    """Return what a shell has to evaluate once a session, which its start-up file can do."""
    from argcomplete.shell_integration import shellcode

    return str(shellcode(["mss-bench"], shell=shell))


def asked_for() -> bool:
    """Return whether a shell asks for completions."""
    return "_ARGCOMPLETE" in os.environ


def line() -> list[str]:
    """Return the words typed so far, without the command itself."""
    return os.environ.get("COMP_LINE", "").split()[1:]


def complete(parser: argparse.ArgumentParser) -> None:
    """Print the completions and end the process."""
    import argcomplete

    # Short flags are left out: they are typed faster than chosen.
    argcomplete.autocomplete(parser, always_complete_options="long")


def completer(parameter: Parameter) -> Callable[..., Iterable[str]] | None:
    """Return what lists the values of a parameter; None leaves it to the shell, which lists files."""
    if parameter.name in _NAMES:
        return lambda **_: _NAMES[parameter.name]()
    return (lambda **_: parameter.words) if parameter.choices or parameter.words else None


def _separators() -> Iterable[str]:
    from mss_bench.separators import separators

    return separators.names()


def _metrics() -> Iterable[str]:
    from mss_bench.metrics import metrics

    return [*metrics.names(), *(q.name for cls in metrics.load_all().values() for q in cls.quantities)]


def _datasets() -> Iterable[str]:
    from mss_bench.datasets.catalog import load_catalog

    return load_catalog()


def _protocols() -> Iterable[str]:
    from mss_bench.protocols import load_protocols

    return load_protocols()


_NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "separators": _separators, "separator": _separators, "spec": _separators,
    "metrics": _metrics, "metric": _metrics, "dataset": _datasets, "protocols": _protocols, "protocol": _protocols,
}  # fmt: skip
