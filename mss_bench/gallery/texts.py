"""What a method's docstring says of it: the idea, the formula, and what it rests on."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

__all__ = ["Description", "describe"]


@dataclass(frozen=True)
class Description:
    """The parts of a numpydoc docstring that a gallery prints.

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
    """Read the docstring of a separator or metric: one line, the idea in prose, a block of formulas."""
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
