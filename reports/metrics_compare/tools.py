"""Calls of other tools' metrics, in the shape in which they can be compared with ours.

Every function takes references and estimates by name, ``(channels, samples)``, and the sample rate, and returns values
``(targets, frames)`` by quantity, in the order of the references. The tools are imported where they are called.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples

__all__ = [
    "Values", "auraloss", "fast_bss_eval", "librosa", "mir_eval_images", "mir_eval_sources", "museval",
    "torch_l1_snr", "torchmetrics", "zimtohrli",
]  # fmt: skip

Values = dict[str, Floats]
Signals = Mapping[str, Samples]


def museval(references: Signals, estimates: Signals, sample_rate: int, *, mode: str, seconds: float) -> Values:
    """Call ``museval.evaluate`` with a window and hop of so many seconds, infinite for the whole signal."""
    evaluate = importlib.import_module("museval").evaluate
    size = round(seconds * sample_rate) if math.isfinite(seconds) else math.inf
    true, estimated = (np.stack([array.T for array in each.values()]) for each in (references, estimates))
    ratios = evaluate(true.astype(np.float64), estimated.astype(np.float64), win=size, hop=size, mode=mode)
    return dict(zip(("SDR", "ISR", "SIR", "SAR"), ratios, strict=True))


def mir_eval_images(references: Signals, estimates: Signals, sample_rate: int) -> Values:
    """Call ``mir_eval.separation.bss_eval_images`` on the whole signal."""
    true, estimated = (np.stack([array.T for array in each.values()]) for each in (references, estimates))
    values = _mir_eval("bss_eval_images", true.astype(np.float64), estimated.astype(np.float64))
    return {q: np.reshape(v, (-1, 1)) for q, v in zip(("SDR", "ISR", "SIR", "SAR"), values, strict=True)}


def mir_eval_sources(references: Signals, estimates: Signals, sample_rate: int) -> Values:
    """Call ``mir_eval.separation.bss_eval_sources`` on the whole mono signal."""
    values = _mir_eval("bss_eval_sources", _mono(references), _mono(estimates))
    return {q: np.reshape(v, (-1, 1)) for q, v in zip(("SDR", "SIR", "SAR"), values, strict=True)}


def _mir_eval(function: str, true: Floats, estimated: Floats) -> tuple[Floats, ...]:
    separation = importlib.import_module("mir_eval.separation")
    with warnings.catch_warnings():  # it is deprecated as a whole, which is known here
        warnings.simplefilter("ignore", FutureWarning)
        *values, _ = getattr(separation, function)(true, estimated, compute_permutation=False)
    return tuple(values)


def fast_bss_eval(
    references: Signals, estimates: Signals, sample_rate: int, *, function: str, **options: Any
) -> Values:
    """Call ``fast_bss_eval.bss_eval_sources`` or ``si_bss_eval_sources`` on the mono signal.

    On float64 tensors: its solver on NumPy arrays fails under NumPy 2.
    """
    tensor = importlib.import_module("torch").from_numpy
    call = getattr(importlib.import_module("fast_bss_eval"), function)
    values = call(tensor(_mono(references)), tensor(_mono(estimates)), compute_permutation=False, **options)
    prefix = "SI-" if function.startswith("si_") else ""
    return {
        f"{prefix}{q}": np.reshape(v.numpy(), (-1, 1)) for q, v in zip(("SDR", "SIR", "SAR"), values[:3], strict=True)
    }


def torchmetrics(
    references: Signals, estimates: Signals, sample_rate: int, *, function: str, quantity: str, **options: Any
) -> Values:
    """Call a function of ``torchmetrics.functional.audio`` on tensors, of float32 but for the one with filters.

    The value is the mean over channels; one of all sources together stands for each.
    """
    torch = importlib.import_module("torch")
    call = getattr(importlib.import_module("torchmetrics.functional.audio"), function)
    dtype = torch.float64 if function == "signal_distortion_ratio" else torch.float32
    by_channel = (np.stack([*each.values()], axis=1) for each in (references, estimates))
    true, estimated = (torch.tensor(array, dtype=dtype) for array in by_channel)
    values: NDArray[Any] = call(estimated, true, **options).double().numpy().mean(axis=0)
    return {quantity: np.broadcast_to(np.reshape(values, (-1, 1)), (len(references), 1)).copy()}


def auraloss(
    references: Signals, estimates: Signals, sample_rate: int, *, loss: str, quantity: str,
    value: Callable[[float], float], reversed: bool = False, rate: int | None = None, **options: Any,
) -> Values:  # fmt: skip
    """Call a loss of auraloss on float32 tensors ``(1, 1, samples)``, one mono target at a time, and map it to a value.

    `reversed` hands over the reference as the first of the two, as ZFTurbo's code does; a `rate` of 0 is that of the
    signals.
    """
    options |= {} if rate is None else {"sample_rate": rate or sample_rate}
    torch = importlib.import_module("torch")
    group, _, name = loss.partition(".")
    call = getattr(importlib.import_module(f"auraloss.{group}"), name)(**options)
    as_tensor = partial(torch.tensor, dtype=torch.float32)
    first, second = (references, estimates) if reversed else (estimates, references)
    pairs = zip(_mono(first), _mono(second), strict=True)
    values = [value(float(call(as_tensor(a)[None, None], as_tensor(b)[None, None]))) for a, b in pairs]
    return {quantity: np.reshape(values, (-1, 1))}


def torch_l1_snr(references: Signals, estimates: Signals, sample_rate: int) -> Values:
    """Call ``MultiL1SNRDBLoss`` as ZFTurbo's code does, turned round, on float32 tensors."""
    torch = importlib.import_module("torch")
    loss = importlib.import_module("torch_l1_snr").MultiL1SNRDBLoss(
        name="l1_snr", weight=1.0, spec_weight=0.5, l1_weight=0.0, use_time_regularization=True,
        use_spec_regularization=False,
    )  # fmt: skip
    as_tensor = partial(torch.tensor, dtype=torch.float32)
    pairs = zip(references.values(), estimates.values(), strict=True)
    return {"L1-SNR": np.reshape([-float(loss(as_tensor(y)[None], as_tensor(s)[None])) for s, y in pairs], (-1, 1))}


