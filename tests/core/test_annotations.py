"""What was played: read from a file, cut to the part of a track that is used."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mss_bench.core.annotations import Annotations
from mss_bench.datasets.catalog import get_dataset
from mss_bench.errors import DatasetError

CONTENT = {
    "beats": [0.0, 1.0, 2.0, 3.0],
    "stems": {
        "vocals": {"f0": {"times": [0.0, 1.0, 2.0], "hertz": [0.0, 220.0, 230.0]}},
        "drums": {"hits": [{"onset": 2.5, "drum": "snare"}, {"onset": 1.5, "drum": "kick"}]},
        "bass": {"notes": [{"onset": 1.2, "offset": 9.0, "pitch": 57}, {"onset": 0.5, "offset": 1.1, "pitch": 69}]},
    },
}


@pytest.fixture
def write(tmp_path):
    def to_file(content, **part):
        (tmp_path / "annotations.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return Annotations(tmp_path / "annotations.json", **part)

    return to_file


def test_everything_is_in_order_of_time(write):
    known = write(CONTENT)
    np.testing.assert_array_equal(known.beats(), [0, 1, 2, 3])
    np.testing.assert_array_equal(known.onsets("drums"), [1.5, 2.5])
    np.testing.assert_allclose(known.notes("bass"), [[0.5, 1.2], [1.1, 9.0], [440, 220]])
    np.testing.assert_array_equal(known.f0("vocals"), [[0, 1, 2], [0, 220, 230]])


def test_a_part_has_times_of_its_own(write):
    known = write(CONTENT, start=1.0, duration=1.5)
    np.testing.assert_array_equal(known.beats(), [0, 1])
    np.testing.assert_array_equal(known.onsets("drums"), [0.5])
    np.testing.assert_allclose(known.notes("bass"), [[0.2], [1.5], [220]])
    np.testing.assert_array_equal(known.f0("vocals"), [[0, 1], [220, 230]])


def test_what_the_file_does_not_say_is_none(write):
    known = write({"stems": {"vocals": {}}})
    assert [known.beats(), known.f0("vocals"), known.onsets("drums"), known.notes("bass")] == [None] * 4


@pytest.mark.parametrize(
    "content",
    [
        "{", "[]", {"beats": ["a"]}, {"beats": 3}, {"beats": [float("nan")]}, {"stems": []}, {"stems": {"x": 1}},
        {"stems": {"x": {"hits": [1]}}}, {"stems": {"x": {"notes": [{"onset": 1}]}}},
        {"stems": {"x": {"f0": {"times": [1, 2], "hertz": [1]}}}}, {"stems": {"x": {"f0": []}}},
        {"stems": {"x": {"hits": 5}}}, {"stems": {"x": {"notes": 5}}},
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_expected_is_named(write, content):
    known = write(content)
    with pytest.raises(DatasetError, match=r"annotations\.json"):
        [known.beats(), known.f0("x"), known.onsets("x"), known.notes("x")]


def test_the_demo_has_them_and_an_excerpt_too():
    track = get_dataset("demo").tracks(max_tracks=1, duration=3.0)[0].load()
    assert track.annotations.beats()[0] == 0
    times, hertz = track.annotations.f0("vocals")
    assert times[-1] < 3
    assert hertz.max() > 200
    assert track.annotations.onsets("drums").size > 10
    assert track.annotations.notes("bass")[1].max() <= 3
