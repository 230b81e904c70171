"""Measure every metric on every ladder of degradations: the numbers behind the metric cards.

Excerpts of five seconds of the built-in songs. The target is silent in the last of them, so that measures of silence
have something to say; then it is spoilt, step by step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import Audio, Stems, TargetGroup, TrackAudio
from mss_bench.datasets.catalog import get_dataset
from mss_bench.metrics import Metric, Quantity, metrics
from mss_bench.metrics.cards import Cost, Reaction, Reactions, loss
from mss_bench.metrics.perceptual.degradations import LADDERS

__all__ = ["LEFT_OUT", "Measurement", "Scene", "built_in", "measure", "scenes", "trend"]

SECONDS = 5.0
_START = 3.0  # seconds into the song
_PAUSE = 1.0
_FADE = 0.01  # a cut would be a click, which is a fault of its own

_TARGETS = ("vocals", "drums")
"""Spoilt in the first and in the second song, where a metric has no targets of its own."""

_ALL_STEPS, _SLOW_STEPS, _VERY_SLOW_STEPS = (0, 1, 2, 3, 4), (0, 2, 4), (4,)
_VERY_SLOW = ("peass",)

LEFT_OUT = {
    "peass": "one signal of these excerpts takes half a minute; measured when it is named",
    "haaqi": "it needs pyclarity, and takes minutes; measured when it is named",
    "fad": "it needs a network that does not come with this package",
    "embedding_mse": "it needs a network that does not come with this package",
}
"""Metrics that are measured only when they are named, or not at all, and why."""


@dataclass(frozen=True)
class Scene:
    """A target in its song, with the degradations of it.

    Parameters
    ----------
    name : str
        Of the song.
    references : dict of str to (2, samples) float32
    target : str
        What is spoilt.
    sample_rate : int
        Hz.
    """

    name: str
    references: Stems
    target: str
    sample_rate: int
    _spoilt: dict[tuple[str, float], Audio] = field(default_factory=dict)

    @cached_property
    def others(self) -> Audio:
        """Return the sum of the other stems."""
        rest = [s for name, s in self.references.items() if name != self.target]
        return np.asarray(np.sum(rest, axis=0, dtype=np.float32))

    @property
    def track(self) -> TrackAudio:
        """Return the song as a metric takes it."""
        return TrackAudio(self.references, self.others + self.references[self.target], self.sample_rate)

    @property
    def group(self) -> TargetGroup:
        """Return the group of all stems."""
        return TargetGroup("4stem", tuple(self.references))

    def spoilt(self, ladder: str, level: float) -> Audio:
        """Return the target at a step of a ladder, computed once."""
        if (ladder, level) not in self._spoilt:
            target = self.references[self.target]
            spoilt = LADDERS[ladder].apply(target, level, self.sample_rate, others=self.others, seed=1)
            self._spoilt[ladder, level] = spoilt.astype(np.float32)
        return self._spoilt[ladder, level]

    def estimates(self, metric: Metric, estimate: Audio) -> Stems:
        """Return what a metric is given: the target alone, or with the other stems where all are scored jointly."""
        return {**self.references, self.target: estimate} if metric.joint else {self.target: estimate}


def scenes(songs: int = 2, *, first: int = 0, pause: bool = True) -> list[Scene]:
    """Cut excerpts from the songs of the built-in test split.

    Parameters
    ----------
    songs : int
    first : int
        Songs that are passed over.
    pause : bool
        Whether the target is silent in the last second.
    """
    excerpts = []
    tracks = get_dataset("demo", n_songs=first + songs).tracks("test")[first:] if songs else []
    for index, track in enumerate(tracks):
        audio = track.load()
        rate = audio.sample_rate
        cut = slice(round(_START * rate), round((_START + SECONDS) * rate))
        stems = {name: audio.references[name][:, cut] for name in ("vocals", "drums", "bass", "other")}
        target = _TARGETS[index % len(_TARGETS)]
        excerpts.append((_paused if pause else Scene)(track.name, stems, target, rate))
    return excerpts


def _paused(name: str, stems: Stems, target: str, rate: int) -> Scene:
    """Return a scene whose target is silent in the last second."""
    samples = stems[target].shape[1]
    fall = np.arange(samples, dtype=np.float64)
    kept = np.clip((samples - _PAUSE * rate - fall) / (_FADE * rate), 0, 1).astype(np.float32)
    return Scene(name, {**stems, target: stems[target] * kept}, target, rate)


def _retargeted(scene: Scene, target: str) -> Scene:
    """Return the same song with another target spoilt, which pauses as well."""
    return scene if target == scene.target else _paused(scene.name, scene.references, target, scene.sample_rate)


@dataclass(frozen=True)
class Measurement:
    """Reactions of the metrics that were measured; costs, or the reason for having none, of all that were asked for."""

    reactions: Reactions
    costs: dict[str, Cost]


def measure(names: Sequence[str] = (), *, songs: int = 2) -> Measurement:
    """Score the reference and every step of every ladder.

    Parameters
    ----------
    names : sequence of str
        Metrics; by default all that are installed, without those that are `LEFT_OUT`. Slow ones are measured on one
        excerpt and three steps of each ladder.
    songs : int

    Raises
    ------
    MssBenchError
        A metric that was named and cannot be measured.
    """
    from threadpoolctl import threadpool_limits

    base = scenes(songs)
    made = {(s.name, s.target): s for s in base}  # degraded targets are computed once for all metrics
    reactions: dict[tuple[str, str], dict[str, Reaction]] = {}
    costs = {}
    for name, cls in built_in().items():
        if names and name not in names:
            continue
        if not names and (
            reason := LEFT_OUT.get(name) or ("" if cls.available() else f"needs: {cls.install_command()}")
        ):
            costs[name] = Cost(math.nan, math.nan, f"not measured: {reason}")
            continue
        metric, begin, own = build(metrics, Spec(name))[0], time.process_time(), []
        for scene in base[:1] if cls.slow else base:
            wanted = _retargeted(scene, metric.targets[0]) if metric.targets else scene
            own.append(made.setdefault((wanted.name, wanted.target), wanted))
        with threadpool_limits(limits=1):
            by_quantity, costs[name] = _measured(metric, own)
        reactions |= {(name, quantity): by_ladder for quantity, by_ladder in by_quantity.items()}
        print(f"{name}: {time.process_time() - begin:.1f} s")
    return Measurement(reactions, costs)


def built_in() -> dict[str, type[Metric]]:
    """Return the metrics of this package."""
    return {name: metrics.load(name) for name in metrics.names() if metrics.origin(name) == "mss_bench"}


def _measured(metric: Metric, own: Sequence[Scene]) -> tuple[dict[str, dict[str, Reaction]], Cost]:
    """Return the reactions of a metric's quantities to each ladder, and its cost."""
    chosen, note = _effort(metric)
    prepared, scored = [], []
    values: dict[tuple[str, str], list[list[float]]] = {}  # of each quantity and ladder, a list a scene
    for scene in own:
        begin = time.process_time()
        state = metric.prepare(scene.track, scene.group)
        prepared.append(time.process_time() - begin)

        def score(estimate: Audio, scene: Scene = scene, state: object = state) -> dict[str, float]:
            estimates = scene.estimates(metric, estimate)
            begin = time.process_time()
            scores = metric.score(state, estimates)
            scored.append((time.process_time() - begin) / len(estimates))
            # All targets may be scored; only the degraded one says something.
            return {s.quantity: s.value for s in scores if s.target == scene.target}

        clean = score(scene.references[scene.target])
        for ladder in LADDERS:
            levels = [LADDERS[ladder].levels[index] for index in chosen]
            steps = [clean, *(score(scene.spoilt(ladder, level)) for level in levels)]
            for quantity in clean:
                values.setdefault((quantity, ladder), []).append([step[quantity] for step in steps])
    quantities = {q.name: q for q in metric.quantities}
    reactions: dict[str, dict[str, Reaction]] = {}
    for (name, ladder), series in values.items():
        reactions.setdefault(name, {})[ladder] = _reaction(series, quantities[name])
    seconds = own[0].others.shape[1] / own[0].sample_rate
    # The median of many calls; the references are prepared once a song, and the first time loads libraries.
    score_cost, prepare_cost = float(np.median(scored)), min(prepared)
    return reactions, Cost(seconds / max(1e-4, score_cost), seconds / max(1e-4, prepare_cost), note)


