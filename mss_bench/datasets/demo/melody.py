"""Melodies: phrases of two bars in the key, with a motif that comes back, rests to breathe, words without meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mss_bench.datasets.demo.dice import Dice
from mss_bench.datasets.demo.harmony import Chord, Grid, chord_at, near, scale_of
from mss_bench.datasets.demo.instruments import Note
from mss_bench.datasets.demo.plan import SongPlan
from mss_bench.datasets.demo.synth import samples
from mss_bench.datasets.demo.voice import CONSONANTS, SINGERS, VOWELS, Syllable

__all__ = ["melody_part", "riff_part", "second_voice", "sung_melody"]

# x begins a tone, . holds it, - is silence: the first bar of a phrase, and the second, which ends it.
_OPENINGS = {
    4: (
        "--x.x.x.x...x...",
        "x...x.x.x.x.x...",
        "----x.x.x.x.x...",
        "x..x..x.x...x.x.",
        "--x.x.x.x.x.x.x.",
        "x.....x.x.x.x...",
    ),
    3: ("x...x.x.x...", "x.......x...", "----x...x.x.", "x...x...x..."),
}
_CLOSINGS = {
    4: (
        "x.......x...----",
        "x.x.x...x.....--",
        "x...........----",
        "x..x..x.....----",
        "x.x.x.......----",
        "x...x.x...------",
    ),
    3: ("x.......----", "x...x.....--", "x.......x.--", "x.........--"),
}


def _rhythm(plan: SongPlan, bars: int, dice: Dice) -> list[tuple[int, int, bool]]:
    """Return ``(first, last, begins a phrase)`` in sixteenths of each tone, phrases as A A' B A or A B A B."""
    motifs = [dice.pick(_OPENINGS[plan.beats]) + dice.pick(_CLOSINGS[plan.beats]) for _ in range(2)]
    order = dice.pick(((0, 0, 1, 0), (0, 1, 0, 1), (0, 0, 1, 1)))
    length = 8 * plan.beats
    tones: list[tuple[int, int, bool]] = []
    for phrase in range((bars + 1) // 2):
        motif = motifs[order[phrase % 4]]
        if plan.through_composed:
            motif = dice.pick(_OPENINGS[plan.beats]) + dice.pick(_CLOSINGS[plan.beats])
        if 2 * phrase + 1 == bars:  # one bar is left
            motif = dice.pick(_CLOSINGS[plan.beats])
        begins = True
        for step, mark in enumerate(motif):
            if mark == "x":
                last = next((s for s in range(step + 1, len(motif)) if motif[s] != "."), len(motif))
                tones.append((phrase * length + step, phrase * length + last, begins))
                begins = False
    return tones


def _pitches(
    plan: SongPlan, chords: Sequence[Chord], tones: Sequence[tuple[int, int, bool]], low: int, high: int, dice: Dice
) -> list[int]:
    """Walk through the scale, leaning on chord tones where the beat or the length is strong."""
    scale = scale_of(plan)
    ladder = [pitch for pitch in range(low, high + 1) if pitch % 12 in scale]
    place = len(ladder) // 2 + dice.between(-1, 2)
    drift = dice.pick((-1, 1))
    pitches = []
    for first, last, begins in tones:
        if begins:
            drift = -drift
        place += dice.weighted((0, 1, 2, 3, -1, -2), (1.2, 3.0, 1.4, 0.7, 1.6, 0.7)) * drift
        if not 1 <= place < len(ladder) - 1:
            drift = 1 if place < 1 else -1
            place = min(max(place, 1), len(ladder) - 2) + drift
        pitch = ladder[place]
        if last - first >= 4 or first % 8 == 0:
            choices = [near(tone, pitch) for tone in chord_at(chords, first).tones]
            pitch = min(choices, key=lambda choice: (abs(choice - pitch), choice))
        pitches.append(pitch)
    return pitches


def melody_part(
    plan: SongPlan, chords: Sequence[Chord], low: int, high: int, dice: Dice, first_bar: int = 0
) -> list[Note]:
    """Compose an instrumental melody between two pitches."""
    grid = Grid(plan, dice, 0.01)
    offset = 4 * plan.beats * first_bar
    tones = [(a + offset, b + offset, begins) for a, b, begins in _rhythm(plan, plan.bars - first_bar, dice)]
    pitches = _pitches(plan, chords, tones, low, high, dice)
    notes = []
    for (first, last, _), pitch in zip(tones, pitches, strict=True):
        onset = grid.played(first)
        notes.append(Note(onset, max(onset + 3000, grid.at(last)), pitch, grid.touch(0.75)))
    return notes


def riff_part(plan: SongPlan, chords: Sequence[Chord], low: int, dice: Dice) -> list[Note]:
    """Compose a figure of single tones that repeats with the chords, as a second guitar plays."""
    grid = Grid(plan, dice)
    rhythm = dice.pick(
        ("x..x..x.--x.x...", "x.x.--x.x.--x.x.", "--x.x.x...x.x.x.") if plan.beats == 4 else ("x..x..x.x...",)
    )
    choice = [dice.index(4) for _ in rhythm]
    notes = []
    for step in range(4 * plan.beats * plan.bars):
        if rhythm[step % len(rhythm)] != "x":
            continue
        chord = chord_at(chords, step)
        number = choice[step % len(rhythm)]
        pitch = near(chord.tones[number % len(chord.tones)], low + 4.0 * number)
        onset = grid.played(step)
        notes.append(Note(onset, onset + round(3.0 * plan.sixteenth), pitch, grid.touch(0.75)))
    return notes


def sung_melody(plan: SongPlan, chords: Sequence[Chord], singer_name: str, dice: Dice) -> list[Syllable]:
    """Compose the lead vocal: a melody in the singer's range, set to syllables."""
    singer = SINGERS[singer_name]
    return _set_words(plan, melody_part(plan, chords, singer.low, singer.high, dice, plan.intro_bars), dice)


def second_voice(
    plan: SongPlan, lead: Sequence[Syllable], chords: Sequence[Chord], singer_name: str, dice: Dice
) -> list[Syllable]:
    """Compose a second voice: by turns the lead's rhythm in other chord tones, and phrases of its own."""
    singer = SINGERS[singer_name]
    own = sung_melody(plan, chords, singer_name, dice)
    phrase = 2 * plan.bar
    turn = dice.index(2)
    syllables = [s for s in own if (s.note.onset // phrase + turn) % 2]
    for syllable in lead:
        note = syllable.note
        if (note.onset // phrase + turn) % 2:
            continue
        step = min(note.onset // plan.sixteenth, 4 * plan.beats * plan.bars - 1)
        middle = 0.5 * (singer.low + singer.high)
        choices = [near(tone, middle + 0.4 * (note.pitch - middle)) for tone in chord_at(chords, step).tones]
        pitch = min((c for c in choices if c != note.pitch), key=lambda c: (abs(c - note.pitch), c))
        late = samples(dice.uniform(-0.012, 0.02))
        onset, offset = max(0, note.onset + late), max(note.offset + late, 1)
        syllables.append(replace(syllable, note=replace(note, onset=onset, offset=offset, pitch=pitch)))
    syllables.sort(key=lambda s: s.note.onset)
    return _apart(syllables)


def _set_words(plan: SongPlan, notes: Sequence[Note], dice: Dice) -> list[Syllable]:
    """Give every note a consonant and a vowel; some syllables stretch over two notes."""
    syllables: list[Syllable] = []
    for note in notes:
        legato = bool(syllables) and note.onset - syllables[-1].note.offset < samples(0.18)
        consonant, vowel = dice.pick(CONSONANTS), dice.pick(VOWELS)
        if legato and dice.chance(0.6 if plan.gliding else 0.2):
            consonant, vowel = "", syllables[-1].vowel
        syllables.append(Syllable(note, consonant, vowel, legato))
    return _apart(syllables)


def _apart(syllables: Sequence[Syllable]) -> list[Syllable]:
    """End each note before the next begins."""
    shortened = []
    for syllable, following in zip(syllables, [*syllables[1:], None], strict=True):
        note = syllable.note
        end = note.offset if following is None else min(note.offset, following.note.onset)
        if end - note.onset > 2000:  # 45 ms: less is no syllable
            shortened.append(replace(syllable, note=replace(note, offset=end)))
    return shortened
