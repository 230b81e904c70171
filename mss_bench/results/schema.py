"""Columns of the tables of a run, and what a status means.

The track table has one row per cell, target and metric quantity and is what statistics and reports read. Its columns
are versioned: a reader checks `SCHEMA_VERSION`, kept in `run.json`.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["COST_COLUMNS", "FAILURE_COLUMNS", "FLOOR", "FRAME_COLUMNS", "SCHEMA_VERSION", "TRACK_COLUMNS", "Status"]

SCHEMA_VERSION = 1

FLOOR = "mixture"
"""The separator whose scores are the floor: baseline of improvements, stand-in for failed cells."""


class Status(StrEnum):
    """How a cell, or one metric of a cell, ended."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    INVALID_OUTPUT = "invalid_output"
    SKIPPED = "skipped"
    NOT_INSTALLED = "not_installed"


TRACK_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "track": "string",
    "separator": "string",  # the method's name, or the alias given with as=
    "params": "string",  # parameters that differ from the defaults, as key=value,key=value
    "oracle": "bool",  # the method saw the references
    "group": "string",
    "target": "string",
    "metric": "string",  # the quantity: SDR, ISR, ..., uSDR, SI-SDR
    "preset": "string",
    "value": "float64",  # median over valid frames, or the track's value; NaN where status is not ok or none is valid
    "n_frames": "int64",  # 1 for a metric of the whole track
    "n_valid": "int64",  # frames that are not NaN
    "n_inf": "int64",  # perfect frames among the valid ones
    "status": "string",
    "flags": "string",  # comma-separated
    "reason": "string",  # why the value is missing
    "estimate_key": "string",
    "score_key": "string",
}
"""Track table. A failed cell has one row for every target and quantity that it would have had."""

FRAME_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "track": "string",
    "separator": "string",
    "params": "string",
    "group": "string",
    "target": "string",
    "metric": "string",
    "preset": "string",
    "frame": "int64",
    "time": "float64",  # start in seconds
    "duration": "float64",
    "value": "float64",
    "score_key": "string",
}

COST_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "track": "string",
    "separator": "string",
    "params": "string",
    "audio_seconds": "float64",
    "separate_seconds": "float64",
    "score_seconds": "float64",
    "cpu_seconds": "float64",
    "realtime_factor": "float64",  # audio seconds per second of separation
    "peak_memory_mb": "float64",  # resident, of the worker, during the cell
    "gpu_memory_mb": "float64",  # peak of what torch held on a GPU
    "estimate_key": "string",
}

FAILURE_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "track": "string",
    "separator": "string",
    "params": "string",
    "group": "string",  # empty where the separation itself failed
    "metric": "string",
    "status": "string",
    "reason": "string",
    "estimate_key": "string",
}
