"""The command: links, restarts, and what it refuses."""

from __future__ import annotations

import re
import signal
import socket
import urllib.error
import urllib.request

import pytest

from mss_bench.cli.main import main
from mss_bench.listening.pack_format import read_key
from mss_bench.listening.server.flow import Sitting

from .conftest import write_pack


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=60) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture
def small(tmp_path):
    return write_pack(tmp_path / "small", ["single"], listeners=3)


def test_links_stay_over_a_restart_and_the_key_is_not_served(small, serve) -> None:
    server = serve(small, "--open", "5", "--host", "127.0.0.1")
    links = dict(server.links)
    assert len(server.listeners) == 3
    assert _status(links["experimenter"]) == 200
    assert _status(links["join"].split(" ")[-1]) == 200
    base = links["experimenter"].partition("/experimenter")[0]
    for path in ("/../small.key/key.json", "/%2e%2e/small.key/key.json", "/small.key/key.json", "//etc/passwd"):
        assert _status(base + path) in (400, 404)
    server.stop(signal.SIGINT)
    again = server.start()
    assert again.links == links
    assert read_key(small)


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(small, serve) -> None:
    server = serve(small)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(
            f"POST {server.listeners[0]}api/consent HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            "Content-Length: 1000000000\r\n\r\n".encode()
        )
        assert b" 413 " in line.recv(100)


def test_wrong_use_is_told(small, tmp_path, capsys) -> None:
    assert main(["listen", "serve", str(tmp_path)]) == 2
    assert "is not a pack" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["listen", "serve", str(small), "--port", str(port)]) == 2
        assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
    assert main(["listen", "serve", str(small), "--consent", str(tmp_path / "none.txt")]) == 2
    assert "none.txt cannot be read" in capsys.readouterr().err
    for words, message in (
        (["--completion-url", "javascript:alert(1)"], "'javascript:alert(1)', expected an address"),
        (["--port", "70000"], "--port is 70000, expected a whole number from 0 to 65535"),
        (["--open", "0"], "--open is 0, expected a whole number of at least 1"),
    ):
        assert main(["listen", "serve", str(small), *words]) == 2
        assert message in capsys.readouterr().err


def test_a_pack_is_served_from_within(small, capsys, monkeypatch) -> None:
    monkeypatch.chdir(small)
    assert main(["listen", "serve", ".", "--export"]) == 2
    assert "small.results holds no ratings" in capsys.readouterr().err


def test_a_pack_that_was_made_anew_does_not_mix_with_old_ratings(small, serve, capsys) -> None:
    serve(small).stop()
    text = (small / "pack.json").read_text()
    (small / "pack.json").write_text(text.replace("Listen well", "Listen better"))
    assert main(["listen", "serve", str(small), "--port", "0"]) == 2
    assert "made anew" in capsys.readouterr().err


def test_ratings_are_written_without_a_server(small, capsys) -> None:
    assert main(["listen", "serve", str(small), "--export"]) == 2
    assert "holds no ratings" in capsys.readouterr().err
    from mss_bench.listening.pack_format import results_folder
    from mss_bench.listening.server.store import Store

    Store(results_folder(small), Sitting(small).checksum).close()
    assert main(["listen", "serve", str(small), "--export"]) == 0
    capsys.readouterr()
    assert main(["listen", "analyse", str(small), "-o", str(small.parent / "report")]) == 2
    assert f"nobody has rated {small} yet; who has begun: mss-bench listen listeners" in capsys.readouterr().err
    assert (results_folder(small) / "ratings.csv").read_text().startswith("test,listener,session")


def test_a_stopped_server_leaves_one_file(small, serve, capsys, tmp_path) -> None:
    server = serve(small)
    assert _status(f"http://127.0.0.1:{server.port}{server.listeners[0]}api/state") == 200
    assert main(["listen", "backup", str(small), "-o", str(tmp_path / "copy.sqlite")]) == 0  # while it is served
    assert "3 listeners, 0 answers" in capsys.readouterr().out
    server.stop(signal.SIGTERM)  # as docker stop does
    assert server.process.returncode == 0
    assert [file.name for file in server.database.parent.iterdir()] == ["ratings.sqlite"]


def test_a_server_whose_database_vanished_names_what_it_rescued(small, serve) -> None:
    server = serve(small)
    assert _status(f"http://127.0.0.1:{server.port}{server.listeners[0]}api/state") == 200
    server.database.unlink()
    server.process.send_signal(signal.SIGTERM)
    assert "the ratings are in " in (told := server.process.stdout.read())
    assert f"{server.database.with_name('ratings.rescued.sqlite')}, since {server.database} was deleted" in told
    server.stop()
    assert [file.name for file in server.database.parent.iterdir()] == ["ratings.rescued.sqlite"]


def test_the_experimenter_has_a_command_for_each_listener(small, serve, capsys) -> None:
    serve(small)
    words = ["listen", "listeners", str(small)]
    assert main([*words, "--exclude", "L002", "--reason", "asleep"]) == 0
    assert "excluded: asleep" in capsys.readouterr().out
    assert main([*words, "--delete", "L001", "--reason", "asked for it", "--add", "1"]) == 0
    told = capsys.readouterr().out
    assert "0 answers of L001 were deleted" in told
    assert "L004" in told
    assert re.search(r"delete +number 1 +0 answers +asked for it", told)
    assert main([*words, "--delete", "L001", "--reason", "again"]) == 2
    assert "unknown listener 'L001'" in capsys.readouterr().err
    assert main([*words, "--exclude", "L002"]) == 2
    assert "need a --reason" in capsys.readouterr().err


def test_an_open_network_is_warned_of_plain_http(small, serve) -> None:
    server = serve(small, "--host", "0.0.0.0")
    assert any("plain HTTP" in line for line in server.said)
    assert not any("plain HTTP" in line for line in serve(small, "--port", "0").said)
