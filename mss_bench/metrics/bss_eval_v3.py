"""BSS Eval version 3: filters found anew in each window, for source images and for sources.

The numbers are those of the MATLAB toolbox and of ``mir_eval.separation``, which is deprecated and leaves mir_eval with
version 0.9.

Definitions
-----------
With the projections ``P_j`` and ``P`` of `mss_bench.metrics.bss_eval` (on the reference ``s_j``, and on all references,
each filtered by L taps), found for each window by itself, or once where the whole track is the window:

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
row whose estimate was another one in some window is flagged ``permuted``.

mir_eval
--------
``preset=mir_eval`` stands for ``bss_eval_images`` and ``bss_eval_sources`` as they are called without further
arguments (the whole signal, best order), ``preset=mir_eval_framewise`` for the functions of that name (30 s every 15 s,
order as given). Both let the references of the delivered targets alone span the projections, since mir_eval knows no
others. What remains different:

- Silent signals, NaN and a lone reference give NaN with a reason (there: an exception, or an infinite SIR).
- References that repeat each other (L = R) are projected on once; mir_eval solves the singular system as it comes.
- SIR, SAR, ISR, and the SDR of sources, are flagged ``ill_conditioned`` where they hang on the last bits of the
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

import inspect
from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._assignment import Order, PairRatios, best_order, pair_ratios
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._frames import Frames, Span
from mss_bench.metrics._signals import Floats, Samples
from mss_bench.metrics._silence_policy import Mask, SilencePolicy
from mss_bench.metrics._windows import BSSEvalV3State, Windows, prepare_window
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.presets import resolve

__all__ = ["BSSEvalV3Images", "BSSEvalV3Sources", "BSSEvalV3State", "prepare_window", "sources_sdr"]

_KEPT_BYTES = 1 << 29
"""Factorised windows that are kept for the next method, at most; the rest is factorised again."""


def sources_sdr(sir: Floats, sar: Floats) -> Floats:
    """SDR of bss_eval_sources in dB from SIR and SAR in dB, where the filters are of the window that was measured."""
    with np.errstate(divide="ignore", invalid="ignore"):
        interference, artifacts = 10 ** (-sir / 10), 10 ** (-sar / 10)
        values: Floats = -10 * np.log10(interference + (1 + interference) * artifacts)
    return values


_PARAMETERS = """\
Parameters
----------
preset : {"v3", "mir_eval", "mir_eval_framewise"}, optional
    What the other parameters default to.
window, hop : float, optional
    Seconds. No window: the whole track. No hop: half the window. The usual setting is 30 and 15.
filter_length : int, optional
    Taps of the distortion filters. Default 512.
permute : bool, optional
    Put the estimates in the order of greatest mean SIR first. Default False.
silence : {"joint", "per_source"}, optional
    Which windows count, as for `mss_bench.metrics.bss_eval.BSSEval`. Default ``"joint"``.
references : {"group", "delivered"}, optional
    Which references span the projections: all of the target group (default), or those of the delivered targets alone.

