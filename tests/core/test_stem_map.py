"""The map of the names of stems: its forms, what it refuses, and what it makes of arrays."""

import numpy as np
import pytest

from mss_bench.core.config import parse_yaml
from mss_bench.core.parameters import MappingError, Parameterized, param
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import Targets
from mss_bench.errors import ConfigError, UnknownNameError

FOUR = Targets(("vocals", "drums", "bass", "other"), {"accompaniment": ("drums", "bass", "other")})
ORDER = ("vocals", "drums", "bass", "other", "guitar", "piano", "lead", "accompaniment")
TONES = {name: np.full((2, 5), 2.0**k, np.float32) for k, name in enumerate(ORDER)}
MIXTURE = np.full((2, 5), 1000, np.float32)


class Reader(Parameterized):
    """Read stems."""

    map: StemMap = param(StemMap(), doc="Names.")


def mapped(text, *delivered, targets=FOUR):
    stem_map = StemMap.from_parameter(text)
    stem_map.check_targets(targets)
    stems, problems = stem_map.apply({name: TONES[name] for name in delivered}, MIXTURE, targets)
    assert stem_map.names(delivered, targets) == tuple(stems), "what is planned is what comes"
    return {name: float(stem[0, 0]) for name, stem in stems.items()}, problems


@pytest.mark.parametrize(
    ("text", "yaml"),
    [
        ("vocals=lead", "{vocals: lead}"),
        ("other=guitar+piano+other", "{other: [guitar, piano, other]}"),
        ("other=guitar+piano", "{other: guitar + piano}"),
        ("accompaniment=mixture-vocals-drums", "{accompaniment: Mixture - vocals - drums}"),
        ("vocals=lead-vocals + backing-vocals", "{vocals: [lead-vocals, backing-vocals]}"),
        ("other=mixture - lead-vocals", "{other: mixture - lead-vocals}"),
        ("drums=bass;bass=drums", "{drums: bass, bass: drums}"),
        ("none", "none"),
    ],
)
def test_every_form_is_the_same_map_and_prints_as_the_option(text, yaml):
    written = Reader.from_mapping(parse_yaml(f"map: {yaml}", "run.yaml")).map
    assert written == StemMap.from_parameter(text) == Reader(map=text).map
    assert str(written) == text
    assert StemMap.from_parameter(str(written)) == written


def test_several_texts_are_one_map():
    assert StemMap.from_parameter(("vocals=lead", "bass=low, other=rest")) == StemMap.from_parameter(
        {"vocals": "lead", "bass": "low", "other": "rest"}
    )
    absent, declined = StemMap.from_parameter(None), StemMap.from_parameter("none")
    assert (bool(absent), absent.declined) == (False, False)
    assert (bool(declined), declined.declined) == (False, True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("other", "expected \"vocals=lead\""),
        ("", "expected \"vocals=lead\""),
        ("vocals=lead;none", "none alone"),
        ("=guitar", "a name is missing"),
        ("other=guitar+", "a name is missing"),
        ("other=guitar=piano", "missing or malformed"),
        ("other=guitar+guitar", "guitar stands twice in other"),
        ("other=guitar;other=piano", "other is made twice"),
        ("vocals=lead;drums=lead", "lead is used for vocals and again for drums"),
        ("other=guitar+other;accompaniment=drums+bass+guitar+other", "name other among the parts"),
        ("accompaniment=mixture", "only be what a rest is taken from"),
        ("mixture=vocals+drums", "only be what a rest is taken from"),
        ("vocals=mixture-vocals", "cannot be the mixture without itself"),
        ("vocals=mixture-accompaniment;accompaniment=mixture-vocals", "are made of each other"),
        ({"other": 3}, "other is 3, expected a name, a list of names to sum, or mixture - NAME"),
        ({"other": []}, "expected a name, a list of names"),
        ((" ",), "expected \"vocals=lead\""),
        (3, "expected \"vocals=lead\""),
    ],
)  # fmt: skip
def test_what_says_nothing_or_contradicts_itself_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        StemMap.from_parameter(given)


def test_a_wrong_map_in_a_file_is_told_with_its_line():
    with pytest.raises(MappingError, match=r"run.yaml:2: map .*guitar stands twice"):
        Reader.from_mapping(parse_yaml("# names\nmap: {other: [guitar, guitar]}", "run.yaml"))


