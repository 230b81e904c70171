from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from mss_bench.errors import ConfigError, MssBenchError, RunError
from mss_bench.report.options import Options, Statistics, Style
from mss_bench.report.report import write_report

# Of everything some: each figure takes a third of a second.
FEW = Options(
    metrics=("SDR", "SAR"), targets=("vocals", "drums", "accompaniment"), statistics=Statistics(draws=200),
    formats=("md", "csv", "tex", "html", "png"), figures=("box", "cd", "pairs", "heat", "scatter", "cost", "silence"),
)  # fmt: skip
THIN = Options(statistics=Statistics(draws=200))

RUN = {
    "command": 'mss-bench run -s "<b>x</b>"',
    "packages": {"numpy": "2.0"},
    "seed": 0,
    "started": "2025-01-01T00:00:00Z",
    "extra": None,
}
QUANTITIES = [{"name": "SDR", "unit": "dB", "higher_is_better": True, "definition": "all distortion <together>"}]


@pytest.fixture(scope="module")
def report(run_tables, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "report"
    files = write_report(out, *run_tables, RUN, FEW, quantities=QUANTITIES)
    return out, files


def test_every_file_is_there_and_nothing_else(report) -> None:
    out, files = report
    on_disk = {p for p in out.rglob("*") if p.is_file()}
    assert set(files) == on_disk
    names = {p.name for p in files}
    assert {"report.md", "scores.csv", "tests.csv", "pairs.csv", "tables.tex", "index.html"} <= names
    assert {f"demo_test_4stem_vocals_SDR_{kind}.png" for kind in ("cd", "pairs", "heat", "scatter")} <= names
    assert {"demo_test_4stem_SDR_box.png", "demo_test_4stem_SAR_box.png"} <= names  # targets are panels of one figure
    assert "demo_test_vocals_acc_cost.png" in names
    assert all(p.stat().st_size for p in files)


def test_markdown_links_figures_that_exist(report) -> None:
    out, _ = report
    linked = re.findall(r"\]\((figures/.*?)\)", (out / "report.md").read_text(encoding="utf-8"))
    assert len(linked) == 4 * 4 + 2 * 3  # four of each target; boxes, cost and silence of each group
    assert all((out / path).is_file() for path in linked)


def test_the_same_tables_give_the_same_report(run_tables, tmp_path) -> None:
    options = Options(
        metrics=("SDR",), targets=("drums",), groups=("4stem",), figures=("box", "cd"),
        statistics=Statistics(draws=200),
    )  # fmt: skip
    one, two = (write_report(tmp_path / n, *run_tables, RUN, options, quantities=QUANTITIES) for n in ("a", "b"))
    assert len(one) > 8
    for first, second in zip(one, two, strict=True):
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes()


def test_a_single_file_links_nothing_and_no_figure_is_drawn_for_a_page(run_tables, tmp_path) -> None:
    options = Options(metrics=("SDR",), targets=("vocals",), single_file=True, statistics=Statistics(draws=200))
    assert write_report(tmp_path, *run_tables, RUN, options) == [tmp_path / "report.html"]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<img|href=\"[^#]|url\(|@import", text)


@pytest.mark.parametrize("which", ["empty", "failed", "one", "no cost"])
def test_thin_runs_are_reported(run_tables, tmp_path, which) -> None:
    tracks, failures, costs = run_tables
    tracks = tracks[
        (tracks["metric"] == "SDR") & (tracks["group"] == "4stem") & tracks["target"].isin(["vocals", "drums"])
    ]
    if which == "empty":
        tracks, failures, costs = tracks.iloc[:0], failures.iloc[:0], costs.iloc[:0]
    elif which == "failed":
        tracks = tracks[tracks["separator"] == "broken"]
    elif which == "one":
        tracks = tracks[(tracks["separator"] == "repet_sim") & (tracks["track"] == "Song 0")]
    files = write_report(tmp_path, tracks, failures, costs if which != "no cost" else None, None, THIN)
    assert (tmp_path / "index.html") in files
    expected = {"empty": "No scores", "failed": "No value on any song", "one": "No floor", "no cost": "Failures"}
    assert expected[which] in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"figures": ("frames",)}, "figure of the kind 'frames': it is drawn of the tracks that --page names"),
        ({"figures": ("scatter",), "metrics": ("SDR",)}, "'scatter': it is of two metrics"),
        ({"formats": ("tex",), "style": Style(caption="All")}, r"--caption is of one table, and there are 6 \(demo"),
        ({"style": Style(labels={"repet": "R"})}, "unknown separator 'repet'; did you mean 'repet_sim'"),
        ({"style": Style(labels={"repet_sim": "karaoke"})}, "would both be called 'karaoke'"),
    ],
)
def test_what_cannot_be_in_a_paper_is_refused_with_its_reason(run_tables, tmp_path, options, message) -> None:
    with pytest.raises(MssBenchError, match=message):
        write_report(tmp_path / "report", *run_tables, RUN, Options(**options, statistics=Statistics(draws=100)))
    assert not (tmp_path / "report").exists()


