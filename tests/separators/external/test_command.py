"""Any program as a separator: what it is given, how its files are read, and what it can do wrong."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.core.spec import Spec
from mss_bench.core.tracks import Targets, Track, TrackId
from mss_bench.errors import (
    AudioError,
    ConfigError,
    InvalidOutputError,
    MssBenchError,
    SeparatorCrashError,
    SeparatorError,
    SeparatorTimeoutError,
)
from mss_bench.running.conform import conform
from mss_bench.running.failures import classify
from mss_bench.running.plan import make_plan
from mss_bench.separators.contract import check_separator
from mss_bench.separators.external.command import Command

BOTH = 'cp "$1" "$2/vocals.wav"; cp "$1" "$2/no_vocals.wav"'
TARGETS = "vocals+accompaniment"


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((2, 2000)).astype(np.float32)


@pytest.fixture
def program(written: Callable[..., str]) -> Callable[..., Command]:
    """A separator of a shell script, which is given input and output folder."""

    def make(body: str, arguments: str = "{input} {output_dir}", targets: str = TARGETS, **params: Any) -> Command:
        path = written("tool", f"#!/bin/sh\nset -e\n{body}\n", executable=True)
        return Command(command=f"{path} {arguments}", targets=targets, **params)

    return make


@pytest.mark.parametrize(
    ("body", "pattern"),
    [
        (BOTH, ""),
        ('cp "$1" "$2/song_(Vocals)_MDX.wav"; cp "$1" "$2/song_(Instrumental)_MDX.wav"', ""),
        ('mkdir -p "$2/net/song"; cp "$1" "$2/net/song/vocals.wav"; cp "$1" "$2/net/song/no_vocals.wav"', ""),
        ('cp "$1" "$2/est7-vocals-x.wav"; cp "$1" "$2/est7-inst-x.wav"; cp "$1" "$2/b.wav"', "est?-{target}-*.wav"),
        ('mkdir "$2/a"; cp "$1" "$2/a/vox_song.wav"; cp "$1" "$2/a/inst_song.wav"', "a/{target}_{track}.wav"),
    ],
)
def test_files_become_estimates_by_recognised_names_or_a_pattern(
    body: str, pattern: str, program: Any, separate: Any, noise: np.ndarray
) -> None:
    found = separate(program(body, pattern=pattern), noise)
    assert list(found) == ["vocals", "accompaniment"]
    for array in found.values():
        np.testing.assert_array_equal(array, noise)


def test_files_whose_names_say_nothing_are_taken_by_order(
    program: Any, separate: Any, noise: np.ndarray, tmp_path: Path
) -> None:
    audio.write(tmp_path / "silence.wav", np.zeros_like(noise), 44100)
    body = 'cp "$1" "$2/song-out_10.wav"; cp "$3" "$2/song-out_9.wav"; echo done > "$2/song.txt"'
    arguments = f"{{input}} {{output_dir}} {tmp_path / 'silence.wav'}"
    found = separate(program(body, arguments, output="by order"), noise)
    assert not found["vocals"].any()  # 9 comes before 10
    np.testing.assert_array_equal(found["accompaniment"], noise)
    with pytest.raises(InvalidOutputError, match="expected an audio file for each of vocals, accompaniment, in this"):
        separate(program('cp "$1" "$2/out_0.wav"', output="by order"), noise)
    for wrong in ({"targets": ""}, {"pattern": "{target}.wav"}):
        with pytest.raises(ConfigError, match="output is 'by order', expected by name, or targets in the order"):
            program(body, output="by order", **wrong)


def test_a_program_that_copies_keeps_the_contract(program: Any) -> None:
    results = check_separator(program(BOTH), seconds=0.2)
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []


def test_words_are_handed_over_as_they_are_without_a_shell(
    program: Any, separate: Any, noise: np.ndarray, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    weights = tmp_path / "my weights"
    weights.write_text("1")
    arguments = '{input} {output_dir} --model={weights} {sample_rate} \'$HOME; "x"\' {"a":1} {device}'
    separator = program(f'printf "%s\\n" "$@" > {given}; {BOTH}', arguments, weights=str(weights))
    separate(separator, noise)
    song, folder, *rest = given.read_text().splitlines()
    assert song.endswith("/song.wav")
    assert rest == [f"--model={weights}", "44100", '$HOME; "x"', "{a:1}", "cpu"]
    assert not Path(folder).exists()
    assert separator.files(TrackId("", "", "")) == [weights]


@pytest.mark.parametrize(
    ("body", "error", "status", "told"),
    [
        ("echo no model >&2; exit 4", SeparatorError, "error", "ended with exit status 4; the last it printed:\nno"),
        ("echo x; kill -SEGV $$", SeparatorCrashError, "crashed", "was killed by SIGSEGV; the last it printed:\nx"),
        ("sleep 60", SeparatorTimeoutError, "timeout", "tool took longer than 0.5 s and was killed"),
        (":", InvalidOutputError, "invalid_output", "wrote no file for vocals, accompaniment; it wrote nothing"),
        (
            'cp "$1" "$2/vocals.wav"; cp "$1" "$2/inst.raw"', InvalidOutputError, "invalid_output",
            "wrote no file for accompaniment; it wrote inst.raw, vocals.wav. Where names do not tell",
        ),
        (
            f'{BOTH}; cp "$1" "$2/Vocals.flac"', InvalidOutputError, "invalid_output",
            "tool wrote Vocals.flac, vocals.wav for vocals; expected one file",
        ),
        (
            f"{BOTH}; cp {{rate}} $2/vocals.wav", AudioError, "error",
            "vocals.wav, which tool wrote, has a sample rate of 22050 Hz, expected 44100 Hz; is `sample_rate`",
        ),
        (
            f"{BOTH}; cp {{mono}} $2/vocals.wav", AudioError, "error",
            "vocals.wav, which tool wrote, has 1 channel(s), expected 2 as in the mixture",
        ),
        (f"{BOTH}; echo x > $2/vocals.wav", AudioError, "error", "vocals.wav, which tool wrote, cannot be read"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_told(
    body: str,
    error: type[MssBenchError],
    status: str,
    told: str,
    program: Any,
    separate: Any,
    noise: np.ndarray,
    tmp_path: Path,
) -> None:
    audio.write(tmp_path / "rate.wav", noise, 22050)
    audio.write(tmp_path / "mono.wav", noise[:1], 44100)
    body = body.replace("{rate}", str(tmp_path / "rate.wav")).replace("{mono}", str(tmp_path / "mono.wav"))
    with pytest.raises(error, match=re.escape(told)) as raised:
        separate(program(body, timeout=0.5 if "sleep" in body else None), noise)
    assert classify(raised.value)[0] == status


def test_what_is_not_asked_for_is_left_alone_and_another_length_is_the_runners_matter(
    program: Any, separate: Any, targets: Targets, noise: np.ndarray, tmp_path: Path
) -> None:
    audio.write(tmp_path / "longer.wav", np.pad(noise, ((0, 0), (0, 7))), 44100)
    found = separate(program(f'cp {tmp_path}/longer.wav $2/vocals.wav; cp "$1" $2/drums.wav', targets="vocals"), noise)
    estimates, flags, _ = conform(found, noise, targets, ())
    assert (list(found), flags) == (["vocals"], ["length:+7"])
    np.testing.assert_array_equal(estimates["vocals"], noise)


def test_a_program_of_one_rate_gets_that_rate(program: Any, separate: Any, tmp_path: Path) -> None:
    tone = np.sin(np.arange(2000) / 20)[None].astype(np.float32)
    found = separate(program(f'{BOTH}; cp "$1" {tmp_path}/seen.wav', sample_rate=22050), tone)["vocals"]
    assert audio.info(tmp_path / "seen.wav").sample_rate == 22050
    assert found.shape == tone.shape
    np.testing.assert_allclose(found[:, 500:-500], tone[:, 500:-500], atol=1e-4)


def test_a_timeout_kills_what_the_program_started_and_removes_its_files(
    program: Any, separate: Any, noise: np.ndarray, tmp_path: Path, alive: Any
) -> None:
    note = tmp_path / "note"
    with pytest.raises(SeparatorTimeoutError):
        separate(program(f'sleep 600 & echo "$! $2" > {note}; wait', timeout=2), noise)
    pid, folder = note.read_text().split()
    deadline = time.monotonic() + 60
    while alive(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(int(pid))
    assert not Path(folder).parent.exists()


def test_what_a_killed_process_left_is_removed_by_the_next(
    program: Any, separate: Any, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    separate(program(f'{BOTH}; echo "$2" > {tmp_path}/note'), noise)
    left = Path((tmp_path / "note").read_text().strip()).parent
    left.mkdir()
    separate(program(f"{BOTH}; ls -d {left} > {tmp_path}/note"), noise)  # too young to be told from one that begins
    assert (tmp_path / "note").read_text().strip() == str(left)
    os.utime(left, (0, 0))
    separate(program(BOTH), noise)
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]


@pytest.mark.parametrize(
    ("command", "params", "told"),
    [
        ("no_such_tool {input} {output_dir}", {}, "there is no program 'no_such_tool' on the PATH"),
        ("/nowhere/tool {input} {output_dir}", {}, "/nowhere/tool does not exist"),
        ("cp {input}", {}, "has no {output_dir}; both {input} and {output_dir} are needed"),
        ("cp {input} {output_dir} {outdir}", {}, "has {outdir}; known: {input}, {output_dir}, {sample_rate}"),
        ("cp '{input} {output_dir}", {}, "cannot be split into words: No closing quotation"),
        ("", {}, "is empty"),
        (
            "cp {input} {output_dir}",
            {"targets": "vocals+vocals"},
            "is 'vocals+vocals', expected different names",
        ),
        ("cp {input} {output_dir}", {"targets": ["vocals", ""]}, "expected different names"),
        ("cp {input} {output_dir}", {"pattern": "{stem}.wav"}, "has no {target}"),
        ("cp {input} {output_dir}", {"timeout": 0.0}, "timeout is 0.0, expected a number above 0 (in s)"),
        (
            "cp {input} {output_dir}",
            {"sample_rate": 0},
            "sample_rate is 0, expected a whole number of at least 1",
        ),
        ("cp {input} {output_dir} {weights}", {}, "expected a path where"),
        ("cp {input} {output_dir}", {"weights": "/etc/hostname"}, "expected a path where"),
        ("cp {input} {output_dir} {weights}", {"weights": "/nowhere"}, "weights=/nowhere does not exist"),
    ],
)
def test_commands_that_cannot_be_used_are_refused(command: str, params: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        Command(command=command, **params)


def test_content_is_in_the_key_and_places_are_not(written: Any, tmp_path: Path) -> None:
    track = Track(TrackId("d", "test", "Song"), 44100, {"vocals": ()})

    def key(tool: str, config: str, **params: Any) -> str:
        command = [tool, "{input}", "{output_dir}", config]
        spec = Spec.parse({"name": "command", "command": command, **params})
        cells = make_plan([track], Targets(("vocals",)), [], [spec], []).cells
        return next(c.estimate_key for c in cells if c.separator == "command")

    (tmp_path / "else").mkdir()
    first = key(written("tool", "1", executable=True), written("config", "1"))
    assert key(written("else/tool", "1", executable=True), written("else/config", "1")) == first
    assert key(written("tool", "2", executable=True), written("config", "1")) != first
    assert key(written("tool", "1", executable=True), written("config", "2")) != first
    assert key(str(tmp_path / "tool"), "config 1", release="2.0") != key(str(tmp_path / "tool"), "config 1")
