"""What BSS Eval v3 prepares for its windows, and what it finds in one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mss_bench.core.tracks import Stems
from mss_bench.metrics._assignment import Order
from mss_bench.metrics._decomposition import PreparedReferences, prepare_references
from mss_bench.metrics._frames import Frames, Span
from mss_bench.metrics._signals import Floats, Samples
from mss_bench.metrics._silence_policy import Mask

__all__ = ["BSSEvalV3State", "Windows", "prepare_window"]


@dataclass(frozen=True)
class BSSEvalV3State:
    """References of a track, its windows, and what their correlations cost once.

    Parameters
    ----------
    references : dict of str to (channels, samples) float array
        As given, not copied.
    spans : list of (int, int)
        The windows.
    seconds : (float, float)
        Window and hop; 0 where the whole track was asked for.
    silent : dict of str to (n_windows,) bool
    prepared : list of PreparedReferences
        Of the first windows, as many as may be kept.
    reach : int
        Filter length - 1.
    """

    references: dict[str, Samples]
    spans: list[Span]
    seconds: tuple[float, float]
    silent: dict[str, Mask]
    prepared: list[PreparedReferences]
    reach: int

    def delivered_alone(self, estimates: Stems) -> BSSEvalV3State:
        """The state with the references of delivered targets alone."""
        if len(estimates) == len(self.references):
            return self
        references = {t: array for t, array in self.references.items() if t in estimates}
        return replace(self, references=references, silent={t: self.silent[t] for t in references}, prepared=[])

    def window(self, index: int) -> PreparedReferences:
        """The references of a window, correlated and factorised."""
        if index < len(self.prepared):
            return self.prepared[index]
        return prepare_window(self.references, self.spans[index], self.reach)


def prepare_window(references: Mapping[str, Samples], span: Span, reach: int) -> PreparedReferences:
    """Correlate and factorise the references of one window, as if there were nothing else."""
    start, stop = span
    length = stop - start
    return prepare_references(
        {t: array[:, start:stop] for t, array in references.items()}, Frames(length, length, length, reach)
    )


@dataclass(frozen=True)
class Windows:
    """Ratios of several estimates, filled in window by window.

    Parameters
    ----------
    values : dict of str to (n, n_windows)
        By quantity.
    doubtful : dict of str to (n,) bool
        Ill-conditioned in some window.
    valid, interference, permuted : (n,) bool
        Whether some window counted; whether SIR was defined in one; whether the estimate was another's in one.
    conditions : (n_windows,)
        Condition numbers of the references' systems; NaN for windows that do not count.
    lone : bool
        There is but one reference.
    """

    values: dict[str, Floats]
    doubtful: dict[str, Mask]
    valid: Mask
    interference: Mask
    permuted: Mask
    conditions: Floats
    lone: bool

    @classmethod
    def empty(cls, n: int, n_windows: int, quantities: Iterable[str], *, lone: bool) -> Windows:
        """With every value NaN."""
        quantities = tuple(quantities)
        values = {q: np.full((n, n_windows), np.nan) for q in quantities}
        doubtful = {q: np.zeros(n, dtype=bool) for q in quantities}
        valid, interference, permuted = np.zeros((3, n), dtype=bool)
        return cls(values, doubtful, valid, interference, permuted, np.full(n_windows, np.nan), lone)

    @property
    def condition(self) -> float:
        """The worst of the windows'."""
        return float(np.fmax.reduce(self.conditions, initial=np.nan))

    def add(
        self, window: int, ratios: dict[str, tuple[Floats, Mask]], order: Order, allowed: Mask, possible: Mask
    ) -> None:
        """Take in the ratios of a window."""
        for quantity, (values, doubtful) in ratios.items():
            counts = allowed & possible if quantity == "SIR" else allowed
            self.values[quantity][counts, window] = values[counts]
            self.doubtful[quantity][:] |= doubtful & counts
        self.valid[:] |= allowed
        self.interference[:] |= allowed & possible
        self.permuted[:] |= order != np.arange(len(order))

    def row(self, index: int, quantity: str) -> tuple[Floats, tuple[str, ...]]:
        """Values and flags of a target."""
        flags = ("ill_conditioned",) if self.doubtful[quantity][index] else ()
        return self.values[quantity][index], (*flags, *(("permuted",) if self.permuted[index] else ()))

    def why_missing(self, index: int, quantity: str, silence: str) -> str:
        """Why a target has no value; `silence` is the reason where no window counts."""
        if not self.valid[index]:
            return silence
        if quantity == "SIR" and not self.interference[index]:
            what = "there is no other reference" if self.lone else "no other reference adds to the span of this one"
            return f"SIR is undefined: {what}"
        return "numerator and denominator are 0 in every window"
