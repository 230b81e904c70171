"""The pairing of estimates with tracks as a console shows it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.core.tracks import TrackId

if TYPE_CHECKING:
    from mss_bench.separators.estimates.pairing import Pairing

__all__ = ["pairing_table"]

_MAX_IGNORED = 5


def pairing_table(pairing: Pairing, rows: int = 20) -> str:
    """What was found, what is missing and what does not pair.

    Parameters
    ----------
    pairing : Pairing
    rows : int
        Complete tracks beyond this many are only counted.
    """
    layouts = dict.fromkeys(f.layout for found in pairing.found.values() for f in found.values())
    head = f"{len(pairing.files)} of {len(pairing.found)} tracks have estimates in {pairing.directory}"
    lines = [head + (f" ({', '.join(layouts)})" if layouts else "")]
    lines += _track_rows(pairing, rows)
    missing = [_name(t) for t in pairing.unpaired_tracks]
    lines += _section("tracks without a file, which count as errors", missing)
    incomplete = [f"{_name(track)}: no {', '.join(targets)}" for track, targets in pairing.incomplete.items()]
    lines += _section("tracks that lack what others have", incomplete)
    for (track, target), paths in pairing.ambiguous.items():
        found = [_below(pairing, path) for path in paths]
        lines += _section(f"{len(paths)} files for {target} of {_name(track)}", found)
    unpaired = [f"{_below(pairing, p)}: {reason}" for p, reason in pairing.unpaired_files.items()]
    lines += _section("files that do not pair", unpaired)
    ignored = [f"{_below(pairing, p)}: {reason}" for p, reason in pairing.ignored.items()]
    more = [f"and {len(ignored) - _MAX_IGNORED} more"] if len(ignored) > _MAX_IGNORED else []
    lines += _section("files passed over", ignored[:_MAX_IGNORED] + more)
    return "\n".join(lines)


def _track_rows(pairing: Pairing, rows: int) -> list[str]:
    disputed = {track for track, _ in pairing.ambiguous}
    columns = [t for t in pairing.targets if t in pairing.delivered or any(t == d for _, d in pairing.ambiguous)]
    complete = [t for t in pairing.files if t not in pairing.incomplete and t not in disputed]
    hidden = set(complete[rows:])
    shown = [t for t in pairing.found if t not in hidden and (pairing.found[t] or t in disputed)]
    if not shown:
        return []
    cells = [["track", *columns]]
    for track in shown:
        cells.append([_name(track), *(_cell(pairing, track, target) for target in columns)])
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    return lines + ([f"  and {len(hidden)} more tracks with all of {', '.join(pairing.delivered)}"] if hidden else [])


def _cell(pairing: Pairing, track: TrackId, target: str) -> str:
    if (track, target) in pairing.ambiguous:
        return f"{len(pairing.ambiguous[track, target])} files"
    found = pairing.found[track].get(target)
    return found.spelling if found else "-"


def _name(track: TrackId) -> str:
    return f"{track.subset}/{track.name}" if track.subset else track.name


def _below(pairing: Pairing, path: Path) -> str:
    return path.relative_to(pairing.directory).as_posix()


def _section(title: str, lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []
