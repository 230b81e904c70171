"""BSS Eval version 4: SDR, ISR, SIR and SAR of source images, frame by frame.

The numbers are those of museval 0.4.1; the way to them is shorter.

Definitions
-----------
``s_j`` is the reference image of source j, ``y`` its estimate, both ``(channels, samples)``; L is the filter length.
``P_j`` projects, in the least-squares sense over the whole track, on the span of the channels of ``s_j`` delayed by
0 .. L-1 samples; ``P`` on the span of those of *all* references of the target group, whichever were estimated. Both
are thus sums of references filtered by L taps. The filters are found once for the track (version 4; version 3 finds
them anew in each frame). In each frame, with energies summed over time and channels,

    SDR = |s_j|^2   / |y - s_j|^2              ISR = |s_j|^2 / |P_j y - s_j|^2
    SIR = |P_j y|^2 / |P y - P_j y|^2          SAR = |P y|^2 / |y - P y|^2

where a frame is cut out of references and estimate *before* the filters are applied: no history from the frame before,
and the L-1 samples of tail count. A ratio over 0 is +inf: a perfect frame.

Filters of the error
--------------------
``s_j`` lies in both spans, so ``P y = s_j + P e`` with the error ``e = y - s_j``, and ``P_j`` likewise. Everything is
computed from e: ``P_j y - s_j = P_j e`` and ``y - P y = e - P e`` lose no digits when the estimate is good, and a
perfect estimate has exactly e = 0 and four infinite ratios.

Correlations
------------
All that is needed of the signals are correlations at lags below L (`mss_bench.metrics._lags`):

1. ``c_ik[l] = sum_t x_k[t] x_i[t - l]`` between all reference channels x, in each frame and for the whole track.
2. The same between reference channels and errors.

The totals for the track make up the Gram matrix G of the delayed channels, which is block-Toeplitz, and the right-hand
side d; the filters solve ``G h = d`` (`mss_bench.metrics._projection`). With the correlations of a frame every energy
above is a small sum (`mss_bench.metrics._energies`): for filters h,

    |sum_i h_i * x_i|^2 = sum_ik sum_l a_ik[l] c_ik[l],       a_ik[l] = sum_m h_i[m + l] h_k[m],
    |e - P e|^2 = |e|^2 - 2 <e, P e> + |P e|^2,               <e, P e> = sum_i sum_l h_i[l] <e[t], x_i[t - l]>.

Nothing is filtered and no spectrum of a frame is kept. Where such a sum cancels (a bound on its rounding error says
so), the frame is filtered after all and its energies are measured.

Cost
----
1. and the Cholesky factors of G belong to the references: `BSSEval.prepare` does them once, for every estimate of
every method. `BSSEval.score` correlates references and errors, which is a read of both with one short FFT each, and
solves. With n reference channels and a track of T samples: O(n T log L + n^2 T) for the correlations, O(n^3 L^2) for
the factor (`mss_bench.metrics._toeplitz`), or n^3 L^3 / 3 where G is so nearly singular that only a dense one will do.

Trust
-----
G is nearly singular for much music. Signals that are silent or copies of another are left out of a span, the ridge is
relative to the data (1e-14 of the diagonal, channel by channel), and a quantity that moves by more than 0.1 dB in some
frame when the ridge grows tenfold is flagged ``ill_conditioned``: it says more about the last bits of the references
than about the estimate. SDR needs no filters and is never flagged.

The condition number of G (its diagonal scaled to 1, with the ridge) stands beside every ISR, SIR and SAR, flagged or
not. Noise has 1e2, four stems of 16-bit music 7e11. Stems with nothing above some frequency, as lossy coders leave
them, have up to 1e17, the ridge alone keeping G invertible: decoded AAC. They cost time, too: above 3e12 nothing but a
dense factorisation will do.

Levels do not matter: signals far from full scale, and estimates 60 dB and more from their references, are scaled by
powers of two first, so that gains from 1e-200 to 1e200 leave SIR and SAR as they are.

Differences from museval
------------------------
- The full set of references of the group spans P, also where fewer sources were estimated.
- Silent references or estimates and NaN give NaN with a reason; museval raises.
- SIR of a lone reference is NaN (undefined); museval gives +inf.
- museval's ridge is 2.2e-16, absolute. On 16-bit music the values agree to about 1e-5 dB; on decoded AAC in float,
  where the last bits decide, to some tenths of a dB, and those rows are flagged.
- Values are not rounded to five digits, and +inf stays +inf.

References
----------
F.-R. Stöter, A. Liutkus, N. Ito: The 2018 Signal Separation Evaluation Campaign. LVA/ICA 2018.

E. Vincent, H. Sawada, P. Bofill, S. Makino, J. P. Rosca: First stereo audio source separation evaluation campaign:
data, algorithms and results. ICA 2007.

E. Vincent, R. Gribonval, C. Févotte: Performance measurement in blind audio source separation. IEEE TASLP 14(4), 2006.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._decomposition import (
    QUANTITIES,
    Decomposition,
    PreparedReferences,
    decompose_sets,
    prepare_references,
)
from mss_bench.metrics._frames import Frames
from mss_bench.metrics._silence_policy import Mask, SilencePolicy
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.presets import preset_name

__all__ = ["BSSEval", "BSSEvalState"]

_DEFAULTS = {"window": 1.0, "hop": 1.0, "filter_length": 512, "silence": "joint"}


@dataclass(frozen=True)
class BSSEvalState:
    """What a track costs once.

    Parameters
    ----------
    prepared : PreparedReferences
        Correlations and factorised Gram matrices.
    silent : dict of str to (n_frames,) bool
        Frames in which the silence policy finds the reference silent.
    """

    prepared: PreparedReferences
    silent: dict[str, Mask]


@dataclass(frozen=True)
class _Plan:
    """What of a set of estimates can be scored: delivered targets, valid frames, reasons of those without any."""

    targets: list[str]
    valid: dict[str, Mask]
    reasons: dict[str, str]

    @property
    def wanted(self) -> list[str]:
        return [t for t in self.targets if t not in self.reasons]


class BSSEval(Metric):
    """BSS Eval v4, framewise, with museval's numbers.

    Parameters
    ----------
    window, hop : float
        Seconds.
    filter_length : int
        Taps of the distortion filters.
    silence : {"joint", "per_source"}
        Which frames count. ``"joint"``, as museval: a frame in which the channel sum of any reference or estimate is 0
        at every sample is NaN for all sources. ``"per_source"``: a frame is NaN for a source whose own reference or
        estimate is 0 throughout it.
    preset : {"v4", "museval"}
        ``"museval"`` also keeps museval's two habits: perfect frames (+inf) are dropped as its files drop them, with
        the flag ``perfect_dropped``, and only the references of delivered targets span the projections.

    Raises
    ------
    ConfigError
        A parameter out of its range.
    """

    name = "bss_eval"
    version = "1"
    quantities = (
        Quantity("SDR", "dB", True, "|s|^2 / |y - s|^2 in each frame"),
        Quantity("ISR", "dB", True, "|s|^2 / |P_j y - s|^2 in each frame"),
        Quantity("SIR", "dB", True, "|P_j y|^2 / |P y - P_j y|^2 in each frame"),
        Quantity("SAR", "dB", True, "|P y|^2 / |y - P y|^2 in each frame"),
    )
    citation = (
        "F.-R. Stöter, A. Liutkus, N. Ito: The 2018 Signal Separation Evaluation Campaign, LVA/ICA 2018; "
        "E. Vincent, R. Gribonval, C. Févotte: Performance measurement in blind audio source separation, "
        "IEEE TASLP 14(4), 2006"
    )
    caution = (
        "The energy of an error does not say how it sounds: SDR and SIR follow listeners on systems that mask "
        "(Spearman .67 and .61) and hardly on generative ones (.18 and .41). Frames in which any source is silent "
        "count for none, and SIR, ISR and SAR flagged ill_conditioned hang on the last bits of the references."
    )

    def __init__(
        self,
        *,
        window: float = 1.0,
        hop: float = 1.0,
        filter_length: int = 512,
        silence: Literal["joint", "per_source"] = "joint",
        preset: Literal["v4", "museval"] = "v4",
    ) -> None:
        for key, seconds in (("window", window), ("hop", hop)):
            if not seconds > 0:
                raise ConfigError(f"bss_eval: {key} is {seconds!r}, expected a positive number of seconds")
        if not isinstance(filter_length, int) or filter_length < 1:
            raise ConfigError(
                f"bss_eval: filter_length is {filter_length!r}, expected a whole number of at least 1 tap"
            )
        if silence not in ("joint", "per_source"):
            raise ConfigError(f"bss_eval: silence is {silence!r}, expected 'joint' or 'per_source'")
        if preset not in ("v4", "museval"):
            raise ConfigError(f"bss_eval: preset is {preset!r}, expected 'v4' or 'museval'")
        self._as_museval = preset == "museval"
        self._policy = SilencePolicy(silence)
        self.window, self.hop, self.filter_length, self.silence = window, hop, filter_length, silence
        given = {"window": window, "hop": hop, "filter_length": filter_length, "silence": silence}
        self.preset = preset_name(preset, given, _DEFAULTS)

    def prepare(self, track: TrackAudio, group: TargetGroup) -> BSSEvalState:
        """Correlate the references and factorise their Gram matrices.

        Returns
        -------
        BSSEvalState
            For four stereo sources 0.26 MB a frame and 134 MB at most; it grows with the square of the number of
            channels. Correlations that would take more than 1 GiB (hops of some milliseconds, hours of audio) are not
            kept: scoring makes them anew, some frames at a time.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored; silent ones can.
        """
        references = checked_references(track, group)
        n_samples = next(iter(references.values())).shape[1]
        frames = Frames.of_seconds(n_samples, self.window, self.hop, track.sample_rate, self.filter_length - 1)
        silent = {target: self._policy.silent(array, frames.spans) for target, array in references.items()}
        return BSSEvalState(prepare_references(references, frames), silent)

    def score(self, state: BSSEvalState, estimates: Stems) -> list[Score]:
        """SDR, ISR, SIR and SAR of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored. Silent ones, and those with NaN, give rows of NaN with the reason.
        """
        if self._as_museval:
            state = self._delivered_alone(state, estimates)
        return self.score_sets(state, [estimates])[0]

    def _delivered_alone(self, state: BSSEvalState, estimates: Stems) -> BSSEvalState:
        """The state with the references of delivered targets alone."""
        references = {t: array for t, array in state.prepared.references.items() if t in estimates}
        if len(references) in (0, len(state.prepared.references)):
            return state
        silent = {t: state.silent[t] for t in references}
        return BSSEvalState(prepare_references(references, state.prepared.frames), silent)

    def score_sets(self, state: BSSEvalState, sets: Sequence[Stems]) -> list[list[Score]]:
        """`score` of the estimates of several methods, which share the reading and transforming of the references.

        Values may differ from those of `score` in the last bits.
        """
        plans = [self._plan(state, estimates) for estimates in sets]
        wanted = [{t: estimates[t] for t in plan.wanted} for plan, estimates in zip(plans, sets, strict=True)]
        decomposed = decompose_sets(state.prepared, wanted, [plan.valid for plan in plans])
        return [self._scores(state, plan, found) for plan, found in zip(plans, decomposed, strict=True)]

    def _plan(self, state: BSSEvalState, estimates: Stems) -> _Plan:
        references, spans = state.prepared.references, state.prepared.frames.spans
        usable, reasons = scorable_estimates(references, estimates)
        silent = {t: self._policy.silent(estimates[t], spans) for t in usable}
        valid = {t: self._policy.valid(t, t, state.silent, silent) for t in usable}
        reasons |= {t: self._policy.why(t, state.silent, silent) for t in usable if not valid[t].any()}
        return _Plan([t for t in references if t in estimates], valid, reasons)

    def _scores(self, state: BSSEvalState, plan: _Plan, decomposed: Mapping[str, Decomposition]) -> list[Score]:
        scores = []
        for target in plan.targets:
            if target in decomposed:
                scores += self._target_scores(state.prepared, target, decomposed[target], plan.valid[target])
            else:
                reason = plan.reasons[target]
                scores += [self._missing(state.prepared, target, quantity, reason) for quantity in QUANTITIES]
        return scores

    def _target_scores(
        self, prepared: PreparedReferences, target: str, decomposed: Decomposition, valid: Mask
    ) -> list[Score]:
        scores = []
        for quantity in QUANTITIES:
            if quantity == "SIR" and not prepared.interference_possible(target):
                lone = len(prepared.references) == 1
                why = "there is no other reference" if lone else "no other reference adds to the span of this one"
                scores.append(self._missing(prepared, target, quantity, f"SIR is undefined: {why}"))
                continue
            values = np.where(valid, decomposed.ratios[quantity], np.nan)
            flags: tuple[str, ...] = ("ill_conditioned",) if quantity in decomposed.ill_conditioned else ()
            if quantity != "SDR" and self._underdetermined(prepared):
                flags += ("underdetermined",)
            if self._as_museval and (perfect := int(np.isposinf(values).sum())):
                values[np.isposinf(values)] = np.nan
                flags += (f"perfect_dropped:{perfect}",)
            reason = "numerator and denominator are 0 in every frame" if np.isnan(values).all() else ""
            condition = np.nan if quantity == "SDR" else prepared.condition
            scores.append(Score(target, quantity, values, "frame", self.window, self.hop, flags, reason, condition))
        return scores

    def _underdetermined(self, prepared: PreparedReferences) -> bool:
        """Whether the filters have more taps than the track has samples: they then fit whatever an estimate holds."""
        n_samples = next(iter(prepared.references.values())).shape[1]
        n_taps = self.filter_length * sum(array.shape[0] for array in prepared.references.values())
        return bool(n_taps > n_samples + self.filter_length - 1)

    def _missing(self, prepared: PreparedReferences, target: str, quantity: str, reason: str) -> Score:
        values = np.full(len(prepared.frames.spans), np.nan)
        return Score(target, quantity, values, "frame", self.window, self.hop, (), reason)
