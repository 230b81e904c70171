"""From whole-track audio to the signals of a trial: cut, resampled, faded, made equally loud.

Every signal of an item goes through the same steps. The excerpt is cut from audio that was separated whole, resampled
to 48 kHz with a margin on both sides, brought to two channels (a mono signal is played from both), and faded in and out
by the same raised cosine. Then it gets a gain: the reference comes to the wanted loudness; in the mode ``match`` every
rated signal comes to the reference's loudness, in ``preserve`` it takes the reference's gain; the mixture always takes
the reference's gain. Nothing is limited or clipped: where a true peak would exceed -1 dBTP, `headroom` gives the one
gain that the whole pack takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.dsp.loudness import integrated_loudness, true_peak
from mss_bench.errors import AudioError

__all__ = ["FADE", "PEAK_LIMIT", "SAMPLE_RATE", "Stimulus", "cut", "flat_tops", "headroom", "level"]

SAMPLE_RATE = 48000
"""Hz, of every pack."""
PEAK_LIMIT = -1.0
"""dBTP."""

FADE = 0.02
"""Seconds, at either end of every signal."""

_FULL = 0.999  # of full scale: 16-bit files end at 0.99997
_MARGIN = 0.05  # seconds beside the excerpt, so that the resampler's ends lie outside it


@dataclass(frozen=True)
class Stimulus:
    """A signal as it is written, and what was done to it.

    Parameters
    ----------
    samples : (2, samples) float32
    gain_db : float
        Of the loudness step.
    lufs, peak : float
        Integrated loudness and true peak (dBTP) after it.
    """

    samples: NDArray[np.float32]
    gain_db: float
    lufs: float
    peak: float


def cut(signal: NDArray[np.floating[Any]], sample_rate: int, start: float, seconds: float) -> NDArray[np.float32]:
    """An excerpt of a track at 48 kHz, in two channels, faded.

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
    wanted = round(seconds * SAMPLE_RATE)
    first = round(start * sample_rate)
    margin = min(first, round(_MARGIN * sample_rate))
    last = first + round(seconds * sample_rate)
    if last > signal.shape[-1]:
        raise AudioError(
            f"the excerpt ends at {last / sample_rate:.2f} s, the signal at {signal.shape[-1] / sample_rate:.2f} s"
        )
    # A margin that is a whole number of samples at both rates keeps all signals of a pack on one grid.
    step = sample_rate // np.gcd(sample_rate, SAMPLE_RATE)
    margin -= margin % int(step)
    part = audio.resample(signal[:, first - margin : last + round(_MARGIN * sample_rate)], sample_rate, SAMPLE_RATE)
    offset = margin * SAMPLE_RATE // sample_rate
    part = part[:, offset : offset + wanted]
    part = np.pad(part, ((0, 0), (0, wanted - part.shape[-1])))
    ramp = np.sin(np.pi / 2 * (np.arange(round(FADE * SAMPLE_RATE)) + 0.5) / round(FADE * SAMPLE_RATE)) ** 2
    part = np.repeat(part, 2, axis=0) if len(part) == 1 else part.copy()
    part[:, : len(ramp)] *= ramp
    part[:, -len(ramp) :] *= ramp[::-1]
    return np.asarray(part, dtype=np.float32)


def level(
    signals: Mapping[str, NDArray[np.floating[Any]]], reference: str, unmatched: Iterable[str], lufs: float, mode: str
) -> dict[str, Stimulus]:
    """Bring the signals of an item to their loudness.

    Parameters
    ----------
    signals : dict of str to (2, samples) array
        At 48 kHz.
    reference : str
        Name of the one that comes to `lufs`.
    unmatched : iterable of str
        Names that take the reference's gain in either mode.
    lufs : float
    mode : {"match", "preserve"}

    Raises
    ------
    AudioError
        A signal is silent (below -70 LUFS) and cannot be brought to a loudness; named.
    """
    unmatched = set(unmatched)
    measured = {name: integrated_loudness(signal, SAMPLE_RATE) for name, signal in signals.items()}
    common = lufs - measured[reference]
    found = {}
    for name, signal in signals.items():
        if not np.isfinite(measured[name]) and (name == reference or name not in unmatched):
            raise AudioError(f"{name} is silent in this excerpt: choose another one, or leave {name} out")
        matched = mode == "match" and name not in unmatched
        gain = lufs - measured[name] if matched else common
        out = np.asarray(signal * 10 ** (gain / 20), dtype=np.float32)
        found[name] = Stimulus(out, float(gain), float(measured[name] + gain), true_peak(out, SAMPLE_RATE))
    return found


def flat_tops(signal: NDArray[np.floating[Any]]) -> int:
    """Samples that stay at one value of full scale or more for three in a row: where a signal was clipped.

    Parameters
    ----------
    signal : (channels, samples) array
    """
    level = np.abs(signal)
    same = (level[:, 1:] >= _FULL) & (signal[:, 1:] == signal[:, :-1])
    return int((same[:, 1:] & same[:, :-1]).sum())


def headroom(peaks: Iterable[float]) -> float:
    """The gain in dB, 0 or less, that brings the greatest of some true peaks to -1 dBTP."""
    return float(min(0.0, PEAK_LIMIT - max(peaks, default=-np.inf)))
