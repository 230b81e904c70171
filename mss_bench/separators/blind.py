"""The base of blind methods: those that find sources but not what they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.errors import RunError
from mss_bench.separators.assignment import BAND_STEMS, VOCALS_ACCOMPANIMENT, by_references, by_rules
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_channels, require_choice, require_whole

__all__ = ["BlindSeparator"]


class BlindSeparator(Separator):
    """A method whose outputs have no names; they are named by `mss_bench.separators.assignment`.

    A subclass implements `components` and hands its parameters `sources` and `assignment` on to this constructor.

    Parameters
    ----------
    sources : int
        How many sources it looks for; 0 means as many as the data set has stems.
    assignment : str
        ``rules`` names the sources by how they sound: vocals, drums, bass and other from four on, else vocals and
        accompaniment. ``oracle`` assigns them to whatever stems the data set has by the true stems, which makes the
        method an oracle: it then declares `needs_references`, and every table sets it apart.
    """

    target_sets = (BAND_STEMS, VOCALS_ACCOMPANIMENT)

    def __init__(self, sources: int = 0, assignment: str = "rules") -> None:
        require_whole(self, "sources", sources, low=0)
        if sources == 1:
            require_whole(self, "sources", sources, low=2)
        require_choice(self, "assignment", assignment, ("rules", "oracle"))
        self.sources, self.assignment = sources, assignment
        self.needs_references = assignment == "oracle"

    def produces(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        if self.assignment == "oracle":
            return targets.stems
        names = self._names(targets)
        found = tuple(name for name in names if name in targets)
        if not found:
            raise RunError(
                f"{self.name}: its {self._count(targets)} sources are named {', '.join(names)} by rules, and "
                f"{track.dataset} has {', '.join(targets)}; name them by the true stems with assignment=oracle"
            )
        return found

    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
    ) -> Stems:
        require_channels(self, mixture)
        components = self.components(mixture, sample_rate, count=self._count(targets), rng=rng)
        if self.assignment == "oracle":
            assert references is not None, "the runner passes references where they are declared"
            return by_references(components, {stem: references[stem] for stem in targets.stems})
        return by_rules(components, sample_rate, self._names(targets))

    @abstractmethod
    def components(self, mixture: Audio, sample_rate: int, *, count: int, rng: np.random.Generator) -> Sequence[Audio]:
        """The sources in any order; their sum is the mixture.

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
        return self.sources or max(2, len(targets.stems))

    def _names(self, targets: Targets) -> tuple[str, ...]:
        """Four names where there are as many sources and the data set knows more than the voice by them."""
        known = any(name in targets for name in BAND_STEMS if name not in VOCALS_ACCOMPANIMENT)
        enough = self._count(targets) >= len(BAND_STEMS)
        return BAND_STEMS if enough and (known or "accompaniment" not in targets) else VOCALS_ACCOMPANIMENT
