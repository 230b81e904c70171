"""The scale-invariant family: SI-SDR.

With ``alpha = <s, y> / |s|^2``, the gain at which the reference s comes closest to the estimate y,

    SI-SDR = 10 log10(|alpha s|^2 / |alpha s - y|^2).

The definition is for one channel. Tools differ in what they make of several, and in the mean: asteroid and nussl
subtract it from both signals first (then called SI-SNR by some), torchmetrics does so only when asked. Here both are
parameters; the defaults are one gain a channel and no mean removal, as in torchmetrics, and the value of a song is the
mean over its channels. No constant is added inside the logarithm.

References
----------
J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey: SDR - half-baked or well done? ICASSP 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._signals import Floats, Samples, Signals, pieces
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.tracks import Stems, TargetGroup, TrackAudio

__all__ = ["SISDR", "SISDRState"]

_ROUNDING = 1e-24
"""Energy of a constant after its mean is removed, relative to before, in float64."""


_Reader = Callable[[int, int], Floats]


@dataclass(frozen=True)
class SISDRState:
    """References of a track, as given, with mean and energy (mean removed where asked for) of each channel."""

    references: dict[str, Samples]
    means: dict[str, Floats]
    energies: dict[str, Floats]


class SISDR(Metric):
    """Scale-invariant SDR of a whole song.

    Parameters
    ----------
    per_channel : bool
        One gain for each channel and the mean of their values in dB, leaving out channels in which the reference is
        silent. Otherwise one gain and one ratio over all channels, which punishes a wrong balance.
    zero_mean : bool
        Subtract the mean of each channel of both signals first.
    """

    name = "si_sdr"
    version = "1"
    quantities = (Quantity("SI-SDR", "dB", True, "10 log10(|a s|^2 / |a s - y|^2), a = <s, y> / |s|^2, whole song"),)
    citation = "J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey: SDR - half-baked or well done?, ICASSP 2019"

    def __init__(self, *, per_channel: bool = True, zero_mean: bool = False) -> None:
        self.per_channel, self.zero_mean = per_channel, zero_mean

    def prepare(self, track: TrackAudio, group: TargetGroup) -> SISDRState:
        """Means and energies of the references.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored.
        """
        references = checked_references(track, group)
        means, energies = {}, {}
        for target, array in references.items():
            means[target] = self._mean(array)
            centred = _centred(array, means[target])
            energy = _products(centred, centred, array.shape)
            # what rounding leaves of a constant is no signal
            raw = energy + array.shape[1] * means[target] ** 2
            energies[target] = np.where(energy > _ROUNDING * raw, energy, 0.0)
        return SISDRState(references, means, energies)

    def score(self, state: SISDRState, estimates: Stems) -> list[Score]:
        """SI-SDR of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN, and a silent reference or estimate, give NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        scores = []
        for target in (t for t in state.references if t in estimates):
            reason = spoiled.get(target) or self._why_undefined(state, target, estimates[target])
            value = np.nan if reason else self._value(state, target, estimates[target])
            scores.append(Score(target, "SI-SDR", np.array([value]), reason=reason))
        return scores

    def _value(self, state: SISDRState, target: str, estimate: Samples) -> float:
        energy, shape = state.energies[target], estimate.shape
        source = _centred(state.references[target], state.means[target])
        signal = _centred(estimate, self._mean(estimate))
        product = _products(source, signal, shape)
        if not self.per_channel:
            product, energy = np.full_like(product, product.sum()), np.full_like(energy, energy.sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = (product / energy)[:, np.newaxis]

        # the error itself, and not a difference of energies: that would lose values above some 100 dB
        def error(start: int, stop: int) -> Floats:
            return gain * source(start, stop) - signal(start, stop)

        target_energy, error_energy = gain[:, 0] ** 2 * state.energies[target], _products(error, error, shape)
        if not self.per_channel:
            target_energy, error_energy = target_energy.sum(keepdims=True), error_energy.sum(keepdims=True)
        heard = target_energy >= 0  # a silent channel of the reference has no gain
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.mean(10 * np.log10(target_energy[heard] / error_energy[heard])))

    def _why_undefined(self, state: SISDRState, target: str, estimate: Samples) -> str:
        offset = " once its mean is removed" if self.zero_mean else ""
        heard = state.energies[target] > 0
        if not heard.any():
            return f"reference {target!r} is silent throughout{offset}"
        signal = _centred(estimate, self._mean(estimate))
        empty = _products(signal, signal, estimate.shape) <= 0
        if empty.all():
            return f"estimate {target!r} is silent throughout{offset}"
        if self.per_channel and (lost := np.flatnonzero(heard & empty)).size:
            return f"estimate {target!r} is silent throughout in channel {lost[0]}, its reference is not{offset}"
        return ""

    def _mean(self, array: Samples) -> Floats:
        return array.mean(axis=1, dtype=np.float64) if self.zero_mean else np.zeros(len(array))


def _centred(array: Samples, mean: Floats) -> _Reader:
    signals = Signals([array])
    return lambda start, stop: np.subtract(samples := signals.read(start, stop), mean[:, np.newaxis], out=samples)


def _products(left: _Reader, right: _Reader, shape: tuple[int, ...]) -> Floats:
    """``<left, right>`` of each channel."""
    total = np.zeros(shape[0])
    for span in pieces(shape[1]):
        total += np.einsum("ct,ct->c", left(*span), right(*span))
    return total
