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


def test_tables_mark_the_best_and_what_is_tied_with_it(sisec) -> None:
    (block,) = sisec.blocks
    bold = {row.separator for row in block.rows if row.scores["vocals"]["best_or_tied"]}
    best = [row.separator for row in block.rows if row.scores["vocals"]["best"]]
    assert best == ["TAK2"]
    assert bold == set(only(sisec).tied("TAK2")) == {"TAU1", "TAK2", "TAK3"}
    assert not any(row.scores["vocals"]["best_or_tied"] for row in block.rows if row.oracle)


def test_friedman_groups_and_intervals_are_printed(sisec) -> None:
    finding = only(sisec)
    assert finding.friedman is not None
    text = "\n".join(significance(sisec.blocks, 2))
    assert (
        f"| vocals | 50 | 26 | {finding.friedman.statistic:.1f} (25) | &lt; 0.001 | 0.88 | TAK2: TAU1, TAK3 |" in text
    )
    (row,) = [line for line in text.splitlines() if line.startswith("| TAK2 |")]
    low, high = finding.intervals.loc["TAK2", ["low", "high"]]
    assert f"| 7.16 | {low:.2f} to {high:.2f} | 2.56 | 1 |" in row
    assert row.endswith("| a |")
    assert "Conover's test after Friedman's" in text
    assert "Holm's correction" in text
    assert "Intervals: 95%, order statistics" in text


def test_methods_share_a_letter_exactly_where_they_share_a_group(sisec) -> None:
    finding = only(sisec)
    for group in finding.groups:
        assert set.intersection(*(set(finding.letters[name]) for name in group))
    names = list(finding.letters)
    for a in names:
        for b in names:
            together = any({a, b} <= set(group) for group in finding.groups)
            assert together == bool(set(finding.letters[a]) & set(finding.letters[b]))


def test_csv_tables_hold_every_unit_and_pair(sisec) -> None:
    tests, pairs = friedman_table(sisec.findings), pairs_table(sisec.findings)
    assert len(tests) == 1
    assert tests.loc[0, "friedman_w"] == only(sisec).friedman.w
    assert len(pairs) == 26 * 25 // 2
    first = pairs.iloc[0]
    assert first["p"] == only(sisec).p.loc[first["a"], first["b"]]
    scores = scores_table(sisec.aggregated, sisec.blocks)
    assert len(scores) == 31
    best = scores[scores["best_or_tied"]]
    assert set(best["separator"]) == {"TAU1", "TAK2", "TAK3"}
    assert (scores["low"] <= scores["value"]).all()
    assert (scores["value"] <= scores["high"]).all()


def thin(sisec_vocals: pd.DataFrame, tracks: int, methods: list[str]) -> pd.DataFrame:
    names = sorted(set(sisec_vocals["track"]))[:tracks]
    return sisec_vocals[sisec_vocals["track"].isin(names) & sisec_vocals["separator"].isin(methods)]


@pytest.mark.parametrize(
    ("tracks", "methods", "refusal"),
    [
        (1, ["mixture", "TAU1", "TAK1"], "the Friedman test needs at least 3 tracks, got 1"),
        (50, ["TAU1"], "the Friedman test needs at least 3 methods, got 1 (TAU1)"),
        (50, ["mixture", "TAU1"], "the Friedman test needs at least 3 methods, got 2"),
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
    assert finding.friedman.p == 1.0
    assert finding.friedman.w == 0.0
    assert [len(group) for group in finding.groups] == [4]
    (block,) = contents.blocks
    assert all(row.scores["vocals"]["best_or_tied"] for row in block.rows)  # all or none: no first place
    assert {row[4].text for row in ranking(block, "vocals", 2).rows} == {"2.5"}


def test_missing_infinite_and_doubled_values_have_a_stated_result(sisec_vocals) -> None:
    table = thin(sisec_vocals, 10, ["mixture", "TAU1", "TAK1", "JY3"]).reset_index(drop=True)
    gaps = table.copy()
    lost = gaps.index[gaps["separator"] == "TAU1"][:2]
    gaps.loc[lost, "value"] = math.nan
    gaps.loc[gaps.index[gaps["separator"] == "JY3"][:1], "value"] = math.inf
    contents = arrange(gaps.drop(index=gaps.index[gaps["separator"] == "TAK1"][:1]), Options(statistics=FEW))
    (block,) = contents.blocks
    cells = {row.separator: row.scores["vocals"] for row in block.rows}
    assert (cells["TAU1"]["n_imputed"], cells["TAK1"]["n_imputed"], cells["JY3"]["n_inf"]) == (2, 1, 1)
    assert not cells["TAU1"]["best_or_tied"]
    (shown,) = score_tables(contents.blocks, Style())
    assert "stands in: TAU1 (2 of 10 tracks); TAK1 (1 of 10 tracks)." in " ".join(shown.notes)
    assert np.isfinite(only(contents).p.to_numpy()).all()
    assert overall(block).rows[0][4].text != "–"
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
    assert not math.isnan(first.rows[0].mean["improvement"])
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
    bold = {name for name, mean in shown.items() if mean["best_or_tied"]}
    assert "mixture" in shown
    assert not bold & {row.separator for row in block.rows if row.oracle}
    write_report(tmp_path, run_tables.tracks, options=options)
    means = pd.read_csv(tmp_path / "means.csv")
    means = means.set_index(labels(means))
    assert set(means.index) == set(shown)
    assert set(means.index[means["best_or_tied"]]) == bold
    tests = pd.read_csv(tmp_path / "tests.csv")
    assert list(tests["target"]) == ["vocals", "drums", "bass", "other", "mean"]
    assert "#### mean over targets, SDR" in (tmp_path / "report.md").read_text()
