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
  constant, every channel counts, silent or not; a stem that is silent for the whole song has a value only in the
  presets that name a tool.

References
----------
.. [1] J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey: SDR - half-baked or well done? ICASSP 2019.
.. [2] T. von Neumann, K. Kinoshita, C. Boeddeker, M. Delcroix, R. Haeb-Umbach: SA-SDR: a novel loss function for
   separation of meeting style data. ICASSP 2022.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.parameters import param
from mss_bench.core.tracks import TrackAudio
from mss_bench.metrics._levels import Scaling, level, louder, scaling, scaling_exponent
from mss_bench.metrics._moments import Moments, Reference
from mss_bench.metrics.base import Outcome, Prepared, Quantity, SilentReferences, Value

__all__ = ["SASDR", "SDSDR", "SISDR", "SNR"]

_SCORED = {"silent_reference": "scored"}
_TORCHMETRICS = {"eps": 2.0**-23, **_SCORED}
_AURALOSS = {"zero_mean": True, "eps": 1e-8, "eps_form": "denominator", **_SCORED}
_ZFTURBO = {"per_channel": False, "eps": 1e-8, "eps_form": "samples", **_SCORED}

References = dict[str, Reference]


class _Ratio(SilentReferences):
    """What the ratios share: parameters, reading, and what becomes of silence."""

    citation = "J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey: SDR - half-baked or well done?, ICASSP 2019"
    _silent_estimate_has_value: ClassVar[bool] = False

    per_channel: bool = param(
        True,
        doc="One ratio a channel and the mean in dB, without channels of silent reference; otherwise one over all.",
    )
    zero_mean: bool = param(False, doc="Subtract the mean of each channel of both signals first.")
    eps: float = param(0.0, at_least=0, doc="Small constant that keeps silent signals finite.")
    eps_form: Literal["both", "denominator", "samples"] = param(
        "both",
        doc="Where it stands. ``both`` (torchmetrics): added to numerator and denominator of gain and ratio. "
        "``denominator`` (auraloss): to both denominators, and to the ratio itself. ``samples`` (ZFTurbo): to the "
        "gain's numerator and denominator once for every sample, to the ratio's denominator, and to the ratio.",
    )

    def derive(self, track: TrackAudio) -> References:
        return {target: Reference.of(array, self.zero_mean) for target, array in track.references.items()}

    def measure(self, track: Prepared[References], target: str, estimate: Samples) -> Value:
        (moments,) = self._moments(track, {target: estimate})
        return self._why_undefined(target, moments) or self._value([moments])

    def _moments(self, track: Prepared[References], estimates: Mapping[str, Samples]) -> list[Moments]:
        """Measure some sources, all scaled alike."""
        reference = louder(*(track.derived[target].level for target in estimates))
        estimate = louder(*map(level, estimates.values()))
        how = scaling(reference, estimate)
        if self.eps > 0:  # the constant has a level of its own, which only what overflows may move
            how = Scaling(*[max(scaling_exponent(louder(reference, estimate)), 0)] * 2)
        return [Moments(track.derived[target], array, self.zero_mean, how) for target, array in estimates.items()]

    @abstractmethod
    def _energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        """Return numerator and denominator ``(channels,)``, or ``(1,)`` if joint, of all sources, and dB to add."""

    def _plain_energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        """Return those of a ratio without a gain."""
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
        if self.eps == 0:  # a channel of silent reference has no ratio and is left out of the mean
            values = values[self._sum([m.reference for m in parts]) > 0]
        return float(values.mean())

    def _gains_less_one(self, parts: Sequence[Moments]) -> Floats:
        """Return ``alpha - 1`` of every channel; 0 in channels without a reference."""
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
        if self.per_channel and (missing := np.flatnonzero(heard & empty)).size:
            return f"estimate {target!r} is silent throughout in channel {missing[0]}, its reference is not{offset}"
        return ""


class SNR(_Ratio):
    """Signal-to-noise ratio of a whole song: the error is all that differs from the reference, a wrong gain included.

    With ``per_channel=False`` and no constant it is uSDR without its `delta`. A silent estimate has 0 dB.
    """

    name = "snr"
    version = "2"
    quantities = (Quantity("SNR", "dB", True, "10 log10(|s|^2 / |s - y|^2), whole song"),)
    caution = (
        "Every difference counts by its energy, audible or not: a wrong gain, a delay of a millisecond or turned "
        "phases cost as much as loud leakage; on generative systems that says little of the sound."
    )
    presets: ClassVar = {"default": {}, "torchmetrics": _TORCHMETRICS, "auraloss": _AURALOSS}
    _silent_estimate_has_value = True

    def _energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        return self._plain_energies(parts)


