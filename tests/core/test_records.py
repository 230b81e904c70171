"""Plain data to typed records."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

import pytest

from mss_bench.core.records import built


class Song(TypedDict):
    name: str
    year: NotRequired[int]


@dataclass
class Take:
    title: str
    gain: float = 0.0
    marks: tuple[str, ...] = ()
    songs: dict[str, Song] = field(default_factory=dict)
    kind: Literal["live", "studio"] = "live"
    note: str | None = None


def test_what_fits_is_built() -> None:
    take = built(Take, {"title": "a", "gain": 1, "marks": ["x"], "songs": {"s": {"name": "n", "more": 1}}})
    assert take == Take("a", 1.0, ("x",), {"s": {"name": "n", "more": 1}})  # type: ignore[typeddict-unknown-key]
    assert math.isnan(built(Take, {"title": "a", "gain": math.nan}).gain)
    assert built(Any, [1]) == [1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "the content is a list, expected a mapping"),
        ({}, "title of the content missing"),
        ({"title": 1}, "title is a whole number, expected text"),
        ({"title": "a", "gain": True}, "gain is true or false, expected a number"),
        ({"title": "a", "gain": 10**400}, "gain is a whole number that is too large"),
        ({"title": "a", "marks": "xy"}, "marks is text, expected a list"),
        ({"title": "a", "marks": ["x", None]}, "marks[1] is null, expected text"),
        ({"title": "a", "songs": {"s": {"year": 1}}}, "name of songs.s missing"),
        (
            {"title": "a", "songs": {"s": {"name": "n", "year": 1.5}}},
            "songs.s.year is a number, expected a whole number",
        ),
        ({"title": "a", "kind": ["live"]}, "kind is ['live'], expected live or studio"),
        ({"title": "a", "note": 1}, "note is a whole number, expected text"),
        ({"title": "a", "colour": 1}, "the content has colour, which nothing is known of"),
    ],
)
def test_what_does_not_fit_is_named(given: object, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        built(Take, given)
    assert str(caught.value) == said
