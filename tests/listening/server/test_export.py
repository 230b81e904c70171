"""From blinded answers to the long table."""

from __future__ import annotations

import csv
import io

import pytest

from mss_bench.errors import ConfigError
from mss_bench.listening.importers import import_ratings
from mss_bench.listening.pack_format import key_folder, read_key, read_pack, results_folder
from mss_bench.listening.ratings import RATING_COLUMNS
from mss_bench.listening.server.flow import Sitting
from mss_bench.listening.server.results import listeners_csv, ratings_csv, write_ratings_file
from mss_bench.listening.server.store import Store

from .conftest import read_trials, valid_answer, write_pack


@pytest.fixture
def answered(pack):
    """The first listener of the pack did every trial."""
    sitting = Sitting(pack)
    store = Store(results_folder(pack), sitting.checksum)
    one = store.add("trials")
    store.touch(one)
    steps = sitting.steps(one)
    for step in range(steps):
        trial, _ = sitting.trial(one, step)
        answer = valid_answer(trial)
        kept = {k: v for k, v in answer.items() if k in ("scores", "choice", "heard")}
        store.save(one, step, f"submission-{step:05d}", trial.id, kept, 1234.5, last=step + 1 == steps, after="done")
    yield pack, store
    store.close()


def _rows(pack, store, kind: str) -> list[dict]:
    trial = read_trials(pack)[kind]
    text = ratings_csv(read_pack(pack), read_key(pack), store)
    return [r for r in csv.DictReader(io.StringIO(text)) if r["trial"] == trial.id]


def test_scores_go_to_the_signal_that_was_shown_there(answered) -> None:
    pack, store = answered
    rows = _rows(pack, store, "multi")
    first, second = rows[:3], rows[3:]
    # The orders of the two presentations are [0, 1, 2] and [2, 0, 1]; the scores by place are 0, 20, 40
    assert [(r["system"], r["role"], r["score"], r["position"]) for r in first] == [
        ("one", "test", "0", "0"), ("reference", "reference", "20", "1"), ("lowpass_3500", "anchor", "40", "2"),
    ]  # fmt: skip
    assert [(r["system"], r["score"]) for r in second] == [("lowpass_3500", "0"), ("one", "20"), ("reference", "40")]
    assert {r["replicate"] for r in first} == {"False"}
    assert {r["replicate"] for r in second} == {"True"}
    assert {r["order"] for r in second} == {"5"}


def test_a_pair_is_two_rows_and_abx_is_one(answered) -> None:
    pack, store = answered
    rows = _rows(pack, store, "preference")
    # shown as [1, 0]: the first that was shown is "two", and it was chosen
    assert [(r["system"], r["score"], r["position"]) for r in rows] == [("two", "1", "0"), ("one", "0", "1")]
    # A and B are shown as [1, 0], X equals "one": "X is A" is wrong
    (row,) = _rows(pack, store, "abx")
    assert (row["system"], row["role"], row["score"], row["position"]) == ("one", "test", "0", "1")


def test_what_is_exported_is_what_the_analysis_reads(answered) -> None:
    pack, _ = answered
    path = write_ratings_file(pack)
    assert path == results_folder(pack) / "ratings.csv"
    frame = import_ratings([path], pack=pack).ratings
    assert list(frame.columns) == list(RATING_COLUMNS)
    assert len(frame) == 3 + 2 + 1 + 1 + 1 + 3
    assert frame["replicate"].sum() == 3
    assert set(frame["listener"]) == {"L001"}


def test_a_pack_from_a_run_is_rated_and_read_again(write_design, tmp_path) -> None:
    from mss_bench.listening.pack import make_pack

    design = write_design("systems: [centre]\nexcerpts: {count: 1, seconds: 2}\nlisteners: 1\n")
    folder = make_pack(design, tmp_path / "out", jobs=1, say=lambda _: None)
    sitting = Sitting(folder)
    store = Store(results_folder(folder), sitting.checksum)
    one = store.add("trials")
    steps = sitting.steps(one)
    for step in range(steps):
        trial, _ = sitting.trial(one, step)
        scores = {"scores": valid_answer(trial)["scores"]}
        store.save(one, step, f"submission-{step:05d}", trial.id, scores, 900.0, last=step + 1 == steps, after="done")
    store.close()
    frame = import_ratings([write_ratings_file(folder)]).ratings
    assert steps == 2  # a trial and its replicate
    assert sorted(frame["system"].unique()) == ["centre", "lowpass_3500", "lowpass_7000", "reference"]
    assert frame.groupby("replicate").size().to_dict() == {False: 4, True: 4}
    assert set(frame["session"]) == {"L001"}  # never seen by a browser: the listener's code stands for it


def test_the_listeners_table_has_no_names(answered) -> None:
    pack, store = answered
    store.add("consent", way="panel", code="5f00", panel={"STUDY_ID": "s1"})
    rows = list(csv.DictReader(io.StringIO(listeners_csv(Sitting(pack), store))))
    assert (rows[0]["listener"], rows[0]["trials"], rows[0]["stage"]) == ("L001", "6", "done")
    assert "name" not in rows[0]
    assert [row["complete"] for row in rows] == ["yes", "no"]
    assert [row["STUDY_ID"] for row in rows] == ["", "s1"]


def test_an_excluded_listener_has_no_ratings_and_a_pause_begins_a_session(answered) -> None:
    pack, store = answered

    def ratings() -> list[dict]:
        return list(csv.DictReader(io.StringIO(ratings_csv(read_pack(pack), read_key(pack), store))))

    whole = ratings()
    assert len({row["session"] for row in whole}) == 1
    with store.database.writing() as db:
        db.execute("UPDATE answers SET at = at + 7200 WHERE step >= 3")
    assert len({row["session"] for row in ratings()}) == 2
    store.exclude("L001", "asleep")
    assert ratings() == []
    store.exclude("L001", "")
    assert len(ratings()) == len(whole)
    assert [(a.action, a.reason) for a in store.audit()] == [("exclude", "asleep"), ("include", "")]


def test_no_ratings_and_another_packs_key_are_errors(tmp_path, answered) -> None:
    pack, _ = answered
    (key_folder(pack) / "key.json").write_text("{}")
    with pytest.raises(ConfigError, match="belongs to another pack"):
        write_ratings_file(pack)
    empty = write_pack(tmp_path / "empty", ["single"])
    with pytest.raises(ConfigError, match="holds no ratings"):
        write_ratings_file(empty)
