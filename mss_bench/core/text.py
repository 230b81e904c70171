"""Plain text for terminals and spreadsheets: widths, line breaks, what an encoding lacks, and what would be obeyed.

Names of files, and what plugins and other programs say, may hold anything. Here is what makes it harmless: `harmless`
for every reader, `encodable` for a terminal, `spreadsheet_text` and `frame_csv` for CSV.
"""

from __future__ import annotations

import re
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "columns", "counted", "duration", "encodable", "filled", "frame_csv", "harmless", "prose", "shortened",
    "spreadsheet_text", "true_minus", "width_of", "wrap",
]  # fmt: skip

# Signs of the tables and what stands for them where a terminal's encoding lacks them.
_ASCII = {
    "–": "-",
    "∞": "inf",
    "─": "-",
    "†": "^",
    "‡": "+",
    "×": "x",
    "…": "...",
    "§": "$",
    "−": "-",
    "≈": "~",
    "°": "o",
    "¶": "#",
}
_BREAKS = ":,/ =_-"
# What a terminal or a page obeys instead of showing it: control characters (C0, C1), marks that turn the direction of
# the text around them, separators of lines; and lone surrogates, which no encoding has. Joiners and the like belong to
# the writing of several languages and stay.
_OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def true_minus(text: str) -> str:
    """Return the text of a number with a minus sign instead of a hyphen, and no sign of zero: ``-0.00`` is ``0.00``."""
    if text.startswith("-") and not any(digit in text for digit in "123456789∞"):
        return text[1:]
    return text.replace("-", "−")


def counted(number: int, noun: str) -> str:
    """Return a number with what it counts: ``1 song``, ``2 songs``."""
    return f"{number} {noun}{'s'[: number != 1]}"


def percent(share: float) -> str:
    """Return a share in percent: ``95 %``."""
    return f"{round(100 * share, 6):g} %"


