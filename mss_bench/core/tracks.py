"""Tracks and target groups: audio with names, loaded when it is needed.

A data set has *stems* (what lies on disk) and *targets* (what is scored): every stem is a target, and a derived target
is the sum of several stems, e.g. accompaniment = drums + bass + other. A *target group* names the targets that are
scored together; its members share no stem and together hold every stem, so that they add up to the mixture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.core.annotations import Annotations
from mss_bench.core.fit import Fit
from mss_bench.core.names import is_sum
from mss_bench.core.stem_map import StemMap
from mss_bench.core.text import harmless
from mss_bench.errors import AudioError, DatasetError

__all__ = ["Audio", "Part", "Stems", "TargetGroup", "Targets", "Track", "TrackAudio", "TrackId"]

Audio = NDArray[np.float32]
"""An array ``(channels, samples)``."""
Stems = dict[str, Audio]
"""Stem or target name to audio."""

_OTHER = "other"
"""The stem that holds whatever has no name of its own."""
_ACCOMPANIMENT = "accompaniment"
_AGREES_DB = -40.0  # tools write 16 bit, and stems whose masks add up not quite to 1


class Targets(Mapping[str, tuple[str, ...]]):
    """The targets of a data set: an ordered mapping of target to the stems that it sums.

    Iterating gives the target names. ``targets.stems`` are the stems, each of which is a target too.

    Parameters
    ----------
    stems : sequence of str
        The stems, in the data set's order.
    derived : mapping of str to sequence of str
        Further targets and the stems they sum.
    """

    def __init__(self, stems: tuple[str, ...], derived: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.stems = tuple(stems)
        self._parts: dict[str, tuple[str, ...]] = {s: (s,) for s in self.stems}
        for target, parts in (derived or {}).items():
            unknown = [p for p in parts if p not in self.stems]
            if unknown or not parts:
                raise DatasetError(f"target {target!r} sums {list(parts)}; expected stems among {list(self.stems)}")
            if target in self._parts:
                raise DatasetError(f"target {target!r} has the name of a stem; choose another")
            self._parts[target] = tuple(parts)

    def __getitem__(self, target: str) -> tuple[str, ...]:
        return self._parts[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        return f"Targets({self._parts})"

    def resolve(self, estimates: Mapping[str, Audio]) -> Stems:
        """Return the estimates of targets, and those that follow as sums of what was delivered, see `sum_of`.

        A method without some stem has put it somewhere: what it calls "other" may hold the voice, and the sum of its
        stems the whole mixture. It delivers a derived target only if it returns it itself.
        """
        names = {target: self.sum_of(target, estimates) for target in self}
        return {target: _sum(estimates, parts) for target, parts in names.items() if parts}

    def derivable(self, delivered: Collection[str]) -> tuple[str, ...]:
        """Return the targets that follow as sums from what a method delivers."""
        return tuple(t for t in self if t not in delivered and self.sum_of(t, delivered))

    def sum_of(self, target: str, delivered: Collection[str]) -> tuple[str, ...]:
        """Return the delivered names that sum to a target: its own, those of its stems, or none.

        Stems that the data set does not tell apart, a guitar say where there are four stems, belong to "other" and to
        every derived target with it: the accompaniment is the sum of all delivered stems but the vocals.
        """
        if target in delivered:
            return (target,)
        further = self.beyond(delivered)
        if target == _ACCOMPANIMENT and target in self.stems:
            # Two stems here, and a method that tells more of them apart.
            return further if _OTHER in further and {*self.stems} - {target} <= {*delivered} else ()
        # A method without "other" has left it somewhere, so that its sums hold more than they should.
        if target in self.stems or not all(stem in delivered for stem in self.stems):
            return ()
        parts = self[target]
        takes_further = _OTHER in parts or {*self.stems} - {*parts} == {"vocals"}
        return (*parts, *further) if takes_further else parts

    def beyond(self, delivered: Iterable[str]) -> tuple[str, ...]:
        """Return the delivered single stems that are no targets of the data set."""
        return tuple(name for name in delivered if name not in self and not is_sum(name))

    def without(self, stems: Collection[str]) -> Targets:
        """Return the targets of a song that does not have some of the stems."""
        kept = {t: tuple(s for s in parts if s not in stems) for t, parts in self.items() if t not in self.stems}
        return Targets(tuple(s for s in self.stems if s not in stems), {t: parts for t, parts in kept.items() if parts})

    def made_of(self, stems: Collection[str]) -> tuple[str, ...]:
        """Return the targets that hold nothing but the given stems."""
        return tuple(target for target, parts in self.items() if all(stem in stems for stem in parts))

    def left_out(self, delivered: Collection[str]) -> dict[str, str]:
        """Return the delivered targets that hold less than the data set's of the same name, each with the reason."""
        further = self.beyond(delivered)
        if not further or _OTHER not in delivered or _OTHER not in self.stems:
            return {}
        names = ", ".join(further)
        return {
            _OTHER: f"it is delivered beside {names}, which the data set counts to {_OTHER}; sum them with "
            f'--map "{_OTHER}={"+".join(further)}+{_OTHER}"'
        }

    def disagreements(self, estimates: Mapping[str, Audio]) -> dict[str, float]:
        """Return the sums that were delivered beside their stems and are something else, with the difference.

        Returns
        -------
        dict of str to float
            The difference's level against the delivered signal, in dB.
        """
        levels: dict[str, float] = {}
        for target in (t for t in self if t in estimates and (t not in self.stems or t == _ACCOMPANIMENT)):
            parts = self.sum_of(target, [name for name in estimates if name != target])
            if parts:
                energy = _energy(_sum(estimates, parts) - estimates[target])
                levels[target] = 10 * math.log10(max(energy / max(_energy(estimates[target]), 1e-20), 1e-20))
        return {target: level for target, level in levels.items() if level > _AGREES_DB}


