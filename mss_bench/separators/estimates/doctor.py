"""The estimate doctor: faults of estimates that ruin every number without a word, found before they are scored.

Conventions
-----------
Arrays are ``(channels, samples)``. ``s`` is a target's reference, ``x`` the mixture, ``y`` the estimate; correlations
``rho`` are normalised and taken over time and channels.

How a fault is told from a poor estimate
----------------------------------------
An honest estimate, however poor, is made from the mixture: it is coherent with it at lag 0 and has its sign and its
channels. So every doubt is put to the mixture as well as to the reference.

- *lag*: the peak of the generalised cross-correlation (SCOT weighting: the inverse transform of the coherence, which
  is sharp where music's own correlation is not), far above its noise, and an alignment there that betters the
  scale-invariant SDR.
- *gain*: ``y = a s + b (x - s)`` by least squares. An honest estimate has ``a <= 1`` (it holds no more of the target
  than there is), and ``<y, s> / <y, y> <= 1`` (turning it up would not better it). Between the two lies what poor
  separation does, so that a fault of a few dB in a poor estimate cannot be told.
- *channels*: swapping them turns the sign of the side signal (left - right), and of nothing else.
- *names*: the estimates are assigned to the targets anew (Hungarian algorithm) by ``|rho|`` times
  their selectivity ``(a - b) / (a + b)``, which is 0 for every target of the mixture itself.

References
----------
Carter, Nuttall, Cable: The smoothed coherence transform. Proc. IEEE 61 (10), 1973.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mss_bench.core.tracks import Audio
from mss_bench.separators.estimates.signals import Lag, Spectra, correlation, dot, find_lag, shifted

__all__ = ["MAX_TRIM", "Finding", "examine"]

MAX_TRIM = 4096
"""Samples by which an estimate's length may differ; the runner trims or pads so many."""
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000)
NEAR = 0.3
"""Correlation from which on two signals are said to be alike in sign, channels or name."""
TOO_LOUD, TOO_QUIET = 2.0, 4.0
"""dB."""
SILENCE = 1e-6  # -60 dB
SHORT_LAG = 0.001
"""Seconds."""
FEW_SAMPLES = 50

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with an estimate, or worth knowing.

    Parameters
    ----------
    severity : {"error", "warning", "note"}
        ``error``: the scores would say nothing of the separation. ``warning``: they probably would not.
    target : str
        Empty for what concerns several.
    code : str
        ``nan``, ``channels``, ``rate``, ``length``, ``silent``, ``lag``, ``polarity``, ``gain``, ``swapped_channels``,
        ``swapped_names``, ``mixture``, ``clipping`` or ``absent``.
    message : str
        What was found, what was expected and what to do.
    track : str
    value : float
        The fault's size: samples of lag, dB of gain, share of clipped samples; NaN where it has none.
    """

    severity: Severity
    target: str
    code: str
    message: str
    track: str = ""
    value: float = math.nan

    def __str__(self) -> str:
        return f"{self.severity}: {': '.join(p for p in (self.track, self.target, self.message) if p)}"


def examine(
    estimates: Mapping[str, Audio],
    references: Mapping[str, Audio],
    mixture: Audio,
    sample_rate: int,
    track: str = "",
) -> list[Finding]:
    """Look for faults of a track's estimates.

    Parameters
    ----------
    estimates : mapping of str to (channels, samples)
        The targets that were delivered, as read, before any trimming.
    references : mapping of str to (channels, samples)
        Every target of the data set, also those without an estimate.
    mixture : (channels, samples)
    sample_rate : int
        Hz.
    track : str
        Name for the findings.

    Returns
    -------
    list of Finding
        Empty for sound estimates, however poor they are.
    """
    findings: list[Finding] = []
    sound: dict[str, Audio] = {}
    for target, estimate in estimates.items():
        if target in references:
            faults = _form(target, estimate, references[target], mixture, sample_rate)
            findings += faults
            if not any(fault.code in ("nan", "channels", "rate", "silent") for fault in faults):
                sound[target] = estimate
    aligned = _align(sound, references, mixture, sample_rate)
    for item in aligned.values():
        findings += _lag_finding(item, sample_rate) + _content(item)
    findings += _swapped_names(aligned, references)
    misnamed = {f.target for f in findings if f.code in ("swapped_names", "mixture")}
    for target, item in aligned.items():
        if target not in misnamed:
            findings += _gain(item)
    if absent := [t for t in references if t not in estimates]:
        message = f"no estimate for {', '.join(absent)}: not scored"
        findings.append(Finding("note", "", "absent", message))
    return [replace(finding, track=track) for finding in findings]


@dataclass(frozen=True)
class _Aligned:
    """An estimate of sound form, moved back by its lag and cut to the part that it shares with its reference."""

    target: str
    y: Audio
    s: Audio
    x: Audio
    lag: int

    def cut(self, reference: Audio) -> Audio:
        """Return another reference over the same part."""
        start = max(0, -self.lag)
        return reference[:, start : start + self.y.shape[-1]]


def _form(target: str, estimate: Audio, reference: Audio, mixture: Audio, sample_rate: int) -> list[Finding]:
    """Look for faults that need no comparison of content."""
    if not np.isfinite(estimate).all():
        bad = int(np.count_nonzero(~np.isfinite(estimate)))
        return [Finding("error", target, "nan", f"{bad} samples are NaN or infinite; expected numbers", value=bad)]
    if len(estimate) != len(reference):
        message = f"{len(estimate)} channel(s), expected {len(reference)} as in the reference"
        return [Finding("error", target, "channels", message)]
    length, expected = estimate.shape[-1], reference.shape[-1]
    if abs(length - expected) > MAX_TRIM:
        said = f"{length} samples, expected {expected}"
        rate = next((r for r in RATES if abs(expected * r / sample_rate - length) <= MAX_TRIM), None)
        if rate:
            message = f"{said}: the ratio is that of {rate} Hz to {sample_rate} Hz; resample it and write its true rate"
            return [Finding("error", target, "rate", message, value=rate)]
        return [
            Finding("error", target, "length", f"{said}: at most {MAX_TRIM} may be missing or too many"),
            *_levels(target, estimate, reference, mixture),
        ]
    return _levels(target, estimate, reference, mixture)


def _levels(target: str, estimate: Audio, reference: Audio, mixture: Audio) -> list[Finding]:
    energy, expected = dot(estimate, estimate), dot(reference, reference)
    if expected > 0 and energy <= SILENCE * expected:
        how = f"{10 * math.log10(energy / expected):.0f} dB against the reference" if energy else "every sample is 0"
        return [Finding("error", target, "silent", f"the estimate is silent ({how}); look at what wrote it")]
    share = _clipped(estimate)
    if share > max(1e-4, 10 * _clipped(reference), 10 * _clipped(mixture)):
        message = f"{100 * share:.2f} % of the samples lie at full scale: clipped when written; write 32-bit float"
        return [Finding("warning", target, "clipping", message, value=share)]
    return []


def _clipped(array: Audio) -> float:
    """Return the share of samples that lie at the peak, where the peak is an integer format's full scale."""
    magnitude = np.abs(array)
    peak = float(magnitude.max(initial=0.0))
    if not 0.999 <= peak <= 1.0:
        return 0.0
    count = int(np.count_nonzero(magnitude >= peak - 2**-14))
    return count / magnitude.size if count >= FEW_SAMPLES else 0.0


