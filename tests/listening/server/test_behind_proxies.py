"""The server under a path behind real nginx and Caddy with HTTPS, by the configurations that are shipped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from mss_bench.listening.server.flow import ServeOptions

from .conftest import read_trials, valid_answer, write_pack

SHIPPED = Path(__file__).parents[3] / "deploy" / "listening"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _changed(file: str, changes: dict[str, str]) -> str:
    """A shipped configuration with the addresses and files of a test; every one of them must be in it."""
    text = (SHIPPED / file).read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def _nginx(folder: Path, upstream: int, port: int) -> list[str]:
    block = _changed("nginx.conf", {
        "listen 443": f"listen 127.0.0.1:{port}", "example.org.pem": "pem", "example.org.key": "key",
        "/etc/ssl/": f"{folder}/", "server_name example.org": "server_name localhost",
        "127.0.0.1:8765": f"127.0.0.1:{upstream}", "/var/log/nginx/error.log": str(folder / "errors"),
    })  # fmt: skip
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/errors;\nevents {{}}\nhttp {{\n{temporary}{block}}}\n"
    )
    return ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors")]


def _caddy(folder: Path, upstream: int, port: int) -> list[str]:
    site = _changed("Caddyfile", {
        "example.org {": f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {folder}/pem {folder}/key",
        "listen:8765": f"127.0.0.1:{upstream}",
        "{\n\tlog": "{\n\tadmin off\n\tauto_https disable_redirects\n\tlog",
    })  # fmt: skip
    (folder / "Caddyfile").write_text(site)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(params=[_nginx, _caddy], ids=["nginx", "caddy"])
def proxy(request, tmp_path: Path):
    """Starts a proxy before a server's port; with it the folder of its certificate and logs."""
    name = request.param.__name__.removeprefix("_")
    if not shutil.which(name):
        pytest.skip(f"no {name} is installed: apt-get install {name}")
    folder = tmp_path / name
    folder.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "key"), "-out",
         str(folder / "pem"), "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    running: list[subprocess.Popen] = []

    def start(upstream: int, port: int) -> None:
        words = request.param(folder, upstream, port)
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}  # of Caddy's files
        with (folder / "said").open("w") as said:
            running.append(subprocess.Popen(words, stderr=said, env=os.environ | home))

    yield start, folder
    for process in running:
        process.terminate()
        process.wait(30)


def test_a_session_under_a_path_with_https(proxy, serve, tmp_path: Path) -> None:
    start, folder = proxy
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

    for _ in range(300):  # until the proxy listens
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
    server.stop()
    with pytest.raises(urllib.error.HTTPError, match="502"):  # what fails is logged, too, without the address
        ask("api/state")
    assert not (folder / "access.log").exists()
    logged = "".join(log.read_text() for log in (folder / "said", folder / "errors") if log.exists())
    assert page.split("/")[-2] not in logged  # the token


def test_the_container_starts_the_server_that_the_proxy_asks(serve, tmp_path: Path) -> None:
    dockerfile = (SHIPPED / "Dockerfile").read_text()
    service = yaml.safe_load((SHIPPED / "compose.yaml").read_text())["services"]["listen"]
    entry = json.loads(dockerfile.rpartition("ENTRYPOINT ")[2])
    assert entry[:3] == ["mss-bench", "listen", "serve"]
    pack, *command = service["command"]
    assert pack == "/data/vocals"
    write_pack(tmp_path / "vocals", ["single"], listeners=1, training=False)
    options = [word.replace("/data", str(tmp_path)) for word in [*entry[3:], *command]]
    server = serve(tmp_path / "vocals", *options, port=_free_port())
    url = command[command.index("--url") + 1]
    assert all(link.startswith(url) for link in server.links.values())
    port = ServeOptions().port
    assert f"EXPOSE {port}\n" in dockerfile
    assert f"reverse_proxy listen:{port}" in (SHIPPED / "Caddyfile").read_text()
    assert f"proxy_pass http://127.0.0.1:{port};" in (SHIPPED / "nginx.conf").read_text()