@dataclass(frozen=True)
class TargetGroup:
    """Targets that are scored together.

    Parameters
    ----------
    name : str
        E.g. ``"4stem"`` or ``"vocals_acc"``.
    targets : tuple of str
        In the order of the tables.
    """

    name: str
    targets: tuple[str, ...]

    def without(self, targets: Collection[str]) -> TargetGroup:
        """Return the group of the other targets, under the same name."""
        return replace(self, targets=tuple(t for t in self.targets if t not in targets))

    def references(self, stems: Mapping[str, Audio], targets: Targets) -> Stems:
        """Return the references of the whole group, derived ones summed."""
        return {t: _sum(stems, targets[t]) for t in self.targets}


@dataclass(frozen=True)
class TrackId:
    """What names a track: all that a separator may know of where the audio comes from."""

    dataset: str
    subset: str
    name: str

    def __post_init__(self) -> None:
        # Names of folders may hold anything; from here on they are printed, tabulated and made names of other files.
        for part in ("dataset", "subset", "name"):
            object.__setattr__(self, part, harmless(getattr(self, part), keep=""))


@dataclass(frozen=True)
class Part:
    """What of a file belongs to a stem: all of it, unless something else is said.

    Parameters
    ----------
    channel : int, optional
        The one channel that is taken, from 0.
    gain_db : float
        Gain in dB.
    start, stop : float, optional
        The seconds that are taken.
    """

    channel: int | None = None
    gain_db: float = 0.0
    start: float = 0.0
    stop: float | None = None

    def of(self, file: Path) -> str:
        """Return what messages call this part of a file."""
        if not self.start and self.stop is None:
            return str(file)
        return f"{file} from {self.start:g} s to {'the end' if self.stop is None else f'{self.stop:g} s'}"


_WHOLE = Part()


