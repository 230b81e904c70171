"""Save estimates in a run folder, and find saved ones."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from mss_bench.core import audio
from mss_bench.core.files import folder_name, json_text, read_json, write_atomic
from mss_bench.core.records import built
from mss_bench.core.tracks import Stems, TrackId
from mss_bench.errors import AudioError
from mss_bench.running.planned import PlannedCell
from mss_bench.running.store import Cell

__all__ = ["EstimateNote", "Saved", "estimates_folder", "read_note", "save_estimates", "saved_estimates"]


@dataclass(frozen=True)
class Saved:
    """Estimates that an earlier run saved."""

    files: dict[str, Path]
    flags: list[str]
    problems: dict[str, str]


def estimates_folder(run: Path, method: str, track: TrackId, replicate: int = 1) -> Path:
    """Return the folder of a method's estimates of a track, named after the track where its name can be a folder's.

    The first replicate has the method's own folder, the others one with ``.replicate_2`` and so on beside it.
    """
    subset, name = (
        part if "/" not in part and part not in (".", "..") and len(part.encode()) <= 255 else folder_name(part)
        for part in (track.subset, track.name)
    )
    folder = folder_name(method) + (f".replicate_{replicate}" if replicate > 1 else "")
    return run / "estimates" / folder / subset / name


class EstimateNote(TypedDict):
    """The content of ``estimate.json``, which describes the files beside it."""

    estimate_key: str
    flags: list[str]
    problems: dict[str, str]
    sha256: dict[str, str]


def read_note(folder: Path) -> EstimateNote:
    """Return the note that vouches for the estimates in a folder.

    Raises
    ------
    OSError, ValueError
        There is none, or it is damaged.
    """
    note = built(EstimateNote, read_json(folder / "estimate.json"))
    if any("/" in target or target in ("", "..") for target in note["sha256"]):
        raise ValueError("it names a file outside its folder")
    return note


def saved_estimates(run: Path, planned: PlannedCell, *, verify: bool = True) -> Saved | None:
    """Return the saved estimates of a cell; None where there are none for its key.

    Parameters
    ----------
    verify : bool
        Compare the files with their hashes; damaged estimates count as missing. A plan only looks whether they exist.
    """
    folder = estimates_folder(run, planned.label, planned.track.id, planned.replicate)
    try:
        note = read_note(folder)
        files = {target: folder / f"{target}.wav" for target in note["sha256"]}
        if note["estimate_key"] == planned.estimate_key and all(
            file.is_file() and (not verify or audio.hash_file(file) == note["sha256"][target])
            for target, file in files.items()
        ):
            return Saved(files, note["flags"], note["problems"])
    except (OSError, ValueError, AudioError):
        return None
    return None


def save_estimates(run: Path, planned: PlannedCell, estimates: Stems, cell: Cell, sample_rate: int) -> None:
    """Save estimates as float32 WAV, with the flags and problems of their cell.

    Raises
    ------
    AudioError
        When they cannot be written.
    """
    folder = estimates_folder(run, planned.label, planned.track.id, planned.replicate)
    # Otherwise estimates of another key would lie beside the new ones until the last of these is written.
    shutil.rmtree(folder, ignore_errors=True)
    hashes = {}
    for target, array in estimates.items():
        audio.write(folder / f"{target}.wav", array, sample_rate)
        hashes[target] = audio.hash_file(folder / f"{target}.wav")
    # Written last: it vouches for the files beside it.
    note = {
        "estimate_key": planned.estimate_key, "flags": cell.flags, "problems": cell.problems, "sha256": hashes,
    }  # fmt: skip
    write_atomic(folder / "estimate.json", json_text(note))
