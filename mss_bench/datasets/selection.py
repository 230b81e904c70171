"""Select the tracks of a data set: members of a subset, and tracks left out, which its `notices` name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mss_bench.core.text import shortened
from mss_bench.core.tracks import Track
from mss_bench.datasets.documents import listed_names
from mss_bench.errors import DatasetError

if TYPE_CHECKING:
    from mss_bench.datasets.base import Dataset

__all__ = ["count_absent", "equipped", "lacks", "members_of", "without"]


def members_of(dataset: Dataset, subset: str, tracks: list[Track]) -> list[Track]:
    """Return the tracks that belong to a subset.

    Raises
    ------
    DatasetError
        The file that lists them cannot be read.
    """
    if subset not in dataset.members and subset not in dataset.lists:
        return tracks
    names = set(dataset.members.get(subset, ()))
    if subset in dataset.lists:
        names |= set(listed_names(dataset.list_file(subset), dataset.lists[subset].partition("#")[2]))
    if missing := sorted(names - {track.name for track in tracks}):
        _tell(
            dataset,
            f"{len(missing)} of the {len(names)} tracks of {subset!r} are not in {dataset.folder(subset)}: "
            f"{shortened(missing)}",
        )
    return [track for track in tracks if track.name in names]


def equipped(dataset: Dataset, track: Track) -> Track:
    """Return a track with fit, map, erratum and absent stems from the data set's entry."""
    errata = [text for text in (track.erratum, dataset.errata.get(track.name, "")) if text]
    leave_out = dataset.missing_stems == "leave_out" and track.reader is None
    lacking = [stem for stem, files in track.stems.items() if leave_out and not files]
    absent = dataset.map.absent(track.stems, lacking) if lacking else ()
    return replace(track, fit=dataset.fit, stem_map=dataset.map, erratum="; ".join(errata), absent=absent)


def count_absent(dataset: Dataset, tracks: list[Track]) -> None:
    """Note how many tracks have each stem that some of them lack, which reveals wrong patterns."""
    lacking = {stem: sum(stem in track.absent for track in tracks) for stem in dataset.targets.stems}
    counts = [f"{stem} in {len(tracks) - n} of {len(tracks)}" for stem, n in lacking.items() if n]
    if counts:
        _tell(
            dataset,
            f"not every song has every stem ({', '.join(counts)} songs); a song is scored without the stems that it "
            "lacks (missing_stems=silent takes them as silence)",
        )


def lacks(track: Track) -> str:
    """Return the stems that a track lacks, as text; empty where the track cannot be read at all."""
    if track.reader is not None:
        return ""
    lacking = [stem for stem, files in track.stems.items() if not any(file.is_file() for file in files)]
    return ", ".join(track.stem_map.absent(track.stems, lacking))


def without(
    dataset: Dataset, tracks: list[Track], why: Callable[[Track], str], which: str, how: str = ""
) -> list[Track]:
    """Return the tracks without those that there is a reason to leave out, and name the latter in a notice.

    Parameters
    ----------
    why : callable
        Returns the reason to leave a track out, or an empty text.
    which, how : str
        What the notice calls the tracks left out, and how to keep them.

    Raises
    ------
    DatasetError
        No track is left.
    """
    reasons = [why(track) for track in tracks]
    left_out = [f"{track.name} ({reason})" for track, reason in zip(tracks, reasons, strict=True) if reason]
    end = f"; {how}" if how else ""
    if len(left_out) == len(tracks):
        raise DatasetError(f"data set {dataset.name!r} has only tracks {which}: {shortened(left_out)}{end}")
    if left_out:
        _tell(
            dataset,
            f"{len(left_out)} of {len(tracks)} tracks {which} are left out: {shortened(left_out)}{end}",
        )
    return [track for track, reason in zip(tracks, reasons, strict=True) if not reason]


def _tell(dataset: Dataset, what: str) -> None:
    notice = f"data set {dataset.name}: {what}"
    if notice not in dataset.notices:  # tracks are asked for more than once
        dataset.notices.append(notice)