def duration(seconds: float) -> str:
    """Return seconds in words: ``2 h 5 min``, ``3 min 10 s``, ``4 s``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def width_of(text: str) -> int:
    """Return how many cells of a terminal a text takes: East Asian characters two, combining ones none.

    >>> width_of("日本"), width_of("e\u0301")
    (4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def wrap(text: str, width: int, indent: int = 0, breaks: str = _BREAKS) -> list[str]:
    """Break a text into lines of at most `width` cells, between words or after ``: , / = -``, else after ``_``.

    Parameters
    ----------
    text : str
        Newlines and repeated spaces become single spaces.
    width : int
        At least 2 more than `indent`.
    indent : int
        Spaces before every line but the first.
    breaks : str
        Characters after which a line may end; ``" "`` for prose.
    """
    lines: list[str] = []
    rest, margin = " ".join(text.split()), ""
    while width_of(margin + rest) > width:
        fitting = [n for n in range(1, min(len(rest), width) + 1) if width_of(margin + rest[:n]) <= width]
        fits = max(fitting, default=1)
        # The blank after a full line is a break, too.
        ends = {sign: rest.rfind(sign, 0, fits) + 1 for sign in breaks}
        # Within a name of several words only where there is no other break.
        outside = fits if rest[fits : fits + 1] == " " else max(end for sign, end in ends.items() if sign != "_")
        best = outside if outside >= width // 3 else max(ends.values())
        cut = best if best >= width // 3 else fits  # a break near the start would waste the line
        lines.append(margin + rest[:cut].rstrip())
        rest, margin = rest[cut:].lstrip(), " " * indent
    return [*lines, margin + rest] if rest or not lines else lines


def filled(text: str, width: int, margin: str = "") -> str:
    """Return one line broken between words, the further ones behind a margin."""
    return textwrap.fill(text, width, subsequent_indent=margin, break_on_hyphens=False, break_long_words=False)


def prose(text: str, width: int) -> str:
    """Return a docstring with its lines no longer than `width` where words allow it.

    Paragraphs and items of a list are filled anew where a line of them is too long; formulas and examples, which are
    indented, are broken line by line.
    """
    blocks: list[list[str]] = []
    margin = 0  # of the text of the block that goes on
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        item = re.match(r"(\.\. \[\w+\]|[-*]) +", line.lstrip())
        if not line or not blocks or not blocks[-1][0] or item or indent != margin or (not item and indent >= 4):
            blocks.append([line])
            margin = indent + (item.end() if item else 0)
        else:
            blocks[-1].append(line)
    lines: list[str] = []
    for block in blocks:
        if all(width_of(line) <= width for line in block):
            lines += block
            continue
        indent = len(block[0]) - len(block[0].lstrip())
        item = re.match(r"(\.\. \[\w+\]|[-*]) +", block[0].lstrip())
        further = " " * (indent + (item.end() if item else 0))
        lines.append(filled(" " * indent + " ".join(line.strip() for line in block), width, further))
    return "\n".join(lines)


def harmless(text: str, keep: str = "\n") -> str:
    r"""Return a text with what terminals, pages and files would obey, or cannot hold, written as escapes.

    Parameters
    ----------
    text : str
    keep : str
        Control characters that stay.

    >>> harmless("a\x1b[31mb\u202ec\ud800")
    'a\\x1b[31mb\\u202ec\\ud800'
    """
    if text.isascii() and text.isprintable():
        return text
    return _OBEYED.sub(lambda sign: sign[0] if sign[0] in keep else sign[0].encode("unicode_escape").decode(), text)


def spreadsheet_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one that begins like it gets an apostrophe before it.

    >>> spreadsheet_text("=1+1"), spreadsheet_text("-3.5"), spreadsheet_text("-")
    ("'=1+1", '-3.5', '-')
    """
    text = harmless(text)
    if not text.startswith(_FORMULA) or len(text) == 1:
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def frame_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV without its index: numbers in full, missing ones empty, text as `spreadsheet_text`."""
    shown = table.copy(deep=False)
    for name in table:
        if table[name].dtype.kind not in "biufc":
            shown[name] = table[name].map(_exported)
    return shown.to_csv(index=False, lineterminator="\n")


def _exported(value: Any) -> Any:
    return spreadsheet_text(value) if isinstance(value, str) else value


def encodable(text: str, encoding: str | None = None, keep: str = "\n") -> str:
    r"""Return a text that an encoding has: other signs become ASCII, other characters escapes (``\u65e5``).

    What a terminal would obey becomes escapes, too; see `harmless`.

    Parameters
    ----------
    text : str
    encoding : str, optional
        By default that of ``sys.stdout``.
    keep : str
        Control characters that stay.
    """
    encoding = encoding or getattr(sys.stdout, "encoding", None) or "ascii"
    text = harmless(text, keep)
    if text.isascii():
        return text
    shown = []
    for sign in text:
        try:
            sign.encode(encoding)
        except (UnicodeEncodeError, LookupError):
            sign = _ASCII.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii")
        shown.append(sign)
    return "".join(shown)


def columns(rows: Sequence[Sequence[str]], head: Sequence[str] = (), indent: str = "", width: int = 0) -> str:
    """Return rows in aligned columns; the last column is wrapped at `width`, or left as it is where that is 0."""
    lines = [list(head), *map(list, rows)] if head else [list(row) for row in rows]
    if not lines:
        return ""
    widths = [max(width_of(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [
        indent + "  ".join(c + " " * (w - width_of(c)) for c, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    if width:
        margin = width_of(indent) + sum(widths[:-1]) + 2 * (len(widths) - 1)
        text = [filled(line, width, " " * margin) for line in text]
    if head:
        text.insert(1, indent + "  ".join("-" * w for w in widths))
    return "\n".join(text)


def shortened(names: Sequence[str], most: int = 5) -> str:
    """Return names in a row, the first few where there are many."""
    rest = len(names) - most
    return ", ".join(names) if rest <= 0 else f"{', '.join(names[:most])} and {rest} more"
