"""Energy ratios of one estimate in every frame, from its lag correlations and projection filters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.metrics._frames import Span
from mss_bench.metrics._levels import Scaling, scaled
from mss_bench.metrics._signals import Signals
from mss_bench.metrics.bss_eval.energies import FilterBank, linear_form, quadratic_forms
from mss_bench.metrics.bss_eval.lags import LagCorrelations

__all__ = ["EXACT", "QUANTITIES", "ROUGH", "Filters", "FramedEstimate", "Ratios"]

Ratios = dict[str, Floats]
"""SDR, ISR, SIR and SAR to values ``(n_frames,)`` in dB."""

QUANTITIES = ("SDR", "ISR", "SIR", "SAR")

EXACT = 2e-7
"""Tolerated bound on the relative rounding error of an energy: 9e-7 dB."""

ROUGH = 2e-3
"""The same where 0.01 dB will do."""

_ENERGIES = {"SDR": [], "ISR": [0], "SIR": [1, 2], "SAR": [3, 4]}
"""Which energies of `FramedEstimate._energies` a ratio needs."""


@dataclass(frozen=True)
class Filters:
    """Filters ``(n_lags, n, channels)`` from all reference channels to the projections of an error.

    Parameters
    ----------
    everything : (n_lags, n, channels)
        To the projection on all sources.
    own : (n_lags, n, channels)
        To that on the target's own source, 0 for the others.
    """

    everything: Floats
    own: Floats


@dataclass(frozen=True)
class FramedEstimate:
    """An estimate y of one source s, with the correlations of its error ``e = y - s``.

    Of an estimate that is far louder or fainter than its reference the error is taken at the level of the reference, so
    that projections keep their digits. SIR and SAR do not change with it; SDR and ISR take the gain back.

    Parameters
    ----------
    references : dict of str to (channels, samples) float array
        At a usual level.
    target : str
    array : (channels, samples) float array
        The estimate as given.
    scaling : Scaling
        What brings it to the level of its reference.
    spans : list of (int, int)
        The frames.
    reference_lags : LagCorrelations
        Of the references with each other.
    lags : LagCorrelations
        Of the references with the error.
    valid : (n_frames,) bool
        Frames whose values are wanted.
    """

    references: dict[str, Samples]
    target: str
    array: Samples
    scaling: Scaling
    spans: list[Span]
    reference_lags: LagCorrelations
    lags: LagCorrelations
    valid: NDArray[np.bool_]

    @property
    def columns(self) -> slice:
        """Return where the channels of the target lie among those of all references."""
        channels = len(self.array)
        index = list(self.references).index(self.target)
        return slice(index * channels, (index + 1) * channels)

    def ratios(
        self, filters: Filters, tolerance: float = EXACT, wanted: Mapping[str, NDArray[np.bool_]] | None = None
    ) -> Ratios:
        """Return the energy ratios in every frame.

        Parameters
        ----------
        filters : Filters
        tolerance : float
            Bound on the relative rounding error from which an energy is measured on the filtered signal.
        wanted : mapping of str to (n_frames,) bool, optional
            Frames in which the tolerance must hold for each quantity; all valid ones by default.
        """
        wanted = dict.fromkeys(QUANTITIES, self.valid) if wanted is None else wanted
        source = self.reference_lags.energy[:, self.columns].sum(axis=1)
        own_error, own_image, interference, image, artifacts = self._energies(filters, tolerance, wanted)
        return {
            "SDR": _decibels(source, self._distortion) + self.scaling.source_db,
            "ISR": _decibels(source, own_error) + self.scaling.source_db,
            "SIR": _decibels(own_image, interference),
            "SAR": _decibels(image, artifacts),
        }

    @cached_property
    def _distortion(self) -> Floats:
        """Return ``|y - s|^2`` in every frame, at the level of the louder of the two."""
        if not self.scaling.gain:
            energies: Floats = self.lags.energy.sum(axis=1)
            return energies
        s, y = self.scaling.at_louder
        source = scaled(self.references[self.target], s)
        errors = Signals([self.array], minus=[source], shifts=[self.scaling.estimate + y])
        return np.array([np.vdot(error, error) for error in (errors.read(*span) for span in self.spans)])

    @property
    def _gains(self) -> tuple[float, float]:
        """Return the gains of source and estimate, as scaled, to the level of the louder of the two."""
        s, y = self.scaling.at_louder
        return math.ldexp(1.0, -s), math.ldexp(1.0, -y)

    def _energies(self, filters: Filters, tolerance: float, wanted: Mapping[str, NDArray[np.bool_]]) -> Floats:
        """Return ``|P_j y - s|^2, |P_j y|^2, |P y - P_j y|^2, |P y|^2, |y - P y|^2`` as ``(5, n_frames)``."""
        everything, own = filters.everything, filters.own
        unit = np.zeros_like(own)  # takes the references to the source itself
        unit[0, self.columns] = np.eye(len(self.array))
        lags, error = self.reference_lags.frames, self.lags.energy.sum(axis=1)
        s, y = self._gains
        forms = [y * own + (y - s) * unit, unit + own, everything - own, unit + everything, everything]
        energies, bounds = quadratic_forms(lags, forms)
        product, product_bound = linear_form(lags, self.lags.frames, error, everything)
        energies[4] += error - 2 * product
        bounds[4] += 2 * product_bound
        unsafe = bounds > tolerance * energies
        measured = np.any([wanted[q] & unsafe[rows].any(axis=0) for q, rows in _ENERGIES.items() if rows], axis=0)
        if measured.any():
            bank = FilterBank([everything, own])
            for frame in np.flatnonzero(measured):
                energies[:, frame] = self._measured_energies(bank, self.spans[frame])
        return energies

    def _measured_energies(self, bank: FilterBank, span: Span) -> Floats:
        """Return the energies of `_energies` in one frame, from the signals themselves."""
        reference = self.references[self.target]
        signals, source = Signals(list(self.references.values())), Signals([reference])
        errors = Signals([self.array], minus=[reference], shifts=[self.scaling.estimate])
        s, y = self._gains
        energies = np.zeros(5)
        for (start, stop), (all_error, own_error) in bank.apply(signals, span):
            signal, error = np.zeros_like(own_error), np.zeros_like(own_error)
            inside = min(stop, span[1])
            if inside > start:
                source.read(start, inside, signal[:, : inside - start])
                errors.read(start, inside, error[:, : inside - start])
            parts = (
                y * own_error + (y - s) * signal,
                signal + own_error,
                all_error - own_error,
                signal + all_error,
                error - all_error,
            )
            energies += [np.vdot(part, part) for part in parts]
        return energies


def _decibels(numerator: Floats, denominator: Floats) -> Floats:
    """Return ``10 log10`` of a ratio of energies: +inf over nothing, NaN where both are nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values: Floats = 10 * np.log10(numerator / denominator)
    return values
