"""ViSQOL's estimate of a mean opinion score, through the optional package ``visqol-python``.

ViSQOL v3 in its audio mode: similarity of gammatone spectrograms, mapped to MOS-LQO from 1 to 5 by a support vector
machine that comes with the package (Apache-2.0): ``pip install 'mss-bench[visqol]'``. The reference itself gets 4.73.

It looks at a mono signal at 48 kHz: channels are averaged, other rates resampled with soxr (flag ``resampled:48000``),
so that it does not hear the stereo image. A silent reference or estimate has no score, and neither has less than a
second.

References
----------
.. [1] M. Chinen, F. Lim, J. Skoglund, N. Gureev, F. O'Gorman, A. Hines: ViSQOL v3: an open source production ready
   objective speech and audio metric. QoMEX 2020.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.tracks import TrackAudio
from mss_bench.metrics._signals import at_rate
from mss_bench.metrics.base import Metric, Prepared, Quantity, Value

__all__ = ["ViSQOL"]

_SHORTEST = 1.0  # seconds


class _ReferenceState(NamedTuple):
    """The references' downmixes at 48 kHz, and ViSQOL."""

    downmixes: dict[str, Floats]
    api: Any


class ViSQOL(Metric):
    """Mean opinion score as ViSQOL predicts it. Slow, to be asked for by name.

    It takes no parameters.
    """

    name = "visqol"
    version = "1"
    extra = "visqol"
    module = "visqol"
    package = "visqol-python"
    works_at = 48000
    slow = True
    quantities = (
        Quantity(
            "ViSQOL", "", True, "MOS-LQO of ViSQOL v3, audio mode, of the mean of the channels, 1 to 5", least=1, most=5
        ),
    )
    citation = "M. Chinen et al.: ViSQOL v3: an open source production ready objective metric, QoMEX 2020"
    caution = (
        "Made for codecs: it takes the mean of the channels, so that the stereo image does not count, and aligns in "
        "time, so that delays are forgiven. A single grade that does not tell what is wrong."
    )

    def derive(self, track: TrackAudio) -> _ReferenceState:
        from visqol import VisqolApi

        api = VisqolApi()
        api.create(mode="audio")
        return _ReferenceState(
            {target: self._downmix(s, track.sample_rate) for target, s in track.references.items()}, api
        )

    def measure(self, track: Prepared[_ReferenceState], target: str, estimate: Samples) -> Value:
        reference, downmix = track.derived.downmixes[target], self._downmix(estimate, track.sample_rate)
        if len(reference) < (least := round(_SHORTEST * self.works_at)):
            return f"{len(reference)} samples at 48 kHz are too few for ViSQOL: expected at least {least}"
        if not reference.any():
            return "the reference is silent in the mean of its channels"
        if not downmix.any():
            return "the estimate is silent in the mean of its channels"
        score = float(track.derived.api.measure_from_arrays(reference, downmix, self.works_at).moslqo)
        return "visqol-python gave no number" if np.isnan(score) else score

    def _downmix(self, array: Samples, sample_rate: int) -> Floats:
        mono = array.mean(axis=0, dtype=np.float64)[None]
        return np.asarray(at_rate(mono, sample_rate, self.works_at)[0], dtype=np.float64)
