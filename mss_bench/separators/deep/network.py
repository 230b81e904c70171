"""A network whose input and output a manifest describes: everything around the call of the network itself.

mixture -> normalised -> (transform) -> chunks in batches -> layout -> network -> layout -> overlap-add
        -> (masks, filter, inverse transform) -> normalisation undone -> stems
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import Parameterized, check, param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.dsp.filters import MASKS, filter_sources
from mss_bench.dsp.stft import Spectrogram
from mss_bench.errors import ConfigError, InvalidOutputError
from mss_bench.separators.deep.layout import Layout
from mss_bench.separators.deep.manifest import Manifest
from mss_bench.separators.deep.overlap_add import PADDINGS, Chunks, Take, overlap_blocks
from mss_bench.separators.deep.stft import ModelSTFT

__all__ = ["LayoutKeys", "Network", "NetworkManifest"]

_AXES = {
    "waveform": ("channels", "samples"),
    "magnitude": ("channels", "bins", "frames"),
    "complex": ("channels", "complex", "bins", "frames"),
}
_OUTPUTS = {"waveform": ("sources",), "magnitude": ("masks", "spectrograms"), "complex": ("masks", "spectrograms")}


_FILTERED = 512  # frames that are filtered at a time

Call = Callable[[NDArray[Any]], NDArray[Any]]


class LayoutKeys(Parameterized):
    """The order of a model's axes; ``(a b)`` merges two, and what is not named has the size 1."""

    input: str = param("", doc="Axes of the input, by default as in ``batch channels bins frames``.")
    output: str = param("", doc="Axes of the output, by default as in ``batch stems channels bins frames``.")

    @check("input")
    def _input_is_a_list(self) -> None:
        self.of("input", "batch")

    @check("output")
    def _output_is_a_list(self) -> None:
        self.of("output", "batch")

    def of(self, side: str, otherwise: str) -> Layout:
        """Return the layout of the input or the output."""
        try:
            return Layout(getattr(self, side) or otherwise)
        except ConfigError as error:
            raise ConfigError(f"layout of the {side}: {error}") from error


