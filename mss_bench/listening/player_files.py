"""The answers in files of webMUSHRA, pymushra and BeaqleJS, with their blinded names.

==========================  ===========================================================================================
webMUSHRA [1]_              ``mushra.csv`` (sliders), ``lss.csv`` and ``lms.csv`` (grades), ``paired_comparison.csv``
                            (ABX), as its ``service/write.php`` appends them
pymushra                    its CSV or JSON of the same pages
BeaqleJS                    the JSON of a listener: of its ``MushraTest`` and its ``PrefTest``
==========================  ===========================================================================================

References
----------
.. [1] M. Schoeffler et al., "webMUSHRA - A comprehensive framework for web-based listening tests", Journal of Open
   Research Software 6(1), 2018: ``service/write.php`` for the columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mss_bench.errors import UnknownNameError
from mss_bench.listening.sheets import RatingsError, Sheet
from mss_bench.listening.webmushra import LISTENER

__all__ = ["Answer", "player_answers", "player_of"]

_CHOICES = {"correct": "1", "incorrect": "0"}

# For each page of a player: the columns of the signal, the score and the time.
_WEBMUSHRA = {
    "rating_stimulus": ("rating_score", "rating_time"),
    "stimuli": ("stimuli_rating", "rating_time"),
    "choice_non_reference": ("choice_answer", "choice_time"),
}
_PYMUSHRA = {
    "responses_stimulus": (("responses_score", "responses_stimulusRating"), "responses_time"),
    "responses_nonReference": (("responses_answer",), "responses_time"),
}


@dataclass(frozen=True)
class Answer:
    """What a listener answered about a signal.

    Parameters
    ----------
    listener, session, trial, signal, score, ms : str
        As they stand in the file; `signal` is a blinded name, ``reference``, or BeaqleJS' ``A`` and ``B``.
    place : str
        File and line, for messages.
    in_order : bool
        Whether answers come in the order of presentation.
    """

    listener: str
    session: str
    trial: str
    signal: str
    score: str
    ms: str
    place: str
    in_order: bool = True


def player_of(sheet: Sheet) -> str | None:
    """Return which player wrote a file, by its columns; None where no player did."""
    columns = set(sheet.header)
    if isinstance(sheet.raw, list) and ("TestID" in columns or (sheet.raw and isinstance(sheet.raw[0], bool))):
        return "beaqlejs"
    if "wm_id" in columns and columns & set(_PYMUSHRA):
        return "pymushra"
    return "webmushra" if {"session_test_id", "trial_id"} <= columns else None


def player_answers(sheet: Sheet, player: str, listener: str = "") -> Iterator[Answer]:
    """Yield the answers of a file.

    Parameters
    ----------
    sheet : Sheet
    player : {"webmushra", "pymushra", "beaqlejs"}
    listener : str
        The questionnaire's field with the listener's code, where it is not the one that an export asks for.

    Raises
    ------
    RatingsError
        A table of the player that holds no ratings of signals, or nothing that says who rated.
    """
    return {"webmushra": _webmushra, "pymushra": _pymushra, "beaqlejs": _beaqlejs}[player](sheet, listener)


def _webmushra(sheet: Sheet, listener: str) -> Iterator[Answer]:
    page = next((signal for signal in _WEBMUSHRA if signal in sheet.header), None)
    if page is None or _WEBMUSHRA[page][0] not in sheet.header:
        raise RatingsError(
            f"{sheet.source} is none of mushra.csv, lss.csv, lms.csv and paired_comparison.csv of webMUSHRA; its other "
            "tables hold no ratings of the signals of a pack"
        )
    score, ms = _WEBMUSHRA[page]
    who = _listener_columns(sheet, listener, LISTENER, "session_uuid")
    return _rows(sheet, {"signal": page, "score": score, "trial": "trial_id", "ms": ms} | who)


def _pymushra(sheet: Sheet, listener: str) -> Iterator[Answer]:
    page = next((signal for signal in _PYMUSHRA if signal in sheet.header), "")
    scores, ms = _PYMUSHRA[page]
    score = next((name for name in scores if name in sheet.header), None)
    if score is None:
        raise RatingsError(f"{sheet.source} of pymushra has no column {' or '.join(scores)}: it holds no ratings")
    asked = listener and f"questionaire_{listener}"  # pymushra's spelling
    who = _listener_columns(sheet, asked, f"questionaire_{LISTENER}", "questionaire_uuid")
    return _rows(sheet, {"signal": page, "score": score, "trial": "wm_id", "ms": ms} | who)


def _listener_columns(sheet: Sheet, asked: str, usual: str, session: str) -> dict[str, str]:
    if asked and asked not in sheet.header:
        raise UnknownNameError(f"column of {sheet.source}", asked, sheet.header)
    code = next((name for name in (asked, usual, session) if name in sheet.header), None)
    if code is None:
        raise RatingsError(
            f"{sheet.source} does not say who rated: it has neither {usual!r} nor {session!r}; name the field of the "
            f"questionnaire with --columns listener=...; columns: {', '.join(sheet.header)}"
        )
    return {"listener": code, "session": session if session in sheet.header else code}


def _rows(sheet: Sheet, columns: Mapping[str, str]) -> Iterator[Answer]:
    paired = columns["score"].endswith("answer")
    for row, place in zip(sheet.rows, sheet.places, strict=True):
        score = row[columns["score"]].strip("[]'\" ")  # pymushra writes a list of one
        if paired:
            if score not in _CHOICES:
                raise RatingsError(f"{place}: {columns['score']} is {score!r}, expected correct or incorrect")
            score = _CHOICES[score]
        yield Answer(
            # Whoever left the field of the code empty is still one person in one session.
            row[columns["listener"]] or row[columns["session"]], row[columns["session"]], row[columns["trial"]],
            row[columns["signal"]], score, row.get(columns["ms"], ""), place,
        )  # fmt: skip


def _beaqlejs(sheet: Sheet, listener: str) -> Iterator[Answer]:
    trials = [record for record in sheet.raw if isinstance(record, dict) and "TestID" in record]
    if not trials:
        raise RatingsError(
            f"{sheet.source} is of BeaqleJS' AbxTest, which says right and wrong, but not of which trial; "
            "ask ABX with mss-bench listen serve, or in webMUSHRA"
        )
    person: dict[str, Any] = next((record for record in sheet.raw if "UserName" in record), {})
    field = listener or "UserName"
    if listener and listener not in person:
        raise UnknownNameError(f"field of {sheet.source}", listener, person)
    session = sheet.source.stem
    who = str(person.get(field, "")).strip() or session
    for number, record in enumerate(trials, 1):
        place = f"{sheet.source}: trial {number}"
        for signal, score in _beaqlejs_scores(record, place):
            yield Answer(
                who,
                session,
                str(record["TestID"]),
                signal,
                score,
                str(record.get("Runtime", "")),
                place,
                in_order=False,
            )


def _beaqlejs_scores(record: Mapping[str, Any], place: str) -> list[tuple[str, str]]:
    """Return the signals of a trial with their scores; of a pair in the order in which they were shown."""
    if "rating" in record:
        named = {"Reference": "reference"}
        return [(named.get(label, label), str(score)) for label, score in record["rating"].items()]
    if "PresentationOrder" not in record:
        return []  # not among the trials that this listener was given
    shown = dict(part.strip().split("=") for part in str(record["PresentationOrder"]).split(","))
    choice = record.get("Preference")
    if choice not in shown:
        raise RatingsError(f"{place}: Preference is {choice!r}, expected A or B: this pair was left unanswered")
    return [(signal, str(int(button == choice))) for button, signal in shown.items()]
