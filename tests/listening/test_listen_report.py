"""The report of a test: what it says, its files, and that text of others stays text."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mss_bench.api import load
from mss_bench.cli.main import main
from mss_bench.errors import MssBenchError
from mss_bench.listening.arena import read_arena
from mss_bench.listening.design import read_design
from mss_bench.listening.findings import find
from mss_bench.listening.metric_table import metrics_of_csv
from mss_bench.listening.pack import make_pack
from mss_bench.listening.pack_format import read_key, read_pack, results_folder
from mss_bench.listening.rated_test import RatedTest
from mss_bench.listening.ratings import build_ratings, normalised, write_ratings
from mss_bench.listening.report import conclusions, write_report
from mss_bench.listening.report_tables import p_cell, question_tables

from .real_ratings import made_ratings, similarity


@pytest.fixture(scope="module")
def pack(finished_run, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "test.yaml").write_text(
        f"name: heard\nprotocol: mushra\nrun: {finished_run}\ntarget: vocals\nexcerpts: {{count: 3, seconds: 3}}\n"
        "listeners: 4\nreplicates: 1\n"
    )
    return make_pack(read_design(folder / "test.yaml"), folder, jobs=1, say=lambda _: None)


HEARD = {"reference": 100, "irm": 80, "centre": 45, "hpss_vocals": 40, "lowpass_7000": 30, "lowpass_3500": 10}


def _collect(pack: Path, listeners: int = 6) -> None:
    """Ratings in the server's own database."""
    from mss_bench.listening.server.flow import Sitting
    from mss_bench.listening.server.store import Store

    read, key, rng = read_pack(pack), read_key(pack), np.random.default_rng(0)
    store = Store(results_folder(pack), Sitting(pack).checksum)
    try:
        for number in range(listeners):
            one = store.add("trials")
            for place, step in enumerate(read.configurations[number % len(read.configurations)]):
                trial = read.trial(step.trial)
                scores = []
                for k in step.stimuli:
                    system = key[trial.stimuli[k]].system
                    off = rng.integers(-6, 7) if system != "reference" else 0
                    scores.append(float(np.clip(HEARD[system] + off, 0, 100)))
                store.save(
                    one, place, f"s{number}-{place}", trial.id, {"scores": scores}, 20_000.0, last=False, after=""
                )
    finally:
        store.close()


