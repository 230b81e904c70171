"""FAD and the squared distance of embeddings, with a network of the user's from a local file.

The call::

    mss-bench run --metrics fad:model=vggish.onnx embedding_mse:model=mert.onnx,sample_rate=24000,window=5,hop=5

The network is an ONNX file (`mss_bench.metrics.perceptual.embedding_network`); none comes with this package and nothing
is downloaded. Its content is part of the score key, where it lies is not. With VGGish the first is the Frechet audio
distance, with MERT the second is MERT-MSE; formulas in `mss_bench.metrics.perceptual.embeddings`.

The mean of the channels, resampled to the network's rate with soxr, is cut into windows; what is left at the end is
filled up with silence where the track is shorter than a window, and left out elsewhere. Values of different networks,
windows or rates have nothing to do with each other: the name of the model's file is the preset of the rows.

- *FAD* compares the frames of one stem of one track with those of its reference. The usual number, of all tracks
  together, takes `mss_bench.metrics.perceptual.embeddings.frechet_distance` on joined frames.
- *Silence.* A silent reference has no value; a silent estimate has one.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._resample import at_rate
from mss_bench.metrics._signals import Floats, Samples
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.perceptual.embedding_network import EmbeddingNetwork, onnx_available
from mss_bench.metrics.perceptual.embeddings import embedding_mse, frechet_distance

__all__ = ["FAD", "EmbeddingDistanceState", "EmbeddingMSE"]


@dataclass(frozen=True)
class EmbeddingDistanceState:
    """References of a track, as given, the network, and their embeddings; none for a silent one."""

    references: dict[str, Samples]
    sample_rate: int
    network: EmbeddingNetwork
    embeddings: dict[str, Floats]


class _EmbeddingDistance(Metric):
    """What both share: the network and its windows."""

    extra: ClassVar[str] = "onnx"
    path_parameters: ClassVar[tuple[str, ...]] = ("model",)
    _least_frames: ClassVar[int] = 1

    def __init__(self, model: str, *, sample_rate: int = 16000, window: float = 0.96, hop: float = 0.96) -> None:
        if sample_rate < 1:
            raise ConfigError(f"{self.name}: sample_rate is {sample_rate}, expected the network's in Hz")
        for key, seconds in (("window", window), ("hop", hop)):
            if not seconds * sample_rate >= 1 or not np.isfinite(seconds):
                raise ConfigError(f"{self.name}: {key} is {seconds!r}, expected seconds of a sample at least")
        self.model, self.sample_rate = model, sample_rate
        self.window, self.hop = window, hop
        self.preset = Path(model).stem

    @classmethod
    def available(cls) -> bool:
        """Whether ONNX Runtime is installed."""
        return onnx_available()

    def files(self) -> list[Path]:
        """The network.

        Raises
        ------
        ConfigError
            There is no such file.
        """
        if not Path(self.model).is_file():
            raise ConfigError(f"{self.name}: there is no model {self.model}; expected a local ONNX file")
        return [Path(self.model)]

    def prepare(self, track: TrackAudio, group: TargetGroup) -> EmbeddingDistanceState:
        """Embeddings of the references.

        Raises
        ------
        MissingDependencyError
            ONNX Runtime is not installed.
        ConfigError, AudioError
            References that cannot be scored, or a file that is no network of sound.
        """
        references = checked_references(track, group)
        network = EmbeddingNetwork(self.files()[0], self.name)
        heard = {target: s for target, s in references.items() if s.any()}
        found = {target: self._embed(network, s, track.sample_rate) for target, s in heard.items()}
        return EmbeddingDistanceState(references, track.sample_rate, network, found)

    def score(self, state: EmbeddingDistanceState, estimates: Stems) -> list[Score]:
        """The distance of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN gives NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        flags = () if state.sample_rate == self.sample_rate else (f"resampled:{self.sample_rate}",)
        scores = []
        for target in (t for t in state.references if t in estimates):
            value, reason = np.nan, spoiled.get(target, "")
            reference = state.embeddings.get(target)
            if not reason and reference is None:
                reason = "the reference is silent"
            elif not reason and reference is not None and len(reference) < self._least_frames:
                reason = f"{len(reference)} frame of embeddings is too few: expected at least {self._least_frames}"
            elif reference is not None and not reason:
                found = self._embed(state.network, estimates[target], state.sample_rate)
                value = self._distance(reference, found)
            scores.append(Score(target, self.quantities[0].name, np.array([value]), flags=flags, reason=reason))
        return scores

    @abstractmethod
    def _distance(self, reference: Floats, estimate: Floats) -> float:
        """Of two sets of frames."""

    def _embed(self, network: EmbeddingNetwork, array: Samples, sample_rate: int) -> Floats:
        mono = at_rate(array.mean(axis=0, keepdims=True, dtype=np.float64), sample_rate, self.sample_rate)[0]
        length, hop = (max(1, round(seconds * self.sample_rate)) for seconds in (self.window, self.hop))
        mono = np.pad(mono, (0, max(0, length - len(mono))))
        return network.embed(sliding_window_view(mono, length)[::hop])


class FAD(_EmbeddingDistance):
    """Frechet distance of the embeddings of estimate and reference, by a network from a local file.

    Parameters
    ----------
    model : str
        ONNX file.
    sample_rate : int
        Hz that the network was made for.
    window, hop : float
        Seconds that it is given at a time, and from one to the next.

    Raises
    ------
    ConfigError
        A parameter out of its range.
    """

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
    """Mean squared difference of the embeddings of estimate and reference, by a network from a local file.

    Parameters
    ----------
    model : str
        ONNX file.
    sample_rate : int
        Hz that the network was made for.
    window, hop : float
        Seconds that it is given at a time, and from one to the next.

    Raises
    ------
    ConfigError
        A parameter out of its range.
    """

    name = "embedding_mse"
    version = "1"
    quantities = (
        Quantity("Embedding-MSE", "", False, "mean |f(y) - f(s)|^2 over frames and dimensions of embeddings", least=0),
    )
    citation = "Y. Li et al.: MERT: acoustic music understanding model with self-supervised training, ICLR 2024"
    caution = (
        "It is worth what its network is: with MERT it follows listeners on vocals best of all (Spearman -.76 and -.71 "
        "on generative systems), of another network nothing is known. Only values of one network and window compare."
    )

    def _distance(self, reference: Floats, estimate: Floats) -> float:
        return embedding_mse(reference, estimate)
