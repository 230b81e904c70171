"""Energy ratios of whole songs: uSDR.

uSDR is the score of the Music Demixing Challenge 2021 and the Sound Demixing Challenge 2023 (there "SDR"; "nSDR" in
some papers): the energy of the reference over that of the error, summed over all samples and channels of a song,

    uSDR = 10 log10((sum s^2 + delta) / (sum (s - y)^2 + delta)).

`delta` keeps silent stems finite, and tools differ in it: 1e-7 in the challenges and Demucs, 1e-8 in ZFTurbo's
training code. A song's score is the mean over its stems, a system's the mean over songs. Sums are in float64; the
challenge's kit sums in float32.

References
----------
Y. Mitsufuji et al.: Music Demixing Challenge 2021. Frontiers in Signal Processing 1, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._signals import Samples, Signals, pieces
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.tracks import Stems, TargetGroup, TrackAudio

__all__ = ["USDR", "USDRState"]


@dataclass(frozen=True)
class USDRState:
    """References of a track, as given, and their energies."""

    references: dict[str, Samples]
    energies: dict[str, float]


class USDR(Metric):
    """SDR of a whole song, as the Music Demixing Challenge defines it.

    Parameters
    ----------
    delta : float
        Added to both energies; at least 0.

    Raises
    ------
    ConfigError
        A negative `delta`.
    """

    name = "usdr"
    version = "1"
    quantities = (Quantity("uSDR", "dB", True, "10 log10((sum s^2 + d) / (sum (s - y)^2 + d)) over the whole song"),)
    citation = "Y. Mitsufuji et al.: Music Demixing Challenge 2021, Frontiers in Signal Processing 1, 2022"
    preset = "mdx21"

    def __init__(self, *, delta: float = 1e-7) -> None:
        if not 0 <= delta < np.inf:
            raise ConfigError(f"usdr: delta is {delta!r}, expected a number of at least 0")
        self.delta = delta
        if delta != 1e-7:
            self.preset = "default"

    def prepare(self, track: TrackAudio, group: TargetGroup) -> USDRState:
        """Energies of the references.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored.
        """
        references = checked_references(track, group)
        energies = {target: _energy(Signals([array])) for target, array in references.items()}
        return USDRState(references, energies)

    def score(self, state: USDRState, estimates: Stems) -> list[Score]:
        """USDR of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN gives NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        return [
            self._score(state, target, estimates[target], spoiled.get(target, ""))
            for target in state.references
            if target in estimates
        ]

    def _score(self, state: USDRState, target: str, estimate: Samples, reason: str) -> Score:
        value = np.nan
        if not reason:
            error = _energy(Signals([estimate], minus=[state.references[target]]))
            with np.errstate(divide="ignore", invalid="ignore"):
                value = 10 * np.log10(np.float64(state.energies[target] + self.delta) / (error + self.delta))
            reason = "reference and estimate are silent, and delta is 0" if np.isnan(value) else ""
        return Score(target, "uSDR", np.array([value]), reason=reason)


def _energy(signals: Signals) -> float:
    return float(sum(np.vdot(piece, piece) for piece in (signals.read(*span) for span in pieces(signals.n_samples))))
