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
All that is needed of the signals are correlations at lags below L (`mss_bench.metrics.bss_eval.lags`):

1. ``c_ik[l] = sum_t x_k[t] x_i[t - l]`` between all reference channels x, in each frame and for the whole track.
2. The same between reference channels and errors.

The totals for the track make up the Gram matrix G of the delayed channels, which is block-Toeplitz, and the right-hand
side d; the filters solve ``G h = d`` (`mss_bench.metrics.bss_eval.projection`). With the correlations of a frame every
energy above is a small sum (`mss_bench.metrics.bss_eval.energies`): for filters h,

    |sum_i h_i * x_i|^2 = sum_ik sum_l a_ik[l] c_ik[l],       a_ik[l] = sum_m h_i[m + l] h_k[m],
    |e - P e|^2 = |e|^2 - 2 <e, P e> + |P e|^2,               <e, P e> = sum_i sum_l h_i[l] <e[t], x_i[t - l]>.

Nothing is filtered and no spectrum of a frame is kept. Where such a sum cancels (a bound on its rounding error says
so), the frame is filtered after all and its energies are measured.

Cost
----
1. and the Cholesky factors of G belong to the references: `BSSEval.derive` does them once, for every estimate of
every method. `BSSEval.measure_all` correlates references and errors, which is a read of both with one short FFT each,
and solves. With n reference channels and a track of T samples: O(n T log L + n^2 T) for the correlations, O(n^3 L^2)
for the factor (`mss_bench.metrics.bss_eval.toeplitz`), or n^3 L^3 / 3 where G is so nearly singular that only a dense
one will do.

Trust
-----
G is nearly singular for much music. Signals that are silent or copies of another are left out of a span, the ridge is
relative to the data (1e-14 of the diagonal, channel by channel), and a quantity that moves by more than 0.1 dB in some
frame when the ridge grows tenfold is flagged ``ill_conditioned``: it says more about the last bits of the references
than about the estimate. SDR needs no filters and is never flagged.

References that are copies, sums or filterings of others but for rounding are flagged ``dependent_references`` with
their names, and so is the SIR of references that are copies of one another
(`mss_bench.metrics.bss_eval.dependence`): museval fits their last bits, and differs by several dB.

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
- A frame counts for no source where a reference or an estimate is exactly 0 in all channels. museval sums the channels
  first, so that a stem whose channels cancel (L = -R) is silent to it; and one that is silent for the whole song, an
  instrument that does not play, leaves no value for any source. Here such a source takes no part in choosing the
  frames of the others.
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

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from mss_bench.core.arrays import Samples
from mss_bench.core.parameters import param
from mss_bench.core.tracks import Stems, TrackAudio
from mss_bench.metrics._frames import Mask, SilenceRule
from mss_bench.metrics.base import Framewise, Measured, Outcome, Prepared, Quantity, Score
from mss_bench.metrics.bss_eval.decomposition import (
    QUANTITIES,
    Decomposition,
    PreparedReferences,
    decompose,
    prepare_references,
)

__all__ = ["BSSEval"]


