"""museval's JSON files, out and in.

One file a track, ``<subset>/<track>.json``::

    {"museval_version": "0.4.1", "targets": [{"name": "vocals", "frames": [
        {"time": 0.0, "duration": 1.0, "metrics": {"SDR": 5.1, "SIR": 9.2, "SAR": 6.0, "ISR": 8.4}}, ...]}]}

Conventions
-----------
museval rounds to 1e-5 dB and stores infinite values (perfect frames) as missing; so does this module. museval writes a
missing value as a bare ``NaN``, which is not JSON; here it is ``null``, which every parser takes and which museval's
own `EvalStore.add_eval_dir` reads as missing. On the way in both are accepted, and the version key may be absent, as
in the files of SiSEC 2018. A bare ``Infinity``, which other writers leave for a perfect frame, stays infinite and is
counted.

References
----------
Stöter, Liutkus, Ito: The 2018 Signal Separation Evaluation Campaign. LVA/ICA 2018.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mss_bench.core.files import folder_name, read_json, write_atomic
from mss_bench.core.schema import method_label
from mss_bench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MEDIAN_COLUMNS",
    "METRICS",
    "FolderScores",
    "FrameScores",
    "MusevalFile",
    "export_run",
    "frame_table",
    "read",
    "read_file",
    "read_folder",
    "read_medians",
    "to_museval",
    "track_medians",
    "write",
    "write_content",
    "write_track",
]

METRICS = ("SDR", "SIR", "SAR", "ISR")
"""The metrics of a museval file, in its order."""
MUSEVAL_VERSION = "0.4.1"
"""The version whose definitions and format the files follow."""

FRAME_COLUMNS = ["target", "metric", "frame", "time", "duration", "value"]
TRACK_KEYS = ["method", "subset", "track"]
MEDIAN_COLUMNS = [*TRACK_KEYS, "target", "metric", "value", "n_frames", "n_valid", "n_inf"]


class FrameScores(NamedTuple):
    """One metric of one target, frame by frame.

    Parameters
    ----------
    target, metric : str
    window, hop : float
        Seconds.
    values : sequence of float
        dB; NaN where undefined.
    """

    target: str
    metric: str
    window: float
    hop: float
    values: Sequence[float]


def to_museval(frames: Iterable[tuple[str, str, float, float, Sequence[float]]]) -> dict[str, Any]:
    """Return the content of a museval file.

    Parameters
    ----------
    frames : iterable of FrameScores or (target, metric, window, hop, values)
        Targets keep the order of their first appearance. Metrics other than `METRICS` have no place in the format and
        are refused; those of the four that a target lacks are missing in every frame.

    Returns
    -------
    dict
        Ready for `json.dump`; missing and infinite values are None.

    Raises
    ------
    ConfigError
        Another metric, one metric given twice for a target, or metrics of a target that differ in window, hop or
        number of frames.
    """
    targets: dict[str, dict[str, FrameScores]] = {}
    for scores in (FrameScores(*f) for f in frames):
        if scores.metric not in METRICS:
            raise ConfigError(f"museval files hold {', '.join(METRICS)} in frames; {scores.metric!r} cannot be stored")
        rows = targets.setdefault(scores.target, {})
        if scores.metric in rows:
            raise ConfigError(f"{scores.metric} of {scores.target!r} is given twice; a museval file holds it once")
        rows[scores.metric] = scores
    return {
        "museval_version": MUSEVAL_VERSION,
        "targets": [{"name": name, "frames": _frames(name, rows)} for name, rows in targets.items()],
    }


def _frames(target: str, rows: dict[str, FrameScores]) -> list[dict[str, Any]]:
    grids = {(r.window, r.hop, len(r.values)) for r in rows.values()}
    if len(grids) != 1:
        raise ConfigError(
            f"the metrics of {target!r} differ in (window, hop, frames): {sorted(grids)}; a museval file has one grid"
        )
    window, hop, count = grids.pop()
    return [
        {
            "time": float(i * hop),
            "duration": float(window),
            "metrics": {m: _rounded(rows[m].values[i]) if m in rows else None for m in METRICS},
        }
        for i in range(count)
    ]


def _rounded(value: float) -> float | None:
    # museval rounds the exact binary value half to even, which is what round() does.
    return round(float(value), 5) if math.isfinite(value) else None


def write(path: str | Path, frames: Iterable[tuple[str, str, float, float, Sequence[float]]]) -> None:
    """Write the museval file of one track, whole or not at all.

    museval's `EvalStore.add_eval_dir(folder)` finds it as ``<folder>/test/<track>.json``.

    Raises
    ------
    ConfigError
        What `to_museval` refuses.
    RunError
        When the file cannot be written.
    """
    write_content(path, to_museval(frames))


def write_content(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write what `to_museval` returns, as `write` does."""
    write_atomic(Path(path), json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_track(folder: str | Path, track: str, content: Mapping[str, Any]) -> Path:
    """Write the file of a track into a folder, named after it as museval does.

    A name that cannot be a file's (over 255 bytes with its ending, or with a slash) is shortened, with a hash of it,
    and stands whole in the file, under ``track``; so does one that begins with a dot.
    """
    possible = len(f"{track}.json".encode("utf-8", "backslashreplace")) <= 255 and not set("/\0") & set(track)
    name = track if possible else folder_name(track)
    name = f"_{name}" if name.startswith(".") else name  # else it would be hidden
    path = Path(folder) / f"{name}.json"
    write_content(path, content if name == track else {**content, "track": track})
    return path


def export_run(frames: pd.DataFrame, out: str | Path) -> list[Path]:
    """Write the BSS Eval frames of a run, one file a method and track: ``<out>/<method>/<subset>/<track>.json``.

    A target that several groups score stands in the file once, from the smallest group: museval scores vocals against
    accompaniment as a problem of its own, too, and keeps that row for the vocals.

    Parameters
    ----------
    frames : DataFrame
        A run's frame table.
    out : path

    Returns
    -------
    list of Path

    Raises
    ------
    RunError
        When a file cannot be written.
    """
    frames = frames[frames["metric"].isin(METRICS) & frames["preset"].str.startswith("v4")]
    sizes = frames.groupby("group", observed=True)["target"].nunique()
    written = []
    for (separator, params, subset, track), table in frames.groupby(
        ["separator", "params", "subset", "track"], sort=False, observed=True
    ):
        size = table["group"].map(sizes).astype(int)
        table = table[size == size.groupby(table["target"], observed=True).transform("min")]
        scores = []
        for (target, metric), rows in table.groupby(["target", "metric"], sort=False, observed=True):
            times = rows["time"].to_numpy()
            window = float(rows["duration"].iloc[0])
            hop = float(times[1] - times[0]) if len(times) > 1 else window
            scores.append(FrameScores(str(target), str(metric), window, hop, rows["value"].to_list()))
        label = method_label(str(separator), str(params))
        folder = Path(out) / folder_name(label) / str(subset)
        written.append(write_track(folder, str(track), to_museval(scores)))
    return written


def read(path: str | Path) -> pd.DataFrame:
    """Read the frames of one museval file.

    Returns
    -------
    DataFrame
        Columns ``target, metric, frame, time, duration, value``: seconds and dB, NaN where the file has ``NaN``,
        ``null`` or no such metric, infinite where it has ``Infinity``. Targets and metrics keep the order of the file.

    Raises
    ------
    ConfigError
        When the file is missing, is not JSON or not of museval's form; the message names the place in the file.
    """
    return read_file(path).frames


class MusevalFile(NamedTuple):
    """What a museval file holds.

    Parameters
    ----------
    track : str
        The file's name, unless the file says that it was too long.
    frames : DataFrame
        As from `read`.
    empty : list of str
        Targets without frames, of which `frames` has no row.
    """

    track: str
    frames: pd.DataFrame
    empty: list[str]


def read_file(path: str | Path) -> MusevalFile:
    """Read one museval file: see `read` for what is refused."""
    path = Path(path)
    content = _content(path)
    frames = frame_table(content, str(path))
    if not content["targets"]:
        raise ConfigError(f"{path} has no targets, so that its track would be lost; expected a file with one at least")
    track = content.get("track", path.stem)
    empty = [target["name"] for target in content["targets"] if not target["frames"]]
    return MusevalFile(track if isinstance(track, str) else path.stem, frames, empty)


def _content(path: Path) -> Any:
    try:
        return read_json(path)
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist; expected a museval JSON file") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}; expected a museval JSON file") from error


