"""How likely a listener is to notice a difference, and by how many just noticeable steps: ADBB."""

from __future__ import annotations

import numpy as np

from mss_bench.core.arrays import Floats

__all__ = ["average_distorted_block", "decibels", "detection", "step_size"]


def decibels(patterns: Floats) -> Floats:
    """Return excitation in dB."""
    return np.asarray(10 * np.log10(patterns))


def step_size(level: Floats) -> Floats:
    """Return the just noticeable difference in dB at a level in dB; 1e30 at and below 0 dB."""
    heard = level > 0
    level = np.where(heard, level, 1.0)
    polynomial = np.polynomial.polynomial.polyval(level, [-0.198719, 0.0550197, -0.00102438, 5.05622e-6, 9.01033e-11])
    return np.where(heard, polynomial + 5.95072 * (6.39468 / level) ** 1.71332, 1e30)


def detection(reference: Floats, test: Floats) -> tuple[Floats, Floats]:
    """Return the probability of detection, and whole dB of difference in just noticeable steps.

    Parameters
    ----------
    reference, test : (channels, bands, frames)
        Excitation in dB, smeared in time.

    Returns
    -------
    probability, steps : (frames,) float64
        In each band the channel counts in which the difference is heard best; a change is noticed if it is in any band,
        and steps add up over bands.
    """
    error = reference - test
    step = step_size(0.3 * np.maximum(reference, test) + 0.7 * test)
    ratio = error / step
    square = ratio * ratio
    # a loss is noticed less readily than an addition: powers of 4 and of 6
    exponent = square * square
    exponent *= np.where(error > 0, 1.0, square)
    missed: Floats = np.exp2(-exponent.max(axis=0).sum(axis=0))
    steps: Floats = (np.abs(np.trunc(error)) / step).max(axis=0).sum(axis=0)
    return 1 - missed, steps


def average_distorted_block(probability: Floats, steps: Floats) -> float:
    """Return ADBB: log10 of the mean number of steps in frames whose difference is more likely noticed than not."""
    noticed = probability > 0.5
    if not noticed.any():
        return 0.0
    total = float(steps[noticed].sum())
    return float(np.log10(total / np.count_nonzero(noticed))) if total > 0 else -0.5
