from __future__ import annotations

import math
import re

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.report.blocks import blocks
from mss_bench.report.contents import arrange
from mss_bench.report.latex import latex_escape
from mss_bench.report.options import Options, Style
from mss_bench.report.report import latex_tables
from mss_bench.report.score_tables import score_tables
from mss_bench.report.significance import explanations
from mss_bench.report.table import number
from mss_bench.stats.aggregate import aggregate


@pytest.fixture(scope="module")
def aggregated(run_tables) -> pd.DataFrame:
    return aggregate(run_tables.tracks)


def test_latex_tables_are_whole_and_escaped(aggregated) -> None:
    text = latex_tables(blocks(aggregated), Style())
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
            best = [r.separator for r in block.rows if target in r.scores and r.scores[target]["best"]]
            assert len(best) == 1
            assert best[0].startswith("<script>")
    lower = blocks(aggregated, [{"name": "SDR", "higher_is_better": False}])[0]
    assert lower.rows[0].kind == "floor"  # it keeps its place, and is never the best
    assert not any(score["best"] for score in lower.rows[0].scores.values())
    bass = {row.separator: row.scores["bass"] for row in lower.rows if "bass" in row.scores}
    assert {name for name, score in bass.items() if score["best"]} == {best[0]}  # the others have stand-ins


def test_markdown_rows_have_the_columns_of_their_heading(aggregated) -> None:
    text = "".join(table.markdown() for table in score_tables(blocks(aggregated), Style()))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 6 * (2 + 6)
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert widths == {8, 6}  # four targets and two, with separator, mean, gain and the outer bars
    assert "<script>" not in text


def test_an_empty_table_says_so() -> None:
    empty = aggregate(pd.DataFrame(columns=["dataset", "subset", "track", "separator", "params", "oracle", "group",
                                            "target", "metric", "preset", "value", "n_frames", "n_valid",
                                            "status", "flags"]))  # fmt: skip
    assert score_tables(blocks(empty), Style()) == []
    assert latex_tables(blocks(empty), Style()) == "% No scores.\n"


def test_two_presets_of_a_metric_are_told_apart(run_tables) -> None:
    twice = pd.concat([run_tables.tracks, run_tables.tracks.assign(preset="museval")])
    labels = {b.label for b in blocks(aggregate(twice))}
    assert {"SDR [v4]", "SDR [museval]"} <= labels


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (math.nan, False, "–"),
        (math.inf, True, "+∞"),
        (-math.inf, False, "−∞"),
        (-0.001, False, "0.00"),
        (-0.004, True, "+0.00"),
        (-1.0, False, "−1.00"),
        (1.0, True, "+1.00"),
    ],
)
def test_numbers(value, signed, text) -> None:
    assert number(value, signed=signed) == text


@given(st.text(st.characters(codec="utf-8"), max_size=60))
@example("--- -— –-—")
def test_escaped_latex_has_no_active_character_and_balanced_braces(text) -> None:
    escaped = latex_escape(text)
    bare = re.sub(r"\$(\\\w+|-)\$", "", re.sub(r"\\[&%$#_{}]", "", escaped))
    assert not re.search(r"[&%$#_~^]", bare)
    assert bare.count("{") == bare.count("}")
    assert "--" not in escaped.replace("---", "", text.count("—")).replace("--", "", text.count("–"))


def test_tables_by_target_have_metrics_as_columns(aggregated) -> None:
    found = score_tables(blocks(aggregated), Style(by="target", columns=("targets", "gain")))
    assert [table.title.split(": ")[1].split(",")[0] for table in found] == [
        "vocals", "drums", "bass", "other", "vocals", "accompaniment"
    ]  # fmt: skip
    headings = [column.text for column in found[0].columns]
    assert headings == ["separator", "SDR (dB)", "ISR (dB)", "SAR (dB)", "gain (SDR)"]
    by_metric = {row[0].text: row for row in score_tables(blocks(aggregated), Style())[0].rows}
    for row in found[0].rows:  # the same numbers as in the table of the metric
        assert row[1].text == by_metric[row[0].text][3].text
    drums = found[1]
    assert "karaoke" not in {row[0].text for row in drums.rows}
    assert not any("vocals" in note for note in drums.notes)