def frame_table(content: Any, path: str) -> pd.DataFrame:
    """Return the frames of the content of a museval file, as `read` does.

    Parameters
    ----------
    content : Any
        As `json.load` returns it.
    path : str
        What messages call it.

    Raises
    ------
    ConfigError
        When it is not of museval's form.
    """
    import pandas as pd

    rows: list[tuple[str, str, int, float, float, float]] = []
    seen: set[str] = set()
    for i, target in enumerate(_member(content, "targets", list, path, "the file")):
        name = _member(target, "name", str, path, f"targets[{i}]")
        if name in seen:
            raise ConfigError(f"{path}: target {name!r} is there twice; expected each once")
        seen.add(name)
        rows.extend(_target_rows(name, _member(target, "frames", list, path, f"target {name!r}"), path))
    table = pd.DataFrame(rows, columns=FRAME_COLUMNS)
    return table.astype({"frame": "int64", "time": "float64", "duration": "float64", "value": "float64"})


def _target_rows(name: str, frames: list[Any], path: str) -> list[tuple[str, str, int, float, float, float]]:
    cells: list[tuple[int, float, float, dict[str, float]]] = []
    for i, frame in enumerate(frames):
        where = f"frame {i} of {name!r}"
        metrics = _member(frame, "metrics", dict, path, where)
        values = {m: _number(v, path, f"{m} in {where}") for m, v in metrics.items()}
        time = _number(_member(frame, "time", (int, float), path, where), path, f"time of {where}")
        duration = _number(_member(frame, "duration", (int, float), path, where), path, f"duration of {where}")
        cells.append((i, time, duration, values))
    # A metric that some frames lack is missing there, not absent: every metric has the same number of frames.
    metrics_present = dict.fromkeys(m for *_, values in cells for m in values)
    return [
        (name, metric, i, time, duration, values.get(metric, math.nan))
        for metric in metrics_present
        for i, time, duration, values in cells
    ]


