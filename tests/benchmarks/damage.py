"""Flip every bit of every file of a run folder, one at a time, and look at what the readers make of it.

``python tests/benchmarks/damage.py [--every N] [--commands N]`` prints the tables of ``damage.md``: for each kind of
file how many flips end in "computed again" (a run takes the file for missing), in one line (a command refuses it by
name), or in anything else, which is a defect: a traceback, a wait, other content that is believed. Then files are
damaged in further ways and the whole command is given again, in a process of its own: the tables must be the same, or
it must end non-zero with one line.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import CATALOG, write_song

from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.errors import MssBenchError
from mss_bench.report.media import read_media
from mss_bench.running.outputs import read_note
from mss_bench.running.store import read_cell, read_info, read_plan
from mss_bench.running.tables import TABLES, read_table

SLOW = 1.0  # seconds for a file
WAIT = 120.0  # seconds for a command


def make_run(root: Path) -> tuple[Path, list[str]]:
    """Compute two songs with three methods, frames, saved estimates and media; return the folder and the command."""
    for number, name in enumerate(("Song A", "Song B")):
        write_song(root / "tiny" / "test" / name, number, seconds=1.0)
    catalog = root / "catalog.yaml"
    catalog.write_text(CATALOG.format(root=root / "tiny"))
    run = root / "run"
    words = ["run", "--datasets", str(catalog), "--dataset", "tiny", "-s", "hpss", "-s", "irm", "-m", "usdr"]
    words += ["-m", "bss_eval:window=0.25,hop=0.25,filter_length=2", "--media", "all", "--save-estimates"]
    words += ["-j", "1", "-q", "-o", str(run)]
    if main(words) != 0:
        raise SystemExit("the undisturbed run failed")
    return run, words


def readers(run: Path) -> dict[str, tuple[list[Path], Callable[[Path], Any]]]:
    """Return, by kind, files and what reads one; a reader returns None for what is computed again."""

    def media(file: Path) -> Any:
        keys = {cell["estimate_key"] for cell in read_plan(run)["cells"]}
        return read_media([run / "media"], keys, {"hpss", "irm"})

    def note(file: Path) -> Any:
        with contextlib.suppress(OSError, ValueError):
            return read_note(file.parent)

    def estimate(file: Path) -> Any:
        wanted = read_note(file.parent)["sha256"][file.stem]
        return "whole" if audio.hash_file(file) == wanted else None

    return {
        "cells/*.npz": (sorted(run.glob("cells/*.npz")), lambda file: read_cell(run, file.stem, frames=True)),
        "plan.json": ([run / "plan.json"], lambda file: read_plan(run)),
        "run.json": ([run / "run.json"], lambda file: read_info(run)),
        "estimate.json": (sorted(run.rglob("estimate.json"))[:2], note),
        "estimates/*.wav": (sorted((run / "estimates").rglob("*.wav"))[:1], estimate),
        "media.json": (sorted(run.rglob("media.json"))[:1], media),
        "*.parquet": ([run / f"{name}.parquet" for name in TABLES], lambda file: read_table(run, file.stem).to_csv()),
    }


def outcome(read: Callable[[Path], Any], file: Path, whole: Any) -> str:
    """Return in a word how reading a damaged file ends."""
    began = time.perf_counter()
    try:
        content = read(file)
    except MssBenchError as error:
        ended = "one line" if "\n" not in str(error) else "several lines"
    except Exception as error:
        ended = f"traceback: {type(error).__name__}"
    else:
        ended = "computed again" if content is None else "same content" if repr(content) == whole else "other content"
    return "hang" if time.perf_counter() - began > SLOW else ended


def flip_all(run: Path, every: int) -> dict[str, Counter[str]]:
    """Flip every `every`-th byte's bits of the files of each kind, one at a time."""
    counts: dict[str, Counter[str]] = {}
    for kind, (files, read) in readers(run).items():
        counts[kind] = Counter()
        for path in files:
            whole = repr(read(path))
            content = path.read_bytes()
            with path.open("r+b", buffering=0) as file:
                for at in range(0, len(content), every):
                    for bit in range(8):
                        os.pwrite(file.fileno(), bytes([content[at] ^ 1 << bit]), at)
                        counts[kind][outcome(read, path, whole)] += 1
                    os.pwrite(file.fileno(), content[at : at + 1], at)
    return counts


def repeat_commands(run: Path, words: list[str], times: int) -> dict[str, Counter[str]]:
    """Damage a file, give the command again, and compare the tables; also with files cut, replaced and removed."""
    rng = random.Random(1)
    pristine = run.with_name("pristine")
    shutil.copytree(run, pristine)
    expected = _tables(run)
    counts: dict[str, Counter[str]] = {}
    for _ in range(times):
        kind, (files, _) = rng.choice(list(readers(run).items()))
        victim = rng.choice(files)
        harm = rng.choice(list(HARMS))
        HARMS[harm](victim, rng)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "mss_bench", *words], capture_output=True, text=True, timeout=WAIT
            )
        except subprocess.TimeoutExpired:
            ended = "A WAIT"
        else:
            told = [line for line in done.stderr.splitlines() if line.startswith("mss-bench: ")]
            same = _tables(run) == expected
            ended = "same tables" if same else "OTHER TABLES" if not done.returncode else "one line"
            if "Traceback" in done.stderr or (done.returncode and len(told) != 1):
                ended = "A TRACEBACK"
        counts.setdefault(f"{kind}: {harm}", Counter())[ended] += 1
        shutil.rmtree(run)
        shutil.copytree(pristine, run)
    return counts


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _pipe(path: Path, rng: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


HARMS: dict[str, Callable[[Path, random.Random], object]] = {
    "a bit": _flip,
    "cut": lambda path, rng: os.truncate(path, rng.randrange(path.stat().st_size)),
    "zeros": lambda path, rng: path.write_bytes(bytes(path.stat().st_size)),
    "nested": lambda path, rng: path.write_bytes(b"[" * 100_000),
    "huge number": lambda path, rng: path.write_bytes(b'{"cells": ' + b"1" * 5000 + b"}"),
    "other type": lambda path, rng: path.write_bytes(b'{"cells": [1], "schema": 2, "sha256": 5}'),
    "removed": lambda path, rng: path.unlink(),
    "pipe": _pipe,
}


def _tables(run: Path) -> dict[str, bytes]:
    return {name: (run / f"{name}.parquet").read_bytes() for name in ("tracks", "frames", "failures")}


def print_table(head: str, counts: dict[str, Counter[str]]) -> None:
    """Print counts by kind as Markdown."""
    columns = sorted({ended for count in counts.values() for ended in count})
    print(f"| {head} | cases | " + " | ".join(columns) + " |")
    print("|---|--:|" + "--:|" * len(columns))
    for kind, count in sorted(counts.items()):
        print(f"| {kind} | {count.total():,} | " + " | ".join(f"{count[c]:,}" for c in columns) + " |")
    print()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="flip the bits of every N-th byte")
    parser.add_argument("--commands", type=int, default=100, help="commands given again on damaged folders")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("MSS_BENCH_CACHE", f"{folder}/cache")
        run, words = make_run(Path(folder))
        print_table("bits of", flip_all(run, asked.every))
        print_table("then the command again", repeat_commands(run, words, asked.commands))
