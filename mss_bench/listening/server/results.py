"""What came of a test so far: its ratings and listeners as tables, and what the experimenter sees of its progress.

Ratings are found out with the key: of the server, this is the only place that reads it.
"""

from __future__ import annotations

import csv
import io
import math
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from mss_bench.core.text import columns, spreadsheet_text
from mss_bench.errors import ConfigError
from mss_bench.listening.pack_format import Pack, Signal, Trial, read_key, results_folder
from mss_bench.listening.protocols import Kind
from mss_bench.listening.ratings import RATING_COLUMNS, Role
from mss_bench.listening.server.flow import Sitting, Stage
from mss_bench.listening.server.store import Answer, Listener, Store

__all__ = [
    "AWAY", "Progress", "Row", "listeners_csv", "listeners_text", "opened", "progress", "ratings_csv",
    "write_ratings_file",
]  # fmt: skip


def ratings_csv(pack: Pack, key: dict[str, Signal], store: Store) -> str:
    """Return the long table of all ratings as CSV, columns `RATING_COLUMNS`; without listeners excluded by hand.

    A session is a sitting: what a listener did without a pause of more than `AWAY`.

    Parameters
    ----------
    pack : Pack
    key : dict
        As `read_key` gives it.
    store : Store
    """
    listeners = {person.number: person for person in store.listeners() if not person.excluded}
    text = io.StringIO()
    writer = csv.DictWriter(text, list(RATING_COLUMNS), lineterminator="\n")
    writer.writeheader()
    sittings: dict[int, tuple[float | None, float]] = {}  # when the sitting began, and the last answer of it
    for answer in store.answers():
        person = listeners.get(answer.listener)
        if person is None:  # excluded by hand
            continue
        begin, last = sittings.get(person.number, (person.started, answer.at))
        if answer.at - last > AWAY + answer.ms / 1000:
            begin = answer.at - answer.ms / 1000  # they came back after a while
        sittings[person.number] = begin, answer.at
        writer.writerows(_rows(pack, key, person, answer, _date(begin)))
    return text.getvalue()


def listeners_csv(sitting: Sitting, store: Store) -> str:
    """Return one row of CSV for each listener: how they came, where they are, their times, and their questionnaire."""
    people = store.listeners()
    fields = [
        "listener", "way", "stage", "trials", "asked", "complete", "excluded", "started", "finished", "level_db",
        "failed_headphone_checks",
    ]  # fmt: skip
    panel = sorted({name for person in people for name in person.panel})
    names = ["name"] if sitting.options.ask_name else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    asked_at_end = [question.name for question in sitting.pack.questions]
    writer.writerow([*fields, *panel, *asked_at_end, *names])
    for person in people:
        asked = sitting.steps(person)
        own = [
            person.code, person.way, person.stage, person.done, asked, "no" if person.done < asked else "yes",
            spreadsheet_text(person.excluded), _date(person.started), _date(person.finished), f"{person.level_db:g}",
            person.attempts, *(person.panel.get(name, "") for name in panel),
        ]  # fmt: skip
        answers = [spreadsheet_text(person.questionnaire.get(name, "")) for name in asked_at_end]
        writer.writerow([*own, *answers, *(spreadsheet_text(person.name) for _ in names)])
    return text.getvalue()


def write_ratings_file(folder: Path) -> Path:
    """Write ``ratings.csv`` beside the database of a pack, also while it is served.

    Raises
    ------
    ConfigError
        No pack, no key, or nobody was asked yet.
    """
    from mss_bench.core.files import write_atomic

    results = results_folder(folder)
    with opened(folder) as (sitting, store):  # beside the server's own: WAL lets both read and write
        text = ratings_csv(sitting.pack, read_key(folder), store)
    write_atomic(results / "ratings.csv", text.encode())
    return results / "ratings.csv"


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Sitting, Store]]:
    """Open the ratings of a pack, also while it is served.

    Raises
    ------
    ConfigError
        No pack, or nobody was asked yet.
    """
    results = results_folder(folder)
    if not (results / "ratings.sqlite").exists():
        raise ConfigError(
            f"{results} holds no ratings; collect some with: mss-bench listen serve {shlex.quote(str(folder))}"
        )
    sitting = Sitting(folder)
    store = Store(results, sitting.checksum)
    try:
        yield sitting, store
    finally:
        store.close()


