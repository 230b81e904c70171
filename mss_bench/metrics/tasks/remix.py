"""Remixing: a stem is turned up, down or off in the mixture, by means of its estimate.

With the gain a, the remix of the mixture m and the stem s is ``r = m + (a - 1) s``; what a user gets by the estimate y
is ``m + (a - 1) y``. (Where the estimates of a method add up to the mixture, that is the sum of all of them with one
turned by a.) For a = -12, -6, -3, +3, +6, +12 dB and 0, the stem muted:

- *Remix-error*: ``10 log10(|r' - r|^2 / |r|^2)``, the mean over the seven.
- *Balance-error*: by how many LU the loudness of the stem against that of the rest is off in the remix that was got,
  the mean of absolute values over the six gains other than mute; 60 LU at most.
- *Remix-leakage*: what was turned along though it should not, ``10 log10`` of the energy by which the other sources
  change over that of the remix; the mean over the seven.
- *Mute-residual*: what is still heard of the muted stem, ``10 log10`` of its energy over that of the stem.

A stem that is missed leaks nothing: leakage is to be read beside the residual. All but the first are heard through the
K-weighting of ITU-R BS.1770 [1]_, of sources in the remix that was got: how much of each true source it holds is
measured in patches of time and frequency (`mss_bench.metrics.tasks.gains`). Loudness is gated as in the recommendation,
on blocks of 0.4 s that do not overlap.

Levels in dB end at -120, which is what the references reach. The mixture, divided among the stems, is the floor.

- *Channels.* Mono or stereo, as the loudness is defined for.
- *Rates.* Any; nothing is resampled.
- *Length.* From 0.4 s on; the remix error has no such limit.
- *Silence.* A stem that is silent for the whole song has no values. A gain whose true remix is silent does not count.

References
----------
.. [1] ITU-R BS.1770-4, "Algorithms to measure audio programme loudness and true-peak audio level", 2015.
"""

from __future__ import annotations

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.tracks import TrackAudio
from mss_bench.dsp.loudness import gated_loudness
from mss_bench.errors import AudioError
from mss_bench.metrics._checks import check_mixture
from mss_bench.metrics._signals import pieces
from mss_bench.metrics.base import Metric, Outcome, Prepared, Quantity, Value
from mss_bench.metrics.tasks.gains import NEGLIGIBLE, SHORTEST, Patches, Products, View, k_power, level

__all__ = ["GAINS", "Remix"]

GAINS = tuple(float(10 ** (db / 20)) for db in (-12, -6, -3, 3, 6, 12))
"""The grid, beside mute."""

_MOST_LU = 60.0


class Remix(Metric):
    """How well a stem can be turned up, down or off: error, loudness balance, leakage and what is left of it.

    It takes no parameters. On one core, the four stereo stems of a method together are scored 60 times as fast as real
    time.
    """

    name = "remix"
    version = "2"
    quantities = (
        Quantity(
            "Remix-error", "dB", False, "mean of 10 log10(|(a - 1)(y - s)|^2 / |m + (a - 1) s|^2) over the gains a",
            least=-120,
        ),
        Quantity(
            "Balance-error", "LU", False, "mean |error of the stem's loudness against the rest's| in the remix",
            least=0, most=60,
        ),
        Quantity(
            "Remix-leakage", "dB", False, "mean level of what other sources are turned along, against the remix",
            least=-120,
        ),
        Quantity(
            "Mute-residual", "dB", False, "level of what is left of the stem when it is muted, against the stem",
            least=-120,
        ),
    )  # fmt: skip
    citation = (
        "H. Wierstorf et al.: Perceptual evaluation of source separation for remixing music, AES Convention 143, 2017"
    )
    caution = (
        "A stem that is missed leaks nothing: leakage is to be read beside the residual. All but the remix error "
        "are measured by gains of the true sources in patches: what no gain explains, as noise or long "
        "reverberation, counts too little, and masking is not modelled."
    )

    def derive(self, track: TrackAudio) -> None:
        shape = next(iter(track.references.values())).shape
        if shape[0] > 2:
            raise AudioError(f"loudness is defined for mono and stereo, found {shape[0]} channels; score a downmix")
        check_mixture(track.mixture, shape, "a remix")

    def measure_all(self, track: Prepared[None], estimates: dict[str, Samples]) -> dict[str, Outcome]:
        least = round(SHORTEST * track.sample_rate)
        if track.samples < least:
            short = f"{track.samples} samples are too few to hear a remix: expected at least {least}"
            return {t: (_error(track, t, y), short, short, short) for t, y in estimates.items()}
        patches, sources = Patches(track.sample_rate), list(track.references)
        view = View(k_power(patches.frequency, track.sample_rate))
        arrays = [*track.references.values(), *estimates.values()]
        products = patches.products(arrays, len(sources), [view])[0]
        gains = products.gains
        return {
            target: (
                _error(track, target, estimate),
                *_heard(products, gains[..., index], sources.index(target), patches),
            )
            for index, (target, estimate) in enumerate(estimates.items())
        }


