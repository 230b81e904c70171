from __future__ import annotations

import pytest

from mss_bench.report.summary import summary


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_lines_fit_and_can_be_encoded(run_tables, width, encoding) -> None:
    text = summary(run_tables.tracks, run_tables.failures, width=width, encoding=encoding)
    assert max(map(len, text.splitlines())) <= width
    assert all(line == line.rstrip() for line in text.splitlines())
    if encoding == "ascii":
        assert text.isascii()


def block(text: str, heading: str) -> list[str]:
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(heading))
    return lines[start : next(i for i in range(start, len(lines)) if not lines[i])]


def test_methods_are_sorted_with_partial_then_failed_ones_last_and_oracles_below_a_rule(run_tables) -> None:
    lines = block(summary(run_tables.tracks, run_tables.failures, width=150, encoding="utf-8"), "demo test, 4stem: SDR")
    first = [line.split()[0] for line in lines[3:]]
    order = [w for w in first if w in {"<script>alert(1)</script>", "repet_sim", "mixture", "karaoke", "broken"}]
    assert order[:5] == ["<script>alert(1)</script>", "repet_sim", "mixture", "karaoke", "broken"]
    rules = [i for i, line in enumerate(lines) if set(line) == {"─"}]
    oracle = next(i for i, line in enumerate(lines) if line.startswith("oracle_irm"))
    assert rules[1] < oracle < rules[2]
    assert next(line for line in lines if line.startswith("karaoke")).split()[1:3] == ["–", "–"]
    assert "failed" in next(line for line in lines if line.startswith("broken"))


def test_what_a_reader_must_know_stands_beside_the_numbers(run_tables) -> None:
    text = summary(run_tables.tracks, run_tables.failures, width=200, encoding="utf-8")
    assert "Failures: 7 of 36 cells." in text
    assert "6× broken, crashed: killed by signal 11 (Song 0, Song 1, Song 2 and 3 more)" in text
    text = " ".join(text.split())  # long names wrap
    assert "* the floor, or the method's own worst where that is worse, stands in: repet_sim (1 of 5 songs" in text
    assert "No value on any song: broken." in text
    counted = (
        "(the others lack the stem, have it silent, or have no floor, e.g. for a refused file): vocals (5 of 6 songs)"
    )
    assert f"Songs that count {counted}" in text
    assert "(drums 1" in text.partition("† infinite on single songs: ")[2]
    assert "median over songs of each song's value" in text
    assert "Failures: 7 of 36 cells." in text
    assert "6× broken, crashed: killed by signal 11 (Song 0, Song 1, Song 2 and 3 more)" in text


def test_failures_are_read_off_the_track_table_where_no_other_is_given(run_tables) -> None:
    given = summary(run_tables.tracks, run_tables.failures, width=100, encoding="utf-8")
    assert summary(run_tables.tracks, None, width=100, encoding="utf-8") == given


def test_targets_that_do_not_fit_continue_in_a_second_panel(run_tables) -> None:
    lines = block(summary(run_tables.tracks, width=50, encoding="utf-8"), "demo test, 4stem: SDR")
    words = {"mean", "gain", "vocals", "drums", "bass", "other", "failed", "ISR", "SAR"}
    headings = [line.split()[1:] for line in lines if line.startswith("separator ") and set(line.split()[1:]) <= words]
    found = [word for heading in headings for word in heading]
    assert found[:7] == ["mean", "gain", "vocals", "drums", "bass", "other", "failed"]
    assert sum(line.startswith("karaoke") for line in lines) == len(headings) == 2


def test_narrow_terminals_name_the_metrics_that_are_left_out(run_tables) -> None:
    assert "Hidden (terminal too narrow): ISR, SAR." in summary(run_tables.tracks, width=78, encoding="utf-8")


def test_an_empty_run_and_one_of_failures_alone_say_so(run_tables) -> None:
    empty = summary(run_tables.tracks.iloc[:0], run_tables.failures.iloc[:0], encoding="utf-8")
    assert empty.splitlines()[0] == "No scores: the track table is empty."
    only = run_tables.tracks[run_tables.tracks["separator"] == "broken"]
    text = summary(only, encoding="utf-8")
    assert "No value on any song: broken." in text
    assert "nan" not in text.lower()


def test_one_track_and_one_method(run_tables) -> None:
    tracks = run_tables.tracks
    one = tracks[(tracks["separator"] == "repet_sim") & (tracks["track"] == "Song 0")]
    text = summary(one, encoding="utf-8")
    assert "1 song" in text
    assert "No floor (mixture)" in text


def test_the_map_of_names_is_told(run_tables):
    separators = [{"label": "six", "map": "other=guitar+other"}, {"label": "two", "map": "none"}, {"label": "hpss"}]
    text = " ".join(summary(run_tables.tracks, run_tables.failures, run={"separators": separators}).split())
    assert "Names of stems were mapped: six other=guitar+other." in text
    assert "Names of stems were taken as given (--map none): two." in text
