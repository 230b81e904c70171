"""Plain text for terminals."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["columns"]


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
