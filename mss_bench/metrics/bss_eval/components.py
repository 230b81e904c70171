"""What BSS Eval v4 finds wrong with an estimate, as signals.

    y = s + e_spat + e_interf + e_artif,
    e_spat = P_j y - s,    e_interf = P y - P_j y,    e_artif = y - P y

with the projections of `mss_bench.metrics.bss_eval.v4`: ``P_j`` on the target's own channels delayed by 0 .. L-1
samples, ``P`` on those of all references. The filters are found once for the whole signal, as version 4 does, and
applied to the whole signal; BSS Eval cuts frames out before it filters, so that energies within frames differ from
those of the components by what rings over from the frame before. The filters' ringing beyond the end is left out.

As there, everything is computed from the error ``e = y - s``, so that a good estimate loses no digits; the artifacts
are what is left of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError
from mss_bench.metrics._checks import checked_references, spoiled_estimates
from mss_bench.metrics._frames import Frames
from mss_bench.metrics._signals import Signals
from mss_bench.metrics.bss_eval.energies import FilterBank
from mss_bench.metrics.bss_eval.lags import correlate
from mss_bench.metrics.bss_eval.projection import Projector

__all__ = ["Components", "bss_components"]


@dataclass(frozen=True)
class Components:
    """An estimate in parts, each ``(channels, samples)`` float64; they add up to it.

    Parameters
    ----------
    target : the true source
    spatial_distortion : what a filtering of it adds
    interference : what comes of filterings of the other sources
    artifacts : the rest
    condition : float
        Estimated condition number of the references' system: the digits that the last bits of the references may cost.
    """

    target: Floats
    spatial_distortion: Floats
    interference: Floats
    artifacts: Floats
    condition: float

    @property
    def parts(self) -> dict[str, Floats]:
        """Return the signals by name."""
        names = ("target", "spatial_distortion", "interference", "artifacts")
        return {name: getattr(self, name) for name in names}

    @property
    def estimate(self) -> Floats:
        """Return their sum."""
        return self.target + self.spatial_distortion + self.interference + self.artifacts

    @property
    def ratios(self) -> dict[str, float]:
        """Return SDR, ISR, SIR and SAR of the whole signal in dB: +inf over nothing, NaN where nothing is there."""
        image = self.target + self.spatial_distortion
        error = self.spatial_distortion + self.interference + self.artifacts
        return {
            "SDR": _decibels(self.target, error),
            "ISR": _decibels(self.target, self.spatial_distortion),
            "SIR": _decibels(image, self.interference),
            "SAR": _decibels(image + self.interference, self.artifacts),
        }


def bss_components(
    references: Mapping[str, Samples], target: str, estimate: Samples, filter_length: int = 512
) -> Components:
    """Split an estimate into its parts.

    Parameters
    ----------
    references : mapping of str to (channels, samples) float array
        All sources of the mixture.
    target : str
        The one that was estimated.
    estimate : (channels, samples) float array
    filter_length : int
        Taps.

    Returns
    -------
    Components

    Raises
    ------
    AudioError
        Arrays that cannot be scored, NaN in the estimate among them.

    Examples
    --------
    >>> import numpy as np
    >>> voice, drums = np.random.default_rng(0).standard_normal((2, 1, 8000))
    >>> parts = bss_components({"voice": voice, "drums": drums}, "voice", voice + 0.1 * drums, 32)
    >>> round(parts.ratios["SIR"])
    20
    """
    track = TrackAudio(dict(references), estimate, 1)
    checked = checked_references(track, TargetGroup("given", tuple(references)))
    if spoiled := spoiled_estimates(checked, {target: estimate}):
        raise AudioError(f"{spoiled[target]}; expected numbers")
    signals, samples = Signals(list(checked.values())), estimate.shape[1]
    whole = Frames(samples, samples, samples, filter_length - 1)
    lags = correlate(signals, signals, whole).total
    cross = correlate(signals, Signals([estimate], minus=[checked[target]]), whole).total
    first = list(checked).index(target) * len(estimate)
    own = slice(first, first + len(estimate))
    everything = Projector(lags)
    on_target = np.zeros_like(cross)
    on_target[:, own] = Projector(lags[:, own, own]).solve(cross[:, own])
    source = np.asarray(checked[target], dtype=np.float64)
    spatial, rest = np.empty_like(source), np.empty_like(source)
    for (start, stop), chunks in FilterBank([everything.solve(cross), on_target]).apply(signals, (0, samples)):
        inside = slice(0, max(0, min(stop, samples) - start))
        spatial[:, start:stop] = chunks[1][:, inside]
        rest[:, start:stop] = (chunks[0] - chunks[1])[:, inside]
    error = estimate - source
    return Components(source, spatial, rest, error - spatial - rest, everything.condition)


def _decibels(signal: Floats, noise: Floats) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(np.vdot(signal, signal) / np.vdot(noise, noise)))
