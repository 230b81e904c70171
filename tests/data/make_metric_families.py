"""Numbers of other tools for made-up signals: writes ``metric_families.json`` beside this file.

    pip install torch torchmetrics==1.9.0 auraloss==0.4.0 fast_bss_eval==0.1.4 log-wmse-audio-quality==0.2.0 \\
        librosa==0.11.0
    python tests/data/make_metric_families.py

ZFTurbo's Music-Source-Separation-Training, Demucs and the MDX kit are no packages: their definitions are written down
here anew, on top of what they call (torch.stft, librosa.filters.mel). The tests load this file for its signals, and
compare with the tools themselves where they are installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

RATE = 44100
Arrays = dict[str, np.ndarray]
Values = dict[str, list[float]]


def signals(kind: str = "plain") -> tuple[Arrays, Arrays, np.ndarray]:
    """Return references, estimates and mixture: three stereo sources of 0.6 s in 16 bit, with a pause in one.

    ``"silent"`` has a reference and an estimate that are silent throughout, ``"offset"`` constants added.
    """
    rng = np.random.default_rng(7)
    references = {}
    for index, name in enumerate("abc"):
        white = rng.integers(-4000, 4001, (2, round(0.6 * RATE) + 2)) / 32768
        coloured = white[:, 2:] + (0.5 * index - 0.4) * white[:, 1:-1] + 0.2 * white[:, :-2]
        references[name] = coloured + 0.4 * coloured[::-1]
    references["b"][:, 8000:14000] = 0
    if kind == "silent":
        references["c"][:] = 0
    mixture = np.sum([*references.values()], axis=0)
    estimates = {}
    for name, s in references.items():
        noise = rng.integers(-300, 301, s.shape) / 32768
        estimates[name] = 0.8 * s + 0.1 * np.roll(s, 3, axis=1) + 0.15 * mixture + noise
    if kind == "silent":
        estimates["a"][:] = 0
    if kind == "offset":
        references = {n: s + 0.01 for n, s in references.items()}
        estimates = {n: y - 0.02 for n, y in estimates.items()}
    return references, estimates, mixture


def _each(function: Callable[..., object], references: Arrays, estimates: Arrays, dtype: type) -> Values:
    """Values of a function of (estimate, reference) tensors ``(channels, samples)``."""
    import torch

    found = {}
    for name, s in references.items():
        value = function(torch.from_numpy(estimates[name].astype(dtype)), torch.from_numpy(s.astype(dtype)))
        found[name] = [float(value)]
    return found


def _torchmetrics(function: str, dtype: type = np.float32, **options: bool) -> Callable[..., Values]:
    def run(references: Arrays, estimates: Arrays, mixture: np.ndarray) -> Values:
        import torchmetrics.functional.audio as tools

        return _each(lambda y, s: getattr(tools, function)(y, s, **options).mean(), references, estimates, dtype)

    return run


def _torchmetrics_sa_sdr(references: Arrays, estimates: Arrays, mixture: np.ndarray) -> Values:
    import torch
    from torchmetrics.functional.audio import source_aggregated_signal_distortion_ratio

    y, s = (torch.from_numpy(np.stack([*x.values()], axis=1).astype(np.float32)) for x in (estimates, references))
    value = float(source_aggregated_signal_distortion_ratio(y, s).mean())
    return {name: [value] for name in references}


def _auraloss(module: str, name: str, sign: int, **options: object) -> Callable[..., Values]:
    def run(references: Arrays, estimates: Arrays, mixture: np.ndarray) -> Values:
        import importlib

        loss = getattr(importlib.import_module(f"auraloss.{module}"), name)(**options)
        return _each(lambda y, s: sign * loss(y[None], s[None]), references, estimates, np.float32)

    return run


def _fast_bss_eval(references: Arrays, estimates: Arrays, mixture: np.ndarray) -> Values:
    """SI-SDR, SI-SIR and SI-SAR: mean over channels."""
    import fast_bss_eval

    s, y = (np.stack([*x.values()], axis=1) for x in (references, estimates))
    try:
        found = fast_bss_eval.si_bss_eval_sources(s, y, compute_permutation=False)[:3]
    except np.linalg.LinAlgError:  # a silent reference makes its system singular
        return {}
    return {name: [float(v[:, i].mean()) for v in found] for i, name in enumerate(references)}


def _log_wmse(rate: int) -> Callable[..., Values]:
    def run(references: Arrays, estimates: Arrays, mixture: np.ndarray) -> Values:
        from log_wmse_audio_quality import calculate_log_wmse

        m = mixture.astype(np.float32)
        pairs = {n: (estimates[n].astype(np.float32), s.astype(np.float32)) for n, s in references.items()}
        return {n: [float(calculate_log_wmse(m, y, s, rate))] for n, (y, s) in pairs.items()}

    return run


def _zfturbo_sdr(references: Arrays, estimates: Arrays, mixture: np.ndarray) -> Values:
    return {
        n: [float(10 * np.log10((np.sum(s**2) + 1e-8) / (np.sum((s - estimates[n]) ** 2) + 1e-8)))]
        for n, s in references.items()
    }


def _zfturbo_si_sdr(references: Arrays, estimates: Arrays, mixture: np.ndarray) -> Values:
    found = {}
    for name, s in references.items():
        y = estimates[name]
        gain = np.sum(s * y + 1e-8) / np.sum(s**2 + 1e-8)
        ratio = np.sum((gain * s) ** 2) / (np.sum((gain * s - y) ** 2) + 1e-8)
        found[name] = [float(10 * np.log10(ratio + 1e-8))]
    return found


def _zfturbo_l1_freq(references: Arrays, estimates: Arrays, mixture: np.ndarray) -> Values:
    import torch

    def distance(y: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        window = torch.ones(2048, dtype=y.dtype)  # what torch.stft takes where none is given
        a, b = (torch.stft(x, 2048, 1024, window=window, return_complex=True).abs() for x in (y, s))
        return 100 / (1 + 10 * (a - b).abs().mean())

    return _each(distance, references, estimates, np.float32)


def _zfturbo_bleed_full(references: Arrays, estimates: Arrays, mixture: np.ndarray) -> Values:
    import warnings

    import librosa
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa finds 512 bands too many
        mel = torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=4096, n_mels=512))
    window = torch.hann_window(4096)

    def decibels(x: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(x.astype(np.float32))
        magnitude = torch.stft(tensor, 4096, 1024, window=window, return_complex=True, pad_mode="constant").abs()
        level = 20 * torch.log10(torch.clamp(mel @ magnitude, min=1e-10))
        return torch.maximum(level, level.max() - 80)

    found = {}
    for name, s in references.items():
        d = decibels(estimates[name]) - decibels(s)
        means = [float(part.mean()) if part.numel() else 0.0 for part in (d[d > 0], d[d < 0])]
        found[name] = [100 / (1 + abs(mean)) for mean in means]
    return found


def _mdx21(references: Arrays, estimates: Arrays, mixture: np.ndarray) -> Values:
    """In float32, as the kit."""
    found = {}
    for name, s in references.items():
        a, b = s.astype(np.float32), estimates[name].astype(np.float32)
        found[name] = [float(10 * np.log10((np.sum(a**2) + 1e-7) / (np.sum((a - b) ** 2) + 1e-7)))]
    return found


_QUARTER_HOPS = {"fft_sizes": [1024, 2048, 4096], "hop_sizes": [256, 512, 1024], "win_lengths": [1024, 2048, 4096]}

TOOLS: dict[str, tuple[tuple[str, ...], Callable[..., Values]]] = {
    "mdx21 sdr": ((), _mdx21),
    "zfturbo sdr": ((), _zfturbo_sdr),
    "zfturbo si_sdr": ((), _zfturbo_si_sdr),
    "zfturbo l1_freq": (("torch",), _zfturbo_l1_freq),
    "zfturbo bleed_full": (("torch", "librosa"), _zfturbo_bleed_full),
    "torchmetrics snr": (("torchmetrics",), _torchmetrics("signal_noise_ratio")),
    "torchmetrics si_sdr": (("torchmetrics",), _torchmetrics("scale_invariant_signal_distortion_ratio")),
    "torchmetrics si_snr": (("torchmetrics",), _torchmetrics("scale_invariant_signal_noise_ratio")),
    "torchmetrics sa_sdr": (("torchmetrics",), _torchmetrics_sa_sdr),
    "auraloss snr": (("auraloss",), _auraloss("time", "SNRLoss", -1)),
    "auraloss si_sdr": (("auraloss",), _auraloss("time", "SISDRLoss", -1)),
    "auraloss sd_sdr": (("auraloss",), _auraloss("time", "SDSDRLoss", -1)),
    "auraloss mr_stft": (("auraloss",), _auraloss("freq", "MultiResolutionSTFTLoss", 1)),
    "auraloss mr_stft, hops of a quarter": (
        ("auraloss",),
        _auraloss("freq", "MultiResolutionSTFTLoss", 1, **_QUARTER_HOPS),
    ),
    "fast_bss_eval si_bss_eval_sources": (("fast_bss_eval",), _fast_bss_eval),
    "log_wmse_audio_quality": (("log_wmse_audio_quality",), _log_wmse(RATE)),
    "log_wmse_audio_quality, as if of 32 kHz": (("log_wmse_audio_quality",), _log_wmse(32000)),
}
"""What is compared: the packages that it needs, and a function of references, estimates and mixture."""

KINDS = ("plain", "silent", "offset")


def main() -> None:
    """Compute all and write the file."""
    values = {kind: {tool: run(*signals(kind)) for tool, (_, run) in TOOLS.items()} for kind in KINDS}
    path = Path(__file__).with_name("metric_families.json")
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
