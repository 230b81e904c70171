"""FAD and the squared distance of embeddings, with a network of the user's from a local file.

The call::

    mss-bench run -m fad:model=vggish.onnx -m embedding_mse:model=mert.onnx,sample_rate=24000,window=5,hop=5

The network is an ONNX file (`mss_bench.metrics.perceptual.embedding_network`); none comes with this package and nothing
is downloaded. Its content is part of the score key, where it lies is not. With VGGish the first is the Frechet audio
distance, with MERT the second is MERT-MSE; formulas in `mss_bench.metrics.perceptual.embeddings`.

The mean of the channels, resampled to the network's rate with soxr, is cut into windows; what is left at the end is
filled up with silence where the track is shorter than a window, and left out elsewhere. Values of different networks,
windows or rates have nothing to do with each other: the name of the model's file is the preset of the rows.

- *FAD* compares the frames of one stem of one track with those of its reference. The usual number is of all tracks
  together: ``mss-bench results distances RUN --model vggish.onnx``, which prints KAD and PRDC beside it.
- *Silence.* A silent reference has no value; a silent estimate has one.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.parameters import param
from mss_bench.core.tracks import TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._signals import at_rate
from mss_bench.metrics.base import Metric, Prepared, Quantity, Value
from mss_bench.metrics.perceptual.embedding_network import EmbeddingNetwork
from mss_bench.metrics.perceptual.embeddings import embedding_mse, frechet_distance

__all__ = ["FAD", "EmbeddingMSE"]


class _ReferenceState(NamedTuple):
    """The network, and the embeddings of references that are not silent."""

    network: EmbeddingNetwork
    embeddings: dict[str, Floats]


class _EmbeddingDistance(Metric):
    """What both share: the network and its windows."""

    extra = "onnx"
    module = "onnxruntime"
    path_parameters = ("model",)
    _least_frames: ClassVar[int] = 1

    model: str = param(doc="ONNX file of the network.")
    sample_rate: int = param(16000, at_least=1, unit="Hz", doc="Sample rate that the network was made for.")
    window: float = param(0.96, above=0, unit="s", doc="What the network is given at a time.")
    hop: float = param(0.96, above=0, unit="s", doc="Step from window to window.")

    def setup(self) -> None:
        for name in ("window", "hop"):
            if getattr(self, name) * self.sample_rate < 1:
                self.refuse(name, "seconds of a sample at least")
        self.preset, self.works_at = Path(self.model).stem, self.sample_rate

    def files(self) -> list[Path]:
        """Return the network.

        Raises
        ------
        ConfigError
            There is no such file.
        """
        if not Path(self.model).is_file():
            raise ConfigError(f"{self.name}: there is no model {self.model}; expected a local ONNX file")
        return [Path(self.model)]

    def derive(self, track: TrackAudio) -> _ReferenceState:
        network = EmbeddingNetwork(self.files()[0], self.name)
        heard = {target: s for target, s in track.references.items() if s.any()}
        return _ReferenceState(
            network, {target: self.embed(network, s, track.sample_rate) for target, s in heard.items()}
        )

    def measure(self, track: Prepared[_ReferenceState], target: str, estimate: Samples) -> Value:
        reference = track.derived.embeddings[target]
        if len(reference) < self._least_frames:
            return f"{len(reference)} frame of embeddings is too few: expected at least {self._least_frames}"
        return self._distance(reference, self.embed(track.derived.network, estimate, track.sample_rate))

    @abstractmethod
    def _distance(self, reference: Floats, estimate: Floats) -> float:
        """Return the distance of two sets of frames."""

    def embed(self, network: EmbeddingNetwork, array: Samples, sample_rate: int) -> Floats:
        """Return the embeddings of a signal ``(channels, samples)``, window by window."""
        mono = at_rate(array.mean(axis=0, keepdims=True, dtype=np.float64), sample_rate, self.sample_rate)[0]
        length, hop = (max(1, round(seconds * self.sample_rate)) for seconds in (self.window, self.hop))
        mono = np.pad(mono, (0, max(0, length - len(mono))))
        return network.embed(sliding_window_view(mono, length)[::hop])


class FAD(_EmbeddingDistance):
    """Frechet distance of the embeddings of estimate and reference, by a network from a local file."""

    name = "fad"
    version = "1"
    quantities = (
        Quantity("FAD", "", False, "|m_y - m_s|^2 + tr(C_y + C_s - 2 (C_y C_s)^(1/2)) of embeddings", least=0),
    )
    citation = "K. Kilgour et al.: Frechet audio distance, Interspeech 2019"
    caution = (
        "It compares distributions: frames in another order cost nothing. Of one track it has few frames, fewer than "
        "dimensions in most cases, and is biased upwards; only values of one network, window and length compare."
    )
    _least_frames = 2

    def _distance(self, reference: Floats, estimate: Floats) -> float:
        return frechet_distance(reference, estimate)


class EmbeddingMSE(_EmbeddingDistance):
    """Mean squared difference of the embeddings of estimate and reference, by a network from a local file."""

    name = "embedding_mse"
    version = "1"
    quantities = (
        Quantity("Embedding-MSE", "", False, "mean |f(y) - f(s)|^2 over frames and dimensions of embeddings", least=0),
    )
    citation = "Y. Li et al.: MERT: acoustic music understanding model with self-supervised training, ICLR 2024"
    caution = (
        "It is worth what its network is: what is known of MERT's embeddings says nothing of another network's. Only "
        "values of one network and window compare."
    )

    def _distance(self, reference: Floats, estimate: Floats) -> float:
        return embedding_mse(reference, estimate)
