"""Pitched instruments: each plays a list of notes into a stereo or mono signal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mss_bench.datasets.demo import synth
from mss_bench.datasets.demo.dice import Dice
from mss_bench.datasets.demo.effects import equalise, pan, saturate
from mss_bench.datasets.demo.synth import (
    SAMPLE_RATE,
    Signal,
    decay,
    frequency_of,
    lookup,
    morph,
    phase_of,
    samples,
    sine,
    swell,
)

__all__ = ["INSTRUMENTS", "Note", "play"]


@dataclass(frozen=True)
class Note:
    """A note as it is played.

    Parameters
    ----------
    onset, offset : int
        Samples.
    pitch : int
        MIDI.
    velocity : float
        Amplitude, about 0.2 to 1.
    """

    onset: int
    offset: int
    pitch: int
    velocity: float


Voice = Callable[[float, int, Dice], Signal]
"""Renders one note: frequency in Hz, samples until its release, randomness -> (samples,) or (2, samples)."""


@dataclass(frozen=True)
class Instrument:
    """How an instrument sounds.

    Parameters
    ----------
    voice : callable
        One note.
    finish : callable, optional
        What the whole signal, (channels, samples), passes through: a body, an amplifier.
    stereo : bool
        Whether its notes have two channels.
    takes : int
        Different renderings of one note that a humanised part alternates between.
    """

    voice: Voice
    finish: Callable[[Signal], Signal] | None = None
    stereo: bool = False
    takes: int = 1


def play(name: str, notes: Sequence[Note], n: int, dice: Dice, *, human: bool, position: float) -> Signal:
    """Play notes.

    Parameters
    ----------
    name : str
        A key of `INSTRUMENTS`.
    notes : sequence of Note
    n : int
        Samples of the result; what rings beyond is cut.
    human : bool
        False renders every note of one pitch and length alike, as a sequencer does: loops then repeat exactly.
    position : float
        Panning; a stereo instrument is balanced towards it.

    Returns
    -------
    (2, n)
    """
    instrument = INSTRUMENTS[name]
    out = np.zeros((2 if instrument.stereo else 1, n))
    rendered: dict[tuple[int, int, int], Signal] = {}
    for note in notes:
        length = note.offset - note.onset
        if human:
            length = max(1, round(length / 1102.5)) * 1102  # lengths on a grid of 25 ms share their rendering
        key = (note.pitch, length, dice.index(instrument.takes) if human else 0)
        if key not in rendered:
            rendered[key] = np.atleast_2d(instrument.voice(frequency_of(note.pitch), length, dice))
        sound = rendered[key][:, : max(0, n - note.onset)]
        out[:, note.onset : note.onset + sound.shape[1]] += note.velocity * sound
    if instrument.finish is not None:
        out = instrument.finish(out)
    if not instrument.stereo:
        return pan(out[0], position)
    return np.asarray(out * (pan(np.ones(1), position) * np.sqrt(2.0)))


def _string(t60: float, damping: float, brightness: float, position: float, release: float) -> Voice:
    def voice(frequency: float, length: int, dice: Dice) -> Signal:
        n = length + samples(release)
        sound = synth.pluck(frequency, n, dice, t60=t60, damping=damping, brightness=brightness, position=position)
        return sound * swell(n, 0.0005, release, length)

    return voice


def _pad(frequency: float, length: int, dice: Dice) -> Signal:
    """Render three detuned sawtooths whose brightness swells."""
    n = length + samples(0.35)
    harmonics = synth.saw_harmonics(frequency)
    dark, bright = synth.saw(harmonics, 700.0 // frequency + 2.0), synth.saw(harmonics, 3600.0 // frequency + 4.0)
    opening = 0.5 - 0.5 * np.cos(np.arange(n) * (2 * np.pi / (4.1 * SAMPLE_RATE)))
    sound = np.zeros((2, n))
    for cents, left, right in ((-7.0, 0.9, 0.25), (0.0, 0.5, 0.5), (7.0, 0.25, 0.9)):
        phase = phase_of(frequency * float(2.0 ** (cents / 1200.0)), n, dice.uniform())
        wave = morph(dark, bright, opening, phase)
        sound[0] += left * wave
        sound[1] += right * wave
    return 0.35 * sound * swell(n, 0.12, 0.35, length)


_DRAWBARS = {1: 0.5, 2: 0.9, 3: 0.6, 4: 0.7, 6: 0.35, 8: 0.4, 10: 0.15, 12: 0.2, 16: 0.25}


def _organ(frequency: float, length: int, dice: Dice) -> Signal:
    """Render drawbars through a rotating speaker: vibrato and tremolo in opposite phase on both sides, a key click."""
    n = length + samples(0.03)
    bars = np.zeros(16)
    for harmonic, amplitude in _DRAWBARS.items():
        if harmonic * frequency / 2 < 18000.0:
            bars[harmonic - 1] = amplitude
    table = synth.harmonic_table(bars)
    rotor = sine(phase_of(6.3, n, dice.uniform()))
    sound = np.zeros((2, n))
    for channel, side in enumerate((1.0, -1.0)):
        phase = phase_of(frequency / 2, n)
        wobble = np.rint(side * rotor * (0.022 * frequency / 440.0 * 2.0**40)).astype(np.int64)
        sound[channel] = lookup(table, phase + wobble) * (1.0 + 0.22 * side * rotor)
    click = min(n, 350)
    sound[:, :click] += 0.25 * dice.noise(click) * decay(click, 0.006)
    return 0.25 * sound * swell(n, 0.004, 0.03, length)


def _electric_piano(frequency: float, length: int, dice: Dice) -> Signal:
    """Modulate frequencies: a mellow bar and a bright tine that dies fast, with a slow stereo tremolo."""
    n = length + samples(0.12)
    ring = decay(n, 4.0 - frequency / 400.0 if frequency < 1000.0 else 1.5)
    phase = phase_of(frequency, n)
    bar = 0.9 * decay(n, 1.2) * sine(phase)
    tine = 0.25 * decay(n, 0.35) * sine(phase_of(frequency * 14.0, n) if frequency < 1200.0 else phase * 7)
    sound = sine(phase + np.rint(bar * (2.0**40 / (2 * np.pi))).astype(np.int64)) + tine
    tremolo = 0.25 * sine(phase_of(4.4, n, dice.uniform()))
    mono = 0.5 * sound * ring * swell(n, 0.002, 0.12, length)
    return np.stack([mono * (1.0 + tremolo), mono * (1.0 - tremolo)])


def _mallet(frequency: float, length: int, dice: Dice) -> Signal:
    """Render a struck bar: three partials, the upper ones short, and the knock of the mallet."""
    n = max(length, samples(0.9))
    sound = sine(phase_of(frequency, n)) * decay(n, 1.4)
    for ratio, gain, t60 in ((3.93, 0.35, 0.5), (9.2, 0.18, 0.18)):
        if ratio * frequency < 18000.0:
            sound += gain * sine(phase_of(ratio * frequency, n)) * decay(n, t60)
    knock = min(n, 900)
    sound[:knock] += 0.3 * dice.noise(knock) * decay(knock, 0.012)
    return 0.5 * sound * swell(n, 0.001, 0.05)


def _synth_pluck(frequency: float, length: int, dice: Dice) -> Signal:
    """Render a sawtooth and its detuned twin under a filter that closes fast."""
    n = length + samples(0.12)
    harmonics = synth.saw_harmonics(frequency)
    bright, dark = synth.saw(harmonics, 6500.0 // frequency + 3.0), synth.saw(harmonics, 500.0 // frequency + 1.0)
    closing = decay(n, 0.45)
    sound = np.zeros(n)
    for cents in (-4.0, 5.0):
        phase = phase_of(frequency * float(2.0 ** (cents / 1200.0)), n, dice.uniform())
        sound += morph(dark, bright, closing, phase)
    return 0.35 * sound * decay(n, 1.6) * swell(n, 0.003, 0.12, length)


def _synth_bass(frequency: float, length: int, dice: Dice) -> Signal:
    """Render a sawtooth under a closing filter, and a sine an octave below its second harmonic for weight."""
    n = length + samples(0.05)
    harmonics = synth.saw_harmonics(frequency)
    bright, dark = synth.saw(harmonics, 1900.0 // frequency + 2.0), synth.saw(harmonics, 260.0 // frequency + 1.0)
    phase = phase_of(frequency, n)
    sound = morph(dark, bright, decay(n, 0.7), phase) + 0.6 * sine(phase)
    return 0.5 * sound * decay(n, 5.0) * swell(n, 0.003, 0.05, length)


def _flute(frequency: float, length: int, dice: Dice) -> Signal:
    """Render few harmonics, a delayed vibrato in pitch and loudness, and breath."""
    n = length + samples(0.09)
    vibrato = sine(phase_of(5.2, n, dice.uniform())) * np.minimum(1.0, np.arange(n) / (0.5 * SAMPLE_RATE))
    table = synth.harmonic_table(np.array([1.0, 0.45, 0.22, 0.08, 0.04, 0.02]))
    tone = lookup(table, phase_of(frequency * (1.0 + 0.006 * vibrato), n)) * (1.0 + 0.18 * vibrato)
    breath = dice.noise(n)
    breath = 0.05 * (breath - synth.one_pole(breath, 1500.0))
    return 0.5 * (tone + breath) * swell(n, 0.06, 0.09, length)


def _fiddle(frequency: float, length: int, dice: Dice) -> Signal:
    """Render a bowed string: a bright sawtooth with vibrato and bow noise."""
    n = length + samples(0.08)
    vibrato = sine(phase_of(5.8, n, dice.uniform())) * np.minimum(1.0, np.arange(n) / (0.35 * SAMPLE_RATE))
    table = synth.saw(synth.saw_harmonics(frequency * 1.02), 4200.0 // frequency + 3.0)
    tone = lookup(table, phase_of(frequency * (1.0 + 0.008 * vibrato), n))
    bow = 0.05 * dice.noise(n) * (1.0 + tone)
    return 0.4 * (tone + bow) * swell(n, 0.05, 0.08, length)


def _wooden_body(signal: Signal) -> Signal:
    return equalise(equalise(equalise(signal, 105.0, 5.0, 2.0), 215.0, 4.0, 2.5), 3800.0, 3.0, 0.8)


def _amplifier(signal: Signal) -> Signal:
    """Distort, then filter as a loudspeaker that passes little above 5 kHz."""
    driven = saturate(equalise(signal, 900.0, 6.0, 0.7), 2.2)
    return synth.one_pole(synth.one_pole(equalise(driven, 2600.0, 5.0, 0.9), 5200.0), 7000.0)


def _valve(signal: Signal) -> Signal:
    return saturate(signal, 1.6)


def _fiddle_body(signal: Signal) -> Signal:
    return equalise(equalise(equalise(signal, 290.0, 5.0, 3.0), 460.0, 5.0, 4.0), 2900.0, 6.0, 1.2)


def _bass_pickup(signal: Signal) -> Signal:
    return synth.one_pole(equalise(saturate(signal, 0.5), 85.0, 4.0, 0.8), 3200.0)


INSTRUMENTS: dict[str, Instrument] = {
    "nylon guitar": Instrument(_string(2.6, 0.06, 3500.0, 0.22, 0.06), _wooden_body, takes=2),
    "steel guitar": Instrument(_string(3.2, 0.02, 9000.0, 0.13, 0.05), _wooden_body, takes=2),
    "electric guitar": Instrument(_string(4.0, 0.03, 5000.0, 0.12, 0.03), _amplifier, takes=2),
    "harp": Instrument(_string(3.0, 0.08, 2600.0, 0.45, 0.6), None, takes=2),
    "pad": Instrument(_pad, stereo=True),
    "organ": Instrument(_organ, _valve, stereo=True),
    "electric piano": Instrument(_electric_piano, stereo=True),
    "mallet": Instrument(_mallet),
    "synth pluck": Instrument(_synth_pluck),
    "flute": Instrument(_flute),
    "fiddle": Instrument(_fiddle, _fiddle_body),
    "finger bass": Instrument(_string(3.5, 0.22, 1400.0, 0.2, 0.04), _bass_pickup, takes=2),
    "synth bass": Instrument(_synth_bass),
}
