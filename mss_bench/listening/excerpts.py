"""Which seconds of a track are listened to.

``active``
    The excerpt in which every source is at work: among the starts (every 0.1 s) at which each source is active in at
    least 70 % of the 0.4 s blocks, the one with the greatest *criterion*, the minimum over the sources of the source's
    loudness in the excerpt relative to its median over the track. A block is active that is less than 20 LU below its
    source's loudness. Equally good starts are drawn from by the seed. Where no start has all sources active, the one
    with the greatest least activity is taken, and says so; sources that are silent throughout are left out.
``disagree``
    The excerpt in which metrics disagree most about the systems: for each window of frames the systems are ranked by
    each metric, and the mean over pairs of metrics of (1 - Spearman's rho) / 2 is the criterion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.loudness import BLOCK, block_power, gated_loudness, lufs
from mss_bench.errors import AudioError, RunError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Excerpt", "active_excerpt", "disagreeing_excerpts"]

_STEP = 0.1  # seconds between starts, and between blocks: those of BS.1770 overlap by three quarters of 0.4 s
_ACTIVE_SHARE = 0.7  # of the blocks; more, and a source that pauses for a bar would have no excerpt
_ACTIVE_LU = 20.0  # below the source's loudness; a block further down is a pause or reverberation
_TIE = 0.05  # LU within which starts are equally good


@dataclass(frozen=True)
class Excerpt:
    """A part of a track."""

    track: str
    start: float  # seconds
    seconds: float
    criterion: float  # value of the rule; NaN where the excerpt was given
    note: str = ""  # what was not as the rule wants it

    @property
    def item(self) -> str:
        """Return the name of the item: track and start."""
        return f"{self.track} @{self.start:.1f}"


def active_excerpt(
    track: str, stems: Mapping[str, NDArray[np.floating[Any]]], sample_rate: int, seconds: float,
    rng: np.random.Generator,
) -> Excerpt:  # fmt: skip
    """Choose the excerpt of a track in which every source is at work.

    Parameters
    ----------
    track : str
    stems : dict of str to (channels, samples) array
    sample_rate : int
        Hz.
    seconds : float
    rng : numpy.random.Generator
        Chooses among equally good starts.

    Raises
    ------
    AudioError
        The track is shorter than the excerpt, or silent.
    """
    samples = next(iter(stems.values())).shape[-1]
    if samples < round(seconds * sample_rate):
        raise AudioError(f"track {track!r} has {samples / sample_rate:.1f} s, the excerpt is to have {seconds:g} s")
    width = 1 + round((seconds - BLOCK) / _STEP)
    activity, level, silent = [], [], []
    for name, stem in stems.items():
        measured = block_power(stem, sample_rate, BLOCK)
        whole = gated_loudness(measured)
        if not np.isfinite(whole):
            silent.append(name)
            continue
        blocks = lufs(measured)
        active = blocks > whole - _ACTIVE_LU
        # The loudness of what is played, not of the pauses in it: the mean over active blocks.
        power = np.where(active, 10 ** (blocks / 10), 0.0)
        count = _windows(active.astype(float), width)
        activity.append(count / width)
        with np.errstate(divide="ignore", invalid="ignore"):
            loudness = 10 * np.log10(_windows(power, width) / count)
        level.append(np.where(count > 0, loudness - np.median(blocks[active]), -np.inf))
    if not activity:
        raise AudioError(f"track {track!r} is silent: there is nothing to listen to")
    least, criterion = np.min(activity, axis=0), np.min(level, axis=0)
    notes = [f"{', '.join(silent)} silent throughout"] if silent else []
    allowed = least >= _ACTIVE_SHARE
    if not allowed.any():
        notes.append(f"a source is active in {100 * least.max():.0f} % of the blocks only")
        allowed = least == least.max()
    best = criterion[allowed].max()
    start = int(rng.choice(np.flatnonzero(allowed & ((criterion >= best - _TIE) | np.isneginf(best)))))
    return Excerpt(track, round(start * _STEP, 1), seconds, float(criterion[start]), "; ".join(notes))


def disagreeing_excerpts(frames: pd.DataFrame, target: str, systems: list[str], seconds: float) -> list[Excerpt]:
    """Choose for each track the excerpt in which the metrics disagree most about the systems.

    Parameters
    ----------
    frames : DataFrame
        Columns of `mss_bench.core.schema.FRAME_COLUMNS`; ``separator`` with its parameters, as `systems` name it.
    target : str
    systems : list of str
        Methods, at least three.
    seconds : float

    Returns
    -------
    list of Excerpt
        The greatest disagreement first.

    Raises
    ------
    RunError
        Fewer than three systems or two metrics with values in frames.
    """
    from scipy.stats import rankdata

    own = frames[(frames["target"] == target) & frames["separator"].isin(systems)]
    metrics = list(dict.fromkeys(own["metric"]))
    if len(systems) < 3 or len(metrics) < 2:
        raise RunError(
            f"rule disagree needs three systems and two metrics with values in frames for {target}, "
            f"got {len(systems)} and {len(metrics)}; use rule: active"
        )
    excerpts = []
    for track, part in own.groupby("track", sort=False):
        cube = {
            metric: rows.pivot_table("value", "time", "separator", aggfunc="first").reindex(columns=systems)
            for metric, rows in part.groupby("metric", sort=False)
        }
        times = sorted(set.intersection(*(set(table.index) for table in cube.values())))
        best = (-np.inf, 0.0)
        for start in times:
            inside = [t for t in times if start <= t and t + 1e-6 < start + seconds]
            means = np.array([table.loc[inside].mean().to_numpy() for table in cube.values()])
            # The last frame begins a hop before its end; 1e-6 is for starts that are no binary fractions.
            if times[-1] - start + 1e-6 < seconds - np.diff(times[:2]).sum() or not np.isfinite(means).all():
                continue
            ranks = rankdata(means, axis=1)
            with np.errstate(invalid="ignore"):  # systems that are all equal have no order
                rho = np.nan_to_num(np.atleast_2d(np.corrcoef(ranks)))
            disagreement = np.mean([(1 - rho[i, j]) / 2 for i, j in combinations(range(len(ranks)), 2)])
            best = max(best, (float(disagreement), -start))
        if np.isfinite(best[0]):
            excerpts.append(Excerpt(str(track), -best[1], seconds, best[0]))
    return sorted(excerpts, key=lambda e: (-e.criterion, e.track))


def _windows(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the sums of `width` values in a row."""
    running = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(running[width:] - running[:-width])
