"""Types of arrays that the whole package shares; those of audio are in `mss_bench.core.tracks`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Samples"]

Floats = NDArray[np.float64]

Samples = NDArray[np.floating]
"""Float samples ``(channels, samples)`` of any precision."""
