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

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import MissingDependencyError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._resample import at_rate
from mss_bench.metrics._signals import Floats, Samples
from mss_bench.metrics.base import Metric, Quantity, Score

__all__ = ["ViSQOL", "ViSQOLState"]

_RATE = 48000
_SHORTEST = 1.0


@dataclass(frozen=True)
class ViSQOLState:
    """References of a track, as given, their downmixes at 48 kHz, and ViSQOL."""

    references: dict[str, Samples]
    downmixes: dict[str, Floats]
    sample_rate: int
    api: Any


class ViSQOL(Metric):
    """Mean opinion score as ViSQOL predicts it. Slow, to be asked for by name.

    It takes no parameters.

    Parameters
    ----------
    """

    name = "visqol"
    version = "1"
    extra: ClassVar[str] = "visqol"
    slow: ClassVar[bool] = True
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

    @classmethod
    def available(cls) -> bool:
        """Whether visqol-python is installed."""
        return find_spec("visqol") is not None

    def prepare(self, track: TrackAudio, group: TargetGroup) -> ViSQOLState:
        """The references' downmixes.

        Raises
        ------
        MissingDependencyError
            visqol-python is not installed.
        ConfigError, AudioError
            References that cannot be scored.
        """
        if not self.available():
            raise MissingDependencyError("visqol-python", "the metric visqol", "pip install 'mss-bench[visqol]'")
        from visqol import VisqolApi

        references = checked_references(track, group)
        api = VisqolApi()
        api.create(mode="audio")
        downmixes = {target: _downmix(s, track.sample_rate) for target, s in references.items()}
        return ViSQOLState(references, downmixes, track.sample_rate, api)

    def score(self, state: ViSQOLState, estimates: Stems) -> list[Score]:
        """The score of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN gives NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        flags = () if state.sample_rate == _RATE else (f"resampled:{_RATE}",)
        scores = []
        for target in (t for t in state.references if t in estimates):
            value, reason = np.nan, spoiled.get(target, "")
            if not reason:
                downmix = _downmix(estimates[target], state.sample_rate)
                reason = _why_undefined(state.downmixes[target], downmix)
                if not reason:
                    value = float(state.api.measure_from_arrays(state.downmixes[target], downmix, _RATE).moslqo)
                    reason = "visqol-python gave no number" if np.isnan(value) else ""
            scores.append(Score(target, "ViSQOL", np.array([value]), flags=flags, reason=reason))
        return scores


def _downmix(array: Samples, sample_rate: int) -> Floats:
    return np.asarray(at_rate(array.mean(axis=0, dtype=np.float64)[None], sample_rate, _RATE)[0], dtype=np.float64)


def _why_undefined(reference: Floats, estimate: Floats) -> str:
    least = round(_SHORTEST * _RATE)
    if len(reference) < least:
        return f"{len(reference)} samples at 48 kHz are too few for ViSQOL: expected at least {least}"
    if not reference.any():
        return "the reference is silent in the mean of its channels"
    return "" if estimate.any() else "the estimate is silent in the mean of its channels"
