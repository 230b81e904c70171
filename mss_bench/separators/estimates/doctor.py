"""The estimate doctor: find faults of estimates that silently ruin all scores, before they are scored.

Conventions
-----------
Arrays are ``(channels, samples)``. ``s`` is a target's reference, ``x`` the mixture, ``y`` the estimate; correlations
``rho`` are normalised and taken over time and channels.

How a fault is told from a poor estimate
----------------------------------------
An honest estimate, however poor, is made from the mixture: it is coherent with it at lag 0 and has its sign and its
channels. So every suspicion is checked against the mixture as well as against the reference.

- *lag*: the peak of the generalised cross-correlation (SCOT weighting: the inverse transform of the coherence, which
  is sharp where music's own correlation is not), far above its noise, where aligning improves the scale-invariant SDR.
- *drift*: the lags of one-second sections against the mixture lie on a line with a slope.
- *gain*: one factor a stem makes the estimates add up to the mixture. Else, where the target stands alone, the estimate
  is the target, see `mss_bench.dsp.levels`; or ``y = a s + b (x - s)`` by least squares: an honest estimate has
  ``a <= 1`` (it holds no more of the target than there is), and ``<y, s> / <y, y> <= 1`` (turning it up would not
  improve it). Poor separation lies between the two.
- *channels*: swapping them changes the sign of the side signal (left - right) and nothing else.
- *names*: see `mss_bench.separators.estimates.names`.

Where the estimates add up to the mixture, gains and channels folded into one are taken as part of the method, not as
faults of the files.

References
----------
Carter, Nuttall, Cable: The smoothed coherence transform. Proc. IEEE 61 (10), 1973.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.findings import Finding
from mss_bench.core.names import is_sum
from mss_bench.core.tracks import Audio, Targets
from mss_bench.dsp.alignment import correlation, dot
from mss_bench.dsp.levels import find_gain, find_offset, fold_limit, is_folded
from mss_bench.separators.estimates.aligned import Aligned, align, delay_finding, shares
from mss_bench.separators.estimates.names import ADDED_UP, other_target, swapped_names

__all__ = ["MAX_TRIM", "Finding", "examine"]

MAX_TRIM = 4096
"""Samples by which an estimate's length may differ; the runner trims or pads so many."""
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000)
NEAR = 0.3
"""Correlation from which on two signals count as alike in sign, channels or name."""
TOO_LOUD, TOO_QUIET = 2.0, 4.0
"""dB."""
SILENCE = 1e-6  # -60 dB
NEARLY_ADDED_UP = 10**-1.5
"""-15 dB: below lies the noise that a codec adds to every stem."""
LEAST_GAIN, MOST_FACTOR = 0.06, 4.0
FEW_SAMPLES = 50


