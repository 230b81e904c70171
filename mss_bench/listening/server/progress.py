"""What the experimenter sees: who is where, for how long, and who left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

from mss_bench.listening.server.flow import Sitting, Stage
from mss_bench.listening.server.store import Listener, Store

__all__ = ["AWAY", "Progress", "Row", "progress"]

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
    """How far a test is.

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
            one, _state(one, now), one.done, sitting.steps(one), spent.get(one.number, 0.0),
            None if one.seen is None else max(0.0, now - one.seen) / 60,
        )
        for one in store.listeners()
    ]  # fmt: skip
    counts = dict.fromkeys(("finished", "listening", "dropped out", "not started"), 0)
    for row in rows:
        counts[row.state] = counts.get(row.state, 0) + 1
    took = [r.minutes for r in rows if r.state == "finished"]
    return Progress(rows, counts, median(took) if took else None, len(answers))


def _state(listener: Listener, now: float) -> str:
    if listener.stage == Stage.DONE:
        return "finished"
    if listener.stage == Stage.REFUSED:
        return "no headphones"
    if listener.seen is None:
        return "not started"
    return "dropped out" if now - listener.seen > AWAY else "listening"
