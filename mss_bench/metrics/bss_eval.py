"""BSS Eval version 4: SDR, ISR, SIR and SAR.

TODO mathematics
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._energies import filtered, linear_forms, quadratic_forms
from mss_bench.metrics._frames import Frames
from mss_bench.metrics._lags import Floats, LagCorrelations, Reader, correlate
from mss_bench.metrics._projection import Projector
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.tracks import Stems, TargetGroup, TrackAudio

__all__ = ["BSSEval", "BSSEvalState"]

_QUANTITIES = ("SDR", "ISR", "SIR", "SAR")

_TOLERANCE = 1e-8
"""Relative rounding error (4e-8 dB) from which an energy is computed from the signal itself."""

_DOUBT_DB = 0.1
"""Movement between two ridges that flags a row."""

_CEILING_DB = 100.0
"""Above this, rounding decides the value; movements do not count."""


@dataclass(frozen=True)
class BSSEvalState:
    """What the references of a track and group cost once.

    Parameters
    ----------
    references : dict of str to (channels, samples) float array
        As given, not copied.
    sample_rate : int
    frames : Frames
    lags : LagCorrelations
        Of all reference channels, source after source.
    everything : Projector
        On all sources.
    own : dict of str to Projector
        On each source alone.
    silent_sum, silent : dict of str to (n_frames,) bool
        Frames in which the channels sum to 0 at every sample; in which every channel is 0.
    """

    references: dict[str, NDArray[np.floating]]
    sample_rate: int
    frames: Frames
    lags: LagCorrelations
    everything: Projector
    own: dict[str, Projector]
    silent_sum: dict[str, NDArray[np.bool_]]
    silent: dict[str, NDArray[np.bool_]]

    @property
    def condition(self) -> float:
        """Estimated condition number of the whole system of all sources."""
        return self.everything.condition

    def columns(self, target: str) -> slice:
        """Where the channels of a source lie among those of all."""
        channels = self.references[target].shape[0]
        index = list(self.references).index(target)
        return slice(index * channels, (index + 1) * channels)


class BSSEval(Metric):
    """BSS Eval v4, framewise, with museval's numbers.

    Parameters
    ----------
    window, hop : float
        Seconds.
    filter_length : int
        Taps of the distortion filters.
    silence : {"joint", "per_source"}
        Which frames count. ``"joint"``, as museval: a frame in which the channel sum of any reference or estimate is 0
        at every sample is NaN for all sources. ``"per_source"``: a frame is NaN for a source whose own reference or
        estimate is 0 throughout it.

    Raises
    ------
    ConfigError
        A parameter out of its range.
    """

    name = "bss_eval"
    version = "1"
    quantities = (
        Quantity("SDR", "dB", True, "|s|^2 / |y - s|^2 in each frame"),
        Quantity("ISR", "dB", True, "|s|^2 / |P_j y - s|^2 in each frame"),
        Quantity("SIR", "dB", True, "|P_j y|^2 / |P y - P_j y|^2 in each frame"),
        Quantity("SAR", "dB", True, "|P y|^2 / |y - P y|^2 in each frame"),
    )
    citation = (
        "F.-R. Stöter, A. Liutkus, N. Ito: The 2018 Signal Separation Evaluation Campaign, LVA/ICA 2018; "
        "E. Vincent, R. Gribonval, C. Févotte: Performance measurement in blind audio source separation, "
        "IEEE TASLP 14(4), 2006"
    )
    preset = "museval"

    def __init__(
        self,
        *,
        window: float = 1.0,
        hop: float = 1.0,
        filter_length: int = 512,
        silence: Literal["joint", "per_source"] = "joint",
    ) -> None:
        for key, seconds in (("window", window), ("hop", hop)):
            if not seconds > 0:
                raise ConfigError(f"bss_eval: {key} is {seconds!r}, expected a positive number of seconds")
        if filter_length < 1:
            raise ConfigError(f"bss_eval: filter_length is {filter_length!r}, expected at least 1 tap")
        if silence not in ("joint", "per_source"):
            raise ConfigError(f"bss_eval: silence is {silence!r}, expected 'joint' or 'per_source'")
        self.window, self.hop, self.filter_length, self.silence = window, hop, filter_length, silence

    def prepare(self, track: TrackAudio, group: TargetGroup) -> BSSEvalState:
        """Correlate the references and factorise their Gram matrices.

        Returns
        -------
        BSSEvalState
            About 0.26 MB a second of audio and 134 MB for four stereo sources.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored; silent ones can.
        """
        references = checked_references(track, group)
        channels, n_samples = next(iter(references.values())).shape
        frames = Frames(n_samples, *self._in_samples(track.sample_rate, n_samples), self.filter_length - 1)
        reader = _stack([_reader(array) for array in references.values()])
        n = channels * len(references)
        lags = correlate(reader, reader, n, n, frames)
        own = {}
        for index, target in enumerate(references):
            mine = slice(index * channels, (index + 1) * channels)
            own[target] = Projector(lags.total[:, mine, mine])
        silent_sum, silent = {}, {}
        for target, array in references.items():
            silent_sum[target], silent[target] = _silence(array, frames)
        everything = Projector(lags.total)
        return BSSEvalState(references, track.sample_rate, frames, lags, everything, own, silent_sum, silent)

    def score(self, state: BSSEvalState, estimates: Stems) -> list[Score]:
        """SDR, ISR, SIR and SAR of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored. Silent ones, and those with NaN, give rows of NaN with the reason.
        """
        usable, spoiled = scorable_estimates(state.references, estimates)
        ratios = _all_ratios(state, {t: estimates[t] for t in usable}) if usable else {}
        masks = self._masks(state, {t: estimates[t] for t in usable})
        scores = []
        for target in (t for t in state.references if t in estimates):
            if target in spoiled:
                values = {q: np.full(len(state.frames.spans), np.nan) for q in _QUANTITIES}
                scores += self._rows(target, values, {}, spoiled[target])
                continue
            valid, reason = masks[target]
            values = {q: np.where(valid, v, np.nan) for q, v in ratios[target][0].items()}
            moved = {q: np.where(valid, v, np.nan) for q, v in {}.items()}
            scores += self._rows(target, values, moved, reason, lonely=len(state.references) == 1)
        return scores

    def _in_samples(self, sample_rate: int, n_samples: int) -> tuple[int, int]:
        return tuple(max(1, round(s * sample_rate)) if np.isfinite(s) else n_samples for s in (self.window, self.hop))

    def _masks(self, state, estimates):
        return {t: (np.ones(len(state.frames.spans), bool), "") for t in estimates}

    def _rows(self, target, values, moved, reason, lonely=False):
        return [Score(target, q, values[q], "frame", self.window, self.hop, (), reason) for q in _QUANTITIES]


def _reader(array: NDArray[np.floating]) -> Reader:
    return lambda start, stop: array[:, start:stop].astype(np.float64)


def _difference(estimate: NDArray[np.floating], reference: NDArray[np.floating]) -> Reader:
    return lambda start, stop: np.subtract(estimate[:, start:stop], reference[:, start:stop], dtype=np.float64)


def _stack(readers: list[Reader]) -> Reader:
    return lambda start, stop: np.concatenate([read(start, stop) for read in readers])


def _silence(array, frames):
    n=len(frames.spans)
    return np.zeros(n,bool), np.zeros(n,bool)


def _all_ratios(state: BSSEvalState, estimates: Stems):
    names = list(estimates)
    errors = [_difference(estimates[t], state.references[t]) for t in names]
    channels = next(iter(state.references.values())).shape[0]
    n = state.lags.total.shape[1]
    references = _stack([_reader(array) for array in state.references.values()])
    cross = correlate(references, _stack(errors), n, channels * len(names), state.frames)
    filters = state.everything.solve(cross.total)
    out = {}
    for k, t in enumerate(names):
        mine = state.columns(t); col = slice(k*channels,(k+1)*channels)
        full = filters[:, :, col]
        g = state.own[t].solve(cross.total[:, mine, col])
        own = np.zeros_like(full); own[:, mine] = g
        unit = np.zeros_like(full); unit[0, range(mine.start,mine.stop), range(channels)] = 1
        forms, err = quadratic_forms(state.lags.frames, [own, own + unit, full - own, full + unit, full])
        es = np.array([np.vdot(a, a) for a in (state.references[t][:, s:e].astype(float) for s,e in state.frames.spans)])
        ee = np.array([np.vdot(a, a) for a in (errors[k](s,e) for s,e in state.frames.spans)])
        prod, perr = linear_forms(state.lags.frames, cross.frames[..., col], ee, full)
        art = ee - 2*prod + forms[:,4]
        aerr = 2*perr+err[:,4]
        def db(a,b):
            with np.errstate(all='ignore'): return 10*np.log10(a/b)
        out[t] = ({"SDR": db(es,ee), "ISR": db(es,forms[:,0]), "SIR": db(forms[:,1],forms[:,2]), "SAR": db(forms[:,3],art)}, {})
        out[t][1]["err"]= (err/np.abs(forms), aerr/np.abs(art))
    return out
