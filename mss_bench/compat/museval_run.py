"""A run folder of museval's files: what others scored is reported, compared and put on boards like one's own run."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.compat.museval_json import METRICS, FolderScores, track_medians
from mss_bench.core.files import replacing, write_atomic
from mss_bench.core.schema import COST_COLUMNS, FAILURE_COLUMNS, FRAME_COLUMNS, SCHEMA_VERSION, TRACK_COLUMNS, Status
from mss_bench.errors import ConfigError, RunError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ORIGIN", "write_run"]

ORIGIN = "museval"
"""What ``run.json`` says of such a folder under ``origin``, and the tables as group and preset: museval's files do not
say which targets were scored together, nor in which mode."""


def write_run(
    folder: str | Path,
    scores: FolderScores,
    dataset: str,
    provenance: Mapping[str, Any],
    oracles: Collection[str] = (),
) -> None:
    """Write the tables and ``run.json`` of a run folder.

    Parameters
    ----------
    folder : path
        New, empty, or of an earlier import.
    scores : FolderScores
        Quantities other than `METRICS` are left out.
    dataset : str
        Name of the data set.
    provenance : mapping
        Versions and machine, for ``run.json``.
    oracles : collection of str
        Methods that saw the references.

    Raises
    ------
    ConfigError
        The folder holds something else, or there is none of `METRICS`, or no such method.
    RunError
        It cannot be written.
    """
    folder = Path(folder)
    _check_folder(folder)
    labels = {"dataset": dataset, "params": "", "group": ORIGIN, "preset": ORIGIN, "score_key": "", "estimate_key": ""}
    tracks = _tracks(scores).assign(**labels)
    if tracks.empty:
        raise ConfigError(f"the files have none of {', '.join(METRICS)}; a run folder needs one of them")
    methods = list(dict.fromkeys(tracks["separator"]))
    if unknown := [name for name in oracles if name not in methods]:
        raise ConfigError(f"there is no method {unknown[0]!r} to be an oracle; the files are of {', '.join(methods)}")
    tracks["oracle"] = tracks["separator"].isin(oracles)
    frames = scores.frames[scores.frames["metric"].isin(METRICS)].rename(columns={"method": "separator"})
    tables = {
        "tracks": (tracks, TRACK_COLUMNS),
        "frames": (frames.assign(**labels), FRAME_COLUMNS),
        "costs": (tracks.head(0), COST_COLUMNS),
        "failures": (tracks.head(0), FAILURE_COLUMNS),
    }
    info = {
        "schema": SCHEMA_VERSION,
        **provenance,
        "origin": ORIGIN,
        "options": {},
        "dataset": {"name": dataset, "fingerprint": ""},
        "separators": [{"label": m, "name": m, "oracle": m in oracles} for m in methods],
        "quantities": _quantities(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (table, columns) in tables.items():
            with replacing(folder / f"{name}.parquet") as temporary:
                table.reindex(columns=list(columns)).astype(columns).to_parquet(temporary, index=False)
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}") from error
    write_atomic(folder / "run.json", json.dumps(info, indent=1, ensure_ascii=False, default=str))


def _check_folder(folder: Path) -> None:
    """Refuse to write over anything but an earlier import."""
    if folder.is_file():
        raise ConfigError(f"{folder} is a file; expected a folder, which may be new, or a name that ends in .csv")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        origin = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("origin")
    except (OSError, ValueError, AttributeError):
        origin = None
    if origin != ORIGIN:
        raise ConfigError(f"{folder} holds something else than an earlier import; choose a new folder")


def _tracks(scores: FolderScores) -> pd.DataFrame:
    medians = track_medians(*scores)
    medians = medians[medians["metric"].isin(METRICS)]
    keys = ["method", "subset", "track", "target", "metric"]
    means = scores.frames.groupby(keys, sort=False)["value"].mean().rename("mean").reset_index()
    table = medians.merge(means, on=keys, how="left").rename(columns={"method": "separator"})
    table["reason"] = ""
    table.loc[table["value"].isna(), "reason"] = "no frame of the file has a value"
    table.loc[table["n_frames"] == 0, "reason"] = "the file has no frames of this target"
    return table.assign(status=str(Status.OK), flags="", condition=math.nan)


def _quantities() -> list[dict[str, Any]]:
    from mss_bench.metrics import metrics

    metric = metrics.load("bss_eval")
    facts = {"family": "bss_eval", "preset": ORIGIN, "citation": metric.citation}
    return [vars(quantity) | facts for quantity in metric.quantities]
