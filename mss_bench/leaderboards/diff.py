"""What changed between two states of a board."""

from __future__ import annotations

from mss_bench.leaderboards.board import Board, Entry, entry_names, read_entry

__all__ = ["diff_boards"]


def diff_boards(before: Board, after: Board) -> list[str]:
    """Return the methods that came, went or changed, and by how much their aggregates did.

    Raises
    ------
    MssBenchError
        An entry cannot be read.
    """
    old, new = ({e.method: e for e in (read_entry(b, n) for n in entry_names(b))} for b in (before, after))
    lines = [f"- {name}" for name in old if name not in new]
    lines += [f"+ {name}" for name in new if name not in old]
    for name in new:
        if name in old and old[name].sha256 != new[name].sha256:
            lines += [f"~ {name}: {line}" for line in _changes(old[name], new[name])]
    for field in ("dataset", "revision", "tracks", "metrics", "preset", "aggregation", "rank_metric", "rank_target"):
        if getattr(before, field) != getattr(after, field):
            lines.append(f"~ board: {field} was {getattr(before, field)!r}, is {getattr(after, field)!r}")
    return lines


def _changes(old: Entry, new: Entry) -> list[str]:
    changes = []
    for target in dict.fromkeys([*old.aggregates, *new.aggregates]):
        was, now = old.aggregates.get(target, {}), new.aggregates.get(target, {})
        for metric in dict.fromkeys([*was, *now]):
            a, b = was.get(metric), now.get(metric)
            if a != b:
                moved = f" ({b - a:+.3f})" if a is not None and b is not None else ""
                changes.append(f"{target} {metric} {a} -> {b}{moved}")
    return changes or ["rows changed, no aggregate did"]
