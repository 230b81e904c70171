"""The manifest: everything that is wrong with one is said at once, one line each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mss_bench.cli.main import main
from mss_bench.core.parameters import MappingError
from mss_bench.core.tracks import Targets, TrackId
from mss_bench.errors import ConfigError
from mss_bench.running.delivery import Delivery
from mss_bench.separators.deep.layout import Layout
from mss_bench.separators.deep.manifest import KINDS, keys, read_manifest
from mss_bench.separators.deep.model import Model
from mss_bench.separators.deep.network import NetworkManifest
from mss_bench.separators.deep.openunmix import OpenUnmixManifest
from mss_bench.separators.deep.overlap_add import Chunks

WEIGHTS = b"weights"
FOUR = ["vocals", "drums", "bass", "other"]
SIX = [*FOUR, "guitar", "piano"]


@pytest.fixture
def write(tmp_path: Path, manifest: Callable[..., Path]) -> Callable[..., Path]:
    (tmp_path / "model.onnx").write_bytes(WEIGHTS)
    return lambda **keys: manifest("model.onnx", **({"kind": "onnx", "output": "sources"} | keys))


def _problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(MappingError) as found:
        read_manifest(path, check_weights=True)
    return found.value.problems


def read_network(path: Path) -> NetworkManifest:
    found = read_manifest(path)
    assert isinstance(found, NetworkManifest)
    return found


def test_defaults_are_those_of_a_waveform_model(write: Callable[..., Path], tmp_path: Path) -> None:
    found = read_network(write())
    assert (found.input, found.output, found.stft, found.chunks) == ("waveform", "sources", None, Chunks())
    assert found.output_layout == Layout("batch stems channels samples")
    assert found.files == {tmp_path / "model.onnx": hashlib.sha256(WEIGHTS).hexdigest()}
    assert found.delivers == ("vocals", "drums", "bass", "other")
    found.require_weights()


def test_a_hash_may_be_written_in_capitals(write: Callable[..., Path], tmp_path: Path) -> None:
    sha = hashlib.sha256(WEIGHTS).hexdigest()
    path = write()
    path.write_text(path.read_text().replace(sha, sha.upper()))
    found = read_manifest(path, check_weights=True)
    assert found.files == {tmp_path / "model.onnx": sha}


@pytest.mark.parametrize(
    ("stems", "stem_map", "given", "four", "six"),
    [
        (SIX, {"other": ["guitar", "piano", "other"]}, {}, [*FOUR, "accompaniment"], SIX),
        (SIX, None, {}, [*FOUR[:3], "accompaniment"], SIX),
        (SIX, None, {"map": "other=guitar+piano+other"}, [*FOUR, "accompaniment"], None),
        (["vocals", "other"], {"accompaniment": "other"}, {}, ["vocals", "accompaniment"], ["vocals"]),
        (["vocals", "other"], {"accompaniment": "other"}, {"map": "none"}, ["vocals", "other"], ["vocals", "other"]),
        (["vocals"], {"accompaniment": "mixture - vocals"}, {}, ["vocals", "accompaniment"], ["vocals"]),
    ],
)
def test_a_map_says_what_the_stems_of_a_model_are_on_data_of_any_kind(
    write: Callable[..., Path], stems: list[str], stem_map: Any, given: Any, four: list[str], six: list[str] | None
) -> None:
    model = Model(manifest=str(write(stems=stems, map=stem_map)), **given)
    track = TrackId("data", "", "Song")
    data = Targets(tuple(FOUR), {"accompaniment": tuple(FOUR[1:])})
    assert list(Delivery.of(model, data, track, given=bool(given)).targets) == four
    if six is None:
        with pytest.raises(ConfigError, match="the data set scores guitar by itself"):
            Delivery.of(model, Targets(tuple(SIX)), track, given=True)
    else:
        assert list(Delivery.of(model, Targets(tuple(SIX)), track, given=False).targets) == six


def test_a_map_of_a_stem_that_the_model_does_not_have_is_refused_with_its_line(write: Callable[..., Path]) -> None:
    (problem,) = _problems(write(map={"other": ["gitar", "other"]}))
    assert re.search(
        r"manifest.yaml:\d+: map 'other=gitar\+other': there is no stem 'gitar'; there are vocals", problem
    )


def test_layouts_follow_the_input(write: Callable[..., Path]) -> None:
    found = read_network(write(input="complex", output="spectrograms", stft={"n_fft": 512, "hop": 128}))
    assert found.input_layout == Layout("batch channels complex bins frames")
    assert found.stft
    assert (found.stft.bins, found.stft.centre) == (257, True)


def test_options_of_a_library_are_complete(write: Callable[..., Path]) -> None:
    found = read_manifest(write(kind="openunmix", output=None, options={"window": 0}))
    assert isinstance(found, OpenUnmixManifest)
    assert found.options.values() == {"iterations": 1, "window": 0, "softmask": False}
    assert read_manifest(write(kind="demucs", output=None)).chunks.overlap == 0.25


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text(
        "kind: onnx\n"
        "weights:\n"
        "  model.onnx:\n"
        "  ../other.onnx: 00\n"
        "sample_rate: 44.1\n"
        "channels: 0\n"
        "stems: [vocals, a/b]\n"
        "input: magnitude\n"
        "output: sources\n"
        "layout: {output: batch stems bins frames channels samples}\n"
        "stft: {n_fft: 512, hop: 300}\n"
        "chunk: 10\n"
        "border: 5\n"
        "overlap: 1\n"
        "license: MIT\n"
    )
    (tmp_path / "model.onnx").write_bytes(WEIGHTS)
    expected = [
        "15: a manifest of kind onnx has no key 'license'; did you mean 'licence'?",
        f"3: .* left open; paste in place: weights: .*model.onnx: {hashlib.sha256(WEIGHTS).hexdigest()}",
        "4: weights '../other.onnx' leads out of the manifest's folder",
        "5: sample_rate is 44.1, expected a whole number of at least 1",
        "6: channels is 0, expected a whole number of at least 1",
        "7: 'a/b' cannot name a stem",
        "1: trained_on is missing in a manifest of kind onnx, expected a list of data set/subset",
        "13: border is 5, expected less than half of chunk=10",
        "14: overlap is 1.*, expected a number of at least 0 and below 1",
        "9: output is 'sources', expected masks or spectrograms",
        "10: layout of the output: .*samples unknown",
        r"11: stft: hop=300: expected 1 to 256 samples",
    ]
    found = _problems(path)
    assert len(found) == len(expected)
    for wanted in expected:
        assert [bool(re.search(f"{path}:{wanted}", problem)) for problem in found].count(True) == 1, wanted


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"kind": "keras"}, "kind is 'keras', expected onnx, pt2, openunmix, demucs or msst"),
        ({"kind": None}, "kind is missing"),
        ({"weights": "model.onnx"}, "weights is 'model.onnx', expected each file and its SHA-256"),
        ({"stft": {"n_fft": 512, "hop": 128}}, "stft is for models that are given spectrograms"),
        ({"input": "magnitude", "output": "masks"}, "stft is missing"),
        ({"filter": "wiener"}, "filter wiener needs magnitudes"),
        ({"residual": "vocals"}, "residual 'vocals' is one of the stems already"),
        ({"layout": {"output": "batch channels samples"}}, "stems missing"),
        ({"layout": {"input": "batch (channels samples"}}, "is not a list of axes"),
        ({"layout": {"input": "batch channels samples samples"}}, "names samples twice"),
        ({"options": {"shifts": 1}}, "a manifest of kind onnx has no key 'options'"),
        ({"kind": "demucs", "output": None, "options": {"shifts": -1}}, "shifts is -1, expected a whole number"),
        ({"kind": "demucs"}, "a manifest of kind demucs has no key 'output'"),
    ],
)
def test_one_thing_wrong_is_one_line(keys: dict[str, Any], wanted: str, write: Callable[..., Path]) -> None:
    problems = _problems(write(**keys))
    assert len([p for p in problems if wanted in p]) == 1, problems


def test_altered_and_missing_weights_are_said(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    (tmp_path / "model.onnx").write_bytes(b"other")
    expected = f"SHA-256 {hashlib.sha256(b'other').hexdigest()}, expected {hashlib.sha256(WEIGHTS).hexdigest()}"
    assert [expected in problem for problem in _problems(path)] == [True]
    (tmp_path / "model.onnx").unlink()
    assert ["cannot be read: No such file" in problem for problem in _problems(path)] == [True]
    with pytest.raises(MappingError, match="cannot be read"):
        read_manifest(path).require_weights()


def test_a_manifest_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_manifest(tmp_path / "none.yaml")


def test_check_prints_what_is_wrong_then_holds_to_the_contract(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    keys = {"kind": "onnx", "output": "sources", "chunk": 4000}
    assert main(["separators", "check", str(manifest(onnx_file().name, **keys, channels="two", stems=None))]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3  # the last names the help
    assert "channels is 'two'" in said[0]
    assert "stems is missing" in said[1]
    named = {"stems": ["vocals", "other", "voice", "hum"], "map": {"accompaniment": "other"}}
    assert main(["separators", "check", str(manifest("model.onnx", **keys, **named))]) == 0
    said = capsys.readouterr().out
    assert "deterministic" in said
    assert "FAIL" not in said
    # Then what it makes of music: by which name each stem is scored, and that this network is no good.
    rows = {row[0]: row[1:] for line in said.partition("delivered ")[2].splitlines() if (row := line.split())}
    assert [rows[name][0] for name in named["stems"]] == ["vocals", "accompaniment", "–", "–"]
    assert float(rows["vocals"][3].replace("−", "-")) < 3
    assert "do not add up to the mixture" in said
    assert "voice, hum are delivered and not scored" in " ".join(said.split())


def test_hashes_that_were_left_open_are_told_as_a_line_to_paste(tmp_path: Path, manifest: Callable[..., Path]) -> None:
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_bytes(name.encode())
    keys = {"kind": "onnx", "output": "sources", "stems": ["vocals", "drums"]}
    whole = yaml.safe_load(manifest("a.onnx", "b.onnx", **keys).read_text())["weights"]
    with pytest.raises(ConfigError, match="was left open; paste in place: weights: ") as refused:
        read_manifest(manifest(**keys, weights=whole | {"b.onnx": None}))
    assert yaml.safe_load(str(refused.value).partition("in place: ")[2]) == {"weights": whole}


@pytest.mark.parametrize("kind", KINDS)
def test_all_keys_of_a_kind_are_explained(kind: str) -> None:
    page = keys(kind)
    assert "chunk : int, default 0" in page
    assert ("hop : int" in page) == (kind in ("onnx", "pt2"))
    assert ("shifts : int, default 0" in page) == (kind == "demucs")
