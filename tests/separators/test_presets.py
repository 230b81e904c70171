"""`preset=paper`: the values of the paper, which others that are given go before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mss_bench.cli.main import main
from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import Stems
from mss_bench.errors import ConfigError
from mss_bench.separators import separators
from mss_bench.separators.nmf import NMF
from mss_bench.separators.published import EXCERPT, PUBLISHED, PUBLISHED_COLUMNS, excerpt_line, published_lines

PUBLISHED_FAMILIES = ("position", "kernel", "factorisation", "sinusoidal", "oracle")
FEW: dict[str, dict[str, Any]] = {
    "projet": {"restarts": 1, "iterations": 5},
    "nmf": {"iterations": 5},
    "nmf_multichannel": {"iterations": 5},
    "rpca": {"iterations": 5},
}
CHANGING = ["duet", "projet", "spatial_clustering", "twodft", "rpca", "harmonic_mask", "nmf", "nmf_multichannel"]


def test_every_method_with_a_paper_has_its_values_and_says_what_differs() -> None:
    for name, cls in separators.load_all().items():
        if cls.family in PUBLISHED_FAMILIES:
            assert "paper" in cls.presets, name
            method, changed = build(separators, Spec(name, {"preset": "paper"}))
            assert changed == {"preset": "paper"}
            values = method.values()
            assert {n: values[n] for n in cls.presets["paper"]} == dict(cls.presets["paper"])
            said = cls.differs_from_paper()
            assert said
            for parameter, value in cls.presets["paper"].items():
                assert getattr(cls(), parameter) != value, (name, parameter)
                assert f"{parameter}=" in said, (name, parameter)
    for name in ("bandsplit", "demo_net"):
        assert "no preset=paper" in separators.load(name).differs_from_paper()
    assert "mode=level (paper: level_delay)" in separators.load("duet").differs_from_paper()
    grids = separators.load("projet").differs_from_paper()
    assert "under preset=paper they do: directions=31 (paper: 30), projections=11 (paper: 10)" in grids
    assert "(paper: 31)" not in grids


@pytest.mark.parametrize("name", CHANGING)
def test_methods_run_as_published(name: str, separate: Callable[..., Stems]) -> None:
    time = np.arange(30000) / 44100
    left = np.sin(2 * np.pi * 220 * time)
    right = np.random.default_rng(0).standard_normal(time.size) * (time % 0.2 < 0.02)
    mixture = np.stack([left + 0.2 * right, 0.3 * left + right]).astype(np.float32)
    stems = separate(separators.load(name)(preset="paper", **FEW.get(name, {})), mixture)
    names = next(n for n in separators.load(name).target_sets if set(n) <= set(stems))
    np.testing.assert_allclose(sum(stems[n] for n in names), mixture, atol=1e-4)


def test_values_that_are_given_go_before_those_of_the_paper() -> None:
    made, changed = build(separators, Spec.parse("duet:mask=soft,preset=paper"))
    assert (made.mask, made.mode) == ("soft", "level_delay")
    assert changed == {"mask": "soft", "preset": "paper"}


def test_itakura_saito_as_published_shares_by_power() -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((1, 3, 2049)) + 1j * rng.standard_normal((1, 3, 2049))).astype(np.complex64)
    shares = {}
    for preset in (None, "paper"):
        method = NMF(divergence="is", preset=preset)
        magnitudes = [np.full((1, 3, 2049), np.sqrt(power), dtype=np.float32) for power in (9.0, 1.0)]
        signals = method.estimates(method.stft, x, 4096, lambda _block, _rows: magnitudes)  # noqa: B023
        whole = np.linalg.norm(signals[0] + signals[1])
        shares[preset] = [np.linalg.norm(signal) / whole for signal in signals]
    assert shares["paper"] == pytest.approx([0.9, 0.1], abs=1e-4)
    assert shares[None] == pytest.approx([0.75, 0.25], abs=1e-4)
    assert NMF(preset="paper").mask == "soft"  # Kullback-Leibler models magnitudes


def test_presets_that_do_not_exist_are_named() -> None:
    with pytest.raises(ConfigError, match="duet: preset is 'papr', expected paper; did you mean 'paper'"):
        build(separators, Spec.parse("duet:preset=papr"))


def test_both_numbers_are_shown_and_are_those_of_the_gallery(capsys: pytest.CaptureFixture[str]) -> None:
    gallery = Path(__file__).parents[2] / "reports" / "separators" / "filters.csv"
    keys = ["separator", "params", "target"]
    for file, own in ((gallery, PUBLISHED), (gallery.with_name("excerpt.csv"), EXCERPT)):
        measured = pd.read_csv(file, keep_default_na=False).astype(str).drop_duplicates(keys).set_index(keys)
        shipped = pd.read_csv(own, keep_default_na=False).astype(str)
        for row in shipped.to_dict("records"):
            known = measured.loc[row["separator"], row["params"], row["target"]]
            assert all(known[name] == row[name] for name in PUBLISHED_COLUMNS if name not in keys)
    shipped = pd.read_csv(PUBLISHED, keep_default_na=False)
    papers = {name: cls.presets["paper"] for name, cls in separators.load_all().items() if "paper" in cls.presets}
    assert {*shipped[shipped["params"] == ""]["separator"]} == {*papers}
    assert {*shipped[shipped["params"] == "preset=paper"]["separator"]} == {n for n in papers if papers[n]}
    assert main(["separators", "show", "projet"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "by default uSDR vocals" in shown
    assert "preset=paper uSDR vocals" in shown
    assert ", 5 seeds)" in shown
    ((how, values),) = published_lines("adress")  # its defaults are the paper's
    assert how == "by default, preset=paper"
    assert values.startswith("uSDR vocals ")
    assert published_lines("mixture") == []
    excerpt = pd.read_csv(EXCERPT, keep_default_na=False)
    assert tuple(excerpt.columns) == PUBLISHED_COLUMNS
    for params in ("", "preset=paper"):  # every method whose preset changes it, on a record, too
        assert {*excerpt[excerpt["params"] == params]["separator"]} == {n for n in papers if papers[n]}
    assert "dB on an excerpt of a record" in shown
    gallery_text = gallery.with_name("README.md").read_text(encoding="utf-8")
    assert all(f"On 6.8 s of a record, uSDR: {excerpt_line(n)}." in gallery_text for n in papers if papers[n])
    assert excerpt_line("adress") == ""