def examine(
    estimates: Mapping[str, Audio],
    references: Mapping[str, Audio],
    mixture: Audio,
    sample_rate: int,
    track: str = "",
    targets: Targets | None = None,
) -> list[Finding]:
    """Check a track's estimates for faults.

    Parameters
    ----------
    estimates : mapping of str to (channels, samples)
        The delivered targets as read, before any trimming.
    references : mapping of str to (channels, samples)
        Every target of the data set, also those without an estimate.
    mixture : (channels, samples)
    sample_rate : int
        Hz.
    track : str
        Name for the findings.
    targets : Targets, optional
        Of the data set: which stems each target sums. Without it no target is known to be a part of another.

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
            if not any(fault.code in ("nan", "channels", "rate", "silent") for fault in faults):
                sound[target] = estimate
                offsets = find_offset(estimate, references[target], mixture)
                if offsets.any():
                    faults.append(_offset(target, offsets, references[target]))
                    sound[target] = estimate - offsets.astype(np.float32)
            findings += faults
    aligned = align(sound, references, mixture, sample_rate)
    found = [finding for item in aligned.values() for finding in _content(item)]
    for item in aligned.values():
        findings += delay_finding(item, sample_rate)
    findings += _all_or_some_are_the_mixture(found, len(estimates)) + swapped_names(aligned, references)
    named = {f.part for f in [*found, *findings] if f.code in ("swapped_names", "mixture")}
    if targets is not None:
        findings += other_target({t: item for t, item in aligned.items() if t not in named}, references, targets)
    misnamed = {f.part for f in findings if f.code in ("swapped_names", "mixture", "target")}
    whole = _whole(aligned, targets)
    further = [y for name, y in estimates.items() if name not in references and not is_sum(name)]
    factors = _factors(whole, further)
    for target, item in aligned.items():
        if not _adds_up(whole):
            findings += _folded(item)
        if target not in misnamed:
            findings += _scaled(item, factors[target]) if target in factors else [] if factors else _gain(item)
    if absent := [t for t in references if t not in estimates]:
        message = f"no estimate for {', '.join(absent)}: not scored"
        findings.append(Finding("note", "", "absent", message))
    return [replace(finding, track=track) for finding in findings]


def _offset(target: str, offsets: NDArray[np.float64], reference: Audio) -> Finding:
    energy, offset = dot(reference, reference), float(offsets.flat[np.argmax(np.abs(offsets))])
    limit = 10 * math.log10(energy / (float(np.sum(offsets**2)) * reference.shape[-1])) if energy else -math.inf
    channels = [str(c + 1) for c, each in enumerate(offsets) if each]
    where = "" if len(channels) == len(offsets) else f" in channel {', '.join(channels)}"
    message = (
        f"it lies {offset:+.4f} off zero (DC){where}, which neither the reference nor the mixture does: no SDR above "
        f"{limit:.1f} dB can be reached; subtract its mean"
    )
    return Finding("warning", target, "offset", message, value=offset)


def _all_or_some_are_the_mixture(found: list[Finding], delivered: int) -> list[Finding]:
    """Return findings of content; a mixture among separated stems is an error: the wrong file."""
    mixtures = [f for f in found if f.code == "mixture"]
    if len(mixtures) in (0, delivered):
        return found
    why = "; nothing was separated, while the other stems are: is it the wrong file, exchanged with the mixture's?"
    return [
        replace(f, severity="error", message=f.message.partition(";")[0] + why) if f in mixtures else f for f in found
    ]


def _whole(aligned: Mapping[str, Aligned], targets: Targets | None) -> list[Aligned]:
    """Return estimates that hold every stem once; none where there are no two, or they do not lie over each other."""
    chosen: list[Aligned] = []
    held: list[str] = []
    parts = targets or {t: (t,) for t in aligned}
    for target in sorted((t for t in aligned if t in parts), key=lambda t: len(parts[t])):
        if not set(parts[target]) & set(held):
            chosen.append(aligned[target])
            held += parts[target]
    return chosen if len(chosen) > 1 and len({(item.lag, item.y.shape) for item in chosen}) == 1 else []


def _factors(whole: Sequence[Aligned], further: Sequence[Audio]) -> dict[str, float]:
    """Return by what estimates have to be multiplied to add up to the mixture; empty where nothing makes them.

    A method whose estimates add up leaves factors of 1, whatever it takes for what; codecs add noise, and no factor.
    """
    if not whole:
        return {}
    x, signals = whole[0].x, [*(item.y for item in whole), *(y for y in further if y.shape == whole[0].x.shape)]
    gram = np.array([[dot(a, b) for b in signals] for a in signals])
    factors = np.linalg.lstsq(gram, np.array([dot(y, x) for y in signals]), rcond=1e-6)[0]
    rest = x - np.add.reduce([np.float32(factor) * y for factor, y in zip(factors, signals, strict=True)])
    error = dot(rest, rest) / max(dot(x, x), 1e-20)
    if error < ADDED_UP and factors.max() < MOST_FACTOR and factors.min() > 1 / MOST_FACTOR:
        return {item.target: float(factor) for item, factor in zip(whole, factors, strict=False)}
    if error < NEARLY_ADDED_UP and np.abs(factors - 1).max() < LEAST_GAIN:
        return {item.target: 1.0 for item in whole}
    return {}


def _adds_up(whole: Sequence[Aligned]) -> bool:
    if not whole:
        return False
    rest = whole[0].x - np.add.reduce([item.y for item in whole])
    return dot(rest, rest) < ADDED_UP * dot(whole[0].x, whole[0].x)


def _folded(item: Aligned) -> list[Finding]:
    limit = fold_limit(item.s) if is_folded(item.y) else math.inf
    if math.isinf(limit) or is_folded(item.x):
        return []
    message = (
        f"both channels are the same, the reference is stereo: no SDR above {limit:.1f} dB can be reached; deliver two "
        "channels"
    )
    return [Finding("warning", item.target, "mono", message, value=limit)]


def _form(target: str, estimate: Audio, reference: Audio, mixture: Audio, sample_rate: int) -> list[Finding]:
    """Check for faults that show without comparing content."""
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
    for c, (channel, true) in enumerate(zip(estimate, reference, strict=True)):
        if float(np.dot(true, true)) > 0.01 * expected and float(np.dot(channel, channel)) <= SILENCE * expected:
            return [Finding("error", target, "silent", f"channel {c + 1} is silent; look at what wrote it")]
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


def _content(item: Aligned) -> list[Finding]:
    """Check sign and channels, and whether anything was separated."""
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
    """Return whether the sign is the opposite of the reference's; where that is faint, the mixture must agree."""
    with_reference, with_mixture = correlation(y, s), correlation(y, x)
    return with_mixture <= 0.1 and (with_reference <= -NEAR or (with_reference <= -0.1 and with_mixture <= -NEAR))


