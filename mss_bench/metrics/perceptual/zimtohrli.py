"""Zimtohrli through its package, which is optional: ``pip install 'mss-bench[zimtohrli]'``.

A model of hearing that tells how far apart two signals sound, near the threshold of what can be told apart; 0 for the
same signal. It needs no weights. Each channel is compared at 48 kHz, and the value is the mean over channels; that of
the package is of one channel.

References
----------
J. Alakuijala, M. Bruse, S. Boukortt, J. M. Coldenhoff, M. Cernak: Zimtohrli: an efficient psychoacoustic audio
similarity metric. arXiv:2509.26133, 2025.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mss_bench.core.arrays import Samples
from mss_bench.core.tracks import TrackAudio
from mss_bench.metrics._signals import at_rate
from mss_bench.metrics.base import Metric, Prepared, Quantity, Value

__all__ = ["Zimtohrli"]


class _ReferenceState(NamedTuple):
    """The references at 48 kHz, and the model."""

    references: dict[str, Samples]
    model: Any


class Zimtohrli(Metric):
    """Perceptual distance by Zimtohrli, the mean over channels; 0 is the best.

    It takes no parameters.
    """

    name = "zimtohrli"
    extra = "zimtohrli"
    module = "zimtohrli"
    package = "zimtohrli"
    works_at = 48000
    quantities = (Quantity("Zimtohrli", "", False, "distance of Zimtohrli at 48 kHz, mean over channels", least=0),)
    citation = (
        "J. Alakuijala et al.: Zimtohrli: an efficient psychoacoustic audio similarity metric, arXiv:2509.26133, 2025"
    )
    caution = (
        "Made for differences that are hardly heard, as of codecs, where separations are far apart; hardly sees a "
        "gain. "
        "Channels are compared one by one, so that the stereo image does not count."
    )

    def derive(self, track: TrackAudio) -> _ReferenceState:
        from zimtohrli import Pyohrli

        references = {t: at_rate(s, track.sample_rate, self.works_at) for t, s in track.references.items()}
        return _ReferenceState(references, Pyohrli())

    def measure(self, track: Prepared[_ReferenceState], target: str, estimate: Samples) -> Value:
        resampled = at_rate(estimate, track.sample_rate, self.works_at)
        pairs = zip(track.derived.references[target], resampled, strict=True)
        value = float(np.mean([track.derived.model.distance(s, y) for s, y in pairs]))
        return value if np.isfinite(value) else "zimtohrli gave no number"
