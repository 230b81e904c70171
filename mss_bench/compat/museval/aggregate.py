"""museval's containers of scores: of a track, of all tracks of a method, and of several methods."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Never

import numpy as np

from mss_bench.compat.museval_json import METRICS, FrameScores, frame_table, read_file, to_museval, write_content
from mss_bench.core.files import replacing
from mss_bench.errors import ConfigError, RunError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EvalStore", "MethodStore", "TrackStore", "json2df"]

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
        museval's structure, to which targets may be added; numbers are floats rounded to 1e-5 dB, missing and infinite
        ones None.
    """

    def __init__(
        self,
        track_name: str,
        win: float = 1,
        hop: float = 1,
        frames_agg: Literal["median", "mean"] | Callable[[Any], Any] = "median",
    ) -> None:
        named: dict[Any, Callable[[Any], Any]] = {"median": np.nanmedian, "mean": np.nanmean}
        if not callable(frames_agg) and frames_agg not in named:
            raise ConfigError(f"frames_agg is {frames_agg!r}, expected 'median', 'mean' or a function")
        self.frames_agg = frames_agg if callable(frames_agg) else named[frames_agg]
        if not isinstance(track_name, str):
            raise ConfigError(f"track_name is {track_name!r:.60}, expected a text")
        for name, seconds in (("win", win), ("hop", hop)):
            if (
                isinstance(seconds, bool)
                or not isinstance(seconds, int | float | np.number)
                or not 0 < seconds < np.inf
            ):
                raise ConfigError(f"{name} is {seconds!r:.60}, expected seconds")
        self.track_name, self.win, self.hop = track_name, win, hop
        self.scores: dict[str, Any] = to_museval([])

    def add_target(self, target_name: str, values: Mapping[str, Sequence[float]]) -> None:
        """Add the scores of a target: SDR, SIR, SAR and ISR to values by frame, in dB.

        Raises
        ------
        ConfigError
            A target that is there already, a quantity that is missing, or quantities that differ in length.
        """
        given: tuple[Any, Any] = target_name, values
        if not isinstance(given[0], str) or not isinstance(given[1], Mapping):
            raise ConfigError(
                f"a target is given as {given[0]!r:.60} and {given[1]!r:.60}, expected its name and a mapping of SDR, "
                "SIR, SAR and ISR to values"
            )
        if any(target["name"] == target_name for target in self.scores["targets"]):
            raise ConfigError(f"target {target_name!r} of {self.track_name!r} is there already; expected each once")
        if missing := [metric for metric in METRICS if metric not in values]:
            raise ConfigError(f"target {target_name!r} lacks {', '.join(missing)}; expected {', '.join(METRICS)}")
        frames = []
        for metric in METRICS:
            try:
                by_frame = np.asarray(values[metric], dtype=np.float64)
            except (TypeError, ValueError):
                by_frame = np.zeros(())
            if by_frame.ndim != 1:
                raise ConfigError(f"{metric} of {target_name!r} is {values[metric]!r:.60}, expected a number a frame")
            frames.append(FrameScores(target_name, metric, self.win, self.hop, by_frame.tolist()))
        self.scores["targets"] += to_museval(frames)["targets"]

    def validate(self) -> None:
        """Refuse `scores` that are not of museval's form; the message names the place.

        Raises
        ------
        ConfigError
        """
        frame_table(self.scores, f"the scores of {self.track_name!r}")

    @property
    def json(self) -> str:
        """Return the scores as JSON."""
        return json.dumps(self.scores, indent=2, allow_nan=False, ensure_ascii=False)

    @property
    def df(self) -> pd.DataFrame:
        """Return the scores as a table of ``time, target, metric, score, track``, as `EvalStore.add_track` takes."""
        return json2df(self.scores, self.track_name)

    def save(self, path: str | Path) -> None:
        """Write the JSON file, whole or not at all.

        Raises
        ------
        ConfigError
            As `validate`.
        RunError
            When it cannot be written.
        """
        self.validate()
        write_content(path, self.scores)

    def __repr__(self) -> str:
        text = ""
        for target in self.scores["targets"]:
            by_metric = {m: np.array([f["metrics"][m] for f in target["frames"]], dtype=np.float64) for m in _SHOWN}
            aggregates = {m: np.nan if np.isnan(v).all() else float(self.frames_agg(v)) for m, v in by_metric.items()}
            text += _line(target["name"], aggregates)
        return text


