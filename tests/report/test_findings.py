"""What a report says of significance, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.report.contents import arrange
from mss_bench.report.markdown_page import significance
from mss_bench.report.options import Options, Statistics, Style
from mss_bench.report.report import write_report
from mss_bench.report.score_tables import score_tables
from mss_bench.report.selection import labels
from mss_bench.report.significance import (
    explanations,
    friedman_table,
    overall,
    pairs_table,
    ranking,
    scores_table,
)

FEW = Statistics(draws=200)


@pytest.fixture(scope="module")
def sisec(sisec_vocals):
    return arrange(sisec_vocals, Options(statistics=FEW))


def only(contents):
    (finding,) = contents.findings.values()
    return finding


def test_one_value_is_bold_and_what_is_not_told_apart_is_marked(sisec) -> None:
    (block,) = sisec.blocks
    (table,) = score_tables(sisec.blocks, Style())
    assert {row[0].text for row in table.rows if any(cell.bold for cell in row)} == {"TAK2"}
    assert {row[0].text: row[2].marks for row in table.rows if row[2].marks} == {"TAU1": "≈°"}
    assert "| TAU1 | +6.60 | 7.15≈° |" in table.markdown()
    assert r"TAU1 & $+$6.60 & 7.15\textsuperscript{$\approx$\textdegree{}} \\" in table.latex()
    assert "≈" not in table.csv()
    assert not any(row.scores["vocals"][mark] for row in block.rows if row.oracle for mark in ("best", "tied"))
    assert explanations(sisec.blocks, Style()).count("≈: not told apart from the best") == 1
    (tied,) = score_tables(sisec.blocks, Style(bold="tied"))
    assert {row[0].text for row in tied.rows if any(cell.bold for cell in row)} == {"TAK2", "TAU1"}


def test_with_too_few_songs_nothing_is_marked_and_the_report_says_so_once(sisec_vocals) -> None:
    names = ["mixture", "TAU1", "TAK1", "TAK2", "JY3", "HPSS", "WK", "IRM1"]
    contents = arrange(thin(sisec_vocals, 10, names))
    (table,) = score_tables(contents.blocks, Style())
    assert sum(cell.bold for row in table.rows for cell in row) == 1
    (finding,) = contents.findings.values()
    assert finding.family.n_min == 10
    fewer = arrange(thin(sisec_vocals, 9, names))
    (table,) = score_tables(fewer.blocks, Style())
    assert not any("≈" in cell.marks for row in table.rows for cell in row)
    said = "With 9 songs no pair of 6 methods can be told apart (it takes 10); SDR of vocals: TAU1 better than TAK2 on "
    assert explanations(fewer.blocks, Style()).count(said) == 1


def test_a_method_that_scores_as_the_floor_on_every_song_does_nothing(sisec_vocals):
    few = thin(sisec_vocals, 10, ["mixture", "HPSS", "WK"])
    copied = few[few["separator"] == "mixture"].assign(separator="twin")
    rows = {row.separator: row.kind for row in arrange(pd.concat([few, copied])).blocks[0].rows}
    assert rows == {"mixture": "floor", "HPSS": "method", "WK": "method", "twin": "does nothing"}
    copied.loc[copied.index[0], "value"] += 0.01
    rows = {row.separator: row.kind for row in arrange(pd.concat([few, copied])).blocks[0].rows}
    assert rows["twin"] == "method"


def test_friedman_groups_and_intervals_are_printed(sisec) -> None:
    finding = only(sisec)
    assert finding.friedman is not None
    text = "\n".join(significance(sisec.blocks, 2))
    assert "| vocals | 50 | 25 | 14 | 0.88 | TAK2 | TAU1 | TAK2, TAU1 |" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| TAK2 |")]
    low, high = finding.intervals.loc["TAK2", ["low", "high"]]
    assert f"| **7.16** | {low:.2f} to {high:.2f} | 1 | 2.54 |" in row
    assert row.endswith("| a |")
    assert "Wilcoxon's signed-rank test of the differences of each pair, Holm's correction" in text
    assert "Intervals: 95 %, order statistics" in text


def test_methods_share_a_letter_exactly_where_they_share_a_group(sisec) -> None:
    letters = {row[0].text: row[-1].text for row in ranking(sisec.blocks[0], "vocals", 2).groups[0]}
    p = only(sisec).family.p
    for a in p.index:
        for b in p.index:
            assert bool(set(letters[a]) & set(letters[b])) == (p.loc[a, b] >= 0.05)
    assert letters["mixture"] == ""


def test_csv_tables_hold_every_unit_and_pair(sisec) -> None:
    tests, pairs = friedman_table(sisec.findings), pairs_table(sisec.findings)
    assert len(tests) == 1
    assert tests.loc[0, "friedman_w"] == only(sisec).friedman.w
    assert len(pairs) == 25 * 24 // 2
    first = pairs.iloc[0]
    assert first["p"] == only(sisec).family.p.loc[first["a"], first["b"]] > first["p_alone"]
    assert tests.loc[0, ["best", "tied", "may_be_best", "n_min"]].tolist() == ["TAK2", "TAU1", "TAK2; TAU1", 14]
    scores = scores_table(sisec.aggregated, sisec.blocks)
    assert len(scores) == 31
    assert list(scores[scores["best"]]["separator"]) == ["TAK2"]
    assert list(scores[scores["tied"]]["separator"]) == ["TAU1"]
    assert (scores["low"] <= scores["value"]).all()
    assert (scores["value"] <= scores["high"]).all()


def thin(sisec_vocals: pd.DataFrame, tracks: int, methods: list[str]) -> pd.DataFrame:
    names = sorted(set(sisec_vocals["track"]))[:tracks]
    return sisec_vocals[sisec_vocals["track"].isin(names) & sisec_vocals["separator"].isin(methods)]


@pytest.mark.parametrize(
    ("tracks", "methods", "refusal"),
    [
        (1, ["mixture", "TAU1", "TAK1"], "1 song: too few for any test; TAU1 better than TAK1 on 1 of 1."),
        (50, ["TAU1"], "Fewer than two methods are ranked: nothing to compare."),
        (50, ["mixture", "TAU1"], "Fewer than two methods are ranked: nothing to compare."),
    ],
)
def test_refusals_stand_in_the_report_and_nothing_raises(sisec_vocals, tmp_path, tracks, methods, refusal) -> None:
    table = thin(sisec_vocals, tracks, methods)
    files = write_report(tmp_path, table, options=Options(figures=(), statistics=FEW))
    assert tmp_path / "index.html" in files
    for name in ("report.md", "index.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert refusal in text
        assert "nan" not in text.partition("<script>")[0].lower().split()
    assert refusal in (tmp_path / "tests.csv").read_text()


def test_all_ties_leave_nobody_ahead(sisec_vocals) -> None:
    table = thin(sisec_vocals, 10, ["mixture", "TAU1", "TAK1", "JY3"]).assign(value=1.0)
    contents = arrange(table, Options(statistics=FEW))
    finding = only(contents)
    assert finding.friedman.w == 0.0
    (block,) = contents.blocks
    assert not any(row.scores["vocals"][mark] for row in block.rows for mark in ("best", "tied", "may_be_best"))
    assert [row[3].text for row in ranking(block, "vocals", 2).rows] == ["1", "1", "1", "–"]
    assert overall(block).notes == ["vocals: All 3 methods score alike on each of 10 songs."]


def test_missing_infinite_and_doubled_values_have_a_stated_result(sisec_vocals) -> None:
    table = thin(sisec_vocals, 10, ["mixture", "TAU1", "TAK1", "JY3"]).reset_index(drop=True)
    gaps = table.copy()
    lost = gaps.index[gaps["separator"] == "TAU1"][:2]
    gaps.loc[lost, "value"] = math.nan
    gaps.loc[gaps.index[gaps["separator"] == "JY3"][:1], "value"] = math.inf
    contents = arrange(gaps.drop(index=gaps.index[gaps["separator"] == "TAK1"][:1]), Options(statistics=FEW))
    (block,) = contents.blocks
    cells = {row.separator: row.scores["vocals"] for row in block.rows}
    assert (cells["TAU1"]["n_imputed"], cells["TAK1"]["n_lacking"], cells["JY3"]["n_inf"]) == (2, 1, 1)
    assert not cells["TAU1"]["best"]
    (shown,) = score_tables(contents.blocks, Style())
    assert "stands in: TAU1 (2 of 10 songs)." in " ".join(shown.notes)
    assert "compare with no other's: TAK1 (9 of 10 songs)." in " ".join(shown.notes)
    assert only(contents).family.ranked == ["TAU1", "JY3"]
    assert np.isfinite(only(contents).family.p.to_numpy()).all()
    with pytest.raises(RunError, match="repeats 1 of its rows"):
        arrange(pd.concat([table, table.iloc[:1]]))


def test_metrics_targets_and_methods_are_chosen_in_their_order(run_tables) -> None:
    contents = arrange(
        run_tables.tracks,
        Options(metrics=("SAR", "SDR"), targets=("drums", "vocals"), separators=("repet_sim", "karaoke"), sort="given",
                statistics=FEW),
    )  # fmt: skip
    first = contents.blocks[0]
    assert [b.metric for b in contents.blocks if b.group == "4stem"] == ["SAR", "SDR"]
    assert first.targets == ["drums", "vocals"]
    assert [row.separator for row in first.rows] == ["repet_sim", "karaoke"]
    assert first.rows[0].scores["drums"]["n_imputed"] == 1  # the floor stands in, though it is not shown
    assert math.isnan(first.rows[0].mean["improvement"])  # nothing gains over the floor's SAR
    assert not math.isnan(contents.blocks[1].rows[0].mean["improvement"])
    assert set(contents.findings[next(iter(contents.findings))].scores.values) <= {"repet_sim", "karaoke"}


def test_what_is_not_there_is_refused_by_name(run_tables) -> None:
    for options, message in (
        (Options(metrics=("SRD",)), "unknown metric 'SRD'; did you mean 'SDR'"),
        (Options(targets=("vocal",)), "unknown target 'vocal'; did you mean 'vocals'"),
        (Options(separators=("repetsim",)), "unknown separator 'repetsim'; did you mean 'repet_sim'"),
        (Options(gap_to="irm"), "unknown separator 'irm'"),
    ):
        with pytest.raises(UnknownNameError, match=message):
            arrange(run_tables.tracks, options)
    for cls, wrong, message in (
        (Options, {"figures": ("boxes",)}, r"report: figures is 'boxes', expected .*; did you mean 'box'"),
        (Options, {"aggregation": "mean"}, "aggregation is 'mean', expected median_of_medians, "),
        (Options, {"missing": "drop"}, "missing is 'drop', expected floor or complete"),
        (Statistics, {"posthoc": "tukey"}, "posthoc is 'tukey', expected wilcoxon, "),
        (Statistics, {"alpha": 5}, "alpha is 5, expected a number above 0 and below 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            cls(**wrong)


def test_a_label_with_commas_is_one_method(run_tables, awkward) -> None:
    label = f"{awkward[0]}:{awkward[1]}"
    contents = arrange(run_tables.tracks, Options(separators=(*label.split(","), "karaoke"), statistics=FEW))
    assert {row.separator for row in contents.blocks[0].rows} == {label, "karaoke"}
    by_separator = arrange(run_tables.tracks, Options(separators=(awkward[0], "oracle_irm"), statistics=FEW))
    assert {row.separator for row in by_separator.blocks[0].rows} == {label, "oracle_irm:exponent=2"}


def test_the_mean_over_targets_has_an_interval_and_ties(run_tables, tmp_path) -> None:
    options = Options(metrics=("SDR",), groups=("4stem",), formats=("csv", "md"), figures=(), statistics=FEW)
    contents = arrange(run_tables.tracks, options)
    (block,) = contents.blocks
    assert [row[0].text for row in overall(block).rows] == ["mean", "vocals", "drums", "bass", "other"]
    assert "karaoke" in {row.separator for row in block.rows if row.score("mean") is None}  # has no mean
    shown = {row.separator: row.mean for row in block.rows if row.score("mean") is not None}
    assert all(math.isnan(mean["low"]) for mean in shown.values())  # too few songs for a bootstrap
    bold = {name for name, mean in shown.items() if mean["best"]}
    assert len(bold) == 1
    assert "mixture" in shown
    assert not bold & {row.separator for row in block.rows if row.oracle}
    write_report(tmp_path, run_tables.tracks, options=options)
    means = pd.read_csv(tmp_path / "means.csv")
    means = means.set_index(labels(means))
    assert set(means.index) == set(shown)
    assert set(means.index[means["best"]]) == bold
    tests = pd.read_csv(tmp_path / "tests.csv")
    assert list(tests["target"]) == ["vocals", "drums", "bass", "other", "mean"]
    assert "#### mean over targets, SDR" in (tmp_path / "report.md").read_text()