def _align(
    estimates: Mapping[str, Audio], references: Mapping[str, Audio], mixture: Audio, sample_rate: int
) -> dict[str, _Aligned]:
    cut = {}  # estimate, reference and mixture of one length
    for target, estimate in estimates.items():
        length = min(estimate.shape[-1], mixture.shape[-1])
        cut[target] = estimate[:, :length], references[target][:, :length], mixture[:, :length]
    mixture_spectra: dict[int, Spectra] = {}
    lags: dict[str, Lag] = {}
    for target, (y, s, x) in cut.items():
        if x.shape[-1] not in mixture_spectra:
            mixture_spectra[x.shape[-1]] = Spectra.of(x, sample_rate)
        spectra = Spectra.of(y, sample_rate)
        by_reference = find_lag(spectra, Spectra.of(s, sample_rate), y, s)
        if lag := _agreed(by_reference, find_lag(spectra, mixture_spectra[x.shape[-1]], y, x)):
            lags[target] = lag
    aligned = {}
    for target, (y, s, x) in cut.items():
        own = lags.get(target)
        # What holds low tones alone shows its lag to a sample or two; the others of the track know it better.
        same = [other for other in lags.values() if own and abs(other.samples - own.samples) <= 3]
        n = max(same, key=lambda other: other.prominence).samples if same else 0
        aligned[target] = _Aligned(target, shifted(y, n), shifted(s, -n), shifted(x, -n), n)
    return aligned