def _member(parent: Any, key: str, kind: type | tuple[type, ...], path: str, where: str) -> Any:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    expected = {list: "a list", str: "a text", dict: "a mapping", int: "a number"}[kinds[0]]
    if not isinstance(parent, dict) or key not in parent:
        content = f"the keys {sorted(map(str, parent))}" if isinstance(parent, dict) else f"a {type(parent).__name__}"
        raise ConfigError(f"{path} is not a museval JSON file: {where} has {content}, expected a mapping with {key!r}")
    value = parent[key]
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ConfigError(
            f"{path} is not a museval JSON file: {key!r} of {where} is {value!r:.60}, expected {expected}"
        )
    return value


def _number(value: Any, path: str, where: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{path}: {where} is {value!r:.60}, expected a number, NaN or null")
    return float(value)


class FolderScores(NamedTuple):
    """What the museval files of a folder hold.

    Parameters
    ----------
    frames : DataFrame
        Columns ``method, subset, track`` and those of `read`, sorted by file.
    empty : DataFrame
        ``method, subset, track, target`` of the targets without frames.
    """

    frames: pd.DataFrame
    empty: pd.DataFrame


def read_folder(directory: str | Path) -> FolderScores:
    """Read every museval file below a folder.

    The folders above a file name its subset and method: ``<method>/<subset>/<track>.json``. Where the folder itself is
    a method's (``<subset>/<track>.json``) or a subset's, its own name is the method.

    Raises
    ------
    ConfigError
        When the folder is missing or holds no JSON file, or one that `read` refuses, or a file leaves the folder by a
        link, or two files are of one track.
    """
    import pandas as pd

    root = Path(directory)
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder; expected one with museval JSON files")
    files = sorted(p for p in root.rglob("*.json") if not p.name.startswith("."))
    if not files:
        raise ConfigError(f"{root} holds no .json file; expected <method>/<subset>/<track>.json as museval writes")
    home = root.resolve()
    tables, empty = [], []
    seen: dict[tuple[str, ...], Path] = {}
    for file in files:
        if not file.resolve().is_relative_to(home):
            raise ConfigError(f"{file} is a link that leaves {root}; copy the file or read its own folder")
        folders = file.parent.relative_to(root).parts
        scores = read_file(file)
        labels = ("/".join(folders[:-1]) or home.name, folders[-1] if folders else "", scores.track)
        if labels in seen:
            raise ConfigError(f"{seen[labels]} and {file} are of one track, {scores.track!r}; expected one file each")
        seen[labels] = file
        table = scores.frames
        for position, (column, text) in enumerate(zip(TRACK_KEYS, labels, strict=True)):
            table.insert(position, column, text)
        tables.append(table)
        empty += [(*labels, target) for target in scores.empty]
    return FolderScores(
        pd.concat(tables, ignore_index=True), pd.DataFrame(empty, columns=[*TRACK_KEYS, "target"], dtype="object")
    )


def track_medians(frames: pd.DataFrame, empty: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the median over the valid frames of each track, target and metric, as museval and SiSEC aggregate.

    Perfect frames (+inf) count, if the file has them.

    Parameters
    ----------
    frames : DataFrame
        Of `FolderScores`, or from `read` (one unnamed track).
    empty : DataFrame, optional
        Of `FolderScores`: targets without frames get rows with no value and ``n_frames`` 0.

    Returns
    -------
    DataFrame
        The track's columns, ``target, metric, value, n_frames, n_valid, n_inf``; the value is NaN where no frame is
        valid.
    """
    import pandas as pd

    keys = [k for k in TRACK_KEYS if k in frames.columns] + ["target", "metric"]
    grouped = frames.groupby(keys, sort=False, observed=True)["value"]
    table = grouped.median().to_frame("value")
    table["n_frames"], table["n_valid"] = grouped.size(), grouped.count()
    table["n_inf"] = (frames["value"] == math.inf).groupby([frames[k] for k in keys], sort=False, observed=True).sum()
    table = table.reset_index()
    if empty is None or empty.empty:
        return table
    counts = {"value": math.nan, "n_frames": 0, "n_valid": 0, "n_inf": 0}
    rows = empty.merge(pd.DataFrame({"metric": METRICS}), how="cross").assign(**counts)
    return pd.concat([table, rows], ignore_index=True) if len(table) else rows[table.columns]


def read_medians(path: str | Path) -> pd.DataFrame:
    """Read a CSV file of `track_medians`, as ``mss-bench results import-museval`` writes it.

    Raises
    ------
    ConfigError
        It cannot be read, or is no such table.
    """
    import pandas as pd

    path = Path(path)
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig")
        numbers = {"value": "float64", "n_frames": "int64", "n_valid": "int64", "n_inf": "int64"}
        return table.assign(value=table["value"].replace("", "nan")).astype(numbers)[MEDIAN_COLUMNS]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{path} is no table of tracks: {str(error).splitlines()[0]:.80}; expected a CSV file that "
            f"mss-bench results import-museval wrote without --frames, of {', '.join(MEDIAN_COLUMNS)}"
        ) from error