class _Aggregates:
    """Frames of many tracks and their aggregates.

    Parameters
    ----------
    frames_agg, tracks_agg : {"median", "mean"}
        Over the frames of a track, then over tracks; missing values are left out.
    """

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

    def save(self, path: str | Path) -> None:
        """Write `df` as a Parquet file, whole or not at all; museval writes a pickle.

        Raises
        ------
        ConfigError
            There are no scores yet.
        RunError
            When it cannot be written.
        """
        path = Path(path)
        table = self._filled()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                table.to_parquet(temporary, index=False)
        except OSError as error:
            raise RunError(f"{path} cannot be written: {error.strerror or error}") from error

    def load(self, path: str | Path) -> None:
        """Read `df` from a Parquet file that `save` wrote, in the place of what the store holds.

        Raises
        ------
        ConfigError
            The file is missing, a pickle of museval's, or no table with the columns of this store.
        """
        if not isinstance(path, (str, PathLike)):
            raise ConfigError(f"path is {path!r:.60}, expected that of a Parquet file")
        self.df = _read_parquet(Path(path), [*self._keys, *_TRACK_COLUMNS])

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
        table = track.df if isinstance(track, TrackStore) else track
        if missing := [column for column in _TRACK_COLUMNS if column not in getattr(table, "columns", ())]:
            raise ConfigError(
                f"a track is added as its TrackStore or that one's df; the {type(track).__name__} given lacks "
                f"{', '.join(missing)}"
            )
        self._add(table)

    def add_eval_dir(self, path: str | Path) -> None:
        """Add the JSON files below ``<path>/test``, named ``<track>.json``, of museval or of this package.

        Targets without frames have no rows in `df`; a warning names them.

        Raises
        ------
        ConfigError
            A folder without any (museval adds nothing then), or a file that is not museval's.
        """
        for file in _eval_files(path):
            scores = read_file(file)
            if scores.empty:
                warnings.warn(f"{file} has no frames of {', '.join(scores.empty)}, left out", stacklevel=2)
            self.add_track(_scores(scores.frames, scores.track))

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

    Attributes
    ----------
    df : DataFrame
        Columns ``time, target, metric, score, track, method``.
    """

    _keys = ("method",)

    def add_sisec18(self) -> Never:
        """Refuse: museval downloads a pickle, which may run any code when it is read.

        Raises
        ------
        ConfigError
            With what to do instead.
        """
        raise ConfigError(
            "museval's add_sisec18 reads a pickle from the network, which is not done here; take the JSON files of "
            "github.com/sigsep/sigsep-mus-2018 and call add_eval_dir(folder) for each method"
        )

    def add_evalstore(self, method: EvalStore, name: str) -> None:
        """Add the scores of a method under a name."""
        if not isinstance(method, EvalStore):
            raise ConfigError(f"a method is added as its EvalStore; {type(method).__name__} was given")
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


def json2df(json_string: Mapping[str, Any], track_name: str) -> pd.DataFrame:
    """Return the content of a museval file as a table of ``time, target, metric, score, track``."""
    return _scores(frame_table(json_string, f"the scores of {track_name!r}"), track_name)


def _eval_files(path: str | Path) -> list[Path]:
    files = sorted((Path(path) / "test").rglob("*.json"))
    if not files:
        raise ConfigError(f"{Path(path) / 'test'} holds no JSON file; expected <track>.json as museval writes them")
    return files


def _scores(frames: pd.DataFrame, track: str) -> pd.DataFrame:
    """Return frames of a museval file as a table of `_TRACK_COLUMNS`, metric by metric as museval orders them."""
    table = frames[frames["metric"].isin(METRICS)].rename(columns={"value": "score"})
    order = table["metric"].map({metric: i for i, metric in enumerate(("SDR", "SAR", "ISR", "SIR"))})
    table = table.assign(track=track, order=order).sort_values("order", kind="stable", ignore_index=True)
    return table[_TRACK_COLUMNS]


def _read_parquet(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table of scores."""
    import pandas as pd
    import pyarrow as pa

    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic[:1] == b"\x80" or magic[:2] in (b"\x1f\x8b", b"BZ", b"PK"):
            table_of_museval = repr(str(path)), repr(str(path.with_suffix(".parquet")))
            raise ConfigError(
                f"{path} is a pickle, as museval saves its stores, and reading one may run any code that it holds. If "
                "you trust it, convert it once, in Python: import pandas; "
                "pandas.read_pickle({}).to_parquet({})".format(*table_of_museval)
            )
        table = pd.read_parquet(path)
    except (OSError, pa.ArrowException, ValueError) as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read as a Parquet file"
        raise ConfigError(f"{path} {why}; expected one that save() of a store wrote") from error
    if missing := [column for column in columns if column not in table]:
        raise ConfigError(f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(map(str, table.columns))}")
    if "method" in table and "method" not in columns:  # else the scores of several methods would be taken for one's
        raise ConfigError(
            f"{path} is of several methods; expected what an EvalStore saved, or load it as a MethodStore"
        )
    return table.astype({"time": "float64", "score": "float64"})


def _line(target: str, values: Mapping[str, float]) -> str:
    return target.ljust(16) + "==> " + "".join(f"{metric}:{value:>8.3f}  " for metric, value in values.items()) + "\n"