def _agreed(by_reference: Lag, by_mixture: Lag) -> Lag | None:
    """Return the lag that one of the two shows and the other does not contradict."""
    lags = sorted((by_reference, by_mixture), key=lambda lag: lag.prominence, reverse=True)
    for lag, other in zip(lags, reversed(lags), strict=True):
        contradicted = other.clear and abs(other.samples - lag.samples) > 2 and other.prominence > 0.5 * lag.prominence
        if lag.clear and lag.samples and lag.gain >= 0.5 and not contradicted:
            return lag
    return None


def _lag_finding(item: _Aligned, sample_rate: int) -> list[Finding]:
    n = item.lag
    if n == 0:
        return []
    word = "late" if n > 0 else "early"
    message = (
        f"{abs(n)} samples ({1000 * abs(n) / sample_rate:.1f} ms) too {word}; cut or pad its start: "
        "a codec or a block-wise method often adds a delay"
    )
    # A filter delays by some samples, too: an honest estimate can do that.
    severity: Severity = "error" if abs(n) >= SHORT_LAG * sample_rate else "warning"
    return [Finding(severity, item.target, "lag", message, value=n)]


def _content(item: _Aligned) -> list[Finding]:
    """Look at sign and channels, and whether anything was separated."""
    y, s, x, target = item.y, item.s, item.x, item.target
    with_mixture, expected = correlation(y, x), correlation(s, x)
    if 1 - with_mixture**2 < 0.01 * (1 - expected**2) and 1 - with_mixture**2 < 1e-3:
        level = 20 * math.log10(abs(dot(y, x)) / dot(x, x))
        message = f"the estimate is the mixture at {level:+.1f} dB; nothing was separated"
        return [Finding("warning", target, "mixture", message, value=level)]
    inverted = [c for c in range(len(y)) if _turned(y[c : c + 1], s[c : c + 1], x[c : c + 1])]
    if inverted:
        where = "" if len(inverted) == len(y) else f" in channel {', '.join(str(c + 1) for c in inverted)}"
        return [Finding("error", target, "polarity", f"the polarity is inverted{where}; multiply it by -1")]
    if len(y) == 2 and _side_turned(y, s, x):
        return [Finding("error", target, "swapped_channels", "left and right are swapped; swap them back")]
    return []


def _turned(y: Audio, s: Audio, x: Audio) -> bool:
    """Return whether the sign is the opposite of the reference's; where that is faint, the mixture bears it out."""
    with_reference, with_mixture = correlation(y, s), correlation(y, x)
    return with_mixture <= 0.1 and (with_reference <= -NEAR or (with_reference <= -0.1 and with_mixture <= -NEAR))


