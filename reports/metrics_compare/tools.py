"""Calls of other tools' metrics, in the shape in which they can be compared with ours.

Every function takes references and estimates by name, ``(channels, samples)``, and the sample rate, and returns values
``(targets, frames)`` by quantity, in the order of the references. The tools are imported where they are called.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples

__all__ = ["Values", "auraloss", "fast_bss_eval", "mir_eval_images", "mir_eval_sources", "museval", "torchmetrics"]

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
    """Call a function of ``torchmetrics.functional.audio`` on mono tensors, of float32 but for the one with filters."""
    torch = importlib.import_module("torch")
    call = getattr(importlib.import_module("torchmetrics.functional.audio"), function)
    dtype = torch.float64 if function == "signal_distortion_ratio" else torch.float32
    true, estimated = (torch.tensor(_mono(each), dtype=dtype) for each in (references, estimates))
    values: NDArray[Any] = call(estimated, true, **options).double().numpy()
    return {quantity: np.broadcast_to(np.reshape(values, (-1, 1)), (len(references), 1)).copy()}


def auraloss(
    references: Signals, estimates: Signals, sample_rate: int, *, loss: str, quantity: str, sign: float
) -> Values:
    """Call a loss of auraloss on float32 tensors ``(1, 1, samples)``, one mono target at a time, times a sign."""
    torch = importlib.import_module("torch")
    group, _, name = loss.partition(".")
    call = getattr(importlib.import_module(f"auraloss.{group}"), name)()
    as_tensor = partial(torch.tensor, dtype=torch.float32)
    pairs = zip(_mono(references), _mono(estimates), strict=True)
    values = [float(call(as_tensor(y)[None, None], as_tensor(s)[None, None])) for s, y in pairs]
    return {quantity: sign * np.reshape(values, (-1, 1))}


def _mono(signals: Signals) -> Floats:
    """Return means over the channels, ``(sources, samples)``."""
    return np.stack([array.mean(axis=0, dtype=np.float64) for array in signals.values()])
