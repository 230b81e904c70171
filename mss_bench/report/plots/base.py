"""What all figures share: the canvas, names and titles, legends of kinds, and saving."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import does_nothing, is_floor
from mss_bench.core.text import counted, wrap
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.report.style import COLOURS, FULL_WIDTH, STYLE, Look, looks, printable, styled
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.units import centre
from mss_bench.stats.verdicts import Family

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = [
    "HATCHES", "KINDS", "LINE", "PAGE", "SHORT_KINDS", "Layout", "Looks", "PaperFigure", "axis_label",
    "axis_note", "better_first", "canvas", "check_single", "fitted", "heading", "kind_of", "label",
    "marker_style", "medians", "row_height", "save", "set_title", "tagged", "title_width", "too_few", "whisker_limits",
]  # fmt: skip

Looks = Mapping[str, Look]

LINE = 0.145  # inches of a line of text
KINDS = {"method": "method", "oracle": "oracle (sees the references)", "floor": "floor: the scaled mixture"}
"""Kinds of methods and how legends call them."""
SHORT_KINDS = {"method": "method", "oracle": "oracle", "floor": "floor (scaled mixture)"}
HATCHES = {"method": "", "oracle": "////", "floor": "...."}

_LABEL_WIDTH = 30  # characters in a line of a method's name
_CHARACTER = 0.062  # inches of a character of 7 points
_NARROW = 5.0  # inches
_HALF_LINE = 0.066  # inches of half a line of a name in small type
_TITLE_WIDTH = 84  # characters in a line above a figure of both columns
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
}


@dataclass(frozen=True)
class Layout:
    """How wide a figure is, what its methods are called, and what stands above it.

    Parameters
    ----------
    width : float
        Inches, see `mss_bench.report.style.figure_width`.
    labels : mapping of str to str
        What methods are called in the figure, by the names of the tables; others keep theirs.
    look : mapping, optional
        From `mss_bench.report.style.looks` of all methods of a report, so that each has one colour in all figures.
    title : bool
        Whether a title says what is drawn; in a paper the caption does.
    note : str
        What must be said with the figure in any case: that the run is not finished.
    """

    width: float = FULL_WIDTH
    labels: Mapping[str, str] = field(default_factory=dict)
    look: Looks | None = None
    title: bool = True
    note: str = ""

    @property
    def narrow(self) -> bool:
        """Return whether nothing fits beside the axes."""
        return self.width < _NARROW

    def looks(self, methods: Sequence[str]) -> Looks:
        """Return the looks as given, or new ones where they lack a method."""
        known = self.look is not None and all(name in self.look for name in methods)
        return self.look if known and self.look is not None else looks(methods)

    def about(self, *scores: ScoreMatrix) -> Layout:
        """Return the layout of a figure of some scores: its note says which methods are not drawn."""
        targets: dict[str, set[str]] = {}
        for matrix in scores:
            for method in matrix.left_out:
                if not does_nothing(method):  # of which the SAR alone is left out
                    targets.setdefault(self.name(method), set()).add(matrix.unit["target"])
        every = {matrix.unit["target"] for matrix in scores}
        named = [name if own == every else f"{name} ({', '.join(sorted(own))})" for name, own in targets.items()]
        missing = f"Not drawn, without a score on every song: {', '.join(named)}." if named else ""
        return replace(self, note=" ".join(filter(None, [self.note, missing])))

    def name(self, method: str, kind: str = "method") -> str:
        """Return what a method is called, with its kind in brackets where it is not a plain one."""
        return tagged(self.labels.get(method, method), kind)

    def characters(self, most: int, share: float = 0.36) -> int:
        """Return the characters of a line of names that take a share of the width, at most `most`."""
        return max(10, min(most, int(share * self.width / _CHARACTER)))


PAGE = Layout()
"""A figure of both columns, with its title."""


class PaperFigure(Figure):
    """A figure that notebooks show by themselves."""

    def _repr_png_(self) -> bytes:
        return save(self, "png")


def canvas(height: float, layout: Layout, width: float = 0.0, *, above: Sequence[str] = ()) -> PaperFigure:
    """Return an empty figure of a height in inches; call it within `styled`.

    Parameters
    ----------
    height : float
    layout : Layout
        Its width is taken, and its note is written.
    width : float
        Inches, where the figure is narrower than it may be.
    above : sequence of str
        Lines of a title over all axes.
    """
    width = width or layout.width
    note = wrap(layout.note, int(width / _CHARACTER)) if layout.note else []
    figure = PaperFigure(figsize=(width, height + LINE * (len(note) + len(above))), layout="constrained")
    if note or above:
        colour = COLOURS["warning"] if note else COLOURS["ink"]
        weight = "normal" if note else "bold"
        figure.suptitle("\n".join([*note, *above]), x=0.01, ha="left", fontsize=8, color=colour, fontweight=weight)
    return figure


def save(figure: Figure, kind: str, *, transparent: bool = False) -> bytes:
    """Return a figure as the content of a file; the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
    kind : {"png", "pdf", "svg"}
    transparent : bool
        Without a background, for pages that have one of their own.

    Returns
    -------
    bytes

    Raises
    ------
    UnknownNameError
        `kind` is none of these.
    """
    if kind not in _METADATA:
        raise UnknownNameError("figure format", kind, _METADATA)
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind], transparent=transparent)
        return _small_png(buffer, int(STYLE["savefig.dpi"])) if kind == "png" else buffer.getvalue()


def _small_png(buffer: io.BytesIO, dpi: int) -> bytes:
    """Return the same image with a palette: flat colours need no more, and a page holds dozens of figures.

    The palette covers the colours there are, however few pixels have them: a method's must not change.
    """
    from PIL import Image

    small = io.BytesIO()
    with Image.open(buffer) as image:
        flat = image.convert("RGB").quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        flat.save(small, "png", optimize=True, dpi=(dpi, dpi))
    return small.getvalue()


def label(name: str, width: int = _LABEL_WIDTH) -> str:
    """Return a method's name in lines of at most `width` characters, each of which the font has."""
    return "\n".join(wrap(printable(name), width))


