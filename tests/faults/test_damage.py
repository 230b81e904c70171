"""Data that are damaged for real: bits flipped, files replaced, types exchanged. Only what was written is believed.

The whole of it, every bit of every file of a run folder, is ``tests/benchmarks/damage.py``; here are samples.
"""

import hashlib
import io
import json
import os
import random
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.errors import MssBenchError
from mss_bench.running.outputs import read_note
from mss_bench.running.status import run_status
from mss_bench.running.store import Cell, cell_path, read_cell, write_cell

NAMES = ("tracks", "frames", "failures")


def tables(run: Path) -> dict[str, bytes]:
    return {name: (run / f"{name}.parquet").read_bytes() for name in NAMES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_song, catalog_text) -> tuple[Path, list[str]]:
    """A run folder with frames and saved estimates, and the words that made it."""
    root = tmp_path_factory.mktemp("damage")
    write_song(root / "tiny" / "test" / "Song A", 1, seconds=1.0)
    write_song(root / "tiny" / "test" / "Song B", 2, seconds=1.0)
    catalog = root / "catalog.yaml"
    catalog.write_text(catalog_text.format(root=root / "tiny"))
    words = ["run", "--datasets", str(catalog), "--dataset", "tiny", "-s", "hpss", "-s", "irm", "-m", "usdr", "-m",
             "bss_eval:window=0.25,hop=0.25,filter_length=2", "--save-estimates", "-j", "1", "-q", "-o"]  # fmt: skip
    assert main([*words, str(root / "run")]) == 0
    return root / "run", words


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    shutil.copytree(folder[0], tmp_path / "run")
    return tmp_path / "run"


def checked(archive: bytes) -> bytes:
    """A cell with the checksum of its content, as who forges one would write it."""
    return archive + hashlib.sha256(archive).digest()


def forged(meta: object, values: np.ndarray, **kind: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **kind) as archive:
        archive.comment = bytes(32)
        text = meta if isinstance(meta, bytes) else json.dumps(meta).encode()
        for name, array in (("meta", np.frombuffer(text, np.uint8)), ("values", values)):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)
    return checked(buffer.getvalue()[:-32])


def test_no_bit_of_a_cell_can_change_unnoticed(folder, tmp_path):
    whole = max((folder[0] / "cells").glob("*.npz"), key=lambda file: file.stat().st_size)
    content = whole.read_bytes()
    assert read_cell(folder[0], whole.stem, frames=True) is not None
    path = cell_path(tmp_path, whole.stem)
    path.parent.mkdir()
    # All of the ends, where the headers of the archive lie, and a sample of the rest.
    places = {*range(160), *range(len(content) - 300, len(content)), *range(0, len(content), 61)}
    with path.open("wb", buffering=0) as file:
        file.write(content)
        for at in sorted(places):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([content[at] ^ 1 << bit]), at)
                assert read_cell(tmp_path, whole.stem, frames=bool(bit % 2)) is None, (at, bit)
            os.pwrite(file.fileno(), content[at : at + 1], at)
    assert read_cell(tmp_path, whole.stem) is not None


def test_cells_replaced_by_anything_are_computed_again(folder, copy):
    """One command after it the tables are the same."""
    first, second, third, *_ = sorted((copy / "cells").glob("*.npz"), key=lambda file: file.stat().st_size)
    cells = list((copy / "cells").glob("*.npz"))
    first.write_bytes(second.read_bytes())
    second.write_bytes(forged(b"0" * 2**26, np.zeros(2**20), compression=zipfile.ZIP_DEFLATED))
    third.unlink()
    os.mkfifo(third)
    for cell in set(cells) - {first, second, third}:
        cell.write_bytes(cell.read_bytes()[:-1])
    for cell in cells:
        assert read_cell(copy, cell.stem, frames=True) is None
    assert main([*folder[1], str(copy)]) == 0
    assert tables(copy) == tables(folder[0])


