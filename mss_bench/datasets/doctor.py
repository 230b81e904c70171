"""The doctor: check every file of a data set for what would spoil a benchmark.

Errors are what a run would fail on: missing, unreadable, truncated or empty files, wrong rate, other length or
channel count than the mixture (or than each other, where it is their sum), NaN. Warnings are what a user should know:
clipping, silent stems, a mixture far from the sum of its stems, the same content under two names, long ends cut off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core import audio
from mss_bench.core.findings import Finding
from mss_bench.core.stages import watched
from mss_bench.core.text import counted
from mss_bench.core.tracks import Audio, Track
from mss_bench.datasets.consistency import compare_with_mixture, implausible
from mss_bench.datasets.leftovers import idle_patterns, leftovers
from mss_bench.errors import AudioError, MssBenchError

if TYPE_CHECKING:
    from mss_bench.datasets import Dataset

__all__ = ["Finding", "Report", "examine"]

CLIPPED_RUN = 4
"""So many neighbouring samples at the same peak count as clipped."""
LOST_SECONDS = 1.0
"""Cutting off more than this to make the files of a song as long as the shortest is worth a warning."""


@dataclass
class Report:
    """All findings of a data set."""

    tracks: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return sum(f.severity == "error" for f in self.findings)

    def summary(self) -> str:
        """Return the counts as a line."""
        warnings = sum(f.severity == "warning" for f in self.findings)
        read = f"{counted(self.tracks, 'track')}, {self.seconds / 60:.1f} minutes"
        return f"{read}: {counted(self.errors, 'error')}, {counted(warnings, 'warning')}"


def examine(dataset: Dataset, tracks: Sequence[Track]) -> Report:
    """Check every file of the tracks.

    Parameters
    ----------
    dataset : Dataset
    tracks : sequence of Track

    Returns
    -------
    Report
    """
    report = Report(len(tracks))
    for file in leftovers(dataset, tracks):
        severity, said = file.severity, f"not read: {file.message}"
        report.findings.append(Finding(severity, file.part, "leftover", said, file.track, file.subset))
    for pattern, stem in idle_patterns(dataset, tracks).items():
        report.findings.append(
            Finding("warning", stem, "leftover", f"its pattern {pattern!r} fits no file of any track")
        )
    contents: dict[str, list[tuple[Track, str]]] = defaultdict(list)
    for track in watched(tracks, "reading every file of the tracks"):
        if track.erratum:
            said = f"known erratum: {track.erratum}"
            report.findings.append(Finding("note", "", "erratum", said, track.name, track.id.subset))
        for finding in _examine_track(track, report, contents):
            report.findings.append(replace(finding, track=track.name, subset=track.id.subset))
    for places in contents.values():
        if len(places) > 1:
            (track, part), others = places[0], places[1:]
            names = ", ".join(f"{t.name}/{p}" for t, p in others)
            message = f"has the same content as {names}"
            report.findings.append(Finding("warning", part, "duplicate", message, track.name, track.id.subset))
    return report


def _examine_track(track: Track, report: Report, contents: dict[str, list[tuple[Track, str]]]) -> list[Finding]:
    if track.reader is not None:  # one container holds everything: it can be read or it cannot
        try:
            whole = track.load()
        except MssBenchError as error:
            return [Finding("error", "file", "unreadable", str(error))]
        parts: dict[str, Audio] = {"mixture": whole.mixture} | whole.references
        found: list[Finding] = []
        contents[audio.hash_file(track.mixture[0])].append((track, "file"))
    else:
        parts, found = _read_files(track, contents)
    if parts:
        report.seconds += next(iter(parts.values())).shape[1] / track.sample_rate
    for name, array in parts.items():
        found += _peculiarities(name, array)
    return found + _compare(track, parts)


def _read_files(track: Track, contents: dict[str, list[tuple[Track, str]]]) -> tuple[dict[str, Audio], list[Finding]]:
    """Return the mixture and stems that could be read, made to fit as the data set declares, and findings."""
    found: list[Finding] = []
    parts: dict[str, Audio] = {}
    lengths: dict[str, int] = {}
    damaged = set()
    for name in ("mixture", *track.stems):
        pieces, first = track.pieces(name), ""
        for file, part in pieces:
            try:
                array, _ = track.read(file, part)
            except AudioError as error:
                found.append(Finding("error", name, "unreadable", str(error)))
                damaged.add(name)
                continue
            label = part.of(Path(file.name))
            first, lengths[label] = first or label, array.shape[1]
            if array.any() and not track.parts:  # digital silence of one length is the same everywhere
                contents[audio.hash_file(file)].append((track, file.name if len(pieces) > 1 else name))
            if track.fit.trim and name in parts:
                shorter = min(array.shape[1], parts[name].shape[1])
                parts[name], array = parts[name][:, :shorter], array[:, :shorter]
            if name in parts and parts[name].shape != array.shape:
                found.append(
                    Finding("error", name, "shape", _unlike(track, {first: parts[name].shape, label: array.shape}))
                )
                damaged.add(name)
            else:  # summed at once: a song can have thirty files
                parts[name] = parts[name] + array if name in parts else array
        if not pieces and name != "mixture":
            taken = "its rows are left out" if name in track.absent else "taken as silent"
            found.append(Finding("note", name, "absent", f"has no file; {taken}"))
    if track.fit.trim and lengths and min(lengths.values()) < max(lengths.values()):
        shortest, longest = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        lost = (lengths[longest] - lengths[shortest]) / track.sample_rate
        text = f"all files are cut to the {lengths[shortest]} samples of {shortest}; {longest} loses {lost:.2f} s"
        found.append(Finding("warning" if lost > LOST_SECONDS else "note", "length", "shape", text, value=lost))
        parts = {name: array[:, : lengths[shortest]] for name, array in parts.items()}
    return {name: array for name, array in parts.items() if name not in damaged}, found


def _unlike(track: Track, shapes: dict[str, tuple[int, ...]]) -> str:
    """Return why files of these shapes are refused."""
    try:
        track.refuse_unlike(shapes)
    except AudioError as error:
        return str(error).removeprefix(f"track {track.name!r}: ")
    return ""


def _peculiarities(name: str, array: Audio) -> list[Finding]:
    if not array.any():
        return [Finding("warning", name, "silent", "is silent throughout")]
    found = []
    for channel in np.flatnonzero(~array.any(axis=1)):
        found.append(Finding("warning", name, "silent", f"channel {channel + 1} is silent throughout"))
    peak = float(np.abs(array).max())
    # Relative, since limiters leave peaks that differ in the last digits.
    at_peak = np.abs(array) >= peak * (1 - 1e-6)
    runs = at_peak[:, CLIPPED_RUN - 1 :].copy()
    for shift in range(1, CLIPPED_RUN):
        runs &= at_peak[:, CLIPPED_RUN - 1 - shift : at_peak.shape[1] - shift]
    # A soft signal may well rest on its peak (a square wave); clipping happens near full scale.
    if peak > 0.5 and (count := int(runs.sum())):
        message = f"looks clipped: {count} times {CLIPPED_RUN} or more neighbouring samples at the peak {peak:.4f}"
        found.append(Finding("warning", name, "clipping", message, value=count))
    if (dc := float(np.abs(array.mean(axis=1, dtype=np.float64)).max())) > 0.01:
        found.append(Finding("warning", name, "offset", f"has an offset of {dc:.3f} from zero", value=dc))
    return found


def _compare(track: Track, parts: dict[str, Audio]) -> list[Finding]:
    """Compare the stems with the mixture: shapes, and how far they are from adding up to it."""
    whole = set(parts) == {*track.stems, *(("mixture",) if track.mixture else ())}
    first, expected = next(((name, array.shape) for name, array in parts.items()), ("", ()))
    found = [
        Finding("error", name, "shape", _unlike(track, {first: expected, name: array.shape}))
        for name, array in parts.items()
        if array.shape != expected
    ]
    if found:
        return found
    stems = {name: parts[name] for name in track.stems if name in parts}
    found = implausible(stems, track.sample_rate)
    made = any(line.rest for line in track.stem_map.lines)  # of the mixture itself
    if not whole or made or "mixture" not in parts:
        return found
    return compare_with_mixture(stems, parts["mixture"], track.sample_rate) + found
