"""What BSS Eval v3 finds in window after window: values, flags, and reasons where there are none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mss_bench.metrics._assignment import Order
from mss_bench.metrics._signals import Floats
from mss_bench.metrics._silence_policy import Mask

__all__ = ["Windows"]


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
    lone : bool
        There is but one reference.
    """

    values: dict[str, Floats]
    doubtful: dict[str, Mask]
    valid: Mask
    interference: Mask
    permuted: Mask
    lone: bool

    @classmethod
    def empty(cls, n: int, n_windows: int, quantities: Iterable[str], *, lone: bool) -> Windows:
        """With every value NaN."""
        quantities = tuple(quantities)
        values = {q: np.full((n, n_windows), np.nan) for q in quantities}
        doubtful = {q: np.zeros(n, dtype=bool) for q in quantities}
        valid, interference, permuted = np.zeros((3, n), dtype=bool)
        return cls(values, doubtful, valid, interference, permuted, lone)

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
