"""References are told from what they are named after: against their mixture, and by how they sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.core.tracks import Audio, Stems
from mss_bench.datasets.catalog import get_dataset
from mss_bench.datasets.consistency import compare_with_mixture, implausible
from mss_bench.datasets.demo import render

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")
Song = tuple[Stems, Audio]


@pytest.fixture(scope="module")
def real(excerpt: Path) -> Song:
    (track,) = get_dataset("musdb18hq", root=excerpt).tracks("train")
    loaded = track.load()
    return dict(loaded.references), loaded.mixture


@pytest.fixture(scope="module")
def demo() -> Song:
    song = render("test", 1)
    return {k: song.stems[k][:, : 8 * RATE] for k in STEMS}, song.mixture[:, : 8 * RATE]


@pytest.fixture(params=["real", "demo"])
def song(request: pytest.FixtureRequest) -> Song:
    return request.getfixturevalue(request.param)


def _drifting(stem: Audio) -> Audio:
    index = np.arange(stem.shape[1])
    return np.stack([np.interp(index * (1 + 4e-4), index, channel) for channel in stem]).astype(np.float32)


def _late(stem: Audio) -> Audio:
    return np.pad(stem, ((0, 0), (441, 0)))[:, : stem.shape[1]]


FAULTS: dict[str, tuple[Callable[[Audio], Audio], str, float]] = {
    "gain": (lambda s: np.float32(0.5) * s, "warning", 20 * np.log10(0.5)),
    "polarity": (lambda s: -s, "error", np.nan),
    "lag": (_late, "error", 441),
    "drift": (_drifting, "error", -400),
}


@pytest.mark.parametrize("stem", ["vocals", "bass"])
@pytest.mark.parametrize("code", FAULTS)
def test_the_fault_of_a_stem_explains_why_the_sum_differs(song: Song, code: str, stem: str) -> None:
    stems, mixture = song
    fault, severity, value = FAULTS[code]
    total, found = compare_with_mixture(stems | {stem: fault(stems[stem])}, mixture, RATE)
    assert (total.part, total.code, total.severity) == ("mixture", "sum", "warning")
    assert (found.part, found.code, found.severity) == (stem, code, severity)
    assert found.value == pytest.approx(value, rel=0.06, nan_ok=True)


def test_sound_references_have_a_note_alone(song: Song) -> None:
    stems, mixture = song
    (note,) = compare_with_mixture(stems, mixture, RATE) + implausible(stems, RATE)
    assert (note.code, note.severity) == ("sum", "note")


@pytest.mark.parametrize("stem", STEMS)
def test_a_stem_in_the_place_of_the_mixture_is_an_error(song: Song, stem: str) -> None:
    stems, mixture = song
    _, exchanged = compare_with_mixture(stems | {stem: mixture}, stems[stem], RATE)
    assert (exchanged.part, exchanged.code, exchanged.severity) == (stem, "swapped_names", "error")
    _, copied = compare_with_mixture(stems | {stem: mixture}, mixture, RATE)
    assert (copied.part, copied.code, copied.severity) == (stem, "mixture", "error")


def test_a_mixture_that_was_normalised_is_named_and_not_its_stems(song: Song) -> None:
    stems, mixture = song
    _, found = compare_with_mixture(stems, np.float32(0.7) * mixture, RATE)
    assert (found.part, found.code) == ("mixture", "gain")
    assert found.value == pytest.approx(20 * np.log10(0.7), abs=0.05)


def test_a_fold_is_one_of_the_stems_without_a_side(song: Song) -> None:
    stems, mixture = song
    other = np.repeat(stems["other"].mean(axis=0, keepdims=True), 2, axis=0)
    louder = np.float32(2)  # the real song's side is faint
    folded = {k: louder * s if k == "other" else s for k, s in (stems | {"other": other}).items()}
    _, found = compare_with_mixture(folded, mixture + (louder - 1) * stems["other"], RATE)
    assert (found.code, found.severity) == ("mono", "warning")
    assert "other" in found.part
    assert "vocals" not in found.part


def test_a_silenced_stem_is_named(song: Song) -> None:
    stems, mixture = song
    (found,) = compare_with_mixture(stems | {"drums": 0 * mixture}, mixture, RATE)
    assert "drums is silent" in found.message


@pytest.mark.parametrize("pair", [("drums", "bass"), ("vocals", "drums")])
def test_exchanged_names_are_told_by_their_sound(song: Song, pair: tuple[str, str]) -> None:
    stems, _ = song
    one, two = pair
    (found,) = implausible(stems | {one: stems[two], two: stems[one]}, RATE)
    assert (found.part, found.code, found.severity) == (one, "implausible", "warning")
    assert f"sounds like {two}" in found.message


def test_lengths_and_channels_are_compared_where_the_mixture_is_the_sum(tmp_path: Path) -> None:
    from mss_bench.datasets.doctor import examine

    noise = np.random.default_rng(0).standard_normal((2, 8000)).astype(np.float32)
    for name, array in (("vocals", noise), ("drums", noise[:, :-7]), ("bass", noise[:1]), ("other", noise)):
        audio.write(tmp_path / "data" / "Song" / f"{name}.wav", 0.1 * array, 8000)
    (tmp_path / "catalog.yaml").write_text(
        "sums:\n  layout: stems\n  root: data\n  sample_rate: 8000\n  mixture: sum\n"
        "  stems: [vocals, drums, bass, other]\n"
    )
    dataset = get_dataset("sums", [tmp_path / "catalog.yaml"])
    report = examine(dataset, dataset.tracks())
    shapes = {f.part: f.message for f in report.findings if f.code == "shape"}
    assert set(shapes) == {"drums", "bass"}
    assert "7993 samples" in shapes["drums"]
    assert "1 channels" in shapes["bass"]
    assert report.errors == 2
