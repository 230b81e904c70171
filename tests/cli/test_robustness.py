"""``mss-bench robustness``: runs of ladders, and the report on them."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from mss_bench.cli.main import main


@pytest.fixture(scope="module")
def made(tmp_path_factory, catalog_text, write_song) -> Path:
    """A folder with a catalog of two songs, and the runs and report of two perturbations."""
    root = tmp_path_factory.mktemp("robustness")
    for index, name in enumerate(("Song A", "Song B")):
        write_song(root / "test" / name, index)
    (root / "catalog.yaml").write_text(catalog_text.format(root=root))
    assert _robustness(root, "--perturb", "noise:snr=0", "--perturb", "polarity", "-s", "bandsplit,irm", "-j1") == 0
    return root


def _robustness(root: Path, *words: str) -> int:
    usual = ["--dataset", "tiny", "--catalog", f"{root}/catalog.yaml", "-m", "usdr", "-q", "-o", f"{root}/runs"]
    return main(["robustness", *usual, *words])


def test_each_strength_is_a_run_beside_the_clean_one(made):
    runs = sorted(folder.name for folder in (made / "runs").iterdir())
    assert len(runs) == 4
    assert {"clean", "polarity", "report"} < set(runs)
    points = pd.read_csv(made / "runs" / "report" / "points.csv")
    assert set(zip(points["perturbation"], points["strength"], strict=True)) == {
        ("noise", "clean"), ("noise", "0 dB"), ("polarity", "clean"), ("polarity", "on")
    }  # fmt: skip
    # Linear methods do not hear polarity; noise at the level of the music costs them.
    last = points[points["step"] == 1].set_index(["perturbation", "separator"])["change"]
    assert last["polarity", "irm"] == pytest.approx(0, abs=1e-3)
    assert last["noise", "irm"] < -1


def test_the_report_says_what_it_shows(made, capsys):
    assert _robustness(made, "--no-compute", "--target", "vocals", "--group", "vocals_acc") == 0
    out = capsys.readouterr().out
    assert "Loss of uSDR over the ladder" in out
    assert "uSDR (vocals) of tiny test, vocals_acc: 2 songs" in out
    assert "too few for intervals" in out
    assert "No ranks, which take 3 songs and 2 methods that separate: there are 2 and 1." in " ".join(out.split())
    page = (made / "runs" / "report" / "index.html").read_text()
    assert "Breaks at" in page
    assert "data:image/svg+xml" in page
    assert re.search(r"\| irm .*oracle", (made / "runs" / "report" / "robustness.md").read_text())
    assert (made / "runs" / "report" / "figures" / "robustness.pdf").read_bytes().startswith(b"%PDF")


def test_what_is_left_to_chance_is_marked(made):
    from dataclasses import replace

    from mss_bench.api import load
    from mss_bench.report.robustness import compare_runs, robustness_tables

    clean = load(made / "runs" / "clean")
    drawn = {"separators": [m | {"random": m["label"] == "bandsplit"} for m in clean.run["separators"]]}
    found = compare_runs(clean.tracks, {"polarity": [("on", clean.tracks)]}, clean.run | drawn)
    loss, broken = robustness_tables(found)[:2]
    assert "bandsplit ~" in loss.console(100)
    assert "one draw of many" in loss.console(100)
    assert "the mean over 3 seeds" in robustness_tables(replace(found, seeds={"bandsplit": 3}))[0].console(100)
    assert "could be told from none" in broken.console(100)  # of two songs that are noise
    assert [m["random"] for m in clean.run["separators"]] == [False] * 3


def test_what_holds_for_every_step_is_said_once(made, capsys):
    assert _robustness(made, "--perturb", "polarity", "-s", "bandsplit", "--repeats", "2", "-j1") == 0
    assert capsys.readouterr().err.count("note: bandsplit: not random, run once and not 2 times") == 1


def test_the_same_runs_give_the_same_bytes(made):
    report = made / "runs" / "report"
    assert _robustness(made, "--no-compute") == 0
    first = {file: file.read_bytes() for file in report.rglob("*.*")}
    assert _robustness(made, "--no-compute") == 0
    assert {file: file.read_bytes() for file in report.rglob("*.*")} == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--perturb", "mp33"), "unknown perturbation 'mp33'; did you mean 'mp3'"),
        (("--perturb", "mp3:rate=6"), "mp3: rate is 6, expected"),
        (("--no-compute", "--quantity", "SDDR"), "unknown metric of the run 'SDDR'"),
        (("--no-compute", "--target", "vocal"), "did you mean 'vocals'"),
        (("--no-compute", "-o", "nothing"), "no clean run below it"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(made, capsys, words, message):
    assert _robustness(made, *words) == 2
    assert message in capsys.readouterr().err


def test_a_ladder_is_run_from_mild_to_severe(made):
    from mss_bench.running.ladder import USUAL, steps
    from mss_bench.running.options import RunOptions

    options = RunOptions(dataset="tiny", catalogs=(made / "catalog.yaml",), perturbations=("mp3", "shift:ms=1"))
    shown = [(step.perturbation, step.strength) for step in steps(options, made / "other")]
    rates = [("mp3", f"{rate} kbit/s") for rate in (192, 96, 64)]
    assert shown == [("", "clean"), *rates, ("shift", "1 ms")]
    # These songs have no band that band_loss could take.
    usual = steps(options.with_values(perturbations=()), made / "other")
    assert len(usual) == 1 + 3 * (len(USUAL) - 1)
    assert "band_loss" not in {step.perturbation for step in usual}
