"""The arena of metrics: published correlations, verdicts, what is added, what was edited, one's own metric on audio."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.listening.arena import Arena, add_set, read_arena
from mss_bench.listening.arena_page import build_arena, write_pages
from mss_bench.listening.arena_results import ALL, CEILING, answer, judge_set, read_results, verdict, verify_arena
from mss_bench.listening.metric_table import MetricTable, rating_centres
from mss_bench.listening.ratings import write_ratings
from mss_bench.listening.sheets import RatingsError

from .real_ratings import made_ratings

SHIPPED = Path(__file__).parents[2] / "leaderboards" / "metrics"

# Spearman's rho of generative and discriminative systems, as gensvs publishes them; of losses with their sign turned.
PUBLISHED = {
    "embedding MSE (MERT)": (0.713, 0.762),
    "MR-STFT loss (gensvs preset)": (0.720, 0.656),
    "embedding MSE (Music2Latent)": (0.471, 0.774),
    "ViSQOL (audio)": (0.658, 0.648),
    "SDR (BSS Eval v3 sources)": (0.176, 0.672),
    "SI-SDR": (0.109, 0.685),
    "SIR (PEASS)": (0.410, 0.613),
    "OPS (PEASS)": (-0.066, 0.527),
    "APS (PEASS)": (0.261, 0.621),
}


@pytest.fixture(scope="module")
def shipped() -> Arena:
    return read_arena(SHIPPED)


def test_the_published_correlations_follow_from_the_rows(shipped: Arena) -> None:
    own, values = shipped.sets["gensvs"], shipped.sets["gensvs"].read_values()
    some = MetricTable(values.values[list(PUBLISHED)], values.lower_is_better, [])
    derived = judge_set("gensvs", own, some, draws=20).set_index(["kind", "metric"])["rho"]
    for metric, (generative, masking) in PUBLISHED.items():
        assert derived["generative", metric] == pytest.approx(generative, abs=0.0006)
        assert derived["masking", metric] == pytest.approx(masking, abs=0.0006)
    committed = read_results(shipped).set_index(["set", "kind", "metric"])["rho"]["gensvs"]
    assert committed[derived.index].to_numpy() == pytest.approx(derived.to_numpy())
    assert committed["masking", CEILING] > committed["masking"].drop(CEILING).max()


def test_the_committed_pages_follow_from_the_committed_results(shipped: Arena, tmp_path: Path) -> None:
    copy = tmp_path / "metrics"
    shutil.copytree(SHIPPED, copy, ignore=shutil.ignore_patterns("README.md", "index.html"))
    for file in write_pages(read_arena(copy)):
        assert file.read_bytes() == (SHIPPED / file.name).read_bytes()


def test_shipped_verdicts_are_readable_sentences() -> None:
    text = (SHIPPED / "README.md").read_text()
    line = next(
        line for line in text.splitlines() if line.startswith("| Ranks masking systems, not generative ones. |")
    )
    assert "SDR (BSS Eval v3 sources)" in line
    assert "SI-SDR" in line


def _row(name: str, kind: str, low: float, high: float, songs: int = 20) -> dict[str, object]:
    return {"set": name, "kind": kind, "metric": "m", "low": low, "high": high, "songs": songs}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([_row("a", ALL, 0.6, 0.8)], "Ranks the systems."),
        ([_row("a", "x", 0.6, 0.8), _row("a", "y", 0.55, 0.8), _row("a", ALL, 0, 0.1)], "Ranks x and y systems."),
        ([_row("a", "x", 0.6, 0.8), _row("a", "y", 0.1, 0.3), _row("b", "x", 0.7, 0.9)],
         "Ranks x systems, not y ones."),
        ([_row("a", "x", 0.6, 0.8), _row("b", "x", 0.1, 0.3)], "Ranks x systems of A, not x systems of b."),
        ([_row("a", "x", 0.1, 0.3), _row("a", "y", 0.4, 0.6)], "Does not rank x systems; undecided for y ones."),
        ([_row("a", "x", 0.9, 0.95, songs=5)], "Undecided for x systems."),
    ],
)  # fmt: skip
def test_verdicts(rows: list[dict[str, object]], sentence: str) -> None:
    assert verdict(pd.DataFrame(rows), {"a": "A"}) == sentence


def test_an_interval_that_holds_the_limit_decides_nothing() -> None:
    assert answer(0.5, 0.7, 6) == "yes"
    assert answer(0.2, 0.49, 6) == "no"
    assert answer(0.4, 0.6, 6) == answer(0.9, 1.0, 5) == answer(float("nan"), float("nan"), 9) == "open"


EFFECTS = {"bad": -30.0, "fair": 0.0, "good": 20.0, "best": 30.0}


@pytest.fixture
def small(tmp_path: Path) -> Arena:
    """An arena of one set, with a metric that hears and one that is blind."""
    ratings = made_ratings(EFFECTS, listeners=6, noise=4.0).assign(target="bass")
    medians = rating_centres(ratings).set_index(["item", "system"])["rating"]
    blind = np.random.default_rng(0).normal(size=len(medians))
    values = pd.DataFrame({"hears": -medians, "blind": blind})
    facts = {"title": "Made", "target": "bass", "source": "made up", "kinds": dict.fromkeys(EFFECTS, "masking")}
    add_set(tmp_path / "arena", "made", ratings, MetricTable(values, frozenset({"hears"}), []), facts)
    return read_arena(tmp_path / "arena")


def test_what_is_added_is_judged_verified_and_published_without_codes(small: Arena) -> None:
    build_arena(small)
    assert verify_arena(small.folder) == []
    results = read_results(small).set_index(["kind", "metric"])
    assert results.loc[("masking", "hears"), "rho"] == pytest.approx(1.0)
    assert results.loc[("masking", "hears"), "best"]
    assert list(results.loc[("masking", "hears"), ["pairs", "right", "wrong"]]) == [6, 6, 0]
    assert results.loc[("masking", "blind"), "behind_low"] > 0
    text = (small.folder / "sets" / "made" / "ratings.csv").read_text()
    assert "L001" in text
    assert "P0," not in text
    assert "Made, bass: masking" in (small.folder / "index.html").read_text()


def test_edited_numbers_do_not_pass(small: Arena, capsys: pytest.CaptureFixture[str]) -> None:
    build_arena(small)
    results = small.folder / "results.csv"
    text = results.read_text()
    results.write_text(text.replace("made,masking,hears,24,6,4,1.0", "made,masking,hears,24,6,4,0.9"))
    assert main(["leaderboard", "verify", str(small.folder)]) == 1
    assert "rho is 0.9, ratings and values give 1" in capsys.readouterr().err
    results.write_text(text)
    ratings = small.folder / "sets" / "made" / "ratings.csv"
    ratings.write_text(ratings.read_text().replace("L001", "L900"))
    assert any("ratings.csv was changed" in problem for problem in verify_arena(small.folder))
    results.write_text("set,kind\n")
    assert any("does not have each metric once" in problem for problem in verify_arena(small.folder))


def test_what_does_not_fit_is_refused_and_nothing_is_written(small: Arena, tmp_path: Path) -> None:
    ratings = made_ratings(EFFECTS, listeners=5)
    medians = rating_centres(ratings).set_index(["item", "system"])[["rating"]]
    values = MetricTable(medians.rename(columns={"rating": "m"}), frozenset(), [])
    elsewhere = MetricTable(values.values.rename(index={"good": "another"}).loc[(slice(None), "another"), :],
                            frozenset(), [])  # fmt: skip
    facts = {"title": "x", "source": "made up"}
    with pytest.raises(ConfigError, match="has a set 'made' already"):
        add_set(small.folder, "made", ratings, values, facts)
    with pytest.raises(ConfigError, match="cannot name a set of ratings"):
        add_set(small.folder, "../out", ratings, values, facts)
    with pytest.raises(RatingsError, match="names must agree"):
        add_set(tmp_path / "new", "x", ratings, elsewhere, facts)
    with pytest.raises(UnknownNameError, match="system with a kind"):
        add_set(tmp_path / "new", "x", ratings, values, facts | {"kinds": {"nobody": "masking"}})
    assert not (tmp_path / "new").exists()
    with pytest.raises(ConfigError, match="is no arena of metrics"):
        read_arena(tmp_path)


def _stimuli(folder: Path, small: Arena) -> Path:
    """Stimuli whose noise is the lower the better a signal was rated."""
    rng = np.random.default_rng(0)
    centres = rating_centres(small.sets["made"].read_ratings())
    for item, rows in centres.groupby("item"):
        reference = rng.normal(0, 0.1, (1, 2000))
        audio.write(folder / str(item) / "reference.wav", reference, 8000)
        for system, rating in zip(rows["system"], rows["rating"], strict=True):
            noise = rng.normal(0, 0.1, reference.shape) * 10 ** (-rating / 50)
            audio.write(folder / str(item) / f"{system}.wav", reference + noise, 8000)
    return folder


def test_own_metrics_are_judged_on_a_folder_of_stimuli(
    small: Arena, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _stimuli(tmp_path / "audio", small)
    run = ["metrics", "arena", "run", "si_sdr", "--set", "made", "--arena", str(small.folder), "--audio", str(folder)]
    assert main(run) == 0
    printed = capsys.readouterr().out
    assert "SI-SDR (si_sdr): Ranks masking systems." in printed
    assert "yours" in printed
    add = ["metrics", "arena", "add", "made", str(small.folder), "--audio", str(folder), "--metric", "si_sdr",
           "--rename", "SI-SDR (si_sdr)=SI-SDR"]  # fmt: skip
    assert main(add) == 0
    values = read_arena(small.folder).sets["made"].read_values()
    assert list(values.values.columns) == ["hears", "blind", "SI-SDR"]
    assert values.lower_is_better == {"hears"}
    assert main(add) == 2
    assert "has values of 'SI-SDR' already" in capsys.readouterr().err
    (folder / "Song 3" / "good.wav").unlink()
    assert main(run) == 2
    assert "lacks 1 of 30 files" in capsys.readouterr().err


def test_a_users_ratings_and_values_become_a_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratings = made_ratings(EFFECTS, listeners=6)
    write_ratings(ratings, tmp_path / "mine.csv")
    rating_centres(ratings).rename(columns={"rating": "loss"}).to_csv(tmp_path / "values.csv", index=False)
    add = ["metrics", "arena", "add", str(tmp_path / "mine.csv"), str(tmp_path / "arena"), "--values",
           str(tmp_path / "values.csv"), "--kind", "generative=good,best", "--kind", "masking=bad,fair"]  # fmt: skip
    assert main(add) == 2
    assert "--source" in capsys.readouterr().err
    assert main([*add, "--source", "our <i>test</i>", "--title", "<b>T</b>", "--lower", "loss"]) == 0
    own = read_arena(tmp_path / "arena").sets["mine"]
    assert own.lower_is_better == ("loss",)
    assert own.kinds == {"good": "generative", "best": "generative", "bad": "masking", "fair": "masking"}
    assert main(["metrics", "arena", "build", str(tmp_path / "arena")]) == 0
    for page in ("README.md", "index.html"):  # markup in a name stays text
        text = (tmp_path / "arena" / page).read_text()
        assert "&lt;b&gt;T&lt;/b&gt;" in text
        assert "<b>T" not in text
        assert "<i>test" not in text
    assert main([*add[:-6], "--source", "x"]) == 2
    assert "give the values of metrics by one of" in capsys.readouterr().err


def test_signals_without_a_value_are_told_and_counted(
    small: Arena, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = small.sets["made"].read_values().values.reset_index()
    partial = values[["item", "system"]].assign(partial=values["blind"], endless=values["blind"])
    partial.loc[0, "partial"], partial.loc[1, "endless"], all_of = np.nan, np.inf, len(partial)
    partial.to_csv(tmp_path / "more.csv", index=False)
    assert main(["metrics", "arena", "add", "made", str(small.folder), "--values", str(tmp_path / "more.csv")]) == 0
    said = capsys.readouterr().out
    for name in ("partial", "endless"):
        assert f"note: {name} is not finite on 1 of {all_of} signals; they are left out for it alone." in said
    build_arena(read_arena(small.folder))
    table = (small.folder / "README.md").read_text().partition("## Metrics against ears")[2]
    rows = {name: next(line for line in table.splitlines() if line.startswith(f"| *{name}")) for name in ("par", "bl")}
    assert f"{all_of - 1} of {all_of}" in rows["par"]
    assert " of " not in rows["bl"]


@pytest.mark.parametrize("name", ["mad", "mode", "made.csv"])
def test_a_mistyped_set_is_named_with_the_near_one(name: str, small: Arena, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "arena", "add", name, str(small.folder), "--values", "values.csv"]) == 2
    assert f"unknown file or set of ratings '{name}'; did you mean 'made'?" in capsys.readouterr().err


def test_a_pilot_of_one_listener_decides_nothing_and_is_built(tmp_path: Path) -> None:
    ratings = made_ratings(EFFECTS, listeners=1, items=2)
    values = rating_centres(ratings).set_index(["item", "system"])[["rating"]].rename(columns={"rating": "copy"})
    facts = {"title": "Pilot", "source": "made up"}
    add_set(tmp_path / "arena", "pilot", ratings, MetricTable(values, frozenset(), []), facts)
    assert main(["leaderboard", "build", str(tmp_path / "arena")]) == 0
    text = (tmp_path / "arena" / "README.md").read_text()
    assert "| Undecided for the systems. | copy |" in text
    assert "| listeners, at best | – |" in text
