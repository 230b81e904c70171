"""Check whether references are what they are named after, against their mixture and by their sound.

Where the stems do not add up to the mixture, the fault is sought that explains it: with it undone, they add up. Where
none is found, the mismatch is reported. Exchanged names leave the sum as it is; among drums, bass and vocals they show
in the distribution of energy over frequency and time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mss_bench.core.findings import Finding
from mss_bench.core.tracks import Audio
from mss_bench.dsp.alignment import Spectra, dot, find_drift, find_lag, shifted
from mss_bench.dsp.levels import is_folded

__all__ = ["MISMATCH_DB", "compare_with_mixture", "implausible"]

MISMATCH_DB = -20.0
"""A mixture further than this from the sum of its stems is worth a warning (MUSDB18's limiter leaves about -30 dB)."""
_EXPLAINED_DB = 10.0
"""A fault explains a mismatch where undoing it brings the sum closer by this."""
_AUDIBLE = 1e-4  # of the mixture's energy
_EXACT = 1e-4  # -40 dB
_STRUCK = -6.0  # dB of sustain, see `_Profile`: drums have -8 to -20, a bass -6 to +5
_SECONDS = 60.0  # from the middle of a song: enough to tell drums from bass


def compare_with_mixture(stems: Mapping[str, Audio], mixture: Audio, sample_rate: int) -> list[Finding]:
    """Compare the sum of the stems with the mixture, and look for what explains a difference.

    Parameters
    ----------
    stems : mapping of str to (channels, samples)
        All stems of the track, of the mixture's shape.
    mixture : (channels, samples)
    sample_rate : int
        Hz.

    Returns
    -------
    list of Finding
        A note where they add up; nothing where the mixture is silent.
    """
    energy = dot(mixture, mixture)
    if energy == 0.0:
        return []
    rest = mixture - np.add.reduce(list(stems.values()))
    level = _db(dot(rest, rest) / energy)
    if level <= MISMATCH_DB:
        text = "equals the sum of the stems" if level < -150 else f"is within {level:.1f} dB of the sum of the stems"
        return [Finding("note", "mixture", "sum", text, value=level)]
    found = (
        _exchanged(stems, mixture, rest)
        or _other_gains(stems, mixture, level)
        or _folded(stems, rest)
        or [f for name in stems for f in _one_stem(name, stems[name], stems[name] + rest, energy, level, sample_rate)]
    )
    message = f"differs from the sum of the stems by {level:.1f} dB of its energy"
    silent = [name for name, stem in stems.items() if not stem.any()]
    if silent and not found:
        message += f"; {' and '.join(silent)} {'is' if len(silent) == 1 else 'are'} silent: the wrong file?"
    elif not found:
        message += (
            "; another mix, effects on it, or a file that is missing: scores against these stems are limited by it"
        )
    return [Finding("warning", "mixture", "sum", message, value=level), *found]


def _exchanged(stems: Mapping[str, Audio], mixture: Audio, rest: Audio) -> list[Finding]:
    """Check whether the mixture and a stem were exchanged."""
    for name, stem in stems.items():
        energy = dot(stem, stem)
        others = mixture - rest - stem  # the sum of the other stems
        if energy <= 0.0 or dot(others, others) < _AUDIBLE * energy:
            continue
        swapped, copied = stem - others - mixture, stem - mixture
        if dot(swapped, swapped) < 0.01 * energy:
            message = f"it is the mixture, and the mixture's file holds {name}; exchange the two files"
            return [Finding("error", name, "swapped_names", message)]
        if dot(copied, copied) < _EXACT * energy:
            return [Finding("error", name, "mixture", "it is the mixture itself; put the stem in its place")]
    return []


def _other_gains(stems: Mapping[str, Audio], mixture: Audio, level: float) -> list[Finding]:
    """Look for gains, by least squares of the mixture on the stems."""
    names = [name for name, stem in stems.items() if dot(stem, stem) > _AUDIBLE * dot(mixture, mixture)]
    if not names:
        return []
    used = [stems[name] for name in names]
    gram = np.array([[dot(a, b) for b in used] for a in used])
    gains = np.linalg.lstsq(gram, np.array([dot(a, mixture) for a in used]), rcond=1e-9)[0]
    rest = mixture - np.add.reduce([np.float32(g) * a for g, a in zip(gains, used, strict=True)])
    fitted = _db(dot(rest, rest) / dot(mixture, mixture))
    if fitted > min(level - _EXPLAINED_DB, MISMATCH_DB) or np.abs(gains).min() < 0.05:
        return []
    added = f"with that undone the stems add up to {fitted:.1f} dB"
    if len(names) > 1 and np.ptp(gains) < 0.05 * abs(gains[0]) and gains[0] > 0:
        gain = 20 * math.log10(float(np.mean(gains)))
        message = f"it is the sum of the stems at {gain:+.1f} dB; {added}; was it normalised? give all files one gain"
        return [Finding("warning", "mixture", "gain", message, value=gain)]
    findings = []
    for name, gain in zip(names, gains.tolist(), strict=True):
        if gain < 0:
            message = f"its polarity is inverted against the mixture; {added}; multiply it by -1"
            findings.append(Finding("error", name, "polarity", message))
        elif abs(gain - 1) > 0.06:
            heard = 20 * math.log10(gain)
            message = f"the mixture holds it at {heard:+.1f} dB of this level; {added}; multiply it by {gain:.3f}"
            findings.append(Finding("warning", name, "gain", message, value=-heard))
    return findings


def _folded(stems: Mapping[str, Audio], rest: Audio) -> list[Finding]:
    """Look for a stem that was folded to mono: the mixture has a side signal (left - right) that no stem has."""
    names = [name for name, stem in stems.items() if is_folded(stem)]
    middle = rest.sum(axis=0, keepdims=True)
    if not names or len(rest) != 2 or dot(middle, middle) > 0.1 * 2 * dot(rest, rest):
        return []
    message = (
        "both channels are the same, and the mixture differs from the stems only in its side signal: folded to mono?"
    )
    return [Finding("warning", " or ".join(names), "mono", message)]


def _one_stem(name: str, stem: Audio, expected: Audio, energy: float, level: float, rate: int) -> list[Finding]:
    """Look for a fault of one stem; expected is the mixture without the other stems."""

    def betters(corrected: Audio, true: Audio) -> float:
        error = true - corrected
        return level - _db(dot(error, error) / energy)

    if dot(expected, expected) <= _AUDIBLE * energy or dot(stem, stem) == 0.0:
        return []
    drift = find_drift(stem, expected, rate)
    # Interpolation loses the highest frequencies, so a smaller gain is asked for.
    if drift and betters(drift.undone(stem), expected) > _EXPLAINED_DB / 2:
        factor = 1 / (1 + drift.ppm * 1e-6)
        message = f"its clock differs from the mixture's by {drift.ppm:+.0f} ppm; resample it by {factor:.6f}"
        return [Finding("error", name, "drift", message, value=drift.ppm)]
    n = find_lag(Spectra.of(stem, rate), Spectra.of(expected, rate), stem, expected).samples
    if n and betters(shifted(stem, n), shifted(expected, -n)) > _EXPLAINED_DB:
        word = "late" if n > 0 else "early"
        message = f"it lies {abs(n)} samples ({1000 * abs(n) / rate:.1f} ms) too {word} against the mixture; shift it"
        return [Finding("error", name, "lag", message, value=n)]
    return []


@dataclass(frozen=True)
class _Profile:
    """Acoustic features of a stem.

    Parameters
    ----------
    low : float
        Share of the energy below 120 Hz.
    high : float
        Energy above 2 kHz, in dB of all.
    noise : float
        Local flatness of the spectrum above 250 Hz: 0.56 for noise, far less for tones.
    sustain : float
        Median over the mean of the frames' energy, in dB: near 0 for held notes, -8 and less for struck ones.
    """

    low: float
    high: float
    noise: float
    sustain: float

    @classmethod
    def of(cls, stem: Audio, sample_rate: int) -> _Profile | None:
        """Measure a stem; None where it is silent or short."""
        n, hop, width = 2048, 1024, 16
        length = round(_SECONDS * sample_rate)
        start = max(0, (stem.shape[-1] - length) // 2)
        mono = stem[:, start : start + length].mean(axis=0)
        if len(mono) < 40 * n or not mono.any():
            return None
        frames = np.lib.stride_tricks.sliding_window_view(mono, n)[::hop] * np.hanning(n).astype(np.float32)
        spectrum = np.fft.rfft(frames, axis=-1)
        power = spectrum.real**2 + spectrum.imag**2 + 1e-12
        hertz = np.arange(n // 2 + 1) * sample_rate / n
        total, by_frame = float(power.sum()), power.sum(axis=1)
        above = np.flatnonzero((hertz >= 250) & (hertz < 12000))
        blocks = power[:, above[: len(above) // width * width]].reshape(len(power), -1, width)
        sounding = by_frame[by_frame > 1e-6 * by_frame.max()]
        return cls(
            float(power[:, hertz < 120].sum()) / total,
            _db(float(power[:, hertz > 2000].sum()) / total),
            float(np.exp(np.log(blocks).mean(axis=-1)).sum() / blocks.mean(axis=-1).sum()),
            _db(float(np.median(sounding) / by_frame.mean())),
        )


def implausible(stems: Mapping[str, Audio], sample_rate: int) -> list[Finding]:
    """Look for names exchanged between drums, bass and vocals, by how these sound."""
    profiles: dict[str, _Profile] = {}
    for name in ("vocals", "drums", "bass"):
        if name in stems and (profile := _Profile.of(stems[name], sample_rate)):
            profiles[name] = profile
    findings = []
    for one, two in combinations(profiles, 2):
        first, second = profiles[one], profiles[two]
        if evidence := _exchange(one, two, first, second):
            message = f"sounds like {two}, and {two} like {one}: {evidence}; listen to them: are the names exchanged?"
            findings.append(Finding("warning", one, "implausible", message))
    return findings


def _exchange(one: str, two: str, first: _Profile, second: _Profile) -> str:
    """Return the evidence that two stems are exchanged; empty where there is none."""
    held = f"{one} are held ({first.sustain:.0f} dB median over mean energy), {two} struck ({second.sustain:.0f} dB)"
    low = f"{100 * first.low:.0f} % of {one} and {100 * second.low:.0f} % of {two} lie below 120 Hz"
    if (one, two) == ("drums", "bass"):
        # Both are low, so two features must agree; drums differ from a bass by 2 to 18 dB in the first.
        struck = second.sustain <= _STRUCK and first.sustain - second.sustain >= 4
        noisy, bright = second.noise - first.noise, second.high - first.high
        if not struck or (noisy < 0.1 and bright < 6):
            return ""
        flat = f"flatness {second.noise:.2f} against {first.noise:.2f}"
        return f"{held}, and {two} have {bright:+.0f} dB above 2 kHz, {flat}"
    if (one, two) == ("vocals", "bass"):
        return low if first.low >= 0.1 and second.low <= 0.02 else ""
    struck = first.sustain <= _STRUCK and second.sustain - first.sustain >= 4
    return f"{low}, and {two} are held" if first.low >= 0.2 and second.low <= 0.05 and struck else ""


def _db(ratio: float) -> float:
    return 10 * math.log10(max(ratio, 1e-20))  # -200 dB stands for an exact sum
