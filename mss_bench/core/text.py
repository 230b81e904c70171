"""Plain text for terminals."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["columns", "duration"]


def duration(seconds: float) -> str:
    """Seconds in words: ``2 h 5 min``, ``3 min 10 s``, ``4 s``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def columns(rows: Sequence[Sequence[str]], head: Sequence[str] = (), indent: str = "") -> str:
    """Rows in aligned columns; the last column is left as it is."""
    lines = [list(head), *map(list, rows)] if head else [list(row) for row in rows]
    if not lines:
        return ""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [indent + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    if head:
        text.insert(1, indent + "  ".join("-" * w for w in widths))
    return "\n".join(text)