@dataclass(frozen=True)
class TrackAudio:
    """Audio of one track, as the metrics take it.

    Parameters
    ----------
    references : dict of str to (channels, samples) float32
        One array a target, all of one shape.
    mixture : (channels, samples) float32
    sample_rate : int
        Hz.
    annotations : Annotations, optional
        What was played, where that is known.
    flags : tuple of str
        What was done to make the files alike, as the tables have it: ``"fitted:trim"``.
    """

    references: Stems
    mixture: Audio
    sample_rate: int
    annotations: Annotations | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Track:
    """One song of a data set; nothing is read before `load`.

    Parameters
    ----------
    id : TrackId
    sample_rate : int
        Hz, as the data set declares it; a file of another rate is an error, or resampled where `fit` allows it.
    stems : dict of str to tuple of Path
        Files that sum to each stem.
    mixture : tuple of Path
        The mixture's file; empty where the mixture is the sum of the stems.
    start, duration : float, optional
        The part to use, in seconds.
    reader : callable, optional
        Reads ``(stems, mixture, sample rate)`` from a container instead of one file a stem.
    facts : dict
        What belongs to the content beside the files, e.g. how a container is decoded.
    annotations : Path, optional
        File that says what was played.
    parts : dict of str to tuple of Part
        What is taken of the files of a stem, or of the ``"mixture"``, one each; all of them where nothing is said.
    fit : Fit
        What is done to files that differ in length, channels or rate.
    erratum : str
        What is known to be wrong with the recording.
    stem_map : StemMap
        What the stems on disk are called.
    absent : tuple of str
        Stems, as they are mapped, that the song does not have: targets made of them are not scored. `load` gives
        silence for them.
    """

    id: TrackId
    sample_rate: int
    stems: dict[str, tuple[Path, ...]]
    mixture: tuple[Path, ...] = ()
    start: float = 0.0
    duration: float | None = None
    reader: Callable[[Track], tuple[Stems, Audio, int]] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    annotations: Path | None = None
    parts: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    fit: Fit = field(default_factory=Fit)
    erratum: str = ""
    stem_map: StemMap = field(default_factory=StemMap)
    absent: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.id.name

    def excerpt(self, duration: float | None, start: float = 0.0) -> Track:
        """Return the track cut to a part, in seconds."""
        return replace(self, start=start, duration=duration)

    def files(self) -> list[Path]:
        """Return every file that the track reads, each once."""
        return list(dict.fromkeys([*self.mixture, *(f for files in self.stems.values() for f in files)]))

    def load(self) -> TrackAudio:
        """Read mixture and stems, as arrays that cannot be written to; ``references`` holds the stems, mapped.

        Raises
        ------
        AudioError
            A file is missing, truncated, holds NaN, or has another rate, length or channel count than the others and
            `fit` does not allow it; the message names both values and the option that does.
        """
        stems, mixture, fitted = self._read()
        stems = self.stem_map.apply(stems, mixture)[0]
        for array in (mixture, *stems.values()):
            array.flags.writeable = False  # an oracle that wrote into a reference would change every later score
        played = None if self.annotations is None else Annotations(self.annotations, self.start, self.duration)
        return TrackAudio(stems, mixture, self.sample_rate, played, tuple(f"fitted:{what}" for what in sorted(fitted)))

    def pieces(self, name: str) -> list[tuple[Path, Part]]:
        """Return the files of a stem, or of the ``"mixture"``, each with what is taken of it."""
        files = self.mixture if name == "mixture" else self.stems[name]
        return list(zip(files, self.parts.get(name) or (Part(),) * len(files), strict=True))

    def read(self, file: Path, part: Part = _WHOLE) -> tuple[Audio, set[str]]:
        """Read what is taken of one file, without regard to the length of others.

        Returns
        -------
        audio : (channels, samples) float32
        fitted : set of str
            What was done to it: ``"resample"``, ``"mono"``.

        Raises
        ------
        AudioError
            It is missing, truncated, holds NaN, has another rate, which `fit` does not allow, or too few channels.
        """
        rate, fitted = audio.info(file).sample_rate, set()
        self._check_rate(file, rate)
        if rate == self.sample_rate:
            start, length = part.start + self.start, self.duration
            if part.stop is not None:
                rest = max(part.stop - start, 0.0)
                length = rest if length is None else min(rest, length)
            array = audio.read(file, start=start, duration=length)
        else:
            # Whole, and cut afterwards: rounded at its own rate, an excerpt would start beside those of other files.
            whole = audio.resample(audio.read(file), rate, self.sample_rate)
            length = None if part.stop is None else part.stop - part.start
            array = self._cut(_span(whole, self.sample_rate, part.start, length))
            fitted.add("resample")
        if part.channel is not None:
            if part.channel >= len(array):
                raise AudioError(
                    f"track {self.name!r}: {file} has {len(array)} channel(s), expected at least {part.channel + 1}"
                )
            array = array[part.channel : part.channel + 1]
        if part.gain_db:
            array = array * np.float32(10 ** (part.gain_db / 20))
        if len(array) == 1 and (self.fit.mono or (self.fit.match and self._has_stereo)):
            array = np.repeat(array, 2, axis=0)
            fitted.add("mono")
        return np.ascontiguousarray(array), fitted

    @cached_property
    def _has_stereo(self) -> bool:
        """Whether more than one channel is taken of any file."""
        pieces = [piece for name in ("mixture", *self.stems) for piece in self.pieces(name)]
        return any(part.channel is None and audio.info(file).channels == 2 for file, part in pieces)

    def _check_rate(self, file: Path, rate: int) -> None:
        if rate != self.sample_rate and not self.fit.resample:
            raise AudioError(
                f"track {self.name!r}: {file} has a sample rate of {rate} Hz, expected {self.sample_rate} Hz; "
                f"sample_rate: {rate} in the data set's entry says that its files have that rate, resample: "
                f"{self.sample_rate} (score --fit resample) converts them"
            )

    def refuse_unlike(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse shapes (channels, samples) that differ, naming file, both values and the option that accepts them.

        Raises
        ------
        AudioError
        """
        try:
            audio.check_same_shape(shapes, f"track {self.name!r}")
        except AudioError as error:
            channels = {shape[0] for shape in shapes.values()}
            hint = ""
            if len(channels) == 1:
                hint = "; the data set's option trim=true (score --fit trim) cuts all files of a song to the shortest"
            elif 1 in channels:
                hint = "; the data set's option mono=double (score --fit channels) doubles files of one channel"
            raise AudioError(f"{error}{hint}") from None

    def _read(self) -> tuple[Stems, Audio, set[str]]:
        if self.reader is not None:
            stems, mixture, rate = self.reader(self)
            self._check_rate(self.mixture[0], rate)
            arrays = {name: self._cut(audio.resample(a, rate, self.sample_rate)) for name, a in stems.items()}
            mixture = self._cut(audio.resample(mixture, rate, self.sample_rate))
            return arrays, mixture, {"resample"} if rate != self.sample_rate else set()
        sums: Stems = {}
        fitted: set[str] = set()
        shapes: dict[str, tuple[int, ...]] = {}
        for name in ("mixture", *self.stems):
            for file, part in self.pieces(name):
                array, done = self.read(file, part)
                fitted |= done
                shapes[part.of(file)] = array.shape
                if len(set(shapes.values())) > 1 and self.fit.trim:
                    shortest = min(samples for _, samples in shapes.values())
                    shapes = {label: (channels, shortest) for label, (channels, _) in shapes.items()}
                    fitted.add("trim")
                self.refuse_unlike(shapes)
                # Summed at once: a song can have thirty files.
                length = array.shape[1]
                sums[name] = sums[name][:, :length] + array[:, : sums[name].shape[1]] if name in sums else array
        if not sums:
            raise DatasetError(f"track {self.name!r} has neither a mixture nor stems")
        if "trim" in fitted:
            sums = {name: np.ascontiguousarray(array[:, :shortest]) for name, array in sums.items()}
        mixture = sums.pop("mixture") if self.mixture else _sum(sums, tuple(sums))
        # A stem without files is an optional one that this track does not have.
        stems = {name: sums[name] if name in sums else np.zeros_like(mixture) for name in self.stems}
        return stems, mixture, fitted

    def _cut(self, array: Audio) -> Audio:
        return _span(array, self.sample_rate, self.start, self.duration)


def _span(array: Audio, sample_rate: int, start: float, duration: float | None) -> Audio:
    """Return the samples from a start on, both in seconds."""
    first = round(start * sample_rate)
    last = None if duration is None else first + round(duration * sample_rate)
    return np.ascontiguousarray(array[:, first:last])


def _sum(stems: Mapping[str, Audio], parts: tuple[str, ...]) -> Audio:
    if len(parts) == 1:
        return stems[parts[0]]
    total = stems[parts[0]] + stems[parts[1]]
    for part in parts[2:]:
        total += stems[part]
    return total


def _energy(array: Audio) -> float:
    return float(np.sum(np.square(array, dtype=np.float64)))
