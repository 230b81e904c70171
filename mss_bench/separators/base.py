"""The contract of a separator.

A separator is a class that declares its parameters with `param`, implements one method, `Separator.separate`, and
states facts about itself as class attributes. Its parameters are written ``name:key=value,key=value`` on the command
line and as a mapping in YAML and Python. The contract suite (`mss_bench.separators.contract`) checks what is declared,
and the runner relies on it.

A minimal one::

    class Halves(Separator):
        \"\"\"Give every stem the same part of the mixture.\"\"\"

        name = "halves"
        gain: float = param(0.5, above=0, doc="Factor on the mixture.")

        def separate(self, mixture, sample_rate, *, targets, **_):
            return {target: self.gain * mixture for target in targets.stems}

Methods that model magnitudes start from the templates in `mss_bench.separators.templates`, and those whose sources have
no names from `mss_bench.separators.blind`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mss_bench.core.parameters import Parameterized, declare_preset, param
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.errors import AudioError

__all__ = ["MappedSeparator", "Separator", "as_published"]


class Separator(Parameterized, ABC):
    """Define what every separation method implements and declares.

    Attributes
    ----------
    name : str
        Name in the registry, tables and command line.
    family : str
        The heading under which pages show it: baseline, position, kernel, factorisation, sinusoidal, deep or oracle;
        empty for another.
    version : str
        Part of the estimate key, as is the code of the class, of its bases and of what they import from the parts of
        this package that compute (comments, docstrings and layout aside). Other packages' code is not: raise the
        version when a new release of one changes the output.
    target_sets : tuple of tuple of str
        The sets of targets that the method can produce; empty means any set of stems. On a data set the method is
        asked for the targets of those sets that the data set has; where it has none the cell is skipped.
    channels : tuple of int
        Channel counts that it takes; empty means any. `separate` refuses a mixture of another count.
    deterministic : bool
        The output depends on nothing but the input, the parameters and `rng`.
    random : bool
        It draws from `rng`: another seed gives other estimates. ``--repeats`` runs it under several seeds.
    adds_up : bool
        The estimates of each target set sum to the mixture (residual below -80 dB).
    scale_equivariant : bool
        A gain on the mixture is the same gain on every estimate.
    channel_equivariant : bool
        Swapping the channels of the mixture swaps those of every estimate.
    foreign_code : bool
        It runs code of other people's, such as a network in a library, which may change settings of its process: the
        runner gives it a process of its own.
    slow : bool
        Takes so long that a run leaves it out unless it is named, or all are asked for by ``-s all``.
    needs_references : bool
        An oracle: it is given the references.
    needs_track : bool
        It is told which track it separates. Only a reader of finished estimates should need this.
    only_reads : bool
        It reads estimates that exist already: what that takes is no separation time, and tables of costs show none.
    path_parameters : tuple of str
        Parameters that say where files lie; `files` names them and their content is part of the key, the place is not.
    stem_map : StemMap
        What the names that it delivers mean; the runner applies it to what `separate` returns.
    trained_on : tuple of str
        ``"data set/subset"`` of what it learned from.
    licence, citation, assumption, extra : str
        Licence of code and weights; the paper; what must hold for it to work; the packaging extra that it needs.
    presets : dict of str to dict
        Values of parameters that belong together; ``preset=paper`` has those of the paper, as far as they are known.
        Others that are given go before them.
    unlike_paper : str
        What differs from the paper whatever the parameters, and in values of ``preset=paper`` that are not the paper's,
        each named as ``parameter=``.
    """

    name: ClassVar[str] = ""
    family: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    # Facts that are not ClassVar may depend on the parameters: on a direction, a file of learned state, a script.
    target_sets: tuple[tuple[str, ...], ...] = ()
    channels: tuple[int, ...] = ()
    deterministic: bool = True
    random: bool = False
    adds_up: bool = False
    scale_equivariant: bool = False
    channel_equivariant: bool = False
    foreign_code: ClassVar[bool] = False
    slow: ClassVar[bool] = False
    needs_references: bool = False
    needs_track: ClassVar[bool] = False
    only_reads: ClassVar[bool] = False
    path_parameters: ClassVar[tuple[str, ...]] = ()
    stem_map: StemMap = StemMap()
    trained_on: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""
    assumption: str = ""
    extra: ClassVar[str] = ""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    unlike_paper: ClassVar[str] = ""

    track: TrackId | None = None
    """Set by the runner before `separate` where `needs_track` is declared."""

    start: float = 0.0
    duration: float | None = None
    """The part of the track that is separated, in seconds; set like `track`."""

    used_device: str = ""
    """Where `load` put what it read, e.g. ``cuda:0``; recorded with the costs. Empty for a method without a choice."""

    flags: tuple[str, ...] = ()
    """What was done to the estimates that `separate` returned last, as the tables' column flags has it."""

    tracks: tuple[TrackId, ...] = ()
    """All tracks of the run; set before `produces` and `files` where `needs_track` is declared."""

    known_tracks: tuple[TrackId, ...] = ()
    """All tracks of the data set; set like `tracks`."""

    def __init_subclass__(cls, **options: Any) -> None:
        declare_preset(cls, "Set of values that the other parameters default to: ``paper`` for those of the paper.")
        super().__init_subclass__(**options)
        if "separate" in vars(cls):
            cls.separate = _checking_channels(cls.separate)  # type: ignore[method-assign]

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what every parameter is where it is left out: the preset's value, else the declared default."""
        return super().defaults(given) | dict(cls.presets.get(given.get("preset") or "", {}))

    @classmethod
    def differs_from_paper(cls) -> str:
        """Return in what the method differs from its paper by default, and under ``preset=paper``, in words."""
        own, papers = cls.defaults({}), cls.presets.get("paper", {})
        values = [f"{n}={own[n]} (paper: {value})" for n, value in papers.items() if f"{n}=" not in cls.unlike_paper]
        said = ". ".join(filter(None, [", ".join(values), cls.unlike_paper]))
        return said or ("nothing that is known" if "paper" in cls.presets else "")

    @classmethod
    def available(cls) -> bool:
        """Return whether what `extra` installs is there; "all separators" leaves out a method where it is not."""
        return True

    def generator(self, seed: int, song: str) -> np.random.Generator:
        """Return the generator for a song: it follows from the seed, the song's name and this separator's name alone.

        Methods are compared under the same draw: no parameter, filter, data set or change of code moves it.

        Parameters
        ----------
        seed : int
            From 0 on.
        song : str
            Name of the track; empty for audio without a name.
        """
        words = hashlib.sha256(f"{self.name}\n{song}".encode()).digest()
        return np.random.default_rng([seed, int.from_bytes(words, "little")])

    def load(self, device: str = "cpu") -> None:
        """Read learned state once, before the first `separate`; there is none by default."""

    def close(self) -> None:
        """Release what `load` took."""

    def files(self, track: TrackId) -> list[Path]:
        """Return the files that determine the estimates of a track, e.g. weights; their content goes into the key."""
        return []

    def environment(self) -> dict[str, Any]:
        """Return what else determines the estimates: programs and packages outside this process; part of the key."""
        return {}

    def produces(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        """Return the targets of a data set that this method delivers, without those that follow as sums of others.

        Raises
        ------
        RunError
            Where it has nothing for this track; the cell is skipped with that reason.
        """
        if not self.target_sets:
            return targets.stems
        return tuple(dict.fromkeys(t for names in self.target_sets for t in names if t in targets))

    def delivers(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        """Return every name that `separate` returns: that of `produces`, and stems that the data set does not have.

        Raises
        ------
        RunError
            As `produces`.
        """
        # A single set is what it always returns; of several it chooses by what is asked for.
        always = self.target_sets[0] if len(self.target_sets) == 1 else ()
        return tuple(dict.fromkeys([*self.produces(targets, track), *always]))

    def notes(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        """Return what the user should know of what is not delivered, e.g. files that are not read."""
        return ()

    def refuses(self, channels: int, what: str = "the mixture") -> str:
        """Return why a mixture of that many channels is not taken, naming it as `what`; empty where it is."""
        if not self.channels or channels in self.channels:
            return ""
        wanted = " or ".join(map(str, self.channels))
        return f"{self.label()}: {what} has {channels} channel{'s' * (channels != 1)}, expected {wanted}"

    @abstractmethod
    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
    ) -> Stems:
        """Estimate stems from a mixture.

        A method names the keywords that it uses, and takes the others as ``**_``.

        Parameters
        ----------
        mixture : (channels, samples) float32
            Not to be changed.
        sample_rate : int
            Hz.
        targets : Targets
            What the data set wants: its stems (`targets.stems`) and derived targets. Any of them may be returned; a
            derived target that is not returned is summed from its stems.
        rng : numpy.random.Generator
            The only source of randomness, what `generator` returns: it follows from the run's seed, the track's name
            and the separator's, so that every value of the parameters sees the same draw.
        references : dict of str to (channels, samples) float32, optional
            The true stems, passed only where `needs_references` is declared.

        Returns
        -------
        dict of str to (channels, samples) float array
            One array of the mixture's shape per estimated target.
        """


def as_published(**values: Any) -> Mapping[str, Mapping[str, Any]]:
    """Return the `presets` of a method whose paper has these values, and the defaults of all other parameters."""
    return {"paper": values}


class MappedSeparator(Separator):
    """Base of separators that deliver under names of others: of files, programs, scripts, checkpoints."""

    map: StemMap = param(
        StemMap(),
        metavar="NAME=...",
        expects='text like "vocals=lead;other=guitar+piano+other;accompaniment=mixture-vocals", a mapping, or none',
        doc="What its names mean: ``other=guitar+piano+other`` sums, ``accompaniment=mixture-vocals`` subtracts, "
        "``vocals=lead`` renames, see `mss_bench.core.stem_map`; ``none`` where every name means what it says.",
    )

    def setup(self) -> None:
        self.stem_map = self.map

    def delivers(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        declared = {name for names in self.target_sets for name in names}
        named = [name for name in self.stem_map.sources if name in declared or not declared]
        names = super().delivers(targets, track)
        if not declared:  # whatever is asked for; what the map makes need not be there
            names = tuple(name for name in names if name not in self.stem_map.targets)
        return tuple(dict.fromkeys([*names, *named]))


def _checking_channels(separate: Callable[..., Stems]) -> Callable[..., Stems]:
    """Return a method `separate` that refuses a mixture whose channel count is not declared."""

    @wraps(separate)
    def checked(self: Separator, mixture: Audio, *args: Any, **keywords: Any) -> Stems:
        if reason := self.refuses(len(mixture)):
            raise AudioError(f"{reason}; leave this separator out for such data")
        return separate(self, mixture, *args, **keywords)

    return checked
