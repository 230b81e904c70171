"""Speed and memory of the separators, and of librosa and scikit-learn where they have the method.

    python tests/benchmarks/separators.py                      every method
    python tests/benchmarks/separators.py hpss repet_sim --seconds 240 --memory-seconds 300
    python tests/benchmarks/separators.py hpss:mask=binary

The audio is the built-in demo's songs one after another, stereo, 44.1 kHz, made before the clock starts. Each
measurement runs in a process of its own, on one thread, after a first call on five seconds. The real-time factor is
seconds of audio per CPU second, memory the peak above the audio during a call on `--memory-seconds`. A method's peer is
measured next to it, in the same run. Results go to ``separators.json``, where they replace those of the same method,
and to the table in ``separators.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RATE = 44100
RESULTS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).with_suffix(".md")
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
PEERS = {"hpss": "librosa", "repet_sim": "librosa", "nmf": "scikit-learn", "demo_net": "onnxruntime"}
PEER_SECONDS = {"repet_sim": 60.0}
"""Of peers that take minutes for a whole song, as their time grows with the square of its length."""
WANTED = {
    "hpss": 20, "centre": 15, "adress": 15, "duet": 15, "repet": 15, "twodft": 5, "harmonic_mask": 4, "repet_sim": 3,
    "nmf": 2, "rpca": 2, "kam": 1, "projet:restarts=1": 0.3,
}  # fmt: skip
"""Real-time factors that are aimed at."""

Run = Callable[[np.ndarray], object]


def main() -> None:
    """Measure the methods that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="name or name:key=value; all built-in methods")
    parser.add_argument("--seconds", type=float, default=240.0, help="length of the track for the speed")
    parser.add_argument("--memory-seconds", type=float, default=300.0, help="for the memory; 0 leaves it out")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "SECONDS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        json.dump(_measure(arguments.measure[0], float(arguments.measure[1])), sys.stdout)
        return
    for spec in arguments.specs or _all():
        for what in (spec, *([f"peer:{PEERS[spec]}:{spec}"] if spec in PEERS else [])):
            seconds = arguments.seconds if what == spec else PEER_SECONDS.get(spec, arguments.seconds)
            runs = [_in_child(what, seconds) for _ in range(arguments.repeats)]
            result = {"what": what, "seconds": seconds, "factor": max(r["factor"] for r in runs)}
            if arguments.memory_seconds and what == spec:
                result["memory"] = _in_child(what, arguments.memory_seconds)["memory"]
                result["memory_seconds"] = arguments.memory_seconds
            result["machine"] = _machine()
            print(json.dumps(result), flush=True)
            _keep(result)


def _all() -> list[str]:
    from mss_bench.running.options import default_separators

    return [*map(str, default_separators(slow=True)), "projet:restarts=1"]


