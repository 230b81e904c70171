"""REPET for songs whose period changes: adaptive, and segment by segment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.dsp.median import median_of_frames
from mss_bench.dsp.segments import crossfaded
from mss_bench.separators.checks import require_number, require_whole
from mss_bench.separators.repet import REPET, RepeatingBackground, beat_spectrum, repeating_period

__all__ = ["AdaptiveREPET", "SegmentedREPET"]


class AdaptiveREPET(RepeatingBackground):
    """REPET whose period changes along the song.

    The tempo drifts and a verse is no chorus, but neighbouring repetitions are still alike. The period p(t) is found in
    a window that moves along the song (the beat spectrogram), and the median is over the frames that lie a few of these
    periods before and after:

        W(t, f) = min(V(t, f), median_{k = -order/2 .. order/2} V(t + k p(t), f)),  M = W / V,

    The accompaniment is the mixture under M; below `high_pass` all is accompaniment. At the song's ends the frames are
    taken from one side, so that there are always `order` of them if the song holds as many periods. The period is at
    most a third of the window, and between the windows' centres the nearer one's holds. Frames, filter and high-pass
    are those of `REPET`.

    Parameters
    ----------
    window, step : float
        Of the beat spectrogram in seconds; above 0.
    order : int
        Frames of the median; odd, at least 3.
    min_period, max_period : float
        Range of the period in seconds; above 0, ``min_period <= max_period``.
    mask : str
        The filter, see `mss_bench.dsp.filters`: binary, soft, wiener or multichannel.
    power : float
        Exponent of ``soft``, above 0; with 1 the mask is W / V.
    high_pass : float
        Hz; 0 for none.

    References
    ----------
    .. [1] A. Liutkus, Z. Rafii, R. Badeau, B. Pardo and G. Richard, "Adaptive filtering for music/voice separation
       exploiting the repeating musical structure", Proc. ICASSP, 2012.
    """

    name = "repet_adaptive"
    citation = "A. Liutkus et al., Adaptive filtering for music/voice separation exploiting repetition, ICASSP 2012"
    assumption = "Over some periods around each moment the accompaniment repeats, and the voice does not."

    def __init__(
        self,
        window: float = 10.0,
        step: float = 5.0,
        order: int = 5,
        min_period: float = 1.0,
        max_period: float = 10.0,
        mask: str = "soft",
        power: float = 1.0,
        high_pass: float = 100.0,
    ) -> None:
        super().__init__(mask, power, high_pass)
        require_number(self, "window", window, above=0, unit="s")
        require_number(self, "step", step, above=0, unit="s")
        require_whole(self, "order", order, low=3, odd=True)
        require_number(self, "min_period", min_period, above=0, unit="s")
        require_number(self, "max_period", max_period, low=min_period, unit="s")
        self.window, self.step, self.order = window, step, order
        self.min_period, self.max_period = min_period, max_period

    def model(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[Any]:
        index = repetitions(self.periods(magnitude, frame_rate), self.order)
        return np.stack([median_of_frames(v, index) for v in magnitude])

    def periods(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[np.intp]:
        """The period at each frame, in frames.

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
        found = [repeating_period(one, frame_rate, self.min_period, self.max_period) for one in spectra]
        nearest = np.rint((np.arange(frames) - length / 2) / step).astype(np.intp)
        return np.array(found, dtype=np.intp)[np.clip(nearest, 0, len(found) - 1)]


class SegmentedREPET(REPET):
    """REPET on overlapping segments.

    Over some seconds the period hardly changes, so `REPET` runs on segments of that length as if each were a song, and
    what it makes of them is cross-faded:

        accompaniment = sum_s w_s REPET(x in segment s),  sum_s w_s = 1.

    A segment should hold three periods at least: with the default length the period is at most 3.3 s. It is the
    simplest way to follow changes; `AdaptiveREPET` has no segments and needs fewer repetitions. A song shorter than
    ``length + step`` is one segment.

    Parameters
    ----------
    length, step : float
        Of the segments in seconds; above 0, the step from half of the length to the length.
    min_period, max_period : float
        Range of the period in seconds; above 0, ``min_period <= max_period``.
    mask : str
        The filter, see `mss_bench.dsp.filters`: binary, soft, wiener or multichannel.
    power : float
        Exponent of ``soft``, above 0; with 1 the mask is W / V.
    high_pass : float
        Hz; 0 for none.

    References
    ----------
    .. [1] Z. Rafii and B. Pardo, "REpeating Pattern Extraction Technique (REPET): a simple method for music/voice
       separation", IEEE Trans. Audio, Speech, and Language Processing 21(1), 2013, section V.
    """

    name = "repet_segmented"
    citation = "Z. Rafii and B. Pardo, REpeating Pattern Extraction Technique (REPET), TASLP 2013, section V"
    assumption = "Over each stretch of some seconds the accompaniment repeats with one period, the voice does not."

    def __init__(
        self,
        length: float = 10.0,
        step: float = 5.0,
        min_period: float = 1.0,
        max_period: float = 10.0,
        mask: str = "soft",
        power: float = 1.0,
        high_pass: float = 100.0,
    ) -> None:
        super().__init__(min_period, max_period, mask, power, high_pass)
        require_number(self, "length", length, above=0, unit="s")
        require_number(self, "step", step, low=length / 2, high=length, unit="s")
        self.length, self.step = length, step

    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
    ) -> Stems:
        length = max(2, round(self.length * sample_rate))
        step = min(length, max(-(-length // 2), round(self.step * sample_rate)))
        whole = super().separate

        def accompaniment_of(segment: Audio) -> Audio:
            return whole(segment, sample_rate, targets=targets, rng=rng)["accompaniment"]

        accompaniment = crossfaded(mixture, length, step, accompaniment_of)
        return {"vocals": mixture - accompaniment, "accompaniment": accompaniment}


def repetitions(periods: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Frames that lie whole periods away from each frame, on both sides where there are as many.

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
