"""Speed and memory of BSS Eval v4 against museval, on the same arrays and one thread.

    python tests/benchmarks/bss_eval.py --seconds 15 60 240 --sources 4 --sets 1 8 --out bss_eval.md

The audio, 16-bit coloured noise as float32, is made before the clock starts. Each measurement runs in a process of its
own; the engines take turns, and the fastest of their runs counts. Times are seconds for one set of estimates, with the
references' share: museval does everything anew for each set, so that its time does not depend on their number. Memory
is the peak above the audio.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 44100
QUANTITIES = ("SDR", "ISR", "SIR", "SAR")
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
HEADER = (
    "| seconds | sources | sets | museval s | CPU s | MB | mss_bench s | CPU s | MB | times faster | CPU times | "
    "largest difference, dB |\n" + 12 * "|--:" + "|"
)


@dataclass(frozen=True)
class Case:
    """What is scored: a track of stereo sources, with several sets of estimates."""

    seconds: float
    sources: int
    sets: int


@dataclass(frozen=True)
class Measurement:
    """Seconds for one set, peak memory above the audio in MB, values ``[quantity][source][frame]`` of the first set."""

    wall: float
    cpu: float
    memory: float
    values: list[list[list[float]]]


def main() -> None:
    """Measure every combination that the command line asks for and print a table."""
    arguments = _arguments()
    if arguments.measure:
        engine, seconds, sources, sets = arguments.measure
        json.dump(vars(_measure(engine, Case(float(seconds), int(sources), int(sets)))), sys.stdout)
        return
    lines = [_machine(), "", HEADER]
    print("\n".join(lines), flush=True)
    for seconds in arguments.seconds:
        for sources in arguments.sources:
            for line in _compare(seconds, sources, arguments):
                lines.append(line)
                print(line, flush=True)
    if arguments.out:
        Path(arguments.out).write_text("\n".join(lines) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[15.0, 60.0], help="lengths of the track")
    parser.add_argument("--sources", type=int, nargs="+", default=[4], help="numbers of stereo sources")
    parser.add_argument("--sets", type=int, nargs="+", default=[1, 8], help="sets of estimates that share references")
    parser.add_argument("--repeats", type=int, default=2, help="measurements of each engine")
    parser.add_argument("--alone", action="store_true", help="do not measure museval")
    parser.add_argument("--out", help="write the table to this Markdown file")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


def _compare(seconds: float, sources: int, arguments: argparse.Namespace) -> list[str]:
    cases = [Case(seconds, sources, sets) for sets in arguments.sets]
    theirs: list[Measurement] = []
    ours: dict[Case, list[Measurement]] = {case: [] for case in cases}
    for _ in range(arguments.repeats):  # in turns, so that a busy machine slows both
        if not arguments.alone:
            theirs.append(_in_child("museval", cases[0]))
        for case in cases:
            ours[case].append(_in_child("mss_bench", case))
    return [_row(case, _fastest(ours[case]), _fastest(theirs) if theirs else None) for case in cases]


def _fastest(runs: list[Measurement]) -> Measurement:
    return Measurement(min(r.wall for r in runs), min(r.cpu for r in runs), min(r.memory for r in runs), runs[0].values)


def _row(case: Case, ours: Measurement, theirs: Measurement | None) -> str:
    left = f"| {case.seconds:g} | {case.sources} | {case.sets} | "
    middle = f"{ours.wall:.2f} | {ours.cpu:.2f} | {ours.memory:.0f} | "
    if theirs is None:
        return left + "| | | " + middle + "| | |"
    expected = np.array(theirs.values)
    difference = np.abs(np.array(ours.values) - expected)[expected < 100].max()
    return (
        left
        + f"{theirs.wall:.1f} | {theirs.cpu:.1f} | {theirs.memory:.0f} | "
        + middle
        + f"{theirs.wall / ours.wall:.0f} | {theirs.cpu / ours.cpu:.0f} | {difference:.0e} |"
    )


def _in_child(engine: str, case: Case) -> Measurement:
    command = [sys.executable, __file__, "--measure", engine, str(case.seconds), str(case.sources), str(case.sets)]
    done = subprocess.run(command, env=os.environ | THREADS, stdout=subprocess.PIPE, check=True)
    return Measurement(**json.loads(done.stdout))


def _measure(engine: str, case: Case) -> Measurement:
    run = {"mss_bench": _mss_bench, "museval": _museval}[engine]
    sets = case.sets if engine == "mss_bench" else 1
    run(*_audio(Case(1.5, 2, 1)))  # imports and first calls
    references, estimates = _audio(Case(case.seconds, case.sources, sets))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _memory("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    values = run(references, estimates)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Measurement(wall / sets, cpu / sets, _memory("VmHWM") - before, values.tolist())


def _audio(case: Case) -> tuple[dict[str, np.ndarray], list[dict[str, np.ndarray]]]:
    rng = np.random.default_rng(0)
    samples = round(case.seconds * RATE)
    references = {f"source {i}": _coloured(rng, samples) for i in range(case.sources)}
    mixture = np.sum(list(references.values()), axis=0)
    estimates = []
    for number in range(case.sets):
        leak = np.float32(0.1 + 0.05 * number)
        estimates.append({n: s + leak * mixture + _coloured(rng, samples) * 0.1 for n, s in references.items()})
    return references, estimates


def _coloured(rng: np.random.Generator, samples: int) -> np.ndarray:
    noise = rng.standard_normal((2, samples), dtype=np.float32)
    noise[:, 1:] += np.float32(0.9) * noise[:, :-1]
    noise[1] += np.float32(0.5) * noise[0]
    noise *= np.float32(2000)
    np.rint(noise, out=noise)
    noise /= np.float32(32768)
    return noise


def _mss_bench(references: dict[str, np.ndarray], estimates: list[dict[str, np.ndarray]]) -> np.ndarray:
    from mss_bench.metrics.bss_eval import BSSEval
    from mss_bench.tracks import TargetGroup, TrackAudio

    metric = BSSEval()
    track = TrackAudio(references, next(iter(references.values())), RATE)
    state = metric.prepare(track, TargetGroup("group", tuple(references)))
    scores = {(s.target, s.quantity): s.values for s in metric.score_sets(state, estimates)[0]}
    return np.array([[scores[name, quantity] for name in references] for quantity in QUANTITIES])


def _museval(references: dict[str, np.ndarray], estimates: list[dict[str, np.ndarray]]) -> np.ndarray:
    import museval

    stacked = [np.stack([a.T for a in arrays.values()]) for arrays in (references, estimates[0])]
    return np.array(museval.evaluate(*stacked))


def _memory(field: str) -> float:
    """Memory of this process in MB, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())
    return f"{model}, {os.cpu_count()} cores, one used; Python {platform.python_version()}, NumPy {np.__version__}"


if __name__ == "__main__":
    main()
