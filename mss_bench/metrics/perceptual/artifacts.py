"""Single artifacts, each by a measure of its own: what is wrong with an estimate, not only how much.

Musical noise, smeared transients, lost treble, a moved stereo image and inconsistent phases, without trained weights.
Each measure reacts to its own fault at least five times as strongly as to any other of
`mss_bench.metrics.perceptual.degradations`, each at the strongest step of its ladder. On the seven stems
on which the measures were made that holds in 41 of 42 cases, on eleven others in 58 of 65 (``reports/metrics``). There
the phase error reacts only 2.4 to 4.1 times as strongly as to smearing or a low-pass (two voices, a layer of harmony),
the log kurtosis ratio 4.0 and 4.9 times as to smearing, the level difference of a voice 4.9 times as to clipping, the
smearing of a layer of harmony 1.7 times as to clipping. One target in stereo runs some 20 times as fast as real time.

Every measure is 0 for the reference itself, lower is better, and looks only at places where the reference dominates its
mixture by 10 dB: leakage is no artifact. A delay of up to 50 ms of the whole estimate is made up for; a gain has no
effect.

- *Rates.* Any; frames are set in seconds. High-frequency loss needs a rate above twice its lowest frequency.
- *Channels.* Any number; the stereo image needs two.
- *Silence.* A silent reference or estimate has no values, and so has a target that never dominates its mixture.
- *Length.* At least half a second.

References
----------
.. [1] Y. Uemura, Y. Takahashi, H. Saruwatari, K. Shikano, K. Kondo: Automatic optimization scheme of spectral
   subtraction based on musical noise assessment via higher-order statistics. IWAENC 2008 (log kurtosis ratio).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mss_bench.core.arrays import Samples
from mss_bench.core.parameters import param
from mss_bench.metrics._checks import too_short
from mss_bench.metrics.base import Metric, Outcome, Prepared, Quantity
from mss_bench.metrics.perceptual.alignment import delayed_by
from mss_bench.metrics.perceptual.artifact_measures import (
    HighFrequencyLoss,
    ImageShift,
    MusicalNoise,
    PhaseInconsistency,
)
from mss_bench.metrics.perceptual.spectra import Piece, spectra
from mss_bench.metrics.perceptual.transients import TransientSmearing

__all__ = ["Artifacts"]

_PIECE = 20.0  # seconds that are worked on at a time
_SHORTEST = 0.5  # seconds


class Artifacts(Metric):
    """Six numbers that tell single artifacts apart."""

    name = "artifacts"
    version = "1"
    quantities = (
        Quantity(
            "LKR", "", False, "log kurtosis ratio: median of ln(kurt |Y| / kurt |S|) over patches, at least 0", least=0
        ),
        Quantity(
            "Smearing", "ms", False, "envelope of attacks that comes before its time, times how much before", least=0
        ),
        Quantity(
            "HF-loss", "dB", False, "mean loss of level in the treble beyond that of the middle", least=0, most=60
        ),
        Quantity("ILD-error", "dB", False, "|median change of the channels' level difference|", least=0),
        Quantity("ITD-error", "µs", False, "|change of the channels' time difference|", least=0, most=1000),
        Quantity(
            "Phase-error", "", False, "1 - |mean of e^(i (arg Y - arg S))| in two seconds, weighted by |S|^2",
            least=0, most=1,
        ),
    )  # fmt: skip
    citation = "Y. Uemura et al.: Automatic optimization scheme of spectral subtraction, IWAENC 2008 (LKR)"
    caution = (
        "Made to tell single constructed faults apart, not checked against listeners, and not for adding up. Only "
        "places where the reference dominates its mixture count. On some voices and layers of harmony clipping looks "
        "like smearing and smearing like unsteady phases, about half as strong as the fault that is meant."
    )

    treble: float = param(
        4000.0, above=0, unit="Hz", doc="From where on loss is one of high frequencies, up to two octaves above it."
    )
    dominance: float = param(
        10.0,
        infinite=True,
        unit="dB",
        doc="How far the reference is to dominate its mixture where it is looked at; ``-inf`` looks everywhere.",
    )

    def measure(self, track: Prepared[None], target: str, estimate: Samples) -> Outcome:
        if reason := too_short(track.samples, round(_SHORTEST * track.sample_rate), "for artifacts"):
            return reason
        if not estimate.any():
            return "the estimate is silent"
        musical, smearing, treble = MusicalNoise(), TransientSmearing(), HighFrequencyLoss(self.treble)
        image, phase = ImageShift(), PhaseInconsistency()
        for piece in _pieces(track, target, estimate, 10 ** (self.dominance / 10)):
            smearing.add(piece)
            # Musical noise is short and takes short frames; for levels and phases long ones tell partials apart.
            musical.add(spectra(piece, 0.046))
            wide = spectra(piece, 0.186)
            treble.add(wide)
            phase.add(wide)
            if track.channels == 2:
                image.add(wide)
        no_place = "the reference dominates its mixture nowhere"
        no_treble = f"there is nothing above {self.treble:g} Hz at {track.sample_rate} Hz"
        no_image = f"a stereo image has two channels, found {track.channels}" if track.channels != 2 else no_place
        found = (
            (musical.value, no_place),
            (smearing.value, "the reference has no attacks of its own in bands that the estimate has kept"),
            (treble.value, no_treble if track.sample_rate <= 2 * self.treble else no_place),
            (image.level, no_image),
            (image.time, no_image),
            (phase.value, no_place),
        )
        return tuple(reason if np.isnan(value) else value for value, reason in found)


def _pieces(track: Prepared[None], target: str, estimate: Samples, dominance: float) -> Iterator[Piece]:
    """Yield the track in pieces of 20 s, the last of them up to 40 s, with the estimate's delay taken out."""
    reference = track.references[target]
    late = delayed_by(reference, estimate, track.sample_rate)
    length, samples = round(_PIECE * track.sample_rate), reference.shape[1]
    count = max(1, samples // length)
    for index in range(count):
        start, stop = index * length, samples if index == count - 1 else (index + 1) * length
        first, last = max(0, start + late), max(0, min(samples, stop + late))
        part = np.zeros((len(reference), stop - start))
        offset = max(0, -(start + late))
        part[:, offset : offset + last - first] = estimate[:, first:last]
        others = np.zeros(part.shape)
        for other, array in track.references.items():
            if other != target:
                others += array[:, start:stop]
        yield Piece(reference[:, start:stop].astype(np.float64), part, others, track.sample_rate, dominance)