def _side_turned(y: Audio, s: Audio, x: Audio) -> bool:
    side = [a[:1] - a[1:] for a in (y, s, x)]
    middle = [a[:1] + a[1:] for a in (y, s, x)]
    if dot(side[0], side[0]) < 1e-4 * dot(middle[0], middle[0]):
        return False
    return _turned(*side)


def _asked(item: Aligned, level: float) -> str:
    """Return what may have changed a level."""
    bleeds = item.target == "accompaniment" and level > 0
    return "was it normalised or scaled" + (", or do vocals bleed into this sum of all other stems?" if bleeds else "?")


def _scaled(item: Aligned, factor: float) -> list[Finding]:
    """Tell a factor with which the estimates add up, where it brings this one nearer to its reference."""
    errors = [dot(e, e) for e in (item.y - item.s, np.float32(factor) * item.y - item.s)]
    if abs(factor - 1) < LEAST_GAIN or errors[1] >= errors[0]:
        return []
    level, cost = -20 * math.log10(factor), 10 * math.log10(errors[0] / max(errors[1], 1e-12 * dot(item.s, item.s)))
    message = (
        f"the level is {level:+.1f} dB; with that undone the estimates add up to the mixture. It costs {cost:.1f} dB "
        f"of SDR; {_asked(item, level)} multiply it by {factor:.3f}"
    )
    return [Finding("warning", item.target, "gain", message, value=level)]


def _gain(item: Aligned) -> list[Finding]:
    y, s = item.y, item.s
    if gain := find_gain(y, s, item.x):
        message = (
            f"the level is {gain.level:+.1f} dB where the target stands alone, which costs {gain.cost:.1f} dB of SDR; "
            f"{_asked(item, gain.level)} multiply it by about {10 ** (-gain.level / 20):.2g}"
        )
        return [Finding("warning", item.target, "gain", message, value=gain.level)]
    rho = correlation(y, s)
    if abs(rho) < 0.5:  # the level of a poor estimate says nothing
        return []
    share, leak = shares(y, s, item.x)
    excess = 20 * math.log10(max(share, 1e-6))
    deficit = 20 * math.log10(abs(dot(y, s)) / dot(y, y))
    # A method that cannot tell the target from the rest gains by being quiet: leakage and loss are allowed for.
    if excess <= TOO_LOUD and deficit <= TOO_QUIET + 8 * (min(leak / max(share, 1e-6), 1) + 1 - rho**2):
        return []
    level = excess if excess > TOO_LOUD else -deficit
    message = f"the level is about {level:+.1f} dB against the reference; {_asked(item, level)} undo that"
    return [Finding("warning", item.target, "gain", message, value=level)]
