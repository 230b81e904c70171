"""The configuration of a pack for webMUSHRA [1]_, opened as ``?config=NAME.yaml``.

Sliders (MUSHRA, PEASS, two attributes, remix) become its page ``mushra``, single grades (ACR, DCR) its
``likert_single_stimulus``, ABX its ``paired_comparison``. That page asks which of A and B is the reference: X stands
there as the reference, and the player itself puts it between A and B beside the other signal. It can ask nothing else,
so that preference has no page.

webMUSHRA shuffles pages and signals itself, without a seed, adds the hidden reference under the name ``reference``, and
takes at most 12 signals of 12 s, all of one length, rate and channel count: what it cannot take is refused here.
Signals are named by their blinded files, trials by their ids, so that `mss-bench listen import` finds out with the key
what was rated.

Every text is the pack's, in its language, but for those that are the player's own: buttons, the words on the sliders'
scale and the question of ``paired_comparison``. It has these in four languages, of which the pack's is taken.

Its parser of YAML misreads a list in a list that begins on the line of the outer one's dash, and takes names for
numbers that look like one: `as_yaml` gives each dash a line of its own, and quotes every text.

References
----------
.. [1] M. Schoeffler et al., "webMUSHRA - A comprehensive framework for web-based listening tests", Journal of Open
   Research Software 6(1), 2018.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mss_bench.errors import ConfigError
from mss_bench.listening.catalogue import Catalogue
from mss_bench.listening.pack_format import Pack, Signal, Trial
from mss_bench.listening.protocols import Kind
from mss_bench.listening.ratings import Role

__all__ = ["LISTENER", "as_yaml", "webmushra_config"]

LISTENER = "listener"
"""The questionnaire's field with the listener's code."""

_SIGNALS = 12  # this and the next: see above; not ours to change
_SECONDS = 12.0
_BUFFER = 2048  # samples
_LANGUAGES = ("en", "de", "fr", "es")
_PLAIN_KEY = re.compile("(?!(?i:y|n|yes|no|on|off|true|false|null)$)[A-Za-z]+")
_SPECIAL = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")  # ends of lines to YAML; escapes that its parser would misread

Address = Callable[[str], str]
"""A pack's file to its address on the player's pages."""


def webmushra_config(pack: Pack, key: dict[str, Signal], address: Address) -> dict[str, Any]:
    """Return the configuration of a pack.

    Parameters
    ----------
    pack : Pack
    key : dict
        As `read_key` gives it.
    address : callable

    Raises
    ------
    ConfigError
        A protocol or a trial that webMUSHRA has no page for.
    """
    if pack.trials[0].kind == Kind.PREFERENCE:
        raise ConfigError(
            "webMUSHRA cannot ask for a preference: its paired_comparison asks which of two signals is the reference, "
            "and nothing else; export with --format beaqlejs, or use mss-bench listen serve"
        )
    if pack.trials[0].kind == Kind.VOTES:
        raise ConfigError(
            "webMUSHRA has no page on which the best of several signals is chosen; use mss-bench listen serve"
        )
    text = pack.catalogue.text
    pages = {trial.id: _page(pack, trial, key, address) for trial in pack.trials}
    language = pack.catalogue.language.partition("-")[0].lower()
    return {
        "testname": pack.title, "testId": pack.name, "bufferSize": _BUFFER, "stopOnErrors": True,
        "showButtonPreviousPage": False, "remoteService": "service/write.php",
        "language": language if language in _LANGUAGES else "en",
        "pages": [
            {"type": "generic", "id": "welcome", "name": pack.title, "content": _paragraphs(pack)},
            {
                "type": "volume", "id": "level", "name": text("level.heading"),
                "content": _directed(pack, html.escape(text("level.explained"))),
                "stimulus": address(pack.level), "defaultVolume": 0.5,
            },
            *(pages[trial] for trial in pack.training),
            ["random", *(page for trial, page in pages.items() if trial not in pack.training)],
            {
                "type": "finish", "name": text("done.heading"),
                "content": _directed(pack, html.escape(text("export.send"))), "showResults": False,
                "writeResults": True, "popupContent": html.escape(text("export.sent")),
                "questionnaire": [{"type": "text", "name": LISTENER, "label": html.escape(text("export.code"))}],
            },
        ],
    }  # fmt: skip


def _paragraphs(pack: Pack) -> str:
    parts = [part for part in (pack.instructions or pack.title).split("\n\n") if part.strip()]
    return _directed(pack, "".join(f"<p>{html.escape(part.strip())}</p>" for part in parts))


def _directed(pack: Pack, content: str) -> str:
    """Set the direction of a page's text: the player's pages run from left to right."""
    return f'<div dir="rtl">{content}</div>' if pack.catalogue.direction == "rtl" else content


def _page(pack: Pack, trial: Trial, key: dict[str, Signal], address: Address) -> dict[str, Any]:
    if len(trial.stimuli) > _SIGNALS or trial.seconds > _SECONDS:
        raise ConfigError(
            f"{trial.title}: {len(trial.stimuli)} signals of {trial.seconds:g} s; webMUSHRA takes {_SIGNALS} of "
            f"{_SECONDS:g} s"
        )
    task = pack.task(trial.task)
    named = {Path(file).stem: address(file) for file in trial.stimuli}
    page = {"id": trial.id, "name": trial.title, "content": _directed(pack, _content(pack, trial, address))}
    waves = {"showWaveform": True, "enableLooping": True}
    match trial.kind:
        case Kind.MULTI:
            # webMUSHRA plays the reference itself as the hidden one, so ours stays behind.
            shown = {Path(f).stem: address(f) for f in trial.stimuli if key[f].role != Role.REFERENCE}
            if len(shown) == len(named):
                raise ConfigError(f"{trial.title} has no hidden reference, and webMUSHRA always adds one")
            return {"type": "mushra"} | page | waves | {
                "strict": True, "reference": address(trial.reference), "createAnchor35": False,
                "createAnchor70": False, "randomize": True, "showConditionNames": False, "switchBack": True,
                "stimuli": shown,
            }  # fmt: skip
        case Kind.ABX:
            x = trial.stimuli[2]
            [other] = [f for f in trial.stimuli[:2] if key[f].system != key[x].system]
            # No waveform: that of X would be drawn, and be compared by eye.
            return {"type": "paired_comparison"} | page | {
                "showWaveform": False, "enableLooping": True, "reference": address(x),
                "stimuli": {Path(other).stem: address(other)},
            }  # fmt: skip
        case _:
            grades = [{"value": str(round(task.low) + n), "label": label} for n, label in enumerate(task.labels)]
            return {"type": "likert_single_stimulus"} | page | {
                "mustRate": True, "mustPlayback": "ended", "stimuli": named, "response": grades,
            }  # fmt: skip


def _content(pack: Pack, trial: Trial, address: Address) -> str:
    """Return what stands above the signals, in HTML."""
    task, text = pack.task(trial.task), pack.catalogue.text
    parts = [html.escape(task.question)]
    if trial.kind == Kind.ABX:
        parts = [html.escape(text("export.x_is_reference"))]
    # Its page writes excellent to bad, always, in English for German too.
    if trial.kind == Kind.MULTI and task.labels != Catalogue().words("scales.quality"):
        parts.append(html.escape(text("export.scale", labels=", ".join(reversed(task.labels)))))
    # No page has a button for more signals than it asks about.
    for name, file in (
        (text("sounds.first"), trial.reference if trial.kind == Kind.DEGRADATION else ""),
        (text("sounds.mixture"), trial.mixture),
    ):
        if file:
            parts.append(f'{html.escape(name)}: <audio controls src="{html.escape(address(file))}"></audio>')
    return "<br>".join(parts)


def as_yaml(value: Any, indent: int = 0) -> str:
    """Write plain data as YAML that webMUSHRA's parser reads like any other: see above."""
    pad = " " * indent
    if isinstance(value, dict) and value:
        keys = {key: key if _PLAIN_KEY.fullmatch(key) else _scalar(key) for key in value}
        return "".join(f"{pad}{keys[key]}:{_nested(item, indent)}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{pad}-{_nested(item, indent)}" for item in value)
    return f"{pad}{_scalar(value)}\n"


def _nested(value: Any, indent: int) -> str:
    block = isinstance(value, dict | list) and value
    return "\n" + as_yaml(value, indent + 4) if block else f" {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    return _SPECIAL.sub(" ", json.dumps(value, ensure_ascii=False))
