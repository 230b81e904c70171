"""Cost of running beside the work itself: overhead a cell, the default run, resuming, scaling, kills.

Run: python tests/benchmarks/runner.py [overhead] [default] [cached] [scaling] [kills]   (all by default)
     [--pairs N] of runs with one worker and with two   [--kills N] [--minutes M] after which no further kill is made

Prints Markdown tables; the committed ones stand in tests/benchmarks/README.md. Linear algebra runs on one thread, here
as in the workers. `scaling` wants a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import mss_bench
from mss_bench.api import load
from mss_bench.core import audio
from mss_bench.report.table import Table
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare, start

METHODS = ("hpss", "duet", "nmf", "kam", "repet_sim", "irm")
"""Run on the demo by `scaling`, with the default metrics."""

PLUGIN = '''
import numpy as np
from mss_bench import Metric, Quantity, Score, Separator, param

class Nothing(Separator):
    name = "nothing"
    n: int = param(0, doc="Tells one method from the next.")
    def separate(self, mixture, sample_rate, *, targets, **_):
        return {s: mixture for s in targets.stems}

class Four(Metric):
    """Stands for a metric of four quantities a frame; costs nothing."""
    name = "four"
    quantities = tuple(Quantity(q, "dB", True, "none") for q in ("SDR", "SIR", "ISR", "SAR"))
    def prepare(self, track, group):
        return None
    def score(self, state, estimates):
        return [Score(t, q.name, np.zeros(240), "frame", 1.0, 1.0) for t in estimates for q in self.quantities]
'''


def report(title: str, rows: list[tuple[object, ...]], head: tuple[str, ...]) -> None:
    """Print a Markdown table."""
    print(Table(title, head, [rows]).markdown(), flush=True)


def data_set(folder: Path, tracks: int, seconds: float = 0.1) -> Path:
    """Write a catalog with the data set ``synthetic``: so many short songs."""
    rng = np.random.default_rng(0)
    for i in range(tracks):
        song = folder / "data" / f"Song {i:04}"
        stems = {s: 0.1 * rng.standard_normal((1, int(8000 * seconds))) for s in ("vocals", "drums", "bass", "other")}
        for name, array in ({"mixture": sum(stems.values())} | stems).items():
            audio.write(song / f"{name}.wav", array, 8000)
    catalog = folder / "catalog.yaml"
    catalog.write_text(
        f"synthetic:\n  layout: stems\n  root: {folder / 'data'}\n  sample_rate: 8000\n"
        "  stems: [vocals, drums, bass, other]\n"
    )
    (folder / "plugin.py").write_text(PLUGIN)
    return catalog


def options(folder: Path, methods: int, out: str, **more: object) -> RunOptions:
    """Run that many methods that do nothing."""
    return RunOptions(
        dataset="synthetic", separators=tuple(f"nothing:n={i + 1}" for i in range(methods)), metrics=("four",),
        catalogs=(folder / "catalog.yaml",), plugins=(folder / "plugin.py",), out=folder / out, **more,
    )  # fmt: skip


def overhead(folder: Path) -> None:
    """Seconds a cell where the work is nothing."""
    data_set(folder, 20)
    start(prepare(options(folder, 1, "warm", jobs=1)), quiet=True)
    rows = []
    for jobs in (1, 2):
        times = []
        for methods in (5, 25):
            began = time.perf_counter()
            outcome = start(prepare(options(folder, methods, f"run-{jobs}-{methods}", jobs=jobs)), quiet=True)
            times.append((time.perf_counter() - began, outcome.computed))
        (t0, n0), (t1, n1) = times
        rows.append((jobs, n1, f"{1000 * (t1 - t0) / (n1 - n0):.1f}"))
    report("Overhead", rows, ("workers", "cells", "ms a cell"))


def default(folder: Path) -> None:
    """Run the default on the demo: CPU seconds by what they are spent on, when a first table is there, and the end."""
    mss_bench.run("demo", ["centre"], ["usdr"], out=folder / "warm", quiet=True)  # renders the songs
    words = [sys.executable, "-m", "mss_bench", "run", "-o", folder / "run"]
    before, began, first = _children(), time.perf_counter(), math.nan
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr or ():
            if line.startswith("so far"):
                first = time.perf_counter() - began if math.isnan(first) else first
    used, wall = _children() - before, time.perf_counter() - began
    costs = load(folder / "run").costs
    separated, scored = costs.separate_cpu_seconds.sum(), (costs.cpu_seconds - costs.separate_cpu_seconds).sum()
    row = [len(costs), *(f"{s:.0f}" for s in (used, separated, scored, used - separated - scored, first, wall))]
    head = ("cells", "CPU s", "separators", "scoring", "all else", "first table after, s", "end after, s")
    report(f"The default run, beside a load of {os.getloadavg()[1]:.1f}", [tuple(row)], head)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cached(folder: Path) -> None:
    """Time the whole command where 1,000 cells are cached."""
    data_set(folder, 50)
    words = [
        sys.executable, "-m", "mss_bench", "run", "--dataset", "synthetic", "--datasets", folder / "catalog.yaml",
        "--plugin", folder / "plugin.py", "-m", "four", "-o", folder / "cached", "-q",
        *(w for i in range(19) for w in ("-s", f"nothing:n={i + 1}")),
    ]  # fmt: skip
    subprocess.run(words, check=True)
    rows = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(words, check=True)
        rows.append((1000, f"{time.perf_counter() - began:.2f}"))
    report("Everything cached", rows, ("cells", "s, the whole command"))


def scaling(folder: Path, pairs: int) -> None:
    """One worker against two on the demo."""
    mss_bench.run("demo", ["hpss"], ["usdr"], out=folder / "warm", quiet=True)  # renders the songs
    rows: list[tuple[object, ...]] = []
    ratios = []
    for pair in range(pairs):
        load = os.getloadavg()[0]
        seconds = []
        for jobs in (1, 2) if pair % 2 == 0 else (2, 1):
            began = time.perf_counter()
            mss_bench.run("demo", METHODS, jobs=jobs, out=folder / f"demo-{pair}-{jobs}", quiet=True)
            seconds.append(time.perf_counter() - began)
        one, two = seconds if pair % 2 == 0 else reversed(seconds)
        ratios.append(one / two)
        rows.append((f"{one:.1f}", f"{two:.1f}", f"{one / two:.2f}", f"{load:.1f}"))
    report(f"Scaling on demo: {', '.join(METHODS)}", rows, ("1 worker, s", "2 workers, s", "ratio", "load before"))
    print(f"\nMedian ratio: {statistics.median(ratios):.2f}")


def kills(count: int, minutes: float) -> None:
    """Kills at random moments, by the test that does 12."""
    began = time.perf_counter()
    test = Path(__file__).parents[1] / "faults" / "test_faults.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", test, "-k", "kill_9", "-p", "no:cacheprovider"],
        env=os.environ | {"MSS_BENCH_KILLS": str(count), "MSS_BENCH_KILL_MINUTES": str(minutes)},
        capture_output=True, text=True,
    )  # fmt: skip
    told = [line for line in done.stdout.splitlines() if " kills: " in line or " passed" in line or " failed" in line]
    report("kill -9 at random moments", [(" / ".join(told), f"{time.perf_counter() - began:.0f}")], ("outcome", "s"))
    if done.returncode:
        print(done.stdout[-8000:], done.stderr[-2000:])


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--kills", type=int, default=500, dest="count")
    parser.add_argument("--minutes", type=float, default=30.0)
    chosen = parser.add_argument("parts", nargs="*", metavar="PART")
    parts: dict[str, Callable[[Path], None]] = {f.__name__: f for f in (overhead, default, cached)}
    parts |= {"scaling": lambda f: scaling(f, args.pairs), "kills": lambda f: kills(args.count, args.minutes)}
    args = parser.parse_args()
    if unknown := [name for name in args.parts if name not in parts]:
        parser.error(f"{chosen.metavar} is {unknown[0]!r}, expected some of {', '.join(parts)}")
    print(json.dumps({"cores": os.cpu_count(), "python": sys.version.split()[0], "numpy": np.__version__}))
    for name in args.parts or parts:
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
            parts[name](Path(folder))


if __name__ == "__main__":
    main()
