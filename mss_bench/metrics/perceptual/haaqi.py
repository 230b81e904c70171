"""HAAQI through pyclarity: the quality of music as a listener with a given hearing loss hears it.

The package asks for much that this metric does not need (pylint and deep-learning frameworks among it), so that no
extra of this package names it::

    pip install --no-deps pyclarity numba
    mss-bench run -m haaqi:left=20/25/30/45/55/60,right=20/25/35/50/60/65

As the Cadenza challenges compute it: the reference is presented at 65 dB SPL and gets the NAL-R amplification of the
audiogram (``equalisation=1``), the estimate is taken as it is (it should have been amplified by the system), each ear
with its channel and audiogram, and the value is the mean over the ears. One channel is heard by the left ear. From 0
(worst) to 1.

References
----------
J. M. Kates, K. H. Arehart: The Hearing-Aid Audio Quality Index (HAAQI). IEEE/ACM TASLP 24(2), 2016.
G. Roa-Dabike et al.: The first Cadenza challenges. IEEE OJSP 6, 2025.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from mss_bench.core.arrays import Samples
from mss_bench.core.parameters import param
from mss_bench.errors import ConfigError
from mss_bench.metrics.base import Metric, Prepared, Quantity, Value

__all__ = ["FREQUENCIES", "HAAQI", "HearingLevels"]

FREQUENCIES = (250, 500, 1000, 2000, 4000, 6000)
"""Hz, at which audiograms are given."""

_PRESENTED = 65.0  # dB SPL


class HearingLevels(tuple[float, ...]):
    """Hearing levels of an ear in dB HL at `FREQUENCIES`, written ``20/25/30/45/55/60``."""

    @classmethod
    def from_parameter(cls, value: Any) -> Self:
        """Return the levels of a text or a list.

        Raises
        ------
        ConfigError
            It does not hold one level from -20 to 120 dB for each frequency.
        """
        parts = value.split("/") if isinstance(value, str) else value
        try:
            levels = cls(float(part) for part in parts)
        except (TypeError, ValueError):
            levels = cls()
        if len(levels) != len(FREQUENCIES) or not all(-20 <= level <= 120 for level in levels):
            at = ", ".join(map(str, FREQUENCIES))
            raise ConfigError(
                f"haaqi: {value!r} is no audiogram; expected six levels of -20 to 120 dB, at {at} Hz: 20/25/30/45/55/60"
            )
        return levels

    def __str__(self) -> str:
        return "/".join(f"{level:g}" for level in self)


_NORMAL = HearingLevels((0.0,) * len(FREQUENCIES))


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """Let the package, which adds noise at the threshold of hearing, draw alike each time, unnoticed by others."""
    state = np.random.get_state()  # noqa: NPY002  # it has no generator of its own
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


class HAAQI(Metric):
    """Hearing-Aid Audio Quality Index by the audiogram of a listener. Slow, to be asked for by name."""

    name = "haaqi"
    module = "clarity"
    package = "pyclarity"
    install = "pip install --no-deps pyclarity numba"
    slow = True
    quantities = (Quantity("HAAQI", "", True, "HAAQI v1 of pyclarity, mean over ears", least=0, most=1),)
    citation = "J. M. Kates, K. H. Arehart: The Hearing-Aid Audio Quality Index (HAAQI), IEEE/ACM TASLP 24(2), 2016"
    caution = (
        "Made for what hearing aids do to music, not for separation. The estimate is taken to be amplified for the "
        "listener; with normal hearing, the default, there is nothing to amplify. The ears are compared one by one."
    )

    left: HearingLevels = param(
        _NORMAL, unit="dB HL", doc="Audiogram of the left ear at 250, 500, 1000, 2000, 4000 and 6000 Hz."
    )
    right: HearingLevels = param(_NORMAL, unit="dB HL", doc="Audiogram of the right ear.")

    def measure(self, track: Prepared[None], target: str, estimate: Samples) -> Value:
        from clarity.evaluator.haaqi import compute_haaqi
        from clarity.utils.audiogram import Audiogram

        if len(estimate) > 2:
            return f"{len(estimate)} channels, and a listener has two ears"
        scores, rate = [], track.sample_rate
        for levels, s, y in zip((self.left, self.right), track.references[target], estimate, strict=False):
            power = float(np.mean(s.astype(np.float64) ** 2))
            if power == 0:
                return "the reference is silent in one of its channels"
            if not y.any():  # which the package has no number for
                return "the estimate is silent in one of its channels"
            audiogram = Audiogram(levels=np.array(levels), frequencies=np.array(FREQUENCIES))
            level = _PRESENTED - 10 * np.log10(power)
            with _seeded():
                scores.append(
                    compute_haaqi(y.astype(np.float64), s.astype(np.float64), rate, rate, audiogram, 1, level)
                )
        value = float(np.mean(scores))
        return value if np.isfinite(value) else "pyclarity gave no number"
