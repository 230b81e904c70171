"""The fundamental frequency of a melody.

Two trackers behind one call, `track_f0`:

``salience``
    Right for mixtures, too. Each frame gives a salience to every candidate f0, by its harmonics' strength; the melody
    is the path through the candidates with the most salience and the fewest leaps. See `salience_f0`.
``pyin``
    Probabilistic YIN [1]_ by librosa: for one voice, or one that is louder than all else.

References
----------
.. [1] M. Mauch and S. Dixon, "pYIN: A fundamental frequency estimator using probabilistic threshold distributions",
   Proc. ICASSP, 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from mss_bench.core import audio
from mss_bench.dsp.masks import ratio, soft_masks
from mss_bench.dsp.median import running_median
from mss_bench.dsp.peaks import Peaks, find_peaks
from mss_bench.dsp.stft import STFT
from mss_bench.errors import MissingDependencyError

__all__ = ["F0_METHODS", "F0Track", "pyin_f0", "require_pyin", "salience_f0", "track_f0"]

F0_METHODS = ("salience", "pyin")
"""What the parameter `f0` of a method may be."""

_HOP = 0.01  # seconds between frames
_STEPS = 60  # candidates an octave: one every 20 cents
_HIGHEST = 5500.0  # Hz; above, peaks say little about f0
_FRAMES = (0.046, 0.093)  # seconds: the short one follows vibrato, the long one resolves low voices
_LEAP, _LONGEST_LEAP = 1.5, 4.0  # what a leap costs: for each semitone, and at most; a strong frame's salience is 1
_VOICED = 0.4  # share of the salience of strong frames from which on a frame is voiced


@dataclass(frozen=True)
class F0Track:
    """Hold a fundamental frequency over time.

    Parameters
    ----------
    hop : float
        Seconds between values; the first is at 0.
    hertz : (values,) float64
        0 where there is no voiced sound.
    """

    hop: float
    hertz: NDArray[np.float64]

    @property
    def times(self) -> NDArray[np.float64]:
        """Return the times of the values in seconds."""
        return np.arange(self.hertz.size, dtype=np.float64) * np.float64(self.hop)

    def at(self, times: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return values at other times: between voiced neighbours in a line, 0 where the nearer one is unvoiced."""
        voiced = np.interp(times, self.times, (self.hertz > 0).astype(np.float64))
        hertz = np.interp(times, self.times, self.hertz)
        return np.asarray(np.divide(hertz, voiced, out=np.zeros_like(hertz), where=voiced >= 0.5))


def track_f0(
    signal: NDArray[np.floating[Any]],
    sample_rate: int,
    method: str = "salience",
    low: float = 80.0,
    high: float = 800.0,
) -> F0Track:
    """Track the melody of a signal.

    Parameters
    ----------
    signal : (samples,)
    sample_rate : int
        Hz.
    method : str
        One of `F0_METHODS`.
    low, high : float
        Range of f0 in Hz.

    Raises
    ------
    MissingDependencyError
        ``pyin`` without librosa.
    """
    return (salience_f0 if method == "salience" else pyin_f0)(signal, sample_rate, low, high)


def require_pyin() -> None:
    """Raise an error where librosa is absent.

    Raises
    ------
    MissingDependencyError
        It says how to install it.
    """
    from importlib.util import find_spec

    if find_spec("librosa") is None:
        raise MissingDependencyError("librosa", "f0=pyin", "pip install 'mss-bench[pitch]'")


