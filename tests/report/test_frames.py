from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mss_bench.core.schema import FRAME_COLUMNS
from mss_bench.errors import RunError
from mss_bench.report.frames import frames_of_track


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Frames of 40 tracks in small row groups, names as dictionaries as runs store them."""
    n = 400
    rows = pd.DataFrame(
        {"track": np.repeat([f"Song {i}" for i in range(40)], n // 40), "frame": np.tile(range(10), 40)}
    )
    plain = {"dataset": "d", "subset": "test", "separator": "hpss", "params": "", "group": "4stem", "target": "vocals",
             "metric": "SDR", "preset": "v4", "duration": 1.0, "score_key": "k"}  # fmt: skip
    rows = rows.assign(**plain, time=rows["frame"].astype(float), value=np.arange(n) / 10)
    rows = rows[list(FRAME_COLUMNS)].astype(FRAME_COLUMNS)
    text = [c for c, kind in FRAME_COLUMNS.items() if kind == "string"]
    path = tmp_path_factory.mktemp("run") / "frames.parquet"
    pq.write_table(pa.Table.from_pandas(rows.astype(dict.fromkeys(text, "category"))), path, row_group_size=50)
    return path, rows


def test_the_frames_of_one_track_are_read(table) -> None:
    path, rows = table
    found = frames_of_track([path], "Song 7", target="vocals", metric="SDR")
    expected = rows[rows["track"] == "Song 7"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[list(FRAME_COLUMNS)], expected, check_dtype=False)
    assert frames_of_track([path], "Song 7", target="drums").empty


def test_frames_that_two_runs_have_come_once(table) -> None:
    path, _ = table
    assert len(frames_of_track([path, path], "Song 7")) == 10


def test_missing_and_damaged_tables_are_told(table, tmp_path) -> None:
    path, _ = table
    with pytest.raises(RunError, match="does not exist; make it with: mss-bench results rebuild"):
        frames_of_track([tmp_path / "frames.parquet"], "Song 7")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match="is damaged"):
        frames_of_track([broken], "Song 7")
    with pytest.raises(RunError, match="frames have no column 'stem'"):
        frames_of_track([path], "Song 7", stem="vocals")
