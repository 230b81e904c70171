"""The network that is shipped, as a separator."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.dsp.filters import MASKS
from mss_bench.separators.deep.manifest import read_manifest
from mss_bench.separators.deep.model import TrainedModel
from mss_bench.separators.deep.network import NetworkManifest

__all__ = ["MANIFEST", "DemoNet"]

MANIFEST = Path(__file__).with_name("demo_net.yaml")
"""Describes the weights beside it; ``reports/separators/demo_net/train.py`` makes both anew."""


class DemoNet(TrainedModel):
    """Separate with a small neural network that was trained on the demo.

    For each bin of a spectrogram the network says how the stems share it:

        M = softmax_j g(log(1 + |X|)),    Y_j = M_j X,

    where g sees all frequencies of both channels over 1.5 s to either side, in 272 bands. It has 0.9 million weights of
    16 bits and learned for some minutes on a processor, from mixtures of the songs that the package itself composes, to
    lessen the squared error of the complex spectrogram in dB. It knows these singers, instruments and rooms and no
    others: on real music it is no model to be proud of, but a deep row that needs no download.

    References
    ----------
    .. [1] Y. Luo and N. Mesgarani, "Conv-TasNet: surpassing ideal time-frequency magnitude masking for speech
       separation", IEEE/ACM Trans. Audio, Speech, and Language Processing 27(8), 2019: the trunk.
    """

    name = "demo_net"
    target_sets = (("vocals", "drums", "bass", "other"),)
    channels = (2,)
    adds_up = True
    scale_equivariant = True
    trained_on = ("demo/train",)
    licence = "MIT"
    citation = "The mss_bench authors; after Y. Luo and N. Mesgarani, Conv-TasNet, IEEE/ACM TASLP 27(8), 2019"
    unlike_paper = (
        "A small network of its own, which has the masks of an encoded mixture and the training by the ratio of "
        "energies in common with Conv-TasNet: there is no preset=paper"
    )
    assumption = "The song is one of the demo's, or sounds like them."
    extra = "onnx"

    mask: str = param("soft", choices=MASKS, doc="Filter from magnitudes to estimates; it was trained for ``soft``.")

    described: NetworkManifest

    def setup(self) -> None:
        manifest = read_manifest(MANIFEST)
        assert isinstance(manifest, NetworkManifest)
        manifest.filter = self.mask
        self.use(manifest)

    @classmethod
    def available(cls) -> bool:
        return find_spec("onnxruntime") is not None

    def separate(self, mixture: Audio, sample_rate: int, *, rng: np.random.Generator, **_: Any) -> Stems:
        stems = super().separate(mixture, sample_rate, rng=rng)
        if sample_rate != self.described.sample_rate:
            # What resampling took away goes to all alike, as a silent bin does.
            rest = (mixture - np.sum(list(stems.values()), axis=0, dtype=np.float64)) / len(stems)
            stems = {name: (stem + rest).astype(np.float32) for name, stem in stems.items()}
        return stems
