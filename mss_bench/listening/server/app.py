"""The routes: a listener's page and its requests, the join link, the experimenter's page.

`protect` adds what every response carries, what no request may do, and how errors are told.
"""

from __future__ import annotations

import hmac
import json
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, NotFound

from mss_bench.errors import MssBenchError, UnknownNameError
from mss_bench.listening.pack_format import read_key
from mss_bench.listening.server import flow
from mss_bench.listening.server.answers import (
    CODE,
    RequestError,
    check_answer,
    check_fields,
    check_name,
    check_number,
    check_questionnaire,
)
from mss_bench.listening.server.database import Vanished
from mss_bench.listening.server.flow import Sitting, Stage
from mss_bench.listening.server.results import listeners_csv, progress, ratings_csv
from mss_bench.listening.server.store import Conflict, Full, Listener, Store

__all__ = ["HEADERS", "MAX_BODY", "create_app", "protect"]

MAX_BODY = 32 * 1024
"""Bytes of a request's body."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # addresses hold tokens
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}

_COOKIE = "listener"
_MOST_AT_ONCE = 100  # links that the experimenter makes with one click


class _Quiet(Flask):
    """Logs errors without the tokens in their addresses."""

    def log_exception(self, exc_info: Any) -> None:
        path = re.sub("/(l|join|experimenter)/[^/]+", r"/\1/...", request.path)
        self.logger.error("error on %s [%s]", path, request.method, exc_info=exc_info)


def create_app(sitting: Sitting, store: Store) -> Flask:
    """Make the application of a test.

    Parameters
    ----------
    sitting : Sitting
    store : Store
    """
    app = _Quiet(__name__, static_folder="static", template_folder="templates")
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    protect(app, sitting)
    for pages in (_listener_pages, _join_pages, _experimenter_pages):
        app.register_blueprint(pages(sitting, store))

    @app.get("/")
    def home() -> str:
        return render_template(
            "message.html", message=sitting.pack.catalogue.text("message.use_link"), status=200, leave=""
        )

    @app.get("/colours.css")
    def colours() -> ResponseReturnValue:
        return Response(sitting.pack.look.colours, mimetype="text/css")

    @app.get("/favicon.ico")
    def icon() -> ResponseReturnValue:
        return app.send_static_file("icon.svg")

    return app


def _pages(name: str, prefix: str, arguments: Callable[[str], dict[str, Any]]) -> Blueprint:
    """Make pages whose views get `arguments` of the token in their address, which refuses a wrong one."""
    pages = Blueprint(name, __name__, url_prefix=f"/{prefix}/<token>")

    @pages.url_value_preprocessor
    def check(endpoint: str | None, values: dict[str, Any] | None) -> None:
        assert values is not None
        values.update(arguments(values.pop("token")))

    return pages


def _is_token(text: str, token: str) -> bool:
    # In constant time, so that the time of the answer says nothing about the token.
    return hmac.compare_digest(text.encode(), token.encode())


def _body() -> Any:
    if request.mimetype != "application/json":
        raise RequestError("expected application/json", 415)
    try:
        return json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise RequestError("the request is no JSON") from None


def _wav(path: Path) -> Response:
    # A name of its own: the file's would tell that two trials play the same.
    response = send_file(path, mimetype="audio/wav", download_name="signal.wav", conditional=True, max_age=3600)
    # No proxy keeps what one listener's address leads to.
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


def _listener_pages(sitting: Sitting, store: Store) -> Blueprint:
    def find(token: str) -> dict[str, Any]:
        listener = store.find(token)
        if listener is None:
            raise NotFound
        return {"listener": listener}

    pages = _pages("listener", "l", find)

    @pages.get("/")
    def page(listener: Listener) -> ResponseReturnValue:
        texts = json.dumps(sitting.pack.catalogue.texts, ensure_ascii=False)
        return render_template("listen.html", title=sitting.pack.title, texts=texts)

    @pages.get("/api/state")
    def state(listener: Listener) -> ResponseReturnValue:
        store.touch(listener)
        return jsonify(sitting.state(listener))

    @pages.get("/audio/level")
    def level_audio(listener: Listener) -> ResponseReturnValue:
        return _wav(sitting.level_file())

    @pages.get("/audio/headphones/<int:number>")
    def tones(listener: Listener, number: int) -> ResponseReturnValue:
        if listener.stage != Stage.HEADPHONES or number >= flow.ROUNDS:
            raise RequestError("no such signal", 404)
        return Response(flow.tones(flow.tone_orders(listener)[number]), mimetype="audio/wav")

    @pages.get("/audio/<int(signed=True):step>/<place>")
    def signal(listener: Listener, step: int, place: str) -> ResponseReturnValue:
        return _wav(sitting.audio(listener, step, place))

    @pages.post("/api/trials/<int:step>")
    def save(listener: Listener, step: int) -> ResponseReturnValue:
        raw = _body()
        steps = sitting.steps(listener)
        if step >= steps:
            raise RequestError(f"trial {step + 1} was sent, this listener has {steps}", 404)
        if Stage(listener.stage) not in (Stage.TRIALS, Stage.QUESTIONNAIRE, Stage.DONE):
            raise Conflict("the trials have not begun; reload this page")
        trial, task = sitting.trial(listener, step)
        submission, answer, ms = check_answer(raw, trial, task)
        after = sitting.after(Stage.TRIALS)
        new = store.save(listener, step, submission, trial.id, answer, ms, last=step + 1 == steps, after=after)
        return jsonify(saved=step, new=new, **_now(sitting, store, listener))

    _add_stages(pages, sitting, store)
    return pages


def _now(sitting: Sitting, store: Store, listener: Listener) -> dict[str, Any]:
    fresh = store.find(listener.token)
    assert fresh is not None
    return {"state": sitting.state(fresh)}


def _add_stages(pages: Blueprint, sitting: Sitting, store: Store) -> None:
    """Add the requests by which a listener goes on from one stage to the next."""

    def advance(listener: Listener, expected: Stage, **changes: object) -> ResponseReturnValue:
        if listener.stage != expected:
            raise Conflict(f"{expected} is not where you are; reload this page")
        store.advance(listener, **{"stage": sitting.after(expected)} | changes)
        return jsonify(_now(sitting, store, listener))

    @pages.post("/api/consent")
    def consent(listener: Listener) -> ResponseReturnValue:
        asked = sitting.options.ask_name
        raw = check_fields(_body(), ["agreed", *(["name"] if asked else [])])
        if raw["agreed"] is not True:
            raise RequestError("agreed must be true", 422)
        return advance(listener, Stage.CONSENT, **({"name": check_name(raw["name"])} if asked else {}))

    @pages.post("/api/level")
    def level(listener: Listener) -> ResponseReturnValue:
        raw = check_fields(_body(), ["level_db"])
        return advance(listener, Stage.LEVEL, level_db=check_number(raw["level_db"], "level_db", -40.0, 0.0))

    @pages.post("/api/headphones")
    def check(listener: Listener) -> ResponseReturnValue:
        raw = check_fields(_body(), ["answers"])
        if flow.passes_headphones(listener, raw["answers"]):
            return advance(listener, Stage.HEADPHONES)
        failed = listener.attempts + 1
        stage = Stage.REFUSED if failed >= flow.ATTEMPTS else Stage.HEADPHONES
        return advance(listener, Stage.HEADPHONES, stage=stage, attempts=failed)

    @pages.post("/api/training")
    def training(listener: Listener) -> ResponseReturnValue:
        step = check_fields(_body(), ["step"])["step"]  # grades of a training page are not even sent
        if listener.stage == Stage.TRAINING and step != sitting.step(listener):
            raise Conflict("this training page was left already; reload this page")
        stage = sitting.after(Stage.TRAINING) if step == -1 else Stage.TRAINING
        return advance(listener, Stage.TRAINING, stage=stage, trained=listener.trained + 1)

    @pages.post("/api/questionnaire")
    def questionnaire(listener: Listener) -> ResponseReturnValue:
        answers = check_questionnaire(_body(), sitting.pack.questions)
        return advance(
            listener, Stage.QUESTIONNAIRE, questionnaire=json.dumps(answers, ensure_ascii=False), finished=time.time()
        )


def _join_pages(sitting: Sitting, store: Store) -> Blueprint:
    options = sitting.options

    def participant(token: str) -> dict[str, Any]:
        """Return the participant's id, or an empty text, as the code."""
        if not options.open_places or not _is_token(token, store.join):
            raise NotFound
        names = (options.participant_parameter, *options.panel_parameters)
        ids = {name: request.args[name] for name in names if request.args.get(name)}
        for name, value in ids.items():
            if not CODE.fullmatch(value):
                raise RequestError(sitting.pack.catalogue.text("message.bad_link", name=name))
        return {"code": ids.pop(options.participant_parameter, ""), "panel": ids}

    pages = _pages("join", "join", participant)

    @pages.get("")
    def page(
        code: str, panel: dict[str, str]
    ) -> ResponseReturnValue:  # of its own, so that a preview of the link makes no listener
        return render_template(
            "join.html", title=sitting.pack.title, instructions=sitting.pack.instructions, minutes=sitting.minutes()
        )

    @pages.post("")
    def join(code: str, panel: dict[str, str]) -> ResponseReturnValue:
        known = store.participant(code) if code else store.find(request.cookies.get(_COOKIE, ""))
        listener = known or store.add(
            sitting.stages[0], way="panel" if code else "open", code=code or None, most=options.open_places,
            panel=panel,
        )  # fmt: skip
        if known and code:
            store.note_panel(known, panel)
        response = redirect(url_for("listener.page", token=listener.token), 303)
        if not code:
            response.set_cookie(
                _COOKIE, listener.token, max_age=30 * 86400, path=request.path, httponly=True, samesite="Lax"
            )
        return response

    return pages


