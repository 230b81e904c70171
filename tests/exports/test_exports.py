"""What others read is as their own tools want it."""

from __future__ import annotations

import json
import sys
import types
import warnings
from pathlib import Path

import pytest
import yaml

from mss_bench.cli.main import main
from mss_bench.datasets.catalog import get_dataset
from mss_bench.exports.croissant import croissant


def _validated(file: Path):
    mlcroissant = pytest.importorskip("mlcroissant", reason="pip install mlcroissant")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rdflib, which it uses in a former way
        return mlcroissant.Dataset(jsonld=str(file))


def test_croissant_of_a_data_set_here_lists_its_files(kept: Path, tmp_path: Path) -> None:
    catalog = str(kept.parent / "catalog.yaml")
    out = tmp_path / "croissant.json"
    assert main(["datasets", "export", "tiny", "--catalog", catalog, "--hashes", "-o", str(out)]) == 0
    read = _validated(out)
    assert not read.metadata.ctx.issues.errors
    records = list(read.records("files"))
    assert len(records) == 10  # two songs of four stems and a mixture
    first = records[0]
    assert len(first["files/sha256"]) == 64
    assert (kept.parent / "tiny" / first["files/file"]).is_file()
    assert {each["includes"] for each in json.loads(out.read_text())["distribution"]} == {
        f"test/*/{name}.wav" for name in ("vocals", "drums", "bass", "other", "mixture")
    }


def test_croissant_of_a_data_set_elsewhere_says_what_its_entry_says(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("MUSDB18HQ_ROOT", raising=False)
    content, absent = croissant(get_dataset("musdb18hq"))
    assert absent == []
    (tmp_path / "c.json").write_text(json.dumps(content))
    assert not _validated(tmp_path / "c.json").metadata.ctx.issues.errors
    assert [person["name"] for person in content["creator"]][:2] == ["Rafii", "Liutkus"]
    assert content["datePublished"] == "2019"


def test_a_run_folder_is_a_crate(kept: Path, tmp_path: Path) -> None:
    import shutil

    rocrate = pytest.importorskip("rocrate.rocrate", reason="pip install rocrate")
    run = tmp_path / "run"
    shutil.copytree(kept, run)
    assert main(["results", "crate", str(run), "--author", "Ann Author", "--licence", "CC-BY-4.0"]) == 0
    crate = rocrate.ROCrate(str(run))
    assert crate.root_dataset["license"].id == "https://spdx.org/licenses/CC-BY-4.0"
    assert crate.root_dataset["author"][0]["name"] == "Ann Author"
    assert {"run.json", "tracks.parquet"} <= {entity.id for entity in crate.data_entities}
    graph = {each["@id"]: each for each in json.loads((run / "ro-crate-metadata.json").read_text())["@graph"]}
    assert {"name", "description", "datePublished", "license"} <= graph["./"].keys()  # what RO-Crate 1.1 demands
    zenodo = json.loads((run / ".zenodo.json").read_text())
    assert zenodo["creators"] == [{"name": "Ann Author"}]
    assert zenodo["upload_type"] == "dataset"


def test_results_for_the_hub(kept: Path, tmp_path: Path, capsys) -> None:
    words = ["results", "hub", str(kept), "-s", "centre", "--hub-dataset", "me/tiny", "-o", str(tmp_path)]
    assert main([*words, "--metrics", "SDR"]) == 0
    entries = yaml.safe_load((tmp_path / ".eval_results" / "me_tiny.yaml").read_text())
    tasks = {entry["dataset"]["task_id"] for entry in entries}
    assert tasks == {"vocals_sdr", "accompaniment_sdr"}
    assert all(isinstance(entry["value"], float) and entry["dataset"]["id"] == "me/tiny" for entry in entries)
    assert main([*words, "--task", "one"]) == 2
    assert "would be the task 'one'" in capsys.readouterr().err


def test_the_lines_for_trackers_log_every_number(kept: Path, monkeypatch) -> None:
    """mlflow and wandb bring dozens of packages: stand-ins take what the lines of the how-to give them."""
    logged: dict[str, float] = {}

    class Run:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    mlflow = types.ModuleType("mlflow")
    mlflow.start_run = lambda run_name: Run()  # type: ignore[attr-defined]
    mlflow.log_params = lambda given: None  # type: ignore[attr-defined]
    mlflow.log_metric = logged.__setitem__  # type: ignore[attr-defined]
    wandb = types.ModuleType("wandb")
    wandb.init = lambda **given: types.SimpleNamespace(log=logged.update, finish=lambda: None)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    page = (Path(__file__).parents[2] / "docs" / "howto" / "exports.md").read_text()
    snippets = [part.partition("```")[0] for part in page.split("```py\n")[1:]]
    assert len(snippets) == 2
    for snippet in snippets:
        logged.clear()
        exec(snippet.replace("runs/demo", str(kept)), {})
        assert logged["centre/vocals/SDR"] == pytest.approx(logged["centre/vocals/SDR"])
        assert {"irm/drums/SAR", "centre/accompaniment/ISR"} <= logged.keys()
