"""KAM: a source is known by the places where its spectrogram looks alike."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.dsp.backfitting import Smoother, backfit, wiener_blocks
from mss_bench.dsp.crossover import low_pass
from mss_bench.dsp.filters import MASKS, channel_groups, filter_blocks
from mss_bench.dsp.median import median_of_arrays, median_of_frames, running_median
from mss_bench.dsp.stft import STFT, Spectrogram
from mss_bench.errors import ConfigError
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_choice, require_number, require_whole
from mss_bench.separators.hpss import split_percussive
from mss_bench.separators.repet import beat_spectrum, repeating_period

__all__ = ["KAM", "KERNELS", "comb", "comb_lags", "cross_median"]

KERNELS = ("percussive", "harmonic", "repeating", "cross")
"""The kernels of `KAM`: what they see as one source."""


_ROWS = 16
"""Bins whose crosses are done at a time: their arms stay near a second-level cache."""


class KAM(Separator):
    """Kernel additive modelling with backfitting.

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

    Parameters
    ----------
    kernels : str
        Two or more of percussive, harmonic, repeating and cross, joined by ``+``: the sources.
    iterations : int
        Of the backfitting, at least 1.
    kernel_size : int
        Bins of the percussive and frames of the harmonic kernel; odd.
    repetitions : int
        Frames of the repeating kernel.
    cross_height, cross_width : float
        Hz and s to either side, at least one bin and one frame; above 0.
    min_period, max_period : float
        Range of the period in seconds; above 0, ``min_period <= max_period``.
    vocals_cutoff, bass_cutoff : float
        Hz; 0 for none.
    mask : str
        The last filter, see `mss_bench.dsp.filters`: binary, soft, wiener or multichannel (the one above).
    power : float
        Exponent of ``soft``, above 0; 2 shares by f_j.
    n_fft, hop : int
        Samples.

    References
    ----------
    .. [1] A. Liutkus, D. FitzGerald, Z. Rafii, B. Pardo and L. Daudet, "Kernel additive models for source separation",
       IEEE Trans. Signal Processing 62(16), 2014.
    """

    name = "kam"
    family = "kernel"
    target_sets = (("vocals", "drums", "bass", "other"), ("vocals", "accompaniment"))
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "A. Liutkus et al., Kernel additive models for source separation, IEEE Trans. Signal Processing, 2014"
    assumption = "Each source has about the same power all over its kernel, and no two sources share one."

    def __init__(
        self,
        kernels: str = "percussive+harmonic+repeating+cross",
        iterations: int = 6,
        kernel_size: int = 17,
        repetitions: int = 11,
        cross_height: float = 15.0,
        cross_width: float = 0.02,
        min_period: float = 1.0,
        max_period: float = 10.0,
        vocals_cutoff: float = 100.0,
        bass_cutoff: float = 250.0,
        mask: str = "multichannel",
        power: float = 2.0,
        n_fft: int = 4096,
        hop: int = 1024,
    ) -> None:
        chosen = kernels.split("+") if isinstance(kernels, str) else []
        if len(chosen) < 2 or len(set(chosen)) < len(chosen) or not set(chosen) <= set(KERNELS):
            raise ConfigError(f"{self.name}: kernels={kernels!r}; expected two or more of {', '.join(KERNELS)} with +")
        require_whole(self, "iterations", iterations, low=1)
        require_whole(self, "kernel_size", kernel_size, low=1, odd=True)
        require_whole(self, "repetitions", repetitions, low=2)
        require_number(self, "cross_height", cross_height, above=0, unit="Hz")
        require_number(self, "cross_width", cross_width, above=0, unit="s")
        require_number(self, "min_period", min_period, above=0, unit="s")
        require_number(self, "max_period", max_period, low=min_period, unit="s")
        require_number(self, "vocals_cutoff", vocals_cutoff, low=0, unit="Hz")
        require_number(self, "bass_cutoff", bass_cutoff, low=0, unit="Hz")
        require_choice(self, "mask", mask, MASKS)
        require_number(self, "power", power, above=0)
        require_whole(self, "n_fft", n_fft, low=2)
        require_whole(self, "hop", hop, low=1)
        self.kernels, self.iterations = kernels, iterations
        self.kernel_size, self.repetitions = kernel_size, repetitions
        self.cross_height, self.cross_width = cross_height, cross_width
        self.min_period, self.max_period = min_period, max_period
        self.vocals_cutoff, self.bass_cutoff = vocals_cutoff, bass_cutoff
        self.mask, self.power, self.n_fft, self.hop = mask, power, n_fft, hop
        self._stft, self._chosen = STFT(n_fft, hop), tuple(chosen)

    def produces(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        return tuple(target for target in super().produces(targets, track) if target in self._delivered())

    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
    ) -> Stems:
        sources = self.components(mixture, sample_rate)
        stems: Stems = {}
        if "cross" in sources:
            stems |= {"vocals": sources["cross"], "accompaniment": mixture - sources["cross"]}
        if "percussive" in sources:
            stems["drums"] = sources["percussive"]
            if "repeating" in sources:
                strokes = self._strokes(sources["repeating"])
                stems["drums"] += strokes
                sources["repeating"] -= strokes
        tonal = [sources[kernel] for kernel in ("harmonic", "repeating") if kernel in sources]
        if tonal:
            rest = sum(tonal[1:], start=tonal[0])
            bass = low_pass(rest, sample_rate, self.bass_cutoff, self._stft)
            stems |= {"bass": bass, "other": rest - bass}
        return stems

    def _strokes(self, signal: Audio) -> Audio:
        """The percussive part of what repeats."""
        out, nothing = np.empty_like(signal), np.empty(0, dtype=np.float32)
        for part in channel_groups(len(signal), "soft"):
            out[part], _ = split_percussive(signal[part], self._stft, self.kernel_size, "soft", 2.0, nothing)
        return out

    def components(self, mixture: Audio, sample_rate: int) -> dict[str, Audio]:
        """What each kernel sees as its source.

        Parameters
        ----------
        mixture : (channels, samples) float32
        sample_rate : int
            Hz.

        Returns
        -------
        dict of str to array of the mixture's shape
            By kernel, in the chosen order; their sum is the mixture.
        """
        x = self._stft.forward(mixture)
        smoothers = self._smoothers(x, sample_rate)
        powers = _first_powers(x, len(smoothers))
        if "cross" in self._chosen:
            low = self._stft.frequencies(sample_rate) < self.vocals_cutoff
            powers[self._chosen.index("cross")][low] = 0.0
        covariances = backfit(x, powers, smoothers, self.iterations)
        # The first estimate is written over the mixture and the last one follows as a difference, to save memory.
        others = [np.empty_like(x) for _ in self._chosen[1:-1]]
        for part, (first, *further) in self._filtered(x, powers, covariances):
            for other, estimate in zip(others, further, strict=False):
                other[part] = estimate
            x[part] = first
        spectrograms = dict(zip(self._chosen, [x, *others], strict=False))
        out = {kernel: self._stft.inverse(one, mixture.shape[-1]) for kernel, one in spectrograms.items()}
        return out | {self._chosen[-1]: mixture - sum(out.values())}

    def _filtered(
        self, x: Spectrogram, powers: list[NDArray[np.float32]], covariances: list[NDArray[np.complex128]]
    ) -> Iterator[tuple[tuple[slice, slice, slice], list[Spectrogram]]]:
        if self.mask == "multichannel":
            return wiener_blocks(x, powers, covariances)
        return filter_blocks(x, [np.sqrt(power, out=power).T[None] for power in powers], self.mask, self.power)

    def _smoothers(self, x: Spectrogram, sample_rate: int) -> list[Smoother]:
        """The median over each chosen kernel."""
        height = max(1, round(self.cross_height * self.n_fft / sample_rate))
        width = max(1, round(self.cross_width * sample_rate / self.hop))
        made: dict[str, Smoother] = {
            "percussive": lambda power: running_median(power, self.kernel_size, axis=-2),
            "harmonic": lambda power: running_median(power, self.kernel_size, axis=-1),
            "cross": lambda power: cross_median(power, height, width),
        }
        if "repeating" in self._chosen:
            index = self._repetitions(x, sample_rate / self.hop)
            made["repeating"] = lambda power: median_of_columns(power, index)
        return [made[kernel] for kernel in self._chosen]

    def _repetitions(self, x: Spectrogram, frame_rate: float) -> NDArray[np.intp]:
        spectrum = beat_spectrum(np.abs(x))
        lags = comb_lags(spectrum, repeating_period(spectrum, frame_rate, self.min_period, self.max_period))
        return comb(x.shape[1], lags, self.repetitions)

    def _delivered(self) -> tuple[str, ...]:
        tonal = {"harmonic", "repeating"} & set(self._chosen)
        return (
            *(("vocals", "accompaniment") if "cross" in self._chosen else ()),
            *(("drums",) if "percussive" in self._chosen else ()),
            *(("bass", "other") if tonal else ()),
        )


def comb_lags(spectrum: NDArray[np.float64], period: int) -> NDArray[np.intp]:
    """The peaks of a beat spectrum at the multiples of a period, 0 first.

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
    """Frames that lie one of the lags before or after each frame; near the ends more are taken from the other side.

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
    """`mss_bench.dsp.median.median_of_frames` of ``(bins, frames)``."""
    out = np.empty_like(power)
    for first in range(0, len(power), 128):
        out[first : first + 128] = median_of_frames(np.ascontiguousarray(power[first : first + 128].T), index).T
    return out


def cross_median(power: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Median over a cross: the `height` bins and the `width` frames to either side of each, mirrored at the edges.

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
    """An equal share of the mixture's power for each source."""
    power = np.zeros(x.shape[1:], dtype=np.float32)
    for channel in x:
        power += np.square(np.abs(channel))
    power *= np.float32(1.0 / (len(x) * sources))
    return [np.ascontiguousarray(power.T) for _ in range(sources)]
