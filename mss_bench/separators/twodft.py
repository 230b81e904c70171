"""2DFT: what repeats makes peaks in the two-dimensional Fourier transform of the spectrogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from mss_bench.core.parameters import param
from mss_bench.dsp.stft import STFT
from mss_bench.separators.base import as_published
from mss_bench.separators.repet import SegmentedBackground
from mss_bench.separators.templates import SpectrogramSeparator

__all__ = ["TwoDFT", "periodic_part"]


class TwoDFT(SegmentedBackground, SpectrogramSeparator):
    """Take what makes peaks in the two-dimensional Fourier transform for the accompaniment.

    In the 2DFT of a magnitude spectrogram V each point is a pattern of ripples along time and frequency. What repeats
    has its energy at the multiples of its repetition rate, peaks beside the rates around them; a voice is spread over
    all rates:

        F = 2DFT(V),  peaks = {|F(s, r)| = max_{|d| <= neighbourhood / 2} |F(s, r + d)|},
            of those around which |F| ranges over more than threshold std |F|,
        W = min(V, |2DFT^-1(F on the peaks, else 0)|),  M = W^power / (W^power + (V - W)^power),

    for the scale s (along frequency) and the rate r (along time). The accompaniment is the mixture under M; below
    `high_pass` all is accompaniment. W and V - W are models of two magnitudes, and `mask` may choose another filter for
    them: the paper's is binary, which gains more on a loop under glides and less on songs, and in which the rounding
    of the samples decides single bins. It compares ``|2DFT^-1(F on the peaks)|`` with ``|2DFT^-1(F elsewhere)|``, which
    is to compare W with V - W where W is zero, not a magnitude, where the peaks' part is negative (`rectify`).

    Two peaks are told apart where they are more than half a neighbourhood apart, so a song should hold some twelve
    repetitions, and the rate should be the same in all of them. Long songs are done in blocks of `length`, which
    begin every `step` and are cross-faded; the last one may be longer by less than a step.

    References
    ----------
    .. [1] P. Seetharaman, F. Pishdadian and B. Pardo, "Music/voice separation using the 2D Fourier transform", Proc.
       WASPAA, 2017.
    """

    name = "twodft"
    citation = "P. Seetharaman et al., Music/voice separation using the 2D Fourier transform, WASPAA 2017"
    presets = as_published(mask="binary", threshold=1.0, rectify=True)
    unlike_paper = "Long songs are done in blocks"
    assumption = "The accompaniment repeats at one rate, some twelve times at least; the voice varies all the time."

    neighbourhood: int = param(
        25,
        at_least=1,
        odd=True,
        doc="Number of rates among which a peak is the greatest; one rate is 1 / duration in Hz.",
    )
    threshold: float = param(
        0.0,
        at_least=0,
        doc="Least difference of the greatest and the least value around a peak, in standard deviations of |F|; 0 for "
        "none.",
    )
    rectify: bool = param(False, doc="Whether W is zero, not a magnitude, where the part of the peaks is negative.")
    length = 30.0
    step = 25.0
    mask = "soft"
    power = 2.0
    high_pass = 100.0
    n_fft = 2048
    hop = 512

    def frames(self, sample_rate: int) -> STFT:
        return self.stft

    def model(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[Any]:
        periodic = np.stack([periodic_part(v, self.neighbourhood, self.threshold) for v in magnitude])
        model: NDArray[Any] = np.maximum(periodic, 0) if self.rectify else np.abs(periodic)
        return model


def periodic_part(magnitude: NDArray[Any], neighbourhood: int, threshold: float = 0.0) -> NDArray[Any]:
    """Return what the peaks of the two-dimensional Fourier transform make up.

    Parameters
    ----------
    magnitude : (frames, bins)
    neighbourhood : int
        Rates among which a peak is the greatest; odd.
    threshold : float
        Least difference of the greatest and the least value among them, in standard deviations of the transform's
        magnitude.

    Returns
    -------
    (frames, bins) array of the type of `magnitude`
        It may be negative.
    """
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    # In double precision: beside the constant part most of the transform is so weak that rounding would choose peaks.
    transform = fft.fft(fft.rfft(magnitude.astype(np.float64), axis=-1), axis=-2, overwrite_x=True)
    strength = np.abs(transform)
    greatest = maximum_filter1d(strength, neighbourhood, axis=-2, mode="wrap")
    rest = strength < greatest
    if threshold:
        greatest -= minimum_filter1d(strength, neighbourhood, axis=-2, mode="wrap")
        rest |= greatest <= threshold * _spread(strength, magnitude.shape[-1])
    transform[rest] = 0.0
    periodic = fft.irfft(fft.ifft(transform, axis=-2, overwrite_x=True), n=magnitude.shape[-1], axis=-1)
    return np.asarray(periodic, dtype=magnitude.dtype)


def _spread(strength: NDArray[np.float64], bins: int) -> float:
    """Return the standard deviation over the whole transform of `bins` scales, of which a half is held."""
    times = np.full(strength.shape[-1], 2.0)
    times[0] = 1.0
    if bins % 2 == 0:
        times[-1] = 1.0
    mean = np.average(strength.mean(axis=0), weights=times)
    return float(np.sqrt(np.average(np.square(strength - mean).mean(axis=0), weights=times)))
