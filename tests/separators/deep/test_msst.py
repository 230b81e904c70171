"""Checkpoints of Music-Source-Separation-Training: its own inference, recorded, and what is refused."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.errors import ConfigError
from mss_bench.separators.deep.manifest import read_manifest
from mss_bench.separators.deep.model import Model
from mss_bench.separators.deep.msst import TYPES, _network, msst_manifest

from .msst_models import CONFIGS, RATE, filled, music, written

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("pymss_core", reason="pymss-core is not installed")

RECORD = json.loads((Path(__file__).parents[2] / "data/msst.json").read_text())
TARGETS = Targets(("vocals", "drums", "bass", "other"), {"accompaniment": ("drums", "bass", "other")})
TRACK = TrackId("demo", "test", "song")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a configuration and a checkpoint of each type, each in another of the containers that people have."""
    folder = tmp_path_factory.mktemp("msst")
    for kind, container in zip(TYPES, ("", "state_dict", "model_state_dict", "state", ""), strict=True):
        (folder / f"{kind}.yaml").write_text(written(CONFIGS[kind]))
        (folder / f"{kind}.ckpt").write_bytes(b"")
        described = msst_manifest(str(folder / f"{kind}.yaml"), str(folder / f"{kind}.ckpt"))
        # One hidden layer of the mask estimator is what MSST makes of the small mel-band model.
        hints = {"mask_estimators.0.to_freqs.0.0.2.weight": None} if kind == "mel_band_roformer" else {}
        state = filled(_network(described, hints).state_dict())
        torch.save({container: state} if container else state, folder / f"{kind}.ckpt")
    torch.save({"epoch": 3, "name": "no weights"}, folder / "none.ckpt")
    return folder


@pytest.fixture
def separated(checkpoints: Path) -> Callable[..., Stems]:
    def call(kind: str, mixture: Audio, **parameters: Any) -> Stems:
        model = Model(msst=f"{checkpoints}/{kind}.yaml", weights=f"{checkpoints}/{kind}.ckpt", **parameters)
        model.load()
        return model.separate(mixture, RATE, targets=TARGETS, rng=np.random.default_rng(0))

    return call


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    ("case", "samples", "tta"), [("long", 13001, False), ("short", 3001, False), ("tta", 13001, True)]
)
def test_the_stems_are_those_of_msst(separated: Callable[..., Stems], kind: str, case: str, samples: int, tta: bool):
    stems = separated(kind, music(samples), tta=tta)
    for name, golden in RECORD[f"{kind} {case}"].items():
        np.testing.assert_allclose(stems[name][:, ::61], golden, rtol=0, atol=1e-6)
        assert np.abs(golden).max() > 0.01


def test_names_mean_what_msst_means_by_them(checkpoints: Path) -> None:
    def model(kind: str, **parameters: Any) -> Model:
        return Model(msst=f"{checkpoints}/{kind}.yaml", weights=f"{checkpoints}/{kind}.ckpt", **parameters)

    one, two = model("bs_roformer"), model("mdx23c")
    assert (one.described.stems, one.described.residual) == (("vocals",), "other")  # what is left is no MUSDB's other
    assert str(one.stem_map) == "accompaniment=other"
    assert str(two.stem_map) == "vocals=Vocals;accompaniment=Instrumental"
    assert str(model("bs_roformer", map="none").stem_map) == "none"
    assert (one.described.sample_rate, one.described.channels, one.trained_on) == (RATE, 2, ("unknown",))


@pytest.mark.parametrize(
    ("instruments", "delivers", "stem_map"),
    [
        (["vocals", "accompaniment"], ("vocals", "accompaniment"), ""),
        (["vocals", "other"], ("vocals", "other"), "accompaniment=other"),
        (["Drums", "Bass", "Other", "Vocals"], ("Vocals", "accompaniment"), "vocals=Vocals"),
    ],
)
def test_a_target_is_one_of_the_instruments_however_it_is_spelt(
    tmp_path: Path, checkpoints: Path, instruments: list[str], delivers: tuple[str, ...], stem_map: str
) -> None:
    config = copy.deepcopy(CONFIGS["bs_roformer"])
    config["training"] |= {"instruments": instruments, "target_instrument": "Vocals"}
    (tmp_path / "config.yaml").write_text(written(config))
    model = Model(msst=str(tmp_path / "config.yaml"), weights=str(checkpoints / "bs_roformer.ckpt"))
    assert model.described.delivers == delivers
    assert str(model.stem_map) == stem_map


def test_the_rest_of_one_target_adds_up_to_the_mixture(separated: Callable[..., Stems]) -> None:
    stems = separated("bs_roformer", music())
    np.testing.assert_allclose(stems["vocals"] + stems["other"], music(), atol=1e-7)


