"""What separators have in common whose work is done by another process."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mss_bench.core import audio
from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, TrackId
from mss_bench.errors import ConfigError
from mss_bench.separators.base import MappedSeparator

__all__ = ["Outside"]


class Outside(MappedSeparator):
    """Base of separators that work in another process, perhaps at one sample rate only."""

    weights: str = param("", doc="A file or folder that is read over there; its content is part of the estimate key.")

    sample_rate: int | None = None
    """The only one in Hz that it works at."""

    def setup(self) -> None:
        super().setup()
        self._weights = Path(self.weights).expanduser().absolute() if self.weights else None
        self._weight_files()

    def files(self, track: TrackId) -> list[Path]:
        return self._weight_files()

    def _weight_files(self) -> list[Path]:
        """Return all files of the weights, sorted; refuse weights that are not there."""
        weights = self._weights
        if weights is None:
            return []
        files = [weights] if weights.is_file() else sorted(f for f in weights.rglob("*") if f.is_file())
        if not files:
            state = "is an empty folder" if weights.is_dir() else "does not exist"
            raise ConfigError(f"separator {self.name}: weights={weights} {state}; expected a file or a folder of files")
        return files

    def at_own_rate(self, array: Audio, sample_rate: int) -> Audio:
        """Return an array at the sample rate of the other side."""
        return array if self.sample_rate is None else audio.resample(array, sample_rate, self.sample_rate)

    def at_rate(self, sample_rate: int, estimate: np.ndarray, samples: int) -> np.ndarray:
        """Return an estimate at the mixture's sample rate, without what resampling added to the mixture's length.

        An estimate whose length was wrong before stays wrong, and what is not audio is left to be refused.
        """
        rate = self.sample_rate
        if rate is None or rate == sample_rate or estimate.ndim != 2 or estimate.dtype.kind != "f":
            return estimate
        resampled = audio.resample(estimate, rate, sample_rate)
        has_the_length = estimate.shape[1] == -(-samples * rate // sample_rate)
        return resampled[:, :samples] if has_the_length else resampled
