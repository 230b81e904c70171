"""A whole session by keyboard alone in a real Firefox, which is driven by WebDriver BiDi."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from .conftest import write_pack

tornado_websocket = pytest.importorskip("tornado.websocket", reason="pip install 'mss-bench[dask]'")

KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue006",
    "PageUp": "\ue00e",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowDown": "\ue015",
}
PREFERENCES = {
    "browser.shell.checkDefaultBrowser": False, "datareporting.policy.dataSubmissionEnabled": False,
    "media.autoplay.default": 0, "app.normandy.enabled": False,
}  # fmt: skip


class Firefox:
    """A browser with one page: the few commands of WebDriver BiDi that a session takes."""

    def __init__(self, profile: Path, sound: str) -> None:
        from tornado.ioloop import IOLoop

        (profile / "user.js").write_text(
            "".join(f'user_pref("{name}", {json.dumps(value)});\n' for name, value in PREFERENCES.items())
        )
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        words = [program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
        environment = os.environ | {"PULSE_SERVER": sound, "MOZ_CRASHREPORTER_DISABLE": "1"}
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment)
        address = next(found[1] for line in self.process.stderr if (found := re.search(r"(ws://\S+)", line)))
        self.loop, self.numbers, self.problems = IOLoop(make_current=False), count(1), []
        self.socket = self.loop.run_sync(lambda: tornado_websocket.websocket_connect(f"{address}/session"))
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        # A tab of its own: in the first one keys do nothing, as the focus is in the address bar.
        self.context = self.ask("browsingContext.create", type="tab", background=False)["context"]
        self.ask("browsingContext.activate", context=self.context)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; errors that pages report on the way are kept."""
        number = next(self.numbers)
        self.socket.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            reply = json.loads(self.loop.run_sync(self.socket.read_message, timeout=120))
            if reply.get("id") == number:
                assert reply["type"] == "success", reply
                return reply["result"]
            if reply.get("params", {}).get("level") == "error":
                self.problems.append(reply["params"]["text"])

    def open(self, url: str) -> None:
        self.ask("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def press(self, *keys: str) -> None:
        values = [KEYS.get(key, key) for key in keys]
        actions = [{"type": kind, "value": value} for value in values for kind in ("keyDown", "keyUp")]
        self.ask(
            "input.performActions", context=self.context, actions=[{"type": "key", "id": "keys", "actions": actions}]
        )

    def is_true(self, expression: str) -> bool:
        target = {"context": self.context}
        told = self.ask("script.evaluate", expression=f"Boolean({expression})", target=target, awaitPromise=True)
        return told["result"]["value"]

    def wait(self, expression: str) -> None:
        until = time.monotonic() + 120  # however long a busy machine takes
        while not self.is_true(expression):
            assert time.monotonic() < until, expression
            time.sleep(0.05)

    def tab_to(self, selector: str) -> None:
        for _ in range(40):
            if self.is_true(f"document.activeElement.matches({selector!r})"):
                return
            self.press("Tab")
        raise AssertionError(f"the Tab key does not lead to {selector}")

    def close(self) -> None:
        self.socket.close()
        self.loop.close()
        self.process.terminate()
        self.process.wait(60)
        self.process.stderr.close()


@pytest.fixture
def sound(tmp_path_factory):
    """The address of a sound card that is none: without one, Firefox' clock of sounds stands still."""
    if not shutil.which("pulseaudio"):
        pytest.skip("no PulseAudio is installed: apt-get install pulseaudio")
    home = tmp_path_factory.mktemp("pulse")
    modules = ["module-null-sink", f"module-native-protocol-unix auth-anonymous=1 socket={home / 'socket'}"]
    words = ["pulseaudio", "-n", "--exit-idle-time=-1", "--daemonize=no", *(f"--load={module}" for module in modules)]
    own = os.environ | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    server = subprocess.Popen(words, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (home / "socket").exists():
        assert server.poll() is None
        time.sleep(0.05)
    yield f"unix:{home / 'socket'}"
    server.terminate()
    server.wait(60)


@pytest.fixture
def firefox(tmp_path, sound):
    if not (shutil.which("firefox-esr") or shutil.which("firefox")):
        pytest.skip("no Firefox is installed: apt-get install firefox-esr")
    (tmp_path / "profile").mkdir()
    browser = Firefox(tmp_path / "profile", sound)
    yield browser
    browser.close()
    assert browser.problems == []


def test_a_whole_session_by_keyboard_alone(tmp_path, serve, firefox) -> None:
    server = serve(write_pack(tmp_path / "voices", ["multi", "preference"], training=False), "--listeners", "1")
    firefox.open(server.links["L001"])

    def hear(keys: str) -> None:
        firefox.wait("document.querySelector('.signal')")
        for key in keys:
            firefox.press(key)
            firefox.wait(f"document.querySelector(`.signal.heard[aria-keyshortcuts='{key}']`)")

    firefox.wait("document.querySelector('[name=agreed]')")
    firefox.tab_to("[name=agreed]")
    firefox.press(" ")
    firefox.tab_to(".next")
    firefox.press("Enter")
    firefox.wait("document.querySelector('.play')")
    firefox.press(" ")
    firefox.wait("document.querySelector('.next[aria-disabled=false]')")
    firefox.tab_to(".next")
    firefox.press("Enter")
    firefox.wait("document.querySelector('h1').textContent === 'Trial 1 of 2'")
    hear("0123")
    for key, move in (("1", "PageUp"), ("2", "End"), ("3", "Home")):
        firefox.press(key, move)  # goes to the slider, too
    firefox.tab_to(".next")
    firefox.press("Enter")
    firefox.wait("document.querySelector('h1').textContent === 'Trial 2 of 2'")
    hear("ab")
    firefox.tab_to("input[type=radio]")
    firefox.press(" ", "ArrowDown")
    firefox.tab_to(".next")
    firefox.press("Enter")
    firefox.wait("document.querySelector('[name=remarks]')")
    for name in ("device", "room", "experience", "hearing"):
        firefox.tab_to(f"input[name={name}]")
        firefox.press(" ")
    firefox.tab_to(".next")
    firefox.press("Enter")
    firefox.wait("document.querySelector('h1').textContent === 'Thank you'")

    db = sqlite3.connect(server.database)
    stored = [json.loads(answer) for (answer,) in db.execute("SELECT answer FROM answers ORDER BY step")]
    db.close()
    assert stored[0]["scores"] == [10, 100, 0]
    assert stored[1]["choice"] == 1