def test_columns_and_digits_are_chosen(aggregated) -> None:
    style = Style(columns=("targets", "tracks", "failed"), digits=1)
    text = score_tables(blocks(aggregated), style)[0].markdown()
    heading, _, row = [line for line in text.splitlines() if line.startswith("|")][:3]
    assert heading == "| separator | vocals | drums | bass | other | tracks | failed |"
    assert re.search(r"\| (\*\*)?−?\d+\.\d(\*\*)?", row)
    with pytest.raises(ConfigError, match=r"columns is 'gian', expected a list of mean, .*; did you mean 'gain'"):
        Style(columns=("gian",))
    with pytest.raises(ConfigError, match="by is 'methods', expected metric or target"):
        Style(by="methods")


def test_the_gap_to_an_oracle_is_a_column_where_it_is_asked_for(run_tables) -> None:
    arranged = blocks(aggregate(run_tables.tracks, oracle="oracle_irm:exponent=2"))
    (first, *_) = score_tables(arranged, Style())
    assert [column.heading for column in first.columns][:4] == ["separator", "mean", "gain", "gap"]
    gaps = {row[0].text: row[3].text for row in first.rows}
    assert gaps["oracle_irm:exponent=2"] == "+0.00"
    assert float(gaps["mixture"]) > 6
    assert "gap: how much better the oracle is" in explanations(arranged, Style())


def test_marks_stand_where_the_notes_speak_and_each_note_once(aggregated, run_tables) -> None:
    tracks = run_tables.tracks.copy()
    tracks.loc[tracks["separator"].isin(["repet_sim", "karaoke"]), "flags"] = "length:+3"
    (first, *_) = score_tables(blocks(aggregate(tracks)), Style())
    (note,) = [note for note in first.notes if note.startswith("‡")]
    assert note == "‡ length on some songs (see flags in the track table): repet_sim, karaoke."
    assert [row[0].text for row in first.rows if "‡" in row[0].marks] == ["repet_sim", "karaoke"]
    (stand_in,) = [note for note in first.notes if note.startswith("*")]
    assert "repet_sim (1 of 5 songs" in stand_in
    assert all("*" not in row[0].marks for row in first.rows)  # it stands at the values
    assert any("*" in cell.marks for row in first.rows for cell in row)


def test_rows_are_sorted_as_asked(aggregated) -> None:
    def order(sort: str, **options) -> list[str]:
        return [row.separator for row in blocks(aggregated, sort=sort, **options)[0].rows if not row.oracle]

    assert order("name") == sorted(order("mean"), key=str.casefold)
    assert order("given", separators=["karaoke", "mixture"])[:2] == ["karaoke", "mixture"]
    by_drums = order("drums")
    assert by_drums[-2:] == ["karaoke", "broken"]  # neither has the target; one has some value
    assert by_drums[0].startswith("<script>")
    with pytest.raises(UnknownNameError, match="unknown order of rows 'drum'; did you mean 'drums'"):
        order("drum")


def test_a_method_trained_on_what_is_evaluated_is_marked_and_never_first(aggregated, awkward) -> None:
    best = f"{awkward[0]}:{awkward[1]}"
    (block, *_) = blocks(aggregated, training={best: ["demo/test"], "repet_sim": ["demo/train", "other/test"]})
    (leaking,) = [row for row in block.rows if row.separator == best]
    assert not any(score["best"] for score in leaking.scores.values())
    # Neither is the floor, nor repet_sim, which has a stand-in: nobody is.
    assert not any(row.scores["bass"]["best"] for row in block.rows if row.scores.get("bass"))
    (table,) = score_tables([block], Style())
    assert {row[0].text for row in table.rows if row[0].marks} == {best}
    assert table.notes[0].startswith("§ trained on what is evaluated here")
    assert table.notes[0].endswith(f": {best} (demo/test).")
    assert r"\textsuperscript{\S{}}" in table.latex()
    assert "§" in table.markdown()


