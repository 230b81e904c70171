"""A drum kit: one-shots made of swept sines, metal partials and noise, placed hit by hit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mss_bench.datasets.demo.dice import Dice
from mss_bench.datasets.demo.effects import pan, saturate
from mss_bench.datasets.demo.synth import Signal, decay, one_pole, phase_of, samples, sine, swell

__all__ = ["DRUMS", "Hit", "play_drums"]


@dataclass(frozen=True)
class Hit:
    """A stroke: sample of its onset, key of `DRUMS`, amplitude."""

    onset: int
    drum: str
    velocity: float


def _high_pass(signal: Signal, cutoff: float) -> Signal:
    once = signal - one_pole(signal, cutoff)
    return once - one_pole(once, cutoff)


def _kick(dice: Dice, electronic: bool) -> Signal:
    n = samples(0.5)
    low, t60 = (dice.uniform(45.0, 52.0), 0.5) if electronic else (dice.uniform(54.0, 66.0), 0.33)
    sweep = low * (1.0 + 3.2 * decay(n, 0.10) + 6.0 * decay(n, 0.02))
    body = sine(phase_of(sweep, n)) * decay(n, t60)
    click = samples(0.012)
    body[:click] += 0.5 * _high_pass(dice.noise(click), 1800.0) * decay(click, 0.01)
    return saturate(body, 1.3) * swell(n, 0.0005, 0.05)


def _snare(dice: Dice, electronic: bool) -> Signal:
    n = samples(0.4)
    tune = dice.uniform(0.92, 1.12)
    shell = sine(phase_of(185.0 * tune * (1.0 + 0.35 * decay(n, 0.03)), n)) * decay(n, 0.16)
    shell += 0.6 * sine(phase_of(331.0 * tune, n)) * decay(n, 0.10)
    wires = _high_pass(dice.noise(n), 1500.0 if electronic else 900.0)
    wires = 0.75 * wires * (decay(n, 0.10) + 0.45 * decay(n, 0.32))
    return saturate(0.6 * shell + wires, 1.0) * swell(n, 0.0005, 0.08)


def _clap(dice: Dice, electronic: bool) -> Signal:
    n = samples(0.35)
    band = one_pole(_high_pass(dice.noise(n), 900.0), 5500.0)
    envelope = 0.5 * decay(n, 0.22)
    for start in (0.0, 0.011, 0.023):
        first = samples(start + dice.uniform(0.0, 0.002))
        envelope[first:] += decay(n - first, 0.025)
    return 0.9 * band * envelope * swell(n, 0.0005, 0.08)


_METAL = (2050.0, 3042.0, 3696.0, 5227.0, 5404.0, 8003.0)


def _metal(dice: Dice, n: int, tune: float) -> Signal:
    """Render six inharmonic square waves, as the cymbals of analogue drum machines have."""
    total = np.zeros(n)
    for frequency in _METAL:
        phase = phase_of(frequency * tune, n, dice.uniform())
        total += 1.0 - 2.0 * ((phase >> 39) & 1)
    return total / len(_METAL)


def _cymbal(seconds: float, t60: float, cutoff: float, noise: float, gain: float) -> Callable[[Dice, bool], Signal]:
    def sound(dice: Dice, electronic: bool) -> Signal:
        n = samples(seconds)
        metal = _metal(dice, n, dice.uniform(0.95, 1.1)) * (1.2 if electronic else 0.7)
        mixed = _high_pass(metal + noise * dice.noise(n), cutoff)
        return gain * mixed * decay(n, t60) * swell(n, 0.0003, 0.02)

    return sound


def _tom(low: float) -> Callable[[Dice, bool], Signal]:
    def sound(dice: Dice, electronic: bool) -> Signal:
        n = samples(0.5)
        body = sine(phase_of(low * dice.uniform(0.95, 1.05) * (1.0 + 0.6 * decay(n, 0.12)), n)) * decay(n, 0.45)
        skin = one_pole(dice.noise(n), 3000.0) * decay(n, 0.05)
        return saturate(body + 0.6 * skin, 1.2) * swell(n, 0.0005, 0.08)

    return sound


def _shaker(dice: Dice, electronic: bool) -> Signal:
    n = samples(0.12)
    return 0.5 * _high_pass(dice.noise(n), 5000.0) * swell(n, 0.025, 0.09)


@dataclass(frozen=True)
class Drum:
    """A one-shot, its place in the stereo image, and how many different takes of it are made."""

    sound: Callable[[Dice, bool], Signal]
    position: float
    takes: int = 1


DRUMS: dict[str, Drum] = {
    "kick": Drum(_kick, 0.0),
    "snare": Drum(_snare, 0.06, 3),
    "clap": Drum(_clap, -0.05, 2),
    "closed hat": Drum(_cymbal(0.15, 0.075, 6500.0, 0.9, 0.55), 0.32, 4),
    "open hat": Drum(_cymbal(0.6, 0.55, 6000.0, 0.9, 0.5), 0.32, 2),
    "ride": Drum(_cymbal(1.2, 1.1, 4500.0, 0.35, 0.4), -0.38, 2),
    "crash": Drum(_cymbal(2.2, 2.0, 2800.0, 1.2, 0.55), -0.45),
    "high tom": Drum(_tom(165.0), 0.28),
    "low tom": Drum(_tom(98.0), -0.25),
    "shaker": Drum(_shaker, -0.3, 3),
}


def play_drums(hits: Sequence[Hit], n: int, dice: Dice, *, electronic: bool, human: bool) -> Signal:
    """Play a kit.

    Parameters
    ----------
    hits : sequence of Hit
        In order of time; a hat stroke chokes an open hat.
    n : int
        Samples.
    electronic : bool
        A drum machine instead of an acoustic kit.
    human : bool
        False uses one take of every drum: loops then repeat exactly.

    Returns
    -------
    (2, n)
    """
    takes: dict[tuple[str, int], Signal] = {}
    lanes: dict[str, Signal] = {}
    hats = [hit.onset for hit in hits if hit.drum in ("closed hat", "open hat")]
    for hit in hits:
        drum = DRUMS[hit.drum]
        key = (hit.drum, dice.index(drum.takes) if human else 0)
        if key not in takes:
            takes[key] = drum.sound(dice, electronic)
        sound = takes[key][: n - hit.onset]
        if hit.drum == "open hat" and (later := [onset for onset in hats if onset > hit.onset]):
            length = min(len(sound), later[0] - hit.onset + samples(0.012))
            sound = sound[:length] * swell(length, 0.0003, 0.012)
        lane = lanes.setdefault(hit.drum, np.zeros(n))
        lane[hit.onset : hit.onset + len(sound)] += hit.velocity * sound
    total = np.zeros((2, n))
    for name, lane in lanes.items():
        total += pan(lane, DRUMS[name].position)
    return saturate(total, 0.8)
