"""What documents and docstrings speak of: data sets, estimates of tools, runs, scores by museval."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mss_bench.cli.main import main
from mss_bench.core import audio

ROOT = Path(__file__).parents[2]

# What takes minutes runs with the documents.
collect_ignore = [] if os.environ.get("MSS_BENCH_TEST_DOCUMENTS") else ["test_notebook.py"]
RATE = 44100
SONGS = ("Song A", "Song B")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, write_song: Callable[..., Any]) -> Path:
    """What documents speak of: a data set, estimates of tools, files of one's own, runs, scores by museval."""
    folder = tmp_path_factory.mktemp("documents")
    for i, song in enumerate(SONGS):
        stems = write_song(folder / "data" / "musdb18hq" / "test" / song, seed=i, seconds=3.0, rate=RATE)
        write_song(folder / "data" / "musdb18hq" / "train" / f"{song} too", seed=i + 7, seconds=1.0, rate=RATE)
        noise = 0.01 * np.random.default_rng(i).standard_normal(stems["vocals"].shape).astype(np.float32)
        rest = stems["drums"] + stems["bass"] + stems["other"]
        four = {name: stem + noise for name, stem in stems.items()}
        six = four | dict.fromkeys(("guitar", "piano", "other"), (stems["other"] + noise) / 3)
        two = {"vocals": four["vocals"], "other": rest + noise}
        for tool, files in {
            "separated/htdemucs": four, "separated/htdemucs_6s": six, "separated/bs_roformer": two,
            "msst_results": two, "my_estimates": four, "my_references": stems,
        }.items():  # fmt: skip
            for name, array in files.items():
                audio.write(folder / tool / song / f"{name}.wav", array, RATE)
        audio.write(folder / "uvr_output" / f"{i + 1}_{song}_(Vocals)_model.wav", two["vocals"], RATE)
        audio.write(folder / "uvr_output" / f"{i + 1}_{song}_(Instrumental)_model.wav", two["other"], RATE)
        for name in ("lead1.wav", "backing1.wav", "drums/kick.wav", "guitar.wav", "keys.flac"):
            audio.write(folder / "data" / "mine" / song / name, stems["vocals"], RATE, "PCM_16")
        for method in ("UMX", "IRM1"):
            _museval_json(folder / "submissions" / method / "test" / f"{song}.json")
    audio.write(folder / "song.wav", np.zeros((2, RATE), np.float32) + noise[:, :RATE], RATE)
    minute = np.random.default_rng(0).standard_normal((2, 60 * RATE)).astype(np.float32) / 20
    for name, channels in {"takes/lead.wav": 2, "takes/backing.flac": 1, "kit.wav": 1}.items():
        audio.write(folder / name, minute[:channels], RATE, "PCM_16")
    _board(folder)
    for published in Path(os.environ.get("MSS_BENCH_TEST_DATA", "/nowhere")).glob("listening/**/*.csv"):
        shutil.copy(published, folder)
    design = {"name": "vocals", "protocol": "mushra", "run": "runs/demo", "target": "vocals"}
    design |= {"systems": ["repet_sim", "hpss_vocals", "irm"], "excerpts": {"count": 2, "seconds": 2}}
    (folder / "vocals.yaml").write_text(json.dumps(design))
    (folder / "comparison.yaml").write_text("{dataset: musdb18hq, separators: [hpss, irm], metrics: [bss_eval]}")
    pd.DataFrame({"score": [1.0]}).to_pickle(folder / "scores.pandas")
    _network(folder / "my_model" / "model.onnx")
    _run(folder, "demo", ["repet_sim", "hpss_vocals", "centre", "nmf_supervised", "kam", "irm"])
    if os.environ.get("MSS_BENCH_TEST_DOCUMENTS"):
        _run(folder, "nightly", [{"name": "hpss_vocals", "as": name} for name in ("new_model", "last_release")], 6)
    return folder


def _run(folder: Path, name: str, separators: list[Any], songs: int = 2) -> None:
    import mss_bench

    mss_bench.run(
        "demo", separators, ["bss_eval", "usdr"], max_tracks=songs, duration=4.0, save_estimates=True,
        out=folder / "runs" / name, quiet=True,
    )  # fmt: skip


def _board(folder: Path) -> None:
    """Make an empty board, and a run of its songs."""
    words = ["results", "import-museval", str(folder / "submissions"), "-o", str(folder / "runs" / "submitted")]
    assert main([*words, "--oracle", "IRM1"]) == 0
    board = {"title": "Mine", "kind": "scores", "dataset": "museval", "subset": "test", "preset": "museval"}
    board |= {"metrics": ["SDR"], "targets": ["vocals"], "rank_metric": "SDR", "rank_target": "vocals"}
    (folder / "my-board").mkdir()
    rows = [f"{song},test,mine,vocals,{sdr}" for song, sdr in zip(SONGS, (6.1, 7.4), strict=True)]
    (folder / "songs.csv").write_text("\n".join(["track,subset,model,stem,sdr", *rows]))
    (folder / "my-board" / "board.yaml").write_text(json.dumps(board | {"tracks": list(SONGS)}))


def _museval_json(path: Path) -> None:
    metrics = dict.fromkeys(("SDR", "SIR", "ISR", "SAR"), 5.0)
    frames = [{"time": float(i), "duration": 1.0, "metrics": metrics} for i in range(3)]
    targets = [{"name": name, "frames": frames} for name in ("vocals", "accompaniment")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"targets": targets}), encoding="utf-8")


def _network(path: Path) -> None:
    """Write an ONNX network that gives each of four stems a quarter of every bin."""
    onnx = pytest.importorskip("onnx", reason="pip install 'mss-bench[train]'")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    magnitudes = helper.make_tensor_value_info("magnitudes", float32, [1, 2, 2049, "frames"])
    masks = helper.make_tensor_value_info("masks", float32, [1, 4, 2, 2049, "frames"])
    zero, quarter = (onnx.numpy_helper.from_array(np.array(v, np.float32), n) for n, v in (("zero", 0), ("q", 0.25)))
    axes = onnx.numpy_helper.from_array(np.array([1]), "axes")
    nodes = [
        helper.make_node("Mul", ["magnitudes", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "q"], ["mask"]),
        helper.make_node("Unsqueeze", ["mask", "axes"], ["one"]),
        helper.make_node("Concat", ["one"] * 4, ["masks"], axis=1),
    ]
    graph = helper.make_graph(nodes, "quarters", [magnitudes], [masks], [zero, quarter, axes])
    path.parent.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.fixture
def sandbox(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `prepared` to work in."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSDB18HQ_ROOT", str(tmp_path / "data" / "musdb18hq"))
    monkeypatch.setenv("MY_DATA", str(tmp_path / "data" / "mine"))
    for name in ("leaderboards", "reports"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path
