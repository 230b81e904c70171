"""A small made-up run with what real ones hold: oracles, failures, silence, infinities and awkward names."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from mss_bench.core.schema import COST_COLUMNS, FAILURE_COLUMNS, TRACK_COLUMNS
from mss_bench.stats.matrix import ScoreMatrix, score_matrix

AWKWARD = "<script>alert(1)</script> & $x_1$ 100% [a]|b #{c}~^\\ 日本"
LONG = "weights=/a/very/long/path/to/a/checkpoint_file_name_that_goes_on,overlap=0.25,shifts=10"


class Tables(NamedTuple):
    tracks: pd.DataFrame
    failures: pd.DataFrame
    costs: pd.DataFrame


METHODS: dict[tuple[str, str], float] = {
    ("mixture", ""): 0.0,
    ("repet_sim", ""): 3.0,
    (AWKWARD, LONG): 5.0,
    ("karaoke", ""): 1.0,
    ("broken", ""): 0.0,
    ("oracle_irm", "exponent=2"): 9.0,
}
TARGETS = {"4stem": ["vocals", "drums", "bass", "other"], "vocals_acc": ["vocals", "accompaniment"]}


def _score(separator: str, track: int, target: str, base: float, rng: np.random.Generator) -> tuple[float, str, str]:
    """A value, status and reason."""
    if separator == "broken":
        return math.nan, "crashed", "killed by signal 11"
    if separator == "repet_sim" and track == 2:
        return math.nan, "timeout", "took longer than 60 s"
    if target == "vocals" and track == 3:
        return math.nan, "ok", "the reference is silent"
    if separator == AWKWARD and track == 1 and target == "drums":
        return math.inf, "ok", ""
    return base + float(rng.normal()), "ok", ""


def _make() -> Tables:
    rng = np.random.default_rng(7)
    tracks, failures, costs = [], [], []
    for (separator, params), base in METHODS.items():
        for i in range(6):
            cell = {"dataset": "demo", "subset": "test", "track": f"Song {i}", "separator": separator, "params": params}
            keys = {"estimate_key": "e", "score_key": "s", "preset": "v4", "n_frames": 9, "n_valid": 9, "n_inf": 0}
            for group, targets in TARGETS.items():
                for target in targets:
                    if separator == "karaoke" and group == "4stem" and target != "vocals":
                        continue
                    for metric in ("ISR", "SAR", "SDR"):
                        value, status, reason = _score(separator, i, target, base, rng)
                        scope = {"group": group, "target": target, "metric": metric, "flags": ""}
                        oracle = separator.startswith("oracle")
                        outcome = {"value": value, "status": status, "reason": reason, "oracle": oracle}
                        tracks.append(cell | keys | scope | outcome)
            if status != "ok":
                outcome = {"status": status, "reason": reason, "estimate_key": "e", "group": "", "metric": ""}
                failures.append(cell | outcome)
            seconds = {"audio_seconds": 12.0, "separate_seconds": 1.0 + base, "score_seconds": 2.0, "cpu_seconds": 1.0}
            costs.append(cell | seconds | {"realtime_factor": 5.0, "peak_memory_mb": 300.0, "estimate_key": "e"})
    return Tables(
        pd.DataFrame(tracks, columns=list(TRACK_COLUMNS)).astype(TRACK_COLUMNS),
        pd.DataFrame(failures, columns=list(FAILURE_COLUMNS)).astype(FAILURE_COLUMNS),
        pd.DataFrame(costs, columns=list(COST_COLUMNS)).astype(COST_COLUMNS),
    )


@pytest.fixture(scope="session")
def run_tables() -> Tables:
    return _make()


@pytest.fixture(scope="session")
def awkward() -> tuple[str, str]:
    """The separator and parameters that no format may trip over."""
    return AWKWARD, LONG


@pytest.fixture(scope="session")
def sisec_vocals() -> pd.DataFrame:
    """Track table of SDR of vocals of SiSEC 2018, 31 methods x 50 tracks (source in the file)."""
    file = Path(__file__).parents[1] / "data" / "sisec18_vocals_sdr.csv"
    wide = pd.read_csv(file, comment="#", index_col="track").rename(columns={"MIX": "mixture"})
    long = wide.rename_axis(columns="separator").stack().rename("value").reset_index()
    plain = {
        name: {"string": "", "int64": 1, "bool": False}.get(kind, math.nan) for name, kind in TRACK_COLUMNS.items()
    }
    facts = {"dataset": "musdb18", "subset": "test", "group": "all", "target": "vocals", "metric": "SDR",
             "preset": "v4", "status": "ok", "n_frames": 100}  # fmt: skip
    filled = long.assign(**{name: value for name, value in (plain | facts).items() if name not in long})
    filled["oracle"] = filled["separator"].isin(["IBM1", "IBM2", "IRM1", "IRM2", "MWF"])
    return filled[list(TRACK_COLUMNS)].astype(TRACK_COLUMNS)


@pytest.fixture(scope="session")
def vocals_scores(sisec_vocals) -> ScoreMatrix:
    """The same as a matrix, without oracles."""
    scores = score_matrix(sisec_vocals, "SDR", "vocals")
    return scores.without(scores.oracles)
