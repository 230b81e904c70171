"""Where frames lie in a track, which of them count, and how their correlations add up to those of the whole track.

Where signals are silent a ratio of energies says nothing. Which frames count is a matter of policy (`SilencePolicy`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.metrics._signals import Signals

__all__ = ["Frames", "Mask", "SilencePolicy", "SilenceRule", "Span"]

Span = tuple[int, int]
"""First sample and the one after the last."""


@dataclass(frozen=True)
class Frames:
    """Frames of a track as BSS Eval v4 cuts them: the partial one at the end is dropped.

    Parameters
    ----------
    n_samples : int
    window, hop : int
        Samples. A track no longer than the window is one frame.
    reach : int
        Samples by which a correlation reaches over the edge of a segment: filter length - 1.
    selected : (int, int), optional
        First frame and the one after the last, where not all are meant.
    """

    n_samples: int
    window: int
    hop: int
    reach: int = 0
    selected: tuple[int, int] | None = None

    @classmethod
    def of_seconds(cls, n_samples: int, window: float, hop: float, sample_rate: int, reach: int = 0) -> Frames:
        """Cut frames of a window and hop in seconds; infinite ones stand for the whole track."""

        def size(seconds: float) -> int:
            return max(1, round(seconds * sample_rate)) if math.isfinite(seconds) else n_samples

        return cls(n_samples, size(window), size(hop), reach)

    def parts(self, size: int) -> Iterator[Frames]:
        """Yield the frames, at most `size` at a time."""
        for first in range(0, self.count, size):
            yield replace(self, selected=(first, min(first + size, self.count)))

    @property
    def whole(self) -> Frames:
        """Return the track as one frame."""
        return Frames(self.n_samples, self.n_samples, self.n_samples, self.reach)

    @cached_property
    def spans(self) -> list[Span]:
        """Return first sample and the one after the last of each frame."""
        first, stop = self.selected or (0, self.count)
        return [(i * self.hop, min(i * self.hop + self.window, self.n_samples)) for i in range(first, stop)]

    @property
    def count(self) -> int:
        """Return how many frames the track has, selected or not."""
        if self.window >= self.n_samples:
            return 1
        return (self.n_samples - self.window) // self.hop + 1

    @cached_property
    def segments_per_frame(self) -> int:
        """Return how many consecutive segments make up a frame; 0 where frames are not unions of segments."""
        if self.selected is not None:
            return 0
        if self.count == 1:
            return 1
        return self.window // self.hop if self.window % self.hop == 0 and self.hop >= self.reach else 0

    @cached_property
    def segments(self) -> list[Span]:
        """Return a partition of the whole track; only the last segment may be shorter than `reach`."""
        if self.segments_per_frame == 0:
            return [(0, self.n_samples)]
        end = self.spans[-1][1]
        step = end // (len(self.spans) + self.segments_per_frame - 1)
        tail = [(end, self.n_samples)] if end < self.n_samples else []
        return [(a, a + step) for a in range(0, end, step)] + tail

    def energies(self, signals: Signals) -> Floats:
        """Return the energy of signals in every frame, ``(frames,)``."""
        return np.array([np.vdot(frame, frame) for frame in (signals.read(*span) for span in self.spans)])


Mask = NDArray[np.bool_]
"""One truth value a frame."""

_CHUNK = 1 << 12
"""Samples looked at before silence is ruled out; most frames need one look."""


SilenceRule = Literal["joint", "per_source", "channel_sum"]
"""The rules among which a metric lets its user choose."""


@dataclass(frozen=True)
class SilencePolicy:
    """Find silent frames, and those that count.

    Parameters
    ----------
    name : {"joint", "per_source", "channel_sum", "none"}
        ``joint``: a frame counts for no source where any reference or estimate is exactly 0 in all channels. A source
        whose reference is silent in every frame takes no part, its estimate included: it has no value of its own, and
        what an estimate holds there is to decide nothing about the others.
        ``per_source``: a frame does not count for a source whose own reference or estimate is 0 in all channels.
        ``channel_sum``, the rule of museval and mir_eval: a frame counts for no source where the *sum over channels* of
        any reference or estimate is 0 at every sample, which also holds of a stem whose channels cancel (L = -R); and
        a reference that is silent throughout leaves no frame for anyone.
        ``none``: every frame counts.
    """

    name: str

    def silent(self, array: Samples, spans: Iterable[Span]) -> Mask:
        """Return in which frames a signal ``(channels, samples)`` is silent."""
        return np.array([self._is_silent(array[:, start:stop]) for start, stop in spans])

    def valid(self, target: str, source: str, references: Mapping[str, Mask], estimates: Mapping[str, Mask]) -> Mask:
        """Return which frames count for the estimate named `source` as one of the reference `target`."""
        if self.name == "none":
            return np.ones_like(references[target])
        silent = references[target] | estimates[source]
        if self.name != "per_source":
            for mask in self._deciding(target, references, estimates).values():
                silent = silent | mask
        return np.logical_not(silent)

    def why(self, target: str, references: Mapping[str, Mask], estimates: Mapping[str, Mask]) -> str:
        """Return why no frame counts for a target, in words."""
        signals = self._deciding(target, references, estimates)
        throughout = [name for name, mask in signals.items() if mask.all()]
        if throughout:
            return f"{' and '.join(throughout)} silent throughout (silence={self.name})"
        return f"in every frame one of {', '.join(signals)} is silent (silence={self.name})"

    def _deciding(self, target: str, references: Mapping[str, Mask], estimates: Mapping[str, Mask]) -> dict[str, Mask]:
        """Return the signals whose silence decides which frames count for a target, by what messages call them."""
        if self.name == "per_source":
            names = {target}
        else:
            names = {t for t, mask in references.items() if self.name == "channel_sum" or not mask.all() or t == target}
        signals = {f"reference {t!r}": mask for t, mask in references.items() if t in names}
        return signals | {f"estimate {t!r}": mask for t, mask in estimates.items() if t in names}

    def _is_silent(self, samples: Samples) -> bool:
        for first in range(0, samples.shape[1], _CHUNK):
            chunk = samples[:, first : first + _CHUNK]
            if (chunk.sum(axis=0, dtype=np.float64) if self.name == "channel_sum" else chunk).any():
                return False
        return True
