"""What may be drawn for a song: a name, and for each kind of music tempo, instruments and chords."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIRST_WORDS", "MAJOR_PROGRESSIONS", "MINOR_PROGRESSIONS", "SECOND_WORDS", "STYLES", "Style"]


@dataclass(frozen=True)
class Style:
    """A kind of music: what may be drawn for it."""

    tempo: tuple[int, int]
    harmony: tuple[tuple[str, str], ...]  # (instrument, pattern kind) layers; each song draws two
    bass: tuple[str, ...]
    electronic: bool
    swing: tuple[float, ...]
    beats: int = 4


STYLES: dict[str, Style] = {
    "dance": Style(
        (116, 128),
        (("synth pluck", "arpeggio"), ("pad", "sustain"), ("organ", "offbeat")),
        ("synth bass",),
        True,
        (0.0,),
    ),
    "pop": Style(
        (96, 120),
        (("steel guitar", "strum"), ("pad", "sustain"), ("electric piano", "stab"), ("synth pluck", "arpeggio")),
        ("finger bass", "synth bass"),
        False,
        (0.0, 0.0, 0.25),
    ),
    "ballad": Style(
        (70, 88),
        (("nylon guitar", "arpeggio"), ("electric piano", "stab"), ("pad", "sustain"), ("harp", "arpeggio")),
        ("finger bass",),
        False,
        (0.0, 0.15),
    ),
    "rock": Style((108, 140), (("electric guitar", "drive"), ("organ", "sustain")), ("finger bass",), False, (0.0,)),
    "groove": Style(
        (90, 106),
        (("electric guitar", "scratch"), ("electric piano", "stab"), ("organ", "offbeat"), ("steel guitar", "scratch")),
        ("finger bass", "synth bass"),
        False,
        (0.0, 0.2, 0.5),
    ),
    "waltz": Style(
        (104, 138),
        (("nylon guitar", "waltz"), ("pad", "sustain"), ("harp", "arpeggio"), ("organ", "waltz")),
        ("finger bass",),
        False,
        (0.0,),
        3,
    ),
}

MAJOR_PROGRESSIONS = (
    "I V vi IV",
    "I vi IV V",
    "vi IV I V",
    "I IV vi V",
    "I iii IV V",
    "IV I V vi",
    "I ii IV V",
    "Imaj7 vi7 ii7 V7",
)
MINOR_PROGRESSIONS = (
    "i VI III VII",
    "i iv VI V",
    "i VII VI VII",
    "i III VII iv",
    "VI VII i i",
    "i v VI iv",
    "i7 iv7 VII IIImaj7",
)

# fmt: off
FIRST_WORDS = (
    "Midnight", "Paper", "Silver", "Northern", "Hollow", "Velvet", "Electric", "Quiet", "Amber", "Distant",
    "Broken", "Golden", "Winter", "Neon", "Salt", "Summer", "Copper", "Lonely", "Crystal", "Wild", "Faded",
    "Second", "Slow", "Painted", "Early", "Hidden", "Borrowed", "Glass", "Little", "Restless", "Blue", "Endless",
)
SECOND_WORDS = (
    "Tram", "Harbour", "Lantern", "River", "Mirror", "Garden", "Signal", "Avenue", "Horizon", "Letters",
    "Carousel", "Bridges", "Weather", "Satellite", "Orchard", "Station", "Shadow", "Parade", "Island", "Window",
    "Thunder", "Compass", "Rooftops", "Ferry", "Echo", "Postcard", "Meadow", "Fires", "Circus", "Daybreak",
    "Tide", "Balcony",
)
# fmt: on
