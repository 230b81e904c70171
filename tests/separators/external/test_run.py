"""Other interpreters within a run: statuses, logs, facts, and nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

import mss_bench

SCRIPT = """
import os, time

class Separator:
    licence = "MIT"

    def __init__(self, how="", note=""):
        self.how, self.note = how, note

    def separate(self, mixture, sample_rate, *, targets, rng):
        print("chatter over there")
        if self.how == "dies":
            os._exit(3)
        if self.how == "hangs":
            open(self.note, "w").write("%d " % os.getpid())
            time.sleep(600)
        return {stem: mixture / 4 for stem in targets.stems}
"""


def test_a_run_survives_what_other_interpreters_do_and_leaves_none_behind(
    tiny: Path, tmp_path: Path, numpy1: str, written: Any, alive: Any
) -> None:
    external = f"external:python={numpy1},script={written('script.py', SCRIPT)}"
    killed, late = tmp_path / "killed.pid", tmp_path / "late.pid"
    specs = [
        f"{external},as=quarters", f"{external},how=dies,as=dies", f"{external},how=hangs,note={killed},as=killed",
        f"{external},how=hangs,note={late},as=late",
    ]  # fmt: skip
    words = ["run", "--datasets", tiny, "--dataset", "tiny", "-m", "usdr", "-o", tmp_path / "run", "-j", "1"]
    words += ["--max-tracks", "1", "--timeout", "9", "--retries", "0"] + [w for s in specs for w in ("-s", s)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mss_bench", *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 300
    while not (killed.exists() and killed.read_text().endswith(" ")) and time.monotonic() < deadline:
        time.sleep(0.02)
    psutil.Process(int(killed.read_text())).parent().kill()  # type: ignore[union-attr]
    _, errors = process.communicate(timeout=300)
    assert b"Traceback" not in errors
    results = mss_bench.load(tmp_path / "run")
    failures = {row.separator: (row.status, row.reason) for row in results.failures.itertuples()}
    assert {name: status for name, (status, _) in failures.items()} == {
        "dies": "crashed", "killed": "crashed", "late": "timeout",
    }  # fmt: skip
    assert "script.py under" in failures["dies"][1]
    assert "ended with exit status 3" in failures["dies"][1]
    assert "the worker process was killed by SIGKILL" in failures["killed"][1]
    assert (results.tracks.query("separator == 'quarters'").status == "ok").all()
    for note in (killed, late):
        assert not alive(int(note.read_text()))
    logs = "".join(log.read_text() for log in (tmp_path / "run" / "logs").glob("worker-*.log"))
    assert "chatter over there" in logs
    (facts,) = [
        m for m in json.loads((tmp_path / "run" / "run.json").read_text())["separators"] if m["label"] == "dies"
    ]
    assert facts["environment"]["packages"]["numpy"].startswith("1.")
    assert facts["licence"] == "MIT"