def test_the_floor_has_no_sar_and_nothing_gains_over_it(run_tables) -> None:
    idle = run_tables.tracks[run_tables.tracks["separator"] == "mixture"].assign(separator="mixture_unscaled")
    tracks = pd.concat([run_tables.tracks, idle])
    contents = arrange(tracks, Options(metrics=("SAR", "SDR"), statistics=None))
    for block, shown in zip(contents.blocks[:2], score_tables(contents.blocks[:2], Style()), strict=True):
        rows = {row[0].text: row for row in shown.rows}
        sar = block.metric == "SAR"
        assert [rows["mixture"][3].text == "–", rows["repet_sim"][2].text == "–"] == [sar, sar]
        assert (rows["mixture_unscaled"][3].text, rows["mixture_unscaled"][0].tag) == (
            rows["mixture"][3].text,
            "does nothing",
        )
        assert rows["repet_sim"][3].text != "–"
    # What others computed stays as it was published.
    published = arrange(tracks.assign(estimate_key=""), Options(metrics=("SAR",), statistics=None))
    floor = next(row for row in published.blocks[0].rows if row.kind == "floor")
    assert math.isfinite(floor.mean["value"])
    assert all(math.isfinite(row.mean["improvement"]) for row in published.blocks[0].rows[:2])


def test_what_was_never_computed_is_not_filled_and_takes_no_first_place(run_tables) -> None:
    best = run_tables.tracks["separator"].str.startswith("<script>")
    contents = arrange(run_tables.tracks[~(best & (run_tables.tracks["track"] == "Song 5"))])
    block = contents.blocks[0]
    (row,) = [row for row in block.rows if row.separator.startswith("<script>")]
    assert (row.scores["bass"]["n_tracks"], row.scores["bass"]["n_imputed"], row.scores["bass"]["n_lacking"]) == (
        5,
        0,
        1,
    )
    assert not any(score["best"] or score["rank"] == 1 for score in row.scores.values())
    assert row not in block.rows[:1]
    (shown, *_) = score_tables([block], Style())
    (note,) = [note for note in shown.notes if note.startswith("¶ incomplete")]
    assert note.endswith(" (4 of 5 songs).")  # of the vocals, which are silent in one
    assert all("¶" in cell.marks for line in shown.rows if line[0].text == row.separator for cell in line[3:7])


def test_nobody_is_first_among_one_and_no_infinite_value_is(run_tables) -> None:
    tracks = run_tables.tracks
    alone = blocks(aggregate(tracks[tracks["separator"] == "repet_sim"]))[0]
    assert not any(score["best"] for row in alone.rows for score in row.scores.values())
    perfect = tracks.copy()
    perfect.loc[perfect["separator"] == "karaoke", ["value", "status"]] = [math.inf, "ok"]
    (block, *_) = blocks(aggregate(perfect))
    assert not next(r for r in block.rows if r.separator == "karaoke").scores["vocals"]["best"]


def test_an_aggregated_table_of_an_earlier_version_is_refused_with_the_new_name(aggregated) -> None:
    old = aggregated.assign(method=aggregated["separator"])
    with pytest.raises(RunError, match=r"column 'method', .* 'separator' and 'params' name a row now"):
        blocks(old)


def test_a_method_alone_has_neither_rank_nor_bold(run_tables) -> None:
    tracks = run_tables.tracks
    one = tracks[tracks["separator"].isin(["repet_sim", "mixture"])]
    scores = [score for row in arrange(one).blocks[0].rows for score in row.scores.values()]
    assert scores
    assert not any(score["best"] or score["rank"] == 1 for score in scores)
