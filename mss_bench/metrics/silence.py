"""What an estimate does where there is nothing to hear: PES and EPS.

BSS Eval has no value for frames in which a source is silent; a separator that leaks into pauses goes unpunished there.

- PES, predicted energy at silence: ``10 log10(sum y^2 + 1e-12)`` of the estimate, in frames where the reference is
  silent. Leakage raises it.
- EPS, energy at predicted silence: ``10 log10(sum s^2 + 1e-12)`` of the reference, in frames where the estimate is
  silent. Swallowed sound raises it.

Sums are over the samples and channels of a frame; lower is better and -120 dB the floor. Outputs of neural networks are
hardly ever exactly 0, hence the threshold below which a frame counts as silent.

References
----------
K. Schulze-Forster, C. Doire, G. Richard, R. Badeau: Weakly informed audio source separation. WASPAA 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._frames import Frames
from mss_bench.metrics._signals import Floats, Samples, Signals
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.presets import preset_name

__all__ = ["Silence", "SilenceState"]

_FLOOR = 1e-12


@dataclass(frozen=True)
class SilenceState:
    """References of a track, as given, and their energy ``(n_frames,)`` in each frame."""

    references: dict[str, Samples]
    frames: Frames
    energies: dict[str, Floats]


class Silence(Metric):
    """Energy of the estimate where the reference is silent, and the reverse.

    Parameters
    ----------
    window, hop : float
        Seconds.
    threshold : float
        Level in dB relative to full scale (mean square over samples and channels) up to which a frame is silent;
        ``-inf`` asks for exact zeros.

    Raises
    ------
    ConfigError
        A parameter out of its range.
    """

    name = "silence"
    version = "1"
    quantities = (
        Quantity("PES", "dB", False, "10 log10(sum y^2 + 1e-12) in frames where the reference is silent", least=-120),
        Quantity("EPS", "dB", False, "10 log10(sum s^2 + 1e-12) in frames where the estimate is silent", least=-120),
    )
    citation = "K. Schulze-Forster et al.: Weakly informed audio source separation, WASPAA 2019"
    caution = (
        "They speak of pauses alone, few frames or none in many songs, and in dB of full scale: the level of the "
        "audio and the threshold of silence decide. EPS says nothing of estimates that are never silent."
    )

    def __init__(self, *, window: float = 1.0, hop: float = 1.0, threshold: float = -80.0) -> None:
        for key, seconds in (("window", window), ("hop", hop)):
            if not seconds > 0:
                raise ConfigError(f"silence: {key} is {seconds!r}, expected a positive number of seconds")
        if not threshold < 0:
            raise ConfigError(f"silence: threshold is {threshold!r}, expected a negative level in dB")
        self.window, self.hop, self.threshold = window, hop, threshold
        given = {"window": window, "hop": hop, "threshold": threshold}
        self.preset = preset_name("default", given, {"window": 1.0, "hop": 1.0, "threshold": -80.0})

    def prepare(self, track: TrackAudio, group: TargetGroup) -> SilenceState:
        """Energies of the references.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored.
        """
        references = checked_references(track, group)
        frames = Frames.of_seconds(next(iter(references.values())).shape[1], self.window, self.hop, track.sample_rate)
        return SilenceState(references, frames, {t: _energies(array, frames) for t, array in references.items()})

    def score(self, state: SilenceState, estimates: Stems) -> list[Score]:
        """PES and EPS of every delivered target; NaN in frames with sound.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN gives NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        scores = []
        for target, energies in state.energies.items():
            if target not in estimates:
                continue
            predicted = np.full_like(energies, np.nan)
            if target not in spoiled:
                predicted = _energies(estimates[target], state.frames)
            pairs = (("PES", predicted, energies, "reference"), ("EPS", energies, predicted, "estimate"))
            for quantity, heard, silent, kind in pairs:
                values = np.where(self._is_silent(silent, state), 10 * np.log10(heard + _FLOOR), np.nan)
                reason = spoiled.get(target, f"{kind} {target!r} is silent in no frame")
                reason = reason if np.isnan(values).all() else ""
                scores.append(Score(target, quantity, values, "frame", self.window, self.hop, (), reason))
        return scores

    def _is_silent(self, energies: Floats, state: SilenceState) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        channels = len(next(iter(state.references.values())))
        sizes = np.array([channels * (stop - start) for start, stop in state.frames.spans])
        return energies <= sizes * 10 ** (self.threshold / 10)


def _energies(array: Samples, frames: Frames) -> Floats:
    signals = Signals([array])
    return np.array([np.vdot(frame, frame) for frame in (signals.read(*span) for span in frames.spans)])
