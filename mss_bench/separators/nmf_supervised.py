"""Supervised non-negative matrix factorisation: the spectra are learned from other songs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.dsp.nmf import Factors, factorise, normalised
from mss_bench.dsp.stft import Spectrogram
from mss_bench.separators.assignment import BAND_STEMS
from mss_bench.separators.base import as_published
from mss_bench.separators.nmf_dictionary import Dictionary, learn
from mss_bench.separators.templates import MaskSeparator

__all__ = ["Dictionary", "SupervisedNMF", "learn"]

DEMO = Path(__file__).with_name("nmf_demo.npz")
"""The dictionary of the demo's train split, which is used where no other is given; ``tests/data/make_nmf_demo.py``
makes it."""


class SupervisedNMF(MaskSeparator):
    """Factorise the spectrogram with spectra that were learned from other songs.

    From the stems of training songs the spectra of each kind of source are learned beforehand, as a dictionary. In a
    new mixture the spectra stay, only how strong each of them is when is estimated, and each source is what its own
    spectra explain:

        learning:     S_j[t, f] ~ sum_k H_j[t, k] W_j[k, f]  on stem j of the training songs; H_j is forgotten,
        separation:   V[t, f] ~ Lambda = sum_j sum_k H_j[t, k] W_j[k, f],
                      H <- H * ((V / Lambda^(2 - beta)) W') / (Lambda^(beta - 1) W'),
        estimate:     M_j = V_j^p / sum_i V_i^p,  V_j = H_j W_j, for Itakura-Saito (H_j W_j)^(1/2).

    Each channel has activations of its own. The dictionary is a file that `learn` makes; it also says with which
    frames and which divergence, and what it was learned from, which is declared in `trained_on`. A mixture of another
    sample rate gets frames of the same duration. Sounds that are unlike all that was learned go where they fit least
    badly, and where two dictionaries hold the same spectra nothing is separated.

    References
    ----------
    .. [1] P. Smaragdis, B. Raj and M. Shashanka, "Supervised and semi-supervised separation of sounds from
       single-channel mixtures", Proc. ICA, 2007.
    .. [2] M. Schmidt and R. Olsson, "Single-channel speech separation using sparse non-negative matrix factorization",
       Proc. Interspeech, 2006.
    """

    name = "nmf_supervised"
    family = "factorisation"
    target_sets = (BAND_STEMS,)
    path_parameters = ("dictionary",)
    trained_on: tuple[str, ...] = ("demo/train",)
    citation = "P. Smaragdis, B. Raj and M. Shashanka, Supervised and semi-supervised separation of sounds, ICA 2007"
    presets = as_published()
    unlike_paper = (
        "Multiplicative updates of a divergence for the paper's probabilistic form (for KL they are the same)"
    )
    assumption = "Each kind of source has spectra of its own, the same ones in the training songs and in this."

    dictionary: str = param(
        "", doc="File that `learn` has made; empty for the shipped one, of the demo's train split and four stems."
    )
    iterations: int = param(50, at_least=1, doc="Number of updates of the activations.")

    def setup(self) -> None:
        super().setup()
        self._path = Path(self.dictionary).expanduser() if self.dictionary else DEMO
        self._loaded: Dictionary | None = None
        if self.dictionary:
            self.trained_on = self._read().trained_on

    def files(self, track: TrackId) -> list[Path]:
        return [self._path]

    def load(self, device: str = "cpu") -> None:
        self._read()

    def close(self) -> None:
        self._loaded = None

    def produces(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        return tuple(target for target in self._read().spectra if target in targets)

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        known = self._read()
        if not mixture.any():
            return {name: np.zeros_like(mixture) for name in known.spectra}
        stft, spectra = known.at(sample_rate)
        x = stft.forward(mixture)
        w = np.concatenate(list(spectra.values()))
        h = self._activations(normalised(x, known.beta), w, known.beta)
        ends = np.cumsum([0, *map(len, spectra.values())])

        def magnitudes(_: Spectrogram, frames: slice) -> list[NDArray[Any]]:
            models: list[NDArray[Any]] = [h[:, frames, i:j] @ w[i:j] for i, j in pairwise(ends)]
            return [np.sqrt(model) for model in models] if known.beta == 0 else models

        signals = self.estimates(stft, x, mixture.shape[-1], magnitudes)
        return dict(zip(spectra, signals, strict=True))

    def _activations(self, v: NDArray[np.float32], w: NDArray[np.float32], beta: int) -> NDArray[np.float32]:
        """Return the activations ``(channels, frames, components)`` of the spectra `w`."""
        channels, frames, bins = v.shape
        equal = np.full((channels * frames, len(w)), 1 / len(w), dtype=np.float32)
        factors = Factors(w, equal, np.ones((len(w), 1), dtype=np.float32))
        # The channels one after the other in time: the spectra are common to all of them, the activations are not.
        factorise(v.reshape(1, -1, bins), factors, beta, self.iterations, fixed=("w", "q"))
        return factors.h.reshape(channels, frames, -1)

    def _read(self) -> Dictionary:
        if self._loaded is None:
            self._loaded = Dictionary.read(self._path)
        return self._loaded
