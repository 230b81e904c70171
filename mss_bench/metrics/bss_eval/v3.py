"""BSS Eval version 3: filters found anew in each window, for source images and for sources.

The numbers are those of the MATLAB toolbox and of ``mir_eval.separation``, which is deprecated and leaves mir_eval with
version 0.9.

Definitions
-----------
With the projections ``P_j`` and ``P`` of `mss_bench.metrics.bss_eval.v4` (on the reference ``s_j``, and on all
references, each filtered by L taps), found for each window by itself, or once where the whole track is the window:

- *images*: SDR, ISR, SIR and SAR as in version 4. The target is the reference as it is; what a filter changed counts
  as spatial distortion.
- *sources*: the target is ``P_j y``, so that no filter on the estimate, and no gain, costs anything:

      SDR = |P_j y|^2 / |y - P_j y|^2      SIR = |P_j y|^2 / |P y - P_j y|^2      SAR = |P y|^2 / |y - P y|^2

  Where the reference has several channels its projection may mix them.

Filters are least-squares solutions for the very window that is measured, so the three parts ``P_j y``,
``P y - P_j y`` and ``y - P y`` are orthogonal there and the SDR of sources follows from the other two:

    1 / SDR = 1 / SIR + (1 + 1 / SIR) / SAR        (as ratios of energies).

Windows and order
-----------------
The usual framewise setting is 30 s every 15 s. A track with fewer than two windows is one window, whole, as in
mir_eval. With ``permute`` the estimates are first put in the order of greatest mean SIR, in each window by itself; a
row whose estimate was another one in some window is flagged ``permuted``. The estimate of a target whose reference is
silent throughout takes no part in that.

mir_eval
--------
``preset=mir_eval`` stands for ``bss_eval_images`` and ``bss_eval_sources`` as they are called without further
arguments (the whole signal, best order), ``preset=mir_eval_framewise`` for the functions of that name (30 s every 15 s,
order as given). Both let the references of the delivered targets alone span the projections, since mir_eval knows no
others, and tell silence by the sum of the channels, as it does. What remains different:

- Silent signals, NaN and a lone reference give NaN with a reason (there: an exception, or an infinite SIR).
- References that repeat each other (L = R) are projected on once; mir_eval solves the singular system as it comes.
- SIR, SAR, ISR, and the SDR of sources, are flagged ``ill_conditioned`` where they depend on rounding errors of the
  references; beside them stands the worst condition number of any window.
- In sources, several channels are allowed.
- The ISR of silent windows is NaN; mir_eval leaves there what happens to be in memory.

References
----------
E. Vincent, R. Gribonval, C. Févotte: Performance measurement in blind audio source separation. IEEE TASLP 14(4), 2006.

E. Vincent, S. Araki, F. J. Theis, G. Nolte, P. Bofill, H. Sawada, A. Ozerov, V. Gowreesunker, D. Lutter, N. Q. K.
Duong: The signal separation evaluation campaign (2007-2010): achievements and remaining challenges. Signal Processing
92, 2012.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.parameters import param
from mss_bench.core.tracks import Stems, TrackAudio
from mss_bench.metrics._frames import Frames, Mask, SilencePolicy, SilenceRule, Span
from mss_bench.metrics.base import Measured, Metric, Outcome, Prepared, Quantity, Score
from mss_bench.metrics.bss_eval.assignment import Order, PairRatios, best_order, pair_ratios
from mss_bench.metrics.bss_eval.decomposition import PreparedReferences, prepare_references
from mss_bench.metrics.bss_eval.dependence import Dependence

__all__ = ["BSSEvalV3Images", "BSSEvalV3Sources", "prepare_window", "sources_sdr"]

_KEPT_BYTES = 1 << 29
"""Factorised windows that are kept for the next method, at most; the rest is factorised again."""


def sources_sdr(sir: Floats, sar: Floats) -> Floats:
    """Return the SDR of sources in dB from SIR and SAR in dB, with filters of the window that was measured."""
    with np.errstate(divide="ignore", invalid="ignore"):
        interference, artifacts = 10 ** (-sir / 10), 10 ** (-sar / 10)
        values: Floats = -10 * np.log10(interference + (1 + interference) * artifacts)
    return values


def prepare_window(references: Mapping[str, Samples], span: Span, reach: int) -> PreparedReferences:
    """Correlate and factorise the references of one window, as if there were nothing else."""
    start, stop = span
    length = stop - start
    return prepare_references(
        {t: array[:, start:stop] for t, array in references.items()}, Frames(length, length, length, reach)
    )


class _ReferenceState(NamedTuple):
    """Windows in which each reference is silent, and the first windows' factors, as many as may be kept."""

    silent: dict[str, Mask]
    prepared: list[PreparedReferences]


