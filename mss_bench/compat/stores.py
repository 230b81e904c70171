"""museval's containers of scores: of a track, of all tracks of a method, and of several methods."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mss_bench.compat.museval_json import METRICS, FrameScores, read, to_museval, write
from mss_bench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EvalStore", "MethodStore", "TrackStore"]

Aggregation = Literal["median", "mean"]

_SHOWN = ("SDR", "SIR", "ISR", "SAR")
"""museval's order in print."""

_TRACK_COLUMNS = ["time", "target", "metric", "score", "track"]


class TrackStore:
    """Framewise scores of one track.

    Parameters
    ----------
    track_name : str
    win, hop : float
        Seconds.
    frames_agg : {"median", "mean"} or callable
        How ``repr`` makes one number of the frames, NaN left out.

    Attributes
    ----------
    scores : dict
        museval's structure; numbers are floats rounded to 1e-5 dB, missing and infinite ones None.
    """

    def __init__(
        self,
        track_name: str,
        win: float = 1,
        hop: float = 1,
        frames_agg: Literal["median", "mean"] | Callable[[Any], Any] = "median",
    ) -> None:
        named: dict[Any, Callable[[Any], Any]] = {"median": np.nanmedian, "mean": np.nanmean}
        self.frames_agg = frames_agg if callable(frames_agg) else named[frames_agg]
        self.track_name, self.win, self.hop = track_name, win, hop
        self._frames: list[FrameScores] = []

    def add_target(self, target_name: str, values: Mapping[str, Sequence[float]]) -> None:
        """Add the scores of a target: SDR, SIR, SAR and ISR to values by frame, in dB."""
        self._frames += [FrameScores(target_name, metric, self.win, self.hop, values[metric]) for metric in METRICS]

    @property
    def scores(self) -> dict[str, Any]:
        return to_museval(self._frames)

    @property
    def json(self) -> str:
        """Return the scores as JSON."""
        return json.dumps(self.scores, indent=2, allow_nan=False, ensure_ascii=False)

    @property
    def df(self) -> pd.DataFrame:
        """Return the scores as a table of ``time, target, metric, score, track``, as `EvalStore.add_track` takes."""
        import pandas as pd

        rows = [
            (frame["time"], target["name"], metric, np.nan if value is None else value, self.track_name)
            for metric in ("SDR", "SAR", "ISR", "SIR")
            for target in self.scores["targets"]
            for frame in target["frames"]
            for value in (frame["metrics"][metric],)
        ]
        table = pd.DataFrame(rows, columns=_TRACK_COLUMNS)
        return table.astype({"time": "float64", "score": "float64"})

    def save(self, path: str | Path) -> None:
        """Write the JSON file, whole or not at all.

        Raises
        ------
        RunError
            When it cannot be written.
        """
        write(path, self._frames)

    def __repr__(self) -> str:
        text = ""
        for target in self.scores["targets"]:
            by_metric = {m: np.array([f["metrics"][m] for f in target["frames"]], dtype=np.float64) for m in _SHOWN}
            aggregates = {m: np.nan if np.isnan(v).all() else float(self.frames_agg(v)) for m, v in by_metric.items()}
            text += _line(target["name"], aggregates)
        return text


class _Aggregates:
    """Frames of many tracks and their aggregates; the parameters are those of the subclasses."""

    _keys: tuple[str, ...] = ()

    def __init__(self, frames_agg: Aggregation = "median", tracks_agg: Aggregation = "median") -> None:
        import pandas as pd

        for name, given in (("frames_agg", frames_agg), ("tracks_agg", tracks_agg)):
            if given not in ("median", "mean"):
                raise ConfigError(f"{name} is {given!r}, expected 'median' or 'mean'")
        self.frames_agg, self.tracks_agg = frames_agg, tracks_agg
        self.df = pd.DataFrame()

    def agg_frames_scores(self) -> pd.Series:
        """Return one score for each track, target and metric."""
        return self._aggregated(self._filled(), ["track"], self.frames_agg)

    def agg_frames_tracks_scores(self) -> pd.Series:
        """Return one score for each target and metric: over the frames of each track, then over tracks."""
        return self._aggregated(self.agg_frames_scores().reset_index(), [], self.tracks_agg)

    def _aggregated(self, table: pd.DataFrame, tracks: list[str], how: Aggregation) -> pd.Series:
        grouped = table.groupby([*self._keys, *tracks, "target", "metric"])["score"]
        return grouped.median() if how == "median" else grouped.mean()

    def _filled(self) -> pd.DataFrame:
        if self.df.empty:
            raise ConfigError(f"the {type(self).__name__} holds no scores yet; add some first")
        return self.df

    def _add(self, table: pd.DataFrame) -> None:
        import pandas as pd

        self.df = table if self.df.empty else pd.concat([self.df, table], ignore_index=True)


