from __future__ import annotations

import io
import math
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mss_bench.reports import tables
from mss_bench.reports.layout import blocks, number, wrap_name
from mss_bench.stats.aggregate import aggregate


@pytest.fixture(scope="module")
def aggregated(run_tables) -> pd.DataFrame:
    return aggregate(run_tables.tracks)


def test_csv_reads_back_to_the_last_bit(aggregated) -> None:
    text = tables.csv(aggregated)
    back = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values={"value": [""], "improvement": [""]})
    pd.testing.assert_series_equal(back["value"], aggregated["value"], check_exact=True)
    assert list(back["method"]) == list(aggregated["method"])


def test_latex_tables_are_whole_and_escaped(aggregated) -> None:
    text = tables.latex(aggregated)
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 6
    for rule in (r"\toprule", r"\bottomrule", r"\caption{", r"\label{tab:"):
        assert text.count(rule) == 6
    assert text.count(r"\midrule") == 12  # below the heading and above the oracles
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(set(labels)) == 6
    for table in text.split(r"\begin{table}")[1:]:
        columns = len(re.search(r"\\begin\{tabular\}\{@\{\}(lr+)@\{\}\}", table)[1])
        body = re.sub(r"\\begin\{tabular\}\[t\].*?\\end\{tabular\}", "name", table)
        rows = [row for row in body.split(r"\midrule")[1].splitlines() if row.endswith(r"\\")]
        assert len(rows) == 5
        assert all(len(re.findall(r"(?<!\\)&", row)) == columns - 1 for row in rows)
    unescaped = re.sub(r"\\[&%$#_{}]", "", text.split("\n", 1)[1])
    assert unescaped.count("{") == unescaped.count("}")
    assert not re.search(r"[#~^_|<>]", unescaped)


def test_the_best_value_is_bold_and_neither_oracles_nor_stand_ins_are(aggregated) -> None:
    for block in blocks(aggregated):
        for target in block.targets:
            best = [r.method for r in block.rows if target in r.cells and r.cells[target].best]
            assert len(best) == 1
            assert best[0].startswith("<script>")
    lower = blocks(aggregated, [{"name": "SDR", "higher_is_better": False}])[0]
    assert lower.methods[0].floor
    assert lower.rows[0].cells["drums"].best


def test_markdown_rows_have_the_columns_of_their_heading(aggregated) -> None:
    text = tables.markdown(aggregated)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 6 * (2 + 6)
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert widths == {8, 6}  # four targets and two, with method, mean, gain and the outer bars
    assert "<script>" not in text


def test_an_empty_table_says_so() -> None:
    empty = aggregate(pd.DataFrame(columns=["dataset", "subset", "track", "separator", "params", "oracle", "group",
                                            "target", "metric", "preset", "value", "n_frames", "n_valid",
                                            "status", "flags"]))  # fmt: skip
    assert tables.markdown(empty) == "No scores.\n"
    assert tables.latex(empty) == "% No scores.\n"
    assert tables.csv(empty).startswith("dataset,")


def test_two_presets_of_a_metric_are_told_apart(run_tables) -> None:
    twice = pd.concat([run_tables.tracks, run_tables.tracks.assign(preset="museval")])
    labels = {b.label for b in blocks(aggregate(twice))}
    assert {"SDR [v4]", "SDR [museval]"} <= labels


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (math.nan, False, "–"),
        (math.inf, True, "+∞"),
        (-math.inf, False, "-∞"),
        (-0.001, False, "0.00"),
        (1.0, True, "+1.00"),
    ],
)
def test_numbers(value, signed, text) -> None:
    assert number(value, signed=signed) == text


@given(st.text(st.characters(codec="utf-8"), max_size=120), st.integers(4, 60))
def test_wrapped_names_fit_and_lose_nothing_but_spaces(name, width) -> None:
    lines = wrap_name(name, width)
    assert all(len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(name.split())


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_escaped_latex_has_no_active_character_and_balanced_braces(text) -> None:
    escaped = tables.latex_escape(text)
    bare = re.sub(r"\\[&%$#_{}]", "", escaped).replace(r"$\infty$", "")
    assert not re.search(r"[&%$#_~^]", bare)
    assert bare.count("{") == bare.count("}")
    assert "--" not in escaped.replace("--", "", text.count("–"))
