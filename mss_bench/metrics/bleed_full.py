"""Bleedless and fullness: what an estimate has too much of, and what it lacks.

With the mel spectrograms of estimate and reference in dB and D their difference,

    bleedless = 100 / (1 + mean of D where D > 0),    fullness = 100 / (1 + |mean of D where D < 0|).

Spectrograms are magnitudes of centred FFTs of 4096 samples, hop 1024, periodic Hann window, padded with zeros; 512 mel
bands of Slaney's form and norm from 0 Hz to half of 44.1 kHz; 20 log10, at least 1e-10, and at most 80 dB below the
signal's own greatest value. Each mean is over the bins of its own sign in all channels; where there is none it is 0 and
the value 100. Because of the 80 dB, a gain on the estimate shows as if it were bleed or loss in silent bins as well.

Audio of another rate is resampled to 44.1 kHz. Silent references and estimates have values.

References
----------
R. Solovyev (ZFTurbo): Music-Source-Separation-Training, https://github.com/ZFTurbo/Music-Source-Separation-Training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._magnitudes import Magnitudes, hann
from mss_bench.metrics._resample import at_rate
from mss_bench.metrics._signals import Floats, Samples
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.presets import resolve

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["BleedFull", "BleedFullState", "mel_weights"]

RATE = 44100
_LEAST = 1e-10


@dataclass(frozen=True)
class BleedFullState:
    """References of a track, as given, with their spectrograms in dB: 0.35 MB a second of stereo for each."""

    references: dict[str, Samples]
    sample_rate: int
    spectrograms: dict[str, NDArray[np.float32]]


class BleedFull(Metric):
    """Excess and lack of an estimate's mel spectrogram, of a whole song.

    Parameters
    ----------
    preset : {"zfturbo"}, optional
    n_fft, hop : int, optional
        Samples at 44.1 kHz. Default 4096 and 1024.
    n_mels : int, optional
        Mel bands. Default 512.
    top_db : float, optional
        Range below each signal's greatest value that counts, above 0. Default 80.

    Raises
    ------
    ConfigError
        A parameter out of its range.
    """

    name = "bleed_full"
    version = "1"
    quantities = (
        Quantity(
            "Bleedless",
            "",
            True,
            "100 / (1 + mean of D > 0), D = difference of mel spectrograms in dB",
            least=0,
            most=100,
        ),
        Quantity(
            "Fullness",
            "",
            True,
            "100 / (1 + |mean of D < 0|), D = difference of mel spectrograms in dB",
            least=0,
            most=100,
        ),
    )
    citation = "R. Solovyev: Music-Source-Separation-Training, https://github.com/ZFTurbo, 2023"
    caution = (
        "They are named after what they are read as: any excess is bleed, reverberation and noise too, any lack is "
        "lost fullness. A gain counts as either, and bins 80 dB below the peak count as much as the loudest."
    )

    def __init__(
        self,
        *,
        preset: str | None = None,
        n_fft: int | None = None,
        hop: int | None = None,
        n_mels: int | None = None,
        top_db: float | None = None,
    ) -> None:
        given = {"n_fft": n_fft, "hop": hop, "n_mels": n_mels, "top_db": top_db}
        values, self.preset = resolve(self.name, preset, given)
        if values["n_mels"] < 1:
            raise ConfigError(f"bleed_full: n_mels is {values['n_mels']!r}, expected at least 1")
        if not values["top_db"] > 0:
            raise ConfigError(f"bleed_full: top_db is {values['top_db']!r}, expected a number above 0")
        self.n_mels: int = values["n_mels"]
        self.top_db: float = values["top_db"]
        self._magnitudes = Magnitudes(values["n_fft"], values["hop"], hann(values["n_fft"], values["n_fft"]), "zeros")

    def prepare(self, track: TrackAudio, group: TargetGroup) -> BleedFullState:
        """Mel spectrograms of the references.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored.
        """
        references = checked_references(track, group)
        spectrograms = {t: self._spectrogram(array, track.sample_rate) for t, array in references.items()}
        return BleedFullState(references, track.sample_rate, spectrograms)

    def score(self, state: BleedFullState, estimates: Stems) -> list[Score]:
        """Bleedless and fullness of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN gives NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        scores = []
        for target in (t for t in state.references if t in estimates):
            values, reason = (np.nan, np.nan), spoiled.get(target, "")
            if not reason:
                difference = self._spectrogram(estimates[target], state.sample_rate) - state.spectrograms[target]
                values = _mapped(difference, difference > 0), _mapped(difference, difference < 0)
            for quantity, value in zip(self.quantities, values, strict=True):
                scores.append(Score(target, quantity.name, np.array([value]), reason=reason))
        return scores

    def _spectrogram(self, array: Samples, sample_rate: int) -> NDArray[np.float32]:
        """Mel spectrogram ``(channels, bands, frames)`` in dB."""
        resampled = at_rate(array, sample_rate, RATE)
        weights = mel_weights(RATE, self._magnitudes.n_fft, self.n_mels)
        n_frames = self._magnitudes.frames(resampled.shape[1])
        out = np.empty((len(resampled), self.n_mels, n_frames), dtype=np.float32)
        for channel, samples in enumerate(resampled):
            first = 0
            for block in self._magnitudes.blocks(samples):
                mel = np.maximum(weights @ block.T, _LEAST)
                out[channel, :, first : first + len(block)] = 20 * np.log10(mel)
                first += len(block)
        np.maximum(out, out.max() - np.float32(self.top_db), out=out)
        return out


def _mapped(difference: NDArray[np.float32], chosen: NDArray[np.bool_]) -> float:
    count = np.count_nonzero(chosen)
    mean = abs(float(difference.sum(dtype=np.float64, where=chosen))) / count if count else 0.0
    return 100 / (1 + mean)


def mel_weights(sample_rate: int, n_fft: int, n_mels: int) -> csr_array:
    """Slaney's mel filter bank ``(n_mels, n_fft // 2 + 1)``: triangles of equal area on a mel scale.

    The scale is linear up to 1 kHz (200/3 Hz a mel) and logarithmic above (27 mel a factor of 6.4).
    """
    from scipy.sparse import csr_array

    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(sample_rate / 2), n_mels + 2))
    slopes = edges[:, np.newaxis] - np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    widths = np.diff(edges)[:, np.newaxis]
    triangles = np.maximum(0.0, np.minimum(-slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]))
    return csr_array(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis])


_LINEAR, _KNEE, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    return hz / _LINEAR if hz < _KNEE else _KNEE / _LINEAR + float(np.log(hz / _KNEE)) / _STEP


def _mel_to_hz(mel: Floats) -> Floats:
    knee = _KNEE / _LINEAR
    return np.where(mel < knee, mel * _LINEAR, _KNEE * np.exp(_STEP * (mel - knee)))
