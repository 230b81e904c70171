"""Where the CPU seconds of a further set of estimates go, with and without spectra kept of the references.

    python tests/benchmarks/scoring_parts.py [SECONDS ...]

Four stereo sources of 16-bit coloured noise, BSS Eval v4 on one thread; the second set of estimates after the
references were prepared and a first set scored, the fastest of three. Prints a Markdown table; the committed one stands
in tests/benchmarks/README.md.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

from bss_eval import RATE, Case, _audio
from threadpoolctl import threadpool_limits

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.metrics._room import Room
from mss_bench.metrics._signals import Signals
from mss_bench.metrics.bss_eval.lags import _Spectra
from mss_bench.metrics.bss_eval.projection import Projector
from mss_bench.metrics.bss_eval.ratios import FramedEstimate
from mss_bench.metrics.bss_eval.v4 import BSSEval
from mss_bench.report.table import Table

PARTS: dict[str, tuple[tuple[type, str], ...]] = {
    "transforms of references": ((_Spectra, "set_x"),),
    "transforms of errors": ((_Spectra, "set_y"),),
    "products": ((_Spectra, "accumulate"),),
    "inverse transforms": ((_Spectra, "lags"),),
    "reading": ((Signals, "read_channel"),),
    "solving": ((Projector, "solve"), (Projector, "shifted")),
    "energies": ((FramedEstimate, "_energies"),),
}
"""What is timed, none of it within another."""

spent: defaultdict[str, float] = defaultdict(float)


def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that adds its CPU seconds to a part."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        began = time.thread_time()
        result = function(*args, **options)
        spent[part] += time.thread_time() - began
        return result

    return call


def measured(seconds: float, kept: float) -> list[str]:
    """Return a row of the table."""
    references, (first, second) = _audio(Case("v4", seconds, 4, 2))
    metric = BSSEval()
    metric.room = Room(kept)
    track = TrackAudio(references, sum(references.values()), RATE)
    state = metric.prepare(track, TargetGroup("all", tuple(references)))
    metric.score(state, first)
    best: tuple[float, dict[str, float]] = (float("inf"), {})
    for _ in range(3):
        spent.clear()
        began = time.thread_time()
        metric.score(state, second)
        best = min(best, (time.thread_time() - began, dict(spent)), key=lambda one: one[0])
    whole, parts = best
    rest = whole - sum(parts.values())
    shares = [f"{100 * parts.get(part, 0.0) / whole:.0f} %" for part in PARTS]
    return [f"{seconds:g}", f"{kept:g}", f"{whole:.2f}", *shares, f"{100 * rest / whole:.0f} %"]


def main() -> None:
    """Measure and print the table."""
    for part, functions in PARTS.items():
        for owner, name in functions:
            setattr(owner, name, timed(part, getattr(owner, name)))
    with threadpool_limits(limits=1):
        rows = [measured(float(seconds), kept) for seconds in sys.argv[1:] or (15, 60) for kept in (0, 1000)]
    head = ("audio, s", "kept, MiB", "a set, CPU s", *PARTS, "rest")
    print(Table("Where a further set's time goes", head, [rows]).markdown())


if __name__ == "__main__":
    main()
