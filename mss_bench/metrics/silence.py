"""What an estimate does where there is nothing to hear: PES and EPS.

BSS Eval has no value for frames in which a source is silent; a separator that leaks into pauses goes unpunished there.

- PES, predicted energy at silence: ``10 log10(sum y^2 + 1e-12)`` of the estimate, in frames where the reference is
  silent. Leakage raises it.
- EPS, energy at predicted silence: ``10 log10(sum s^2 + 1e-12)`` of the reference, in frames where the estimate is
  silent. Swallowed sound raises it.

Sums are over the samples and channels of a frame; lower is better and -120 dB the floor. Outputs of neural networks are
hardly ever exactly 0, hence the threshold below which a frame counts as silent. Of a reference that is silent for a
whole song, which every other family leaves undefined, PES speaks in every frame.

References
----------
K. Schulze-Forster, C. Doire, G. Richard, R. Badeau: Weakly informed audio source separation. WASPAA 2019.
"""

from __future__ import annotations

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.parameters import param
from mss_bench.core.tracks import TrackAudio
from mss_bench.metrics._signals import Signals
from mss_bench.metrics.base import Framewise, Outcome, Prepared, Quantity, Value

__all__ = ["Silence"]

_FLOOR = 1e-12


class Silence(Framewise):
    """Energy of the estimate where the reference is silent, and the reverse."""

    name = "silence"
    version = "1"
    silent_reference = "scored"
    silence = "none"
    quantities = (
        Quantity("PES", "dB", False, "10 log10(sum y^2 + 1e-12) in frames where the reference is silent", least=-120),
        Quantity("EPS", "dB", False, "10 log10(sum s^2 + 1e-12) in frames where the estimate is silent", least=-120),
    )
    citation = "K. Schulze-Forster et al.: Weakly informed audio source separation, WASPAA 2019"
    caution = (
        "They speak of pauses alone, few frames or none in many songs, and in dB of full scale: the level of the "
        "audio and the threshold of silence decide. EPS says nothing of estimates that are never silent."
    )

    threshold: float = param(
        -80.0,
        below=0,
        infinite=True,
        unit="dB",
        doc="Level relative to full scale, a mean square over samples and channels, up to which a frame is silent; "
        "``-inf`` asks for exact zeros.",
    )

    def derive(self, track: TrackAudio) -> dict[str, Floats]:
        return {
            target: self.frames(array.shape[1], track.sample_rate).energies(Signals([array]))
            for target, array in track.references.items()
        }

    def measure(self, track: Prepared[dict[str, Floats]], target: str, estimate: Samples) -> Outcome:
        frames = self.frames(track.samples, track.sample_rate)
        sizes = np.array([track.channels * (stop - start) for start, stop in frames.spans])
        limit = sizes * 10 ** (self.threshold / 10)

        def where_silent(heard: Floats, silent: Floats, kind: str) -> Value:
            values = np.where(silent <= limit, 10 * np.log10(heard + _FLOOR), np.nan)
            return f"{kind} {target!r} is silent in no frame" if np.isnan(values).all() else values

        reference, predicted = track.derived[target], frames.energies(Signals([estimate]))
        return where_silent(predicted, reference, "reference"), where_silent(reference, predicted, "estimate")
