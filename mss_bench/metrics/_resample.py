"""Audio at the rate that a definition is made for."""

from __future__ import annotations

from mss_bench.metrics._signals import Samples

__all__ = ["at_rate"]


def at_rate(array: Samples, from_rate: int, to_rate: int) -> Samples:
    """An array ``(channels, samples)`` resampled with soxr at high quality, in its precision; at least one sample.

    The quality is that of the tools whose numbers are to be met; `mss_bench.core.audio.resample` makes float32.
    """
    if from_rate == to_rate:
        return array
    import soxr

    resampled: Samples = soxr.resample(array.T, from_rate, to_rate, quality="HQ").T
    return resampled if resampled.shape[1] else resampled.dtype.type(0) * array[:, :1]
