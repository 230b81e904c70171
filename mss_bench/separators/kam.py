"""KAM: a source is known by the places where its spectrogram looks alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.dsp.backfitting import Smoother, backfit, wiener_blocks
from mss_bench.dsp.crossover import low_pass
from mss_bench.dsp.filters import filter_blocks
from mss_bench.dsp.median import median_of_arrays, median_of_frames, running_median
from mss_bench.dsp.stft import Spectrogram
from mss_bench.separators.assignment import BAND_STEMS, VOCALS_ACCOMPANIMENT
from mss_bench.separators.base import as_published
from mss_bench.separators.hpss import HPSS
from mss_bench.separators.repet import PeriodRange, beat_spectrum, repeating_period
from mss_bench.separators.templates import MaskSeparator, SpectrogramSeparator

__all__ = ["KAM", "KERNELS", "comb", "comb_lags", "cross_median"]

KERNELS = ("percussive", "harmonic", "repeating", "cross")
"""The kernels of `KAM`: what they see as one source."""

_TONAL = {"harmonic", "repeating"}
# Any of which delivers a target.
_KERNELS_OF = {
    "vocals": {"cross"}, "accompaniment": {"cross"}, "drums": {"percussive"}, "bass": _TONAL, "other": _TONAL
}  # fmt: skip

# Bins whose crosses are done at a time: their arms stay near a second-level cache.
_ROWS = 16


class KAM(PeriodRange, MaskSeparator, SpectrogramSeparator):
    """Tell each source by the places where its spectrogram looks alike: kernel additive modelling.

    A source need not have a model of its whole spectrogram: it is enough to know at which other places, its kernel, it
    has about the same power as here. All sources are estimated from each other in turn, each one's power as the median
    of its own estimate over its kernel (backfitting), and a source is also told by its place between the channels:

        y_j = f_j R_j (sum_k f_k R_k)^-1 x,    C_j = y_j y_j^H,    R_j = I sum_t C_j / sum_t tr C_j,
        f_j(t, f) = median over kernel j around (t, f) of tr(C_j) / I,

    from ``f_j = |x|^2 / (I J)`` and R_j the identity on, `iterations` times, for I channels and J sources. The kernels:

    - *percussive*: `kernel_size` bins of the same frame;
    - *harmonic*: `kernel_size` frames of the same bin;
    - *repeating*: the same bin in `repetitions` frames that lie whole periods apart, at the peaks of the beat spectrum
      (see `REPET`);
    - *cross*: the nearest bins and frames, `cross_height` and `cross_width` to either side, for the voice, which is
      smooth and follows neither rule; it has no power below `vocals_cutoff`.

    The cross is the vocals, the percussive source the drums; the others together are the bass below `bass_cutoff` and
    other above. Drums repeat, too: where there is a percussive source, the repeating one is split by the medians of
    `HPSS`, and its percussive part goes to the drums. The paper averages ``C_j / tr C_j`` over the frames, weak
    ones as much as strong ones, and takes the median of ``tr(R_j^-1 C_j) / I``. Both blow up what leaks in from other
    directions: the forms above gained 10 dB on sources panned apart and some tenths on songs. The mask is that of the
    last filter; those before it are multichannel.

    References
    ----------
    .. [1] A. Liutkus, D. FitzGerald, Z. Rafii, B. Pardo and L. Daudet, "Kernel additive models for source separation",
       IEEE Trans. Signal Processing 62(16), 2014.
    """

    name = "kam"
    family = "kernel"
    target_sets = (BAND_STEMS, VOCALS_ACCOMPANIMENT)
    citation = "A. Liutkus et al., Kernel additive models for source separation, IEEE Trans. Signal Processing, 2014"
    presets = as_published()
    unlike_paper = (
        "R_j averages C_j by its energy, where the paper divides each frame's by its trace; the median is of tr C_j, "
        "where the paper has tr(R_j^-1 C_j); drums, bass and other are cut from the kernels' sources"
    )
    assumption = "Each source has about the same power all over its kernel, and no two sources share one."

    kernels: str = param(
        "percussive+harmonic+repeating+cross", doc="The sources: two or more of the kernels, joined by ``+``."
    )
    iterations: int = param(6, at_least=1, doc="Number of rounds of the backfitting.")
    kernel_size: int = param(17, at_least=1, odd=True, doc="Bins of the percussive and frames of the harmonic kernel.")
    repetitions: int = param(11, at_least=2, unit="frames", doc="Size of the repeating kernel.")
    cross_height: float = param(
        15.0, above=0, unit="Hz", doc="Length of the cross's arms along frequency, at least one bin."
    )
    cross_width: float = param(
        0.02, above=0, unit="s", doc="Length of the cross's arms along time, at least one frame."
    )
    min_period = 1.0
    max_period = 10.0
    vocals_cutoff: float = param(
        100.0, at_least=0, unit="Hz", doc="Frequency below which the cross has no power; 0 for none."
    )
    bass_cutoff: float = param(250.0, at_least=0, unit="Hz", doc="Crossover of bass and other; 0 for no bass.")
    mask = "multichannel"
    power = 2.0

    def setup(self) -> None:
        super().setup()
        self._chosen = tuple(self.kernels.split("+"))
        if len(self._chosen) < 2 or len(set(self._chosen)) < len(self._chosen) or not set(self._chosen) <= set(KERNELS):
            self.refuse("kernels", f"two or more of {', '.join(KERNELS)} with +")

    def produces(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        return tuple(t for t in super().produces(targets, track) if _KERNELS_OF[t] & set(self._chosen))

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        sources = self.components(mixture, sample_rate)
        stems: Stems = {}
        if "cross" in sources:
            stems |= {"vocals": sources["cross"], "accompaniment": mixture - sources["cross"]}
        if "percussive" in sources:
            stems["drums"] = sources["percussive"]
            if "repeating" in sources:
                # Strokes repeat, too: the repeating kernel has seen them as well.
                strokes = HPSS(kernel_size=self.kernel_size).percussive(sources["repeating"], self.stft)
                stems["drums"] += strokes
                sources["repeating"] -= strokes
        tonal = [sources[kernel] for kernel in ("harmonic", "repeating") if kernel in sources]
        if tonal:
            rest = sum(tonal[1:], start=tonal[0])
            bass = low_pass(rest, sample_rate, self.bass_cutoff, self.stft)
            stems |= {"bass": bass, "other": rest - bass}
        return stems

    def components(self, mixture: Audio, sample_rate: int) -> dict[str, Audio]:
        """Estimate what each kernel sees as its source.

        Parameters
        ----------
        mixture : (channels, samples) float32
        sample_rate : int
            Hz.

        Returns
        -------
        dict of str to array of the mixture's shape
            One for each kernel, in the chosen order; their sum is the mixture.
        """
        x = self.stft.forward(mixture)
        smoothers = self._smoothers(x, sample_rate)
        powers = _first_powers(x, len(smoothers))
        if "cross" in self._chosen:
            low = self.stft.frequencies(sample_rate) < self.vocals_cutoff
            powers[self._chosen.index("cross")][low] = 0.0
        covariances = backfit(x, powers, smoothers, self.iterations)
        # The first estimate is written over the mixture and the last one follows as a difference, to save memory.
        others = [np.empty_like(x) for _ in self._chosen[1:-1]]
        if self.mask == "multichannel":
            filtered = wiener_blocks(x, powers, covariances)
        else:
            filtered = filter_blocks(x, [np.sqrt(power, out=power).T[None] for power in powers], self.mask, self.power)
        for part, (first, *further) in filtered:
            for other, estimate in zip(others, further, strict=False):
                other[part] = estimate
            x[part] = first
        spectrograms = dict(zip(self._chosen, [x, *others], strict=False))
        out = {kernel: self.stft.inverse(y, mixture.shape[-1]) for kernel, y in spectrograms.items()}
        return out | {self._chosen[-1]: mixture - sum(out.values())}

    def _smoothers(self, x: Spectrogram, sample_rate: int) -> list[Smoother]:
        """Return the median over each chosen kernel."""
        height = max(1, round(self.cross_height * self.n_fft / sample_rate))
        width = max(1, round(self.cross_width * sample_rate / self.hop))
        medians: dict[str, Smoother] = {
            "percussive": lambda power: running_median(power, self.kernel_size, axis=-2),
            "harmonic": lambda power: running_median(power, self.kernel_size, axis=-1),
            "cross": lambda power: cross_median(power, height, width),
        }
        if "repeating" in self._chosen:
            spectrum = beat_spectrum(np.abs(x))
            period = repeating_period(spectrum, sample_rate / self.hop, self.min_period, self.max_period)
            index = comb(x.shape[1], comb_lags(spectrum, period), self.repetitions)
            medians["repeating"] = lambda power: median_of_columns(power, index)
        return [medians[kernel] for kernel in self._chosen]


def comb_lags(spectrum: NDArray[np.float64], period: int) -> NDArray[np.intp]:
    """Return the peaks of a beat spectrum at the multiples of a period, 0 first.

    Each is sought within a frame of one period after the last, so that a period between two whole numbers of frames is
    followed, too.

    Parameters
    ----------
    spectrum : (frames,)
    period : int
        In frames, at least 1.
    """
    lags = [0]
    while lags[-1] + period + 1 < len(spectrum):
        near = lags[-1] + period
        lags.append(max(near - 1 + int(np.argmax(spectrum[near - 1 : near + 2])), lags[-1] + 1))
    return np.array(lags, dtype=np.intp)


def comb(frames: int, lags: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return frames that lie one of the lags before or after each frame, near the ends more from the other side.

    Parameters
    ----------
    frames : int
    lags : (lags,)
        Rising, 0 first.
    count : int
        How many frames; fewer where the song has fewer repetitions.

    Returns
    -------
    (count, frames) of indices
    """
    own = np.arange(frames)
    before = np.searchsorted(lags, own, side="right") - 1
    after = np.searchsorted(lags, frames - 1 - own, side="right") - 1
    count = min(count, 1 + int(np.min(before + after)))
    first = np.maximum(-before, np.minimum(-(count // 2), after - (count - 1)))
    steps = first + np.arange(count)[:, None]
    return np.asarray(own + np.sign(steps) * lags[np.abs(steps)])


def median_of_columns(power: NDArray[np.float32], index: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return `mss_bench.dsp.median.median_of_frames` of ``(bins, frames)``, some bins at a time to save memory."""
    out = np.empty_like(power)
    for first in range(0, len(power), 128):
        out[first : first + 128] = median_of_frames(np.ascontiguousarray(power[first : first + 128].T), index).T
    return out


def cross_median(power: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return the median over a cross of `height` bins and `width` frames to either side, mirrored at the edges.

    Parameters
    ----------
    power : (bins, frames)
    height, width : int
        At least 0.
    """
    frames = power.shape[1]
    out = np.empty_like(power)
    padded = np.pad(power, ((height, height), (width, width)), mode="symmetric")
    for first in range(0, len(power), _ROWS):
        rows = min(_ROWS, len(power) - first)
        block = padded[first : first + rows + 2 * height]
        arms = [block[height + k : height + k + rows, width : width + frames] for k in range(-height, height + 1)]
        arms += [block[height : height + rows, width + k : width + k + frames] for k in range(-width, width + 1) if k]
        out[first : first + rows] = median_of_arrays(arms)
    return out


def _first_powers(x: Spectrogram, sources: int) -> list[NDArray[np.float32]]:
    """Return an equal share of the mixture's power for each source."""
    power = np.zeros(x.shape[1:], dtype=np.float32)
    for channel in x:
        power += np.square(np.abs(channel))
    power *= np.float32(1.0 / (len(x) * sources))
    return [np.ascontiguousarray(power.T) for _ in range(sources)]
