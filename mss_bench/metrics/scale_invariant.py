"""Energy ratios of whole songs with and without a gain: SNR, SI-SDR, SD-SDR, SA-SDR.

With ``alpha = <s, y> / |s|^2``, the gain at which the reference s comes closest to the estimate y [1]_,

    SNR    = 10 log10(|s|^2 / |s - y|^2),
    SI-SDR = 10 log10(|alpha s|^2 / |alpha s - y|^2),
    SD-SDR = 10 log10(|alpha s|^2 / |s - y|^2) = SNR + 10 log10 alpha^2.

SI-SDR does not see a wrong gain, SD-SDR punishes it. SA-SDR [2]_ is SI-SDR (or, asked so, SNR) of all sources at once:
energies are summed over the sources first, and one gain serves them all, so that faint sources weigh little.

The definitions are for one channel. Tools differ in three ways, each of which is a parameter here:

- *Channels*. One gain and ratio a channel, and the mean of their values in dB; or one over all channels, which punishes
  a wrong balance.
- *Mean*. auraloss subtracts that of both signals first, as asteroid and nussl do; torchmetrics does so when asked.
- *Small constants* that keep silent signals finite. None by default: where a ratio has no value, that is said. With a
  constant, every channel counts, silent or not.

References
----------
.. [1] J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey: SDR - half-baked or well done? ICASSP 2019.
.. [2] T. von Neumann, K. Kinoshita, C. Boeddeker, M. Delcroix, R. Haeb-Umbach: SA-SDR: a novel loss function for
   separation of meeting style data. ICASSP 2022.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._levels import Scaling, level, louder, scaling, unusual
from mss_bench.metrics._moments import Moments, References, prepare_references
from mss_bench.metrics._signals import Floats
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.presets import resolve

__all__ = ["SASDR", "SDSDR", "SISDR", "SNR"]

_LE_ROUX = "J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey: SDR - half-baked or well done?, ICASSP 2019"

EpsForm = Literal["both", "denominator", "samples"]


_PARAMETERS = """\
Parameters
----------
preset : str, optional
    A key of ``PRESETS[name]`` in `mss_bench.metrics.presets`: the other parameters default to its values.
per_channel : bool, optional
    One ratio a channel and the mean in dB, leaving out channels in which the reference is silent (default); otherwise
    one ratio over all channels.
zero_mean : bool, optional
    Subtract the mean of each channel of both signals first. Default False.
eps : float, optional
    Small constant, at least 0. Default 0.
eps_form : {"both", "denominator", "samples"}, optional
    Where it stands. ``"both"`` (torchmetrics): added to numerator and denominator of gain and ratio. ``"denominator"``
    (auraloss): added to both denominators, and to the ratio itself. ``"samples"`` (ZFTurbo): to the gain's numerator
    and denominator once for every sample, to the ratio's denominator, and to the ratio.