def test_only_the_formats_asked_for_are_written(run_tables, tmp_path) -> None:
    options = Options(formats=("csv", "tex"), statistics=Statistics(draws=200))
    files = write_report(tmp_path, *run_tables, RUN, options)
    assert sorted(p.name for p in files) == ["means.csv", "pairs.csv", "scores.csv", "tables.tex", "tests.csv"]
    assert not (tmp_path / "figures").exists()


def test_bad_requests_are_refused_before_anything_is_written(run_tables, tmp_path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'html'"):
        write_report(tmp_path / "a", *run_tables, RUN, Options(formats=("csv", "htm")))
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written: .*; choose another folder"):
        write_report(tmp_path / "file", *run_tables, RUN, Options(formats=("csv",), statistics=None))


def test_a_file_that_cannot_be_replaced_leaves_no_temporary_one(run_tables, tmp_path) -> None:
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(RunError, match=r"scores\.csv cannot be written"):
        write_report(tmp_path, *run_tables, RUN, Options(formats=("csv",), statistics=None))
    assert [p.name for p in tmp_path.iterdir()] == ["scores.csv"]


def test_a_table_and_a_figure_for_a_paper_are_one_call(run_tables, tmp_path) -> None:
    options = Options(
        formats=("tex", "pdf"), metrics=("SDR",), targets=("drums",), groups=("4stem",), figures=("box", "cd"),
        style=Style(digits=1, intervals=True), statistics=Statistics(draws=200),
    )  # fmt: skip
    files = write_report(tmp_path, *run_tables, RUN, options, quantities=QUANTITIES)
    assert sorted(p.name for p in files) == [
        "demo_test_4stem_SDR_box.pdf", "demo_test_4stem_drums_SDR_cd.pdf", "tables.tex",
    ]  # fmt: skip
    text = (tmp_path / "tables.tex").read_text(encoding="utf-8")
    assert text.count(r"\caption{") == 1
    assert re.search(r"\d\.\d \{\\scriptsize\[", text)


def test_what_has_no_number_has_no_interval_and_lower_is_said_to_be_better(run_tables, tmp_path) -> None:
    options = Options(formats=("csv",), statistics=Statistics(draws=100))
    lower = [{"name": "SDR", "higher_is_better": False}]
    report = write_report(tmp_path, *run_tables, options=options, quantities=lower)
    scores = pd.read_csv(tmp_path / "scores.csv")
    blank = scores[(scores["metric"] == "SAR") & (scores["separator"] == "mixture")]
    assert len(blank) == 6
    assert blank[["value", "low", "high", "rank"]].isna().all(axis=None)
    assert scores.loc[(scores["metric"] == "SAR") & (scores["separator"] == "repet_sim"), "value"].notna().all()
    assert any("the mean of the targets, lower is better: " in line for line in report.conclusions)


def test_leakage_is_marked_in_every_format(run_tables, tmp_path) -> None:
    from mss_bench.report.summary import summary

    separators = [{"label": "repet_sim", "trained_on": ["demo/train", "demo/test"]}]
    options = Options(formats=("md", "csv", "tex", "html"), figures=(), statistics=None)
    write_report(tmp_path, *run_tables, {"separators": separators}, options, quantities=QUANTITIES)
    for name, mark in (("report.md", "repet\\_sim §"), ("index.html", "repet_sim§"),
                       ("tables.tex", r"repet\_sim\textsuperscript{\S{}}"), ("scores.csv", "demo/test")):  # fmt: skip
        assert mark in (tmp_path / name).read_text(encoding="utf-8"), name
    for name in ("report.md", "index.html", "tables.tex"):
        assert "trained on what is evaluated here" in (tmp_path / name).read_text(encoding="utf-8")
    text = summary(run_tables.tracks, run={"separators": separators}, encoding="utf-8")
    assert "repet_sim §" in text
    assert "no first place: repet_sim (demo/test)." in " ".join(text.split())


def test_the_report_of_sisec_2018_has_every_target_and_metric(tmp_path) -> None:
    from mss_bench.leaderboards.board import entry_names, read_board, read_entry, track_table

    board = read_board(Path(__file__).parents[2] / "leaderboards" / "sisec18")
    entries = [read_entry(board, name) for name in entry_names(board)]
    next(entry for entry in entries if entry.method == "MIX").method = "mixture"
    tracks = track_table(board, entries)
    options = Options(formats=("csv", "svg"), figures=("cd",), statistics=Statistics(draws=100))
    files = write_report(tmp_path, tracks, options=options)
    assert len([p for p in files if p.suffix == ".svg"]) == 5  # a target, of the main metric
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert len(scores) == len(tracks[["separator", "target", "metric"]].drop_duplicates())
    assert scores["low"].notna().all()
