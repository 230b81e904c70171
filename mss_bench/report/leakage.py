"""Leakage: whether a method was trained on the data that it is evaluated on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mss_bench.core.schema import collection

__all__ = ["overlap"]


def overlap(trained_on: Iterable[str], dataset: str, subset: str) -> list[str]:
    """Return the declared training data that share songs with an evaluated subset.

    Parameters
    ----------
    trained_on : iterable of str
        ``data set/subset``, or ``data set`` for all of it, as separators declare; several subsets are joined by ``+``.
        What names no data set ("500 songs of our own") overlaps with nothing that is known.
    dataset, subset : str
        Of the table; an empty subset, or ``all``, is everything.

    Returns
    -------
    list of str
        Entries of `trained_on`.

    Examples
    --------
    >>> overlap(["musdb18/train", "demo"], "musdb18hq", "train")
    ['musdb18/train']
    >>> overlap(["musdb18/train"], "musdb18hq", "test")
    []
    """
    evaluated = collection(dataset), _parts(subset)
    return [entry for entry in trained_on if _shares(entry, *evaluated)]


def _shares(entry: str, dataset: str, subsets: set[str]) -> bool:
    name, _, rest = entry.partition("/")
    if collection(name) != dataset:
        return False
    trained = _parts(rest)
    return not trained or not subsets or bool(trained & subsets)


def _parts(subset: str) -> set[str]:
    """Return the names of subsets; none for all."""
    parts = {part.strip().casefold() for part in re.split(r"[+,]", subset)} - {""}
    return set() if "all" in parts else parts
