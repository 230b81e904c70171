"""Words that files are called by."""

import pytest

from mss_bench.core.names import POSSIBLE, SYNONYMS, is_hidden, is_system, known_stem, spelling_key, without_extension


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("Mixture", "mixture"), ("linear_mixture", "mixture"), ("MIX", "mixture"), ("No Vocals", "accompaniment"),
        ("karaoke", "accompaniment"), ("Instrumental", "accompaniment"), ("VOX", "vocals"), ("Drum", "drums"),
        ("guitars", "guitar"), ("backing", None), ("original", None), ("backing vocals", None), ("synth", None),
    ],
)  # fmt: skip
def test_a_word_is_known_or_is_not(word, stem):
    assert known_stem(word) == stem


def test_no_word_means_two_things():
    words = [spelling_key(word) for words in (*SYNONYMS.values(), tuple(POSSIBLE)) for word in words]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("name", "system", "hidden"),
    [
        ("._x.stem.mp4", True, True), (".DS_Store", True, True), ("__MACOSX", True, True), ("@eaDir", True, True),
        ("Thumbs.db", True, True), ("lost+found", True, True), (".hidden.wav", False, True),
        ("vocals.wav", False, False),        ("...And Justice", False, False),
    ],
)  # fmt: skip
def test_what_systems_leave_behind_is_known(name, system, hidden):
    assert (is_system(name), is_hidden(name)) == (system, hidden)


def test_only_extensions_of_audio_are_taken_off():
    assert [without_extension(n) for n in ("a.WAV", "v1.0", "a.b.mp3")] == ["a", "v1.0", "a.b"]
