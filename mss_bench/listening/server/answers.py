"""Check everything that a listener's browser sends: each field, its type and its range, and nothing beside them.

The player sends nothing else; what is refused here is a defect, another program, or somebody's try.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mss_bench.errors import MssBenchError
from mss_bench.listening.pack_format import PackTask, Trial
from mss_bench.listening.protocols import CHOICES, Kind
from mss_bench.listening.questionnaire import Question

__all__ = [
    "CODE", "RequestError", "check_answer", "check_fields", "check_name", "check_number",
    "check_questionnaire", "heard_seconds",
]  # fmt: skip

# By hand, and not by declared parameters: those are kind to whoever writes a file (a value stands for a list of one, a
# number for its text); here what is not exactly the player's is refused, with 400 for its form and 422 for values.
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A listener's code, e.g. a panel's participant id."""

_SUBMISSION = re.compile(r"[A-Za-z0-9_-]{16,64}")
_DAY = 86_400_000.0  # ms; JSON's readers accept NaN, infinity and 1e300, which no listener takes
_LONGEST = 2000  # characters of a text


class RequestError(MssBenchError):
    """A request that cannot be served.

    Parameters
    ----------
    message : str
    status : int
        Of HTTP.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def check_fields(raw: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return an object that has exactly these fields.

    Raises
    ------
    RequestError
    """
    if not isinstance(raw, dict):
        raise RequestError(f"expected a JSON object with {', '.join(names) or 'no fields'}")
    missing, beyond = [n for n in names if n not in raw], [str(n)[:40] for n in raw if n not in names]
    if missing or beyond:
        raise RequestError(
            f"the fields must be {', '.join(names) or 'none'}"
            + (f"; missing: {', '.join(missing)}" if missing else "")
            + (f"; unknown: {', '.join(beyond)}" if beyond else "")
        )
    return raw


def check_number(value: Any, what: str, low: float, high: float) -> float:
    """Return a number that lies in a range.

    Raises
    ------
    RequestError
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RequestError(f"{what} is {str(value)[:40]!r}, expected a number from {low:g} to {high:g}", 422)
    return float(value)


def heard_seconds(trial: Trial) -> float:
    """Return how long each signal of a trial must be listened to: one second, a single one to its end."""
    most = trial.seconds if trial.kind in (Kind.SINGLE, Kind.DEGRADATION) else 1.0
    return min(most, trial.seconds) * 0.95  # the clock of the player runs in steps


def check_answer(raw: Any, trial: Trial, task: PackTask) -> tuple[str, dict[str, Any], float]:
    """Return the answer to a trial, in the order in which its signals were shown.

    Parameters
    ----------
    raw : object
        ``{id, ms, heard, scores, moved}``, where one is chosen ``choice`` instead of the last two: the place of that
        signal, or null for no preference. `heard` has the stimuli and then, if there is one, the open reference.
    trial : Trial
    task : PackTask

    Returns
    -------
    submission : str
    answer : dict
        ``scores`` or ``choice``, and ``heard``.
    ms : float

    Raises
    ------
    RequestError
        What is wrong with it, e.g. a score outside the scale, or a signal that was not listened to.
    """
    chosen = trial.kind in CHOICES
    fields = check_fields(raw, ["id", "ms", "heard", *(["choice"] if chosen else ["scores", "moved"])])
    if not isinstance(fields["id"], str) or not _SUBMISSION.fullmatch(fields["id"]):
        raise RequestError("id is not 16 to 64 letters, digits, - or _")
    ms = check_number(fields["ms"], "ms", 0.0, _DAY)
    heard = _numbers(fields["heard"], "heard", trial.signals, 0.0, _DAY)
    needed = heard_seconds(trial)
    for place, seconds in enumerate(heard):
        if seconds < needed:
            raise RequestError(
                f"signal {place + 1} was listened to for {seconds:.2f} s, expected at least {needed:.2f} s", 422
            )
    answer = {"choice": _choice(fields["choice"], trial)} if chosen else {"scores": _scores(fields, trial, task)}
    return fields["id"], answer | {"heard": heard}, ms


def _choice(value: Any, trial: Trial) -> int | None:
    if value is None and trial.kind == Kind.PREFERENCE:
        return None
    last = len(trial.stimuli) - 1 if trial.kind == Kind.VOTES else 1  # of ABX, X is none
    if isinstance(value, bool) or value not in range(last + 1):
        also = " or null" if trial.kind == Kind.PREFERENCE else ""
        raise RequestError(f"choice is {str(value)[:40]!r}, expected 0 to {last}{also}", 422)
    return int(value)


def _scores(fields: Mapping[str, Any], trial: Trial, task: PackTask) -> list[float]:
    count = len(trial.stimuli)
    scores = _numbers(fields["scores"], "scores", count, task.low, task.high)
    moved = fields["moved"]
    if not isinstance(moved, list) or len(moved) != count or not all(isinstance(m, bool) for m in moved):
        raise RequestError(f"moved must be {count} times true or false")
    # The player does not let go on before; BS.1534 wants every signal graded.
    if not all(moved):
        raise RequestError(f"signal {moved.index(False) + 1} was not rated", 422)
    if trial.kind != Kind.MULTI:
        for score in scores:
            if score != int(score):
                raise RequestError(f"scores has {score:g}, expected a whole grade", 422)
    return scores


def _numbers(value: Any, what: str, count: int, low: float, high: float) -> list[float]:
    if not isinstance(value, list):
        raise RequestError(f"{what} must be a list of {count} numbers")
    if len(value) != count:
        raise RequestError(f"{what} has {len(value)} values, this trial has {count} signals")
    return [check_number(v, f"{what}[{place}]", low, high) for place, v in enumerate(value)]


def check_questionnaire(raw: Any, questions: Sequence[Question]) -> dict[str, str]:
    """Return the answers to the questions at the end, as they are stored.

    Raises
    ------
    RequestError
    """
    fields = check_fields(raw, [question.name for question in questions])
    return {question.name: _answered(fields[question.name], question) for question in questions}


def _answered(value: Any, question: Question) -> str:
    text = _text(value, question.name).strip()
    if not text and question.required:
        raise RequestError(f"{question.name} is empty", 422)
    if not text:
        return ""
    if question.values and text not in question.values:
        raise RequestError(f"{question.name} is {text[:40]!r}, expected one of: {'; '.join(question.values)}", 422)
    if question.kind == "number":
        low, high = (-math.inf if question.low is None else question.low), question.high
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        check_number(number, question.name, low, math.inf if high is None else high)
        if math.isinf(number):
            raise RequestError(f"{question.name} is not finite", 422)
    return text


def check_name(value: Any) -> str:
    """Return a name, where the test asks for it.

    Raises
    ------
    RequestError
    """
    text = _text(value, "name").strip()
    if not text:
        raise RequestError("name is empty", 422)
    return text


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise RequestError(f"{name} must be text of at most {_LONGEST} characters", 422)
    return "".join(c for c in value if c.isprintable() or c == "\n")