def librosa(references: Signals, estimates: Signals, sample_rate: int) -> Values:
    """Compute Multi-Mel-SNR from ``librosa.feature.melspectrogram`` of mono signals, resampled by it to 48 kHz."""
    package = importlib.import_module("librosa")

    def value(s: Samples, y: Samples) -> float:
        s, y = (package.resample(x, orig_sr=sample_rate, target_sr=48000) for x in (s, y))
        y = y * (s @ y) / (y @ y + 1e-8)
        ratios = []
        for size, bands in ((512, 80), (1024, 128), (2048, 192)):
            mel = partial(
                package.feature.melspectrogram, sr=48000, n_fft=size, hop_length=size // 2, n_mels=bands, htk=True,
                norm=None, pad_mode="reflect",
            )  # fmt: skip
            a, b = mel(y=s), mel(y=y)
            ratios.append(10 * np.log10(np.sum(a**2) / (np.sum((a - b) ** 2) + 1e-8)))
        return float(np.mean(ratios))

    pairs = zip(_mono(references), _mono(estimates), strict=True)
    return {"Multi-Mel-SNR": np.reshape([value(s, y) for s, y in pairs], (-1, 1))}


def zimtohrli(references: Signals, estimates: Signals, sample_rate: int) -> Values:
    """Call ``Pyohrli.distance`` on mono signals, resampled with soxr to the 48 kHz that it takes."""
    distance = importlib.import_module("zimtohrli").Pyohrli().distance
    resample = importlib.import_module("soxr").resample
    pairs = zip(_mono(references), _mono(estimates), strict=True)
    values = [distance(*(resample(x.astype(np.float32), sample_rate, 48000) for x in pair)) for pair in pairs]
    return {"Zimtohrli": np.reshape(values, (-1, 1))}


def _mono(signals: Signals) -> Floats:
    """Return means over the channels, ``(sources, samples)``."""
    return np.stack([array.mean(axis=0, dtype=np.float64) for array in signals.values()])
