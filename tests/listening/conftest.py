"""A small finished run to make listening tests from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mss_bench
from mss_bench.core import audio
from mss_bench.core.files import lock
from mss_bench.listening.design import read_design
from mss_bench.listening.pack import make_pack

RATE = 22050
SECONDS = 7.0


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that all processes of the tests have: what is in it is made by the first that needs it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "listening"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def finished_run(shared) -> Path:
    """Three tracks of seven seconds, three methods."""
    with lock(shared / "run.lock"):
        if not (shared / "run" / "finished.json").exists():
            _make_run(shared)
    return shared / "run"


def _make_run(root: Path) -> None:
    time = np.arange(round(SECONDS * RATE)) / RATE
    for number in range(3):
        rng = np.random.default_rng(number)
        stems = {
            "vocals": sum(
                np.sin(2 * np.pi * k * (220 + 20 * number) * time + np.sin(12 * time)) / k for k in range(1, 12)
            ),
            "drums": rng.standard_normal(time.size) * np.exp(-30 * (time % 0.5)),
            "bass": np.sin(2 * np.pi * 55 * time) + 0.5 * np.sin(2 * np.pi * 110 * time),
            "other": sum(np.sin(2 * np.pi * f * time) for f in (523.0, 659.0, 784.0)),
        }
        for place, (name, stem) in enumerate(stems.items()):
            gains = np.array([[1.0], [1.0]]) if name == "vocals" else np.array([[1.0], [0.4 + 0.2 * place]])
            audio.write(root / "songs" / f"Song {number}" / f"{name}.wav", 0.05 * gains * stem, RATE)
    mss_bench.run(
        f"references:dir={root / 'songs'}", ["centre", "hpss_vocals", "irm"],
        ["bss_eval:window=1,hop=1,filter_length=32", "usdr"],
        jobs=1, out=root / "run", save_estimates=True, quiet=True,
    )  # fmt: skip


def _make_once(folder: Path, name: str, text: str) -> Path:
    """Make a pack in a folder that other processes have, too."""
    with lock(folder / f"{name}.lock"):
        if not (folder / name).exists():
            (folder / f"{name}.yaml").write_text(f"name: {name}\ntarget: vocals\n{text}")
            make_pack(read_design(folder / f"{name}.yaml"), folder, jobs=1, say=lambda _: None)
    return folder / name


@pytest.fixture(scope="session")
def pack(finished_run, shared) -> Path:
    """A MUSHRA test of two systems and two items; to be copied by whoever changes it."""
    text = f"protocol: mushra\nrun: {finished_run}\nsystems: [centre, hpss_vocals]\n"
    return _make_once(shared, "heard", text + "excerpts: {count: 2, seconds: 3}\nlisteners: 5\nreplicates: 0\n")


@pytest.fixture(scope="session")
def protocol_pack(finished_run, shared) -> Callable[[str], Path]:
    """Makes a test of all systems on two items of a second, once for each protocol."""

    def make(protocol: str) -> Path:
        more = "remix_db: [6, -6]\n" if protocol == "remix" else ""
        text = f"protocol: {protocol}\nrun: {finished_run}\nexcerpts: {{count: 2, seconds: 1}}\nlisteners: 4\n"
        return _make_once(shared, protocol, text + more)

    return make


@pytest.fixture
def write_design(finished_run, tmp_path):
    """Writes a test's file and reads it."""

    def write(text: str = "", protocol: str = "mushra", name: str = "trial_test"):
        head = f"name: {name}\nprotocol: {protocol}\nrun: {finished_run}\ntarget: vocals\n"
        if "excerpts" not in text:
            head += "excerpts: {count: 2, seconds: 3}\n"
        if "listeners" not in text:
            head += "listeners: 4\n"
        path = tmp_path / f"{name}.yaml"
        path.write_text(head + text)
        return read_design(path)

    return write
