"""``mss-bench listen import``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mss_bench.errors import ConfigError

__all__ = ["configure", "execute", "pairs_of", "scale_of"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV files of one test")
    parser.add_argument("--format", default="auto", help="auto, mss_bench, webmushra, pymushra or csv; %(default)s")
    parser.add_argument("--pack", type=Path, metavar="DIR", help="the test's pack, its key beside it")
    parser.add_argument("-o", "--out", type=Path, default=Path("ratings.csv"), metavar="FILE", help="%(default)s")
    parser.add_argument("--force", action="store_true", help="replace the file where it exists")
    group = parser.add_argument_group("plain tables")
    group.add_argument(
        "--columns", metavar="NAME=COLUMN,...",
        help="which column is which, e.g. listener=who,item=song,system=condition,score=rating; also replicate, order, "
        "seconds, ...",
    )  # fmt: skip
    group.add_argument("--reference", metavar="SYSTEM,...", default="", help="hidden references")
    group.add_argument("--anchors", metavar="SYSTEM,...", default="")
    group.add_argument(
        "--set", metavar="NAME=TEXT,...", default="", help="test, task or target, where no column says it"
    )
    group.add_argument("--scale", metavar="LOW,HIGH", help="ends of the scale (default: the pack's, else 0,100)")
    parser.add_argument(
        "--repeated", default="error",
        help="where a listener rated a signal again unasked: error, or replicate to keep both; %(default)s",
    )  # fmt: skip


def execute(args: argparse.Namespace) -> int:
    """Import ratings."""
    from mss_bench.listening.importers import import_ratings
    from mss_bench.listening.rating_table import write_ratings

    if args.out.exists() and not args.force:
        raise ConfigError(f"{args.out} exists already; choose another --out, or replace it with --force")
    defaults = pairs_of(args.set, "--set")
    for name in defaults:
        if name not in ("test", "task", "target"):
            raise ConfigError(f"--set {name}=...: expected test, task or target")
    found = import_ratings(
        args.files, format=args.format, pack=args.pack, columns=pairs_of(args.columns, "--columns"),
        reference=names_of(args.reference), anchors=names_of(args.anchors), defaults=defaults,
        scale=scale_of(args.scale), repeated=args.repeated,
    )  # fmt: skip
    write_ratings(found.ratings, args.out)
    print("\n".join([*found.notes, str(args.out)]))
    return 0


def names_of(text: str) -> list[str]:
    """``a,b`` as a list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def pairs_of(text: str | None, option: str) -> dict[str, str]:
    """``a=b,c=d`` as a mapping.

    Raises
    ------
    ConfigError
        A part without an equals sign, or a name twice.
    """
    found: dict[str, str] = {}
    for part in names_of(text or ""):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not (name and sign and value) or name in found:
            raise ConfigError(f"{option} {text!r}: {part!r} is no name=value of its own")
        found[name] = value
    return found


def scale_of(text: str | None) -> tuple[float, float] | None:
    """``0,100`` as numbers.

    Raises
    ------
    ConfigError
        Anything else.
    """
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = 0.0
    if not low < high:
        raise ConfigError(f"--scale {text!r}: expected its two ends, e.g. 0,100")
    return low, high