def pyin_f0(signal: NDArray[np.floating[Any]], sample_rate: int, low: float = 80.0, high: float = 800.0) -> F0Track:
    """Track the f0 by pYIN, with librosa's defaults at 22.05 kHz: frames of 93 ms every 12 ms.

    Parameters
    ----------
    signal, sample_rate, low, high
        As for `track_f0`.

    Raises
    ------
    MissingDependencyError
        Without librosa.
    """
    require_pyin()
    import librosa

    rate, frame, hop = 22050, 2048, 256
    resampled = audio.resample(np.asarray(signal, dtype=np.float32)[None], sample_rate, rate)[0]
    resampled = ratio(resampled, np.max(np.abs(resampled), initial=0.0))  # librosa compares levels with absolute ones
    if not np.ptp(resampled):  # a constant has no f0
        return F0Track(hop / rate, np.zeros(1 + resampled.size // hop))
    with np.errstate(invalid="ignore"):  # NumPy 2.5 warns of the empty arrays that ufuncs of numba write into
        hertz, _, _ = librosa.pyin(
            resampled, fmin=low, fmax=high, sr=rate, frame_length=frame, hop_length=hop, fill_na=0.0
        )
    return F0Track(hop / rate, np.asarray(hertz, dtype=np.float64))


def salience_f0(signal: NDArray[np.floating[Any]], sample_rate: int, low: float = 80.0, high: float = 800.0) -> F0Track:
    """Track the melody by harmonic summation and the Viterbi algorithm.

    From the spectral peaks of a frame (frequencies f_i, amplitudes a_i relative to the frame's greatest), with g a bump
    of 50 cents to either side and 20 harmonics,

        S(f0) = sum_h 0.8^(h-1) sum_i a_i^0.7 [g(f_i / (h f0)) - g(f_i / ((h + 1/2) f0)) / 2]:

    harmonic summation [1]_, [2]_, from which peaks half way between the harmonics are taken, since an f0 an octave too
    low has its harmonics there, too. S is the sum over frames of 46 and of 93 ms, and over the signal as it is and with
    its steady parts taken out by a median filter on frames of 0.37 s: a voice is hardly ever steady for so long, chords
    and basses are [3]_. The melody is the path with the greatest sum of S (1 in a strong frame) less 1.5 for each
    semitone that f0 moves from frame to frame, at most 4. It is voiced where the salience along it, with amplitudes
    relative to the signal's greatest, is above 0.4 of what it is in the signal's strong parts. At last f0 is refined
    from the peaks that are its harmonics.

    Parameters
    ----------
    signal, sample_rate, low, high
        As for `track_f0`.

    References
    ----------
    .. [1] A. Klapuri, "Multiple fundamental frequency estimation by summing harmonic amplitudes", Proc. ISMIR, 2006.
    .. [2] J. Salamon and E. Gómez, "Melody extraction from polyphonic music signals using pitch contour
       characteristics", IEEE Trans. Audio, Speech, and Language Processing 20(6), 2012.
    .. [3] H. Tachibana, N. Ono and S. Sagayama, "Singing voice enhancement in monaural music signals based on
       two-stage harmonic/percussive sound separation on multiple resolution spectrograms", IEEE/ACM Trans. Audio,
       Speech, and Language Processing 22(1), 2014.
    """
    hop = max(1, round(_HOP * sample_rate))
    frames = signal.size // hop + 1
    grid = _Grid(low, high)
    relative, absolute = np.zeros((frames, grid.candidates)), np.zeros((frames, grid.candidates))
    heard: list[Peaks] = []
    for part in (signal, _without_steady(signal, sample_rate)):
        by_frame, by_signal = np.zeros_like(relative), np.zeros_like(absolute)
        for seconds in _FRAMES:
            n_fft = power_of_two(seconds, sample_rate)
            peaks = find_peaks(part, sample_rate, n_fft=n_fft, hop=hop, frames=frames, highest=_HIGHEST)
            greatest = np.zeros(frames)
            np.maximum.at(greatest, peaks.frame, peaks.amplitude)
            by_frame += grid.salience(peaks, greatest[peaks.frame])
            by_signal += grid.salience(peaks, np.full(peaks.frame.size, greatest.max(initial=0.0)))
            heard.append(peaks)
        relative += by_frame / (2 * _strong(by_frame.max(axis=1)))
        absolute += by_signal / (2 * _strong(by_signal.max(axis=1)))
    path = _best_path(relative, grid)
    voiced = _voicing(absolute[np.arange(frames), path])
    hertz = _refine(grid.hertz[path], heard[0])
    return F0Track(hop / sample_rate, np.where(voiced, hertz, 0.0))


def power_of_two(seconds: float, sample_rate: int) -> int:
    """Return the power of two nearest to a duration in samples, at least 4."""
    return 1 << max(2, round(float(np.log2(seconds * sample_rate))))


class _Grid:
    """Hold the candidates for f0 and, on the same logarithmic grid, where their harmonics lie."""

    harmonics = 20
    decay = 0.8
    compression = 0.7
    between = 0.5
    bump = np.array([0.5, 0.85, 1.0, 0.85, 0.5])

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.candidates = round(_STEPS * float(np.log2(high / low))) + 1
        self.hertz = low * 2.0 ** (np.arange(self.candidates) / _STEPS)
        self.steps = round(_STEPS * float(np.log2(_HIGHEST / low))) + 1

    def salience(self, peaks: Peaks, reference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the salience of every candidate, ``(frames, candidates)``; amplitudes are relative to `reference`."""
        step = np.round(_STEPS * np.log2(np.maximum(peaks.hertz, 1.0) / self.low)).astype(np.int64)
        weight = (peaks.amplitude / np.where(reference > 0, reference, 1.0)) ** self.compression
        inside = (step >= 0) & (step < self.steps)
        cells = peaks.frame[inside] * self.steps + step[inside]
        spectrum = np.bincount(cells, weight[inside], minlength=peaks.frames * self.steps).reshape(-1, self.steps)
        total = np.zeros((peaks.frames, self.candidates))
        for h in range(1, self.harmonics + 1):
            share = self.decay ** (h - 1)
            self._add(total, spectrum, h, share)
            self._add(total, spectrum, h + 0.5, -self.between * share)
        # All harmonics have the same bump on a logarithmic grid, so that it can be put on at the end.
        return np.asarray(convolve1d(total, self.bump, axis=1, mode="constant"))

    def _add(self, total: NDArray[np.float64], spectrum: NDArray[Any], multiple: float, share: float) -> None:
        shift = round(_STEPS * float(np.log2(multiple)))
        count = min(self.candidates, self.steps - shift)
        if count > 0:
            total[:, :count] += share * spectrum[:, shift : shift + count]


def _without_steady(signal: NDArray[np.floating[Any]], sample_rate: int) -> NDArray[np.floating[Any]]:
    """Return the signal without what lasts on one frequency: the percussive part on frames of 0.37 s."""
    n_fft = power_of_two(0.37, sample_rate)
    stft = STFT(n_fft, n_fft // 8)
    spectrogram = stft.forward(signal[None])
    magnitude = np.abs(spectrogram)
    along_time, along_frequency = (running_median(magnitude, 17, axis=axis) for axis in (-2, -1))
    spectrogram *= soft_masks([along_frequency, along_time], 2.0)[0]
    return np.asarray(stft.inverse(spectrogram, signal.size)[0])


def _strong(values: NDArray[np.float64]) -> float:
    """Return what a value is in the strong parts of a signal; 1 where all are 0."""
    return float(np.percentile(values, 95)) or 1.0


def _best_path(salience: NDArray[np.float64], grid: _Grid) -> NDArray[np.int64]:
    """Return the candidate of each frame by the Viterbi algorithm."""
    frames, candidates = salience.shape
    index = np.arange(candidates)
    semitones = 12 / _STEPS * np.abs(index[:, None] - index)
    leap = -np.minimum(_LEAP * semitones, _LONGEST_LEAP).astype(np.float32)
    emission = salience.astype(np.float32)
    origin = np.empty((frames, candidates), dtype=np.int16)
    score = emission[0]
    for frame in range(1, frames):
        total = leap + score  # (to, from)
        origin[frame] = total.argmax(axis=1)
        score = total[index, origin[frame]] + emission[frame]
        score -= score.max()  # in float32 a growing sum would lose the differences
    path = np.empty(frames, dtype=np.int64)
    path[-1] = int(score.argmax())
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = origin[frame, path[frame]]
    return path


def _voicing(salience: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where the salience is strong, smoothed over 0.17 s, since voices do not come and go faster."""
    window = np.hanning(19)[1:-1]
    smooth = np.convolve(salience, window / window.sum(), mode="same")[: salience.size]
    return np.asarray(smooth > _VOICED * _strong(smooth))


def _refine(coarse: NDArray[np.float64], peaks: Peaks) -> NDArray[np.float64]:
    """Return f0 as the mean of its harmonics' frequencies over their numbers, weighted by amplitude and number."""
    near = coarse[peaks.frame]
    number = np.maximum(1.0, np.round(peaks.hertz / near))
    exact = peaks.hertz / number
    fits = (np.abs(np.log2(exact / near)) < 35 / 1200) & (number <= _Grid.harmonics)
    weight = np.where(fits, peaks.amplitude * number, 0.0)
    total = np.bincount(peaks.frame, weight, minlength=coarse.size)
    mean = np.bincount(peaks.frame, weight * exact, minlength=coarse.size)
    return np.divide(mean, total, out=coarse.copy(), where=total > 0)
