"""Listeners and answers are kept, once each."""

from __future__ import annotations

import sqlite3
import stat

import pytest

from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.listening.server.database import Vanished
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
    with pytest.raises(Conflict, match="all 1 places"):
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


def test_a_deleted_listener_leaves_nothing_but_a_number_in_the_audit_trail(store) -> None:
    one, two = store.add("trials", way="panel", code="5f00secret"), store.add("trials")
    _save(store, one, 0)
    _save(store, two, 0)
    assert store.delete("5f00secret", "asked for it") == 1
    assert [person.number for person in store.listeners()] == [two.number]
    assert [answer.listener for answer in store.answers()] == [two.number]
    assert [(a.action, a.number, a.reason, a.answers) for a in store.audit()] == [("delete", 0, "asked for it", 1)]
    for file in store.path.parent.iterdir():  # neither in the file nor in its log
        assert b"5f00secret" not in file.read_bytes()
    three = store.add("trials")  # what follows goes on: numbers are not given twice
    assert three.number == 2
    assert _save(store, three, 0)
    with pytest.raises(UnknownNameError, match="unknown listener '5f00secret'; known: L002, L003"):
        store.delete("5f00secret", "again")


def test_a_vanished_file_is_told_and_what_was_in_it_is_kept(store) -> None:
    one = store.add("trials")
    _save(store, one, 0)
    store.path.rename(store.path.with_name("moved.sqlite"))
    assert store.database.vanished
    for step in (1, 2):
        with pytest.raises(Vanished, match=r"was deleted or replaced .* in .*ratings\.rescued\.sqlite"):
            _save(store, one, step)
    rescued = sqlite3.connect(store.path.with_name("ratings.rescued.sqlite"))
    assert rescued.execute("SELECT count(*) FROM answers").fetchone() == (1,)
    rescued.close()


def test_a_copy_is_whole_while_the_file_is_written_to(store, tmp_path) -> None:
    one = store.add("trials")
    _save(store, one, 0)
    store.database.backup(tmp_path / "copy.sqlite")
    assert stat.S_IMODE((tmp_path / "copy.sqlite").stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="exists already"):
        store.database.backup(tmp_path / "copy.sqlite")
    _save(store, one, 1)
    assert store.path.with_name("ratings.sqlite-wal").stat().st_size > 0
    store.database.fold()
    assert store.path.with_name("ratings.sqlite-wal").stat().st_size == 0
    for path, answers in ((tmp_path / "copy.sqlite", 1), (store.path, 2)):
        alone = sqlite3.connect(f"file:{path}?immutable=1", uri=True)  # without any log beside it
        assert alone.execute("SELECT count(*) FROM answers").fetchone() == (answers,)
        alone.close()


def test_readers_do_not_wait_for_a_writer(store, tmp_path) -> None:
    one = store.add("trials")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute(
        "BEGIN IMMEDIATE"
    )  # as an experimenter's tool that stays in a transaction; it would be waited for 30 s
    assert store.find(one.token).code == "L001"
    assert len(store.listeners()) == 1
    again = Store(tmp_path / "x.results", "sum")
    assert again.answers() == []
    again.close()
    other.execute("ROLLBACK")
    other.close()
