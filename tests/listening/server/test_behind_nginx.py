"""The server under a path behind real nginx with HTTPS, by the configuration that is shipped."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from .conftest import read_trials, valid_answer, write_pack

SHIPPED = Path(__file__).parents[3] / "deploy" / "listening" / "nginx.conf"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def nginx(tmp_path: Path):
    """Starts nginx before a server's port, and returns its address."""
    if not shutil.which("nginx"):
        pytest.skip("no nginx is installed: apt-get install nginx-light")
    folder = tmp_path / "nginx"
    folder.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "key"), "-out",
         str(folder / "pem"), "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    running: list[subprocess.Popen] = []

    def start(upstream: int, port: int) -> None:
        block = SHIPPED.read_text()
        for old, new in {
            "listen 443": f"listen 127.0.0.1:{port}", "example.org.pem": "pem", "example.org.key": "key",
            "/etc/ssl/": f"{folder}/", "server_name example.org": "server_name localhost",
            "127.0.0.1:8765": f"127.0.0.1:{upstream}",
        }.items():  # fmt: skip
            assert old in block
            block = block.replace(old, new)
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"daemon off;\npid {folder}/pid;\nerror_log {folder}/errors;\nevents {{}}\nhttp {{\n{temporary}{block}}}\n"
        )
        running.append(subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors")]))

    yield start, folder
    for process in running:
        process.terminate()
        process.wait(30)


def test_a_session_under_a_path_with_https(nginx, serve, tmp_path: Path) -> None:
    start, folder = nginx
    port = _free_port()
    url = f"https://localhost:{port}/listening"
    pack = write_pack(tmp_path / "small", ["single"], listeners=1, training=False)
    links = tmp_path / "links.txt"
    server = serve(pack, "--url", url, "--links", str(links), "--open", "2", port=_free_port())
    assert not any("/l/" in line or "/join/" in line for line in server.said)  # what is printed may be logged
    assert links.stat().st_mode & 0o777 == 0o600
    text = links.read_text()
    page = next(line.split()[-1] for line in text.splitlines() if "/l/" in line)
    assert page.startswith(f"{url}/l/")
    start(server.port, port)
    trusted = ssl.create_default_context(cafile=str(folder / "pem"))

    def ask(path: str, body: dict | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(page + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30, context=trusted) as reply:
            assert "upstream" not in reply.headers
            return reply.read()

    for _ in range(300):  # until nginx listens
        with contextlib.suppress(OSError):
            shown = ask("").decode()
            break
        time.sleep(0.1)
    assert "/listening/static/session.js" in shown
    assert json.loads(ask("api/state"))["stage"] == "consent"
    ask("api/consent", {"agreed": True})
    ask("api/level", {"level_db": -6})
    trial = read_trials(pack)["single"]
    assert ask("audio/0/0") == (pack / trial.stimuli[0]).read_bytes()
    state = json.loads(ask("api/trials/0", valid_answer(trial)))["state"]
    assert state["stage"] == "questionnaire"
    join = next(line.split()[-1] for line in text.splitlines() if "/join/" in line)
    request = urllib.request.Request(join, b"")
    with urllib.request.urlopen(request, timeout=30, context=trusted) as reply:
        assert reply.url.startswith(f"{url}/l/")  # the redirection stays under the path
    assert not (folder / "access.log").exists()
