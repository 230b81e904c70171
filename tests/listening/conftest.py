"""A small finished run to make listening tests from."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mss_bench
from mss_bench.core import audio
from mss_bench.listening.design import read_design
from mss_bench.listening.pack import make_pack

RATE = 22050
SECONDS = 7.0


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """Three tracks of seven seconds, three methods."""
    root = tmp_path_factory.mktemp("listening")
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
    return root / "run"


@pytest.fixture(scope="session")
def pack(finished_run, tmp_path_factory) -> Path:
    """A MUSHRA test of two systems and two items; to be copied by whoever changes it."""
    folder = tmp_path_factory.mktemp("pack")
    (folder / "test.yaml").write_text(
        f"name: heard\nprotocol: mushra\nrun: {finished_run}\ntarget: vocals\nsystems: [centre, hpss_vocals]\n"
        "excerpts: {count: 2, seconds: 3}\nlisteners: 5\nreplicates: 0\n"
    )
    return make_pack(read_design(folder / "test.yaml"), folder, jobs=1, say=lambda _: None)


@pytest.fixture(scope="session")
def protocol_pack(finished_run, tmp_path_factory) -> Callable[[str], Path]:
    """Makes a test of all systems on two items of a second, once for each protocol."""
    folder = tmp_path_factory.mktemp("protocols")

    @functools.cache
    def make(protocol: str) -> Path:
        more = "remix_db: [6, -6]\n" if protocol == "remix" else ""
        (folder / f"{protocol}.yaml").write_text(
            f"name: {protocol}\nprotocol: {protocol}\nrun: {finished_run}\ntarget: vocals\n{more}"
            "excerpts: {count: 2, seconds: 1}\nlisteners: 4\n"
        )
        return make_pack(read_design(folder / f"{protocol}.yaml"), folder, jobs=1, say=lambda _: None)

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
