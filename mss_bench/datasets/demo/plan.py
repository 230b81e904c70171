"""What a song is to be: tempo, key, chords, band, mix. Decided by its seed, before a note is written.

Every song has seeds of its own from (generator version, split, index). The first six of each split show, by index, what
separation methods rely on or stumble over; later ones vary freely:

===== ==================================================================================================
index property
===== ==================================================================================================
0     sequenced two-bar loop, centred vocals: REPET, HPSS and centre extraction find what they assume
1     acoustic band, four-bar chords, played by hand, room reverberation, vocals centred
2     mono vocals: both channels equal to the last bit (the covariance of the image is singular)
3     vocals doubled and off-centre, instruments spread: centre extraction fails
4     drums are digital silence for the first half
5     no repetition, long reverberation, gliding vocals, plucked and struck harmony: strains REPET and HPSS
===== ==================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mss_bench.datasets.demo.dice import Dice
from mss_bench.datasets.demo.styles import FIRST_WORDS, MAJOR_PROGRESSIONS, MINOR_PROGRESSIONS, SECOND_WORDS, STYLES
from mss_bench.datasets.demo.synth import SAMPLE_RATE
from mss_bench.errors import ConfigError, UnknownNameError

__all__ = [
    "DATASET_ID",
    "GENERATOR_VERSION",
    "PITCH_CLASSES",
    "SPLITS",
    "VARIANTS",
    "SongPlan",
    "dice_for",
    "plan_song",
    "song_name",
    "song_names",
    "stems_of",
]

MIN_SECONDS, MAX_SECONDS = 12.0, 20.0
TAIL_SECONDS = 1.1
"""What rings out after the last bar."""
GENERATOR_VERSION = 1
"""Raised with every change of what is rendered; part of every seed."""
DATASET_ID = f"demo-{GENERATOR_VERSION}"
"""Names the data set's content in folders and results."""
SPLITS = ("train", "test")
_BAND = ("vocals", "drums", "bass", "other")
_STEMS = {
    "default": _BAND,
    "two_voices": ("voice_1", "voice_2", "drums", "bass", "other"),
    "two_guitars": ("vocals", "drums", "bass", "guitar_1", "guitar_2"),
    **{f"sources:{n}": tuple(f"source_{number}" for number in range(1, n + 1)) for n in range(2, 7)},
    "limiter": _BAND,
}
VARIANTS = tuple(_STEMS)
PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def stems_of(variant: str = "default") -> tuple[str, ...]:
    """Return the stems of a variant, in the order of its tables.

    Raises
    ------
    UnknownNameError
        For a variant that is not in `VARIANTS`.
    """
    if variant not in VARIANTS:
        raise UnknownNameError("variant of the demo", variant, VARIANTS)
    return _STEMS[variant]