def test_rename_sum_and_rest():
    assert mapped("vocals=lead", "lead", "drums") == ({"drums": 2, "vocals": 64}, {})
    assert mapped("other=guitar+piano+other", "other", "guitar", "piano") == ({"other": 8 + 16 + 32}, {})
    assert mapped("accompaniment=mixture-vocals", "vocals") == ({"vocals": 1, "accompaniment": 999}, {})
    assert mapped("accompaniment=mixture-drums-bass", "drums", "bass")[0]["accompaniment"] == 1000 - 6
    assert mapped("drums=bass;bass=drums", "drums", "bass") == ({"drums": 4, "bass": 2}, {})
    assert mapped("none", "vocals", "guitar") == ({"vocals": 1, "guitar": 16}, {})


def test_what_is_renamed_loses_its_own_name_and_what_is_summed_keeps_it_where_it_is_scored():
    assert mapped("accompaniment=other", "vocals", "other") == ({"vocals": 1, "accompaniment": 8}, {})
    stems, _ = mapped("accompaniment=drums+bass+other", "drums", "bass", "other")
    assert stems == {"drums": 2, "bass": 4, "other": 8, "accompaniment": 14}
    assert mapped("accompaniment=drums+bass", "drums", "bass", targets=Targets(("vocals", "accompaniment"))) == (
        {"accompaniment": 6},
        {},
    )


def test_a_sum_and_a_rest_use_what_other_lines_make():
    stems, _ = mapped("accompaniment=mixture-vocals;vocals=lead", "lead")
    assert stems == {"vocals": 64, "accompaniment": 1000 - 64}
    stems, _ = mapped("accompaniment=drums+other;other=guitar+other", "drums", "other", "guitar")
    assert stems == {"drums": 2, "other": 24, "accompaniment": 26}


def test_a_stem_that_a_song_lacks_costs_the_targets_that_need_it():
    stems, problems = mapped("other=guitar+piano;accompaniment=mixture-vocals", "vocals", "guitar")
    assert stems == {"vocals": 1, "accompaniment": 999}
    assert problems == {
        "other": "other=guitar+piano: piano not delivered; if the song is complete without, deliver silence under that "
        "name"
    }
    _, problems = mapped("accompaniment=mixture-vocals;vocals=lead", "drums")
    assert set(problems) == {"vocals", "accompaniment"}


def test_a_map_that_does_not_fit_the_data_is_refused():
    with pytest.raises(UnknownNameError, match=r"map others=guitar: 'others'; did you mean 'other'"):
        StemMap.from_parameter("others=guitar").check_targets(FOUR)
    with pytest.raises(ConfigError, match="there is no stem 'gitar'; did you mean 'guitar'"):
        StemMap.from_parameter("other=gitar").check_delivered(("vocals", "guitar"))
    with pytest.raises(ConfigError, match="there is no stem 'strings'; there are vocals, guitar"):
        StemMap.from_parameter("other=mixture-strings").check_delivered(("vocals", "guitar"))
    with pytest.raises(ConfigError, match="the data set scores bass by itself"):
        StemMap.from_parameter("other=bass+guitar").check_targets(FOUR)


def test_a_stem_that_a_rest_holds_is_not_counted_beside_it():
    six = ("vocals", "drums", "bass", "other", "guitar", "piano")
    stem_map = StemMap.from_parameter(text := "other=mixture-vocals-drums-bass")
    stem_map.check_delivered(six, FOUR.stems)
    assert mapped(text, *six) == ({"vocals": 1, "drums": 2, "bass": 4, "other": 1000 - 7}, {})
    assert {name: str(line) for name, line in stem_map.unused(six, FOUR).items()} == dict.fromkeys(six[3:], text)
    assert set(mapped("other=mixture-lead-drums-bass;vocals=lead", "lead", "drums", "bass", "guitar")[0]) == set(
        FOUR.stems
    )
    sums = Targets(FOUR.stems, {"rhythm": ("drums", "bass")})
    assert "guitar" in mapped("rhythm=mixture-vocals-other", "vocals", "other", "guitar", targets=sums)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("other=mixture-vocals", r"holds drums, .* subtract that, too \(other=mixture-vocals-drums\)"),
        ("vocals=mixture-drums-other", r"holds guitar, .*\(vocals=mixture-drums-other-guitar\)"),
        ("other=guitar", r"other itself is delivered as well and would be lost; sum it, too \(other=guitar\+other\)"),
    ],
)  # fmt: skip
def test_a_map_that_would_count_a_stem_twice_or_lose_one_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        StemMap.from_parameter(text).check_delivered(("vocals", "drums", "other", "guitar"), FOUR.stems)
