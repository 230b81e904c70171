"""The table of ratings: one row a rated signal, whatever player it comes from."""

from __future__ import annotations

import re
from enum import StrEnum

__all__ = ["RATING_COLUMNS", "Role", "excerpt_of", "song_of"]

_EXCERPT = re.compile(r"(?P<track>.*?) @(?P<start>\d+(?:\.\d+)?)(?: [+-][\d.]+ dB)?")


class Role(StrEnum):
    """What a signal is in its trial."""

    TEST = "test"
    """An estimate of a system."""
    REFERENCE = "reference"
    """The hidden reference."""
    ANCHOR = "anchor"


RATING_COLUMNS: dict[str, str] = {
    "test": "string",  # the test's name
    "listener": "string",  # a code, never a name
    "session": "string",  # one sitting of a listener
    "trial": "string",
    "item": "string",  # what was played: track and excerpt
    "target": "string",
    "task": "string",  # the attribute that was rated
    "system": "string",  # the method's label; "reference", or the anchor's name
    "role": "string",  # Role
    "score": "float64",  # on the task's scale; for pairs 1 chosen, 0 not, 0.5 no difference; for ABX 1 right, 0 wrong
    "position": "int64",  # of the signal in its trial as shown, from 0; -1 where unknown
    "order": "int64",  # of the trial in the session, from 0; -1 where unknown
    "replicate": "bool",  # the trial repeats an earlier one
    "moved": "bool",  # the listener touched the control
    "ms": "float64",  # time on the trial; NaN where unknown
}
"""Columns of the long table of ratings. A pair is two rows of one trial."""


def excerpt_of(item: str) -> tuple[str, float | None]:
    """Track and start in seconds of an item: of ``"Song A @31.5 +6 dB"`` Song A and 31.5; None where it has none."""
    match = _EXCERPT.fullmatch(item)
    return (match["track"], float(match["start"])) if match else (item, None)


def song_of(item: str) -> str:
    """The song of an item. Excerpts and remixes of one song are not independent: what resamples or leaves out items
    does so by song."""
    return excerpt_of(item)[0]
