"""Oracles: the best that a mask or a filter of a kind can do, computed from the true stems.

They bound methods that estimate such a mask, are no competitors, and stand apart in every table. Transform and exponent
belong to the number: a longer window raises it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.dsp.masks import soft_masks
from mss_bench.dsp.stft import Spectrogram
from mss_bench.dsp.wiener import spatial_model, wiener_filter
from mss_bench.errors import ConfigError
from mss_bench.separators.base import as_published
from mss_bench.separators.templates import SpectrogramSeparator

__all__ = ["IBM", "IRM", "MWF"]

# Bins that are filtered at a time: every formula holds for each bin alone, and the memory for a few stays small.
_BINS = 128


class _Oracle(SpectrogramSeparator):
    """Filter the mixture's spectrogram by what those of the true stems give."""

    family = "oracle"
    needs_references = True

    n_fft = 2048
    hop = 1024

    @abstractmethod
    def _filter(self, mixture: Spectrogram, sources: Sequence[Spectrogram]) -> Sequence[Spectrogram]:
        """Estimate the sources of some bins."""

    def separate(
        self, mixture: Audio, sample_rate: int, *, targets: Targets, references: Stems | None = None, **_: Any
    ) -> Stems:
        missing = [stem for stem in targets.stems if stem not in (references or {})]
        if references is None or missing:
            raise ConfigError(f"{self.name} is an oracle and was not given the true {', '.join(missing)}")
        x = self.stft.forward(mixture)
        sources = [self.stft.forward(references[stem]) for stem in targets.stems]
        for first in range(0, self.stft.bins, _BINS):
            part = np.s_[..., first : first + _BINS]
            estimates = self._filter(x[part], [source[part] for source in sources])
            for source, estimate in zip(sources, estimates, strict=True):
                source[part] = estimate
        samples = mixture.shape[-1]
        return {s: self.stft.inverse(y, samples) for s, y in zip(targets.stems, sources, strict=True)}


class IBM(_Oracle):
    """Filter the mixture by the ideal binary mask.

    A bin belongs to a stem where the stem holds at least a share `threshold` of the mixture:

        Y_j = X where |S_j|^a >= threshold |X|^a, else 0.

    The denominator is the mixture itself, as in SiSEC's IBM1 and IBM2, so that a bin can belong to several stems or to
    none: the estimates do not add up to the mixture.

    References
    ----------
    .. [1] D. Wang, "On ideal binary mask as the computational goal of auditory scene analysis", in Speech Separation by
       Humans and Machines, 2005.
    .. [2] F.-R. Stöter, A. Liutkus and N. Ito, "The 2018 Signal Separation Evaluation Campaign", Proc. LVA/ICA, 2018.
    """

    name = "ibm"
    citation = "D. Wang, On ideal binary mask as the computational goal of auditory scene analysis, 2005"
    presets = as_published(exponent=2.0)
    unlike_paper = (
        "The stem is compared with the mixture (SiSEC), not with the sum of the others. The default stays: by powers "
        "stems gain 0.1 to 0.3 dB on the demo and on an excerpt of a record, and the accompaniment loses 1.2 and 1.6"
    )
    assumption = "In every bin a stem either dominates the mixture or is absent; the true stems are known."

    exponent: float = param(1.0, above=0, doc="Exponent a: 1 compares magnitudes, 2 powers.")
    threshold: float = param(0.5, above=0, at_most=1, doc="Least share of the mixture that a stem must hold.")

    def _filter(self, mixture: Spectrogram, sources: Sequence[Spectrogram]) -> Sequence[Spectrogram]:
        # |S|^a >= q |X|^a is |S| >= q^(1/a) |X|, which no small magnitude can underflow.
        least = np.abs(mixture) * self.threshold ** (1.0 / self.exponent)
        return [mixture * (np.abs(source) >= least) for source in sources]


class IRM(_Oracle):
    """Filter the mixture by the ideal ratio mask.

    Each stem takes its share of a bin:

        Y_j = X |S_j|^a / sum_k |S_k|^a.

    With a = 1 this is SiSEC's IRM1, with a = 2 its IRM2, the Wiener filter of each channel alone.

    References
    ----------
    .. [1] A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power spectrograms", Proc. ICASSP,
       2015.
    .. [2] F.-R. Stöter, A. Liutkus and N. Ito, "The 2018 Signal Separation Evaluation Campaign", Proc. LVA/ICA, 2018.
    """

    name = "irm"
    adds_up = True
    citation = "A. Liutkus and R. Badeau, Generalized Wiener filtering with fractional power spectrograms, ICASSP 2015"
    presets = as_published()
    assumption = "The stems' magnitudes (or powers) add up in every bin; the true ones are known, the phases are not."

    exponent: float = param(2.0, above=0, doc="Exponent a: 1 divides by magnitudes, 2 by powers.")

    def _filter(self, mixture: Spectrogram, sources: Sequence[Spectrogram]) -> Sequence[Spectrogram]:
        return [mixture * mask for mask in soft_masks([np.abs(source) for source in sources], self.exponent)]


class MWF(_Oracle):
    """Filter the mixture by the multichannel Wiener filter of the true stems.

    A stem has a power P_j of each bin and a spatial covariance R_j of each frequency, both from the true stem:

        R_j = mean_t(S_j S_j^H / P_j), trace I;  P_j = S_j^H R_j^-1 S_j / I;  Y_j = P_j R_j (sum_k P_k R_k)^-1 X,

    with ``P_j = mean_c |S_j|^2`` to begin with. It uses where a stem lies between the channels beside its power; on a
    mono mixture it is the ratio mask of exponent 2.

    References
    ----------
    .. [1] N. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source separation using a
       full-rank spatial covariance model", IEEE Trans. Audio, Speech, and Language Processing 18(7), 2010.
    """

    name = "mwf"
    adds_up = True
    citation = "N. Duong et al., Under-determined reverberant source separation using a full-rank model, TASLP 2010"
    presets = as_published()
    unlike_paper = "Powers and covariances are those of the true stems, the powers updated once; the paper's EM goes on"
    assumption = "Each stem is Gaussian with a spatial covariance that does not change over the song; both are known."

    def _filter(self, mixture: Spectrogram, sources: Sequence[Spectrogram]) -> Sequence[Spectrogram]:
        return wiener_filter(mixture, [spatial_model(source) for source in sources])
