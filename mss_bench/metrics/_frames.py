"""Where frames lie in a track, and how their correlations add up to those of the whole track."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

__all__ = ["Frames", "Span"]

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
        """Frames of a window and hop in seconds; infinite ones stand for the whole track."""

        def size(seconds: float) -> int:
            return max(1, round(seconds * sample_rate)) if math.isfinite(seconds) else n_samples

        return cls(n_samples, size(window), size(hop), reach)

    def parts(self, size: int) -> Iterator[Frames]:
        """The frames, at most `size` at a time."""
        for first in range(0, self.count, size):
            yield replace(self, selected=(first, min(first + size, self.count)))

    @property
    def whole(self) -> Frames:
        """The track as one frame."""
        return Frames(self.n_samples, self.n_samples, self.n_samples, self.reach)

    @cached_property
    def spans(self) -> list[Span]:
        """The frames."""
        first, stop = self.selected or (0, self.count)
        return [(i * self.hop, min(i * self.hop + self.window, self.n_samples)) for i in range(first, stop)]

    @property
    def count(self) -> int:
        """How many frames the track has, selected or not."""
        if self.window >= self.n_samples:
            return 1
        return (self.n_samples - self.window) // self.hop + 1

    @cached_property
    def segments_per_frame(self) -> int:
        """How many consecutive segments make up a frame; 0 where frames are no unions of segments."""
        if self.selected is not None:
            return 0
        if self.count == 1:
            return 1
        return self.window // self.hop if self.window % self.hop == 0 and self.hop >= self.reach else 0

    @cached_property
    def segments(self) -> list[Span]:
        """A partition of the whole track; only the last segment may be shorter than `reach`."""
        if self.segments_per_frame == 0:
            return [(0, self.n_samples)]
        end = self.spans[-1][1]
        step = end // (len(self.spans) + self.segments_per_frame - 1)
        tail = [(end, self.n_samples)] if end < self.n_samples else []
        return [(a, a + step) for a in range(0, end, step)] + tail
