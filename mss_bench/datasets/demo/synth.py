"""Oscillators, strings and envelopes: the sounds that instruments are made of.

All functions return float64. Phases are integers in units of 2**-40 of a cycle, so that a long note accumulates no
rounding error and two machines whose sines differ in the last digit still agree on every phase.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mss_bench.datasets.demo.dice import Dice

__all__ = [
    "SAMPLE_RATE",
    "Signal",
    "decay",
    "frequency_of",
    "harmonic_table",
    "lookup",
    "morph",
    "one_pole",
    "phase_of",
    "pluck",
    "samples",
    "saw",
    "saw_harmonics",
    "sine",
    "swell",
]

SAMPLE_RATE = 44100
"""Hz, of everything that the demo renders."""

Signal = NDArray[np.float64]
"""Samples, or ``(channels, samples)``."""

_PHASE_BITS = 40
_TABLE_BITS = 13


def samples(seconds: float) -> int:
    """Return how many samples a time has."""
    return round(seconds * SAMPLE_RATE)


def frequency_of(pitch: float) -> float:
    """Return the frequency in Hz of a MIDI pitch, equal temperament, A4 = 440 Hz."""
    return 440.0 * float(2.0 ** ((pitch - 69.0) / 12.0))


def phase_of(frequency: float | Signal, n: int, start: float = 0.0) -> NDArray[np.int64]:
    """Return the phase of an oscillator.

    Parameters
    ----------
    frequency : float or (n,) array
        Hz, constant or per sample.
    n : int
        Samples.
    start : float
        Phase of the first sample, in cycles.

    Returns
    -------
    (n,) int64, in 2**-40 of a cycle, not wrapped.
    """
    unit = float(1 << _PHASE_BITS)
    first = round(start * unit)
    if isinstance(frequency, np.ndarray):
        # Integer phases add up without rounding errors, on every machine alike.
        steps = np.rint(frequency * (unit / SAMPLE_RATE)).astype(np.int64)
        steps[1:] = steps[:-1].copy()
        steps[:1] = first
        return np.cumsum(steps)
    return first + round(frequency * (unit / SAMPLE_RATE)) * np.arange(n, dtype=np.int64)


def lookup(table: Signal, phase: NDArray[np.int64]) -> Signal:
    """Read one cycle, as `harmonic_table` makes it, at phases; linear between its points."""
    fraction_bits = _PHASE_BITS - _TABLE_BITS
    index = (phase >> fraction_bits) & ((1 << _TABLE_BITS) - 1)
    fraction = (phase & ((1 << fraction_bits) - 1)) * (1.0 / (1 << fraction_bits))
    low = table[index]
    return np.asarray(low + fraction * (table[index + 1] - low))


def harmonic_table(sines: Signal, cosines: Signal | None = None) -> Signal:
    """Return one cycle from the amplitudes of its harmonics, fundamental first, with its first point repeated."""
    size = 1 << _TABLE_BITS
    spectrum = np.zeros(size // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(sines) + 1] = -0.5j * size * sines
    if cosines is not None:
        spectrum[1 : len(cosines) + 1] += 0.5 * size * cosines
    cycle = np.fft.irfft(spectrum, size)
    return np.append(cycle, cycle[0])


def morph(first: Signal, second: Signal, share: Signal, phase: NDArray[np.int64]) -> Signal:
    """Read at phases what lies between two cycles: the first where `share` is 0, the second where it is 1."""
    low = lookup(first, phase)
    return np.asarray(low + share * (lookup(second, phase) - low))


@lru_cache(maxsize=1)
def _sine_table() -> Signal:
    return harmonic_table(np.ones(1))


def sine(phase: NDArray[np.int64]) -> Signal:
    """Return the sine of a phase of `phase_of`."""
    return lookup(_sine_table(), phase)


def saw_harmonics(frequency: float) -> int:
    """Return how many harmonics of a tone lie below 18 kHz, rounded down to a few counts so that notes share tables."""
    # Half an octave apart; 18 kHz keeps a margin below half the sample rate for vibrato.
    counts = [4, 6, 8, 11, 16, 22, 32, 45, 64, 90, 128, 180, 256, 360, 512]
    fitting = [count for count in counts if count * frequency <= 18000.0]
    return fitting[-1] if fitting else 4


@lru_cache(maxsize=256)
def saw(harmonics: int, cutoff: float) -> Signal:
    """Return a sawtooth cycle whose harmonics above the `cutoff`-th fall by a further 12 dB per octave.

    Parameters
    ----------
    harmonics : int
        How many harmonics it has.
    cutoff : float
        Harmonic number of the corner.
    """
    number = np.arange(1, harmonics + 1, dtype=np.float64)
    return harmonic_table(number**-1.0 / (1.0 + (number / cutoff) ** 2))


def decay(n: int, t60: float) -> Signal:
    """Return an exponential envelope that has fallen by 60 dB after `t60` seconds."""
    return np.asarray(np.exp(np.arange(n) * (-6.907755278982137 / (t60 * SAMPLE_RATE))))


def swell(n: int, attack: float, release: float, held: int | None = None) -> Signal:
    """Return an envelope with raised-cosine flanks.

    Parameters
    ----------
    n : int
        Samples in all.
    attack, release : float
        Seconds.
    held : int, optional
        Sample where the release begins; by default it ends with the envelope.
    """
    fall = max(1, samples(release))
    held = max(0, n - fall) if held is None else held
    envelope = np.ones(n)
    rise = max(1, samples(attack))
    envelope[:rise] = (0.5 - 0.5 * np.cos(np.arange(rise) * (np.pi / rise)))[:n]
    tail = min(fall, n - held)
    envelope[held : held + tail] *= 0.5 + 0.5 * np.cos(np.arange(tail) * (np.pi / fall))
    envelope[held + tail :] = 0.0
    return envelope


def one_pole(signal: Signal, cutoff: float) -> Signal:
    """Filter by a low-pass of 6 dB per octave, along the last axis; `cutoff` in Hz."""
    from scipy.signal import lfilter

    pole = float(np.exp(-2.0 * np.pi * cutoff / SAMPLE_RATE))
    return np.asarray(lfilter([1.0 - pole], [1.0, -pole], signal, axis=-1), dtype=np.float64)


def pluck(
    frequency: float, n: int, dice: Dice, *, t60: float, damping: float, brightness: float, position: float
) -> Signal:
    """Render a plucked string after Karplus and Strong.

    A burst of noise circulates in a delay line of one period whose loop filter, here a three-tap low-pass convolved
    with a third-order Lagrange fractional delay for the tuning, damps high harmonics faster. One period is computed at
    a time.

    Parameters
    ----------
    frequency : float
        Hz.
    n : int
        Samples.
    t60 : float
        Seconds in which the fundamental falls by 60 dB.
    damping : float
        0 (harmonics ring as long as the fundamental) to 0.5.
    brightness : float
        Cutoff of the excitation in Hz.
    position : float
        Where the string is plucked, as a part of its length: harmonics with a node there are missing.

    References
    ----------
    .. [1] Karplus, Strong (1983): Digital synthesis of plucked-string and drum timbres, Computer Music Journal 7(2).
    .. [2] Jaffe, Smith (1983): Extensions of the Karplus-Strong plucked-string algorithm, Computer Music Journal 7(2).
    """
    period = SAMPLE_RATE / frequency
    whole = int(period - 2.0)  # the filter delays by 1 (low-pass) + 1 + fraction (Lagrange)
    fraction = period - 2.0 - whole
    d = 1.0 + fraction
    lagrange = np.array(
        [
            -(d - 1) * (d - 2) * (d - 3) / 6,
            d * (d - 2) * (d - 3) / 2,
            -d * (d - 1) * (d - 3) / 2,
            d * (d - 1) * (d - 2) / 6,
        ]
    )
    lowpass = np.array([damping, 1.0 - 2.0 * damping, damping])
    # The gain of a round: the fundamental makes `frequency` rounds a second.
    taps = 10.0 ** (-3.0 / (frequency * t60)) * np.convolve(lowpass, lagrange)

    burst = one_pole(dice.noise(round(period)), brightness)
    # Without its mean, which the loop would hardly damp, and without the harmonics of the plucking point.
    burst -= burst.sum() / len(burst)
    burst -= 0.9 * np.roll(burst, max(1, round(position * len(burst))))
    burst /= np.sqrt(np.sum(burst * burst) / len(burst)) + 1e-12

    lead = whole + len(taps)
    string = np.zeros(lead + n + whole)
    string[lead : lead + len(burst)] = burst
    # A period depends on the one before alone, so that it is computed as one convolution.
    for first in range(lead, lead + n, whole):
        last = first + whole
        past = string[first - whole - len(taps) + 1 : first]
        string[first:last] += np.convolve(past, taps, "valid")
    return string[lead : lead + n]