Raises
------
ConfigError
    An unknown preset, or a parameter out of its range."""


class _Ratio(Metric):
    """What the ratios share: parameters, reading, and what becomes of silence."""

    def __init_subclass__(cls) -> None:
        cls.__doc__ = f"{inspect.cleandoc(cls.__doc__ or '')}\n\n{_PARAMETERS}"

    citation = _LE_ROUX
    _silent_estimate_has_value: ClassVar[bool] = False

    def __init__(
        self,
        *,
        preset: str | None = None,
        per_channel: bool | None = None,
        zero_mean: bool | None = None,
        eps: float | None = None,
        eps_form: EpsForm | None = None,
    ) -> None:
        self._set(preset, per_channel=per_channel, zero_mean=zero_mean, eps=eps, eps_form=eps_form)

    def _set(self, preset: str | None, **given: Any) -> dict[str, Any]:
        values, self.preset = resolve(self.name, preset, given)
        if not 0 <= values["eps"] < np.inf:
            raise ConfigError(f"{self.name}: eps is {values['eps']!r}, expected a number of at least 0")
        if values["eps_form"] not in ("both", "denominator", "samples"):
            raise ConfigError(
                f"{self.name}: eps_form is {values['eps_form']!r}, expected 'both', 'denominator' or 'samples'"
            )
        self.per_channel: bool = values["per_channel"]
        self.zero_mean: bool = values["zero_mean"]
        self.eps: float = values["eps"]
        self.eps_form: EpsForm = values["eps_form"]
        return values

    def prepare(self, track: TrackAudio, group: TargetGroup) -> References:
        """Means and energies of the references.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored.
        """
        return prepare_references(checked_references(track, group), self.zero_mean)

    def score(self, state: References, estimates: Stems) -> list[Score]:
        """The ratio of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN, and silence that leaves the ratio undefined, give NaN with
            the reason.
        """
        _, spoiled = scorable_estimates(state.arrays, estimates)
        scores = []
        for target in (t for t in state.arrays if t in estimates):
            value, reason = np.nan, spoiled.get(target, "")
            if not reason:
                (moments,) = self._moments(state, {target: estimates[target]})
                reason = self._why_undefined(target, moments)
                value = np.nan if reason else self._value([moments])
            scores.append(Score(target, self.quantities[0].name, np.array([value]), reason=reason))
        return scores

    def _moments(self, state: References, estimates: Stems) -> list[Moments]:
        """What there is to know of some sources, all scaled alike."""
        reference = louder(*(state.levels[target] for target in estimates))
        estimate = louder(*map(level, estimates.values()))
        how = scaling(reference, estimate)
        if self.eps > 0:  # the constant has a level of its own, which only what overflows may move
            how = Scaling(*[max(unusual(louder(reference, estimate)), 0)] * 2)
        return [Moments(state, target, array, how) for target, array in estimates.items()]

    @abstractmethod
    def _energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        """Numerator and denominator ``(channels,)``, or ``(1,)`` if joint, of all sources, and what to add in dB."""

    def _plain_energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        """Those of a ratio without a gain."""
        offset = parts[0].scaling.source_db
        return self._sum([m.reference for m in parts]), self._sum([m.distortion for m in parts]), offset

    def _value(self, parts: Sequence[Moments]) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            signal, error, offset = self._energies(parts)
            eps = parts[0].constant(self.eps)
            if self.eps_form == "both":
                ratio = (signal + eps) / (error + eps)
            else:
                ratio = signal / (error + eps) + self.eps
            values = 10 * np.log10(ratio) + offset
        if self.eps == 0:
            values = values[self._sum([m.reference for m in parts]) > 0]
        return float(values.mean())

    def _gains_less_one(self, parts: Sequence[Moments]) -> Floats:
        """``alpha - 1`` of every channel; 0 in channels without a reference."""
        energy, product = self._sum([m.reference for m in parts]), self._sum([m.product for m in parts])
        count = parts[0].samples * (1 if self.per_channel else len(parts[0].reference))
        eps = parts[0].constant(self.eps) * (count if self.eps_form == "samples" else 1)
        # <s, y> = |s|^2 + <s, d>, so that what is added to numerator and denominator alike drops out of the numerator
        above = product - (eps if self.eps_form == "denominator" else 0.0)
        gains = np.divide(above, energy + eps, out=np.zeros_like(energy), where=energy + eps > 0)
        return np.broadcast_to(gains, parts[0].reference.shape)

    def _sum(self, parts: Sequence[Floats]) -> Floats:
        """Sum over sources, and over channels where the ratio is joint."""
        total: Floats = np.sum(parts, axis=0)
        return total if self.per_channel else total.sum(keepdims=True)

    def _why_undefined(self, target: str, moments: Moments) -> str:
        if self.eps > 0:
            return ""
        offset = " once its mean is removed" if self.zero_mean else ""
        heard = moments.reference > 0
        if not heard.any():
            return f"reference {target!r} is silent throughout{offset}"
        empty = moments.silent_channels()
        if self._silent_estimate_has_value or not empty.any():
            return ""
        if empty.all():
            return f"estimate {target!r} is silent throughout{offset}"
        if self.per_channel and (lost := np.flatnonzero(heard & empty)).size:
            return f"estimate {target!r} is silent throughout in channel {lost[0]}, its reference is not{offset}"
        return ""


class SNR(_Ratio):
    """Signal-to-noise ratio of a whole song: the error is all that differs from the reference, a wrong gain included.

    With ``per_channel=False`` and no constant it is uSDR without its `delta`. A silent estimate has 0 dB.
    """

    name = "snr"
    version = "1"
    quantities = (Quantity("SNR", "dB", True, "10 log10(|s|^2 / |s - y|^2), whole song"),)
    caution = (
        "Every difference counts by its energy, audible or not: a wrong gain, a delay of a millisecond or turned "
        "phases cost as much as loud leakage. It hardly follows listeners on generative systems."
    )
    _silent_estimate_has_value = True

    def _energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        return self._plain_energies(parts)


class SISDR(_Ratio):
    """Scale-invariant SDR of a whole song."""

    name = "si_sdr"
    version = "2"
    quantities = (Quantity("SI-SDR", "dB", True, "10 log10(|a s|^2 / |a s - y|^2), a = <s, y> / |s|^2, whole song"),)
    caution = (
        "It forgives a wrong level, which a remix does not, and nothing else that cannot be heard: a delay of a "
        "millisecond costs all. It follows listeners on systems that mask (Spearman .69), not on generative ones "
        "(.11)."
    )

    def _energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        gains = self._gains_less_one(parts)
        signal = self._sum([(1 + gains) ** 2 * m.reference for m in parts])
        return signal, self._sum([m.error(gains) for m in parts]), 0.0


class SDSDR(_Ratio):
    """Scale-dependent SDR of a whole song: never above SI-SDR, and lower where the gain is wrong.

    Without a constant it is ``SNR + 10 log10 alpha^2``.
    """

    name = "sd_sdr"
    version = "1"
    quantities = (Quantity("SD-SDR", "dB", True, "10 log10(|a s|^2 / |s - y|^2), a = <s, y> / |s|^2, whole song"),)
    caution = (
        "It rises with the gain of the target and falls with the error, so that too soft costs more than too loud; "
        "energy does not say how an error sounds, least of all on generative systems."
    )

    def _energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        signal = self._sum([(1 + self._gains_less_one(parts)) ** 2 * m.reference for m in parts])
        return signal, self._sum([m.distortion for m in parts]), parts[0].scaling.estimate_db


class SASDR(SISDR):
    """Source-aggregated SDR of a whole song: one number for all delivered sources, repeated in the row of each.

    ``scale_invariant=False`` (default True) leaves out the gain. A NaN in one estimate leaves no number for any. Where
    only some of the group's targets were delivered, the number is theirs and flagged ``partial_group``.
    """

    name = "sa_sdr"
    version = "1"
    quantities = (Quantity("SA-SDR", "dB", True, "SI-SDR with energies summed over all sources, and one gain"),)
    citation = "T. von Neumann et al.: SA-SDR, a novel loss function for separation of meeting style data, ICASSP 2022"
    caution = (
        "One number for all sources, in which the loud ones decide: a soft stem can be missing altogether. As an "
        "energy ratio it hardly follows listeners on generative systems."
    )
    joint: ClassVar[bool] = True

    def __init__(
        self,
        *,
        preset: str | None = None,
        per_channel: bool | None = None,
        zero_mean: bool | None = None,
        eps: float | None = None,
        eps_form: EpsForm | None = None,
        scale_invariant: bool | None = None,
    ) -> None:
        given = {"per_channel": per_channel, "zero_mean": zero_mean, "eps": eps, "eps_form": eps_form}
        values = self._set(preset, **given, scale_invariant=scale_invariant)
        self.scale_invariant: bool = values["scale_invariant"]

    def score(self, state: References, estimates: Stems) -> list[Score]:
        """The ratio of all delivered targets together, as one score for each.

        Raises
        ------
        AudioError
            Estimates that cannot be scored.
        """
        usable, spoiled = scorable_estimates(state.arrays, estimates)
        delivered = [t for t in state.arrays if t in estimates]
        value, reason = np.nan, ""
        if spoiled:
            reason = f"SA-SDR sums over all sources, and {next(iter(spoiled.values()))}"
        else:
            parts = self._moments(state, {target: estimates[target] for target in usable})
            value = self._value(parts) if self._defined(parts) else np.nan
            reason = "all references or all estimates are silent throughout" if np.isnan(value) else ""
        flags = ("partial_group",) if len(delivered) < len(state.arrays) else ()
        return [Score(target, "SA-SDR", np.array([value]), flags=flags, reason=reason) for target in delivered]

    def _defined(self, parts: Sequence[Moments]) -> bool:
        """Whether some channel has a reference and, where a gain is needed, all of these have an estimate."""
        if self.eps > 0:
            return True
        heard = self._sum([m.reference for m in parts]) > 0
        lost = np.logical_and.reduce([m.silent_channels() for m in parts])
        lost = lost if self.per_channel else lost.all(keepdims=True)
        return bool(heard.any()) and not (self.scale_invariant and (heard & lost).any())

    def _energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        return super()._energies(parts) if self.scale_invariant else self._plain_energies(parts)