Raises
------
ConfigError
    An unknown preset, a parameter out of its range, or a hop without a window."""


class _BSSEvalV3(Metric):
    """What images and sources share: parameters, windows, order, and what becomes of silence."""

    def __init_subclass__(cls) -> None:
        cls.__doc__ = f"{inspect.cleandoc(cls.__doc__ or '')}\n\n{_PARAMETERS}"

    _kind: ClassVar[str]
    _unfiltered: ClassVar[tuple[str, ...]] = ()
    """Quantities that hang on no filter."""

    def __init__(
        self,
        *,
        preset: str | None = None,
        window: float | None = None,
        hop: float | None = None,
        filter_length: int | None = None,
        permute: bool | None = None,
        silence: Literal["joint", "per_source"] | None = None,
        references: Literal["group", "delivered"] | None = None,
    ) -> None:
        given = {
            "window": window, "hop": window / 2 if window is not None and hop is None else hop,
            "filter_length": filter_length, "permute": permute, "silence": silence, "references": references,
        }  # fmt: skip
        values, name = resolve(self.name, preset, given)
        self.window: float | None = values["window"]
        self.hop: float | None = values["hop"]
        self.filter_length: int = values["filter_length"]
        self.permute: bool = values["permute"]
        self.silence: Literal["joint", "per_source"] = values["silence"]
        self.references: Literal["group", "delivered"] = values["references"]
        self._check()
        convention, _, differences = name.partition(" ")
        self.preset = f"{convention} {self._kind} {differences}".strip()  # both kinds report an SDR
        self._scope: Literal["frame", "track"] = "track" if self.window is None else "frame"
        self._policy = SilencePolicy(self.silence)

    def _check(self) -> None:
        if self.window is None and self.hop is not None:
            raise ConfigError(f"{self.name}: hop is {self.hop!r} and there is no window; give window=30 too")
        for key, seconds in (("window", self.window), ("hop", self.hop)):
            if seconds is not None and not 0 < seconds < np.inf:
                raise ConfigError(f"{self.name}: {key} is {seconds!r}, expected a positive number of seconds")
        if self.filter_length < 1:
            raise ConfigError(f"{self.name}: filter_length is {self.filter_length!r}, expected at least 1 tap")
        if self.silence not in ("joint", "per_source"):
            raise ConfigError(f"{self.name}: silence is {self.silence!r}, expected 'joint' or 'per_source'")
        if self.references not in ("group", "delivered"):
            raise ConfigError(f"{self.name}: references is {self.references!r}, expected 'group' or 'delivered'")

    def prepare(self, track: TrackAudio, group: TargetGroup) -> BSSEvalV3State:
        """Correlate the references and factorise their Gram matrices, window by window.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored; silent ones can.
        """
        references = checked_references(track, group)
        n_samples = next(iter(references.values())).shape[1]
        reach = self.filter_length - 1
        spans, seconds = self._windows(n_samples, track.sample_rate, reach)
        silent = {target: self._policy.silent(array, spans) for target, array in references.items()}
        rows = sum(len(array) for array in references.values()) * self.filter_length
        kept = max(1, _KEPT_BYTES // (8 * rows**2))
        prepared = [prepare_window(references, span, reach) for span in spans[:kept]]
        return BSSEvalV3State(references, spans, seconds, silent, prepared, reach)

    def score(self, state: BSSEvalV3State, estimates: Stems) -> list[Score]:
        """The ratios of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored. Silent ones, and those with NaN, give rows of NaN with the reason.
        """
        usable, spoiled = scorable_estimates(state.references, estimates)
        if self.references == "delivered":
            state = state.delivered_alone(estimates)
        silent = {t: self._policy.silent(estimates[t], state.spans) for t in usable}
        measured = self._measure(state, {t: estimates[t] for t in usable}, silent)
        scores = []
        for target in (t for t in state.references if t in estimates):
            for quantity in (q.name for q in self.quantities):
                values, flags, reason = np.full(len(state.spans), np.nan), tuple[str, ...](), spoiled.get(target, "")
                condition = np.nan
                if not reason:
                    index = usable.index(target)
                    values, flags = measured.row(index, quantity)
                    condition = np.nan if quantity in self._unfiltered else measured.condition
                    if np.isnan(values).all():
                        silence = self._policy.why(target, state.silent, silent)
                        reason = measured.why_missing(index, quantity, silence)
                row = (target, quantity, values, self._scope, *state.seconds, flags, reason, condition)
                scores.append(Score(*row))
        return scores

    def _windows(self, n_samples: int, sample_rate: int, reach: int) -> tuple[list[Span], tuple[float, float]]:
        whole = [(0, n_samples)]
        if self.window is None or self.hop is None:
            return whole, (0.0, 0.0)
        spans = Frames.of_seconds(n_samples, self.window, self.hop, sample_rate, reach).spans
        return (spans, (self.window, self.hop)) if len(spans) > 1 else (whole, (n_samples / sample_rate, self.hop))

    def _measure(self, state: BSSEvalV3State, estimates: dict[str, Samples], silent: dict[str, Mask]) -> Windows:
        targets = list(estimates)
        quantities, lone = [q.name for q in self.quantities], len(state.references) == 1
        measured = Windows.empty(len(targets), len(state.spans), quantities, lone=lone)
        valid = np.array([[self._policy.valid(t, s, state.silent, silent) for s in targets] for t in targets])
        for index, (start, stop) in enumerate(state.spans if targets else ()):
            allowed = valid[..., index]
            if not (allowed if self.permute else np.diag(allowed)).any():
                continue
            prepared = state.window(index)
            cut = {t: array[:, start:stop] for t, array in estimates.items()}
            pairs = pair_ratios(prepared, cut, np.ones(1, dtype=bool), all_pairs=self.permute)
            possible = np.array([prepared.interference_possible(t) for t in targets])
            sir = np.where(allowed & possible[:, np.newaxis], pairs.values["SIR"][..., 0], np.nan)
            order = best_order(sir) if self.permute else np.arange(len(targets))
            measured.conditions[index] = prepared.condition
            measured.add(index, self._ratios(pairs, order), order, allowed[np.arange(len(order)), order], possible)
        return measured

    @abstractmethod
    def _ratios(self, pairs: PairRatios, order: Order) -> dict[str, tuple[Floats, Mask]]:
        """Values and doubts ``(n,)`` of each quantity."""


class BSSEvalV3Images(_BSSEvalV3):
    """BSS Eval v3 of source images (``bss_eval_images``), whole or framewise."""

    name = "bss_eval_v3_images"
    version = "1"
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
        "SIR and SAR are not to be compared with version 4's or between windows. As energy ratios they hardly follow "
        "listeners on generative systems."
    )
    _kind = "images"
    _unfiltered = ("SDR",)

    def _ratios(self, pairs: PairRatios, order: Order) -> dict[str, tuple[Floats, Mask]]:
        return {q: (pairs.of(q, order)[:, 0], pairs.doubtful(q, order)) for q in ("SDR", "ISR", "SIR", "SAR")}


class BSSEvalV3Sources(_BSSEvalV3):
    """BSS Eval v3 of sources up to a filter (``bss_eval_sources``), whole or framewise.

    Zeroing a part of the spectrum in an estimate costs nothing here, since the target is filtered alike: SiSEC and this
    package prefer the images.
    """

    name = "bss_eval_v3_sources"
    version = "1"
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
        "low-pass, however they sound: it is no score of stems that are to be heard."
    )
    _kind = "sources"

    def _ratios(self, pairs: PairRatios, order: Order) -> dict[str, tuple[Floats, Mask]]:
        found = {q: (pairs.of(q, order)[:, 0], pairs.doubtful(q, order)) for q in ("SIR", "SAR")}
        (sir, sir_doubtful), (sar, sar_doubtful) = found["SIR"], found["SAR"]
        return {"SDR": (sources_sdr(sir, sar), sir_doubtful | sar_doubtful), **found}
