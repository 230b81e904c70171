"""museval's JSON files: written for museval, read from SiSEC 2018."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mss_bench.compat import museval_json
from mss_bench.compat.museval_json import METRICS
from mss_bench.errors import ConfigError


def scores(target: str, values: dict[str, list[float]], window: float = 1.0, hop: float = 1.0) -> list[tuple]:
    return [(target, metric, window, hop, values[metric]) for metric in values]


FOUR = {
    "SDR": [1.0, math.nan, 3.123456789],
    "SIR": [math.inf, 2.0, 4.0],
    "SAR": [-5.5, -6.5, math.nan],
    "ISR": [math.nan] * 3,
}


def reject_constant(token: str) -> float:
    raise AssertionError(f"{token} is not JSON")


def test_written_file_is_valid_json_with_the_keys_of_museval(tmp_path: Path) -> None:
    file = tmp_path / "test" / "A – Song.json"
    museval_json.write(file, scores("vocals", FOUR, window=2.0, hop=0.5))
    content = json.loads(file.read_text(encoding="utf-8"), parse_constant=reject_constant)
    assert content["museval_version"]
    (target,) = content["targets"]
    assert target["name"] == "vocals"
    assert [(f["time"], f["duration"]) for f in target["frames"]] == [(0.0, 2.0), (0.5, 2.0), (1.0, 2.0)]
    assert [f["metrics"]["SDR"] for f in target["frames"]] == [1.0, None, 3.12346]
    assert target["frames"][0]["metrics"]["SIR"] is None, "an infinite value is missing, as museval stores it"
    assert list(tmp_path.rglob(".*")) == [], "no temporary file is left behind"


def test_museval_reads_back_the_same_numbers_as_from_its_own_file(tmp_path: Path) -> None:
    museval = pytest.importorskip("museval", exc_type=(ImportError, RuntimeError))
    rng = np.random.default_rng(0)
    values = {m: rng.normal(5, 8, 7).tolist() for m in METRICS}
    values["SDR"][2] = math.nan
    values["SIR"] = [math.inf] * 7
    theirs = museval.TrackStore("Song", win=1.0, hop=1.0)
    for target in ("vocals", "accompaniment"):
        theirs.add_target(target, values)
    (tmp_path / "theirs" / "test").mkdir(parents=True)
    theirs.save(tmp_path / "theirs" / "test" / "Song.json")
    museval_json.write(
        tmp_path / "ours" / "test" / "Song.json", scores("vocals", values) + scores("accompaniment", values)
    )
    tables = []
    for folder in ("theirs", "ours"):
        store = museval.EvalStore()
        store.add_eval_dir(tmp_path / folder)
        tables.append(store.df.astype({"score": "float64"}))
        assert len(store.df) == 2 * 4 * 7
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    pd.testing.assert_frame_equal(
        museval_json.read(tmp_path / "ours" / "test" / "Song.json"),
        museval_json.read(tmp_path / "theirs" / "test" / "Song.json"),
        check_exact=True,
    )


@given(st.floats(-300, 300))
def test_rounding_is_that_of_museval(value: float) -> None:
    from decimal import Decimal

    (target,) = museval_json.to_museval([("x", "SDR", 1.0, 1.0, [value])])["targets"]
    assert target["frames"][0]["metrics"]["SDR"] == float(Decimal(value).quantize(Decimal(".00001")))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=5))
def test_round_trip_keeps_finite_values_and_drops_the_rest(tmp_path_factory: pytest.TempPathFactory, values) -> None:
    file = tmp_path_factory.mktemp("json") / "t.json"
    museval_json.write(file, [("bass", "SDR", 1.0, 1.0, values)])
    frames = museval_json.read(file)
    back = frames[frames.metric == "SDR"].value.to_numpy()
    expected = [round(v, 5) if math.isfinite(v) else math.nan for v in values]
    np.testing.assert_array_equal(back, expected)


def test_a_metric_that_was_not_computed_is_missing_in_every_frame(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    museval_json.write(file, [("bass", "SDR", 1.0, 1.0, [1.0, 2.0])])
    medians = museval_json.track_medians(museval_json.read(file)).set_index("metric")
    assert medians.value["SDR"] == 1.5
    assert medians.n_valid.to_dict() == {"SDR": 2, "SIR": 0, "SAR": 0, "ISR": 0}
    assert medians.value.drop("SDR").isna().all()


def test_infinite_values_of_other_writers_are_counted(tmp_path: Path) -> None:
    """museval's own files have none; Python's json writes a perfect frame as a bare Infinity."""
    file = tmp_path / "t.json"
    values = ["1.0", "Infinity", "3.0", "NaN", "Infinity", "null", "-Infinity"]
    frames = ",".join(
        f'{{"time": {i}, "duration": 1, "metrics": {{"SDR": {v}, "SIR": 2}}}}' for i, v in enumerate(values)
    )
    file.write_text(f'{{"targets": [{{"name": "bass", "frames": [{frames}]}}]}}')
    medians = museval_json.track_medians(museval_json.read(file)).set_index("metric")
    assert medians.loc["SDR", ["value", "n_frames", "n_valid", "n_inf"]].tolist() == [3.0, 7, 5, 2]
    assert medians.loc["SIR", ["value", "n_frames", "n_valid", "n_inf"]].tolist() == [2.0, 7, 7, 0]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([("v", "SI-SDR", 1.0, 1.0, [1.0])], "'SI-SDR' cannot be stored"),
        ([("v", "SDR", 1.0, 1.0, [1.0]), ("v", "SDR", 1.0, 1.0, [2.0])], "given twice"),
        ([("v", "SDR", 1.0, 1.0, [1.0]), ("v", "SIR", 1.0, 1.0, [2.0, 3.0])], "differ in"),
        ([("v", "SDR", 1.0, 1.0, [1.0]), ("v", "SIR", 2.0, 1.0, [2.0])], "differ in"),
    ],
)
def test_what_the_format_cannot_hold_is_refused(frames: list, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        museval_json.to_museval(frames)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "the file has a list, expected a mapping with 'targets'"),
        ('{"scores": 1}', r"the keys \['scores'\]"),
        ('{"targets": 3}', "'targets' of the file is 3, expected a list"),
        ('{"targets": []}', "has no targets, so that its track would be lost"),
        ('{"targets": [{"frames": []}]}', "expected a mapping with 'name'"),
        ('{"targets": [{"name": "v", "frames": [1]}]}', "frame 0 of 'v' has a int"),
        (
            '{"targets": [{"name": "v", "frames": [{"time": 0, "duration": 1, "metrics": {"SDR": "high"}}]}]}',
            "SDR in frame 0 of 'v' is 'high'",
        ),
        ('{"targets": [{"name": "v", "frames": []}, {"name": "v", "frames": []}]}', "'v' is there twice"),
    ],
)
def test_a_file_of_another_form_is_named_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        museval_json.read(file)
    assert str(file) in str(caught.value)


def test_folders_that_are_missing_empty_or_left_by_a_link_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        museval_json.read_folder(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"no \.json file"):
        museval_json.read_folder(tmp_path)
    museval_json.write(tmp_path / "a.json", scores("vocals", FOUR))
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "b.json").symlink_to(tmp_path / "a.json")
    with pytest.raises(ConfigError, match="leaves"):
        museval_json.read_folder(tmp_path / "inside")


def test_the_folder_names_method_and_subset(tmp_path: Path) -> None:
    museval_json.write(tmp_path / "REP" / "test" / "A.b.json", scores("vocals", FOUR))
    for folder in (tmp_path, tmp_path / "REP"):
        frames = museval_json.read_folder(folder).frames
        assert frames[["method", "subset", "track"]].drop_duplicates().to_numpy().tolist() == [["REP", "test", "A.b"]]
    assert museval_json.read_folder(tmp_path / "REP" / "test").frames.subset.unique().tolist() == [""]


def test_real_files_of_sisec_2018_give_its_published_medians(test_data: Path) -> None:
    frames = museval_json.read_folder(test_data / "museval_json").frames
    assert frames.value.isna().any(), "the files hold bare NaN"
    ours = museval_json.track_medians(frames).pivot_table(
        index=["method", "track", "target"], columns="metric", values="value"
    )
    assert ours.index.get_level_values("method").nunique() == 4
    published = pd.read_csv(test_data / "sisec18" / "track_medians.csv").set_index(["method", "track", "target"])
    published = published.loc[ours.index]
    assert len(published) == len(ours) >= 4 * 4 * 2
    np.testing.assert_allclose(ours[list(METRICS)], published[list(METRICS)], rtol=0, atol=1e-5)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_read_over_or_named(tmp_path: Path, encoding: str) -> None:
    museval_json.write(tmp_path / "plain.json", scores("vocals", FOUR))
    (tmp_path / "marked.json").write_text((tmp_path / "plain.json").read_text(), encoding=encoding)
    if encoding == "utf-16":
        with pytest.raises(ConfigError, match="not UTF-8"):
            museval_json.read(tmp_path / "marked.json")
    else:
        pd.testing.assert_frame_equal(*(museval_json.read(tmp_path / f"{name}.json") for name in ("plain", "marked")))


@pytest.mark.parametrize("track", ["x" * 250, "x" * 255, "é" * 127, "AC/DC", "..", ".hidden", "Song"])
def test_every_name_of_a_track_comes_back(tmp_path: Path, track: str) -> None:
    rows = [("data", "test", track, "nmf", "", "all", "vocals", "SDR", "v4", 0, 0.0, 1.0, 5.0)]
    columns = ["dataset", "subset", "track", "separator", "params", "group", "target", "metric", "preset", "frame"]
    frames = pd.DataFrame(rows, columns=[*columns, "time", "duration", "value"])
    (file,) = museval_json.export_run(frames, tmp_path)
    assert len(file.name.encode()) <= 255
    assert file.parent == tmp_path / "nmf" / "test"
    read = museval_json.read_folder(tmp_path).frames
    assert read.loc[read["metric"] == "SDR", ["method", "subset", "track", "value"]].to_numpy().tolist() == [
        ["nmf", "test", track, 5.0]
    ]


def test_two_files_of_one_track_are_refused(tmp_path: Path) -> None:
    content = museval_json.to_museval(scores("vocals", FOUR))
    museval_json.write_content(tmp_path / "m" / "test" / "a.json", content)
    museval_json.write_content(tmp_path / "m" / "test" / "b.json", {**content, "track": "a"})
    with pytest.raises(ConfigError, match=r"a\.json and .*b\.json are of one track, 'a'"):
        museval_json.read_folder(tmp_path)