class BSSEval(Framewise):
    """BSS Eval v4, framewise, with museval's numbers.

    The preset ``"museval"`` also keeps museval's habits: perfect frames (+inf) are dropped as its files drop them, with
    the flag ``perfect_dropped``, only the references of delivered targets span the projections, and silence is told by
    the sum of the channels.

    For four stereo sources the state takes 0.26 MB a frame and 134 MB at most; it grows with the square of the number
    of channels. Correlations that would take more than 1 GiB (hops of some milliseconds, hours of audio) are not kept:
    scoring makes them anew, some frames at a time. With `room` it keeps spectra of the references, too: 3.9 MB a second
    of four stereo sources.
    """

    name = "bss_eval"
    takes_room = True
    version = "2"
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
        "The energy of an error does not say how it sounds, least of all on generative systems. Frames in which any "
        "source is silent are left out for every source. SIR, ISR and SAR flagged ill_conditioned or "
        "dependent_references depend on rounding errors of the references."
    )

    presets: ClassVar = {
        "v4": {},
        "museval": {"silence": "channel_sum", "references": "delivered", "perfect_frames": "dropped"},
    }

    preset: str = param(
        "v4", choices=("v4", "museval"), doc="v4, or museval: the habits of that package (perfect frames dropped, ...)."
    )
    filter_length: int = param(512, at_least=1, unit="taps", doc="Length of the distortion filters.")
    silence: SilenceRule = param(
        "joint",
        doc="Which frames count. ``joint``: none in which any reference or estimate is 0 in all channels, but for "
        "sources whose reference is silent throughout. ``per_source``: for a source, none in which its own reference "
        "or estimate is. ``channel_sum``, as museval: none in which the channel sum of any reference or estimate is 0 "
        "at every sample.",
    )
    references: Literal["group", "delivered"] = param(
        "group", doc="Which references span the projections: all of the target group, or those of delivered targets."
    )
    perfect_frames: Literal["kept", "dropped"] = param(
        "kept", doc="What becomes of frames without any error: +inf, or, as in museval's files, no value."
    )

    def setup(self) -> None:
        self.reach = self.filter_length - 1

    def derive(self, track: TrackAudio) -> PreparedReferences:
        references: dict[str, Samples] = dict(track.references)
        frames = self.frames(next(iter(references.values())).shape[1], track.sample_rate)
        return prepare_references(references, frames, self.room)

    def score(self, state: Prepared[PreparedReferences], estimates: Stems) -> list[Score]:
        """Score the estimates of one method, with the references that `references` chooses."""
        delivered = {t: array for t, array in state.references.items() if t in estimates}
        if self.references == "delivered" and 0 < len(delivered) < len(state.references):
            prepared = prepare_references(delivered, state.derived.frames)
            state = replace(state, references=delivered, derived=prepared)
        return super().score(state, estimates)

    def measure_all(self, track: Prepared[PreparedReferences], estimates: dict[str, Samples]) -> dict[str, Outcome]:
        valid, why = self.counting(track, estimates)
        counting = {t: y for t, y in estimates.items() if valid[t].any()}
        decomposed = decompose(track.derived, counting, valid)
        return {
            t: self._outcome(track.derived, t, decomposed[t], valid[t]) if t in counting else why[t] for t in estimates
        }

    def _outcome(self, prepared: PreparedReferences, target: str, decomposed: Decomposition, valid: Mask) -> Outcome:
        outcome: list[Measured] = []
        for quantity in QUANTITIES:
            if quantity == "SIR" and not prepared.interference_possible(target):
                outcome.append(Measured(prepared.why_no_interference))
                continue
            values = np.where(valid, decomposed.ratios[quantity], np.nan)
            flags: tuple[str, ...] = ("ill_conditioned",) if quantity in decomposed.ill_conditioned else ()
            if quantity != "SDR" and self._underdetermined(prepared):
                flags += ("underdetermined",)
            if quantity != "SDR" and (dependent := prepared.dependence.of(target, quantity)):
                flags += (f"dependent_references:{'+'.join(dependent)}",)
            if self.perfect_frames == "dropped" and (perfect := int(np.isposinf(values).sum())):
                values[np.isposinf(values)] = np.nan
                flags += (f"perfect_dropped:{perfect}",)
            condition = np.nan if quantity == "SDR" else prepared.condition
            undefined = "numerator and denominator are 0 in every frame"
            outcome.append(Measured(undefined if np.isnan(values).all() else values, flags, condition))
        return tuple(outcome)

    def _underdetermined(self, prepared: PreparedReferences) -> bool:
        """Return whether the filters have more taps than the track has samples: they fit whatever an estimate holds."""
        n_taps = self.filter_length * prepared.channels * len(prepared.references)
        return n_taps > prepared.frames.n_samples + self.filter_length - 1
