"""Hugging Face's ``.eval_results/*.yaml``: scores in the repository of a model, which its page and a board show.

https://huggingface.co/docs/hub/eval-results: a list of entries with ``dataset`` (``id`` of a benchmark on the Hub and
``task_id`` in its ``eval.yaml``), ``value``, ``date``, ``source`` (``url``, ``name``) and ``notes``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mss_bench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["eval_results"]


def eval_results(
    aggregate: pd.DataFrame, method: str, hub: str, *, task: str = "{target}_{metric}", date: str = "",
    source: str = "", notes: str = "",
) -> str:  # fmt: skip
    """Return the YAML of one method: an entry for each target and metric.

    Parameters
    ----------
    aggregate : DataFrame
        From `mss_bench.api.Results.aggregate`.
    method : str
        As the table names it.
    hub : str
        The data set on the Hub, ``owner/name``.
    task : str
        What the benchmark's ``eval.yaml`` calls a task, with ``{target}``, ``{metric}`` and ``{preset}``.
    date : str
        Of the run, ISO 8601.
    source : str
        A page about it.
    notes : str

    Raises
    ------
    ConfigError
        A name is not of the form, the method has no value, or two values would be one task.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", hub):
        raise ConfigError(f"{hub!r} is no data set of the Hub, expected owner/name")
    entries: dict[str, dict[str, Any]] = {}
    for row in aggregate[aggregate["separator"] == method].to_dict("records"):
        if math.isnan(row["value"]):
            continue
        name = _task(task, row)
        if name in entries:
            raise ConfigError(f"two values of {method} would be the task {name!r}; tell them apart by --task")
        entry: dict[str, Any] = {"dataset": {"id": hub, "task_id": name}, "value": round(float(row["value"]), 6)}
        entry |= {"date": date} if date else {}
        entry |= {"source": {"url": source, "name": "mss_bench"}} if source else {}
        entries[name] = entry | {"notes": notes or f"{row['metric']} ({row['preset']}) by mss_bench"}
    if not entries:
        raise ConfigError(f"{method} has no value to export")
    return "".join(_yaml(entry) for entry in entries.values())


def _task(pattern: str, row: Mapping[Any, Any]) -> str:
    try:
        named = pattern.format(target=row["target"], metric=row["metric"], preset=row["preset"])
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ConfigError(f"--task is {pattern!r}, expected text with {{target}}, {{metric}}, {{preset}}") from error
    return re.sub(r"[^\w.-]+", "_", named).strip("_").lower()


def _yaml(entry: Mapping[str, Any]) -> str:
    lines = []
    for key, value in entry.items():
        if isinstance(value, Mapping):
            lines += [f"{key}:", *(f"  {name}: {json.dumps(each)}" for name, each in value.items())]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "- " + "\n  ".join(lines) + "\n"
