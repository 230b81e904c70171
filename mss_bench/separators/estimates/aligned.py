"""Align estimates with their references: find lag and drift, and undo them for the other checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mss_bench.core.findings import Finding, Severity
from mss_bench.core.tracks import Audio
from mss_bench.dsp.alignment import Drift, Lag, Spectra, dot, find_drift, find_lag, shifted

__all__ = ["Aligned", "align", "delay_finding", "shares"]

SHORT_LAG = 0.001
"""Seconds."""


@dataclass(frozen=True)
class Aligned:
    """A well-formed estimate, moved back by its lag or drift and cut to the part that it shares with its reference.

    Parameters
    ----------
    target : str
    y, s, x : (channels, samples)
        Estimate, reference and mixture.
    lag : int
        Lag that was undone, in samples.
    drift : Drift, optional
        Drift that was undone.
    """

    target: str
    y: Audio
    s: Audio
    x: Audio
    lag: int = 0
    drift: Drift | None = None

    def cut(self, reference: Audio) -> Audio:
        """Return another reference, cut to the same part."""
        start = max(0, -self.lag)
        return reference[:, start : start + self.y.shape[-1]]


def align(
    estimates: Mapping[str, Audio], references: Mapping[str, Audio], mixture: Audio, sample_rate: int
) -> dict[str, Aligned]:
    """Return estimates with their drift or lag undone."""
    cut = {}  # estimate, reference and mixture of one length
    drifts: dict[str, Drift] = {}
    for target, estimate in estimates.items():
        length = min(estimate.shape[-1], mixture.shape[-1])
        y, s, x = estimate[:, :length], references[target][:, :length], mixture[:, :length]
        if drift := find_drift(y, x, sample_rate, judge=s):
            drifts[target], y = drift, drift.undone(y)
        cut[target] = y, s, x
    mixture_spectra: dict[int, Spectra] = {}
    lags: dict[str, Lag] = {}
    for target, (y, s, x) in cut.items():
        if target in drifts:
            continue
        if x.shape[-1] not in mixture_spectra:
            mixture_spectra[x.shape[-1]] = Spectra.of(x, sample_rate)
        spectra = Spectra.of(y, sample_rate)
        by_reference = find_lag(spectra, Spectra.of(s, sample_rate), y, s)
        if lag := _agreed(by_reference, find_lag(spectra, mixture_spectra[x.shape[-1]], y, x)):
            lags[target] = lag
    aligned = {}
    for target, (y, s, x) in cut.items():
        own = lags.get(target)
        # The lag of low tones is known to a sample or two only; that of the track's other estimates is more reliable.
        same = [other for other in lags.values() if own and abs(other.samples - own.samples) <= 3]
        n = max(same, key=lambda other: other.prominence).samples if same else 0
        aligned[target] = Aligned(target, shifted(y, n), shifted(s, -n), shifted(x, -n), n, drifts.get(target))
    return aligned


def _agreed(by_reference: Lag, by_mixture: Lag) -> Lag | None:
    """Return the lag that one of the two shows clearly and the other does not contradict."""
    lags = sorted((by_reference, by_mixture), key=lambda lag: lag.prominence, reverse=True)
    for lag, other in zip(lags, reversed(lags), strict=True):
        contradicted = other.clear and abs(other.samples - lag.samples) > 2 and other.prominence > 0.5 * lag.prominence
        if lag.clear and lag.samples and lag.gain >= 0.5 and not contradicted:
            return lag
    return None


def delay_finding(item: Aligned, sample_rate: int) -> list[Finding]:
    """Return the lag or drift that was undone as a finding."""
    if drift := item.drift:
        slow = "slow" if drift.ppm > 0 else "fast"
        message = (
            f"it runs {abs(drift.ppm) / 1e4:.3f} % too {slow} ({drift.ppm:+.0f} ppm): {drift.change:+.0f} samples over "
            f"{item.y.shape[-1] / sample_rate:.0f} s, which costs {drift.gain:.1f} dB of SI-SDR; resample it by "
            f"{1 / (1 + drift.ppm * 1e-6):.6f}, or find what changed the rate (another clock, 44.1 against 44.056 kHz)"
        )
        return [Finding("error", item.target, "drift", message, value=drift.ppm)]
    n = item.lag
    if n == 0:
        return []
    word = "late" if n > 0 else "early"
    message = (
        f"{abs(n)} samples ({1000 * abs(n) / sample_rate:.1f} ms) too {word}; cut or pad its start: "
        "a codec or a block-wise method often adds a delay"
    )
    # A filter delays by a few samples as well, so a short lag may belong to the method.
    severity: Severity = "error" if abs(n) >= SHORT_LAG * sample_rate else "warning"
    return [Finding(severity, item.target, "lag", message, value=n)]


def shares(y: Audio, s: Audio, x: Audio) -> tuple[float, float]:
    """Return how much of a target and of the rest an estimate holds: ``y = a s + b (x - s)``, without sign."""
    ss, sx, xx, ys = dot(s, s), dot(s, x), dot(x, x), dot(y, s)
    gram = np.array([[ss, sx - ss], [sx - ss, xx - 2 * sx + ss]])
    share, leak = np.abs(np.linalg.lstsq(gram, np.array([ys, dot(y, x) - ys]), rcond=1e-6)[0])
    return float(share), float(leak)
