"""Real scores as matrices and track tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mss_bench.core.schema import TRACK_COLUMNS

METRICS = ["SDR", "ISR", "SIR", "SAR"]


def as_tracks(values: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """A track table of rows with ``track``, ``separator`` and ``value``, the other columns as given or plain."""
    plain = {
        "dataset": "d",
        "subset": "test",
        "params": "",
        "oracle": False,
        "group": "4stem",
        "target": "vocals",
        "metric": "SDR",
        "preset": "v4",
        "n_frames": 1,
        "n_valid": 1,
        "n_inf": 0,
        "status": "ok",
        "flags": "",
        "reason": "",
        "estimate_key": "",
        "score_key": "",
    } | columns
    filled = values.assign(**{name: given for name, given in plain.items() if name not in values})
    return pd.DataFrame(filled.reindex(columns=list(TRACK_COLUMNS)).astype(TRACK_COLUMNS))


@pytest.fixture(scope="session")
def tracks_of() -> Callable[..., pd.DataFrame]:
    """A track table of a matrix tracks x methods: ``tracks_of(matrix, **columns)``."""

    def make(matrix: pd.DataFrame, **columns: Any) -> pd.DataFrame:
        named = matrix.rename_axis(index="track", columns="separator")
        return as_tracks(named.stack().rename("value").reset_index(), **columns)

    return make


@pytest.fixture(scope="session")
def sisec(test_data: Path) -> pd.DataFrame:
    """The track table of SiSEC 2018: 31 methods, 50 tracks, 5 targets, 4 metrics."""
    wide = pd.read_csv(test_data / "sisec18" / "track_medians.csv")
    long = wide.melt(["method", "track", "target"], METRICS, "metric")
    oracle = long["method"].isin(["IBM1", "IBM2", "IRM1", "IRM2", "MWF"])
    long["separator"] = long["method"].replace("MIX", "mixture")
    return as_tracks(long.assign(oracle=oracle), dataset="musdb18", group="all", n_frames=100, n_valid=90)


@pytest.fixture(scope="session")
def vocals() -> pd.DataFrame:
    """SDR of vocals of SiSEC 2018, 50 tracks x 31 methods (source in the file)."""
    file = Path(__file__).parents[1] / "data" / "sisec18_vocals_sdr.csv"
    return pd.read_csv(file, comment="#", index_col="track")


@pytest.fixture(scope="session")
def demsar() -> pd.DataFrame:
    """Four classifiers on 14 data sets, the better the higher: ranks of table 6 of J. Demšar, JMLR 7, 2006."""
    ranks = [
        (4, 3, 2, 1), (1, 2, 3, 4), (4, 1, 2, 3), (4, 1, 3, 2), (4, 2, 3, 1), (1, 2.5, 4, 2.5), (3, 2, 4, 1),
        (2.5, 2.5, 4, 1), (4, 3, 2, 1), (2.5, 2.5, 2.5, 2.5), (4, 2.5, 1, 2.5), (3, 2, 4, 1), (4, 1, 2, 3),
        (3, 1, 4, 2),
    ]  # fmt: skip
    return -pd.DataFrame(ranks, columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"])
