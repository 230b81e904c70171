"""Name the components that a blind method has found.

The components become stems in one of two ways:

`by_rules`, from the components alone. Each is given a figure for how much it is like a

- *bass*: the share of its energy below 250 Hz;
- *drum kit*: half the share of its energy that is percussive (kept by medians along frequency rather than by medians
  along time), and twice the flatness of its spectrum, which tells cymbals from a bass that is plucked;
- *voice*: half of its nearness to the centre of the stereo image (2 <L, R> over the energy) and of the share of its
  energy between 200 and 4000 Hz, less half of the percussive share.

The components that become bass, drums and vocals are those whose three figures have the greatest sum; *other* is the
sum of all that is left. Where the stems are vocals and accompaniment alone, the most voice-like component is the voice
and the rest is the accompaniment. On the true stems of the first six demo songs of either split the rules name 44 of 48
correctly.

`by_references`, from the true stems: the assignment with the greatest sum of signal-to-error ratios. A component more
than there are stems joins the stem whose error it lessens most. A method that uses this is an **oracle**, and is
declared as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio, Stems
from mss_bench.dsp.median import running_median
from mss_bench.dsp.stft import STFT

__all__ = ["BAND_STEMS", "VOCALS_ACCOMPANIMENT", "by_references", "by_rules"]

BAND_STEMS = ("vocals", "drums", "bass", "other")
VOCALS_ACCOMPANIMENT = ("vocals", "accompaniment")

_VOICE_BAND = (200.0, 4000.0)
_BASS_BAND = 250.0
_KERNEL = 17  # frames and bins, as for HPSS


def by_rules(components: Sequence[Audio], sample_rate: int, names: Sequence[str]) -> Stems:
    """Name the components of a song by how they sound.

    Parameters
    ----------
    components : sequence of (channels, samples) arrays
        At least as many as `names`.
    sample_rate : int
        Hz.
    names : sequence of str
        `BAND_STEMS` or `VOCALS_ACCOMPANIMENT`.

    Returns
    -------
    dict of str to (channels, samples) array
        Every component is in one of the stems.
    """
    from scipy.optimize import linear_sum_assignment

    looks = [_Look(component, sample_rate) for component in components]
    named = tuple(name for name in names if name in ("vocals", "drums", "bass"))
    scores = np.array([[look.likeness(name) for look in looks] for name in named])
    rows, columns = linear_sum_assignment(scores, maximize=True)
    stems = {named[row]: components[int(column)] for row, column in zip(rows, columns, strict=True)}
    left = sorted(set(range(len(components))) - set(columns.tolist()))
    rest = np.zeros_like(components[0]) + sum(components[k] for k in left)
    return {name: stems.get(name, rest) for name in names}


def by_references(components: Sequence[Audio], references: Mapping[str, Audio]) -> Stems:
    """Name the components by the true stems, as an oracle does.

    Parameters
    ----------
    components : sequence of (channels, samples) arrays
        Where there are fewer than stems, the stems left over are silent.
    references : dict of str to (channels, samples) array

    Returns
    -------
    dict of str to (channels, samples) array
        Every component is in one of the stems.
    """
    from scipy.optimize import linear_sum_assignment

    names = list(references)
    errors = np.array([[_energy(references[name] - part) for part in components] for name in names])
    power = np.array([[_energy(references[name])] for name in names])
    # A silent stem and a perfect component have a ratio, too.
    floor = 1e-12 * max(float(power.max()), np.finfo(float).tiny)
    rows, columns = linear_sum_assignment(np.log((power + floor) / (errors + floor)), maximize=True)
    stems = {name: np.zeros_like(components[0]) for name in names}
    for row, column in zip(rows, columns, strict=True):
        stems[names[row]] = components[int(column)]
    for index in sorted(set(range(len(components))) - set(columns.tolist())):
        part = components[index]
        # |s - y|^2 - |s - y - c|^2 = 2 <s - y, c> - |c|^2: the stem in which the component takes most error away
        gains = [float(np.sum((references[name] - stems[name]) * part, dtype=np.float64)) for name in names]
        name = names[int(np.argmax(gains))]
        stems[name] = stems[name] + part
    return stems


class _Look:
    """Measure what the rules look at in a component; all is zero for silence."""

    def __init__(self, component: Audio, sample_rate: int) -> None:
        stft = STFT(4096, 2048)
        magnitude = np.abs(stft.forward(component)).mean(axis=0)
        power: NDArray[np.float64] = np.square(magnitude, dtype=np.float64).sum(axis=0)
        total = float(power.sum()) or 1.0
        frequencies = stft.frequencies(sample_rate)
        in_band = (frequencies >= _VOICE_BAND[0]) & (frequencies <= _VOICE_BAND[1])
        self.voice_band = float(power[in_band].sum()) / total
        self.low = float(power[frequencies < _BASS_BAND].sum()) / total
        self.flatness = _flatness(power)
        self.central = self._centrality(component)
        self.percussive = self._percussiveness(magnitude)

    def likeness(self, stem: str) -> float:
        """Return how much the component is like vocals, drums or bass; higher is more."""
        if stem == "bass":
            return self.low
        if stem == "drums":
            return 0.5 * self.percussive + 2 * self.flatness
        return 0.5 * (self.central + self.voice_band - self.percussive)

    @staticmethod
    def _centrality(component: Audio) -> float:
        """Return 1 where all channels are equal, 0 where they have nothing in common, -1 in opposite phase."""
        if len(component) == 1:
            return 1.0
        energy = _energy(component)
        mid = _energy(component.sum(axis=0))
        return (mid / energy - 1) / (len(component) - 1) if energy else 0.0

    @staticmethod
    def _percussiveness(magnitude: NDArray[np.float32]) -> float:
        """Return the share of the power in bins where the median along frequency is above the one along time."""
        along_frequency = running_median(magnitude[None], _KERNEL, axis=-1)
        along_time = running_median(magnitude[None], _KERNEL, axis=-2)
        total = _energy(magnitude)
        return _energy(magnitude[(along_frequency > along_time)[0]]) / total if total else 0.0


def _flatness(power: NDArray[np.float64]) -> float:
    """Return the geometric over the arithmetic mean of a spectrum: 1 for white noise, near 0 for a few partials."""
    mean = float(power.mean())
    return float(np.exp(np.log(power / mean + 1e-12).mean())) if mean else 0.0


def _energy(signal: NDArray[np.floating]) -> float:
    return float(np.sum(np.square(signal, dtype=np.float64)))
