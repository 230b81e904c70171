"""Every command and every snippet of the documents runs as it stands there.

README's are executed by every run of the tests. Those of ``docs/`` take minutes and are executed where
``MSS_BENCH_TEST_DOCUMENTS`` is set, as the CI does. Each document is read from top to bottom in a folder of its own, which
holds what its commands speak of: data sets, estimates, a run.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mss_bench.cli.main import main
from mss_bench.core import audio

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md"]
if os.environ.get("MSS_BENCH_TEST_DOCUMENTS"):
    DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))

ELSEWHERE = {
    r"^(\S*/)?(pip|python3?|git|eval|dask|for|done|ssh|sphinx-build)\b|^\.venv/bin/(pip|python|sphinx)": "sets up",
    r"--scheduler tcp:|\$SLURM|--shard \S+/20": "needs other machines: tests/running/test_cluster.py",
    r"\bmodel:msst=|external:python=|/venvs/": "needs weights and another interpreter: tests/separators",
    r"\blisten serve\b": "serves until it is stopped: tests/listening/server",
    r"--completion": "talks to a shell: tests/cli",
    r"--max-tracks 10\b|moisesdb": "needs MoisesDB: tests/datasets",
    r"^\.venv/bin/mss-bench|^\.ci/run": "the main job, which the CI runs",
}
"""What is not executed here: a pattern, and why or where it is."""


def _blocks(document: Path) -> list[tuple[str, str]]:
    """Return the fenced blocks of a document with their languages."""
    text = document.read_text(encoding="utf-8")
    return re.findall(r"^ *```(sh|python|yaml|csv|text)\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)


def _commands(block: str) -> Iterator[str]:
    for line in re.split(r"\n|&&", block.replace("\\\n", " ")):
        command = line.strip()
        if command and not command.startswith("#") and not any(re.search(p, command) for p in ELSEWHERE):
            yield command


def _write_named(block: str) -> None:
    """Write a block that begins with the name of a file into that file."""
    if name := re.match(r"# ([\w/]+\.(?:yaml|py))\n", block):
        Path(name[1]).parent.mkdir(parents=True, exist_ok=True)
        Path(name[1]).write_text(block, encoding="utf-8")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, write_song: Callable[..., Any]) -> Path:
    """What documents speak of."""
    import mss_bench

    folder = tmp_path_factory.mktemp("documents")
    musdb = folder / "data" / "musdb18hq"
    for i, (subset, song) in enumerate((("test", "Song"), ("test", "Other Song"), ("train", "Third Song"))):
        stems = write_song(musdb / subset / song, seed=i, seconds=3.0, rate=44100)
        for tool, names in {"separated/htdemucs": "vocals drums bass other", "msst_results": "vocals other"}.items():
            for name in names.split() if subset == "test" else ():
                true = (
                    stems[name] if tool != "msst_results" or name == "vocals" else sum(stems.values()) - stems["vocals"]
                )
                noise = 0.01 * np.random.default_rng(i).standard_normal(true.shape).astype(np.float32)
                audio.write(folder / tool / song / f"{name}.wav", true + noise, 44100)
    six = folder / "separated" / "htdemucs_6s"
    shutil.copytree(folder / "separated" / "htdemucs", six)
    for song in six.iterdir():
        for name in ("guitar", "piano"):
            shutil.copy(song / "other.wav", song / f"{name}.wav")
    shutil.copytree(folder / "msst_results", folder / "separated" / "bs_roformer")
    for i, song in enumerate(("Song", "Other Song"), start=1):
        (folder / "uvr_output").mkdir(exist_ok=True)
        for name, said in (("vocals", "Vocals"), ("other", "Instrumental")):
            shutil.copy(
                folder / "msst_results" / song / f"{name}.wav", folder / "uvr_output" / f"{i}_{song}_({said})_m.wav"
            )
    for song in ("Song", "Other Song"):
        shutil.copytree(musdb / "test" / song, folder / "my_references" / song)
        shutil.copytree(folder / "separated" / "htdemucs" / song, folder / "my_estimates" / song)
    mss_bench.run(
        "demo", ["repet_sim", "hpss_vocals", "nmf_supervised", "kam", "irm"], ["bss_eval", "usdr"], max_tracks=2,
        duration=4.0, save_estimates=True, out=folder / "runs" / "demo", quiet=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def sandbox(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `prepared` to work in."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSDB18HQ_ROOT", str(tmp_path / "data" / "musdb18hq"))
    for name in ("leaderboards", "reports"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def _shortened(words: list[str], folder: Path) -> list[str]:
    """Return a command on the songs of the sandbox, the demo's being cut to the first seconds of two."""
    words = [word.replace("/data/", f"{folder}/data/") for word in words]
    demo = words[0] == "run" and not {"--dataset", "--config", "--max-tracks"} & set(words)
    return [*words, "--max-tracks", "2", "--duration", "4"] if demo else words


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_snippets_run_from_top_to_bottom(document, sandbox, capsys):
    blocks = _blocks(document)
    names: dict[str, Any] = {"__name__": "document"}
    for _, block in blocks:
        _write_named(block)
    for kind, block in blocks:
        if kind == "sh":
            for command in _commands(block):
                words = shlex.split(command, comments=True)
                assert Path(words[0]).name == "mss-bench", command
                status = main(_shortened(words[1:], sandbox))
                printed = capsys.readouterr()
                assert status in EXPECTED.get(command.partition(" #")[0].strip(), (0,)), (
                    f"{command}\n{printed.out}{printed.err}"
                )
        elif kind == "python" and "dask_jobqueue" not in block:
            exec(compile(block, str(document), "exec"), names)


EXPECTED: dict[str, tuple[int, ...]] = {
    "mss-bench compare runs/demo hpss repet_sim --target drums": (2,),  # shows what an error looks like
}
"""Exit status of commands that do not end with 0."""


def test_yaml_of_the_documents_is_yaml():
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for kind, block in _blocks(document):
            if kind == "yaml":
                assert yaml.safe_load(block), document
