"""``mss-bench explain``."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mss_bench.explanation import Explanation

__all__ = ["configure", "execute"]

_MEANING = {
    "SDR": "target against all that is wrong",
    "ISR": "target against spatial distortion",
    "SIR": "target, filtered, against interference",
    "SAR": "all sources, filtered, against artifacts",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("track", metavar="TRACK", help="a track of the run")
    parser.add_argument("separator", metavar="SEPARATOR", help="a separator as the run's tables name it")
    parser.add_argument(
        "--target", dest="targets", action="append", default=[], metavar="NAME",
        help="only this target; repeatable (default: all that the separator delivers)",
    )  # fmt: skip
    parser.add_argument("--group", metavar="NAME", help="target group whose references count (default: the first)")
    parser.add_argument("-o", "--out", metavar="DIR", help="folder (default: RUN/explain/TRACK/SEPARATOR)")


def execute(args: argparse.Namespace) -> int:
    """Write the components and say how loud they are."""
    from mss_bench.explanation import explain

    found = explain(args.run, args.track, args.separator, args.targets, group=args.group, out=args.out)
    print("\n\n".join(_summary(each) for each in found))
    return 0


def _summary(explained: Explanation) -> str:
    """Ratios and levels of one target."""
    from mss_bench.core.text import columns

    parts = explained.components
    rows = [
        (name, _number(parts.ratios[name]), _number(explained.frames[name].value), meaning)
        for name, meaning in _MEANING.items()
    ]
    whole = float((parts.target**2).sum())
    levels = [
        (name.replace("_", " "), _level(float((signal**2).sum()) / whole), f"{name}.wav")
        for name, signal in parts.parts.items()
    ]
    changed = "\n  The code or the data have changed since the run: this is not the estimate that it scored."
    return "\n".join(
        [
            f"{explained.target} of {explained.track} by {explained.method}, group {explained.group}",
            "",
            columns(rows, ("dB", "whole", "median of 1 s", "energy of"), indent="  "),
            "",
            columns(levels, ("component", "level to target", "file"), indent="  "),
            "",
            f"  estimate.wav is their sum; picture: explain.png; in {explained.folder}"
            + changed * (not explained.as_scored),
        ]
    )


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.2f}"


def _level(ratio: float) -> str:
    return f"{10 * math.log10(ratio):+.1f} dB" if ratio > 0 else "silent"