@dataclass(frozen=True)
class SongPlan:
    """The decisions behind a song.

    Parameters
    ----------
    split, index, name
        What names it.
    style : str
        Key of `styles.STYLES`.
    sixteenth : int
        Samples of a sixteenth note; the tempo follows from it, so that loops repeat on the sample grid.
    beats, bars : int
        Beats in a bar; bars before the last chord rings out.
    swing : float
        Delay of every second eighth, as a part of a sixteenth.
    tonic : int
        Pitch class of the key, 0 is C.
    minor : bool
    progression : tuple of str
        Roman numerals of one loop.
    chord_beats : int
        Beats of each chord.
    human : bool
        Played by hand: small deviations of time and loudness, fills, changing takes. Otherwise a sequencer repeats the
        loop exactly.
    through_composed : bool
        Whether patterns change in every bar.
    singer : str
        Key of `voice.SINGERS`.
    vocal_position : float
        Panning, -1 to 1.
    vocal_double : bool
        Whether a second take is panned to the opposite side.
    mono_vocals : bool
        Whether both channels of the vocals are equal to the last bit.
    gliding : bool
        Long glides and a wide vibrato.
    intro_bars : int
        Bars before the voice enters.
    layers : tuple of (str, str)
        Instruments of the harmony and their pattern kinds.
    layer_positions : tuple of float
    bass, bass_position
        Instrument and panning.
    late_drums : bool
        Whether the drums are digital silence for the first half.
    reverb_seconds : float
        0 for a dry song.
    reverb_wet : float
    levels : dict of str to float
        dB against the drums for bass and other, against the accompaniment for vocals.
    """

    split: str
    index: int
    name: str
    style: str
    sixteenth: int
    beats: int
    bars: int
    swing: float
    tonic: int
    minor: bool
    progression: tuple[str, ...]
    chord_beats: int
    human: bool
    through_composed: bool
    singer: str
    vocal_position: float
    vocal_double: bool
    mono_vocals: bool
    gliding: bool
    intro_bars: int
    layers: tuple[tuple[str, str], ...]
    layer_positions: tuple[float, ...]
    bass: str
    bass_position: float
    late_drums: bool
    reverb_seconds: float
    reverb_wet: float
    levels: dict[str, float]

    @property
    def bar(self) -> int:
        """Return the samples of a bar."""
        return 4 * self.beats * self.sixteenth

    @property
    def tempo(self) -> float:
        """Return the beats per minute."""
        return 60.0 * SAMPLE_RATE / (4 * self.sixteenth)

    @property
    def key(self) -> str:
        """Return the key in words, e.g. ``"F# minor"``."""
        return f"{PITCH_CLASSES[self.tonic]} {'minor' if self.minor else 'major'}"


def dice_for(split: str, index: int, purpose: str) -> Dice:
    """Return the random stream of one part of one song.

    Raises
    ------
    UnknownNameError, ConfigError
        For an unknown split or a negative index.
    """
    if split not in SPLITS:
        raise UnknownNameError("split of the demo", split, SPLITS)
    if index < 0:
        raise ConfigError(f"song index {index} of the demo is negative; the first song is 0")
    return Dice(GENERATOR_VERSION, split, index, purpose)


def song_name(split: str, index: int) -> str:
    """Return the name of a song, e.g. ``"test-00 Midnight Tram"``: ASCII, safe as a file name, unique by its number."""
    dice = dice_for(split, index, "name")
    return f"{split}-{index:02d} {dice.pick(FIRST_WORDS)} {dice.pick(SECOND_WORDS)}"


def song_names(split: str, n_songs: int, variant: str = "default") -> list[str]:
    """Return the names of the first songs of a split, without rendering them; the same in every variant.

    Raises
    ------
    UnknownNameError, ConfigError
        For an unknown split or variant, or a negative number of songs.
    """
    stems_of(variant)
    if n_songs < 0:
        raise ConfigError(f"n_songs of the demo is {n_songs}; expected 0 or more")
    return [song_name(split, index) for index in range(n_songs)]


_FEATURED_STYLES = ("dance", "ballad", "rock", "pop", "ballad", "groove")


def plan_song(split: str, index: int) -> SongPlan:
    """Decide what a song is to be.

    Raises
    ------
    UnknownNameError, ConfigError
        As `dice_for`.
    """
    dice = dice_for(split, index, "plan")
    style_name = dice.pick(tuple(STYLES))
    if index < len(_FEATURED_STYLES):
        style_name = _FEATURED_STYLES[index]
    return _featured(_draw(split, index, style_name, dice), dice)


