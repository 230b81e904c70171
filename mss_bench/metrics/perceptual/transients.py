"""Transient smearing: how much of an attack comes before its time.

Around the attacks of the reference, the envelope of the estimate is explained, in every band, as a mixture without
negative parts of

- the reference's own envelope, and the same trailing behind by some time constants (reverberation),
- the same running ahead by some time constants (smearing),
- the envelope of the other sources (leakage).

What runs ahead, weighted by how far, is the smearing in ms. Methods that work on spectrograms smear to both sides; only
the early half is counted, because the late half cannot be told from reverberation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats
from mss_bench.metrics.perceptual.spectra import (
    Piece,
    bin_frequencies,
    bin_gains,
    octave_bands,
    stft,
    transform_length,
)

__all__ = ["TransientSmearing"]

_WINDOW = 0.012
_AHEAD = (1.5e-3, 4e-3, 10e-3, 20e-3)
_BEHIND = (2e-3, 5e-3, 12e-3, 30e-3, 100e-3, 300e-3)
_LOWEST, _HIGHEST = 700.0, 15000.0
_COMPRESSION = 0.1
"""Bins of a band are averaged in this power, so that single ones that stick out count little."""
_RISE = 10.0
"""An attack: the power of the next 8 ms over that of now."""
_ATTACK = 8e-3
_PARTLY = 0.2
"""Part of the dominance that is asked for at an attack: leakage is part of the explanation there."""
_LEAST = 0.04
"""Seconds of attacks that a band needs."""


class TransientSmearing:
    """Gathers the smearing of every band of every piece; their median is the measure."""

    def __init__(self) -> None:
        self._of_bands: list[float] = []

    def add(self, piece: Piece) -> None:
        """Add a piece."""
        n_fft = transform_length(_WINDOW, piece.sample_rate)
        s, y, o = (_power(x, n_fft) for x in (piece.reference, piece.estimate, piece.others))
        frequency, hop = bin_frequencies(n_fft, piece.sample_rate), n_fft / 4 / piece.sample_rate
        loud = (s > piece.dominance * o) & (s > 1e-3 * s.max(axis=0, initial=0.0))
        gain, passed = bin_gains(s, y, loud, least=0.5)
        y = y / np.where(passed, gain, 1.0)
        for bins in octave_bands(frequency, _LOWEST, _HIGHEST, 2):
            bins = bins[passed[bins]]
            if len(bins) > 1:
                self._add_band(
                    _envelope(s[:, bins]), _envelope(y[:, bins]), _PARTLY * piece.dominance * _envelope(o[:, bins]), hop
                )

    def _add_band(self, s: Floats, y: Floats, o: Floats, hop: float) -> None:
        from scipy.optimize import nnls

        coming = _running(s, _ATTACK, hop, ahead=True)
        attack = (coming > _RISE * s) & (coming > o) & (coming > 1e-3 * s.max())
        if np.count_nonzero(attack) * hop < _LEAST:
            return
        ahead = [_running(s, seconds, hop, ahead=True) for seconds in _AHEAD]
        behind = [_running(s, seconds, hop, ahead=False) for seconds in _BEHIND]
        parts = np.stack([*ahead, s, *behind, o], axis=1)[attack] / coming[attack, None]
        shares, _ = nnls(parts, y[attack] / coming[attack])
        self._of_bands.append(1000 * float(np.dot(shares[: len(_AHEAD)], _AHEAD)))

    @property
    def value(self) -> float:
        """Return the smearing in ms; NaN where the reference has no attacks in bands that the estimate has kept."""
        return float(np.median(self._of_bands)) if self._of_bands else float("nan")


def _power(signal: Floats, n_fft: int) -> Floats:
    spectrogram: NDArray[np.complexfloating[Any, Any]] = stft(signal, n_fft)
    return np.asarray(np.sum(spectrogram.real**2 + spectrogram.imag**2, axis=0, dtype=np.float64))


def _envelope(power: Floats) -> Floats:
    envelope: Floats = np.mean(power**_COMPRESSION, axis=1) ** (1 / _COMPRESSION)
    return envelope


def _running(envelope: Floats, seconds: float, hop: float, *, ahead: bool) -> Floats:
    """Return the exponential mean of what comes (`ahead`) or of what was, without the frame itself."""
    from scipy.signal import lfilter

    kept = np.exp(-hop / seconds)
    ordered = envelope[::-1] if ahead else envelope
    mean: Floats = lfilter([0.0, 1 - kept], [1.0, -kept], ordered)
    return mean[::-1] if ahead else mean
