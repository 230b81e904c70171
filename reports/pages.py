"""Helpers shared by the scripts that make the pages of this folder.

Each page has a folder of its own with the script that makes it, ``make.py``, its template ``page.md.j2`` and, where
there is something to say about the outcome, ``notes.md``. The scripts are run in a checkout after ``pip install -e .``:
``python reports/separators/make.py``.
"""

from __future__ import annotations

import inspect
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.cli.options import Parser, add_options, given
from mss_bench.core.parameters import Parameterized, param, parameters
from mss_bench.errors import MssBenchError
from mss_bench.report.plots import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Description", "Page", "describe", "make", "parameter_list", "render", "save_png"]


@dataclass(frozen=True)
class Description:
    """The parts of a numpydoc docstring that a page prints.

    Parameters
    ----------
    summary : str
        The first line.
    idea : str
        The paragraphs before the first formula, without line breaks.
    formula : str
        The first indented block, as it stands; empty where there is none.
    """

    summary: str
    idea: str
    formula: str


def describe(cls: type) -> Description:
    """Read summary, idea and formula from the docstring of a separator or metric."""
    text = inspect.cleandoc(cls.__doc__ or "")
    body = re.split(r"\n\w+\n-+\n", text, maxsplit=1)[0]  # up to the first section
    blocks = re.split(r"\n\s*\n", body)
    idea: list[str] = []
    formula: list[str] = []
    for block in blocks[1:]:
        if block.startswith("    "):
            formula.append(inspect.cleandoc(block))
        elif formula:
            break
        else:
            idea.append(" ".join(block.split()))
    return Description(blocks[0].strip().removesuffix("."), re.sub(r":$", ".", "\n\n".join(idea)), "\n".join(formula))


def parameter_list(cls: type) -> str:
    """Return the parameters of a separator or metric with their defaults, as Markdown."""
    known = parameters(cls).items()
    return ", ".join(f"`{n}`" if p.required or p.default is None else f"`{n}={p.default}`" for n, p in known)


def save_png(figure: Figure, path: Path) -> Path:
    """Write a figure and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save(figure, "png"))
    return path


def render(template: Path, out: Path, filters: dict[str, Any], **content: Any) -> Path:
    """Fill a template and write it as ``README.md``.

    Parameters
    ----------
    template : Path
    out : Path
        Folder of the page; the text of a file ``notes.md`` in it is the template's variable ``notes``.
    filters : dict of str to callable
    **content
        Variables of the template.
    """
    from jinja2 import Environment, StrictUndefined

    # No escaping: Markdown is written, of this package's own texts.
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    environment.filters |= filters
    notes = out / "notes.md"
    content["notes"] = notes.read_text(encoding="utf-8").strip() if notes.is_file() else ""
    page = out / "README.md"
    page.write_text(environment.from_string(template.read_text(encoding="utf-8")).render(content), encoding="utf-8")
    return page


class Page(Parameterized, ABC):
    """A page: the options of the script that makes it, and how it is made."""

    out: Path = param(metavar="DIR", doc="Folder of the page (default: that of the script).")

    @abstractmethod
    def write(self) -> list[Path]:
        """Make the page and return the files written."""


def make(page: type[Page], description: str, arguments: Sequence[str] | None = None) -> None:
    """Make a page with the options of the command line.

    Parameters
    ----------
    page : type
    description : str
        What ``--help`` says.
    arguments : sequence of str, optional
        Words of the command line; those of this process by default.
    """
    parser = Parser(description=description)
    add_options(parser, page)
    try:
        files = page(**given(parser.parse_args(sys.argv[1:] if arguments is None else arguments), page)).write()
    except MssBenchError as error:  # that the user can fix: a line, no traceback
        sys.exit(f"{sys.argv[0]}: {error}")
    print(f"{len(files)} files, the first is {files[0]}")
