"""Listeners and answers are kept, once each."""

from __future__ import annotations

import stat

import pytest

from mss_bench.errors import ConfigError
from mss_bench.listening.server.store import Conflict, Store


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "x.results", "sum")
    yield made
    made.close()


def _save(store, listener, step, submission="a" * 16, last=False):
    return store.save(listener, step, submission, "t", {"scores": [step]}, 10.0, last=last, after="questionnaire")


def test_an_answer_is_kept_once_and_in_order(store) -> None:
    one = store.add("trials")
    assert _save(store, one, 0)
    assert not _save(store, one, 0)  # the very same again
    with pytest.raises(Conflict, match="trial 1 is answered already"):
        _save(store, one, 0, "b" * 16)
    with pytest.raises(Conflict, match="trial 3 was sent, expected trial 2"):
        _save(store, one, 2)
    assert _save(store, one, 1, last=True)
    assert [(a.step, a.answer) for a in store.answers()] == [(0, {"scores": [0]}), (1, {"scores": [1]})]
    assert store.find(one.token).stage == "questionnaire"


def test_everything_is_there_when_the_file_is_opened_again(store, tmp_path) -> None:
    one = store.add("consent")
    _save(store, one, 0)
    again = Store(tmp_path / "x.results", "sum")
    assert again.experimenter == store.experimenter
    assert again.join == store.join
    assert again.find(one.token).done == 1
    again.close()
    with pytest.raises(ConfigError, match="made anew"):
        Store(tmp_path / "x.results", "another sum")


def test_links_are_the_owners_alone(store) -> None:
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    tokens = {store.add("consent").token for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(t) >= 43 for t in tokens)
    assert store.find("x" * 43) is None
    assert store.find("ü") is None


def test_a_panel_cannot_take_the_codes_of_links_to_come(store) -> None:
    store.add("consent", way="panel", code="L002")
    codes = [store.add("consent").code for _ in range(2)]
    assert len({"L002", *codes}) == 3
    assert codes[1] == "L003"


def test_a_listener_twice_is_refused(store) -> None:
    store.add("consent", way="panel", code="5f00")
    with pytest.raises(Conflict, match="'5f00' is taken"):
        store.add("consent", way="panel", code="5f00")
    with pytest.raises(Conflict, match="all the listeners"):
        store.add("consent", way="open", most=1)
    assert store.participant("5f00").number == 0
    assert store.participant("L001") is None


def test_a_page_is_left_once(store) -> None:
    one = store.add("consent")
    store.advance(one, stage="trials")
    with pytest.raises(Conflict, match="left already"):
        store.advance(one, stage="trials")
    with pytest.raises(TypeError):
        store.advance(one, token="mine")


def test_what_is_no_database_is_named(tmp_path) -> None:
    (tmp_path / "y.results").mkdir()
    (tmp_path / "y.results" / "ratings.sqlite").write_text("no database at all, but long enough to be looked at" * 20)
    with pytest.raises(ConfigError, match="cannot be used for ratings"):
        Store(tmp_path / "y.results", "sum")