def _side_turned(y: Audio, s: Audio, x: Audio) -> bool:
    side = [a[:1] - a[1:] for a in (y, s, x)]
    middle = [a[:1] + a[1:] for a in (y, s, x)]
    if dot(side[0], side[0]) < 1e-4 * dot(middle[0], middle[0]):
        return False
    return _turned(*side)


def _swapped_names(aligned: Mapping[str, _Aligned], references: Mapping[str, Audio]) -> list[Finding]:
    """Look for estimates that single out other targets than those that they are named after."""
    from scipy.optimize import linear_sum_assignment

    names, targets = list(aligned), list(references)
    if not names or len(targets) < 2:
        return []
    table = np.array([[_fit(p, references[t]) for t in targets] for p in aligned.values()])
    best = dict(zip(names, (targets[j] for j in linear_sum_assignment(table, maximize=True)[1]), strict=True))
    own = {name: float(table[i, targets.index(name)]) for i, name in enumerate(names)}
    there = {name: float(table[i, targets.index(best[name])]) for i, name in enumerate(names)}
    # Estimates that change places bear each other out: all of such a circle must fit better where the others are.
    circle = {n for n in names if best[n] != n and there[n] >= 0.15 and there[n] - own[n] >= 0.3}
    while weak := {n for n in circle if best[n] not in circle}:
        circle -= weak
    findings = []
    for name, item in aligned.items():
        # A single one must be plain, and not like what the mixture is itself: dominated by the other target.
        reference = item.cut(references[best[name]])
        plain = best[name] != name and there[name] >= 0.5 and own[name] <= 0.0
        likeness = abs(correlation(item.y, reference))
        if name in circle or (plain and likeness >= 0.6 and likeness >= abs(correlation(item.x, reference))):
            message = (
                f"it fits {best[name]} far better (correlation {likeness:.2f}) than its own target "
                f"({abs(correlation(item.y, item.s)):.2f}); are the names swapped?"
            )
            findings.append(Finding("error", name, "swapped_names", message))
    return findings


def _shares(y: Audio, s: Audio, x: Audio) -> tuple[float, float]:
    """Return how much of a target and of the rest an estimate holds: ``y = a s + b (x - s)``, without sign."""
    ss, sx, xx, ys = dot(s, s), dot(s, x), dot(x, x), dot(y, s)
    gram = np.array([[ss, sx - ss], [sx - ss, xx - 2 * sx + ss]])
    share, leak = np.abs(np.linalg.lstsq(gram, np.array([ys, dot(y, x) - ys]), rcond=1e-6)[0])
    return float(share), float(leak)


def _fit(item: _Aligned, reference: Audio) -> float:
    """Return correlation times selectivity: 1 for the target itself, 0 where it is held as the mixture holds it."""
    s = item.cut(reference)
    share, leak = _shares(item.y, s, item.x)
    # Selectivity alone would take drums for the accompaniment, of which they are a part without any vocals.
    return abs(correlation(item.y, s)) * (share - leak) / (share + leak) if share + leak > 0 else 0.0


def _gain(item: _Aligned) -> list[Finding]:
    y, s = item.y, item.s
    rho = correlation(y, s)
    if abs(rho) < 0.5:  # of a poor estimate the level says nothing
        return []
    share, leak = _shares(y, s, item.x)
    excess = 20 * math.log10(max(share, 1e-6))
    deficit = 20 * math.log10(abs(dot(y, s)) / dot(y, y))
    # A method that cannot tell the target from the rest does well to be quiet: what leaks or is lost counts for it.
    if excess <= TOO_LOUD and deficit <= TOO_QUIET + 8 * (min(leak / max(share, 1e-6), 1) + 1 - rho**2):
        return []
    level = excess if excess > TOO_LOUD else -deficit
    message = f"the level is about {level:+.1f} dB against the reference; was it normalised or scaled? undo that"
    return [Finding("warning", item.target, "gain", message, value=level)]
