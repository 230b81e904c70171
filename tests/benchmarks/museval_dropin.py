"""The drop-in against museval itself, both on the arrays that museval takes, one thread, in the same minutes.

    python tests/benchmarks/museval_dropin.py --seconds 60 240

Four stereo sources of 16-bit coloured noise as float64 ``(sources, samples, channels)``, made before the clock starts;
then ``museval.evaluate(references, estimates)``, by ``import museval`` and by ``from mss_bench.compat import museval``.
Each measurement runs in a process of its own, and the two take turns: read the ratio. Memory is the peak above the
arrays. The table goes to ``museval_dropin.md``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from bss_eval import THREADS, Case, _audio, _memory

TABLE = Path(__file__).with_suffix(".md")
MODULES = {"museval": "museval", "drop-in": "mss_bench.compat.museval"}
HEAD = """\
# `mss_bench.compat.museval` against museval

`python tests/benchmarks/museval_dropin.py --seconds {seconds} --repeats {repeats}`: `evaluate` of both, four stereo
sources, the same arrays, as float64 `(sources, samples, channels)`, one thread, processes of their own in turns.
Two cores (AMD EPYC, virtual) that did other work too: read CPU seconds as ratios. Memory is the peak above the arrays.

| audio, s | museval, CPU s | drop-in, CPU s | ratio | museval, GB | drop-in, GB | arrays, GB | largest difference, dB |
|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, nargs="+", default=[15, 60], help="lengths of the track")
    parser.add_argument("--repeats", type=int, default=2, help="measurements of each")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        json.dump(_measure(arguments.measure[0], float(arguments.measure[1])), sys.stdout)
        return
    rows = [_row(seconds, arguments.repeats) for seconds in arguments.seconds]
    head = HEAD.format(seconds=" ".join(map(str, arguments.seconds)), repeats=arguments.repeats)
    TABLE.write_text(head + "".join(rows), encoding="utf-8")


def _row(seconds: int, repeats: int) -> str:
    runs: dict[str, list[dict]] = {name: [] for name in MODULES}
    for _ in range(repeats):  # in turns, so that a busy machine slows both
        for name in MODULES:
            command = [sys.executable, __file__, "--measure", name, str(seconds)]
            done = subprocess.run(command, env=os.environ | THREADS, stdout=subprocess.PIPE, check=True)
            runs[name].append(json.loads(done.stdout))
    best = {name: min(measured, key=lambda one: one["cpu"]) for name, measured in runs.items()}
    theirs, ours = best["museval"], best["drop-in"]
    difference = np.abs(np.array(theirs["values"]) - np.array(ours["values"])).max()
    cells = [seconds, f"{theirs['cpu']:.1f}", f"{ours['cpu']:.2f}", f"{theirs['cpu'] / ours['cpu']:.1f}"]
    cells += [f"{best[name]['memory'] / 1e3:.2f}" for name in MODULES] + [f"{ours['arrays'] / 1e9:.2f}"]
    row = f"| {' | '.join(map(str, cells))} | {difference:.0e} |\n"
    print(row, end="", flush=True)
    return row


def _measure(name: str, seconds: float) -> dict[str, object]:
    warnings.simplefilter("ignore")  # museval's dependencies warn on import
    museval = importlib.import_module(MODULES[name])
    museval.evaluate(*_arrays(1.5))  # imports and first calls
    references, estimates = _arrays(seconds)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, cpu = _memory("VmRSS"), time.process_time()
    values = np.array(museval.evaluate(references, estimates))
    cpu = time.process_time() - cpu
    arrays = references.nbytes + estimates.nbytes
    return {"cpu": cpu, "memory": _memory("VmHWM") - before, "arrays": arrays, "values": values.ravel().tolist()}


def _arrays(seconds: float) -> list[np.ndarray]:
    references, estimates = _audio(Case("v4", seconds, 4, 1))
    return [
        np.stack([array.T for array in sources.values()]).astype(np.float64) for sources in (references, *estimates)
    ]


if __name__ == "__main__":
    main()
