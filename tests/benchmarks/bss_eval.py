"""Speed and memory of BSS Eval v4 against museval, on the same arrays and one thread.

    python tests/benchmarks/bss_eval.py --seconds 15 60 240 --sources 4 --sets 1 8 --out bss_eval.md

Each measurement runs in a process of its own, the engines take turns, and the audio (16-bit coloured noise, as float32)
is made before the clock starts. `wall` and `cpu` are seconds for one set of estimates: `first` is prepare and score, `of
N` the mean of N sets that share their references. museval has no way to share them, so its time for one set counts for
all. `memory` is the peak above the audio.
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


@dataclass(frozen=True)
class Case:
    """What is scored."""

    seconds: float
    sources: int
    sets: int


def main() -> None:
    arguments = _arguments()
    if arguments.measure:
        engine, *numbers = arguments.measure
        case = Case(float(numbers[0]), int(numbers[1]), int(numbers[2]))
        json.dump(_measure(engine, case), sys.stdout)
        return
    lines = [
        f"{_machine()}",
        "",
        "| seconds | sources | sets | wall ours | wall museval | times faster | cpu ours | cpu museval | times | "
        "memory ours, MB | memory museval, MB | max difference, dB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for seconds in arguments.seconds:
        for sources in arguments.sources:
            for sets in arguments.sets:
                lines.append(_compare(Case(seconds, sources, sets), arguments.repeats, arguments.alone))
                print(lines[-1], flush=True)
    if arguments.out:
        Path(arguments.out).write_text("\n".join(lines) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[15.0, 60.0], help="lengths of the track")
    parser.add_argument("--sources", type=int, nargs="+", default=[4], help="numbers of stereo sources")
    parser.add_argument("--sets", type=int, nargs="+", default=[1, 8], help="sets of estimates that share references")
    parser.add_argument("--repeats", type=int, default=2, help="measurements of each engine; the fastest counts")
    parser.add_argument("--alone", action="store_true", help="measure our engine only")
    parser.add_argument("--out", help="write the table to this Markdown file")
    parser.add_argument("--measure", nargs=4, metavar=("ENGINE", "SECONDS", "SOURCES", "SETS"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _compare(case: Case, repeats: int, alone: bool) -> str:
    runs: dict[str, list[dict]] = {"ours": [], "museval": []}
    for _ in range(repeats):  # in turns, so that a busy machine slows both
        for engine, results in runs.items():
            if not (alone and engine == "museval"):
                results.append(_in_child(engine, case))
    ours, theirs = (
        {key: min(r[key] for r in runs[engine]) for key in ("wall", "cpu", "memory")} if runs[engine] else None
        for engine in runs
    )
    row = f"| {case.seconds:g} | {case.sources} | {case.sets} | {ours['wall']:.2f} | "
    if theirs is None:
        return row + f"- | - | {ours['cpu']:.2f} | - | - | {ours['memory']:.0f} | - | - |"
    left, right = (np.array(runs[engine][0]["values"]) for engine in runs)
    difference = np.abs(left - right)[right < 100].max()
    return row + (
        f"{theirs['wall']:.1f} | {theirs['wall'] / ours['wall']:.0f} | "
        f"{ours['cpu']:.2f} | {theirs['cpu']:.1f} | {theirs['cpu'] / ours['cpu']:.0f} | "
        f"{ours['memory']:.0f} | {theirs['memory']:.0f} | {difference:.1e} |"
    )


def _in_child(engine: str, case: Case) -> dict:
    command = [sys.executable, __file__, "--measure", engine, str(case.seconds), str(case.sources), str(case.sets)]
    done = subprocess.run(command, env=os.environ | THREADS, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def _measure(engine: str, case: Case) -> dict:
    """Wall and CPU seconds for one set, peak memory above the audio, values of the first set."""
    run = {"ours": _ours, "museval": _museval}[engine]
    sets = case.sets if engine == "ours" else 1
    run(*_audio(Case(1.5, 2, 1)))  # imports and first calls
    references, estimates = _audio(Case(case.seconds, case.sources, sets))
    audio = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    wall, cpu = time.perf_counter(), time.process_time()
    values = run(references, estimates)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall / sets, "cpu": cpu / sets, "memory": _resident("VmHWM") - audio, "values": values.tolist()}


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


def _ours(references: dict[str, np.ndarray], estimates: list[dict[str, np.ndarray]]) -> np.ndarray:
    from mss_bench.metrics.bss_eval import BSSEval
    from mss_bench.tracks import TargetGroup, TrackAudio

    metric = BSSEval()
    track = TrackAudio(references, next(iter(references.values())), RATE)
    state = metric.prepare(track, TargetGroup("group", tuple(references)))
    scores = [{(s.target, s.quantity): s.values for s in metric.score(state, one)} for one in estimates]
    return np.array([[scores[0][name, quantity] for name in references] for quantity in QUANTITIES])


def _museval(references: dict[str, np.ndarray], estimates: list[dict[str, np.ndarray]]) -> np.ndarray:
    import museval

    stacked = [np.stack([a.T for a in arrays.values()]).astype(np.float64) for arrays in (references, estimates[0])]
    return np.array(museval.evaluate(*stacked))


def _resident(field: str) -> float:
    """Memory of this process in MB, from Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def _machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return f"{model}, {os.cpu_count()} cores, one used; Python {platform.python_version()}, NumPy {np.__version__}"


if __name__ == "__main__":
    main()