class SISDR(_Ratio):
    """Scale-invariant SDR of a whole song."""

    name = "si_sdr"
    version = "3"
    quantities = (Quantity("SI-SDR", "dB", True, "10 log10(|a s|^2 / |a s - y|^2), a = <s, y> / |s|^2, whole song"),)
    caution = (
        "It forgives a wrong level, which a remix does not, and nothing else that cannot be heard: a delay of a "
        "millisecond ruins the value. It is not to be trusted on generative systems."
    )
    presets: ClassVar = {"default": {}, "torchmetrics": _TORCHMETRICS, "auraloss": _AURALOSS, "zfturbo": _ZFTURBO}

    def _energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        gains = self._gains_less_one(parts)
        signal = self._sum([(1 + gains) ** 2 * m.reference for m in parts])
        return signal, self._sum([m.error(gains) for m in parts]), 0.0


class SDSDR(_Ratio):
    """Scale-dependent SDR of a whole song: never above SI-SDR, and lower where the gain is wrong.

    Without a constant it is ``SNR + 10 log10 alpha^2``.
    """

    name = "sd_sdr"
    version = "2"
    quantities = (Quantity("SD-SDR", "dB", True, "10 log10(|a s|^2 / |s - y|^2), a = <s, y> / |s|^2, whole song"),)
    caution = (
        "It rises with the gain of the target and falls with the error, so that too soft costs more than too loud; "
        "energy does not say how an error sounds, least of all on generative systems."
    )
    presets: ClassVar = {"default": {}, "auraloss": _AURALOSS}

    def _energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        signal = self._sum([(1 + self._gains_less_one(parts)) ** 2 * m.reference for m in parts])
        return signal, self._sum([m.distortion for m in parts]), parts[0].scaling.estimate_db


class SASDR(SISDR):
    """Source-aggregated SDR of a whole song: one number for all delivered sources, repeated in the row of each.

    A NaN in one estimate leaves no number for any. What an estimate holds where its reference is silent throughout is
    error; the row of that target has no number. Where only some of the group's targets were delivered, the number is
    theirs and flagged ``partial_group``.
    """

    name = "sa_sdr"
    version = "2"
    quantities = (Quantity("SA-SDR", "dB", True, "SI-SDR with energies summed over all sources, and one gain"),)
    citation = "T. von Neumann et al.: SA-SDR, a novel loss function for separation of meeting style data, ICASSP 2022"
    caution = (
        "One number for all sources, in which the loud ones decide: a soft stem can be missing altogether. Energy "
        "does not say how an error sounds, least of all on generative systems."
    )
    presets: ClassVar = {"default": {}, "torchmetrics": _TORCHMETRICS}
    joint: ClassVar[bool] = True

    scale_invariant: bool = param(True, doc="Whether the sources may have a gain, one for all.")

    def flags(self, track: Prepared[Any], estimates: Mapping[str, Samples]) -> tuple[str, ...]:
        return ("partial_group",) if len(estimates) < len(track.references) else ()

    def measure_all(self, track: Prepared[References], estimates: dict[str, Samples]) -> dict[str, Outcome]:
        parts = self._moments(track, estimates)
        value = self._value(parts) if self._defined(parts) else np.nan
        silent = "all references or all estimates are silent throughout"
        return dict.fromkeys(estimates, silent if np.isnan(value) else value)

    def _defined(self, parts: Sequence[Moments]) -> bool:
        """Return whether some channel has a reference and, if a gain is needed, all of these have an estimate."""
        if self.eps > 0:
            return True
        heard = self._sum([m.reference for m in parts]) > 0
        missing = np.logical_and.reduce([m.silent_channels() for m in parts])
        missing = missing if self.per_channel else missing.all(keepdims=True)
        return bool(heard.any()) and not (self.scale_invariant and (heard & missing).any())

    def _energies(self, parts: Sequence[Moments]) -> tuple[Floats, Floats, float]:
        return super()._energies(parts) if self.scale_invariant else self._plain_energies(parts)
