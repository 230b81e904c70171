from __future__ import annotations

import io
import math
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mss_bench.errors import UnknownNameError
from mss_bench.report import tables
from mss_bench.report.arrangement import blocks
from mss_bench.report.latex import latex_escape
from mss_bench.report.layout import number, wrap_name
from mss_bench.report.old_latex import latex
from mss_bench.report.sheets import Style, explanations, sheets
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
    text = latex(blocks(aggregated))
    assert text.count(r"\begin{table*}") == text.count(r"\end{table*}") == 6  # too wide for one column
    for rule in (r"\toprule", r"\bottomrule", r"\caption{", r"\label{tab:"):
        assert text.count(rule) == 6
    assert text.count(r"\midrule") == 12  # below the heading and above the oracles
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(set(labels)) == 6
    for table in re.split(r"\\begin\{table\*?\}", text)[1:]:
        columns = len(re.search(r"\\begin\{tabular\}\{@\{\}(lr+)@\{\}\}", table)[1])
        body = re.sub(r"\\begin\{tabular\}\[t\].*?\\end\{tabular\}", "name", table)
        rows = [row for row in body.split(r"\midrule")[1].splitlines() if row.endswith(r"\\")]
        assert len(rows) == 5
        assert all(len(re.findall(r"(?<!\\)&", row)) == columns - 1 for row in rows)
    unescaped = re.sub(r"\\[&%$#_{}]", "", text.split("\n", 1)[1])
    assert unescaped.isascii()
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
    text = tables.markdown(blocks(aggregated))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 6 * (2 + 6)
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert widths == {8, 6}  # four targets and two, with method, mean, gain and the outer bars
    assert "<script>" not in text


def test_an_empty_table_says_so() -> None:
    empty = aggregate(pd.DataFrame(columns=["dataset", "subset", "track", "separator", "params", "oracle", "group",
                                            "target", "metric", "preset", "value", "n_frames", "n_valid",
                                            "status", "flags"]))  # fmt: skip
    assert tables.markdown(blocks(empty)) == "No scores.\n"
    assert latex(blocks(empty)) == "% No scores.\n"
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
    escaped = latex_escape(text)
    bare = re.sub(r"\$\\\w+\$", "", re.sub(r"\\[&%$#_{}]", "", escaped))
    assert not re.search(r"[&%$#_~^]", bare)
    assert bare.count("{") == bare.count("}")
    assert "--" not in escaped.replace("---", "", text.count("—")).replace("--", "", text.count("–"))


def test_tables_by_target_have_metrics_as_columns(aggregated) -> None:
    found = sheets(blocks(aggregated), Style(by="target", columns=("targets", "gain")))
    assert [sheet.title.split(": ")[1].split(",")[0] for sheet in found] == [
        "vocals", "drums", "bass", "other", "vocals", "accompaniment"
    ]  # fmt: skip
    assert found[0].headings == ["SDR (dB)", "ISR (dB)", "SAR (dB)", "gain (SDR)"]
    by_metric = {line.row.method: line.entries for line in sheets(blocks(aggregated), Style())[0].lines}
    for line in found[0].lines:  # the same numbers as in the table of the metric
        assert line.entries[0].text == by_metric[line.row.method][2].text
    drums = found[1]
    assert all(len(line.entries) == 4 for line in drums.lines)
    assert "karaoke" not in {line.row.method for line in drums.lines}
    assert not any(note.startswith("vocals:") for note in drums.notes)


def test_columns_and_digits_are_chosen(aggregated) -> None:
    text = tables.markdown(blocks(aggregated, digits=1), Style(columns=("targets", "tracks", "failed"), digits=1))
    heading, _, row = [line for line in text.splitlines() if line.startswith("|")][:3]
    assert heading == "| method | vocals | drums | bass | other | tracks | failed |"
    assert re.search(r"\| (\*\*)?-?\d+\.\d(\*\*)?", row)
    with pytest.raises(UnknownNameError, match="unknown column 'gian'; did you mean 'gain'"):
        Style(columns=("gian",))
    with pytest.raises(UnknownNameError, match="unknown kind of table"):
        Style(by="methods")


def test_the_gap_to_an_oracle_is_a_column(run_tables) -> None:
    aggregated = aggregate(run_tables.tracks, oracle="oracle_irm:exponent=2")
    style = Style(columns=("gap", "targets"))
    (first, *_) = sheets(blocks(aggregated), style)
    gaps = {line.row.method: line.entries[0].text for line in first.lines}
    assert gaps["oracle_irm:exponent=2"] == "+0.00"
    assert float(gaps["mixture"]) > 6
    assert any(text.startswith("gap:") for text in explanations(blocks(aggregated), style))


def test_rows_are_sorted_as_asked(aggregated) -> None:
    def order(sort: str, **options) -> list[str]:
        return [row.method for row in blocks(aggregated, sort=sort, **options)[0].methods]

    assert order("name") == sorted(order("mean"), key=str.casefold)
    assert order("given", methods=["karaoke", "mixture"])[:2] == ["karaoke", "mixture"]
    by_drums = order("drums")
    assert by_drums[-2:] == ["karaoke", "broken"]  # neither has the target; one has some value
    assert by_drums[0].startswith("<script>")
    with pytest.raises(UnknownNameError, match="unknown order of rows 'drum'; did you mean 'drums'"):
        order("drum")


def test_a_method_trained_on_what_is_evaluated_is_marked_and_never_first(aggregated, awkward) -> None:
    best = f"{awkward[0]}:{awkward[1]}"
    (block, *_) = blocks(aggregated, training={best: ["demo/test"], "repet_sim": ["demo/train", "other/test"]})
    marked = {row.method: row.name for row in block.rows}
    assert marked[best] == best + " §"
    assert marked["repet_sim"] == "repet_sim"
    assert not any(cell.bold for row in block.rows if row.method == best for cell in row.cells.values())
    assert [row.method for row in block.rows if row.cells.get("bass") and row.cells["bass"].best] == ["mixture"]
    assert "trained on demo/test, which is evaluated here" in " ".join(block.notes)
    assert r"\textsuperscript{\S}" in latex([block])
    assert "§" in tables.markdown([block])


def test_nobody_is_first_among_one_and_no_infinite_value_is(run_tables) -> None:
    tracks = run_tables.tracks
    alone = blocks(aggregate(tracks[tracks["separator"] == "repet_sim"]))[0]
    assert not any(cell.best for row in alone.rows for cell in row.cells.values())
    perfect = tracks.copy()
    perfect.loc[perfect["separator"] == "karaoke", ["value", "status"]] = [math.inf, "ok"]
    (block, *_) = blocks(aggregate(perfect))
    assert not next(r for r in block.rows if r.method == "karaoke").cells["vocals"].bold
