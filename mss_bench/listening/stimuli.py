"""The signals of a trial: cut from whole tracks, resampled, faded, made equally loud; and the anchors among them.

Every signal of an item goes through the same steps. The excerpt is cut from audio that was separated whole, resampled
to 48 kHz with a margin on both sides, brought to two channels (a mono signal is played from both), and faded in and out
by the same raised cosine. Then it gets a gain: the reference comes to the wanted loudness; in the mode ``match`` every
rated signal comes to the reference's loudness, the anchor ``mixture`` too, in ``preserve`` it takes the reference's
gain; the mixture that may be listened to beside, unrated, takes the reference's gain in either. Nothing is limited or
clipped: where a true peak would exceed -1 dBTP, `headroom` gives the one gain that the whole pack takes.

Anchors are signals of a known, low quality, which hold the ends of the scale together:

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

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.dsp.loudness import integrated_loudness, true_peak
from mss_bench.dsp.stft import STFT
from mss_bench.errors import AudioError, UnknownNameError

__all__ = [
    "ANCHORS", "ANCHOR_FACTS", "FADE", "MARGIN", "PEAK_LIMIT", "SAMPLE_RATE", "Stimulus", "cut", "flat_tops",
    "headroom", "level", "low_pass", "make_anchor",
]  # fmt: skip

Signal = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

SAMPLE_RATE = 48000
"""Hz, of every pack."""
PEAK_LIMIT = -1.0
"""dBTP."""
FADE = 0.02
"""Seconds, at either end of every signal."""

_FULL = 0.999  # of full scale: 16-bit files end at 0.99997
MARGIN = 0.05
"""Seconds beside an excerpt that are resampled with it, so that the resampler's ends lie outside it."""

_TRANSITION = 500.0  # Hz; BS.1534-3 asks for 25 dB at 4 kHz and 50 dB at 4.5 kHz of the 3.5 kHz anchor
_ATTENUATION_DB = 65.0
_WINDOW = 0.046  # seconds; PEASS' 1024 samples at 22.05 kHz
_HOLES = 0.2  # share of bins or frames that are missing
_SPARSE = 0.99  # likewise, for musical noise

ANCHOR_FACTS: dict[str, Any] = {
    "low_pass": {"filter": "linear-phase Kaiser", "transition_hz": _TRANSITION, "attenuation_db": _ATTENUATION_DB},
    "stft": {"window": "sine", "seconds": _WINDOW, "overlap": 0.5},
    "missing_bins": {"distorted_target": _HOLES, "artifacts": _SPARSE, "quality": _SPARSE},
    "missing_frames": {"quality": _HOLES},
}
"""What the anchors are made with, for a pack's manifest."""


@dataclass(frozen=True)
class Stimulus:
    """A signal as it is written, and what was done to it.

    Parameters
    ----------
    samples : (2, samples) float32
    gain_db : float
        Of the loudness step.
    lufs : float
        Integrated loudness after it.
    peak : float
        True peak (dBTP) after it where it exceeds `PEAK_LIMIT`, else that limit.
    """

    samples: NDArray[np.float32]
    gain_db: float
    lufs: float
    peak: float


