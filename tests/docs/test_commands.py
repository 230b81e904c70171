"""Every command and every snippet of the documents runs as it stands there.

README's are executed by every run of the tests. Those of ``docs/`` take minutes and are executed where
``MSS_BENCH_TEST_DOCUMENTS`` is set, as the CI does. Each document is read from top to bottom in a folder of its own,
which holds what its commands speak of: data sets, estimates, a run.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mss_bench.cli.main import main
from mss_bench.core.audio import hash_file

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md"]
if os.environ.get("MSS_BENCH_TEST_DOCUMENTS"):  # beside a run of all tests, which has executed README's
    DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))

ELSEWHERE = {
    r"^(\S*/)?(pip|python3?|git|eval|dask|for|done|ssh|sphinx-build|\. \.venv)\b": "sets up",
    r"--scheduler tcp:|\$SLURM|--shard \S+/20": "needs other machines: tests/running/test_cluster.py",
    r"\bmodel:msst=|external:python=|/venvs/": "needs weights and another interpreter: tests/separators",
    r"\blisten (serve|analyse listening/|import webMUSHRA)": "needs listeners: tests/listening",
    r"metrics arena\b|listen import ratings_of|--arena\b": "needs stimuli and ratings: tests/listening/test_arena.py",
    r"mss-bench robustness\b": "takes minutes: tests/cli/test_robustness.py",
    r"--completion|--version": "ends the interpreter or talks to a shell: tests/cli",
    r"--max-tracks 10\b|moisesdb": "needs MoisesDB: tests/datasets",
    r"^\.venv/bin/mss-bench|^\.ci/run": "the main job, which the CI runs",
}
"""What is not executed here: a pattern, and why or where it is."""
if not os.environ.get("MSS_BENCH_TEST_DATA"):
    ELSEWHERE[r"similarity_ratings|dcr_test_ratings|analyse (sisec|gensvs)"] = "needs the ratings of published tests"


def _blocks(document: Path) -> list[tuple[str, str]]:
    """Return the fenced blocks of a document with their languages."""
    text = document.read_text(encoding="utf-8")
    return re.findall(r"^ *```(sh|python|yaml|csv|text)\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)


def _commands(block: str) -> Iterator[str]:
    for line in re.split(r"\n|&&", block.replace("\\\n", " ")):
        command = line.strip()
        if command and not command.startswith("#") and not any(re.search(p, command) for p in ELSEWHERE):
            yield command


def _write_named(kind: str, block: str) -> None:
    """Write a block that begins with the name of a file into that file, and a table of songs into ``songs.csv``."""
    name = re.match(r"# ([\w/-]+\.(?:yaml|py))\n", block)
    path = Path(name[1] if name else "songs.csv")
    if name or (kind in ("csv", "text") and block.startswith("track,subset,")):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = block.replace("count: 6, seconds: 8", "count: 2, seconds: 2")
        if (network := path.parent / "model.onnx").is_file():
            text = text.replace("{model.onnx: }", f"{{model.onnx: {hash_file(network)}}}")
        path.write_text(text, encoding="utf-8")


def _shortened(words: list[str], folder: Path) -> list[str]:
    """Return a command on the songs of the sandbox, the demo's being cut to the first seconds of two."""
    words = [word.replace("/data/", f"{folder}/data/").replace("song.mp3", "song.wav") for word in words]
    demo = words[0] == "run" and not {"--dataset", "--config", "--max-tracks"} & set(words)
    return [*words, "--max-tracks", "2", "--duration", "4"] if demo else words


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_snippets_run_from_top_to_bottom(document, sandbox, capsys):
    if document.name in OWN_RUN:
        shutil.rmtree("runs")
    names: dict[str, Any] = {"__name__": "document"}
    exec(BEFORE.get(document.name, ""), names)
    for kind, block in _blocks(document):
        _write_named(kind, block)
    for kind, block in _blocks(document):
        for command in _commands(block) if kind == "sh" else ():
            assert command.startswith("mss-bench "), command
            status = main(_shortened(shlex.split(command, comments=True)[1:], sandbox))
            printed = capsys.readouterr()
            expected = next((status for start, status in WITH_ERROR.items() if command.startswith(start)), 0)
            assert status == expected, f"{command}\n{printed.out}{printed.err}"
        if kind == "python" and "dask_jobqueue" not in block:
            short = block.replace("max_tracks=2)", "max_tracks=2, duration=4.0)")
            exec(compile(short, str(document), "exec"), names)


OWN_RUN = ("first_run.md",)
"""Documents that begin with a run, of other songs than that of `prepared`."""

WITH_ERROR = {
    "mss-bench compare runs/demo hpss repet_sim --target drums": 2,  # shows what an error looks like
    "mss-bench protocols check": 1,  # two songs are no MUSDB18
}
"""Commands that do not end with status 0."""

BEFORE = {
    "museval.md": """
import musdb, numpy as np
references = np.random.default_rng(0).standard_normal((2, 44100, 2))
estimates = references + 0.1
track = musdb.DB(root="data/musdb18hq", is_wav=True, subsets="test")[0]
stems = {name: track.audio / 2 for name in ("vocals", "accompaniment")}
"""
}
"""What the snippets of a document take for granted."""


def test_yaml_of_the_documents_is_yaml():
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for kind, block in _blocks(document):
            if kind == "yaml":
                assert yaml.safe_load(block), document