def _experimenter_pages(sitting: Sitting, store: Store) -> Blueprint:
    def check(token: str) -> dict[str, Any]:
        if not _is_token(token, store.experimenter):
            raise NotFound
        return {}

    pages = _pages("experimenter", "experimenter", check)

    def table(text: str, name: str) -> Response:
        shown = f'attachment; filename="{name}.csv"'
        return Response(text, mimetype="text/csv", headers={"Content-Disposition": shown})

    @pages.get("/")
    def page() -> ResponseReturnValue:
        return render_template(
            "experimenter.html", pack=sitting.pack, progress=progress(sitting, store), token=store.experimenter,
            options=sitting.options, join=store.join, most=_MOST_AT_ONCE, audit=store.audit(),
            vanished=store.database.vanished,
        )  # fmt: skip

    @pages.get("/ratings.csv")
    def ratings() -> ResponseReturnValue:
        return table(ratings_csv(sitting.pack, read_key(sitting.folder), store), f"{sitting.pack.name}-ratings")

    @pages.get("/listeners.csv")
    def people() -> ResponseReturnValue:
        return table(listeners_csv(sitting, store), f"{sitting.pack.name}-listeners")

    @pages.post("/listeners")
    def more() -> ResponseReturnValue:
        text = request.form.get("count", "")
        if not text.isdecimal() or not 1 <= int(text) <= _MOST_AT_ONCE:
            raise RequestError(f"count is {text[:20]!r}, expected 1 to {_MOST_AT_ONCE}", 422)
        for _ in range(int(text)):
            store.add(sitting.stages[0])
        return redirect(url_for("experimenter.page", token=store.experimenter), 303)

    @pages.post("/listener")
    def one() -> ResponseReturnValue:
        code, action, reason = (request.form.get(name, "").strip() for name in ("listener", "action", "reason"))
        if action not in ("exclude", "include", "delete") or (action != "include" and not reason):
            raise RequestError("choose what to do, and give a reason", 422)
        if action == "delete":
            store.delete(code, reason)
        else:
            store.exclude(code, reason if action == "exclude" else "")
        return redirect(url_for("experimenter.page", token=store.experimenter), 303)

    return pages


