"""A singing voice after the source-filter model.

The source is a glottal pulse train (the derivative of a flow with an abrupt closure) with vibrato, drift and breath;
the vocal tract is a cascade of formant resonators that moves from vowel to vowel every 3.3 ms, followed by fixed higher
formants; fricatives and plosives are shaped noise beside it.

References
----------
.. [1] Klatt (1980): Software for a cascade/parallel formant synthesizer, JASA 67(3).
.. [2] Rosenberg (1971): Effect of glottal pulse shape on the quality of natural vowels, JASA 49(2B).
.. [3] Sundberg (1987): The Science of the Singing Voice, Northern Illinois University Press.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mss_bench.datasets.demo.dice import Dice
from mss_bench.datasets.demo.effects import saturate
from mss_bench.datasets.demo.instruments import Note
from mss_bench.datasets.demo.synth import SAMPLE_RATE, Signal, decay, morph, one_pole, phase_of, samples, sine
from mss_bench.datasets.demo.vocal_tract import STEP, compress, glottal_tables, smooth, vocal_tract

__all__ = ["CONSONANTS", "F0_HOP", "SINGERS", "VOWELS", "Singer", "Syllable", "sing", "sounding_end"]

F0_HOP = 441
"""Samples between the values of the f0 track: 10 ms."""


@dataclass(frozen=True)
class Singer:
    """What tells one voice from another.

    Parameters
    ----------
    low, high : int
        Range in MIDI pitches.
    tract : float
        Scale of the formants: 1 for a long (male) vocal tract.
    breath : float
        Amplitude of the aspiration.
    vibrato_cents, vibrato_hz : float
        Depth and rate of a fully grown vibrato.
    glide : float
        Seconds of a change of pitch within a phrase.
    tension : float
        Open phase of the glottis as a part of its period; shorter is brighter.
    """

    low: int
    high: int
    tract: float
    breath: float
    vibrato_cents: float
    vibrato_hz: float
    glide: float
    tension: float


SINGERS: dict[str, Singer] = {
    "soprano": Singer(62, 79, 1.20, 0.048, 45.0, 5.9, 0.060, 0.62),
    "alto": Singer(55, 72, 1.14, 0.072, 30.0, 5.5, 0.050, 0.64),
    "tenor": Singer(50, 67, 1.02, 0.040, 38.0, 5.6, 0.055, 0.55),
    "baritone": Singer(43, 60, 0.96, 0.048, 32.0, 5.2, 0.060, 0.58),
}


@dataclass(frozen=True)
class Syllable:
    """A sung note.

    Parameters
    ----------
    note : Note
        Its onset is the vowel's; the consonant comes before.
    consonant : str
        A key of the consonants, or empty.
    vowel : str
        A key of the vowels.
    legato : bool
        Whether it belongs to the phrase of the one before; otherwise the singer breathes in first.
    """

    note: Note
    consonant: str
    vowel: str
    legato: bool


# Formants of a tenor in Hz: what a tract of scale 1 has.
_VOWELS: dict[str, tuple[float, float, float]] = {
    "a": (730.0, 1130.0, 2480.0),
    "e": (500.0, 1850.0, 2500.0),
    "i": (300.0, 2250.0, 2950.0),
    "o": (490.0, 850.0, 2450.0),
    "u": (330.0, 880.0, 2280.0),
    "ae": (660.0, 1700.0, 2420.0),
    "uh": (600.0, 1180.0, 2420.0),
}
_SONORANTS: dict[str, tuple[float, float, float]] = {
    "m": (260.0, 1050.0, 2300.0),
    "n": (270.0, 1500.0, 2600.0),
    "l": (350.0, 1100.0, 2800.0),
    "r": (380.0, 1200.0, 1650.0),
    "w": (310.0, 680.0, 2300.0),
    "y": (280.0, 2200.0, 3000.0),
}


@dataclass(frozen=True)
class _Noise:
    """A noise consonant: band in Hz, level, seconds of friction, seconds of closure before it."""

    low: float
    high: float
    level: float
    friction: float
    closure: float = 0.0


_NOISES: dict[str, _Noise] = {
    "s": _Noise(5200.0, 12500.0, 0.42, 0.105),
    "sh": _Noise(2400.0, 7500.0, 0.40, 0.105),
    "f": _Noise(1500.0, 14000.0, 0.11, 0.085),
    "t": _Noise(3200.0, 11000.0, 0.50, 0.030, 0.045),
    "k": _Noise(1400.0, 4500.0, 0.50, 0.035, 0.050),
    "p": _Noise(350.0, 2500.0, 0.40, 0.020, 0.055),
    "h": _Noise(900.0, 5000.0, 0.10, 0.070),
    "breath": _Noise(1100.0, 6500.0, 0.075, 0.32),
}
CONSONANTS = ("m", "n", "l", "r", "w", "y", "s", "sh", "f", "t", "k", "p", "h")
VOWELS = tuple(_VOWELS)


def sing(syllables: Sequence[Syllable], n: int, singer: Singer, dice: Dice) -> tuple[Signal, Signal]:
    """Sing a melody.

    Parameters
    ----------
    syllables : sequence of Syllable
        In order, not overlapping.
    n : int
        Samples.
    singer : Singer

    Returns
    -------
    voice : (n,)
    f0 : (ceil(n / 441),)
        Fundamental frequency in Hz every 10 ms; 0 where nothing is voiced.
    """
    steps = -(-n // STEP) + 1
    pitch = _pitch_track(syllables, steps, singer, dice)
    level, breath, consonants = _articulation(syllables, n, steps, singer, dice)
    formants = _formant_track(syllables, steps, singer)

    times, control = np.arange(n), np.arange(steps) * STEP
    frequency = 440.0 * 2.0 ** ((np.interp(times, control, pitch) - 69.0) / 12.0)
    amplitude = np.interp(times, control, level)
    phase = phase_of(frequency, n)
    soft, hard = glottal_tables(singer.tension, int(17000.0 / frequency.max()))
    pulses = morph(soft, hard, np.clip(amplitude * 1.2 - 0.2, 0.0, 1.0), phase)
    open_glottis = 0.6 + 0.4 * sine(phase)
    aspiration = dice.noise(n) * open_glottis * np.interp(times, control, breath)
    tract = vocal_tract(amplitude * pulses + aspiration, (level > 0) | (breath > 0), formants, singer.tract)
    voice = saturate(compress(tract) + consonants, 0.6)

    frames = np.arange(0, n, F0_HOP)
    f0 = np.where(amplitude[frames] > 0.02, frequency[frames], 0.0)
    return voice, f0


def sounding_end(syllable: Syllable, following: Syllable | None) -> int:
    """Return the sample where a vowel ends: at its note's offset, or earlier where the next consonant begins."""
    end = syllable.note.offset
    return end if following is None else min(end, following.note.onset - _lead(following))


