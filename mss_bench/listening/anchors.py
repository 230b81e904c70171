"""Anchors: signals of a known, low quality, which hold the ends of the scale together.

=================  ====================================================================================================
``lowpass_3500``   the reference through a low-pass at 3.5 kHz: the low anchor of BS.1534-3 [1]_
``lowpass_7000``   at 7 kHz: its mid anchor
``distorted_target``  PEASS [2]_: the reference below 3.5 kHz, and of that a random 20 % of the bins missing
``interference``   PEASS: the reference plus the other sources at its loudness
``artifacts``      PEASS: the reference plus, at its loudness, the reference with a random 99 % of its bins missing
``quality``        Ward et al. [3]_: the reference below 3.5 kHz with 20 % of its frames missing, plus the same with
                   99 % of its bins missing, both at one loudness
``mixture``        the mixture: the anchor for interference of [3]_, and that of a remix test
=================  ====================================================================================================

References
----------
.. [1] ITU-R BS.1534-3, "Method for the subjective assessment of intermediate quality level of audio systems", 2015.
.. [2] V. Emiya, E. Vincent, N. Harlander and V. Hohmann, "Subjective and objective quality assessment of audio source
   separation", IEEE Trans. Audio, Speech, and Language Processing 19(7), 2011.
.. [3] D. Ward, H. Wierstorf, R. Mason, E. Grais and M. Plumbley, "BSS Eval or PEASS? Predicting the perception of
   singing-voice separation", Proc. ICASSP, 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.loudness import integrated_loudness
from mss_bench.dsp.stft import STFT
from mss_bench.errors import UnknownNameError

__all__ = ["ANCHORS", "PARAMETERS", "low_pass", "make_anchor"]

Signal = NDArray[np.floating[Any]]

_TRANSITION = 500.0
_ATTENUATION_DB = 65.0
_WINDOW = 0.046

_HOLES = 0.2  # share of bins or frames that are missing
_SPARSE = 0.99  # likewise, for musical noise

PARAMETERS: dict[str, Any] = {
    "low_pass": {"filter": "linear-phase Kaiser", "transition_hz": _TRANSITION, "attenuation_db": _ATTENUATION_DB},
    "stft": {"window": "sine", "seconds": _WINDOW, "overlap": 0.5},
    "missing_bins": {"distorted_target": _HOLES, "artifacts": _SPARSE, "quality": _SPARSE},
    "missing_frames": {"quality": _HOLES},
}
"""What the anchors are made with, for a pack's manifest."""


def make_anchor(
    name: str, reference: Signal, mixture: Signal, sample_rate: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """One anchor of an excerpt.

    Parameters
    ----------
    name : str
        One of `ANCHORS`.
    reference : (channels, samples) array
        The target.
    mixture : (channels, samples) array
        The target and all other sources; what is not the target is the interference.
    sample_rate : int
        Hz.
    rng : numpy.random.Generator
        Which bins and frames are missing.

    Returns
    -------
    (channels, samples) float64
        Of the reference's level, as described above; not normalised.

    Raises
    ------
    UnknownNameError
        No such anchor.
    AudioError
        Too short for a measurement of loudness.
    """
    if name not in ANCHORS:
        raise UnknownNameError("anchor", name, ANCHORS)
    target, whole = np.asarray(reference, dtype=np.float64), np.asarray(mixture, dtype=np.float64)
    return ANCHORS[name](target, whole, sample_rate, rng)


def low_pass(signal: Signal, sample_rate: int, cutoff: float) -> NDArray[np.float64]:
    """A low-pass within the mask of BS.1534-3: a linear-phase Kaiser filter, its delay removed.

    Parameters
    ----------
    signal : (channels, samples) array
    sample_rate : int
        Hz, more than twice the cutoff.
    cutoff : float
        Hz; the pass band ends here, and 500 Hz above it the signal is 60 dB down.
    """
    from scipy.signal import fftconvolve, firwin, kaiserord

    taps, beta = kaiserord(_ATTENUATION_DB, _TRANSITION / (sample_rate / 2))
    taps |= 1  # odd: a whole number of samples of delay
    kernel = firwin(taps, cutoff + _TRANSITION / 2, window=("kaiser", beta), fs=sample_rate)
    return np.asarray(fftconvolve(np.asarray(signal, dtype=np.float64), kernel[None], mode="same", axes=-1))


def _low(cutoff: float) -> Callable[..., NDArray[np.float64]]:
    def anchor(target: Signal, mixture: Signal, sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return low_pass(target, sample_rate, cutoff)

    return anchor


def _distorted_target(
    target: Signal, mixture: Signal, sample_rate: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    return _without_bins(low_pass(target, sample_rate, 3500.0), sample_rate, _HOLES, rng)


def _interference(target: Signal, mixture: Signal, sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(target + _as_loud_as(mixture - target, target, sample_rate))


def _artifacts(target: Signal, mixture: Signal, sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    musical = _without_bins(target, sample_rate, _SPARSE, rng)
    return np.asarray(target + _as_loud_as(musical, target, sample_rate))


def _quality(target: Signal, mixture: Signal, sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    low = low_pass(target, sample_rate, 3500.0)
    gaps = _without_frames(low, sample_rate, _HOLES, rng)
    musical = low_pass(_without_bins(target, sample_rate, _SPARSE, rng), sample_rate, 3500.0)
    return np.asarray(_as_loud_as(gaps, target, sample_rate) + _as_loud_as(musical, target, sample_rate))


def _mixture(target: Signal, mixture: Signal, sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.array(mixture, dtype=np.float64)


ANCHORS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "lowpass_3500": _low(3500.0),
    "lowpass_7000": _low(7000.0),
    "distorted_target": _distorted_target,
    "interference": _interference,
    "artifacts": _artifacts,
    "quality": _quality,
    "mixture": _mixture,
}
"""Anchors by name."""


def _without_bins(signal: Signal, sample_rate: int, share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """The signal with a random share of its time-frequency bins missing, the same ones in all channels."""
    stft = _stft(sample_rate)
    spectrogram = stft.forward(signal)
    spectrogram *= rng.random(spectrogram.shape[1:]) >= share
    return stft.inverse(spectrogram, signal.shape[-1])


def _without_frames(signal: Signal, sample_rate: int, share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    stft = _stft(sample_rate)
    spectrogram = stft.forward(signal)
    spectrogram *= rng.random((spectrogram.shape[1], 1)) >= share
    return stft.inverse(spectrogram, signal.shape[-1])


def _stft(sample_rate: int) -> STFT:
    """Sine window of 46 ms, half overlap."""
    hop = round(_WINDOW * sample_rate / 2)
    return STFT(2 * hop, hop)


def _as_loud_as(signal: Signal, target: Signal, sample_rate: int) -> NDArray[np.float64]:
    """The signal at the target's loudness; as it is where one of them is silent."""
    gain = integrated_loudness(target, sample_rate) - integrated_loudness(signal, sample_rate)
    return np.asarray(signal * 10 ** (gain / 20) if np.isfinite(gain) else signal, dtype=np.float64)