def leaves(value, path=()):
    """Every place of plain data."""
    yield path
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(each, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    value = dict(value) if isinstance(value, dict) else list(value)
    value[path[0]] = replaced(value[path[0]], path[1:], new)
    return value


DEEP = json.loads("[" * 90 + "]" * 90)
OTHER = (None, True, -1, 1.5, 10**400, "", "x", "\ud800", [], [None], {}, {"x": 1}, DEEP)


def test_wrong_types_in_a_whole_cell_end_in_none_or_in_a_cell(folder, tmp_path):
    """A file with the right checksum and the wrong content: what is returned has the declared types."""
    whole = max((folder[0] / "cells").glob("*.npz"), key=lambda file: file.stat().st_size)
    with np.load(whole) as archive:
        meta, values = json.loads(archive["meta"].tobytes()), archive["values"]
    path = cell_path(tmp_path, whole.stem)
    path.parent.mkdir()
    path.write_bytes(forged(meta, values))
    assert read_cell(tmp_path, whole.stem, frames=True) is not None
    rng = random.Random(0)
    for place in leaves(meta):
        if "preimage" in place or (len(place) > 5 and place[3] > 0):  # anything goes; one row stands for all
            continue
        for new in rng.sample(OTHER, 2):
            path.write_bytes(forged(replaced(meta, place, new), values))
            cell = read_cell(tmp_path, whole.stem, frames=True)
            assert cell is None or isinstance(cell.reason, str), place
    for array in (values.astype(np.float32), values.reshape(1, -1), values[:3]):
        path.write_bytes(forged(meta, array))
        assert read_cell(tmp_path, whole.stem, frames=True) is None


def answer(name: str, run: Path, file: Path) -> str | None:
    """What a reader says of a file that it refuses; any other error than those it declares is raised."""
    try:
        if name == "plan.json":
            run_status(run)
        elif name == "run.json":
            str(mss_bench.load(run).run["dataset"])
        else:
            read_note(file.parent)
    except (MssBenchError, ValueError) as error:
        if isinstance(error, ValueError) and name != "estimate.json":
            raise
        return str(error)
    return None


@pytest.mark.parametrize("name", ["plan.json", "run.json", "estimate.json"])
def test_wrong_types_in_json_are_one_line_or_harmless(folder, copy, name):
    """Without a checksum, as who changes a file by hand would leave it."""
    file = next(copy.rglob(name))
    content = json.loads(file.read_text())
    content.pop("checksum", None)
    rng = random.Random(1)
    places = [place for place in leaves(content) if not {"packages", "machine", "options"} & set(place[:-1])]
    refused = 0
    for place in places:
        file.write_text(json.dumps(replaced(content, place, rng.choice(OTHER))))
        told = answer(name, copy, file)
        refused += told is not None
        # A note of estimates is looked for in vain, then.
        assert told is None or name == "estimate.json" or "is damaged" in told or "has tables of version" in told, told
        assert told is None or "\n" not in told
    assert refused > len(places) / 4


def test_a_changed_json_file_and_a_changed_table_are_refused(copy):
    for name, read in (("tracks.parquet", lambda run: mss_bench.load(run).tracks),):
        file = copy / name
        content = file.read_bytes()
        at = len(content) // 2
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(MssBenchError, match=f"{name} is damaged"):
            read(copy)
        file.write_bytes(content)
        read(copy)


def test_what_a_plugin_says_is_harmless_in_its_cell(tmp_path):
    track = {"dataset": "d", "subset": "", "name": "n"}
    write_cell(tmp_path, Cell("k", track, "s", "", "error", "a\x1b[31m\udcff", "log\n\x9b", ["f\u202e"]))
    cell = read_cell(tmp_path, "k")
    assert (cell.reason, cell.log, cell.flags) == (r"a\x1b[31m\udcff", "log\n\\x9b", [r"f\u202e"])
