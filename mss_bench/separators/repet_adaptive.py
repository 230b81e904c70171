"""REPET for songs whose period changes: adaptive, and segment by segment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.dsp.median import median_of_frames
from mss_bench.separators.base import as_published
from mss_bench.separators.repet import (
    REPET,
    PeriodRange,
    RepeatingBackground,
    SegmentedBackground,
    beat_spectrum,
    repeating_period,
)

__all__ = ["AdaptiveREPET", "SegmentedREPET"]


class AdaptiveREPET(PeriodRange, RepeatingBackground):
    """Take what repeats with a period that changes along the song for the accompaniment: adaptive REPET.

    The tempo drifts and a verse is no chorus, but neighbouring repetitions are still alike. The period p(t) is found in
    a window that moves along the song (the beat spectrogram), and the median is over the frames that lie a few of these
    periods before and after:

        W(t, f) = min(V(t, f), median_{k = -order/2 .. order/2} V(t + k p(t), f)),  M = W / V.

    The accompaniment is the mixture under M; below `high_pass` all is accompaniment. At the song's ends the frames are
    taken from one side, so that there are always `order` of them if the song holds as many periods. The period is at
    most a third of the window, and between the windows' centres the nearer one's holds. Frames, filter and high-pass
    are those of `REPET`.

    References
    ----------
    .. [1] A. Liutkus, Z. Rafii, R. Badeau, B. Pardo and G. Richard, "Adaptive filtering for music/voice separation
       exploiting the repeating musical structure", Proc. ICASSP, 2012.
    """

    name = "repet_adaptive"
    citation = "A. Liutkus et al., Adaptive filtering for music/voice separation exploiting repetition, ICASSP 2012"
    presets = as_published()
    unlike_paper = (
        "The mask is W / V, as in the authors' later programs; the paper's falls with the distance of log V from log W"
    )
    assumption = "Over some periods around each moment the accompaniment repeats, and the voice does not."

    window: float = param(10.0, above=0, unit="s", doc="Length of the windows of the beat spectrogram.")
    step: float = param(5.0, above=0, unit="s", doc="Step of the windows of the beat spectrogram.")
    order: int = param(5, at_least=3, odd=True, unit="frames", doc="Length of the median.")

    def model(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[Any]:
        index = repetitions(self.periods(magnitude, frame_rate), self.order)
        return np.stack([median_of_frames(v, index) for v in magnitude])

    def periods(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[np.intp]:
        """Return the period at each frame, in frames.

        Parameters
        ----------
        magnitude : (channels, frames, bins)
        frame_rate : float
            Frames a second.
        """
        frames = magnitude.shape[1]
        length, step = (max(1, round(seconds * frame_rate)) for seconds in (self.window, self.step))
        firsts = np.arange(0, max(1, frames - length + 1), step)
        spectra = [beat_spectrum(magnitude[:, first : first + length]) for first in firsts]
        periods = [repeating_period(spectrum, frame_rate, self.min_period, self.max_period) for spectrum in spectra]
        nearest = np.rint((np.arange(frames) - length / 2) / step).astype(np.intp)
        return np.array(periods, dtype=np.intp)[np.clip(nearest, 0, len(periods) - 1)]


class SegmentedREPET(SegmentedBackground, REPET):
    """Take what repeats in each of overlapping segments for the accompaniment: REPET by segments.

    Over some seconds the period hardly changes, so `REPET` runs on segments of that length as if each were a song, and
    what it makes of them is cross-faded:

        accompaniment = sum_s w_s REPET(x in segment s),  sum_s w_s = 1.

    A segment should hold three periods at least: with the default length the period is at most 3.3 s. It is the
    simplest way to follow changes; `AdaptiveREPET` has no segments and needs fewer repetitions. A song shorter than
    ``length + step`` is one segment.

    References
    ----------
    .. [1] Z. Rafii and B. Pardo, "REpeating Pattern Extraction Technique (REPET): a simple method for music/voice
       separation", IEEE Trans. Audio, Speech, and Language Processing 21(1), 2013, section V.
    """

    name = "repet_segmented"
    citation = "Z. Rafii and B. Pardo, REpeating Pattern Extraction Technique (REPET), TASLP 2013, section V"
    presets = as_published()
    assumption = "Over each stretch of some seconds the accompaniment repeats with one period, the voice does not."


def repetitions(periods: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return frames that lie whole periods away from each frame, on both sides where there are as many.

    Parameters
    ----------
    periods : (frames,)
        At each frame, at least 1.
    count : int
        How many, odd; near the ends more are taken from the other side.

    Returns
    -------
    (count, frames) of indices
        A song with fewer periods has some frames twice.
    """
    frames = len(periods)
    own = np.arange(frames)
    before, after = own // periods, (frames - 1 - own) // periods
    first = np.maximum(-before, np.minimum(-(count // 2), after - (count - 1)))
    steps = np.minimum(first + np.arange(count)[:, None], after)
    return np.asarray(own + steps * periods)
