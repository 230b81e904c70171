"""Chords and what is played from them: bass lines, strummed, broken and sustained chords.

Patterns are strings of sixteenths, one bar long (12 or 16 characters), so that they can be read as a player reads
them; each kind of part has several to draw from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mss_bench.datasets.demo.dice import Dice
from mss_bench.datasets.demo.instruments import Note
from mss_bench.datasets.demo.plan import TAIL_SECONDS, SongPlan
from mss_bench.datasets.demo.synth import SAMPLE_RATE, samples

__all__ = ["Chord", "Grid", "bass_line", "chord_at", "chords_of", "harmony_part", "near", "scale_of"]

_MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
_MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10)
_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")


@dataclass(frozen=True)
class Chord:
    """A chord and the sixteenths in which it sounds.

    Parameters
    ----------
    first, last : int
        Sixteenths from the song's start; `last` is excluded.
    tones : tuple of int
        Pitch classes, the root first.
    """

    first: int
    last: int
    tones: tuple[int, ...]


def scale_of(plan: SongPlan) -> tuple[int, ...]:
    """Return the pitch classes of the key."""
    return tuple((plan.tonic + step) % 12 for step in (_MINOR_SCALE if plan.minor else _MAJOR_SCALE))


def _tones(numeral: str, plan: SongPlan) -> tuple[int, ...]:
    """Return the pitch classes of a Roman numeral: lower case is minor, ``maj7`` and ``7`` add sevenths."""
    figure = numeral.removesuffix("7").removesuffix("maj")
    major = figure.isupper()
    scale = _MINOR_SCALE if plan.minor else _MAJOR_SCALE
    root = plan.tonic + scale[_NUMERALS.index(figure.upper())]
    intervals = [0, 4 if major else 3, 7]
    if numeral.endswith("7"):
        intervals.append(11 if numeral.endswith("maj7") else 10)
    return tuple((root + interval) % 12 for interval in intervals)


def chords_of(plan: SongPlan) -> list[Chord]:
    """Return the progression, repeated until the last bar, and the tonic that rings out after it."""
    length, end = 4 * plan.chord_beats, 4 * plan.beats * plan.bars
    chords = [
        Chord(first, min(end, first + length), _tones(plan.progression[number % len(plan.progression)], plan))
        for number, first in enumerate(range(0, end, length))
    ]
    ringing = round(0.7 * TAIL_SECONDS * SAMPLE_RATE / plan.sixteenth)
    return [*chords, Chord(end, end + ringing, _tones("i" if plan.minor else "I", plan))]


def chord_at(chords: Sequence[Chord], step: int) -> Chord:
    """Return the chord that sounds in a sixteenth."""
    return next(chord for chord in chords if chord.first <= step < chord.last)


class Grid:
    """From sixteenths to samples: swing always, and small deviations where a hand plays.

    Parameters
    ----------
    plan : SongPlan
    dice : Dice
        Of the part that plays.
    looseness : float
        Largest deviation in seconds.
    """

    def __init__(self, plan: SongPlan, dice: Dice, looseness: float = 0.007) -> None:
        self.plan, self.dice = plan, dice
        self.looseness = looseness if plan.human else 0.0

    def at(self, step: int) -> int:
        """Return the sample of a sixteenth, as the score says."""
        late = {1: 0.5, 2: 1.0, 3: 0.5}.get(step % 4, 0.0) * self.plan.swing
        return step * self.plan.sixteenth + round(late * self.plan.sixteenth)

    def played(self, step: int, delay: float = 0.0) -> int:
        """Return the sample of a sixteenth, as it is played; `delay` in seconds."""
        deviation = self.dice.uniform(-self.looseness, self.looseness) if self.looseness else 0.0
        return max(0, self.at(step) + samples(delay + deviation))

    def touch(self, velocity: float) -> float:
        """Return a velocity as it is played, a little off what is written."""
        return velocity * self.dice.uniform(0.82, 1.1) if self.looseness else velocity


def near(pitch_class: int, pitch: float) -> int:
    """Return the MIDI pitch of a class that is nearest to a pitch."""
    return pitch_class + 12 * round((pitch - pitch_class) / 12.0)


def _voicing(chord: Chord, centre: float, size: int) -> list[int]:
    """Return the pitches of a chord in close position around a centre, rising."""
    pitches = sorted({near(tone, centre + 2.0 * number - size) for number, tone in enumerate(chord.tones)})
    while len(pitches) < size:
        pitches.append(pitches[len(pitches) - len(chord.tones)] + 12)
    return sorted(set(pitches))[:size]


_BASS = {
    "dance": ("--r---r---r---r-", "r-r--rr-r-r--r8-", "--r.--8.--r.--8."),
    "pop": ("r.....r.r.....5.", "r...r.r.r...8.5.", "r..r..r.r..r..8."),
    "ballad": ("r...........5...", "r.......r.....5.", "r.....r.8......."),
    "rock": ("r.r.r.r.r.r.r.r.", "r.r.r.r.r.r.5.8.", "r...r.r.r...r.5."),
    "groove": ("r--r--8-r-r--58-", "r-.r--r8--r-5-8-", "r...--r8-rr.--5."),
    "waltz": ("r...........", "r.......5...", "r...5...8..."),
}


def bass_line(plan: SongPlan, chords: list[Chord], dice: Dice) -> list[Note]:
    """Return the roots of the chords in a rhythm of their own, with fifths and octaves on the way."""
    grid = Grid(plan, dice, 0.006)
    patterns = _BASS[plan.style]
    bar = 4 * plan.beats
    pattern = dice.pick(patterns)
    marks: list[tuple[int, str]] = []
    for number in range(plan.bars):
        if plan.through_composed:
            pattern = dice.pick(patterns)
        marks += [(number * bar + step, mark) for step, mark in enumerate(pattern) if mark != "."]
    marks += [(chords[-1].first, "r"), (chords[-1].last, "-")]
    notes = []
    for (step, mark), (following, _) in pairwise(marks):
        if mark == "-":
            continue
        chord = chord_at(chords, step)
        pitch = near(chord.tones[0], 34.5) + {"r": 0, "5": 7, "8": 12}[mark]
        onset = grid.played(step)
        offset = max(onset + 2000, grid.at(following) - samples(0.012))
        notes.append(Note(onset, offset, pitch, grid.touch(0.9 if step % 4 == 0 else 0.75)))
    return notes


_RHYTHMS = {
    "strum": ("D...D.U.D.U.D.U.", "D..D..U.D.U.D.U.", "D.DUD.DUD.DUD.DU", "D.....U.D.U...U."),
    "stab": ("D.....D.........", "D...........D...", "D.........D.....", "D..D......D....."),
    "offbeat": ("--D-----D-D-----", "--D---D---D---D-", "----D-------D-D-"),
    "scratch": ("D-uuD-u-D-uuD-u-", "--D-u-D---DuD-u-", "D--D--u-D-u-D--u"),
    "drive": ("D.D.D.D.D.D.D.D.", "D...D.D.D...D.D.", "D..D..D.D..D..D."),
    "waltz": ("----D---D---", "----D---D-D-", "--D-D---D---"),
    "arpeggio": ("0123432101234321", "0213021302130213", "01234567", "0.1.2.3.2.1.3.2.", "0.2.1.3.2.4.3.1."),
    "arpeggio 3": ("0.1.2.3.2.1.", "0.2.3.4.3.2.", "012343210121"),
    "sustain": ("D...............",),
}


def harmony_part(plan: SongPlan, chords: list[Chord], kind: str, centre: float, dice: Dice) -> list[Note]:
    """Return the chords as a pattern plays them.

    Parameters
    ----------
    kind : str
        ``sustain`` (one long chord each), ``arpeggio`` (one tone after the other), or a rhythm of whole chords.
    centre : float
        MIDI pitch around which the chords lie.
    """
    grid = Grid(plan, dice)
    if kind == "sustain":
        return [
            Note(grid.at(chord.first), grid.at(chord.last), pitch, 0.6)
            for chord in chords
            for pitch in _voicing(chord, centre, len(chords[0].tones))
        ]
    table = _RHYTHMS["arpeggio 3" if kind == "arpeggio" and plan.beats == 3 else kind]
    pattern = dice.pick(table)
    notes: list[Note] = []
    end = 4 * plan.beats * plan.bars
    for step in range(end):
        if plan.through_composed and step % (4 * plan.beats) == 0:
            pattern = dice.pick(table)
        mark = pattern[step % len(pattern)]
        chord = chord_at(chords, step)
        if mark.isdigit():
            tones = _voicing(chord, centre, 8)
            onset = grid.played(step)
            notes.append(Note(onset, onset + round(3.4 * plan.sixteenth), tones[int(mark)], grid.touch(0.7)))
        elif mark in "DUu":
            notes += _stroke(plan, chord, step, mark, kind, centre, grid)
    first, last = grid.at(chords[-1].first), grid.at(chords[-1].last)
    return notes + [Note(first, last, pitch, 0.4) for pitch in _voicing(chords[-1], centre, 4)]


def _stroke(plan: SongPlan, chord: Chord, step: int, mark: str, kind: str, centre: float, grid: Grid) -> list[Note]:
    """Play one stroke across the strings: down (D), up (U), up and damped (u)."""
    if kind == "drive":
        root = near(chord.tones[0], 43.0)
        pitches = [root, root + 7, root + 12]
    else:
        pitches = _voicing(chord, centre, 5 if kind == "strum" else 4)
    held = {"strum": 3.6, "drive": 1.9, "stab": 7.0, "scratch": 0.9, "offbeat": 1.5, "waltz": 2.6}[kind]
    if mark == "u":
        held = 0.4
    if mark != "D":
        pitches = pitches[::-1][:4]
    spread = {"strum": 0.009, "scratch": 0.004}.get(kind, 0.0)
    accent = 0.8 if step % 8 == 0 else 0.62
    onset = grid.played(step)
    length = max(1500, round(held * plan.sixteenth))
    return [
        Note(
            onset + samples(number * spread),
            onset + length,
            pitch,
            grid.touch(accent * (0.5 if mark == "u" else 1.0)),
        )
        for number, pitch in enumerate(pitches)
    ]
