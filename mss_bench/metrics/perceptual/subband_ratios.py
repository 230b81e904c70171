"""Energy ratios of PEASS' decomposition: ISR, SIR and SAR with filters in subbands.

With the parts of `mss_bench.metrics.perceptual.decomposition` (target s, distortion d, interference i, artifacts a),

    SB-ISR = |s|^2 / |d|^2,    SB-SIR = |s + d|^2 / |i|^2,    SB-SAR = |s + d + i|^2 / |a|^2

in dB, energies summed over the song and its channels. They are the ratios of BSS Eval of other parts: filters that are
short, and change with frequency and time, explain less by chance and follow a method that changes with time. They are
no perceptual scores; those of PEASS (OPS, TPS, IPS, APS) are in `mss_bench.metrics.perceptual.peass`.

Any rate and any number of channels. A silent target has no values; a part that vanishes gives infinity.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.metrics.base import Metric, Outcome, Prepared, Quantity, Value
from mss_bench.metrics.perceptual.decomposition import decompose

__all__ = ["SubbandRatios"]


class SubbandRatios(Metric):
    """Ratios of target, distortion, interference and artifacts in subbands; after PEASS' decomposition, not its values.

    It takes no parameters. One target in stereo takes about a third of its duration on one core.
    """

    name = "subband_ratios"
    version = "1"
    slow: ClassVar[bool] = True
    quantities = (
        Quantity("SB-ISR", "dB", True, "|s|^2 / |d|^2: target over its distortion by filters in subbands"),
        Quantity("SB-SIR", "dB", True, "|s + d|^2 / |i|^2: over what filters make of the other sources"),
        Quantity("SB-SAR", "dB", True, "|s + d + i|^2 / |a|^2: over what no filter explains"),
    )
    citation = (
        "V. Emiya, E. Vincent, N. Harlander, V. Hohmann: Quality assessment of source separation, IEEE TASLP 2011"
    )
    caution = (
        "They are not PEASS' ratios, whose filters are others (SIR 11.15 against 10.39 dB of one estimate), nor BSS "
        "Eval's, and no energies of a decomposition say what is heard of its parts. A delay beyond the short filters "
        "counts as artifacts."
    )

    def measure(self, track: Prepared[None], target: str, estimate: Samples) -> Outcome:
        reference = track.references[target]
        others = {name: s for name, s in track.references.items() if name != target}
        parts = decompose(reference, others, estimate, track.sample_rate)
        heard = np.cumsum([parts.target, parts.target_distortion, parts.interference], axis=0)
        errors = (parts.target_distortion, parts.interference, parts.artifacts)
        return tuple(_ratio(signal, error) for signal, error in zip(heard, errors, strict=True))


def _ratio(signal: Floats, error: Floats) -> Value:
    numerator, denominator = float(np.sum(signal**2)), float(np.sum(error**2))
    if denominator == 0:
        return float("inf") if numerator > 0 else "there is neither signal nor error"
    return 10 * float(np.log10(numerator / denominator)) if numerator > 0 else -float("inf")
