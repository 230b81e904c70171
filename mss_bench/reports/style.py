"""The look of every figure: colours that colour-blind readers tell apart, sizes for a two-column paper.

Colours are Okabe and Ito's ("Color Universal Design", 2008). A kind of method differs by hatching and label too, never
by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

__all__ = ["COLOURS", "FULL_WIDTH", "STYLE", "printable", "styled"]

COLOURS = {
    "method": "#56B4E9",  # sky blue
    "oracle": "#E69F00",  # orange
    "floor": "#999999",
    "line": "#D55E00",  # vermilion
    "ink": "#222222",
    "grid": "#DDDDDD",
}

FULL_WIDTH = 7.16  # inches, both columns of an IEEE page

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
    """Text in one line with the characters that the font has; others become ``□``."""
    return "".join(sign if ord(sign) in _characters() else "□" for sign in " ".join(text.split()))