def test_a_pack_with_collected_ratings_becomes_a_report_in_one_command(pack, finished_run, tmp_path, capsys) -> None:
    _collect(pack)
    out, arena = tmp_path / "report", tmp_path / "arena"
    command = ["listen", "analyse", str(pack), "--run", str(finished_run), "-o", str(out), "--draws", "200"]
    assert main([*command, "--arena", str(arena)]) == 0
    told = capsys.readouterr().out
    assert "Quality of vocals: irm" in told
    assert "Metrics:" in told
    (added,) = read_arena(arena).sets.values()
    assert (added.folder.name, added.source, added.target) == ("heard", "the listening test heard", "vocals")
    assert len(added.read_ratings()) == 6 * 3 * (3 + 1)  # listeners, systems, songs and a replicate
    assert "SDR" in added.read_values().values
    page = (out / "index.html").read_text()
    assert page.count("<img src=") == 3  # scores, items, metrics
    for heading in ("In short", "Scores", "Pairs of systems", "Metrics against ears", "Listeners",
                    "Can the metric rank these systems?", "Checklist of ITU-R BS.1534-3"):  # fmt: skip
        assert heading in page
    assert "http" not in re.sub(r"http-equiv", "", page)  # nothing is fetched
    with (out / "tables" / "quality_vocals_scores.csv").open() as file:
        scores = {row["signal"]: float(row["median"]) for row in csv.DictReader(file)}
    assert {name: round(value / 10) for name, value in scores.items()} == pytest.approx(
        {name: round(value / 10) for name, value in HEARD.items()}, abs=1
    )
    assert (out / "figures" / "quality_vocals_scores.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "figures" / "quality_vocals_scores.pdf").read_bytes().startswith(b"%PDF")
    assert "\\begin{tabular}" in (out / "tables.tex").read_text()
    with (out / "tables" / "checklist.csv").open() as file:
        points = {row["point"]: (row["met"], row["found"]) for row in csv.DictReader(file)}
    assert points["replicated trials"] == ("yes", "1 for each listener")


def test_several_targets_each_meet_their_own_metrics(finished_run, tmp_path) -> None:
    heard = {"irm": 30.0, "centre": -20.0, "hpss_vocals": 0.0}
    both = {
        target: made_ratings(heard, items=3, listeners=4).assign(target=target, trial=lambda t, of=target: t.trial + of)
        for target in ("vocals", "accompaniment")
    }
    ratings = pd.concat(both.values(), ignore_index=True)
    table = tmp_path / "ratings.csv"
    write_ratings(ratings, table)
    test = RatedTest(ratings=table, run=finished_run)
    found = find(test.read_ratings(), metrics=test.read_metrics(ratings), draws=100)
    tracks = load(finished_run).tracks
    for question in found.questions:
        own = tracks[(tracks["target"] == question.target) & (tracks["metric"] == "uSDR")]
        own = own[own["group"] == "vocals_acc"]
        values = own.pivot(index="track", columns="separator", values="value")[list(heard)].to_numpy().ravel()
        tested = question.ratings[question.ratings["role"] == "test"]
        medians = tested.groupby(["item", "system"])["score"].median().unstack()[list(heard)].to_numpy().ravel()
        (ears,) = question.ears
        assert ears.agreement.loc["uSDR", "r"] == pytest.approx(np.corrcoef(values, medians)[0, 1])
    told = " ".join(conclusions(found))
    assert "Metrics on quality of vocals:" in told
    assert "Metrics on quality of accompaniment:" in told


def test_which_of_several_targets_is_meant_must_be_said(finished_run, tmp_path, capsys) -> None:
    ratings = made_ratings({"irm": 30.0, "centre": -20.0}, items=3, listeners=3)
    both = [ratings.assign(target=t, trial=ratings["trial"] + t) for t in ("vocals", "accompaniment")]
    table, metrics = tmp_path / "ratings.csv", tmp_path / "m.csv"
    write_ratings(pd.concat(both, ignore_index=True), table)
    metrics.write_text("item,system,SDR\nSong 0,irm,1\n")
    command = [str(table), "-o", str(tmp_path / "out")]
    assert main(["listen", "analyse", *command, "--metric-table", str(metrics)]) == 2
    assert "does not say which it is of: add a column target" in capsys.readouterr().err
    assert main(["listen", "fit", *command, "--run", str(finished_run)]) == 2
    assert "name one question with --task and --target: quality of vocals" in capsys.readouterr().err
    assert main(["listen", "fit", *command, "--run", str(finished_run), "--target", "accompaniment"]) == 2
    assert "at least 3 systems with metrics and ratings, got 2" in capsys.readouterr().err


def test_fit_from_a_pack_and_its_run(pack, finished_run, tmp_path, capsys) -> None:
    if not (results_folder(pack) / "ratings.sqlite").exists():
        _collect(pack)
    command = ["listen", "fit", str(pack), "--run", str(finished_run), "-o", str(tmp_path)]
    assert main(command) == 0
    assert "3 songs are too few to show that anything generalises" in capsys.readouterr().out
    models = json.loads((tmp_path / "model.json").read_text())
    assert set(models) == {"best_linear", "best_monotone", "all_linear", "all_monotone"}
    assert (tmp_path / "index.html").exists()
    assert main(["listen", "fit", str(pack), "-o", str(tmp_path)]) == 2
    assert "a fit needs metrics" in capsys.readouterr().err


@pytest.fixture(scope="module")
def published(test_data: Path):
    """The published test beside two of its metrics."""
    table = test_data / "listening" / "bss_eval_images_excerpt.csv"
    metrics = {"vocals": metrics_of_csv(table, columns={"item": "song", "system": "condition"}, only=["SIR", "SAR"])}
    return find(similarity(test_data), mid_anchor="Anch2", metrics=metrics, draws=100), metrics


@pytest.fixture(scope="module")
def published_files(published, tmp_path_factory) -> list[Path]:
    """The report of the published test, the page first."""
    return write_report(tmp_path_factory.mktemp("published"), published[0])


def test_the_published_test_is_reported_with_and_without_screening(published, published_files) -> None:
    found, _ = published
    (question,) = found.questions
    assert question.centres_all is not None
    assert question.centres_all["REP2"] == 29
    assert question.summary is not None
    assert question.summary.loc["REP2", "median"] == 28
    told = conclusions(found)
    assert told[0] == (
        "Quality of vocals: TAK2 80, UHL3 75, JY3 71, MDL1 39, REP2 28, MELO 26 (medians). "
        "Not told apart: TAK2 and UHL3; UHL3 and JY3; REP2 and MELO (crossed t test of means, Holm, 5 %)."
    )
    assert told[-1] == "Post-screening excluded 3 of 24 listeners: L10, L11, L17."
    names = [name for name, _ in question.reliability]
    assert "Krippendorff's alpha, interval, systems alone" in names
    assert question.needed["10 points"] > 20
    folder = published_files[0].parent
    assert "hidden reference below 90 in 7 of 16 trials (43.8%)" in (folder / "tables" / "listeners.csv").read_text()
    assert all(file.exists() for file in published_files)
    assert "| L10 | 16 | 7 | 43.8 |" in (folder / "report.md").read_text()


def test_preferences_and_abx_have_their_own_tables() -> None:
    rows = []
    for n in range(12):
        for k, (a, b, score) in enumerate(
            [("x", "y", float(n % 4 > 0)), ("y", "z", float(n % 3 > 0)), ("x", "z", 0.5)]
        ):
            shared = {"listener": f"P{n}", "trial": f"pair{k}", "item": "Song", "task": "preference", "order": k}
            rows += [shared | {"system": a, "score": score}, shared | {"system": b, "score": 1 - score}]
        rows.append({"listener": f"P{n}", "trial": "abx", "item": "Song", "task": "identity", "system": "x",
                     "score": 1.0, "order": 3})  # fmt: skip
    scales = {"preference": (0.0, 1.0), "identity": (0.0, 1.0)}
    found = find(build_ratings(rows, ["row"] * len(rows), scales=scales), scales=scales, draws=100)
    assert found.screening.excluded == []
    told = conclusions(found)
    assert told == [
        "Preference: x > y > z (Bradley-Terry). Surely preferred: none (by listeners, Holm, 5 %).",
        "Told from the reference: x (by listeners, Holm, 5 %).",
    ]
    preference, identity = found.questions
    assert preference.sides is not None
    assert preference.sides.pairs[["wins", "ties", "losses"]].to_numpy().tolist() == [[9, 0, 3], [0, 12, 0], [8, 0, 4]]
    assert preference.sides.first == 0  # nobody knows which side was which
    assert "75 % right" in identity.needed
    titles = {table.title for question in found.questions for table in question_tables(question)}
    assert {"Bradley-Terry", "Thurstone, case V", "Right answers"} <= titles


def test_listeners_who_are_too_few_are_told(tmp_path: Path) -> None:
    rows = [{"listener": f"P{n}", "trial": a + b, "item": "Song", "task": "preference", "system": name, "score": score}
            for n in range(6) for a, b in ("xy", "xz", "yz") for name, score in ((a, 1.0), (b, 0.0))]  # fmt: skip
    found = find(build_ratings(rows, ["row"] * len(rows), scale=(0, 1)), draws=20)
    assert conclusions(found)[0].endswith(
        "Surely preferred: none (by listeners, Holm, 5 %; with 6 listeners no pair can reach it, with 7 one can)."
    )


def test_names_of_others_stay_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> & $x_1$ | `b`"
    ratings = made_ratings({evil: 10.0, "plain": 0.0}, listeners=4, items=2)
    write_report(tmp_path, find(ratings.assign(test=evil, item=ratings["item"] + evil), draws=100))
    page = (tmp_path / "index.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>" not in (tmp_path / "report.md").read_text().replace("&lt;script&gt;", "")
    tex = (tmp_path / "tables.tex").read_text()
    assert r"\$x\_1\$" in tex


def test_an_analysis_can_be_read_on_a_phone(published_files, chromium, accessible) -> None:
    page = chromium.new_page(viewport={"width": 412, "height": 900}, color_scheme="dark")
    page.goto(published_files[0].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 412
    assert page.evaluate("Math.min(...[...document.images].map((image) => image.clientWidth))") >= 640
    scores = page.locator(".scroll:has(table)").first
    scores.evaluate("table => { table.scrollLeft = 300; }")
    left = "element => element.getBoundingClientRect().left"
    assert scores.evaluate("table => table.scrollLeft") == 300
    assert scores.locator("tbody th").first.evaluate(left) == scores.evaluate(left)  # names stay beside their numbers
    assert accessible(page) == []
    page.close()


def test_a_test_too_small_for_statistics_is_reported_with_reasons(tmp_path: Path) -> None:
    found = find(made_ratings({"a": 0.0, "b": 5.0}, listeners=2, items=2), draws=100)
    (question,) = found.questions
    assert question.tests is None
    assert any("No tests: tests of systems need" in note for note in question.notes)
    assert any("No mixed model" in note for note in question.notes)
    write_report(tmp_path, found)
    assert "No tests: tests of systems need" in (tmp_path / "index.html").read_text()


def test_screening_that_removes_all_and_none_by_choice_are_reported(tmp_path: Path, capsys) -> None:
    ratings = made_ratings({"a": 0.0, "b": 5.0}, listeners=2)
    ratings.loc[ratings["role"] == "reference", "score"] = 50.0
    told = " ".join(conclusions(find(ratings, draws=100)))
    assert "Post-screening would leave no listener, so that everybody counts" in told
    assert "BS.1534 would exclude 2 of 2 listeners." in told
    write_ratings(ratings, tmp_path / "r.csv")
    command = ["listen", "analyse", str(tmp_path / "r.csv"), "--draws", "100", "-o", str(tmp_path / "out")]
    assert main([*command, "--no-screening"]) == 0
    assert "Nobody was left out, by choice (--no-screening)." in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out" / "tables" / "conditions.csv").read_text().splitlines()))
    assert len(rows) == 6 * 3
    assert rows[0].keys() == {"task", "target", "item", "system", "role", "listeners", "mean", "std", "median"}
    assert {row["listeners"] for row in rows} == {"2"}


def test_metrics_meet_the_ratings_of_those_who_count_with_both_figures(published, test_data: Path) -> None:
    found, metrics = published
    (ears,) = found.questions[0].ears
    assert ears.agreement.loc["SIR", "rho"] == pytest.approx(0.870, abs=5e-4)
    assert ears.rho_all["SIR"] == pytest.approx(0.865, abs=5e-4)
    everybody = find(similarity(test_data), mid_anchor="Anch2", metrics=metrics, draws=100, screening=False)
    (ears,) = everybody.questions[0].ears
    assert ears.agreement.loc["SIR", "rho"] == pytest.approx(0.865, abs=5e-4)
    assert ears.rho_all == {}


def test_a_metric_that_runs_against_the_ratings_is_told_to_be_named(tmp_path) -> None:
    ratings = made_ratings({"a": 0.0, "b": 15.0, "c": -20.0}, items=8)
    table = ratings[ratings["role"] == "test"].groupby(["item", "system"])["score"].mean().reset_index(name="quality")
    table.assign(distance=-table["quality"]).to_csv(tmp_path / "metrics.csv", index=False)
    told = {}
    for lower in ((), ("distance",)):
        metrics = {"": metrics_of_csv(tmp_path / "metrics.csv", columns={}, lower_is_better=lower)}
        told[lower] = " ".join(conclusions(find(ratings, metrics=metrics, draws=100)))
    assert (
        "Surely against the ratings: distance. If less of a table's metric is better, name it with --lower." in told[()]
    )
    assert "against the ratings" not in told["distance",]


@pytest.mark.parametrize("how", ["z", "minmax"])
def test_normalised_listeners_use_the_scale_alike(how: str) -> None:
    ratings = made_ratings({"a": 0.0, "b": 5.0})
    for listener in ("P1", "P2"):  # two who use a tenth of the scale, and one who gave one grade alone
        own = ratings["listener"] == listener
        ratings.loc[own, "score"] = 50 + 0.1 * (ratings.loc[own, "score"] - 50)
    ratings.loc[ratings["listener"] == "P3", "score"] = 70.0
    found = normalised(ratings, how, (0.0, 100.0)).groupby("listener")["score"]
    if how == "z":
        assert found.mean().to_numpy() == pytest.approx(ratings["score"].mean())
        assert found.std(ddof=0).drop("P3").to_numpy() == pytest.approx(ratings["score"].std(ddof=0))
    else:
        assert found.min().drop("P3").to_numpy() == pytest.approx(0)
        assert found.max().drop("P3").to_numpy() == pytest.approx(100)
        assert found.max()["P3"] == 50
    assert normalised(ratings, None, (0.0, 100.0)) is ratings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kind", "generative=nobody"], "'nobody' is no system; systems: Ref, a, b"),
        (["--kind", "x=a", "--kind", "y=a"], "'a' is of two kinds"),
        (["--kind", "generative"], "expected KIND=SYSTEM"),
        (["--mid-anchor", "mid"], "unknown anchor of the test 'mid'"),
        (["--run", "r", "--metric-table", "m"], "two sources of metrics"),
        (["--arena", "a"], "--arena needs metrics of the systems"),
        (["--arena", "a", "--metric-table", "m", "--normalise", "z"], "--arena takes ratings as they were given"),
        (["--metric-table", "nothing.csv"], "nothing.csv cannot be read"),
        (["--pack", "."], "is not a pack"),
    ],
)
def test_wrong_use_is_named(options: list[str], message: str, tmp_path: Path, capsys) -> None:
    write_ratings(made_ratings({"a": 0.0, "b": 5.0}), tmp_path / "r.csv")
    assert main(["listen", "analyse", str(tmp_path / "r.csv"), *options, "-o", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_without_ratings_is_named(tmp_path: Path, capsys) -> None:
    assert main(["listen", "analyse", str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    assert "is not a pack: it has no pack.json" in capsys.readouterr().err


def test_p_values_are_written_as_papers_do() -> None:
    assert [p_cell(p).text for p in (0.0004, 0.04, 1.0, float("nan"))] == ["< .001", ".040", "1.000", "–"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ratings = made_ratings({"a": 1.0}, listeners=4).query("role == 'test'").assign(task="identity", score=1.0)
    with pytest.raises(MssBenchError, match="cannot be written"):  # an ABX test has no figures to draw first
        write_report(tmp_path / "file", find(ratings, draws=100))
