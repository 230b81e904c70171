"""What every response carries, what no request may do, and how errors are told."""

from __future__ import annotations

import sqlite3

from flask import Flask, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from mss_bench.errors import MssBenchError
from mss_bench.listening.server.answers import RequestError
from mss_bench.listening.server.store import Conflict

__all__ = ["HEADERS", "MAX_BODY", "protect"]

MAX_BODY = 32 * 1024
"""Bytes of a request's body."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # addresses hold tokens
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}


def protect(app: Flask) -> None:
    """Add limits, headers and error pages to an application."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY
    app.config["MAX_FORM_PARTS"] = 20

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.errorhandler(MssBenchError)
    def told(error: MssBenchError) -> ResponseReturnValue:
        status = error.status if isinstance(error, RequestError) else 409 if isinstance(error, Conflict) else 500
        return _answer(str(error), status)

    @app.errorhandler(sqlite3.Error)
    def storage(error: sqlite3.Error) -> ResponseReturnValue:
        app.logger.error("the database refused: %s", error)
        return _answer("this could not be stored just now; it will be sent again", 503)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        texts = {
            400: "this request is not as it should be",
            404: "there is nothing at this address; please use the link that you were given",
            413: f"more than {MAX_BODY // 1024} KiB were sent",
            500: "something went wrong here; what was saved before is safe",
        }
        code = error.code or 500
        return _answer(texts.get(code, error.name), code)


def _answer(message: str, status: int) -> ResponseReturnValue:
    if "/api/" in request.path:
        return jsonify(error=message), status
    told = f"{message[:1].upper()}{message[1:].rstrip('.')}."
    return render_template("message.html", message=told, status=status), status