def _lead(syllable: Syllable) -> int:
    """Return the samples that a consonant takes before its vowel."""
    if (noise := _NOISES.get(syllable.consonant)) is not None:
        return samples(noise.friction + noise.closure)
    return samples(0.065) if syllable.consonant else 0


def _pitch_track(syllables: Sequence[Syllable], steps: int, singer: Singer, dice: Dice) -> Signal:
    """Return the MIDI pitch at each control step: notes joined by glides, scoops into phrases, vibrato and drift."""
    if not syllables:
        return np.full(steps, 60.0)
    pitch = np.full(steps, float(syllables[0].note.pitch))
    rate = SAMPLE_RATE / STEP
    time = np.arange(steps) / rate
    vibrato = np.zeros(steps)
    for index, syllable in enumerate(syllables):
        note = syllable.note
        first, last = note.onset // STEP, min(steps, note.offset // STEP + 1)
        glide = max(2, round(singer.glide * rate))
        start = max(0, first - glide // 2)
        count = min(glide, steps - start)
        before = pitch[max(0, start - 1)] if syllable.legato and index else note.pitch - dice.uniform(0.4, 1.8)
        curve = 0.5 - 0.5 * np.cos(np.arange(count) * (np.pi / glide))
        pitch[start : start + count] = before + (note.pitch - before) * curve
        pitch[start + count :] = note.pitch
        grown = np.clip((time[first:last] - time[first] - 0.18) / 0.35, 0.0, 1.0)
        hertz = singer.vibrato_hz * dice.uniform(0.93, 1.07)
        swing = np.sin(2 * np.pi * (hertz * (time[first:last] - time[first]) + dice.uniform()))
        vibrato[first:last] = grown * swing * (singer.vibrato_cents / 100.0) * dice.uniform(0.7, 1.2)
    drift = one_pole(dice.noise(steps), SAMPLE_RATE * 2.5 / rate)  # a cutoff of 2.5 Hz at the control rate
    jitter = one_pole(dice.noise(steps), SAMPLE_RATE * 30.0 / rate)
    return pitch + vibrato + 0.45 * drift + 0.04 * jitter


def _articulation(
    syllables: Sequence[Syllable], n: int, steps: int, singer: Singer, dice: Dice
) -> tuple[Signal, Signal, Signal]:
    """Return the amplitudes of voice and breath at each control step, and the noise consonants as a signal."""
    level, breath = np.zeros(steps), np.zeros(steps)
    noises: dict[str, Signal] = {}
    rate = SAMPLE_RATE / STEP
    for index, syllable in enumerate(syllables):
        note = syllable.note
        following = syllables[index + 1] if index + 1 < len(syllables) else None
        end = sounding_end(syllable, following)
        sonorant = syllable.consonant in _SONORANTS
        first = (note.onset - (_lead(syllable) if sonorant else 0)) // STEP
        last = min(steps, max(first + 8, end // STEP))
        if sonorant:
            level[max(0, first) : note.onset // STEP] = 0.35 * note.velocity
        joined = following is not None and following.legato and not following.consonant
        shape = _loudness_curve(last - note.onset // STEP, rate, joined)
        level[note.onset // STEP : last] = note.velocity * shape
        if not syllable.legato:
            inhaled = note.onset - _lead(syllable) - samples(0.08)
            _add_noise(noises, "breath", inhaled - samples(_NOISES["breath"].friction), n, dice)
        if syllable.consonant in _NOISES:
            kind = _NOISES[syllable.consonant]
            _add_noise(noises, syllable.consonant, note.onset - samples(kind.friction), n, dice)
    level = smooth(level, 5)
    breath = singer.breath * smooth((level > 0.01) * (0.4 + 0.6 * level), 7)
    consonants = np.zeros(n)
    for name, noise in noises.items():
        consonants += _band(noise, _NOISES[name])
    return level, breath, consonants


def _loudness_curve(count: int, rate: float, joined: bool) -> Signal:
    """Return a note's loudness: a swell that relaxes, and a fall at its end unless the next note follows."""
    position = np.arange(count) / max(1, count)
    curve = 0.82 + 0.18 * np.sin(np.pi * np.minimum(1.0, position * 1.3)) - 0.18 * position
    fall = min(count, round((0.02 if joined else 0.11) * rate))
    if not joined and fall:
        curve[count - fall :] *= 0.5 + 0.5 * np.cos(np.arange(fall) * (np.pi / fall))
    return curve


def _add_noise(noises: dict[str, Signal], name: str, first: int, n: int, dice: Dice) -> None:
    """Place a noise consonant's envelope times white noise; a plosive bursts, a fricative swells."""
    kind = _NOISES[name]
    count = samples(kind.friction)
    position = np.arange(count) / count
    envelope = decay(count, 0.9 * kind.friction) if kind.closure else np.sin(np.pi * position) ** 0.7
    burst = kind.level * envelope * dice.noise(count) * dice.uniform(0.8, 1.2)
    start, stop = max(0, first), min(n, first + count)
    lane = noises.setdefault(name, np.zeros(n))
    if start < stop:
        lane[start:stop] += burst[start - first : stop - first]


def _band(signal: Signal, kind: _Noise) -> Signal:
    from scipy.signal import butter, sosfilt

    return np.asarray(sosfilt(butter(2, [kind.low, kind.high], "bandpass", fs=SAMPLE_RATE, output="sos"), signal))


def _formant_track(syllables: Sequence[Syllable], steps: int, singer: Singer) -> Signal:
    """Return the frequencies of the five moving formants, (5, steps): targets per syllable, smoothed."""
    upper = (3350.0, 4150.0)  # near the third: the singer's formant
    neutral = (*_VOWELS["uh"], *upper)
    track = np.repeat(np.array(neutral)[:, np.newaxis], steps, axis=1)
    for syllable in syllables:
        onset = syllable.note.onset // STEP
        start = max(0, (syllable.note.onset - _lead(syllable)) // STEP)
        track[:3, start:] = np.array(_SONORANTS.get(syllable.consonant, _VOWELS[syllable.vowel]))[:, np.newaxis]
        track[:3, onset:] = np.array(_VOWELS[syllable.vowel])[:, np.newaxis]
        # A high voice opens its mouth so that the first formant stays above the fundamental.
        floor = 1.02 * 440.0 * 2.0 ** ((syllable.note.pitch - 69) / 12.0) / singer.tract
        track[0, onset:] = max(_VOWELS[syllable.vowel][0], floor)
    return singer.tract * np.stack([smooth(np.pad(row, 9, mode="edge"), 17)[9:-9] for row in track])
