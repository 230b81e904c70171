"""Templates for blind methods: those that find sources but not what they are."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from mss_bench.core.parameters import check, param
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.dsp.blocks import Magnitudes
from mss_bench.dsp.stft import Spectrogram
from mss_bench.errors import RunError
from mss_bench.separators.assignment import BAND_STEMS, VOCALS_ACCOMPANIMENT, by_references, by_rules
from mss_bench.separators.base import Separator
from mss_bench.separators.templates import MaskSeparator, SpectrogramSeparator

__all__ = ["MOST_SOURCES", "BlindMaskSeparator", "BlindSeparator"]

MOST_SOURCES = 8
"""How many ``sources=auto`` may find."""


class BlindSeparator(Separator):
    """Find two sources without names, and name them by `mss_bench.separators.assignment`.

    A subclass implements `find_sources`.

    Attributes
    ----------
    sources : int or "auto"
        How many it looks for; 0 means as many as the data set has stems, auto as many as there seem to be.
    """

    target_sets = (BAND_STEMS, VOCALS_ACCOMPANIMENT)
    sources: int | Literal["auto"] = 2
    assignment: str = param(
        "rules",
        choices=("rules", "oracle"),
        doc="Who names the sources: ``rules`` go by how they sound (vocals, drums, bass and other from four on, else "
        "vocals and accompaniment); ``oracle`` goes by the true stems, whatever they are, and makes the method an "
        "oracle, which tables set apart.",
    )

    def setup(self) -> None:
        super().setup()
        self.needs_references = self.assignment == "oracle"

    def produces(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        if self.assignment == "oracle":
            return targets.stems
        names = self._names(targets)
        delivered = tuple(name for name in names if name in targets)
        if not delivered:
            raise RunError(
                f"{self.name}: its {self._count(targets)} sources are named {', '.join(names)} by rules, and "
                f"{track.dataset} has {', '.join(targets)}; name them by the true stems with assignment=oracle"
            )
        return delivered

    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
        **_: Any,
    ) -> Stems:
        count = self._count(targets)
        if self.sources == "auto":
            # Counted on a copy of the generator, so that the sources are drawn as if the number had been given.
            count = self.estimated_sources(mixture, sample_rate, copy.deepcopy(rng))
            self.flags = (f"sources:{count}",)
        components = [*self.find_sources(mixture, sample_rate, count=count, rng=rng)]
        if self.assignment == "oracle":
            assert references is not None, "the runner passes references where they are declared"
            return by_references(components, {stem: references[stem] for stem in targets.stems})
        names = self._names(targets)
        components += [np.zeros_like(mixture) for _ in range(len(names) - len(components))]
        return by_rules(components, sample_rate, names)

    def estimated_sources(self, mixture: Audio, sample_rate: int, rng: np.random.Generator) -> int:
        """Return how many sources there seem to be, from 2 to `MOST_SOURCES`."""
        raise NotImplementedError(f"{type(self).__name__} does not estimate the number of its sources")

    @abstractmethod
    def find_sources(
        self, mixture: Audio, sample_rate: int, *, count: int, rng: np.random.Generator
    ) -> Sequence[Audio]:
        """Find the sources, in any order; their sum is the mixture.

        Parameters
        ----------
        mixture : (channels, samples) float32
        sample_rate : int
            Hz.
        count : int
            How many are wanted, at least 2.
        rng : numpy.random.Generator

        Returns
        -------
        sequence of `count` arrays of the mixture's shape
        """

    def _count(self, targets: Targets) -> int:
        return max(2, len(targets.stems)) if self.sources in (0, "auto") else int(self.sources)

    def _names(self, targets: Targets) -> tuple[str, ...]:
        """Return four names where there are as many sources and the data set knows more than the voice by them."""
        known = any(name in targets for name in BAND_STEMS if name not in VOCALS_ACCOMPANIMENT)
        enough = self._count(targets) >= len(BAND_STEMS)
        return BAND_STEMS if enough and (known or "accompaniment" not in targets) else VOCALS_ACCOMPANIMENT


class BlindMaskSeparator(MaskSeparator, SpectrogramSeparator, BlindSeparator):
    """Learn from the whole song how strong each source is where, and share the mixture by that.

    A subclass implements `learn`, or `find_sources` where magnitudes of blocks of frames do not serve.
    """

    sources: int | Literal["auto"] = param(
        0,
        at_least=0,
        choices=("auto",),
        expects="a whole number of at least 0, or auto",
        doc="Number of sources to look for; 0 means as many as the data set has stems, ``auto`` as many as there seem "
        "to be, 2 to 8, where a method can tell; the tables have that number among the flags.",
    )

    @check("sources")
    def _check_sources(self) -> None:
        if self.sources == 1:
            self.refuse("sources", "0 or a whole number of at least 2")
        if self.sources == "auto" and type(self).count_sources is BlindMaskSeparator.count_sources:
            self.refuse("sources", "a number, since this method cannot tell how many there are")

    def estimated_sources(self, mixture: Audio, sample_rate: int, rng: np.random.Generator) -> int:
        if not mixture.any():
            return 2
        return min(MOST_SOURCES, max(2, self.count_sources(self.stft.forward(mixture), sample_rate, rng)))

    def count_sources(self, x: Spectrogram, sample_rate: int, rng: np.random.Generator) -> int:
        """Estimate how many sources a spectrogram that is not silent holds."""
        raise NotImplementedError(f"{type(self).__name__} does not count its sources")

    def find_sources(
        self, mixture: Audio, sample_rate: int, *, count: int, rng: np.random.Generator
    ) -> Sequence[Audio]:
        x, signals = self.stft.forward(mixture), []
        if mixture.any():  # of silence there is nothing to learn
            signals = self.estimates(self.stft, x, mixture.shape[-1], self.learn(x, sample_rate, count, rng))
        return signals + [np.zeros_like(mixture) for _ in range(count - len(signals))]

    def learn(self, x: Spectrogram, sample_rate: int, count: int, rng: np.random.Generator) -> Magnitudes:
        """Learn the magnitudes of the sources.

        Parameters
        ----------
        x : (channels, frames, bins) complex
            Spectrogram of the mixture, which is not silent.
        sample_rate : int
            Hz.
        count : int
            How many sources are wanted, at least 2. Where fewer are found the others are silent.
        rng : numpy.random.Generator

        Returns
        -------
        callable
            From a block of `x` and the slice of its frames to the magnitudes of the sources there.
        """
        raise NotImplementedError(f"{type(self).__name__} implements neither learn nor find_sources")
