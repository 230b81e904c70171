"""The page of separators: made by its script, from real runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mss_bench.core.spec import needs_parameters
from mss_bench.separators import separators
from reports.pages import describe
from reports.separators.make import FAMILIES, SeparatorsPage


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    out = folder / "out"
    out.mkdir()
    (out / "notes.md").write_text("## What to see\n\nThe oracle is above the rest.\n")
    SeparatorsPage(names=["centre", "hpss", "ibm"], songs=1, jobs=2, out=out, work=folder / "work").write()
    return out


def test_each_method_has_its_section_figure_and_scores(gallery) -> None:
    page = (gallery / "README.md").read_text()
    table = pd.read_csv(gallery / "scores.csv")
    for name in ("centre", "hpss", "ibm"):
        assert f"### {name}: " in page
        assert f"](figures/{name}.png)" in page
        with Image.open(gallery / "figures" / f"{name}.png") as image:
            assert image.width > 1000
            assert np.asarray(image.convert("L")).std() > 20  # something is drawn
        of_name = (table["separator"] == name) & table["params"].isna()
        value = table[of_name & (table["metric"] == "uSDR")]["value"].iloc[0]
        assert f"{value:.1f}" in page
    assert page.index("## Position models") < page.index("## Kernel models") < page.index("## Oracles")
    assert page.index("| **Kernel models** |") < page.index("| [hpss](#hpss) | 3 |") < page.index("| **Oracles** |")
    assert "psi = 2 Re(L R*)" in page
    assert "The oracle is above the rest." in page


def test_every_filter_of_a_method_is_a_row(gallery) -> None:
    section = (gallery / "README.md").read_text().partition("### hpss")[2].partition("### ")[0]
    for mask in ("binary", "soft", "wiener", "multichannel"):
        assert f"\n| {mask}" in section


def test_every_built_in_method_can_be_described() -> None:
    for name, cls in separators.load_all().items():
        if name == "estimates" or separators.origin(name) not in ("mss_bench", "built-in"):
            continue
        if needs_parameters(cls):  # runs what a file or a command says
            continue
        text = describe(cls)
        assert text.summary, name
        assert cls.family in FAMILIES, name
        if cls.family not in ("baseline", "oracle", "deep"):
            assert text.idea, f"{name}: the docstring has no paragraph on the idea"
            assert text.formula, f"{name}: the docstring has no block of formulas"
            assert cls.assumption, name
            assert cls.citation, name
