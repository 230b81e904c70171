"""Baselines without a model of music: the mixture itself, and a split at one frequency."""

from __future__ import annotations

from typing import Any

import numpy as np

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.separators.base import Separator
from mss_bench.separators.templates import VOICE_AND_REST

__all__ = ["BandSplit", "Mixture", "MixtureUnscaled"]


class Mixture(Separator):
    """Give each of J stems an equal share of the mixture: the floor.

    This is SiSEC's MIX: the share that costs least when nothing is known of the song. A method below it does harm.

        y_j = x / J;

    a derived target gets its stems' sum, with four stems ``3/4 x`` for the accompaniment.

    References
    ----------
    .. [1] F.-R. Stöter, A. Liutkus and N. Ito, "The 2018 Signal Separation Evaluation Campaign", Proc. LVA/ICA, 2018.
    """

    name = "mixture"
    family = "baseline"
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "F.-R. Stöter, A. Liutkus and N. Ito, The 2018 Signal Separation Evaluation Campaign, LVA/ICA 2018"
    assumption = "Nothing is known: all stems are equally loud and equally likely everywhere."

    def separate(self, mixture: Audio, sample_rate: int, *, targets: Targets, **_: Any) -> Stems:
        share = mixture * np.float32(1.0 / len(targets.stems))
        return {stem: share.copy() for stem in targets.stems}


class MixtureUnscaled(Separator):
    """Return the mixture as it is for every target, derived ones too.

    This is what a listener hears who does nothing, and the reference point of SI-SDR improvement.

        y_j = x.

    As an estimate it is far below `Mixture`, because all the other stems count as its error at full level.

    References
    ----------
    .. [1] J. Le Roux et al., "SDR - half-baked or well done?", Proc. ICASSP, 2019.
    """

    name = "mixture_unscaled"
    family = "baseline"
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "J. Le Roux et al., SDR - half-baked or well done?, ICASSP 2019"
    assumption = "None: no separation is attempted."

    def separate(self, mixture: Audio, sample_rate: int, *, targets: Targets, **_: Any) -> Stems:
        return {target: mixture.copy() for target in targets}


class BandSplit(Separator):
    """Split at one frequency, vocals above and accompaniment below: SiSEC's HPLP.

    A Butterworth low-pass run forwards and backwards, so that it has no delay, and the mixture less it, which is the
    Butterworth high-pass of the same kind:

        Y_acc = X / (1 + (f / cutoff)^(2 order)),  Y_voc = X - Y_acc.

    References
    ----------
    .. [1] F.-R. Stöter, A. Liutkus and N. Ito, "The 2018 Signal Separation Evaluation Campaign", Proc. LVA/ICA, 2018.
    """

    name = "bandsplit"
    family = "baseline"
    target_sets = VOICE_AND_REST
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "F.-R. Stöter, A. Liutkus and N. Ito, The 2018 Signal Separation Evaluation Campaign, LVA/ICA 2018"
    unlike_paper = "A floor that the campaign's comparison suggests, not a method of it: there is no preset=paper"
    assumption = "All of the voice lies above the cutoff and all of the accompaniment below it."

    cutoff: float = param(100.0, above=0, unit="Hz", doc="Crossover, below half of the sample rate.")
    order: int = param(
        2, at_least=1, at_most=8, doc="Order of the filter; run both ways it has a slope of ``12 order`` dB an octave."
    )

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        from scipy import signal

        if self.cutoff >= sample_rate / 2:
            self.refuse("cutoff", f"less than half of the sample rate of {sample_rate} Hz")
        sections = signal.butter(self.order, self.cutoff, fs=sample_rate, output="sos")
        # Three periods of the cutoff are reflected at either end, over which the filter's start-up dies away.
        margin = min(mixture.shape[-1] - 1, round(3 * sample_rate / self.cutoff))
        low = signal.sosfiltfilt(sections, mixture.astype(np.float64), axis=-1, padlen=margin).astype(np.float32)
        return {"vocals": mixture - low, "accompaniment": low}
