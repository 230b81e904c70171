"""The page of the shipped network is what the committed numbers say."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mss_bench.errors import ConfigError
from reports.separators.demo_net.make import COSTS, HERE, DemoNetPage


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    for name in ("scores.csv", "curves.csv", "trainings.json", "notes.md"):
        shutil.copy(HERE / name, folder)
    DemoNetPage(out=folder).write()
    return folder


def test_the_committed_page_is_that_of_the_committed_numbers(page: Path) -> None:
    assert (page / "README.md").read_text() == (HERE / "README.md").read_text()
    for name in ("training", "costs"):
        with Image.open(page / "figures" / f"{name}.png") as image:
            assert image.width > 1000
            assert np.asarray(image.convert("L")).std() > 20  # something is drawn


def test_every_cost_has_its_row_and_the_best_is_bold(page: Path) -> None:
    text = (page / "README.md").read_text()
    scores = pd.read_csv(page / "scores.csv")
    own = scores[scores["metric"] == "uSDR"]
    means = own.groupby(["training", "target"])["value"].median().groupby("training").mean()
    for cost, words in COSTS.items():
        assert f"| {words} | " in text
        assert f"{means[cost]:.2f}" in text
    assert f"**{means[list(COSTS)].max():.2f}**" in text


def test_numbers_or_trainings_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lacks scores\.csv, curves\.csv, trainings\.json"):
        DemoNetPage(out=tmp_path).write()
    with pytest.raises(ConfigError, match="lacks the trainings magnitude_mse, magnitude_l1"):
        DemoNetPage(trainings=tmp_path, out=tmp_path / "out", work=tmp_path / "work").write()