def listeners_text(folder: Path) -> str:
    """Return who listens, and what was done about listeners, in words; times in UTC."""
    with opened(folder) as (sitting, store):
        rows = [
            (row.listener.code, row.state, f"{row.done} of {row.steps}", _date(row.listener.started),
             f"excluded: {row.listener.excluded}" if row.listener.excluded else "")
            for row in progress(sitting, store).rows
        ]  # fmt: skip
        trail = [
            (entry.when, entry.action, f"number {entry.number + 1}", f"{entry.answers} answers", entry.reason)
            for entry in store.audit()
        ]
    parts = [columns(rows, ("listener", "state", "trials", "started", "")) if rows else "nobody yet"]
    return "\n\n".join([*parts, *([columns(trail, ("audit trail (UTC)", "", "", "", "reason"))] if trail else [])])


def _rows(
    pack: Pack, key: dict[str, Signal], listener: Listener, answer: Answer, session: str
) -> Iterator[dict[str, Any]]:
    step = pack.order(listener.number)[answer.step]
    trial = pack.trial(step.trial)
    shared = {
        "test": pack.name, "listener": listener.code, "session": session, "trial": trial.id,
        "order": answer.step, "replicate": step.replicate, "moved": True, "ms": round(answer.ms),
    }  # fmt: skip
    for position, (place, score) in enumerate(_scores(trial, key, step.stimuli, answer.answer)):
        signal = key[trial.stimuli[place]]
        where = position if trial.kind != Kind.ABX else step.stimuli.index(place)
        yield shared | {
            "item": signal.item, "target": signal.target, "task": signal.task, "system": signal.system,
            "role": signal.role, "score": f"{score:g}", "position": where,
        }  # fmt: skip


def _scores(trial: Trial, key: dict[str, Signal], shown: list[int], answer: dict[str, Any]) -> list[tuple[int, float]]:
    """Return places in the trial as the pack has it, in the order in which they were shown, with their scores."""
    choice = answer.get("choice")
    match trial.kind:
        case Kind.PREFERENCE | Kind.VOTES:
            values = [0.5 if choice is None else float(position == choice) for position in range(len(shown))]
            return list(zip(shown, values, strict=True))
        case Kind.ABX:
            signals = [key[file] for file in trial.stimuli]
            rated = next((k for k in (0, 1) if signals[k].role != Role.REFERENCE), 0)
            assert choice is not None
            right = signals[shown[choice]].system == signals[2].system
            return [(rated, float(right))]
        case _:
            return list(zip(shown, answer["scores"], strict=True))


def _date(seconds: float | None) -> str:
    if seconds is None or math.isnan(seconds):
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


AWAY = 3600.0
"""Seconds without a sign after which an unfinished listener counts as dropped out; they may still come back."""


@dataclass(frozen=True)
class Row:
    """A listener: their state in a word, trials done and asked, minutes on trials, and minutes since the last sign."""

    listener: Listener
    state: str
    done: int
    steps: int
    minutes: float
    seen: float | None


@dataclass(frozen=True)
class Progress:
    """All listeners, how many are in each state, and the median of the minutes that a finished one took."""

    rows: list[Row]
    counts: dict[str, int]
    minutes: float | None
    ratings: int


def progress(sitting: Sitting, store: Store, now: float | None = None) -> Progress:
    """Tell how far a test is.

    Parameters
    ----------
    sitting : Sitting
    store : Store
    now : float, optional
        Seconds since 1970.
    """
    now = time.time() if now is None else now
    spent: dict[int, float] = {}
    answers = store.answers()
    for answer in answers:
        spent[answer.listener] = spent.get(answer.listener, 0.0) + answer.ms / 60_000
    rows = [
        Row(
            person, _state(person, now), person.done, sitting.steps(person), spent.get(person.number, 0.0),
            None if person.seen is None else max(0.0, now - person.seen) / 60,
        )
        for person in store.listeners()
    ]  # fmt: skip
    counts = dict.fromkeys(("finished", "listening", "dropped out", "not started"), 0)
    for row in rows:
        counts[row.state] = counts.get(row.state, 0) + 1
    took = [r.minutes for r in rows if r.state == "finished"]
    return Progress(rows, counts, median(took) if took else None, len(answers))


def _state(listener: Listener, now: float) -> str:
    if listener.excluded:
        return "excluded"
    if listener.stage == Stage.DONE:
        return "finished"
    if listener.stage == Stage.REFUSED:
        return "no headphones"
    if listener.seen is None:
        return "not started"
    return "dropped out" if now - listener.seen > AWAY else "listening"
