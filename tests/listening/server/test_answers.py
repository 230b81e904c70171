"""What a listener's browser may send."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mss_bench.listening.catalogue import Catalogue
from mss_bench.listening.pack_format import PackTask, Trial
from mss_bench.listening.questionnaire import STANDARD, Item, standard
from mss_bench.listening.server.answers import (
    RequestError,
    check_answer,
    check_name,
    check_questionnaire,
)

from .conftest import USUAL_ANSWERS, valid_answer

TASK = PackTask("quality", "?", 0.0, 100.0, [])
MULTI = Trial("0" * 12, "multi", "quality", "", 8.0, ["a", "b", "c"], reference="r")
GRADED = Trial("0" * 12, "single", "grade", "", 8.0, ["a"])
PAIR = Trial("0" * 12, "preference", "preference", "", 8.0, ["a", "b"])
ABX = Trial("0" * 12, "abx", "identity", "", 8.0, ["a", "b", "x"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [10, 140, 20]}, r"scores\[1\] is '140', expected a number from 0 to 100"),
        ({"scores": [10, -1, 20]}, r"scores\[1\]"),
        ({"scores": [10, math.nan, 20]}, r"scores\[1\] is 'nan'"),
        ({"scores": [10, True, 20]}, r"scores\[1\] is 'True'"),
        ({"scores": [10, "20", 20]}, r"scores\[1\]"),
        ({"scores": [10.0] * 13}, "scores has 13 values, this trial has 3 signals"),
        ({"scores": [10, 20]}, "scores has 2 values, this trial has 3 signals"),
        ({"scores": {"a": 1}}, "scores must be a list"),
        ({"moved": [True, False, True]}, "signal 2 was not rated"),
        ({"moved": [True, 1, True]}, "moved must be 3 times true or false"),
        ({"heard": [9, 9, 0.2, 9]}, "signal 3 was listened to for 0.20 s, expected at least 0.95 s"),
        ({"heard": [9, 9, 9]}, "heard has 3 values, this trial has 4 signals"),
        ({"ms": -5}, "ms is '-5'"),
        ({"ms": 1e300}, "ms is"),
        ({"id": "short"}, "id is not 16 to 64"),
        ({"id": ["0123456789abcdef"]}, "id is not"),
        ({"system": "mine"}, "unknown: system"),
    ],
)
def test_each_field_is_checked(change: dict, message: str) -> None:
    raw = valid_answer(MULTI) | change
    with pytest.raises(RequestError, match=message):
        check_answer(raw, MULTI, TASK)


def test_an_answer_that_fits_is_taken() -> None:
    assert check_answer(valid_answer(MULTI), MULTI, TASK) == (
        "0123456789abcdef", {"scores": [0.0, 20.0, 40.0], "heard": [1.0] * 4}, 5000.0,
    )  # fmt: skip
    assert check_answer(valid_answer(PAIR) | {"choice": None}, PAIR, TASK)[1]["choice"] is None
    assert check_answer(valid_answer(ABX) | {"choice": 1}, ABX, TASK)[1]["choice"] == 1


def test_grades_are_whole_and_a_single_sound_is_heard_to_its_end() -> None:
    scale = PackTask("grade", "?", 1.0, 5.0, [])
    raw = valid_answer(GRADED) | {"heard": [8.0]}
    assert check_answer(raw, GRADED, scale)[1]["scores"] == [3.0]
    with pytest.raises(RequestError, match="expected a whole grade"):
        check_answer(raw | {"scores": [3.5]}, GRADED, scale)
    with pytest.raises(RequestError, match=r"expected at least 7\.60 s"):
        check_answer(raw | {"heard": [4.0]}, GRADED, scale)


@pytest.mark.parametrize("choice", [2, -1, True, "0", [0], 0.5])
def test_a_choice_is_one_of_the_two(choice: object) -> None:
    with pytest.raises(RequestError, match="choice is"):
        check_answer(valid_answer(PAIR) | {"choice": choice}, PAIR, TASK)


def test_abx_has_no_undecided() -> None:
    with pytest.raises(RequestError, match=r"expected 0 to 1$"):
        check_answer(valid_answer(ABX) | {"choice": None}, ABX, TASK)


def test_a_vote_is_for_one_of_all() -> None:
    votes = Trial("t", "votes", "best", "", 3.0, ["a", "b", "c"])
    assert check_answer(valid_answer(votes) | {"choice": 2}, votes, TASK)[1]["choice"] == 2
    for choice in (3, None, True):
        with pytest.raises(RequestError, match=r"choice is .*, expected 0 to 2$"):
            check_answer(valid_answer(votes) | {"choice": choice}, votes, TASK)


def test_the_questionnaire_takes_its_own_choices_only() -> None:
    asked = [standard(name, Catalogue()) for name in STANDARD]
    raw = USUAL_ANSWERS | {"remarks": "fine"}
    assert check_questionnaire(dict(raw), asked) == raw
    for change in ({"device": "a tin can"}, {"remarks": "x" * 2001}, {"remarks": 5}, {"email": "me"}):
        with pytest.raises(RequestError):
            check_questionnaire(raw | change, asked)
    assert check_questionnaire(raw | {"remarks": "a\x00b\nc"}, asked)["remarks"] == "ab\nc"
    with pytest.raises(RequestError, match="name is empty"):
        check_name("  ")


@pytest.mark.parametrize(
    ("item", "good", "bad"),
    [
        (Item(name="age", question="Age?", kind="number", low=18, high=99), ["18", "40.5"], ["", "17", "x", "nan"]),
        (Item(name="age", question="Age?", kind="number", required=False), ["", "-3"], ["-inf", "1e999"]),
        (Item(name="choir", question="Choir?", kind="choice", choices=("a", "b")), ["a"], ["", "c"]),
        (Item(name="tired", question="Tired?", kind="scale", points=3, labels=("no", "very")), ["1", "3"], ["4", "no"]),
        (Item(name="job", question="Job?"), ["x"], ["", "  "]),
    ],
)  # fmt: skip
def test_questions_of_ones_own_take_what_fits_them(item: Item, good: list[str], bad: list[str]) -> None:
    asked = [item.written(Catalogue())]
    for text in good:
        assert check_questionnaire({item.name: text}, asked) == {item.name: text}
    for text in bad:
        with pytest.raises(RequestError, match=item.name):
            check_questionnaire({item.name: text}, asked)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(["id", "ms", "heard", "scores", "moved"]), _JSON)
def test_anything_else_is_refused_and_never_breaks_the_server(name: str, value: object) -> None:
    raw = valid_answer(MULTI) | {name: value}
    try:
        _, answer, ms = check_answer(raw, MULTI, TASK)
    except RequestError:
        return
    assert 0 <= ms <= 86_400_000
    assert len(answer["scores"]) == 3
    assert all(0 <= s <= 100 for s in answer["scores"])
