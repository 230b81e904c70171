"""``mss-bench explain``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.cli.options import add_options, parsed
from mss_bench.core.parameters import Parameterized, param

if TYPE_CHECKING:
    from mss_bench.explanation import Explanation

__all__ = ["configure", "execute"]

_MEANING = {
    "SDR": "target against all that is wrong",
    "ISR": "target against spatial distortion",
    "SIR": "target, filtered, against interference",
    "SAR": "all sources, filtered, against artifacts",
}


class ExplainOptions(Parameterized):
    """Options of the verb: the estimate to take apart."""

    run: Path = param(flag="run", metavar="RUN", doc="Run folder.")
    track: str = param(flag="track", metavar="TRACK", doc="A track of the run.")
    separator: str = param(flag="separator", metavar="SEPARATOR", doc="A separator as the run's tables name it.")
    targets: tuple[str, ...] = param(
        (), metavar="NAME,...", doc="Only these targets (default: all that the separator delivers)."
    )
    group: str | None = param(None, metavar="NAME", doc="Target group whose references count (default: the first).")
    out: Path | None = param(
        None, short="-o", metavar="DIR", doc="Folder of the files (default: RUN/explain/TRACK/SEPARATOR)."
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_options(parser, ExplainOptions)


def execute(args: argparse.Namespace) -> int:
    """Write the components and say how loud they are."""
    from mss_bench.explanation import explain

    options = parsed(args, ExplainOptions)
    print("\n\n".join(map(_summary, explain(**options.values()))))
    return 0


def _summary(explained: Explanation) -> str:
    """Return ratios and levels of one target."""
    from mss_bench.core.text import columns
    from mss_bench.explanation import level_db

    parts = explained.components
    ratios = [
        (name, *(_number(value) for value in (parts.ratios[name], explained.frames[name].value)), meaning)
        for name, meaning in _MEANING.items()
    ]
    levels = [
        (name.replace("_", " "), level_db(signal, parts.target), f"{name}.wav") for name, signal in parts.parts.items()
    ]
    changed = "\n  The code or the data have changed since the run: this is not the estimate that it scored."
    return "\n".join([
        f"{explained.target} of {explained.track} by {explained.separator}, group {explained.group}",
        "",
        columns(ratios, ("dB", "whole", "median of 1 s", "energy of"), indent="  "),
        "",
        columns(levels, ("component", "level to target", "file"), indent="  "),
        "",
        f"  estimate.wav is their sum; picture: explain.png; in {explained.folder} (directions.png of stereo is above)"
        + changed * (not explained.as_scored),
    ])  # fmt: skip


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.2f}"