def _draw(split: str, index: int, style_name: str, dice: Dice) -> SongPlan:
    """Draw a song of a style with everything left to chance."""
    style = STYLES[style_name]
    sixteenth = round(15.0 * SAMPLE_RATE / dice.uniform(*style.tempo))
    minor = dice.chance(0.45)
    progression = tuple(dice.pick(MINOR_PROGRESSIONS if minor else MAJOR_PROGRESSIONS).split())
    short_loop = dice.chance(0.5)
    layers = tuple(dice.shuffled(style.harmony)[:2])
    side = dice.pick((-1.0, 1.0))
    return SongPlan(
        split=split,
        index=index,
        name=song_name(split, index),
        style=style_name,
        sixteenth=sixteenth,
        beats=style.beats,
        bars=dice.pick(_lengths(4 * style.beats * sixteenth)[-2:]),
        swing=dice.pick(style.swing),
        tonic=dice.index(12),
        minor=minor,
        progression=progression if style.beats == 4 or not short_loop else progression[:2],
        chord_beats=2 if short_loop and style.beats == 4 else style.beats,
        human=not style.electronic or dice.chance(0.2),
        through_composed=dice.chance(0.15),
        singer=dice.pick(("soprano", "alto", "tenor", "baritone")),
        vocal_position=0.0 if dice.chance(0.7) else dice.uniform(-0.5, 0.5),
        vocal_double=dice.chance(0.25),
        mono_vocals=False,
        gliding=dice.chance(0.15),
        intro_bars=dice.weighted((0, 1, 2), (0.35, 0.4, 0.25)),
        layers=layers,
        layer_positions=(side * dice.uniform(0.2, 0.8), -side * dice.uniform(0.1, 0.8)),
        bass=dice.pick(style.bass),
        bass_position=0.0 if dice.chance(0.85) else dice.uniform(-0.3, 0.3),
        late_drums=False,
        reverb_seconds=dice.uniform(0.5, 2.2) if dice.chance(0.75) else 0.0,
        reverb_wet=dice.uniform(0.12, 0.4),
        levels={
            "bass": dice.uniform(-3.5, -1.0),
            "other": dice.uniform(-2.0, 0.8),
            "vocals": dice.uniform(-5.0, -0.5),
        },
    )


def _lengths(bar: int) -> list[int]:
    """Return the even numbers of bars, of so many samples, that make a song neither too short nor too long."""
    seconds = {bars: bars * bar / SAMPLE_RATE + TAIL_SECONDS for bars in range(4, 21, 2)}
    return [bars for bars, length in seconds.items() if MIN_SECONDS <= length <= MAX_SECONDS]


def _featured(plan: SongPlan, dice: Dice) -> SongPlan:
    """Put what the index of the first six songs stands for over what was drawn."""
    by_hand: dict[str, Any] = {"human": True, "through_composed": False, "gliding": False}
    centred: dict[str, Any] = {"vocal_position": 0.0, "vocal_double": False}
    changes: dict[int, dict[str, Any]] = {
        0: centred
        | {"human": False, "through_composed": False, "gliding": False, "chord_beats": 2, "intro_bars": 0}
        | {"bars": _lengths(plan.bar)[-1]}
        | {"layers": (("synth pluck", "arpeggio"), ("pad", "sustain")), "reverb_seconds": 0.6, "reverb_wet": 0.12},
        1: by_hand
        | centred
        | {"layers": (("nylon guitar", "arpeggio"), ("pad", "sustain")), "chord_beats": 4, "intro_bars": 1}
        | {"reverb_seconds": dice.uniform(1.1, 1.6), "reverb_wet": 0.25},
        2: by_hand | centred | {"mono_vocals": True, "reverb_seconds": 0.7, "reverb_wet": 0.2, "intro_bars": 1},
        3: by_hand
        | {"vocal_position": dice.pick((-0.45, 0.45)), "vocal_double": True, "bass_position": 0.0, "intro_bars": 0}
        | {"layers": (("steel guitar", "strum"), ("electric piano", "stab")), "layer_positions": (0.75, -0.7)}
        | {"reverb_seconds": 0.9, "reverb_wet": 0.2},
        4: by_hand | centred | {"late_drums": True, "intro_bars": 0, "reverb_seconds": 0.6, "reverb_wet": 0.12},
        5: {
            "human": True,
            "through_composed": True,
            "gliding": True,
            "intro_bars": 1,
            "singer": dice.pick(("alto", "soprano")),
        }
        | {"layers": (("electric guitar", "scratch"), ("mallet", "arpeggio")), "vocal_position": 0.15}
        | {"reverb_seconds": 2.4, "reverb_wet": 0.5, "chord_beats": 4},
    }
    return replace(plan, **changes.get(plan.index, {}))
