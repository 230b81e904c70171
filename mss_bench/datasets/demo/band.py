"""Who plays what: the stems of a song in each variant, dry and at the level of their synthesis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from mss_bench.datasets.demo.beats import drum_part
from mss_bench.datasets.demo.dice import Dice
from mss_bench.datasets.demo.drums import Hit, play_drums
from mss_bench.datasets.demo.effects import pan
from mss_bench.datasets.demo.harmony import bass_line, chords_of, harmony_part
from mss_bench.datasets.demo.instruments import Note, play
from mss_bench.datasets.demo.melody import melody_part, riff_part, second_voice, sung_melody
from mss_bench.datasets.demo.plan import TAIL_SECONDS, SongPlan, dice_for, stems_of
from mss_bench.datasets.demo.styles import STYLES
from mss_bench.datasets.demo.synth import Signal, samples
from mss_bench.datasets.demo.voice import SINGERS, Syllable, sing, sounding_end

__all__ = ["Band", "Stem"]


@dataclass
class Stem:
    """A dry stem and what was played in it.

    Parameters
    ----------
    signal : (2, samples)
    notes : list of (str, Note)
        Instrument and note, for pitched stems.
    hits : list of Hit
        For drums.
    f0 : (frames,), optional
        Hz every 10 ms, 0 where unvoiced, for sung stems.
    kind : str
        ``vocals``, ``drums``, ``bass`` or ``other``: how it is mixed.
    """

    signal: Signal
    kind: str
    notes: list[tuple[str, Note]] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    f0: Signal | None = None


class Band:
    """Plays the parts of one song.

    Parameters
    ----------
    plan : SongPlan
    """

    def __init__(self, plan: SongPlan) -> None:
        self.plan = plan
        self.chords = chords_of(plan)
        self.n = plan.bars * plan.bar + samples(TAIL_SECONDS)

    def stems(self, variant: str) -> dict[str, Stem]:
        """Render every stem of a variant, in order."""
        if variant.startswith("sources:"):
            return self._sources(stems_of(variant))
        if variant == "two_voices":
            return self._two_voices() | {"drums": self.drums(), "bass": self.bass(), "other": self.other()}
        stems = {"vocals": self.vocals(), "drums": self.drums(), "bass": self.bass()}
        return stems | (self._two_guitars() if variant == "two_guitars" else {"other": self.other()})

    def dice(self, purpose: str) -> Dice:
        """Return the random stream of one part."""
        return dice_for(self.plan.split, self.plan.index, purpose)

    def vocals(self) -> Stem:
        """Render the lead singer, alone or doubled by a second take on the opposite side."""
        plan = self.plan
        syllables = sung_melody(plan, self.chords, plan.singer, self.dice("melody"))
        stem = self._sung(syllables, plan.singer, plan.vocal_position, "vocals")
        if plan.vocal_double:
            take = self._sung(
                _retimed(syllables, self.dice("double timing")), plan.singer, -plan.vocal_position or 0.6, "double"
            )
            stem.signal = stem.signal + 0.6 * take.signal
        return stem

    def _sung(self, syllables: list[Syllable], singer_name: str, position: float, take: str) -> Stem:
        singer = SINGERS[singer_name]
        if self.plan.gliding:
            singer = replace(singer, glide=0.16, vibrato_cents=1.9 * singer.vibrato_cents)
        voice, f0 = sing(syllables, self.n, singer, self.dice(take))
        notes = []
        for syllable, following in zip(syllables, [*syllables[1:], None], strict=True):
            notes.append((singer_name, replace(syllable.note, offset=sounding_end(syllable, following))))
        return Stem(pan(voice, position), "vocals", notes=notes, f0=f0)

    def drums(self) -> Stem:
        """Render the drum kit."""
        hits = drum_part(self.plan, self.dice("drum part"))
        if self.plan.late_drums:
            hits = [hit for hit in hits if hit.onset >= self.n // 2]
        electronic = STYLES[self.plan.style].electronic
        signal = play_drums(hits, self.n, self.dice("drums"), electronic=electronic, human=self.plan.human)
        return Stem(signal, "drums", hits=hits)

    def bass(self) -> Stem:
        """Render the bass line."""
        notes = bass_line(self.plan, self.chords, self.dice("bass part"))
        return self._played("bass", [(self.plan.bass, notes, self.plan.bass_position)], "bass")

    def other(self) -> Stem:
        """Render the layers of the harmony."""
        layers = []
        for number, (instrument, kind) in enumerate(self.plan.layers):
            notes = harmony_part(self.plan, self.chords, kind, 60.0 + 3.0 * number, self.dice(f"layer {number} part"))
            layers.append((instrument, notes, self.plan.layer_positions[number]))
        return self._played("other", layers, "other")

    def _played(self, kind: str, layers: list[tuple[str, list[Note], float]], purpose: str) -> Stem:
        """Sum instruments at equal power; a sequenced song renders equal notes alike."""
        total = np.zeros((2, self.n))
        notes: list[tuple[str, Note]] = []
        for number, (instrument, part, position) in enumerate(layers):
            dice = self.dice(f"{purpose} {number}")
            signal = play(instrument, part, self.n, dice, human=self.plan.human, position=position)
            total += signal * (0.1 / max(1e-9, float(np.sqrt(np.sum(signal * signal) / self.n))))
            notes += [(instrument, note) for note in part]
        notes.sort(key=lambda played: (played[1].onset, played[1].pitch))
        return Stem(total, kind, notes=notes)

    def _two_voices(self) -> dict[str, Stem]:
        plan, dice = self.plan, self.dice("two voices")
        partners = {"soprano": "tenor", "alto": "baritone", "tenor": "alto", "baritone": "soprano"}
        partner = partners[plan.singer] if dice.chance(0.7) else plan.singer
        position = dice.pick((0.0, 0.25, -0.25, 0.5))
        lead = sung_melody(plan, self.chords, plan.singer, self.dice("melody"))
        second = second_voice(plan, lead, self.chords, partner, self.dice("second melody"))
        return {
            "voice_1": self._sung(lead, plan.singer, position, "vocals"),
            "voice_2": self._sung(second, partner, -position, "second voice"),
        }

    def _two_guitars(self) -> dict[str, Stem]:
        dice = self.dice("two guitars")
        guitar = dice.pick(("nylon guitar", "steel guitar", "electric guitar"))
        position = dice.pick((-0.7, 0.7, -0.4, 0.4, 0.1))
        kinds = ("arpeggio", "strum", "stab") if self.plan.beats == 4 else ("arpeggio", "waltz")
        chords = harmony_part(self.plan, self.chords, dice.pick(kinds), 57.0, dice)
        riff = riff_part(self.plan, self.chords, 64, dice)
        return {
            "guitar_1": self._played("other", [(guitar, chords, position)], "guitar 1"),
            "guitar_2": self._played("other", [(guitar, riff, -position)], "guitar 2"),
        }

    def _sources(self, names: tuple[str, ...]) -> dict[str, Stem]:
        """Render different players, each at a point of its own between left and right."""
        dice = self.dice("sources")
        plan = replace(self.plan, intro_bars=0, late_drums=False, vocal_double=False)
        band = Band(plan)
        players: list[Callable[[], Stem]] = [
            band.vocals,
            band.drums,
            band.bass,
            lambda: band._soloist(dice.pick(("flute", "fiddle"))),
            lambda: band._accompanist(dice.pick(("steel guitar", "nylon guitar")), "arpeggio", 57.0),
            lambda: band._accompanist(dice.pick(("organ", "pad")), "sustain", 64.0),
        ]
        gap = 1.8 / (len(names) - 1)
        positions = [-0.9 + gap * (number + dice.uniform(-0.2, 0.2)) for number in range(len(names))]
        stems = {}
        for name, player, position in zip(names, dice.shuffled(players), dice.shuffled(positions), strict=False):
            stem = player()
            mono = float(np.sqrt(0.5)) * (stem.signal[0] + stem.signal[1])
            stems[name] = replace(stem, signal=pan(mono, min(max(position, -1.0), 1.0)))
        return stems

    def _soloist(self, instrument: str) -> Stem:
        notes = melody_part(self.plan, self.chords, 67, 86, self.dice("solo"))
        return self._played("other", [(instrument, notes, 0.0)], "solo")

    def _accompanist(self, instrument: str, kind: str, centre: float) -> Stem:
        notes = harmony_part(self.plan, self.chords, kind, centre, self.dice(f"{kind} part"))
        return self._played("other", [(instrument, notes, 0.0)], kind)


def _retimed(syllables: list[Syllable], dice: Dice) -> list[Syllable]:
    """Return the words as sung a second time, up to 25 ms off."""
    shifts = [samples(dice.uniform(-0.025, 0.025)) for _ in syllables]
    return [
        replace(s, note=replace(s.note, onset=max(0, s.note.onset + shift), offset=s.note.offset + min(shift, 0)))
        for s, shift in zip(syllables, shifts, strict=True)
    ]