def cut(signal: Signal, sample_rate: int, start: float, seconds: float) -> NDArray[np.float32]:
    """Cut an excerpt of a track: at 48 kHz, in two channels, faded.

    Parameters
    ----------
    signal : (channels, samples) array
        One or two channels.
    sample_rate : int
        Hz.
    start, seconds : float

    Returns
    -------
    (2, round(seconds * 48000)) float32

    Raises
    ------
    AudioError
        More than two channels, or the signal ends before the excerpt does.
    """
    if len(signal) > 2:
        raise AudioError(f"a signal of {len(signal)} channels was given; listening tests take one or two")
    first, last = round(start * sample_rate), round(start * sample_rate) + round(seconds * sample_rate)
    if last > signal.shape[-1]:
        raise AudioError(
            f"the excerpt ends at {last / sample_rate:.2f} s, the signal at {signal.shape[-1] / sample_rate:.2f} s"
        )
    # A margin that is a whole number of samples at both rates keeps all signals of a pack on one grid.
    margin = min(first, round(MARGIN * sample_rate))
    margin -= margin % int(sample_rate // np.gcd(sample_rate, SAMPLE_RATE))
    part = audio.resample(signal[:, first - margin : last + round(MARGIN * sample_rate)], sample_rate, SAMPLE_RATE)
    offset, wanted = margin * SAMPLE_RATE // sample_rate, round(seconds * SAMPLE_RATE)
    part = part[:, offset : offset + wanted]
    part = np.pad(part, ((0, 0), (0, wanted - part.shape[-1])))
    part = np.repeat(part, 2, axis=0) if len(part) == 1 else part.copy()
    length = round(FADE * SAMPLE_RATE)
    ramp = np.sin(np.pi / 2 * (np.arange(length) + 0.5) / length) ** 2
    part[:, :length] *= ramp
    part[:, -length:] *= ramp[::-1]
    return np.asarray(part, dtype=np.float32)


def level(
    signals: Mapping[str, Signal], lufs: float, mode: str, *, with_reference: Collection[str] = ()
) -> dict[str, Stimulus]:
    """Bring the signals of an item to their loudness.

    Parameters
    ----------
    signals : dict of str to (2, samples) array
        At 48 kHz, ``reference`` among them.
    lufs : float
        Of the reference.
    mode : {"match", "preserve"}
    with_reference : collection of str
        Signals that take the reference's gain in either mode.

    Raises
    ------
    AudioError
        A signal is silent (below -70 LUFS) and cannot be brought to a loudness; named.
    """
    measured = {name: integrated_loudness(signal, SAMPLE_RATE) for name, signal in signals.items()}
    stimuli = {}
    for name, signal in signals.items():
        if not np.isfinite(measured[name]) and name not in with_reference:
            raise AudioError(f"{name} is silent in this excerpt: choose another one, or leave {name} out")
        matched = mode == "match" and name not in with_reference
        gain = lufs - measured[name if matched else "reference"]
        samples = np.asarray(signal * 10 ** (gain / 20), dtype=np.float32)
        loudness, peak = float(measured[name] + gain), true_peak(samples, SAMPLE_RATE, floor=PEAK_LIMIT)
        stimuli[name] = Stimulus(samples, float(gain), loudness, peak)
    return stimuli


def flat_tops(signal: Signal) -> int:
    """Count the samples that stay at one value of full scale or more for three in a row: where a signal was clipped."""
    same = (np.abs(signal)[:, 1:] >= _FULL) & (signal[:, 1:] == signal[:, :-1])
    return int((same[:, 1:] & same[:, :-1]).sum())


def headroom(peaks: Iterable[float]) -> float:
    """Return the gain in dB, 0 or less, that brings the greatest of some true peaks to -1 dBTP."""
    return float(min(0.0, PEAK_LIMIT - max(peaks, default=-np.inf)))


def make_anchor(name: str, reference: Signal, mixture: Signal, sample_rate: int, rng: np.random.Generator) -> Doubles:
    """Make one anchor of an excerpt.

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


def low_pass(signal: Signal, sample_rate: int, cutoff: float) -> Doubles:
    """Filter within the mask of BS.1534-3: a linear-phase Kaiser filter, its delay removed.

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


def _distorted_target(target: Signal, mixture: Signal, rate: int, rng: np.random.Generator) -> Doubles:
    return _with_gaps(low_pass(target, rate, 3500.0), rate, _HOLES, rng)


def _interference(target: Signal, mixture: Signal, rate: int, rng: np.random.Generator) -> Doubles:
    return np.asarray(target + _as_loud_as(mixture - target, target, rate))


def _artifacts(target: Signal, mixture: Signal, rate: int, rng: np.random.Generator) -> Doubles:
    return np.asarray(target + _as_loud_as(_with_gaps(target, rate, _SPARSE, rng), target, rate))


def _quality(target: Signal, mixture: Signal, rate: int, rng: np.random.Generator) -> Doubles:
    gaps = _with_gaps(low_pass(target, rate, 3500.0), rate, _HOLES, rng, whole_frames=True)
    musical = low_pass(_with_gaps(target, rate, _SPARSE, rng), rate, 3500.0)
    return np.asarray(_as_loud_as(gaps, target, rate) + _as_loud_as(musical, target, rate))


ANCHORS: dict[str, Callable[[Signal, Signal, int, np.random.Generator], Doubles]] = {
    "lowpass_3500": lambda target, mixture, rate, rng: low_pass(target, rate, 3500.0),
    "lowpass_7000": lambda target, mixture, rate, rng: low_pass(target, rate, 7000.0),
    "distorted_target": _distorted_target,
    "interference": _interference,
    "artifacts": _artifacts,
    "quality": _quality,
    "mixture": lambda target, mixture, rate, rng: np.array(mixture, dtype=np.float64),
}
"""Anchors by name."""


def _with_gaps(
    signal: Signal, sample_rate: int, share: float, rng: np.random.Generator, *, whole_frames: bool = False
) -> Doubles:
    """Leave out a random share of a signal's time-frequency bins or frames, the same ones in all channels."""
    hop = round(_WINDOW * sample_rate / 2)
    stft = STFT(2 * hop, hop)
    spectrogram = stft.forward(signal)
    frames, bins = spectrogram.shape[1:]
    spectrogram *= rng.random((frames, 1 if whole_frames else bins)) >= share
    return stft.inverse(spectrogram, signal.shape[-1])


def _as_loud_as(signal: Signal, target: Signal, sample_rate: int) -> Doubles:
    """Bring a signal to the target's loudness; leave it as it is where one of them is silent."""
    gain = integrated_loudness(target, sample_rate) - integrated_loudness(signal, sample_rate)
    return np.asarray(signal * 10 ** (gain / 20) if np.isfinite(gain) else signal, dtype=np.float64)
