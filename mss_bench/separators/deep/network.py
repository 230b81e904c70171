"""A network whose input and output a manifest describes: everything around the call of the network itself.

mixture -> normalised -> (transform) -> chunks in batches -> layout -> network -> layout -> overlap-add
        -> (masks, filter, inverse transform) -> normalisation undone -> stems
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio, Stems
from mss_bench.dsp.filters import filter_sources
from mss_bench.dsp.stft import Spectrogram
from mss_bench.errors import InvalidOutputError
from mss_bench.separators.deep.manifest import Manifest
from mss_bench.separators.deep.overlap_add import overlap_add

__all__ = ["Network"]

_AXES = {
    "waveform": ("batch", "channels", "samples"),
    "magnitude": ("batch", "channels", "bins", "frames"),
    "complex": ("batch", "channels", "complex", "bins", "frames"),
}


class Network:
    """An adapter around a call.

    Parameters
    ----------
    manifest : Manifest
    call : callable
        The network: an array in the manifest's input layout to one in its output layout.
    device : str
        What the call runs on.
    batch : int
        Chunks in one call.
    """

    def __init__(
        self, manifest: Manifest, call: Callable[[NDArray[Any]], NDArray[Any]], device: str, batch: int = 1
    ) -> None:
        self.manifest, self.device, self._call, self._batch = manifest, device, call, batch

    def separate(self, mixture: Audio, seed: int = 0) -> Stems:
        """The stems of a mixture.

        Parameters
        ----------
        mixture : (channels, samples) float32
            Of the manifest's sample rate and channels; any number of channels where it says 1.
        seed : int
            Not used: such a network has no randomness.

        Raises
        ------
        InvalidOutputError
            The network returned another shape than the manifest says, or NaN.
        """
        shift, scale = normaliser(mixture, self.manifest.normalisation)
        given = (mixture - shift) / scale
        if self.manifest.channels == 1:
            found = np.concatenate([self._stems(channel[None]) for channel in given], axis=1)
        else:
            found = self._stems(given)
        found = found * scale + shift
        return {name: found[k].astype(np.float32, copy=False) for k, name in enumerate(self.manifest.stems)}

    def _stems(self, mixture: Audio) -> NDArray[Any]:
        """Stems of a normalised mixture, ``(stems, channels, samples)``."""
        stft = self.manifest.stft
        if stft is None:
            return self._run(mixture)
        spectrogram = stft.forward(mixture)
        lower = spectrogram[..., : self.manifest.bins]
        estimates = self._estimates(lower)
        return np.stack([stft.inverse(each, mixture.shape[-1]) for each in estimates])

    def _estimates(self, mixture: Spectrogram) -> list[Spectrogram]:
        """Spectrograms ``(channels, frames, bins)`` of the stems."""
        manifest = self.manifest
        x = mixture.transpose(0, 2, 1)
        if manifest.input == "complex":
            found = self._run(np.stack([x.real, x.imag], axis=1))
            parts = np.moveaxis(found, 2, 0)
            # A real mask has one part.
            y = parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
        else:
            y = self._run(np.abs(x))
        y = y.transpose(0, 1, 3, 2)
        if manifest.filter != "direct":
            strength = np.abs(mixture) if manifest.output == "masks" else 1.0
            return filter_sources(mixture, list(np.maximum(y, 0) * strength), manifest.filter, manifest.power)
        if manifest.output == "masks":
            return [mixture * each for each in y]
        if manifest.input == "complex":
            return list(y.astype(mixture.dtype))
        size = np.abs(mixture)
        phase = np.divide(mixture, size, out=np.zeros_like(mixture), where=size > 0)
        return [phase * each for each in y]

    def _run(self, signal: NDArray[Any]) -> NDArray[Any]:
        """What the network makes of a signal of any length, with the stems as its first axis."""
        found = overlap_add(signal, self._batched, self.manifest.chunks, self._batch)
        if not np.isfinite(found).all():
            stem = self.manifest.stems[int(np.argwhere(~np.isfinite(found))[0][0])]
            count = np.count_nonzero(~np.isfinite(found))
            raise InvalidOutputError(
                f"{self.manifest.path}: the model returned NaN or infinity {count} times, in {stem}"
            )
        return found

    def _batched(self, batch: NDArray[Any]) -> NDArray[Any]:
        manifest = self.manifest
        axes = _AXES[manifest.input]
        sizes = dict(zip(axes, batch.shape, strict=True))
        output = np.asarray(self._call(manifest.input_layout.arrange(batch, axes)))
        if manifest.output == "masks" and "complex" not in manifest.output_layout.names:
            sizes |= {"complex": 1} if "complex" in sizes else {}
        wanted = {"batch": sizes.pop("batch"), "stems": len(manifest.stems)} | sizes
        try:
            return manifest.output_layout.restore(output.astype(np.float32, copy=False), wanted)
        except InvalidOutputError as error:
            raise InvalidOutputError(f"{manifest.path}: {error}") from error


def normaliser(mixture: Audio, how: str) -> tuple[np.float32, np.float32]:
    """What a mixture is reduced by and divided by; of a silent one nothing and one."""
    shift, scale = 0.0, 1.0
    if how == "mean_std":
        mono = mixture.mean(axis=0, dtype=np.float64)
        shift, scale = float(mono.mean()), float(mono.std(ddof=1)) if mono.size > 1 else 0.0
    elif how == "rms":
        scale = float(np.sqrt(np.mean(np.square(mixture, dtype=np.float64))))
    elif how == "peak":
        scale = float(np.abs(mixture).max())
    return np.float32(shift), np.float32(scale or 1.0)