def _error(track: Prepared[None], target: str, estimate: Samples) -> Value:
    """Return the mean error over the grid in dB."""
    mixture = stem = product = error = 0.0
    for start, stop in pieces(estimate.shape[1]):
        m, s, y = (x[:, start:stop].astype(np.float64) for x in (track.mixture, track.references[target], estimate))
        mixture += float(np.vdot(m, m))
        stem += float(np.vdot(s, s))
        product += float(np.vdot(m, s))
        error += float(np.vdot(y - s, y - s))
    levels = []
    for a in (*GAINS, 0.0):
        # |m + (a - 1) s|^2, multiplied out: the audio is read once for all gains.
        remix = mixture + 2 * (a - 1) * product + (a - 1) ** 2 * stem
        if remix > NEGLIGIBLE * (mixture + stem):  # what is less is rounding of a remix that is silent
            levels.append(level((a - 1) ** 2 * error / remix))
    return float(np.mean(levels)) if levels else "every remix is silent"


def _heard(products: Products, gains: Floats, own: int, patches: Patches) -> tuple[Value, Value, Value]:
    """Return balance error, leakage and residual in the remixes got by an estimate of gains ``(patches, bands, J)``."""
    others = [j for j in range(gains.shape[-1]) if j != own]
    everything = [own, *others]
    unit = np.zeros(gains.shape[-1])
    unit[own] = 1.0
    stem = products.energy(unit, [own]).sum()
    moved = products.energy(gains, others).sum()
    leakage, balance = [], []
    for a in (*GAINS, 0.0):
        wanted, got = 1 + (a - 1) * unit, 1 + (a - 1) * gains
        remix = products.energy(wanted, everything).sum()
        if others and remix > NEGLIGIBLE * stem:
            leakage.append(level((a - 1) ** 2 * moved / remix))
        if others and a > 0:
            true, found = (_balance(products, b, own, others, patches) for b in (wanted, got))
            balance.append(min(abs(found - true), _MOST_LU) if np.isfinite(true) else np.nan)
    residual = products.energy(1 - gains, [own]).sum()
    silent = "the stem or all that is beside it is silent" if others else "there is no other source"
    error = float(np.mean(balance)) if balance else np.nan
    return (
        silent if np.isnan(error) else error,
        float(np.mean(leakage)) if leakage else silent,
        level(residual / stem) if stem > 0 else silent,
    )


def _balance(products: Products, gains: Floats, own: int, others: list[int], patches: Patches) -> float:
    """Return the loudness of the stem less that of the rest, in LU; infinite or NaN where one is not heard."""
    stem, rest = (gated_loudness(patches.mean_square(products.energy(gains, which))) for which in ([own], others))
    with np.errstate(invalid="ignore"):
        return float(np.subtract(stem, rest))
