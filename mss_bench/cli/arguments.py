"""Arguments that several verbs share."""

from __future__ import annotations

import argparse
import contextlib
import shutil

from mss_bench.errors import ConfigError

__all__ = ["add_dataset", "add_execution", "add_plugins", "positive_int", "positive_number", "terminal_width"]


def positive_int(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def positive_number(text: str) -> float:
    """A number above 0."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """``--plugin``."""
    parser.add_argument(
        "--plugin", dest="plugins", action="append", default=[], metavar="FILE.py",
        help="a Python file with separators or metrics of your own; may be given several times",
    )  # fmt: skip


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Which data set and which part of it."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--datasets",
        dest="catalogs",
        action="append",
        default=None,
        metavar="FILE",
        help="a catalog of your own (YAML)",
    )
    group.add_argument("--root", metavar="DIR", help="folder of the data set, instead of the declared one")
    group.add_argument("--subset", help="a subset of the data set, or 'all'")
    group.add_argument("--tracks", action="append", default=None, metavar="NAME", help="only this track; repeatable")
    group.add_argument("--max-tracks", type=positive_int, metavar="N", help="only the first N tracks")
    group.add_argument("--duration", type=positive_number, metavar="S", help="only the first S seconds of each track")


def add_execution(parser: argparse.ArgumentParser) -> None:
    """How to run and where to."""
    group = parser.add_argument_group("execution")
    group.add_argument(
        "-m", "--metrics", default=None, metavar="SPEC[;SPEC...]", action="append",
        help="a metric, or several separated by semicolons or repeated (default: bss_eval, usdr, si_sdr)",
    )  # fmt: skip
    group.add_argument("-j", "--jobs", type=positive_int, metavar="N", help="worker processes (default: one a core)")
    group.add_argument("-o", "--out", metavar="DIR", help="run folder (default: runs/<data set>)")
    group.add_argument("--timeout", type=positive_number, metavar="S", help="seconds that one cell may take")
    group.add_argument("--memory-limit", type=positive_number, metavar="MB", help="MiB that one worker may take")
    group.add_argument("--retries", type=int, metavar="N", help="tries after a crash of the worker (default: 1)")
    group.add_argument("--fail-fast", action="store_true", default=None, help="stop at the first cell that fails")
    group.add_argument("--seed", type=int, help="seed of random methods (default: 0)")
    group.add_argument("--save-estimates", action="store_true", default=None, help="keep estimates as float32 WAV")
    group.add_argument(
        "--media", action="append", default=None, metavar="TRACK",
        help="keep its estimates, and excerpts to hear and see in the report: best, worst, most disagreeing; "
        "repeatable, or all",
    )  # fmt: skip
    group.add_argument("--rehash", action="store_true", default=None, help="hash every file's content again")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress and no table")


def metric_list(values: list[str] | None) -> list[str] | None:
    """``-m a -m 'b;c'`` as a list."""
    if values is None:
        return None
    found = [part.strip() for value in values for part in value.split(";") if part.strip()]
    if not found:
        raise ConfigError("--metrics names no metric; see: mss-bench metrics list")
    return found


def terminal_width() -> int:
    """Columns of the terminal, between 80 and 160; 120 where the output is no terminal."""
    return max(80, min(160, shutil.get_terminal_size((120, 24)).columns))
