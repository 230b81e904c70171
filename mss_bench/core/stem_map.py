"""What delivered stems are called here: one map of names, the same for every way in.

Catalog entries, folders of estimates, commands, scripts in another Python and manifests of models name stems as they
like. A `StemMap` says, line by line, which target of the data set is made of what was delivered::

    map:
      vocals: lead                       # rename: what is delivered as "lead" is the vocals
      other: [guitar, piano, other]      # sum
      accompaniment: mixture - vocals    # rest

On a command line the same is ``--map "vocals=lead;other=guitar+piano+other;accompaniment=mixture-vocals"``. ``none``
says that there is nothing to map: every name means what it says.

A rest holds every delivered stem that it does not subtract, so that no such stem is counted beside it. Names on the
right are those that were delivered. In a sum and in a rest, one that another line makes is what that line makes: with
the lines above, vocals are subtracted as ``lead``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from mss_bench.core.names import is_sum
from mss_bench.errors import ConfigError, UnknownNameError, nearest

if TYPE_CHECKING:
    from mss_bench.core.tracks import Audio, Stems, Targets

__all__ = ["COMPLETE_WITHOUT", "MapLine", "StemMap"]

_MIXTURE = "mixture"
_NONE = "none"
_VOCALS = "vocals"
_NO_TARGETS: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_EXAMPLE = '"vocals=lead", "other=guitar+piano+other" or "accompaniment=mixture-vocals"'

COMPLETE_WITHOUT = "; if the song is complete without, deliver silence under that name"
"""What to do for a song with fewer stems than others, for which nobody else can say whether one was lost."""


@dataclass(frozen=True)
class MapLine:
    """One target and what it is made of.

    Parameters
    ----------
    target : str
    parts : tuple of str
        Delivered stems: one is renamed, several are summed, those of a rest are subtracted from the mixture.
    rest : bool
        Whether the target is the mixture without the parts.
    """

    target: str
    parts: tuple[str, ...]
    rest: bool = False

    @property
    def renames(self) -> bool:
        """Return whether a single delivered stem gets another name."""
        return len(self.parts) == 1 and not self.rest

    def __str__(self) -> str:
        sign = "-" if self.rest else "+"
        spaced = any("+" in part or "-" in part for part in self.parts)  # such names need blanks around the sign
        terms = (_MIXTURE, *self.parts) if self.rest else self.parts
        return f"{self.target}={(f' {sign} ' if spaced else sign).join(terms)}"


@dataclass(frozen=True)
class StemMap:
    """A map of the names of stems; empty where nothing is mapped.

    Parameters
    ----------
    lines : tuple of MapLine
        One for each target that is made of something else than the stem of its own name.
    declined : bool
        Said to be unnecessary, by ``none``.

    Examples
    --------
    >>> stem_map = StemMap.from_parameter({"other": ["guitar", "piano", "other"], "accompaniment": "mixture - vocals"})
    >>> str(stem_map)
    'other=guitar+piano+other;accompaniment=mixture-vocals'
    """

    lines: tuple[MapLine, ...] = ()
    declined: bool = field(default=False, kw_only=True)

    @classmethod
    def from_parameter(cls, value: object) -> Self:
        """Read the form of a command line (text), of YAML (a mapping), or several of the former as one.

        Raises
        ------
        ConfigError
            Neither of them; a target or a stem without a name or named twice; lines that need each other.
        """
        if isinstance(value, cls):
            return value
        if value is None or (isinstance(value, str) and value.strip().lower() == _NONE):
            return cls(declined=value is not None)
        if isinstance(value, Mapping):
            return cls(_checked(dict(value), [_line(str(target), made, value) for target, made in value.items()]))
        if not isinstance(value, Sequence) or not all(isinstance(text, str) for text in value):
            _refuse(value, f"expected {_EXAMPLE}, or {_NONE}")
        if not isinstance(value, str) and len(value) == 1:
            return cls.from_parameter(value[0])
        written = value if isinstance(value, str) else ";".join(value)
        texts = [text for text in re.split("[;,]", written) if text.strip()]
        if not texts:  # of an empty variable in a shell script, perhaps
            _refuse(written, f"expected {_EXAMPLE}, or {_NONE}")
        return cls(_checked(written, list(map(_read, texts))))

    def __bool__(self) -> bool:
        return bool(self.lines)

    def __str__(self) -> str:
        """Return what ``--map`` takes."""
        return ";".join(map(str, self.lines)) or (_NONE if self.declined else "")

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the targets that are made."""
        return tuple(line.target for line in self.lines)

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the delivered stems that the lines are made of."""
        return tuple(dict.fromkeys(part for line in self.lines for part in _delivered(line, self.lines)))

    def check_targets(self, targets: Targets) -> None:
        """Refuse a map that makes what a data set does not score, or sums what it scores apart.

        Raises
        ------
        ConfigError
        """
        for line in self.lines:
            if line.target not in targets:
                raise UnknownNameError(f"target of the map {line}:", line.target, targets)
            if apart := _scored_apart(line, targets):
                _refuse(
                    str(line),
                    f"the data set scores {apart} by itself, so that it cannot be a part of {line.target}; leave it "
                    "out of the sum",
                )

    def check_delivered(self, delivered: Collection[str], scored: Collection[str] | None = None) -> None:
        """Refuse a map that names stems which are never delivered, or that would lose or repeat some that are.

        Parameters
        ----------
        delivered : collection of str
        scored : collection of str, optional
            The stems that the data set scores by themselves; all that are delivered unless told.

        Raises
        ------
        ConfigError
        """
        for line in self.lines:
            for part in _delivered(line, self.lines):
                if part not in delivered:
                    near = nearest(part, delivered)
                    known = f"there are {', '.join(delivered) or 'none'}"
                    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else known
                    _refuse(str(line), f"there is no stem {part!r}; {hint}")
            self._check_counted_once(line, delivered, delivered if scored is None else scored)

    def _check_counted_once(self, line: MapLine, delivered: Collection[str], scored: Collection[str]) -> None:
        target = line.target
        held = self._held(line, delivered) if target in scored or scored is delivered else []
        if twice := [part for part in held if part in scored or target == _VOCALS]:
            whole = MapLine(target, (*line.parts, *twice), rest=True)
            _refuse(
                str(line),
                f"the rest holds {', '.join(twice)}, delivered and counted as well; subtract that, too ({whole}), or "
                "give the rest the name of a sum, such as accompaniment",
            )
        if not line.rest and target in delivered and target not in {*self.sources, _VOCALS} and not is_sum(target):
            whole = MapLine(target, (*line.parts, target))
            _refuse(
                str(line),
                f"{target} itself is delivered as well and would be lost; sum it, too ({whole}), or take it "
                "out of what is delivered",
            )

    def fitting(self, targets: Targets) -> Self:
        """Return the map without sums of what a data set scores apart: of a model for data sets of any kind."""
        lines = tuple(line for line in self.lines if not _scored_apart(line, targets))
        return type(self)(lines, declined=self.declined)

    def names(self, delivered: Iterable[str], targets: Mapping[str, tuple[str, ...]] = _NO_TARGETS) -> tuple[str, ...]:
        """Return what stems are called when they are mapped, in the order of `apply`.

        Parameters
        ----------
        delivered : iterable of str
            The names before.
        targets : Targets
            Of the data set; these keep their names although they are parts of a sum.
        """
        names = tuple(delivered)
        kept = self._kept(names, targets)
        made = [line.target for line in self._in_order() if not self._missing(line, names)]
        return (*kept, *made)

    def absent(self, delivered: Iterable[str], lacking: Collection[str]) -> tuple[str, ...]:
        """Return the mapped stems that are made of nothing but stems which a song lacks; a rest never is.

        Parameters
        ----------
        delivered : iterable of str
            All names before the map.
        lacking : collection of str
            Those that the song does not have.
        """
        names = tuple(delivered)
        empty = {name for name in self._kept(names, _NO_TARGETS) if name in lacking}
        for line in self._in_order():
            made = _made_before(line, self.lines)
            if not line.rest and all(part in (empty if part in made else lacking) for part in line.parts):
                empty.add(line.target)
        return tuple(name for name in self.names(names) if name in empty)

    def unused(self, delivered: Iterable[str], targets: Mapping[str, tuple[str, ...]]) -> dict[str, MapLine]:
        """Return the delivered stems that are not used as they are, each with the line that makes or holds them."""
        rest = [name for name in delivered if name not in self.sources and name not in self._kept(delivered, targets)]
        made = {line.target: line for line in self.lines}
        holding = {name: line for line in self.lines for name in self._held(line, rest)}
        return {name: made.get(name) or holding[name] for name in rest}

    def apply(
        self, stems: Mapping[str, Audio], mixture: Audio, targets: Mapping[str, tuple[str, ...]] = _NO_TARGETS
    ) -> tuple[Stems, dict[str, str]]:
        """Return stems under the names of the data set.

        A stem that no line mentions keeps its name. One that is renamed loses its own, unless another line makes it
        anew; one that is part of a sum loses it unless it is one of `targets` itself.

        Parameters
        ----------
        stems : mapping of str to (channels, samples) float array
            What was delivered.
        mixture : (channels, samples) float array
        targets : Targets
            Of the data set.

        Returns
        -------
        stems : dict of str to (channels, samples) float array
        problems : dict of str to str
            Targets that could not be made, and which stem is missing.
        """
        mapped: Stems = {name: stems[name] for name in self._kept(stems, targets)}
        made: Stems = {}
        problems: dict[str, str] = {}
        for line in self._in_order():
            if absent := self._missing(line, stems):
                problems[line.target] = (
                    f"{line}: {', '.join(absent)} not delivered{'' if line.renames else COMPLETE_WITHOUT}"
                )
                continue
            others = _made_before(line, self.lines)
            total = reduce(add, [made[part] if part in others else stems[part] for part in line.parts])
            made[line.target] = mixture - total if line.rest else total
        return mapped | made, problems

    def _kept(self, names: Iterable[str], targets: Mapping[str, tuple[str, ...]]) -> list[str]:
        renamed = {line.parts[0] for line in self.lines if line.renames}
        summed = {part for line in self.lines if not line.rest for part in line.parts if part not in targets}
        names = tuple(names)
        stems = [
            line for line in self.lines if len(targets.get(line.target, ())) <= 1
        ]  # what a sum holds, stands beside
        held = {part for line in stems for part in self._held(line, names) if part not in targets}
        return [name for name in names if name not in renamed | summed | held and name not in self.targets]

    def _held(self, line: MapLine, names: Iterable[str]) -> list[str]:
        """Return the single stems that a rest is made of with others: all that nothing subtracts."""
        parts = self._summed(line)
        if not line.rest or is_sum(line.target) or any(is_sum(part) for part in parts):
            return []
        return [name for name in names if name not in {*parts, *self.targets} and not is_sum(name)]

    def _summed(self, line: MapLine) -> list[str]:
        """Return the parts of a line, those that other lines make replaced by theirs."""
        made = {other.target: other for other in self.lines if other.target in _made_before(line, self.lines)}
        return [each for part in line.parts for each in (self._summed(made[part]) if part in made else [part])]

    def _in_order(self) -> list[MapLine]:
        """Return the lines, each after those that it needs."""
        ordered: list[MapLine] = []
        waiting = list(self.lines)
        while waiting:
            made = {line.target for line in ordered}
            ready = next(line for line in waiting if _made_before(line, self.lines) <= made)
            waiting.remove(ready)
            ordered.append(ready)
        return ordered

    def _missing(self, line: MapLine, names: Iterable[str]) -> list[str]:
        """Return the delivered stems that a line lacks, directly or through other lines."""
        there = set(names)
        absent = [part for part in _delivered(line, self.lines) if part not in there]
        for other in self.lines:
            if other.target in _made_before(line, self.lines):
                absent += self._missing(other, there)
        return list(dict.fromkeys(absent))


def _scored_apart(line: MapLine, targets: Targets) -> str:
    """Return a part of a sum that the data set scores, and not as a part of the sum."""
    if line.rest or line.renames or line.target not in targets:
        return ""
    others = (part for part in line.parts if part != line.target and part in targets)
    return next((part for part in others if not {*targets[part]} <= {*targets[line.target]}), "")


def _made_before(line: MapLine, lines: Sequence[MapLine]) -> set[str]:
    """Return the targets of other lines that a line is made of: only sums and rests are."""
    others = {other.target for other in lines if other.target != line.target}
    return set() if line.renames else others & set(line.parts)


def _delivered(line: MapLine, lines: Sequence[MapLine]) -> list[str]:
    """Return the parts of a line that are delivered, not made by another line."""
    return [part for part in line.parts if part not in _made_before(line, lines)]


def _read(text: str) -> MapLine:
    """Read ``target=...``."""
    target, equals, made = text.partition("=")
    if not equals:
        _refuse(text.strip(), f"expected {_EXAMPLE}, or {_NONE} alone")
    return _line(target, made, text.strip())


def _line(target: str, made: object, given: object) -> MapLine:
    """Return a line of a target and what it is made of, as text or as a list of stems to sum."""
    target, rest = target.strip(), False
    if isinstance(made, str):
        rest = re.match(rf"\s*{_MIXTURE}\s*-", made, re.IGNORECASE) is not None
        sign = "-" if rest else "+"
        # A name with a sign of its own is told apart by blanks around the others: lead-vocals + backing-vocals.
        terms = re.split(rf"\s+[{sign}]\s+" if re.search(rf"\s[{sign}]\s", made) else f"[{sign}]", made)
        parts = [term.strip() for term in terms][rest:]
    elif isinstance(made, Sequence) and made and all(isinstance(part, str) for part in made):
        parts = [part.strip() for part in made]
    else:
        _refuse(given, f"{target} is {made!r}, expected a name, a list of names to sum, or {_MIXTURE} - NAME")
    if not target or not all(parts) or any(re.search("[=,;]", name) for name in (target, *parts)):
        _refuse(given, f"a name is missing or malformed; expected {_EXAMPLE}")
    if target == _MIXTURE or _MIXTURE in parts:
        _refuse(given, f"the mixture can only be what a rest is taken from: NAME={_MIXTURE}-vocals")
    if twice := [part for part in parts if parts.count(part) > 1]:
        _refuse(given, f"{twice[0]} stands twice in {target}")
    return MapLine(target, tuple(parts), rest)


def _checked(given: object, lines: list[MapLine]) -> tuple[MapLine, ...]:
    """Return lines that do not contradict each other."""
    made = [line.target for line in lines]
    if twice := [target for target in made if made.count(target) > 1]:
        _refuse(given, f"{twice[0]} is made twice; expected one line for each target")
    users: dict[str, str] = {}
    for line in lines:
        for part in () if line.rest else _delivered(line, lines):
            if part in users:
                _refuse(
                    given,
                    f"{part} is used for {users[part]} and again for {line.target}; use it once"
                    + ("" if line.renames else f", and name {users[part]} among the parts of {line.target}"),
                )
            users[part] = line.target
    for line in lines:
        if line.rest and line.target in line.parts:
            _refuse(given, f"{line.target} cannot be the mixture without itself")
    waiting = {line.target: _made_before(line, lines) for line in lines}
    while ready := [target for target, needed in waiting.items() if not needed & waiting.keys()]:
        waiting = {target: needed for target, needed in waiting.items() if target not in ready}
    if waiting:
        _refuse(given, f"{' and '.join(waiting)} are made of each other; give one of them as delivered")
    return tuple(lines)


def _refuse(given: Any, why: str) -> NoReturn:
    shown = repr(given) if isinstance(given, str) else repr(dict(given) if isinstance(given, Mapping) else given)
    raise ConfigError(f"map {shown}: {why}")
