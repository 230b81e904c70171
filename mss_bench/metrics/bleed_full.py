"""Bleedless and fullness: what an estimate has too much of, and what it lacks.

With the mel spectrograms of estimate and reference in dB and D their difference,

    bleedless = 100 / (1 + mean of D where D > 0),    fullness = 100 / (1 + |mean of D where D < 0|).

Spectrograms are magnitudes of centred FFTs of 4096 samples, hop 1024, periodic Hann window, padded with zeros; 512 mel
bands of Slaney's form and norm from 0 Hz to half of 44.1 kHz; 20 log10, at least 1e-10, and at most 80 dB below the
signal's own greatest value. Each mean is over the bins of its own sign in all channels; where there is none it is 0 and
the value 100. Because of the 80 dB, a gain on the estimate shows as if it were bleed or loss in silent bins as well.

Audio of another rate is resampled to 44.1 kHz. Silent estimates have values; references that are silent throughout have
one in the preset ``"zfturbo"`` alone, which applies the formula to anything.

References
----------
R. Solovyev (ZFTurbo): Music-Source-Separation-Training, https://github.com/ZFTurbo/Music-Source-Separation-Training.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Samples
from mss_bench.core.parameters import param
from mss_bench.core.tracks import TrackAudio
from mss_bench.metrics._magnitudes import Magnitudes, hann
from mss_bench.metrics._mel import mel_weights
from mss_bench.metrics._signals import at_rate
from mss_bench.metrics.base import Outcome, Prepared, Quantity, SilentReferences

__all__ = ["BleedFull"]

RATE = 44100
_LEAST = 1e-10

Spectrograms = dict[str, NDArray[np.float32]]
"""In dB, by target: 0.35 MB a second of stereo for each."""


class BleedFull(SilentReferences):
    """Excess and lack of an estimate's mel spectrogram, of a whole song."""

    name = "bleed_full"
    version = "2"
    quantities = (
        Quantity(
            "Bleedless", "", True, "100 / (1 + mean of D > 0), D = difference of mel spectrograms in dB",
            least=0, most=100,
        ),
        Quantity(
            "Fullness", "", True, "100 / (1 + |mean of D < 0|), D = difference of mel spectrograms in dB",
            least=0, most=100,
        ),
    )  # fmt: skip
    citation = "R. Solovyev: Music-Source-Separation-Training, https://github.com/ZFTurbo, 2023"
    caution = (
        "They are named after what they are read as: any excess is bleed, reverberation and noise too, any lack is "
        "lost fullness. A gain counts as either, and bins 80 dB below the peak count as much as the loudest."
    )
    presets: ClassVar = {"default": {}, "zfturbo": {"silent_reference": "scored"}}

    n_fft: int = param(4096, at_least=2, unit="samples", doc="Length of the FFT at 44.1 kHz, an even number.")
    hop: int = param(1024, at_least=1, unit="samples", doc="Step from frame to frame at 44.1 kHz.")
    n_mels: int = param(512, at_least=1, doc="Mel bands.")
    top_db: float = param(
        80.0, above=0, infinite=True, unit="dB", doc="Range below each signal's greatest value that counts."
    )

    def setup(self) -> None:
        self._magnitudes = Magnitudes(self.n_fft, self.hop, hann(self.n_fft, self.n_fft), "zeros")

    def derive(self, track: TrackAudio) -> Spectrograms:
        return {t: self._spectrogram(array, track.sample_rate) for t, array in track.references.items()}

    def measure(self, track: Prepared[Spectrograms], target: str, estimate: Samples) -> Outcome:
        difference = self._spectrogram(estimate, track.sample_rate) - track.derived[target]
        return _mapped(difference, difference > 0), _mapped(difference, difference < 0)

    def _spectrogram(self, array: Samples, sample_rate: int) -> NDArray[np.float32]:
        """Return the mel spectrogram ``(channels, bands, frames)`` in dB."""
        resampled = at_rate(array, sample_rate, RATE)
        weights = mel_weights(RATE, self.n_fft, self.n_mels)
        n_frames = self._magnitudes.frames(resampled.shape[1])
        out = np.empty((len(resampled), self.n_mels, n_frames), dtype=np.float32)
        for channel, samples in enumerate(resampled):
            first = 0
            for block in self._magnitudes.blocks(samples):
                mel = np.maximum(weights @ block.T, _LEAST)
                out[channel, :, first : first + len(block)] = 20 * np.log10(mel)
                first += len(block)
        # Relative to the peak of this very signal, over all its channels: estimate and reference differ in it.
        np.maximum(out, out.max() - np.float32(self.top_db), out=out)
        return out


def _mapped(difference: NDArray[np.float32], chosen: NDArray[np.bool_]) -> float:
    count = np.count_nonzero(chosen)
    mean = abs(float(difference.sum(dtype=np.float64, where=chosen))) / count if count else 0.0
    return 100 / (1 + mean)