def _in_child(what: str, seconds: float) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", what, str(seconds)]
    done = subprocess.run(command, env=os.environ | THREADS, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def _measure(what: str, seconds: float) -> dict[str, float]:
    mixture, stems = _audio(seconds)
    run = _peer(what) if what.startswith("peer:") else _method(what, stems)
    run(mixture[:, : 5 * RATE])  # imports and first calls
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _memory("VmRSS")
    cpu = time.process_time()
    run(mixture)
    cpu = time.process_time() - cpu
    return {"factor": seconds / cpu, "memory": _memory("VmHWM") - before}


def _audio(seconds: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    from mss_bench.datasets.catalog import get_dataset

    wanted, parts = round(seconds * RATE), []
    tracks = get_dataset("demo", n_songs=6).tracks("test")
    while sum(p.mixture.shape[1] for p in parts) < wanted:
        parts.append(tracks[len(parts) % len(tracks)].load())
    stems = {n: np.concatenate([p.references[n] for p in parts], axis=1)[:, :wanted] for n in parts[0].references}
    return np.concatenate([p.mixture for p in parts], axis=1)[:, :wanted], stems


def _method(spec: str, stems: dict[str, np.ndarray]) -> Run:
    from mss_bench.core.spec import Spec, build
    from mss_bench.core.tracks import Targets
    from mss_bench.separators import separators

    separator = build(separators, Spec.parse(spec))[0]
    separator.load()
    targets = Targets(tuple(stems), {"accompaniment": ("drums", "bass", "other")})

    def run(mixture: np.ndarray) -> object:
        references = {n: s[:, : mixture.shape[1]] for n, s in stems.items()} if separator.needs_references else None
        return separator.separate(
            mixture, RATE, targets=targets, rng=np.random.default_rng(0), references=references
        )  # fmt: skip

    return run


def _peer(what: str) -> Run:
    _, package, method = what.split(":")
    if package == "librosa":
        import librosa

        def hpss(mixture: np.ndarray) -> object:
            x = librosa.stft(mixture, n_fft=4096, hop_length=1024)
            parts = librosa.decompose.hpss(x, kernel_size=17, power=2)
            return [librosa.istft(part, hop_length=1024, length=mixture.shape[1]) for part in parts]

        def repet_sim(mixture: np.ndarray) -> object:  # as in librosa's example of vocal separation, each channel alone
            x = librosa.stft(mixture, n_fft=2048, hop_length=512)
            width = librosa.time_to_frames(2, sr=RATE)
            found = []
            for channel in x:
                magnitude = np.abs(channel)
                background = librosa.decompose.nn_filter(magnitude, aggregate=np.median, metric="cosine", width=width)
                background = np.minimum(magnitude, background)
                mask = librosa.util.softmask(magnitude - background, 10 * background, power=2)
                found.append(librosa.istft(mask * channel, hop_length=512, length=mixture.shape[1]))
            return found

        return hpss if method == "hpss" else repet_sim
    if package == "onnxruntime":
        return _network_by_hand()
    from sklearn.decomposition import NMF

    from mss_bench.core.parameters import parameters
    from mss_bench.separators import separators

    ours = {name: p.default for name, p in parameters(separators.load(method)).items()}

    def nmf(mixture: np.ndarray) -> object:
        import librosa

        v = np.abs(librosa.stft(mixture.mean(axis=0), n_fft=ours["n_fft"], hop_length=ours["hop"])) + 1e-7
        iterations = ours["iterations"]
        model = NMF(
            ours["components"], solver="mu", beta_loss="kullback-leibler", max_iter=iterations, tol=0, init="random",
            random_state=0,
        )  # fmt: skip
        return model.fit_transform(v), model.components_

    return nmf


def _network_by_hand() -> Run:
    """Return what a user would write for `demo_net`: the whole song transformed, chunks one by one, masks, and back."""
    import librosa
    import onnxruntime

    from mss_bench.separators.deep.demo_net.separator import MANIFEST

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(MANIFEST.with_suffix(".onnx"), options, providers=["CPUExecutionProvider"])
    (port,) = session.get_inputs()
    n_fft, hop, chunk, border = 4096, 2048, 512, 33
    window = np.sqrt(np.hanning(n_fft + 1)[:-1])

    def run(mixture: np.ndarray) -> object:
        padded = np.pad(mixture / np.sqrt(np.mean(mixture**2)), ((0, 0), (n_fft - hop, n_fft)))
        x = librosa.stft(padded, n_fft=n_fft, hop_length=hop, window=window, center=False)
        magnitude = np.pad(np.abs(x), ((0, 0), (0, 0), (border, chunk)))
        parts = [
            session.run(None, {port.name: magnitude[None, ..., first : first + chunk]})[0][0, ..., border:-border]
            for first in range(0, x.shape[-1], chunk - 2 * border)
        ]
        masks = np.concatenate(parts, axis=-1)[..., : x.shape[-1]]
        masks /= masks.sum(axis=0)
        return [librosa.istft(m * x, n_fft=n_fft, hop_length=hop, window=window, center=False) for m in masks]

    return run


def _memory(field: str) -> float:
    """Return a line of the process's status in MB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) / 1024


def _machine() -> str:
    return f"{os.cpu_count()} cores, one used; Python {platform.python_version()}, NumPy {np.__version__}"


def _keep(result: dict[str, object]) -> None:
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    kept = sorted([one for one in kept if one["what"] != result["what"]] + [result], key=lambda one: one["what"])
    RESULTS.write_text("[\n" + ",\n".join(json.dumps(one) for one in kept) + "\n]\n")
    PAGE.write_text(_page(kept))


def _page(kept: list[dict]) -> str:
    peers = {one["what"].split(":")[2]: one for one in kept if one["what"].startswith("peer:")}
    lines = [
        "# Separators: speed and memory",
        "",
        "Made by `separators.py`, which says what is measured and how, on a virtual machine with 24 GiB and two cores:",
        f"{kept[0]['machine']}. Real-time factors are seconds of stereo audio (44.1 kHz) per CPU second;",
        "memory is the peak above the audio. The machine did other work at the same time, which costs up to half.",
        "librosa's HPSS is its function with our window and kernel; its REPET-SIM is the recipe of its documentation,",
        "on a minute of the audio, as its time grows with the square of the length.",
        "The peer of demo_net is its network in ONNX Runtime, with librosa's transform of the whole song around it.",
        "The NMF of scikit-learn is the factorisation alone, without naming, filtering and the way back to signals.",
        "",
        "| method | track, s | real-time factor | aimed at | memory, MB | track, s | peer | times faster than it |",
        "|:--|--:|--:|--:|--:|--:|:--|--:|",
    ]
    for one in sorted((o for o in kept if not o["what"].startswith("peer:")), key=lambda o: -o["factor"]):
        peer = peers.get(one["what"])
        lines.append(
            f"| {one['what']} | {one['seconds']:g} | {one['factor']:.3g} | {WANTED.get(one['what'], '')} "
            f"| {one.get('memory', float('nan')):.0f} | {one.get('memory_seconds', 0):g} "
            f"| {peer['what'].split(':')[1] if peer else ''} "
            f"| {format(one['factor'] / peer['factor'], '.2g') if peer else ''} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