def test_a_manifest_gives_the_same_and_says_what_the_files_do_not(
    checkpoints: Path, separated: Callable[..., Stems], tmp_path: Path
) -> None:
    names = ["bs_roformer.yaml", "bs_roformer.ckpt"]
    for name in names:
        (tmp_path / name).symlink_to(checkpoints / name)
    shas = {name: hashlib.sha256((checkpoints / name).read_bytes()).hexdigest() for name in names}
    keys: dict[str, Any] = {"kind": "msst", "weights": shas, "trained_on": ["musdb18/train"]}
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump(keys | {"batch": 4, "options": {"type": "bs_roformer"}}))
    model = Model(manifest=str(path))
    stems = model.separate(music(3001), RATE, targets=TARGETS, rng=np.random.default_rng(0))
    assert (model.trained_on, len(model.files(TRACK))) == (("musdb18/train",), 3)
    alone = separated("bs_roformer", music(3001))
    # As there, the first and the last chunk are known by their batch.
    assert not stems["vocals"][:, 0].any()  # under the very beginning of a fade
    assert alone["vocals"][:, 0].any()
    np.testing.assert_array_equal(separated("bs_roformer", music(3001), batch=4)["vocals"], stems["vocals"])

    path.write_text(yaml.safe_dump(keys | {"stems": ["vocals", "other"]}))
    with pytest.raises(ConfigError, match=r"bs_roformer\.yaml says"):
        read_manifest(path)
    path.write_text(yaml.safe_dump(keys | {"overlap": 0.5}))
    with pytest.raises(ConfigError, match="num_overlap in MSST's file"):
        read_manifest(path)


class _Code:
    def __reduce__(self) -> Any:
        return print, ("code ran",)


def test_what_does_not_belong_together_is_refused(checkpoints: Path, tmp_path: Path) -> None:
    def refused(match: str, config: str | dict[str, Any] = "scnet", weights: Any = "scnet.ckpt") -> None:
        path, file = tmp_path / "config.yaml", checkpoints / str(weights)
        path.write_text(written(copy.deepcopy(CONFIGS[config]) if isinstance(config, str) else config))
        if not isinstance(weights, str):
            file = tmp_path / "model.ckpt"
            file.write_bytes(weights if isinstance(weights, bytes) else pickle.dumps(weights, 2))
        with pytest.raises(ConfigError, match=match):
            Model(msst=str(path), weights=str(file)).load()

    def altered(kind: str, section: str, **changes: Any) -> dict[str, Any]:
        config = copy.deepcopy(CONFIGS[kind])
        config[section] = {k: v for k, v in (config[section] | changes).items() if v is not ...}
        return config

    refused("read as mdx23c: .* weights are missing, e.g. [^ ]+, [^ ]+, .* do not belong together$", "mdx23c")
    refused("does not belong to", altered("scnet", "model", dims=[4, 8, 16]))
    refused("no scnet can be made of it .*colour", altered("scnet", "model", colour=1))
    refused("the type of the model does not show", {"training": {"instruments": ["vocals"]}, "model": {}})
    refused("model of type apollo", altered("scnet", "training", model_type="apollo"))
    refused("training.instruments is missing", altered("scnet", "training", instruments=...))
    refused("num_overlap is 0, expected a whole number", altered("scnet", "inference", num_overlap=0))
    uneven = "audio.chunk_size is 4096, which is 65 frames of audio.hop_length; expected a multiple of 4 frames"
    refused(uneven, altered("mdx23c", "audio", chunk_size=4096), "mdx23c.ckpt")
    refused("no step of a chunk", altered("scnet", "inference", num_overlap=7000))
    refused("could run code", weights={"state": _Code()})
    refused("cannot be read", weights="missing.ckpt")
    refused("model.ckpt is damaged or no checkpoint; .*no file of torch.save", weights=b"not a checkpoint")
    whole = (checkpoints / "scnet.ckpt").read_bytes()
    for end in (0, 500, len(whole) // 2, len(whole) - 100):  # torch says of each something else
        refused("model.ckpt is damaged or no checkpoint; .*it was cut off", weights=whole[:end])
    target = "target_instrument is 'guitar', expected one of training.instruments: drums, bass, other, vocals"
    refused(f"config.yaml:[0-9]+: training.{target}", altered("scnet", "training", target_instrument="guitar"))
    refused("expected weights by name", weights=(checkpoints / "none.ckpt").read_bytes())


def test_the_configuration_is_data(tmp_path: Path, checkpoints: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("training: !!python/object/apply:print [code ran]\n")
    with pytest.raises(ConfigError, match="the tag !!python/object/apply:print is not allowed"):
        Model(msst=str(path), weights=str(checkpoints / "scnet.ckpt"))
    with pytest.raises(ConfigError, match="needs manifest=FILE, or msst="):
        Model()
    with pytest.raises(ConfigError, match="go together"):
        Model(msst=str(path))
