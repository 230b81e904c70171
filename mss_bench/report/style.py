"""The look of every figure: colours that colour-blind readers tell apart, sizes for a two-column paper.

Colours are Okabe and Ito's ("Color Universal Design", 2008). A kind of method differs by hatching and label too, never
by colour alone; a method keeps its colour in all figures.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from mss_bench.core.schema import is_floor
from mss_bench.errors import ConfigError

__all__ = [
    "COLOURS", "COLUMN_WIDTH", "FULL_WIDTH", "MARKERS", "STYLE", "Look", "figure_width", "looks", "printable", "styled",
]  # fmt: skip

COLOURS = {
    "method": "#56B4E9",  # sky blue
    "oracle": "#E69F00",  # orange
    "floor": "#999999",
    "line": "#D55E00",  # vermilion
    "ink": "#222222",
    "grid": "#DDDDDD",
    "warning": "#8A4B00",
}

FULL_WIDTH = 7.16  # inches, both columns of an IEEE page
COLUMN_WIDTH = 3.39  # one column of ICASSP's papers, the narrowest of the usual ones but for ISMIR's (3.23)
_MILLIMETRES = (50.0, 500.0)  # of figures that can be read, on a page or a poster

# Without yellow, which is hard to see as a line on white.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
MARKERS = ("o", "^", "v", "P", "X", "<", ">", "p", "*", "h")
_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2)), (0, (2, 2)))
_HATCHES = ("", "\\\\\\", "|||", "---", "xx", "oo", "++", "OO", "**", "\\\\|")

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same page everywhere
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.edgecolor": COLOURS["ink"],
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "text.parse_math": False,  # a $ in a name is a dollar
    "savefig.dpi": 150,
    "pdf.fonttype": 42,  # editable text; conferences refuse type 3
    "svg.fonttype": "path",
    "svg.hashsalt": "mss_bench",  # the same file from the same numbers
}


def figure_width(width: str | float) -> float:
    """Return inches of a width as users give it: ``column``, ``page`` or millimetres.

    Raises
    ------
    ConfigError
        It is none of these.
    """
    named = {"column": COLUMN_WIDTH, "page": FULL_WIDTH}
    if width in named:
        return named[str(width)]
    try:
        millimetres = float(width)
    except (TypeError, ValueError):
        millimetres = 0.0
    if not _MILLIMETRES[0] <= millimetres <= _MILLIMETRES[1]:
        least, most = _MILLIMETRES
        raise ConfigError(
            f"width is {width!r}, expected column ({25.4 * COLUMN_WIDTH:.0f} mm), page ({25.4 * FULL_WIDTH:.0f} mm) or "
            f"millimetres from {least:g} to {most:g}"
        )
    return millimetres / 25.4


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in this style; the caller's matplotlib settings come back afterwards."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast("Any", STYLE))
        yield


@cache
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def printable(text: str) -> str:
    """Return text in one line with the characters that the font has; others become ``□``."""
    return "".join(sign if ord(sign) in _characters() else "□" for sign in " ".join(text.split()))


@dataclass(frozen=True)
class Look:
    """How a method is drawn in every figure."""

    colour: str
    marker: str
    line: Any  # a line style of matplotlib
    hatch: str  # where methods share a colour


def looks(methods: Iterable[str]) -> dict[str, Look]:
    """Return colour and, where there are more methods than colours, marker, line style and hatch of each method.

    A method's name decides its colour, so that it keeps it from one run to another; where two names would have the same
    while others are free, the later in the alphabet gives way. The floor is grey.
    """
    used: Counter[int] = Counter()
    chosen: dict[str, Look] = {}
    for name in sorted(set(methods)):
        if is_floor(name):
            chosen[name] = Look(COLOURS["floor"], "s", (0, (4, 2)), "....")
            continue
        first = zlib.crc32(name.encode()) % len(_PALETTE)
        slot = min(((first + i) % len(_PALETTE) for i in range(len(_PALETTE))), key=lambda s: used[s])
        nth = used[slot]
        used[slot] += 1
        kinds = (MARKERS, _LINES, _HATCHES)
        chosen[name] = Look(_PALETTE[slot], *(kind[nth % len(kind)] for kind in kinds))
    return chosen
