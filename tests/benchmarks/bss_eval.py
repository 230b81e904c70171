"""Speed and memory of BSS Eval against other packages, on the same arrays and one thread.

    python tests/benchmarks/bss_eval.py --seconds 15 60 240 --sources 4 --sets 1 8
    python tests/benchmarks/bss_eval.py --kind sources --seconds 60
    python tests/benchmarks/bss_eval_figures.py

Version 4 (``--kind v4``), stereo, is measured against museval; the sources measures of version 3 (``--kind sources``),
mono, against mir_eval and fast_bss_eval, which have no version 4. Packages that are not installed are left out. The
audio, 16-bit coloured noise as float32, is made before the clock starts. Each measurement runs in a process of its own;
the engines take turns, and the fastest of their runs counts. Times are seconds for one set of estimates, with the
references' share; the others do everything anew for each set, so that their time does not depend on the number of sets.
Memory is the peak above the audio. Results go to ``bss_eval.json``, where they replace those of the same case.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

RATE = 44100
RESULTS = Path(__file__).with_suffix(".json")
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
OTHERS = {"v4": ["museval"], "sources": ["mir_eval", "fast_bss_eval"]}


@dataclass(frozen=True)
class Case:
    """What is scored: a track of sources, with several sets of estimates."""

    kind: str
    seconds: float
    sources: int
    sets: int


@dataclass(frozen=True)
class Measurement:
    """Seconds for one set, peak memory above the audio in MB, values of the first set (missing ones NaN)."""

    wall: float
    cpu: float
    memory: float
    values: list[float]


def main() -> None:
    """Measure every combination that the command line asks for."""
    arguments = _arguments()
    if arguments.measure:
        engine, kind, seconds, sources, sets = arguments.measure
        case = Case(kind, float(seconds), int(sources), int(sets))
        json.dump(asdict(_measure(engine, case)), sys.stdout)
        return
    for seconds in arguments.seconds:
        for sources in arguments.sources:
            cases = [Case(arguments.kind, seconds, sources, sets) for sets in arguments.sets]
            for result in _compare(cases, arguments.repeats, arguments.alone):
                print(json.dumps(result), flush=True)
                _keep(result)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=tuple(OTHERS), default="v4", help="measures")
    parser.add_argument("--seconds", type=float, nargs="+", default=[15.0, 60.0], help="lengths of the track")
    parser.add_argument("--sources", type=int, nargs="+", default=[4], help="numbers of sources")
    parser.add_argument("--sets", type=int, nargs="+", default=[1], help="sets of estimates that share references")
    parser.add_argument("--repeats", type=int, default=2, help="measurements of each engine")
    parser.add_argument("--alone", action="store_true", help="measure no other package")
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    return parser.parse_args()


def _compare(cases: list[Case], repeats: int, alone: bool) -> list[dict[str, object]]:
    """Results of cases that differ in the number of sets alone."""
    single = Case(**asdict(cases[0]) | {"sets": 1})
    others = [] if alone else [e for e in OTHERS[single.kind] if importlib.util.find_spec(e)]
    runs: dict[tuple[str, Case], list[Measurement]] = {}
    for _ in range(repeats):  # in turns, so that a busy machine slows all
        for engine, case in [(e, single) for e in others] + [("mss_bench", case) for case in cases]:
            runs.setdefault((engine, case), []).append(_in_child(engine, case))
    ours = np.array(runs["mss_bench", cases[0]][0].values)
    return [
        {
            "engine": engine,
            **asdict(case),
            "wall": min(r.wall for r in measured),
            "cpu": min(r.cpu for r in measured),
            "memory": min(r.memory for r in measured),
            "difference": _difference(ours, np.array(measured[0].values)),
            "repeats": repeats,
            "machine": _machine(),
        }
        for (engine, case), measured in runs.items()
    ]


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    compared = theirs < 100  # not NaN either
    return float(np.abs(ours - theirs)[compared].max())


def _keep(result: dict[str, object]) -> None:
    def key(one: dict[str, object]) -> str:
        return json.dumps([one[k] for k in ("kind", "seconds", "sources", "engine", "sets")])

    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    kept = [one for one in kept if key(one) != key(result)] + [result]
    kept.sort(key=lambda one: [one[k] for k in ("kind", "seconds", "sources", "engine", "sets")])
    RESULTS.write_text("[\n" + ",\n".join(json.dumps(one) for one in kept) + "\n]\n")


def _in_child(engine: str, case: Case) -> Measurement:
    command = [sys.executable, __file__, "--measure", engine, *map(str, asdict(case).values())]
    done = subprocess.run(command, env=os.environ | THREADS, stdout=subprocess.PIPE, check=True)
    return Measurement(**json.loads(done.stdout))


def _measure(engine: str, case: Case) -> Measurement:
    run = {"mss_bench": _mss_bench, "museval": _museval, "mir_eval": _mir_eval, "fast_bss_eval": _fast_bss_eval}[engine]
    run(case.kind, *_audio(Case(case.kind, 1.5, 2, 1)))  # imports and first calls
    references, estimates = _audio(case)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _memory("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    values = run(case.kind, references, estimates)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Measurement(wall / case.sets, cpu / case.sets, _memory("VmHWM") - before, values.ravel().tolist())


def _audio(case: Case) -> tuple[dict[str, np.ndarray], list[dict[str, np.ndarray]]]:
    rng = np.random.default_rng(0)
    shape = (2 if case.kind == "v4" else 1, round(case.seconds * RATE))
    references = {f"source {i}": _coloured(rng, shape) for i in range(case.sources)}
    mixture = np.sum(list(references.values()), axis=0)
    estimates = []
    for number in range(case.sets):
        leak = np.float32(0.1 + 0.05 * number)
        estimates.append({n: s + leak * mixture + _coloured(rng, shape) * 0.1 for n, s in references.items()})
    return references, estimates


def _coloured(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise[:, 1:] += np.float32(0.9) * noise[:, :-1]
    noise[1:] += np.float32(0.5) * noise[0]
    noise *= np.float32(2000)
    np.rint(noise, out=noise)
    noise /= np.float32(32768)
    return noise


def _mss_bench(kind: str, references: dict[str, np.ndarray], estimates: list[dict[str, np.ndarray]]) -> np.ndarray:
    from mss_bench.core.tracks import TargetGroup, TrackAudio
    from mss_bench.metrics import metrics

    metric = metrics.load("bss_eval" if kind == "v4" else "bss_eval_v3_sources")()
    track = TrackAudio(references, next(iter(references.values())), RATE)
    state = metric.prepare(track, TargetGroup("group", tuple(references)))
    scored = [metric.score(state, one) for one in estimates]
    scores = {(s.target, s.quantity): s.values for s in scored[0]}
    quantities = ("SDR", "ISR", "SIR", "SAR") if kind == "v4" else ("SDR", "SIR", "SAR")
    return np.array([[scores[name, quantity] for name in references] for quantity in quantities])


def _museval(kind: str, references: dict[str, np.ndarray], estimates: list[dict[str, np.ndarray]]) -> np.ndarray:
    import museval

    stacked = [np.stack([a.T for a in arrays.values()]) for arrays in (references, estimates[0])]
    return np.array(museval.evaluate(*stacked))


def _mir_eval(kind: str, references: dict[str, np.ndarray], estimates: list[dict[str, np.ndarray]]) -> np.ndarray:
    import warnings

    import mir_eval

    stacked = [np.concatenate(list(arrays.values())) for arrays in (references, estimates[0])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # mir_eval is about to drop the module
        return np.array(mir_eval.separation.bss_eval_sources(*stacked, compute_permutation=False)[:3])


def _fast_bss_eval(kind: str, references: dict[str, np.ndarray], estimates: list[dict[str, np.ndarray]]) -> np.ndarray:
    import fast_bss_eval
    import torch

    torch.set_num_threads(1)  # its NumPy half does not run with NumPy 2
    stacked = [
        torch.from_numpy(np.concatenate(list(arrays.values())).astype(np.float64))
        for arrays in (references, estimates[0])
    ]
    return np.array([v.numpy() for v in fast_bss_eval.bss_eval_sources(*stacked, compute_permutation=False)[:3]])


def _memory(field: str) -> float:
    """Memory of this process in MB, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, one used; {memory:.0f} GiB; Python {platform.python_version()}, "
        f"NumPy {np.__version__}"
    )


if __name__ == "__main__":
    main()
