"""Modulation of the excitation's envelopes, and how far a test signal's is from the reference's: AvgModDiff1B."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.metrics.perceptual.peaq.ear import FRAME_RATE, N_BANDS, bands, decay, internal_noise

__all__ = ["Modulation", "average_difference", "modulation"]

_LOUDNESS_EXPONENT = 0.3


@dataclass(frozen=True)
class Modulation:
    """Modulation of a signal.

    Parameters
    ----------
    depth : (channels, bands, frames) float64
        Smoothed rate of change of the envelope, relative to its mean.
    envelope : (channels, bands, frames) float64
        Smoothed loudness-like envelope.
    """

    depth: Floats
    envelope: Floats

    @property
    def weight(self) -> Floats:
        """Return how much each frame of a reference counts, ``(channels, frames)``: faint ones count little."""
        least = 100 * internal_noise(bands().centre)[:, None] ** _LOUDNESS_EXPONENT
        weight: Floats = (self.envelope / (self.envelope + least)).sum(axis=1)
        return weight


def modulation(patterns: Floats) -> Modulation:
    """Compute the modulation of excitation ``(channels, bands, frames)`` that is not smeared in time."""
    kept = decay(0.008, 0.050)
    loudness = patterns**_LOUDNESS_EXPONENT
    change = FRAME_RATE * np.abs(np.diff(loudness, axis=2, prepend=0.0))
    rate, mean = np.zeros(patterns.shape[:2]), np.zeros(patterns.shape[:2])
    depth, envelope = np.empty_like(patterns), np.empty_like(patterns)
    for frame in range(patterns.shape[2]):
        rate = kept * rate + (1 - kept) * change[:, :, frame]
        mean = kept * mean + (1 - kept) * loudness[:, :, frame]
        depth[:, :, frame], envelope[:, :, frame] = rate, mean
    depth /= 1 + envelope / 0.3
    return Modulation(depth, envelope)


def average_difference(reference: Floats, weight: Floats, test: Floats) -> float:
    """Return AvgModDiff1B: difference of modulation depth in percent, a weighted mean over time, then over channels.

    Parameters
    ----------
    reference, test : (channels, bands, frames)
        `Modulation.depth` of the frames that count.
    weight : (channels, frames)
        `Modulation.weight` of the reference.
    """
    difference = 100 / N_BANDS * (np.abs(test - reference) / (1 + reference)).sum(axis=1)
    return float(np.mean((weight * difference).sum(axis=1) / weight.sum(axis=1)))
