"""Many listeners at once against a real server, and a server that is killed under them."""

from __future__ import annotations

import http.client
import json
import random
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from mss_bench.listening.pack_format import read_pack

from .conftest import USUAL_ANSWERS, Running, valid_answer, write_pack

TRIALS = 3


class Simulated(threading.Thread):
    """A listener who rates as fast as the server takes it, and sends again what was not acknowledged."""

    def __init__(self, number: int, page: str, port: int, answers: list[dict], *, patient: bool) -> None:
        super().__init__(daemon=True)
        self.number, self.page, self.port, self.patient = number, page, port, patient
        self.rng = random.Random(number)
        self.answers = [a | {"id": f"listener-{number:06d}-{step}"} for step, a in enumerate(answers)]
        for answer in self.answers:
            answer["scores"] = [float(self.rng.randrange(101)) for _ in answer["scores"]]
        self.acknowledged: dict[int, list[float]] = {}
        self.took: list[float] = []  # seconds of each request, from sending it to having read the reply
        self.problem = ""
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        try:
            self.post("consent", {"agreed": True}, 200, 409)
            for step, answer in enumerate(self.answers):
                self.post(f"trials/{step}", answer, 200)
                self.acknowledged[step] = answer["scores"]
                if self.rng.random() < 0.2:  # an answer that was lost on its way back is sent a second time
                    self.post(f"trials/{step}", answer, 200)
            self.post("questionnaire", USUAL_ANSWERS, 200, 409)
        except Exception as error:
            self.problem = repr(error)
        finally:
            if self.connection:
                self.connection.close()

    def post(self, path: str, body: dict, *expected: int) -> None:
        deadline = time.monotonic() + 300
        while True:
            begun = time.monotonic()
            try:
                self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
                self.connection.request(
                    "POST", f"{self.page}api/{path}", json.dumps(body), {"Content-Type": "application/json"}
                )
                reply = self.connection.getresponse()
                text = reply.read()
            except (OSError, http.client.HTTPException):
                if self.connection:
                    self.connection.close()
                self.connection = None
                if not self.patient or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
                continue
            self.took.append(time.monotonic() - begun)
            assert reply.status in expected, (path, reply.status, text)
            return


def simulate(server: Running, *, patient: bool) -> list[Simulated]:
    """Start a listener for each link."""
    trials = {t.id: t for t in read_pack(server.folder).trials}
    steps = read_pack(server.folder).configurations[0]
    answers = [valid_answer(trials[s.trial]) for s in steps]
    people = [Simulated(n, page, server.port, answers, patient=patient) for n, page in enumerate(server.listeners)]
    for one in people:
        one.start()
    return people


def idle_connections(port: int, count: int) -> list[socket.socket]:
    """Open connections that send nothing, as of browsers that sleep."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + 500
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            pytest.skip(f"{count} connections need {needed} open files, the limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(count)]


def stored(server: Running) -> dict[tuple[int, int], list[float]]:
    """Read the scores in the database, by listener and step."""
    db = sqlite3.connect(server.database)
    try:
        rows = db.execute("SELECT listener, step, answer FROM answers").fetchall()
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        db.close()
    assert max(Counter((n, step) for n, step, _ in rows).values(), default=1) == 1
    return {(n, step): json.loads(answer)["scores"] for n, step, answer in rows}


@pytest.fixture
def folder(tmp_path):
    # three trials of one kind, without training and level, so that nothing but ratings is measured
    return write_pack(tmp_path / "load", ["multi", "multi", "multi"], training=False, level=False)


@pytest.mark.slow
def test_200_listeners_at_once_lose_and_double_nothing(folder, serve) -> None:
    server = serve(folder, "--listeners", "200")
    people = simulate(server, patient=False)
    for one in people:
        one.join(300)
    assert [one.problem for one in people if one.problem] == []
    expected = {(one.number, step): scores for one in people for step, scores in one.acknowledged.items()}
    assert len(expected) == 200 * TRIALS
    assert stored(server) == expected


@pytest.mark.parametrize(
    ("people", "idle", "files"),
    [
        pytest.param(50, 1100, 0, marks=pytest.mark.slow),
        (8, 120, 130),  # more than there may be
    ],
)
def test_idle_connections_hold_nobody_up(people: int, idle: int, files: int, folder, serve, capfd) -> None:
    server = serve(folder, "--listeners", str(people), files=files)
    few = f"warning: {files} files may be open at once, which leaves {files - 100} connections"
    assert any(line.startswith(few) for line in server.said) == bool(files)
    waiting = idle_connections(server.port, idle)
    listeners = simulate(server, patient=False)
    for one in listeners:
        one.join(300)
    assert [one.problem for one in listeners if one.problem] == []
    # Idle connections are dropped after a minute; those who were held up until then would notice.
    assert max(seconds for one in listeners for seconds in one.took) < 30
    expected = {(one.number, step): scores for one in listeners for step, scores in one.acknowledged.items()}
    assert len(expected) == people * TRIALS
    assert stored(server) == expected
    for connection in waiting:
        connection.close()
    server.stop()
    assert "Traceback" not in (logged := capfd.readouterr().err)
    assert len(logged.splitlines()) < 20  # nor is the log filled


def test_a_limit_of_files_for_nobody_is_refused(folder) -> None:
    words = [sys.executable, "-m", "mss_bench.cli.main", "listen", "serve", str(folder), "--port", "0"]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "64 files may be open at once, expected at least 116: raise the limit" in done.stderr


@pytest.mark.slow
def test_kill_9_under_load_loses_nothing_that_was_acknowledged(folder, serve) -> None:
    server = serve(folder, "--listeners", "40")
    people = simulate(server, patient=True)
    total = len(people) * TRIALS
    for share in (0.2, 0.5, 0.8):
        deadline = time.monotonic() + 300
        while sum(len(one.acknowledged) for one in people) < share * total and time.monotonic() < deadline:
            time.sleep(0.002)
        server.stop(signal.SIGKILL)
        acknowledged = {(one.number, step): s for one in people for step, s in list(one.acknowledged.items())}
        assert len(acknowledged) >= share * total
        kept = stored(server)
        assert {key: kept.get(key) for key in acknowledged} == acknowledged
        server.start()
    for one in people:
        one.join(300)
    assert [one.problem for one in people if one.problem] == []
    assert stored(server) == {(one.number, step): s for one in people for step, s in one.acknowledged.items()}
    assert len(stored(server)) == total