def _effort(metric: Metric) -> tuple[tuple[int, ...], str]:
    """Return the steps of each ladder that a metric is measured on, and what the page says of it."""
    if metric.name in _VERY_SLOW:
        return _VERY_SLOW_STEPS, "one excerpt, the strongest step of each ladder"
    return (_SLOW_STEPS, "one excerpt, three steps of each ladder") if metric.slow else (_ALL_STEPS, "")


def _reaction(series: list[list[float]], quantity: Quantity) -> Reaction:
    """Return the reaction in the scene in which a quantity reacts more; values begin with that of the reference."""
    sign = -1.0 if quantity.higher_is_better else 1.0
    candidates = [Reaction(values[0], values[-1], trend(sign * np.array(values))) for values in series]
    return max(candidates, key=lambda reaction: float(np.nan_to_num(abs(loss(quantity, reaction)), nan=-1.0)))


def trend(badness: NDArray[np.float64]) -> float:
    """Return Spearman's correlation of values with their order: 1 where each is greater than the last.

    Only finite and infinite values count, three at least (else NaN); 0 where they never change. Values that agree to
    nine digits are ties.
    """
    from scipy.stats import rankdata

    there = ~np.isnan(badness)
    if np.count_nonzero(there) < 3:
        return math.nan
    ranks = rankdata([float(f"{value:.9g}") for value in badness[there].tolist()])
    if np.ptp(ranks) == 0:
        return 0.0
    return float(np.corrcoef(np.arange(len(ranks)), ranks)[0, 1])