class NetworkManifest(Manifest):
    """The manifest of a network whose input and output it describes, ``onnx`` or ``pt2``."""

    input: str = param("waveform", choices=tuple(_AXES), doc="What the network is given.")
    output: str = param(
        choices=("sources", "masks", "spectrograms"),
        doc="What it returns: sources of a waveform, masks or spectrograms of a magnitude or complex spectrogram.",
    )
    layout: LayoutKeys = param(LayoutKeys(), doc="Order of the axes.")
    stft: ModelSTFT | None = param(None, doc="Needed unless the input is a waveform.")
    border: int = param(0, at_least=0, doc="Samples or frames at both ends of a chunk that are thrown away.")
    padding: str = param("reflect", choices=PADDINGS, doc="What stands before the first and after the last chunk.")
    normalisation: str = param(
        "none",
        choices=("none", "mean_std", "rms", "peak"),
        doc="What the mixture is reduced by and divided by, undone on what comes out: mean and deviation of the mean "
        "of its channels, or its RMS or peak.",
    )
    filter: str = param(
        "direct",
        choices=("direct", *MASKS),
        doc="``direct``: a mask times the mixture, a magnitude with the mixture's phase. Otherwise masks times the "
        "mixture, or the spectrograms, are magnitudes for `mss_bench.dsp.filters`.",
    )
    power: float = param(1.0, at_least=0.01, below=100, doc="Exponent of the filter ``soft``.")
    residual: str = param("", doc="Name of a further stem: the mixture without all others.")
    compensate: float = param(1.0, above=0, doc="Factor of what comes out, for models that are known to be too quiet.")
    denoise: bool = param(
        False, doc="Half the difference of what comes out for the input and for its negative, at twice the cost."
    )

    @check("denoise", "input")
    def _polarity_can_be_inverted(self) -> None:
        if self.denoise and self.input == "magnitude":
            self.refuse("denoise", "false: a magnitude has no negative")

    @check("output", "input")
    def _output_follows_from_input(self) -> None:
        if self.output not in _OUTPUTS[self.input]:
            self.refuse("output", " or ".join(_OUTPUTS[self.input]))

    @check("stft", "input")
    def _spectrograms_have_a_transform(self) -> None:
        if self.stft is None and self.input != "waveform":
            raise ConfigError(
                "stft is missing, expected e.g. {n_fft: 4096, hop: 1024}: the model is given spectrograms"
            )
        if self.stft is not None and self.input == "waveform":
            raise ConfigError("stft is for models that are given spectrograms, not waveform")

    @check("layout", "input")
    def _axes_are_known(self) -> None:
        for side in ("input", "output"):
            axes = self._axes(side)
            self._refuse_axes(side, [name for name in self._layout(side).names if name not in axes], "unknown")

    @check("layout", "input", "output", "channels", "stems")
    def _axes_are_complete(self) -> None:
        optional = {"batch"} | ({"channels"} if self.channels == 1 else set())
        for side in ("input", "output"):
            names = self._layout(side).names
            self._refuse_axes(side, [n for n in self._axes(side) if n not in names and n not in optional], "missing")
            optional |= {"stems"} if len(self.stems) == 1 else set()
            # A mask may be real where the spectrogram is complex.
            optional |= {"complex"} if self.output == "masks" else set()

    @check("border", "chunk")
    def _border_leaves_something(self) -> None:
        if self.chunk and 2 * self.border >= self.chunk:
            self.refuse("border", f"less than half of chunk={self.chunk}")

    @check("filter", "input")
    def _filter_has_magnitudes(self) -> None:
        if self.filter != "direct" and self.input != "magnitude":
            raise ConfigError(f"filter {self.filter} needs magnitudes, expected input: magnitude")

    @check("filter", "stems")
    def _filter_has_rivals(self) -> None:
        if self.filter != "direct" and len(self.stems) < 2:
            raise ConfigError(f"filter {self.filter} needs at least two stems, found {len(self.stems)}")

    def setup(self) -> None:
        self.input_layout, self.output_layout = self._layout("input"), self._layout("output")

    @property
    def chunks(self) -> Chunks:
        return Chunks(self.chunk, self.overlap, self.border, self.padding)

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the axes of what the network is given, in the order that this package has them."""
        return ("batch", *_AXES[self.input])

    def _axes(self, side: str) -> tuple[str, ...]:
        return self.axes if side == "input" else ("batch", "stems", *_AXES[self.input])

    def _layout(self, side: str) -> Layout:
        return self.layout.of(side, " ".join(self._axes(side)))

    def _refuse_axes(self, side: str, names: list[str], why: str) -> None:
        if names:
            raise ConfigError(
                f"layout of the {side}: {self._layout(side).text!r}: {', '.join(names)} {why}; expected the axes "
                f"{' '.join(self._axes(side))} in some order"
            )


class Network:
    """An adapter around a call.

    Parameters
    ----------
    manifest : NetworkManifest
    calls : sequence of callable
        The network: an array in the manifest's input layout to one in its output layout. Several are one for each
        stem, whose output has the size 1 along the stems.
    device : str
        What the call runs on.
    batch : int
        Chunks in one call.
    """

    def __init__(self, manifest: NetworkManifest, calls: Sequence[Call], device: str, batch: int = 1) -> None:
        self.manifest, self.device, self._calls, self._batch = manifest, device, calls, batch or 1

    def separate(self, mixture: Audio, seed: int = 0) -> Stems:
        """Separate a mixture.

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
        manifest = self.manifest
        shift, scale = normaliser(mixture, manifest.normalisation)
        stems = np.zeros((len(manifest.stems), *mixture.shape), dtype=np.float32)
        # One channel after the other where the model takes one.
        for channel in range(len(mixture)) if manifest.channels == 1 else [slice(None)]:
            part = slice(channel, channel + 1) if isinstance(channel, int) else channel
            self._separate_into(stems[:, part], _Normalised(mixture[part], shift, scale))
        stems *= scale * np.float32(manifest.compensate)
        stems += shift
        return dict(zip(manifest.stems, stems, strict=True))

    def _separate_into(self, stems: NDArray[Any], mixture: _Normalised) -> None:
        """Write the stems of a mixture, ``(stems, channels, samples)``, block by block."""
        stft = self.manifest.stft
        if stft is None:
            for start, block in self._blocks(lambda a, b: mixture[..., a:b], mixture.shape[-1]):
                stems[..., start : start + block.shape[-1]] = block
            return
        frames = _Frames(stft, mixture)
        for start, block in self._joined(self._blocks(self._given(frames), frames.count)):
            y = np.ascontiguousarray(np.swapaxes(block, -1, -2))
            for stem, estimate in zip(stems, self._estimates(frames(start, start + y.shape[-2]), y), strict=True):
                stft.add(stem, estimate, start)
            frames.forget(start + y.shape[-2])
        for stem in stems:
            stft.finish(stem)

    def _given(self, frames: _Frames) -> Take:
        """Return what the network is given of the frames of the mixture: ``(..., bins, frames)``."""
        manifest = self.manifest

        def take(first: int, stop: int) -> NDArray[Any]:
            x = frames(first, stop).transpose(0, 2, 1)
            if manifest.stft is not None and manifest.stft.zeroed:
                x = x.copy()
                x[:, : manifest.stft.zeroed] = 0
            return np.stack([x.real, x.imag], axis=1) if manifest.input == "complex" else np.abs(x)

        return take

    def _joined(self, blocks: Iterator[tuple[int, NDArray[Any]]]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield blocks small enough to be filtered, or one for a filter that needs the whole song."""
        if self.manifest.filter == "multichannel":
            yield 0, np.concatenate([block for _, block in blocks], axis=-1)
            return
        for start, block in blocks:
            for first in range(0, block.shape[-1], _FILTERED):
                yield start + first, block[..., first : first + _FILTERED]

    def _estimates(self, mixture: Spectrogram, y: NDArray[Any]) -> list[Spectrogram]:
        """Return the spectrograms ``(channels, frames, bins)`` of the stems, from what the network made of these."""
        manifest = self.manifest
        if manifest.input == "complex":
            parts = np.moveaxis(y, 2, 0)
            # A real mask has one part.
            y = parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
        if manifest.filter != "direct":
            # Networks without a last rectifier return small negative magnitudes. What they return is left as it is.
            y = np.maximum(y, 0)
            if manifest.output == "masks":
                y *= np.abs(mixture)
            return filter_sources(mixture, list(y), manifest.filter, manifest.power)
        if manifest.output == "masks":
            return [mixture * each for each in y]
        if manifest.input == "complex":
            return list(y.astype(mixture.dtype))
        # A magnitude gets the mixture's phase, and none where the mixture is silent.
        size = np.abs(mixture)
        phase = np.divide(mixture, size, out=np.zeros_like(mixture), where=size > 0)
        return [phase * each for each in y]

    def _blocks(self, take: Take, length: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield what the network makes of a signal of any length, with the stems as its first axis."""
        for start, block in overlap_blocks(take, length, self._batched, self.manifest.chunks, self._batch):
            if not np.isfinite(block).all():
                bad = np.argwhere(~np.isfinite(block))
                stem, count = self.manifest.stems[int(bad[0][0])], len(bad)
                raise InvalidOutputError(
                    f"{self.manifest.path}: the model returned NaN or infinity {count} times, in {stem}"
                )
            yield start, block

    def _batched(self, batch: NDArray[Any]) -> NDArray[Any]:
        manifest = self.manifest
        given = manifest.input_layout.arrange(batch, manifest.axes)
        sizes = dict(zip(manifest.axes, batch.shape, strict=True))
        # One real mask for both parts of a complex spectrogram.
        if manifest.output == "masks" and "complex" not in manifest.output_layout.names:
            sizes |= {"complex": 1} if "complex" in sizes else {}
        stems = len(manifest.stems) if len(self._calls) == 1 else 1
        wanted = {"batch": sizes.pop("batch"), "stems": stems} | sizes
        outputs = []
        for call in self._calls:
            output = np.asarray(call(given))
            if manifest.denoise:
                output = (output - call(-given)) / 2
            outputs.append(output.astype(np.float32, copy=False))
        try:
            restored = [manifest.output_layout.restore(output, wanted) for output in outputs]
            return restored[0] if len(restored) == 1 else np.concatenate(restored, axis=1)
        except InvalidOutputError as error:
            raise InvalidOutputError(f"{manifest.path}: {error}") from error


class _Normalised:
    """A mixture whose parts are normalised as they are asked for, so that there is no second one."""

    def __init__(self, mixture: Audio, shift: np.float32, scale: np.float32) -> None:
        self._mixture, self._shift, self._scale = mixture, shift, scale
        self.shape = mixture.shape

    def __getitem__(self, part: Any) -> Audio:
        values: Audio = self._mixture[part] - self._shift
        values /= self._scale
        return values


class _Frames:
    """The frames of a mixture, of which those are kept that are asked for again."""

    def __init__(self, stft: ModelSTFT, mixture: _Normalised) -> None:
        self._stft, self._mixture = stft, mixture
        self.count = stft.frames(mixture.shape[-1])
        self._first, self._kept = 0, stft.forward(mixture, 0, 0)

    def __call__(self, first: int, stop: int) -> Spectrogram:
        """Return frames ``(channels, frames, bins)``."""
        if first < self._first:  # mirrored at the end, farther back than what is kept
            return self._stft.forward(self._mixture, first, stop)
        there = self._first + self._kept.shape[1]
        if stop > there:
            self._kept = np.concatenate([self._kept, self._stft.forward(self._mixture, there, stop)], axis=1)
        return self._kept[:, first - self._first : stop - self._first]

    def forget(self, stop: int) -> None:
        """Let go of the frames before one."""
        self._kept = self._kept[:, stop - self._first :].copy()
        self._first = stop


def normaliser(mixture: Audio, how: str) -> tuple[np.float32, np.float32]:
    """Return what a mixture is reduced by and divided by; 0 and 1 for a silent one."""
    shift, scale = 0.0, 1.0
    if how == "mean_std":
        mono = mixture.mean(axis=0, dtype=np.float64)
        shift, scale = float(mono.mean()), float(mono.std(ddof=1)) if mono.size > 1 else 0.0
    elif how == "rms":
        scale = float(np.sqrt(np.einsum("cs,cs->", mixture, mixture, dtype=np.float64) / mixture.size))
    elif how == "peak":
        scale = float(np.abs(mixture).max())
    return np.float32(shift), np.float32(scale or 1.0)
