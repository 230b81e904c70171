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
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mss_bench.core.files import folder_name, read_json, write_atomic
from mss_bench.core.schema import method_label
from mss_bench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METRICS", "FrameScores", "export_run", "read", "read_folder", "to_museval", "track_medians", "write"]

METRICS = ("SDR", "SIR", "SAR", "ISR")
"""The metrics of a museval file, in its order."""
MUSEVAL_VERSION = "0.4.1"
"""The version whose definitions and format the files follow."""

FRAME_COLUMNS = ["target", "metric", "frame", "time", "duration", "value"]
TRACK_KEYS = ["method", "subset", "track"]


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
    text = json.dumps(to_museval(frames), indent=2, allow_nan=False, ensure_ascii=False)
    write_atomic(Path(path), text + "\n")


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
    sizes = frames.groupby("group")["target"].nunique()
    written = []
    for (separator, params, subset, track), table in frames.groupby(
        ["separator", "params", "subset", "track"], sort=False
    ):
        size = table["group"].map(sizes)
        table = table[size == size.groupby(table["target"]).transform("min")]
        scores = []
        for (target, metric), rows in table.groupby(["target", "metric"], sort=False):
            times = rows["time"].to_numpy()
            window = float(rows["duration"].iloc[0])
            hop = float(times[1] - times[0]) if len(times) > 1 else window
            scores.append(FrameScores(str(target), str(metric), window, hop, rows["value"].to_list()))
        label = method_label(str(separator), str(params))
        path = Path(out) / folder_name(label) / str(subset) / f"{track}.json"
        write(path, scores)
        written.append(path)
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
    import pandas as pd

    path = Path(path)
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist; expected a museval JSON file") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}; expected a museval JSON file") from error
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


def _target_rows(name: str, frames: list[Any], path: Path) -> list[tuple[str, str, int, float, float, float]]:
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


def _member(parent: Any, key: str, kind: type | tuple[type, ...], path: Path, where: str) -> Any:
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


def _number(value: Any, path: Path, where: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{path}: {where} is {value!r:.60}, expected a number, NaN or null")
    return float(value)


def read_folder(directory: str | Path) -> pd.DataFrame:
    """Read the frames of every museval file below a folder.

    The folders above a file name its subset and method: ``<method>/<subset>/<track>.json``. Where the folder itself is
    a method's (``<subset>/<track>.json``) or a subset's, its own name is the method.

    Returns
    -------
    DataFrame
        Columns ``method, subset, track`` and those of `read`, sorted by file.

    Raises
    ------
    ConfigError
        When the folder is missing or holds no JSON file, or one that `read` refuses, or a file leaves the folder by a
        link.
    """
    import pandas as pd

    root = Path(directory)
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder; expected one with museval JSON files")
    files = sorted(p for p in root.rglob("*.json") if not p.name.startswith("."))
    if not files:
        raise ConfigError(f"{root} holds no .json file; expected <method>/<subset>/<track>.json as museval writes")
    home = root.resolve()
    tables = []
    for file in files:
        if not file.resolve().is_relative_to(home):
            raise ConfigError(f"{file} is a link that leaves {root}; copy the file or read its own folder")
        folders = file.parent.relative_to(root).parts
        method = "/".join(folders[:-1]) or home.name
        labels = {"method": method, "subset": folders[-1] if folders else "", "track": file.stem}
        table = read(file)
        for position, (column, text) in enumerate(labels.items()):
            table.insert(position, column, text)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def track_medians(frames: pd.DataFrame) -> pd.DataFrame:
    """Return the median over the valid frames of each track, target and metric, as museval and SiSEC aggregate.

    Perfect frames (+inf) count, if the file has them.

    Parameters
    ----------
    frames : DataFrame
        From `read_folder`, or from `read` (one unnamed track).

    Returns
    -------
    DataFrame
        The track's columns, ``target, metric, value, n_frames, n_valid, n_inf``; the value is NaN where no frame is
        valid.
    """
    keys = [k for k in TRACK_KEYS if k in frames.columns] + ["target", "metric"]
    grouped = frames.groupby(keys, sort=False)["value"]
    table = grouped.median().to_frame("value")
    table["n_frames"], table["n_valid"] = grouped.size(), grouped.count()
    table["n_inf"] = (frames["value"] == math.inf).groupby([frames[k] for k in keys], sort=False).sum()
    return table.reset_index()
