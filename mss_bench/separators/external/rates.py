"""Sample rates of what works at one rate only: there and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from mss_bench.core import audio
from mss_bench.core.tracks import Audio
from mss_bench.errors import ConfigError

__all__ = ["back_at", "checked_rate", "taken_to"]


def checked_rate(rate: Any, what: str) -> int | None:
    """A declared sample rate in Hz, None where there is none.

    Raises
    ------
    ConfigError
    """
    whole = isinstance(rate, int) and not isinstance(rate, bool)
    if rate is not None and not (whole and rate > 0):
        raise ConfigError(f"{what}: sample_rate={rate!r}; expected a positive whole number of Hz")
    return None if rate is None else int(rate)


def taken_to(wanted: int | None, mixture: Audio, sample_rate: int) -> Audio:
    """A mixture at the rate that is wanted, as it is where none is."""
    return mixture if wanted is None else audio.resample(mixture, sample_rate, wanted)


def back_at(sample_rate: int, estimate: np.ndarray, rate: int | None, samples: int) -> np.ndarray:
    """An estimate back at the mixture's rate; what resampling adds to the mixture's length is cut off.

    An estimate whose length was wrong before stays wrong, and what is no audio is left to be refused.
    """
    if rate is None or rate == sample_rate or estimate.ndim != 2 or estimate.dtype.kind != "f":
        return estimate
    as_given = estimate.shape[1] == -(-samples * rate // sample_rate)
    back = audio.resample(estimate, rate, sample_rate)
    return back[:, :samples] if as_given else back
