"""The contract of a perturbation.

A perturbation is a class that declares its parameters with `param`, implements one method, `Perturbation.prepare`, and
states facts about itself as class attributes, which the contract suite (`mss_bench.perturbations.contract`) checks. It
is written ``mp3:rate=64`` on the command line and ``{name: mp3, rate: 64}`` in YAML and Python.

A minimal one::

    class Telephone(Perturbation):
        \"\"\"Keep the band of a telephone.\"\"\"

        name = "telephone"
        strength = "high"
        ladder = (7000.0, 3400.0)
        high: float = param(3400.0, above=300, unit="Hz", doc="Upper edge of the band.")

        def prepare(self, signal, sample_rate, rng):
            sos = butter(4, [300, self.high], "bandpass", fs=sample_rate, output="sos")
            return lambda audio: sosfilt(sos, audio)

What the references become is a fact, `alike`. Where a perturbation only changes how the music sounds as a whole (a
gain, a room, a limiter), the stems of the perturbed mixture are the stems that went through the same change: a method
is not to undo it. What adds or destroys something (a codec, clipping, noise) is damage: the references stay clean.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import Parameterized, param
from mss_bench.core.tracks import Audio

__all__ = ["Perturbation", "Transform"]

Transform = Callable[[Audio], NDArray[np.floating]]
"""Changes an array ``(channels, samples)``; the input is not to be written to."""


class Perturbation(Parameterized, ABC):
    """Define what every perturbation implements and declares.

    Attributes
    ----------
    name : str
        Name in the registry, tables and command line.
    version : str
        Part of the keys, as is the code; raise it when a new release of another package changes the output.
    alike : bool
        The references go through the transform of the mixture. Of a perturbation of single stems
        (``mp3:stems=vocals``) the reference is always the changed stem, whatever is declared.
    strength : str
        The parameter that says how strong it is; empty for one that is there or not.
    ladder : tuple of float
        Values of that parameter from the mildest to the most severe, which a robustness report runs.
    keeps_time : bool
        Everything stays where it is, so that annotations of what was played when remain true.
    keeps_length : bool
        The number of samples stays what it is. One that changes it is applied to whole songs only.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    alike: ClassVar[bool] = False
    strength: ClassVar[str] = ""
    ladder: ClassVar[tuple[float, ...]] = ()
    keeps_time: ClassVar[bool] = True
    keeps_length: ClassVar[bool] = True

    stems: tuple[str, ...] = param(
        (), metavar="NAME",
        expects="names of stems, of several joined by +: stems=vocals+bass",
        doc="Only these stems, which are mixed again afterwards, as in stems=vocals+bass (default: the mixture).",
    )  # fmt: skip

    def setup(self) -> None:
        """Take stems that are joined by ``+``; a subclass that has a `setup` of its own calls this one."""
        self.stems = tuple(stem for text in self.stems for stem in text.split("+"))
        if not all(self.stems) or (self.stems and not self.keeps_length):
            self.refuse("stems", "no stems: it changes the length" if all(self.stems) else "names of stems")

    @classmethod
    def missing(cls) -> str:
        """Return what this computer lacks for it, and how to get it; empty where nothing is missing."""
        return ""

    def without_effect(self, sample_rate: int) -> str:
        """Return why it changes nothing at a sample rate, in Hz; empty where it does."""
        return ""

    def generator(self, seed: int, song: str, part: str = "") -> np.random.Generator:
        """Return the generator for a song: every strength of a perturbation has the same draw.

        Parameters
        ----------
        seed : int
            From 0 on.
        song : str
            Name of the track.
        part : str
            The stem that is changed, and which of several perturbations of one name it is.
        """
        words = hashlib.sha256(f"{self.name}\n{song}\n{part}".encode()).digest()
        return np.random.default_rng([seed, int.from_bytes(words, "little")])

    @abstractmethod
    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        """Return the transform for a signal.

        Parameters
        ----------
        signal : (channels, samples) float32
            The mixture, or the stem that is changed; not to be written to.
        sample_rate : int
            Hz.
        rng : numpy.random.Generator
            The only source of randomness: it follows from the seed, the song's name and the perturbation's.

        Returns
        -------
        callable
            Applied to the signal, and where `alike` is declared to the references too; it must treat all of them alike,
            so that the sum of what becomes of the stems is what becomes of their sum.
        """