def protect(app: Flask, sitting: Sitting) -> None:
    """Add limits, headers and error pages to an application."""
    catalogue = sitting.pack.catalogue
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY
    app.config["MAX_FORM_PARTS"] = 20

    @app.context_processor
    def language() -> dict[str, Any]:
        return {"catalogue": catalogue, "pack": sitting.pack}

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.errorhandler(MssBenchError)
    def told(error: MssBenchError) -> ResponseReturnValue:
        known = {Conflict: 409, UnknownNameError: 422}
        status = error.status if isinstance(error, RequestError) else known.get(type(error), 500)
        return _answer(str(error), status)

    @app.errorhandler(Full)
    def full(error: Full) -> ResponseReturnValue:
        return _answer(catalogue.text("message.full"), 409, leave=sitting.options.screen_out_url)

    @app.errorhandler(Vanished)
    @app.errorhandler(sqlite3.Error)
    def storage(error: Exception) -> ResponseReturnValue:
        app.logger.error("the database refused: %s", error)
        return _answer(catalogue.text("message.not_stored"), 503)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        code = error.code or 500
        named = {404: "not_found", 413: "too_large"}.get(code, "failed" if code >= 500 else "bad_request")
        return _answer(catalogue.text(f"message.{named}"), code)


def _answer(message: str, status: int, leave: str = "") -> ResponseReturnValue:
    if "/api/" in request.path:
        return jsonify(error=message), status
    told = f"{message[:1].upper()}{message[1:].rstrip('.')}."
    return render_template("message.html", message=told, status=status, leave=leave), status
