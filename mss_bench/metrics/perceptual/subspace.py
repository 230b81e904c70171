"""Least squares in a subband: how much of an error short filters of the true sources explain."""

from __future__ import annotations

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.metrics.perceptual.subbands import Complex

__all__ = ["explain"]

_STRETCH = 0.5
_REACH = 0.02
"""Seconds of a filter to both sides."""
_SHARE = 0.05
"""Coefficients, relative to the numbers that a stretch can tell apart."""
_DENSITY = 2.5
"""Samples that are solved with, relative to the numbers that can be told apart."""
_RIDGE = 1e-4
"""Of the diagonal: silent, equal and all but equal sources share what they explain."""


def explain(sources: Complex, error: Complex, rate: float, width: float) -> tuple[Complex, Complex]:
    """Return what filters of the sources explain of an error.

    Parameters
    ----------
    sources : (sources, n) complex
        Subband signals, the target first.
    error : (n,) complex
    rate : float
        Samples a second.
    width : float
        Numbers a second that can be told apart.

    Returns
    -------
    own, foreign : (n,) complex
        The parts of the target, and of all other sources.
    """
    count, n = sources.shape
    seconds = max(_STRETCH, count / _SHARE / width)
    spacing = max(1, round(rate / width))
    per_side = int((_SHARE * seconds * width / count - 1) // 2)
    per_side = max(0, min(per_side, int(_REACH * rate / spacing)))
    delays = spacing * np.arange(-per_side, per_side + 1)
    length = max(2, 2 * round(seconds * rate / 2))
    margin = length + int(delays[-1])
    padded, wanted = (np.pad(x, [(0, 0)] * (x.ndim - 1) + [(margin, margin)]) for x in (sources, error))
    # squares of the windows add up to 1
    weight = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
    # a subband is sampled more densely than it can change: some of its samples say all about the filters
    step = max(1, int(rate / (_DENSITY * width)))
    own, foreign = np.zeros((2, len(wanted)), dtype=np.complex128)
    n_own = len(delays)
    for start in range(margin - length // 2, margin + n, length // 2):
        stretch = slice(start, start + length)
        if not wanted[stretch].any():
            continue
        parts = np.stack([s[start - d : start - d + length] for s in padded for d in delays], axis=1)
        shares = _solve(parts[::step], wanted[stretch][::step], weight[::step])
        own[stretch] += weight * (parts[:, :n_own] @ shares[:n_own])
        foreign[stretch] += weight * (parts[:, n_own:] @ shares[n_own:])
    return own[margin : margin + n], foreign[margin : margin + n]


def _solve(parts: Complex, wanted: Complex, weight: Floats) -> Complex:
    """Return the coefficients that explain `wanted` best by the columns of `parts`, weighted."""
    weighted = (parts * weight[:, None]).conj().T
    gram = weighted @ parts
    level = np.sqrt(np.maximum(np.diag(gram).real, 0.0))
    # brought to one level, so that a faint source is solved for as well as a loud one; a silent one keeps 0
    scale = np.divide(1.0, level, out=np.zeros_like(level), where=level > 1e-12 * level.max(initial=0.0))
    system = gram * scale[:, None] * scale
    system[np.diag_indices(len(system))] = 1.0 + _RIDGE
    solved = np.linalg.solve(system, scale * (weighted @ wanted))
    return np.asarray(scale * solved)
