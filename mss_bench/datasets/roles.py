"""Tell which files of a song are the mixture and the stems, by their names and by what adds up.

Names alone are not enough: "original" is a mixture or a stem, "backing" an accompaniment or a choir, and an
instrumental beside drums and bass holds both of them already. The stems of a song add up to its mixture, so that
the samples decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.core.names import POSSIBLE, known_stem
from mss_bench.errors import DatasetError, MssBenchError

__all__ = ["Roles", "roles_of"]

ADDS_UP_DB = -20.0
"""Stems that differ from a mixture by less add up to it (MUSDB18's limiter leaves about -30 dB)."""
EXACT_DB = -40.0
"""A file whose name says nothing is the mixture where the others add up to it as exactly as this."""
CLEARLY_BETTER_DB = 15.0
"""A stem is left out where the others alone add up better by this."""
_TRACKS, _SECONDS = 3, 30.0
_MOST_STEMS = 10  # all subsets of so many are tried


@dataclass
class Roles:
    """The roles of the files, which are the same in every track.

    Parameters
    ----------
    mixture : str or None
        Name of its file; None where the mixture is the sum of the stems.
    stems : tuple of str
    renamed : dict of str to str
        Stems to the name by which they are scored.
    left_out : dict of str to str
        Files that are not used, with the reason.
    notices : list of str
        Lines that tell the user what was inferred.
    """

    mixture: str | None
    stems: tuple[str, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def roles_of(tracks: Sequence[Mapping[str, Path]], sample_rate: int, where: Path) -> Roles:
    """Return the roles of files, which are the same in every track.

    Parameters
    ----------
    tracks : sequence of dict of str to Path
        Name of a stem, as `mss_bench.core.names.known_stem` has it, to its file; the audio of the first ones is read.
    sample_rate : int
        Hz.
    where : Path
        Named in messages.

    Raises
    ------
    DatasetError
        An accompaniment beside other stems, and nothing says which of them it holds; two names of one stem.
    """
    names = tuple(sorted(tracks[0]))
    energies = _Energies(tracks[:_TRACKS], names, sample_rate)
    mixture, notices = _mixture(names, energies)
    others = [name for name in names if name != mixture and known_stem(name) != "mixture"]
    if mixture:
        roles, adds_up = _with_mixture(mixture, others, energies)
    else:
        roles, adds_up = _without_mixture(others, energies, where), False
    if not adds_up:
        _refuse_synonyms(roles.stems, where)
    roles.notices[:0] = notices
    for name in names:
        if known_stem(name) == "mixture" and name != mixture:
            roles.left_out[name] = f"another mixture; {mixture} is read"
    if len(roles.stems) == 2 and "vocals" in roles.stems:
        (word,) = (stem for stem in roles.stems if stem != "vocals")
        if _is_accompaniment(word) and word != "accompaniment":
            roles.renamed[word] = "accompaniment"
            roles.notices.append(f"{word} is all but the vocals: read as accompaniment")
    return roles


def _is_accompaniment(name: str) -> bool:
    """Return whether a name may mean an accompaniment."""
    return "accompaniment" in (known_stem(name), POSSIBLE.get(name))


def _mixture(names: Sequence[str], energies: _Energies) -> tuple[str | None, list[str]]:
    """Return the name of the mixture, with what the user should know."""
    certain = [name for name in names if known_stem(name) == "mixture"]
    if certain:
        # Of several the one that the stems add up to: a linear mixture rather than the mastered one beside it.
        stems = [name for name in names if name not in certain]
        return min(certain, key=lambda m: (round(_best(m, stems, energies)[1], 0), m != "mixture", m)), []
    for name in names:
        rest = [other for other in names if other != name]
        possible = POSSIBLE.get(name) == "mixture"
        if len(rest) < 2 or not (possible or known_stem(name) is None):
            continue
        chosen, level = _best(name, rest, energies)
        whole = all(_is_accompaniment(other) for other in rest if other not in chosen)  # else a mixture of some stems
        if whole and len(chosen) > 1 and level <= (ADDS_UP_DB if possible else EXACT_DB):
            return name, [f"{name} is what {', '.join(chosen)} add up to: read as the mixture"]
        if possible:
            return None, [f"{name} is not what the other files add up to: read as a stem"]
    return None, []


def _with_mixture(mixture: str, others: Sequence[str], energies: _Energies) -> tuple[Roles, bool]:
    """Return the roles beside a mixture, and whether the stems add up to it."""
    chosen, level = _best(mixture, others, energies)
    roles = Roles(mixture, chosen)
    if level > ADDS_UP_DB:
        # A mastered mixture: only the names are left.
        sums = [name for name in others if known_stem(name) == "accompaniment" and _rest(others, name)]
        roles = Roles(mixture, tuple(name for name in others if name not in sums))
        if len(others) > 1 and not math.isinf(level):
            roles.notices.append(f"the stems differ from the mixture by {level:.1f} dB of its energy")
    for name in others:
        if name not in roles.stems:
            rest = [stem for stem in roles.stems if stem != "vocals"]
            if _is_accompaniment(name) and (level > ADDS_UP_DB or energies.level(name, rest) <= ADDS_UP_DB):
                roles.left_out[name] = _sum_of(rest)
            else:
                roles.left_out[name] = f"no part of the mixture, which {', '.join(roles.stems)} add up to"
    return roles, level <= ADDS_UP_DB


def _without_mixture(others: Sequence[str], energies: _Energies, where: Path) -> Roles:
    roles = Roles(None, tuple(others))
    # The usual names are kept as long as may be.
    for name in sorted(others, key=lambda name: known_stem(name) == name):
        rest = [stem for stem in roles.stems if stem != name]
        if not rest or name == "vocals":
            continue
        if _is_accompaniment(name) and _rest(roles.stems, name):
            parts = tuple(_rest(roles.stems, name))
            level = energies.level(name, parts)
            adds_up = level <= ADDS_UP_DB
            if not adds_up and known_stem(name) == "accompaniment":
                by = "" if math.isinf(level) else f" (it differs from their sum by {level:.1f} dB)"
                raise DatasetError(
                    f"{where}: {name} stands beside {', '.join(parts)}, and it is not known what it holds of them{by}; "
                    "take it away, or add a mixture, which decides"
                )
        else:
            parts, level = _best(name, rest, energies)
            adds_up = level <= EXACT_DB
        if adds_up:  # both would be in the mixture twice
            roles.left_out[name] = _sum_of(parts)
            roles.stems = tuple(rest)
    return roles


def _refuse_synonyms(stems: Sequence[str], where: Path) -> None:
    """Refuse two stems whose names mean the same, where no mixture says whether it holds both."""
    for one, other in combinations(stems, 2):
        if known_stem(one) is not None and known_stem(one) == known_stem(other):
            raise DatasetError(
                f"{where}: {one} and {other} both mean {known_stem(one)}, and differ; take the wrong one away, or add "
                "a mixture, which decides"
            )


def _sum_of(parts: Sequence[str]) -> str:
    if len(parts) == 1:
        return f"the same as {parts[0]}, which is read"
    return f"the sum of {', '.join(parts)}, which are read"


def _rest(stems: Sequence[str], accompaniment: str) -> list[str]:
    """Return what an accompaniment may be the sum of: the other stems but the vocals, where there are any of both."""
    return [stem for stem in stems if stem not in (accompaniment, "vocals")] if "vocals" in stems else []


def _best(mixture: str, names: Sequence[str], energies: _Energies) -> tuple[tuple[str, ...], float]:
    """Return the stems that add up to the mixture best, as many as possible, and how far they are from it in dB."""
    best, level = tuple(names), energies.level(mixture, names)
    if len(names) <= _MOST_STEMS and not math.isinf(level):
        for size in range(len(names) - 1, 0, -1):
            lower, subset = min((energies.level(mixture, subset), subset) for subset in combinations(names, size))
            if lower <= ADDS_UP_DB and lower < level - CLEARLY_BETTER_DB:
                best, level = subset, lower
    return best, level


class _Energies:
    """Inner products of the files of the first tracks, from which the level of any difference follows."""

    def __init__(self, tracks: Iterable[Mapping[str, Path]], names: Sequence[str], sample_rate: int) -> None:
        self._index = {name: i for i, name in enumerate(names)}
        self._products: NDArray[np.float64] | None = None
        for track in tracks:
            try:
                parts = [_middle(track[name], sample_rate).ravel() for name in names]
            except MssBenchError:  # reported when the track is read
                continue
            if len({part.size for part in parts}) == 1:
                products = np.array([[float(np.dot(a, b)) for a in parts] for b in parts])
                self._products = products if self._products is None else self._products + products

    def level(self, whole: str, parts: Sequence[str]) -> float:
        """Return the level of what parts lack of a whole, in dB of its energy; infinite where it is unknown."""
        if self._products is None:
            return math.inf
        signs = np.zeros(len(self._index))
        signs[self._index[whole]] = 1.0
        signs[[self._index[part] for part in parts]] -= 1.0
        energy = self._products[self._index[whole], self._index[whole]]
        # -200 dB stands for a sum that is exact.
        return 10 * math.log10(max(float(signs @ self._products @ signs) / energy, 1e-20)) if energy > 0 else math.inf


def _middle(file: Path, sample_rate: int) -> NDArray[np.float64]:
    """Return half a minute from the middle of a file: songs begin and end with silence."""
    header = audio.info(file)
    start = max(0.0, (header.frames / header.sample_rate - _SECONDS) / 2)
    return audio.read(file, sample_rate, start=start, duration=_SECONDS).astype(np.float64)