class EvalStore(_Aggregates):
    """Scores of one method on many tracks.

    Parameters
    ----------
    frames_agg, tracks_agg : {"median", "mean"}
        Over the frames of a track, then over tracks; missing values are left out.

    Attributes
    ----------
    df : DataFrame
        Columns ``time, target, metric, score, track``: one row for each frame, target and metric.

    Examples
    --------
    >>> track = TrackStore("A song")
    >>> track.add_target("vocals", {"SDR": [4.0, 6.0], "SIR": [9.0, 9.0], "ISR": [8.0, 8.0], "SAR": [5.0, 5.0]})
    >>> store = EvalStore()
    >>> store.add_track(track)
    >>> float(store.agg_frames_tracks_scores()["vocals", "SDR"])
    5.0
    """

    def add_track(self, track: TrackStore | pd.DataFrame) -> None:
        """Add the scores of a track: what `eval_mus_track` returns, or its `df`."""
        self._add(track.df if isinstance(track, TrackStore) else track)

    def add_eval_dir(self, path: str | Path) -> None:
        """Add the JSON files below ``<path>/test``, named ``<track>.json``, of museval or of this package.

        Raises
        ------
        ConfigError
            A folder without any (museval adds nothing then), or a file that is not museval's.
        """
        for file in _eval_files(path):
            self.add_track(_read_track(file))

    def __repr__(self) -> str:
        text = f"Aggrated Scores ({self.frames_agg} over frames, {self.tracks_agg} over tracks)\n"  # as museval has it
        if self.df.empty:
            return text
        scores = self.agg_frames_tracks_scores().to_dict()
        for target in self.df["target"].unique():
            text += _line(target, {metric: scores.get((target, metric), np.nan) for metric in _SHOWN})
        return text


class MethodStore(_Aggregates):
    """Scores of several methods on many tracks.

    museval's download of the SiSEC 2018 results is left out.

    Parameters
    ----------
    frames_agg, tracks_agg : {"median", "mean"}
        Over the frames of a track, then over tracks; missing values are left out.

    Attributes
    ----------
    df : DataFrame
        Columns ``time, target, metric, score, track, method``.
    """

    _keys = ("method",)

    def add_evalstore(self, method: EvalStore, name: str) -> None:
        """Add the scores of a method under a name."""
        self._add(method.df.assign(method=name))

    def add_eval_dir(self, path: str | Path) -> None:
        """Add the JSON files of a method, which is called as the folder; see `EvalStore.add_eval_dir`.

        Raises
        ------
        ConfigError
            A folder without JSON files below ``test``, or a file that is not museval's.
        """
        method = EvalStore()
        method.add_eval_dir(path)
        self.add_evalstore(method, Path(path).stem)


def _eval_files(path: str | Path) -> list[Path]:
    files = sorted((Path(path) / "test").rglob("*.json"))
    if not files:
        raise ConfigError(f"{Path(path) / 'test'} holds no JSON file; expected <track>.json as museval writes them")
    return files


def _read_track(file: Path) -> pd.DataFrame:
    """Read a file as a table of `_TRACK_COLUMNS`."""
    table = read(file)
    table = table[table["metric"].isin(METRICS)].rename(columns={"value": "score"})
    return table.assign(track=file.stem)[_TRACK_COLUMNS]


def _line(target: str, values: Mapping[str, float]) -> str:
    return target.ljust(16) + "==> " + "".join(f"{metric}:{value:>8.3f}  " for metric, value in values.items()) + "\n"
