"""Which frames of a metric count where signals are silent.

``joint``, as in museval and mir_eval: a frame in which the channel sum of any reference or estimate is 0 at every
sample counts for no source. ``per_source``: a frame does not count for a source whose own reference or estimate is 0
throughout it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mss_bench.metrics._frames import Span
from mss_bench.metrics._signals import Samples

__all__ = ["Mask", "SilencePolicy"]

Mask = NDArray[np.bool_]
"""One truth value a frame."""

_CHUNK = 1 << 12
"""Samples looked at before silence is ruled out; most frames need one look."""


@dataclass(frozen=True)
class SilencePolicy:
    """Masks of silent and of valid frames.

    Parameters
    ----------
    name : {"joint", "per_source"}
    """

    name: Literal["joint", "per_source"]

    def silent(self, array: Samples, spans: Iterable[Span]) -> Mask:
        """Frames in which a signal ``(channels, samples)`` is silent."""
        return np.array([self._is_silent(array[:, start:stop]) for start, stop in spans])

    def valid(self, target: str, source: str, references: Mapping[str, Mask], estimates: Mapping[str, Mask]) -> Mask:
        """Frames that count for the estimate named `source` as one of the reference `target`."""
        if self.name == "per_source":
            return ~(references[target] | estimates[source])
        joint: Mask = np.logical_or.reduce([*references.values(), *estimates.values()])
        return ~joint

    def why(self, target: str, references: Mapping[str, Mask], estimates: Mapping[str, Mask]) -> str:
        """Why no frame counts for a target, in words."""
        alone = self.name == "per_source"
        signals = {f"reference {t!r}": m for t, m in references.items() if t == target or not alone}
        signals |= {f"estimate {t!r}": m for t, m in estimates.items() if t == target or not alone}
        throughout = [name for name, mask in signals.items() if mask.all()]
        if throughout:
            return f"{' and '.join(throughout)} silent throughout (silence={self.name})"
        return f"in every frame one of {', '.join(signals)} is silent (silence={self.name})"

    def _is_silent(self, samples: Samples) -> bool:
        for first in range(0, samples.shape[1], _CHUNK):
            chunk = samples[:, first : first + _CHUNK]
            if (chunk.sum(axis=0, dtype=np.float64) if self.name == "joint" else chunk).any():
                return False
        return True
