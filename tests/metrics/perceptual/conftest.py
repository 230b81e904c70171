"""Music for the tests of perceptual metrics."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mss_bench.datasets.catalog import get_dataset

SECONDS = 5


@pytest.fixture(scope="session")
def song() -> dict[str, NDArray[np.float32]]:
    """Five seconds of the stems of a demo song, in stereo at 44.1 kHz."""
    track = get_dataset("demo").tracks(max_tracks=1, duration=float(SECONDS))[0]
    stems = track.load().references
    return {name: stems[name] for name in ("vocals", "drums", "bass", "other")}