def fitted(names: Sequence[str], room: float, width: int) -> list[str]:
    """Return labels that fit into rows of `room` inches: long names lose their middle, which varies least."""
    lines = max(int(room / (2 * _HALF_LINE)), 1)
    labels = []
    for name in map(printable, names):
        keep = len(name)
        while len(text := wrap(_shortened(name, keep), width)) > lines:
            keep -= 1
        labels.append("\n".join(text))
    return labels


def _shortened(name: str, keep: int) -> str:
    return name if keep >= len(name) else name[: (keep + 1) // 2] + "…" + name[len(name) - keep // 2 :]


def kind_of(scores: ScoreMatrix, method: str) -> str:
    """Return ``method``, ``oracle`` or ``floor``."""
    return "floor" if is_floor(method) else "oracle" if method in scores.oracles else "method"


def check_single(table: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Raise `RunError` where a table mixes what a figure would draw as one."""
    for column in columns:
        several = sorted(map(str, table[column].unique()))
        if len(several) > 1:
            raise RunError(f"{what} is of one {column}, got {len(several)}: {', '.join(several[:5])}")


def tagged(name: str, kind: str) -> str:
    """Return a name with its kind in brackets where it is not a plain method."""
    return name if kind == "method" else f"{name} ({kind})"


def marker_style(look: Look, kind: str) -> dict[str, Any]:
    """Return how the symbol of a method is drawn: oracles are hollow."""
    hollow = kind == "oracle"
    return {
        "marker": look.marker,
        "color": "white" if hollow else look.colour,
        "markeredgecolor": look.colour if hollow else COLOURS["ink"],
        "markeredgewidth": 1.3 if hollow else 0.5,
    }


def medians(scores: ScoreMatrix) -> dict[str, float]:
    """Return each method's median over tracks."""
    sign = 1.0 if scores.higher_is_better else -1.0
    values: Floats = scores.values.to_numpy(dtype=np.float64)
    return {str(name): sign * centre(sign * values[:, i], "median") for i, name in enumerate(scores.values.columns)}


def better_first(scores: ScoreMatrix) -> list[str]:
    """Return methods sorted by their median, the best first; ties as in the matrix.

    Raises
    ------
    RunError
        No method has a value on a track that counts.
    """
    middle = medians(scores)
    if not middle or not len(scores.values):
        unit = scores.unit
        where = ", ".join(filter(None, (unit["dataset"], unit["subset"], unit["group"], unit["target"])))
        raise RunError(f"nothing to draw for {unit['metric']} of {where}: no method has a value")
    return sorted(middle, key=lambda name: -middle[name] if scores.higher_is_better else middle[name])


def whisker_limits(values: Floats) -> tuple[float, float]:
    """Return the last finite values within 1.5 times the interquartile range, a scale that outliers do not stretch."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    q1, q3 = np.percentile(finite, [25, 75])
    inside = finite[(finite >= q1 - 1.5 * (q3 - q1)) & (finite <= q3 + 1.5 * (q3 - q1))]
    return float(inside.min()), float(inside.max())


def row_height(labels: Sequence[str], least: float) -> float:
    """Return the inches between rows of one height at which no two neighbouring labels touch."""
    lines = [text.count("\n") + 1 for text in labels]
    # Only neighbours can touch: two labels of three lines each need no room where one-liners lie between them.
    return max([least, *(_HALF_LINE * (a + b) for a, b in pairwise(lines))])


def axis_label(scores: ScoreMatrix, quantity: str = "") -> str:
    """Return e.g. ``SDR (dB), higher is better``."""
    better = "higher" if scores.higher_is_better else "lower"
    return f"{printable(quantity or scores.unit['metric'])}, {better} is better"


def heading(scores: ScoreMatrix, what: str) -> str:
    """Return e.g. ``vocals: SDR of 50 tracks, musdb18 test, 4stem``, where `what` is ``SDR``."""
    unit, n = scores.unit, len(scores.values)
    place = ", ".join(filter(None, (f"{unit['dataset']} {unit['subset']}".strip(), unit["group"])))
    return f"{unit['target']}: {what} of {counted(n, 'song')}, {place}"


def set_title(axes: Axes, text: str, layout: Layout, room: float = 1.0, **options: Any) -> None:
    """Set a title, where there is to be one, in as many lines as it needs in a share (`room`) of the width."""
    if layout.title:
        axes.set_title("\n".join(wrap(printable(text), title_width(layout, room))), x=0, **options)


def title_width(layout: Layout, room: float = 1.0) -> int:
    """Return the characters of a line of a title in a share of the width."""
    return max(20, int(room * layout.width * _TITLE_WIDTH / FULL_WIDTH))


def too_few(field: Family) -> str:
    """Return that the songs do not suffice to tell any methods apart, and how many would."""
    songs, methods = field.n_tracks, len(field.ranked)
    which = "2 methods cannot" if methods == 2 else f"no pair of {methods} methods can"
    return f"With {songs} song{'s'[: songs != 1]} {which} be told apart (it takes {field.n_min})."


def axis_note(text: str, layout: Layout, room: float = 0.8) -> str:
    """Return a text below an axis in lines that a share of the figure's width holds."""
    return "\n".join(line for part in text.split("\n") for line in wrap(part, int(room * layout.width / _CHARACTER)))
