"""What is wrong with an estimate, as signals: the decomposition that PEASS grades.

    estimate = target + target distortion + interference + artifacts,

each of which can be listened to, exported, or used as a stimulus. The error of an estimate is explained, in every
subband and every stretch of time, by the least-squares sum of short filters applied to the true sources: what the
target's own filter gives is its distortion, what those of the other sources give is interference, and what no filter
gives are artifacts [1]_. Filters act within a channel.

- *Subbands.* A filterbank of complex gammatone-shaped filters of fourth order, one every equivalent rectangular
  bandwidth (ERB) [2]_, cut off where they are 40 dB down and sampled at their width. It is a painless nonstationary
  Gabor frame [3]_ and gives back the signal to rounding, which an infinite gammatone would not.
- *Time.* Stretches of half a second with half of it as hop and sine windows, longer ones in narrow bands.
- *Filters.* As many taps, centred on 0, as 5 % of what a stretch can tell apart allow, at least one, at most 40 ms:
  more would explain noise by chance.

PEASS as published uses other stretches, taps and filters in detail; the numbers of its toolbox come from
`mss_bench.metrics.perceptual.peass`.

References
----------
.. [1] V. Emiya, E. Vincent, N. Harlander, V. Hohmann: Subjective and objective quality assessment of audio source
   separation. IEEE Trans. Audio, Speech, Lang. Process. 19 (2011).
.. [2] B. Glasberg, B. Moore: Derivation of auditory filter shapes from notched-noise data. Hear. Res. 47 (1990).
.. [3] P. Balazs, M. Doerfler, F. Jaillet, N. Holighaus, G. Velasco: Theory, implementation and applications of
   nonstationary Gabor frames. J. Comput. Appl. Math. 236 (2011).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics.perceptual.subbands import filterbank
from mss_bench.metrics.perceptual.subspace import explain

__all__ = ["Components", "decompose"]

_PIECE = 30.0  # seconds that are worked on at a time
_OVERLAP = 1.0  # seconds in which one piece fades into the next


@dataclass(frozen=True)
class Components:
    """An estimate in parts, each ``(channels, samples)`` float64; they add up to it.

    Parameters
    ----------
    target : the true source
    target_distortion : what a filtering of it adds
    interference : what comes of the other sources
    artifacts : the rest
    """

    target: Floats
    target_distortion: Floats
    interference: Floats
    artifacts: Floats

    @property
    def estimate(self) -> Floats:
        """Return their sum."""
        return self.target + self.target_distortion + self.interference + self.artifacts


def decompose(target: Samples, others: dict[str, Samples], estimate: Samples, sample_rate: int) -> Components:
    """Split an estimate into its parts.

    Parameters
    ----------
    target : (channels, samples) float array
        The true source.
    others : dict of str to (channels, samples) float array
        The other sources of the mixture.
    estimate : (channels, samples) float array
    sample_rate : int
        Hz.

    Returns
    -------
    Components

    Raises
    ------
    AudioError
        Arrays of other shapes than the target's, or not ``(channels, samples)``.
    ConfigError
        A sample rate that is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> target, other = np.random.default_rng(0).standard_normal((2, 1, 16000))
    >>> parts = decompose(target, {"other": other}, 0.5 * target, 16000)
    >>> bool(np.sum(parts.target_distortion**2) > 0.99 * np.sum((0.5 * target) ** 2))
    True
    """
    if target.ndim != 2 or 0 in target.shape:
        raise AudioError(f"the target has shape {target.shape}, expected (channels, samples)")
    for name, array in {"the estimate": estimate, **{f"source {name!r}": s for name, s in others.items()}}.items():
        if array.shape != target.shape:
            raise AudioError(f"{name} has shape {array.shape}, expected the target's {target.shape}")
    if sample_rate <= 0:
        raise ConfigError(f"the sample rate is {sample_rate} Hz, expected a positive number")
    true = np.asarray(target, dtype=np.float64)
    error = np.asarray(estimate, dtype=np.float64) - true
    distortion, interference = np.zeros_like(true), np.zeros_like(true)
    for span, fade in _pieces(true.shape[1], sample_rate):
        for channel in range(len(true)):
            sources = np.stack([s[channel, span] for s in (true, *others.values())]).astype(np.float64)
            own, foreign = _piece(sources, error[channel, span] * fade, sample_rate)
            distortion[channel, span] += own
            interference[channel, span] += foreign
    return Components(true, distortion, interference, error - distortion - interference)


def _pieces(samples: int, sample_rate: int) -> Iterator[tuple[slice, Floats]]:
    """Yield spans of some 30 s, with weights that fade from one to the next and add up to 1: memory does not grow."""
    length, overlap = round(_PIECE * sample_rate), round(_OVERLAP * sample_rate)
    count = max(1, samples // length)
    for index in range(count):
        start = max(0, index * length - overlap)
        stop = samples if index == count - 1 else (index + 1) * length
        fade = np.ones(stop - start)
        rise = np.sin(np.pi / 2 * (np.arange(overlap) + 0.5) / overlap) ** 2
        if index > 0:
            fade[:overlap] = rise
        if index < count - 1:
            fade[len(fade) - overlap :] = rise[::-1]
        yield slice(start, stop), fade


def _piece(sources: Floats, error: Floats, sample_rate: int) -> tuple[Floats, Floats]:
    """Return target distortion and interference ``(samples,)`` in one channel; the first source is the target."""
    from scipy import fft

    samples = len(error)
    if not error.any():
        return np.zeros(samples), np.zeros(samples)
    # room for the filters' ringing, so that the end does not meet the beginning
    n = fft.next_fast_len(samples + sample_rate // 5, real=True)
    spectra, spectrum = fft.rfft(sources, n, axis=1), fft.rfft(error, n)
    parts = np.zeros((2, n // 2 + 1), dtype=np.complex128)
    for band in filterbank(n, sample_rate):
        own, foreign = explain(band.analyse(spectra), band.analyse(spectrum[None])[0], band.rate, band.width)
        parts[0, band.bins] += band.synthesise(own)
        parts[1, band.bins] += band.synthesise(foreign)
    distortion, interference = fft.irfft(parts, n, axis=1)[:, :samples]
    return distortion, interference
