"""The contract of a separator.

A separator is a class whose constructor's keyword parameters, with defaults and annotations, are its parameters: they
are written ``name:key=value,key=value`` on the command line and as a mapping in YAML and Python. It implements one
method, `Separator.separate`, and declares facts about itself as class attributes. What is declared is checked by the
contract suite (`mss_bench.separators.contract`) and relied upon by the runner.

A minimal one::

    class Halves(Separator):
        \"\"\"Half the mixture for every stem.\"\"\"

        name = "halves"

        def __init__(self, gain: float = 0.5) -> None:
            self.gain = gain

        def separate(self, mixture, sample_rate, *, targets, rng, references=None):
            return {target: self.gain * mixture for target in targets.stems}
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mss_bench.core.parameters import Parameterized
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId

__all__ = ["Separator"]


class Separator(Parameterized, ABC):
    """Base class of every separation method.

    Attributes
    ----------
    name : str
        Name in the registry, tables and command line.
    family : str
        The kind of model: baseline, position, kernel, factorisation, sinusoidal, deep or oracle; empty for another.
    version : str
        Part of the estimate key, as is the code of the class, of its bases and of what they import from the parts of
        this package that compute (comments, docstrings and layout aside). Other packages' code is not: raise the
        version when a new release of one changes the output.
    target_sets : tuple of tuple of str
        The sets of targets that the method can produce; empty means any set of stems. On a data set the method is
        asked for the targets of those sets that the data set has; where it has none the cell is skipped.
    channels : tuple of int
        Channel counts that it takes; empty means any.
    deterministic : bool
        The output depends on nothing but the input, the parameters and `rng`.
    adds_up : bool
        The estimates of each target set sum to the mixture (residual below -80 dB).
    scale_equivariant : bool
        A gain on the mixture is the same gain on every estimate.
    channel_equivariant : bool
        Swapping the channels of the mixture swaps those of every estimate.
    slow : bool
        Takes so long that a run of which no separators are named leaves it out; ``-s all`` does not.
    needs_references : bool
        An oracle: it is given the references.
    needs_track : bool
        It is told which track it separates (a reader of finished estimates); nothing else should want this.
    path_parameters : tuple of str
        Parameters that say where files lie; `files` names them and their content is part of the key, the place is not.
    trained_on : tuple of str
        ``"data set/subset"`` of what it learned from.
    licence, citation, assumption, extra : str
        Licence of code and weights; the paper; what must hold for it to work; the packaging extra that it needs.
    """

    name: ClassVar[str] = ""
    family: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    # What is no ClassVar can depend on the parameters: a direction, a file of learned state, a script.
    target_sets: tuple[tuple[str, ...], ...] = ()
    channels: tuple[int, ...] = ()
    deterministic: bool = True
    adds_up: bool = False
    scale_equivariant: bool = False
    channel_equivariant: bool = False
    slow: ClassVar[bool] = False
    needs_references: bool = False
    needs_track: ClassVar[bool] = False
    path_parameters: ClassVar[tuple[str, ...]] = ()
    trained_on: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""
    assumption: str = ""
    extra: ClassVar[str] = ""

    track: TrackId | None = None
    """Set by the runner before `separate` where `needs_track` is declared."""

    start: float = 0.0
    duration: float | None = None
    """The part of the track that is separated, in seconds; set like `track`."""

    used_device: str = ""
    """Where `load` put what it read, e.g. ``cuda:0``; recorded with the costs. Empty for a method without a choice."""

    tracks: tuple[TrackId, ...] = ()
    """All tracks of the run; set before `produces` and `files` where `needs_track` is declared."""

    @classmethod
    def available(cls) -> bool:
        """Whether what `extra` installs is there; a method that is not is left out of "all separators"."""
        return True

    def load(self, device: str = "cpu") -> None:
        """Read learned state, once, before the first `separate`. The default has none."""

    def close(self) -> None:
        """Release what `load` took. The default took nothing."""

    def files(self, track: TrackId) -> list[Path]:
        """Files whose content determines the estimates of a track, e.g. weights; hashed into the estimate key."""
        return []

    def environment(self) -> dict[str, Any]:
        """What else determines the estimates: programs and packages outside this process; part of the estimate key."""
        return {}

    def produces(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        """The targets of a data set that this method delivers; derived ones that follow as sums need no mention.

        Raises
        ------
        RunError
            Where it has nothing for this track; the cell is skipped with that reason.
        """
        if not self.target_sets:
            return targets.stems
        return tuple(dict.fromkeys(t for one in self.target_sets for t in one if t in targets))

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
            The only source of randomness, seeded from the estimate key.
        references : dict of str to (channels, samples) float32, optional
            The true stems, passed only where `needs_references` is declared.

        Returns
        -------
        dict of str to (channels, samples) float array
            One array of the mixture's shape per estimated target.
        """