class _Window(NamedTuple):
    """What is found in one window.

    Parameters
    ----------
    ratios : dict of str to two (n,)
        By quantity, values and whether they are ill-conditioned.
    order : (n,) int
        The estimate of each target.
    counts, contested : (n,) bool
        Whether the window counts for a target, and whether its SIR does.
    condition : float
        Condition number of the references' system.
    no_interference : str
        Why SIR is undefined where it is.
    dependence : Dependence
        Of the references on one another.
    """

    ratios: dict[str, tuple[Floats, Mask]]
    order: Order
    counts: Mask
    contested: Mask
    condition: float
    no_interference: str
    dependence: Dependence


class _BSSEvalV3(Metric):
    """What images and sources share: parameters, windows, order, and what becomes of silence."""

    presets: ClassVar = {
        "v3": {},
        "mir_eval": {"references": "delivered", "permute": True, "silence": "channel_sum"},
        "mir_eval_framewise": {"references": "delivered", "window": 30.0, "hop": 15.0, "silence": "channel_sum"},
    }
    _kind: ClassVar[str] = ""
    _unfiltered: ClassVar[tuple[str, ...]] = ()
    """Quantities that depend on no filter."""

    window: float | None = param(None, above=0, unit="s", doc="Length of a window, usually 30; none: the whole track.")
    hop: float | None = param(None, above=0, unit="s", doc="Step from window to window; half the window by default.")
    filter_length: int = param(512, at_least=1, unit="taps", doc="Length of the distortion filters.")
    permute: bool = param(False, doc="Put the estimates in the order of greatest mean SIR first.")
    silence: SilenceRule = param("joint", doc="Which windows count, as in `bss_eval`.")
    references: Literal["group", "delivered"] = param(
        "group", doc="Which references span the projections: all of the target group, or those of delivered targets."
    )

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        window = given.get("window")
        return super().defaults(given) | ({"hop": window / 2} if window is not None else {})

    def setup(self) -> None:
        if self.window is None and self.hop is not None:
            self.refuse("hop", "a window beside it; give window=30, too")
        convention, _, differences = self.preset.partition(" ")
        self.preset = f"{convention} {self._kind} {differences}".strip()  # both kinds report an SDR
        self._policy = SilencePolicy(self.silence)

    def grid(self, track: Prepared[Any]) -> tuple[int, float, float]:
        spans, hop = self._spans(track.samples, track.sample_rate), self.hop
        if self.window is None or hop is None:
            return 1, 0.0, 0.0
        return len(spans), self.window if len(spans) > 1 else track.samples / track.sample_rate, hop

    def _spans(self, samples: int, sample_rate: int) -> list[Span]:
        """Return the windows; a track of less than two of them is one, as in mir_eval."""
        if self.window is None or self.hop is None:
            return [(0, samples)]
        spans = Frames.of_seconds(samples, self.window, self.hop, sample_rate).spans
        return spans if len(spans) > 1 else [(0, samples)]

    def derive(self, track: TrackAudio) -> _ReferenceState:
        channels, samples = next(iter(track.references.values())).shape
        spans = self._spans(samples, track.sample_rate)
        silent = {target: self._policy.silent(array, spans) for target, array in track.references.items()}
        rows = len(track.references) * channels * self.filter_length
        kept = max(1, _KEPT_BYTES // (8 * rows**2))
        return _ReferenceState(silent, [self._prepare_window(track.references, span) for span in spans[:kept]])

    def score(self, state: Prepared[_ReferenceState], estimates: Stems) -> list[Score]:
        """Score the estimates of one method, with the references that `references` chooses."""
        delivered = {t: array for t, array in state.references.items() if t in estimates}
        if self.references == "delivered" and 0 < len(delivered) < len(state.references):
            known = _ReferenceState({t: state.derived.silent[t] for t in delivered}, [])
            state = replace(state, references=delivered, derived=known)
        return super().score(state, estimates)

    def measure_all(self, track: Prepared[_ReferenceState], estimates: dict[str, Samples]) -> dict[str, Outcome]:
        targets, spans, references = (
            list(estimates),
            self._spans(track.samples, track.sample_rate),
            track.derived.silent,
        )
        silent = {t: self._policy.silent(y, spans) for t, y in estimates.items()}
        valid = np.array([[self._policy.valid(t, s, references, silent) for s in targets] for t in targets])
        windows: dict[int, _Window] = {}
        for index, span in enumerate(spans):
            allowed = valid[..., index]
            if (allowed if self.permute else np.diag(allowed)).any():
                windows[index] = self._measure_window(track, index, span, estimates, allowed)
        worst = float(np.fmax.reduce([w.condition for w in windows.values()], initial=np.nan))

        def measured(i: int, target: str, quantity: str) -> Measured:
            counting = {f: w for f, w in windows.items() if (w.contested if quantity == "SIR" else w.counts)[i]}
            values = np.full(len(spans), np.nan)
            for f, w in counting.items():
                values[f] = w.ratios[quantity][0][i]
            doubtful = any(w.ratios[quantity][1][i] for w in counting.values())
            permuted = any(w.order[i] != i for w in windows.values())
            flags = ("ill_conditioned",) * doubtful + ("permuted",) * permuted
            condition = np.nan if quantity in self._unfiltered else worst
            if quantity not in self._unfiltered:
                dependent = {name for w in counting.values() for name in w.dependence.of(target, quantity)}
                flags += (f"dependent_references:{'+'.join(sorted(dependent))}",) * bool(dependent)
            if not np.isnan(values).all():
                return Measured(values, flags, condition)
            why = "numerator and denominator are 0 in every window"
            if not any(w.counts[i] for w in windows.values()):
                why = self._policy.why(target, references, silent)
            elif not counting:
                why = next(iter(windows.values())).no_interference
            return Measured(why, flags, condition)

        return {t: tuple(measured(i, t, q.name) for q in self.quantities) for i, t in enumerate(targets)}

    def _measure_window(
        self, track: Prepared[_ReferenceState], index: int, span: Span, estimates: dict[str, Samples], allowed: Mask
    ) -> _Window:
        """Decompose the estimates in a window; `allowed` says by target and estimate whether the pair counts."""
        known = track.derived.prepared
        prepared = known[index] if index < len(known) else self._prepare_window(track.references, span)
        cut = {t: array[:, slice(*span)] for t, array in estimates.items()}
        # All against all, which is N^2 decompositions, only where the order is to be found.
        pairs = pair_ratios(prepared, cut, np.ones(1, dtype=bool), all_pairs=self.permute)
        possible = np.array([prepared.interference_possible(t) for t in estimates])
        sir = np.where(allowed & possible[:, np.newaxis], pairs.values["SIR"][..., 0], np.nan)
        order = best_order(sir) if self.permute else np.arange(len(estimates))
        counts = allowed[np.arange(len(order)), order]
        ratios, why = self._ratios(pairs, order), prepared.why_no_interference
        # Not the references themselves: their factors are large, and only those of the first windows are kept.
        return _Window(ratios, order, counts, counts & possible, prepared.condition, why, prepared.dependence)

    def _prepare_window(self, references: Mapping[str, Samples], span: Span) -> PreparedReferences:
        return prepare_window(references, span, self.filter_length - 1)

    @abstractmethod
    def _ratios(self, pairs: PairRatios, order: Order) -> dict[str, tuple[Floats, Mask]]:
        """Return values and doubts ``(n,)`` of each quantity."""


class BSSEvalV3Images(_BSSEvalV3):
    """BSS Eval v3 of source images (``bss_eval_images``), whole or framewise."""

    name = "bss_eval_v3_images"
    version = "2"
    quantities = (
        Quantity("SDR", "dB", True, "|s|^2 / |y - s|^2"),
        Quantity("ISR", "dB", True, "|s|^2 / |P_j y - s|^2, filters of the window"),
        Quantity("SIR", "dB", True, "|P_j y|^2 / |P y - P_j y|^2, filters of the window"),
        Quantity("SAR", "dB", True, "|P y|^2 / |y - P y|^2, filters of the window"),
    )
    citation = (
        "E. Vincent et al.: The signal separation evaluation campaign (2007-2010), Signal Processing 92, 2012; "
        "E. Vincent, R. Gribonval, C. Févotte: Performance measurement in blind audio source separation, "
        "IEEE TASLP 14(4), 2006"
    )
    caution = (
        "Filters found anew in each window explain part of any error by chance, the more the shorter the window: ISR, "
        "SIR and SAR are not to be compared with version 4's or between windows. Energy does not say how an error "
        "sounds, least of all on generative systems."
    )
    _kind = "images"
    _unfiltered = ("SDR",)

    def _ratios(self, pairs: PairRatios, order: Order) -> dict[str, tuple[Floats, Mask]]:
        return {q: (pairs.of(q, order)[:, 0], pairs.doubtful(q, order)) for q in ("SDR", "ISR", "SIR", "SAR")}


class BSSEvalV3Sources(_BSSEvalV3):
    """BSS Eval v3 of sources up to a filter (``bss_eval_sources``), whole or framewise.

    Zeroing a part of the spectrum in an estimate costs nothing here, since the target is filtered alike: SiSEC and this
    package prefer the images. The preset ``"torchmetrics"`` is that package's ``signal_distortion_ratio``: each channel
    by itself, without regard to the other references, so that SDR and SAR are the same.
    """

    name = "bss_eval_v3_sources"
    version = "2"
    quantities = (
        Quantity("SDR", "dB", True, "|P_j y|^2 / |y - P_j y|^2, filters of the window"),
        Quantity("SIR", "dB", True, "|P_j y|^2 / |P y - P_j y|^2, filters of the window"),
        Quantity("SAR", "dB", True, "|P y|^2 / |y - P y|^2, filters of the window"),
    )
    citation = (
        "E. Vincent, R. Gribonval, C. Févotte: Performance measurement in blind audio source separation, "
        "IEEE TASLP 14(4), 2006"
    )
    caution = (
        "Any filter of so many taps is forgiven, and with it a gain, a small delay, a moved image and part of a "
        "low-pass, however they sound: it is no score of stems that are to be heard, least of all of those that "
        "generative systems make."
    )
    presets: ClassVar = {**_BSSEvalV3.presets, "torchmetrics": {"channels": "each"}}
    _kind = "sources"

    channels: Literal["joint", "each"] = param(
        "joint", doc="joint: filters from all channels to all; each: every channel by itself, and the mean over them."
    )

    def setup(self) -> None:
        super().setup()
        if self.channels == "each" and (self.window is not None or self.permute):
            self.refuse("channels", "joint beside windows or permute: each is of the whole track, in the order given")

    def derive(self, track: TrackAudio) -> _ReferenceState:
        return _ReferenceState({}, []) if self.channels == "each" else super().derive(track)

    def measure_all(self, track: Prepared[_ReferenceState], estimates: dict[str, Samples]) -> dict[str, Outcome]:
        if self.channels == "joint":
            return super().measure_all(track, estimates)
        return {t: self._each(track.references[t], y) for t, y in estimates.items()}

    def _each(self, reference: Samples, estimate: Samples) -> Outcome:
        """Return the ratios of an estimate whose channels are measured one by one."""
        for what, array in (("reference", reference), ("estimate", estimate)):
            if not array.any(axis=1).all():
                return f"the {what} is silent in one of its channels"
        values, doubtful = [], False
        for s, y in zip(reference, estimate, strict=True):
            prepared = self._prepare_window({"": s[np.newaxis]}, (0, len(s)))
            ratios = pair_ratios(prepared, {"": y[np.newaxis]}, np.ones(1, dtype=bool), all_pairs=False)
            values.append(ratios.values["SAR"][0, 0, 0])
            doubtful |= bool(ratios.ill_conditioned["SAR"][0, 0])
        ratio = Measured(float(np.mean(values)), ("ill_conditioned",) * doubtful)
        return ratio, Measured("each channel is measured without the other references"), ratio

    def _ratios(self, pairs: PairRatios, order: Order) -> dict[str, tuple[Floats, Mask]]:
        found = {q: (pairs.of(q, order)[:, 0], pairs.doubtful(q, order)) for q in ("SIR", "SAR")}
        (sir, sir_doubtful), (sar, sar_doubtful) = found["SIR"], found["SAR"]
        return {"SDR": (sources_sdr(sir, sar), sir_doubtful | sar_doubtful), **found}
