"""FAD and the squared distance of embeddings with a network from a file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics import metrics
from mss_bench.metrics.contract import check_metric
from mss_bench.metrics.perceptual.embedding_distances import FAD, EmbeddingMSE
from mss_bench.metrics.perceptual.embeddings import embedding_mse, frechet_distance, kernel_distance, neighbours
from mss_bench.running.options import RunOptions

onnx = pytest.importorskip("onnx", reason="pip install onnx")
pytest.importorskip("onnxruntime", reason="pip install 'mss-bench[onnx]'")

RATE, LENGTH, DIMENSIONS = 8000, 800, 5


def write_network(path, *, channel_axis=False, weights=None):
    """Rectified projections of a window: a network of one layer."""
    helper, numpy_helper, types = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    shape = ["batch", 1, LENGTH] if channel_axis else ["batch", LENGTH]
    nodes, first = [], "sound"
    if channel_axis:
        nodes.append(helper.make_node("Reshape", ["sound", "flat"], ["windows"]))
        first = "windows"
    nodes += [
        helper.make_node("MatMul", [first, "weights"], ["projected"]),
        helper.make_node("Relu", ["projected"], ["embedding"]),
    ]
    constants = [
        numpy_helper.from_array(weights.astype(np.float32), "weights"),
        numpy_helper.from_array(np.array([-1, LENGTH]), "flat"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("sound", types.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", types.FLOAT, ["batch", DIMENSIONS])],
        constants[: 1 + channel_axis],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(0).standard_normal((LENGTH, DIMENSIONS))


@pytest.fixture(scope="module")
def network(tmp_path_factory, weights):
    return write_network(tmp_path_factory.mktemp("net") / "small.onnx", weights=weights)


@pytest.fixture(scope="module")
def stems():
    rng = np.random.default_rng(1)
    return {name: (0.1 * rng.standard_normal((2, 2 * RATE))).astype(np.float32) for name in ("vocals", "drums")}


def scores(metric, references, estimates, rate=RATE):
    first = next(iter(references.values()))
    state = metric.prepare(TrackAudio(references, first, rate), TargetGroup("g", tuple(references)))
    return {score.target: score for score in metric.score(state, estimates)}


def made(cls, network, **parameters):
    return cls(model=str(network), **{"sample_rate": RATE, "window": 0.1, "hop": 0.05} | parameters)


def embedded(signal, weights, hop=400):
    """What the network makes of the mean of the channels."""
    mono = signal.mean(axis=0)
    windows = np.stack([mono[start : start + LENGTH] for start in range(0, len(mono) - LENGTH + 1, hop)])
    return np.maximum(windows @ weights, 0)


@pytest.mark.parametrize("channel_axis", [False, True])
def test_the_numbers_are_the_formulas_on_the_network_s_embeddings(tmp_path, weights, stems, channel_axis):
    network = write_network(tmp_path / "net.onnx", channel_axis=channel_axis, weights=weights)
    estimate = stems["vocals"] + 0.3 * stems["drums"]
    s, y = embedded(stems["vocals"], weights), embedded(estimate, weights)
    assert len(s) == 39
    found = scores(made(FAD, network), stems, {"vocals": estimate})["vocals"]
    assert found.value == pytest.approx(frechet_distance(s, y), rel=1e-4)
    found = scores(made(EmbeddingMSE, network), stems, {"vocals": estimate})["vocals"]
    assert found.value == pytest.approx(embedding_mse(s, y), rel=1e-4)


@pytest.mark.parametrize("cls", [FAD, EmbeddingMSE])
def test_they_keep_their_declarations(cls, network):
    results = check_metric(made(cls, network), seconds=1.5, sample_rate=RATE)
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []


def test_frames_in_another_order_cost_only_the_squared_distance(network, stems):
    half = RATE  # 1 s, a whole number of windows
    swapped = {"vocals": np.concatenate([stems["vocals"][:, half:], stems["vocals"][:, :half]], axis=1)}
    assert scores(made(FAD, network, hop=0.1), stems, swapped)["vocals"].value == pytest.approx(0, abs=1e-6)
    assert scores(made(EmbeddingMSE, network, hop=0.1), stems, swapped)["vocals"].value > 0.1


def test_other_rates_silence_and_short_tracks(network, stems):
    metric = made(FAD, network)
    assert scores(metric, stems, stems, rate=2 * RATE)["vocals"].flags == (f"resampled:{RATE}",)
    silent = {**stems, "vocals": 0 * stems["vocals"]}
    assert "reference 'vocals' is silent throughout" in scores(metric, silent, stems)["vocals"].reason
    assert scores(metric, stems, silent)["vocals"].value > 0
    short = {name: stem[:, :500] for name, stem in stems.items()}
    assert "1 frame of embeddings is too few" in scores(metric, short, short)["vocals"].reason
    assert scores(made(EmbeddingMSE, network), short, short)["vocals"].value == 0


def test_all_leaves_them_out():
    assert not {"fad", "embedding_mse"} & {spec.name for spec in RunOptions(metrics=("all",)).metric_specs()}
    assert {"fad", "embedding_mse"} <= set(metrics.names())


def test_the_network_s_content_is_part_of_the_key_and_its_place_is_not(tmp_path, network, tiny, weights):
    folders = [tmp_path / name for name in "abc"]
    for folder, scale in zip(folders, (1, 1, 2), strict=True):
        folder.mkdir()
        write_network(folder / "small.onnx", weights=scale * weights)
    keys = []
    for folder in folders:
        spec = f"embedding_mse:model={folder / 'small.onnx'},sample_rate=8000,window=0.1,hop=0.1"
        run = mss_bench.run(
            "tiny", ["mixture_unscaled"], [spec], catalogs=[str(tiny)], tracks=["Song A"], out=folder / "run", jobs=1,
            quiet=True,
        )  # fmt: skip
        table = run.tracks[run.tracks["metric"] == "Embedding-MSE"]
        assert (table["status"] == "ok").all()
        assert (table["preset"] == "small").all()
        keys.append(set(table["score_key"]))
    assert keys[0] == keys[1]
    assert not keys[0] & keys[2]


def test_what_is_no_network_of_sound_is_refused(tmp_path, network, stems):
    with pytest.raises(ConfigError, match="there is no model"):
        scores(FAD(model=str(tmp_path / "missing.onnx")), stems, stems)
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ConfigError, match="cannot be loaded by ONNX Runtime"):
        scores(FAD(model=str(tmp_path / "text.onnx")), stems, stems)
    with pytest.raises(ConfigError, match=r"takes \('batch', 800\) and was given \(\d, 1600\); set window"):
        scores(made(FAD, network, window=0.2), stems, stems)
    with pytest.raises(ConfigError, match="window is 0"):
        made(FAD, network, window=0)
    with pytest.raises(ConfigError, match="sample_rate is 0"):
        made(FAD, network, sample_rate=0)


def test_sets_are_all_excerpts_of_a_method_against_all_references(tmp_path, network, tiny, weights, capsys):
    """Tracks pooled, by the verb: the estimate of every stem is the mixture here."""
    run = tmp_path / "run"
    mss_bench.run(
        "tiny", ["mixture_unscaled:as=mine"], ["usdr"], catalogs=[str(tiny)], out=run, jobs=1, quiet=True,
        save_estimates=True,
    )  # fmt: skip
    songs = [
        {name: audio.read(folder / f"{name}.wav") for name in ("vocals", "mixture")}
        for folder in sorted((tmp_path / "tiny" / "test").iterdir())
    ]
    s, y = (np.concatenate([embedded(song[name], weights, hop=LENGTH) for song in songs]) for name in songs[0])
    out = tmp_path / "sets.csv"
    command = ["results", "distances", str(run), "--model", str(network), "--sample-rate", str(RATE)]
    assert main([*command, "--window", "0.1", "--hop", "0.1", "--targets", "vocals", "-o", str(out)]) == 0
    printed = capsys.readouterr()
    assert "Sets, by the embeddings of small" in printed.out
    assert "frames of 5 dimensions are few" in printed.err
    (row,) = pd.read_csv(out).itertuples(index=False)
    assert (row.separator, row.target, row.n_tracks, row.n_frames) == ("mine", "vocals", 2, 30)
    assert pytest.approx(frechet_distance(s, y), rel=1e-3) == row.FAD
    assert pytest.approx(kernel_distance(s, y), rel=1e-3) == row.KAD
    assert pytest.approx(neighbours(s, y), abs=1e-3) == (row.precision, row.recall, row.density, row.coverage)
    assert main([*command, "--targets", "voice"]) == 2
    assert "unknown target 'voice'" in capsys.readouterr().err
