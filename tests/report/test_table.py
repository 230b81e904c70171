"""The one model of a table, in every format."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mss_bench.core.text import encodable, width_of, wrap
from mss_bench.report.table import Column, Note, Table, TableCell


@pytest.fixture
def table() -> Table:
    return Table(
        "demo test: vocals | 6 tracks",
        ["method", Column("SDR", unit="dB"), "SIR", Column("SAR", optional=True), "why"],
        [
            [
                ["nmf:components=30,iterations=200", 1.05, 1.89, 7.32, "first"],
                ["hpss", TableCell("0.31", 0.3125, bold=True, marks="*"), float("inf"), float("nan"), ""],
            ],
            [
                [
                    TableCell("irm", tag="oracle"),
                    TableCell("11.17", 11.17, interval=("-1.00", "12.00")),
                    19,
                    -10.82,
                    "knows_all",
                ]
            ],
        ],
        [
            Note("the floor stands in", "*", {"hpss": "1 of 6 tracks"}),
            Note("resampled on some tracks", "‡", ["irm"]),
            Note("short", "#", ["hpss", "irm", "nmf:components=30,iterations=200"]),
        ],
    )


def test_a_note_names_its_rows_once_and_marks_them(table) -> None:
    assert table.notes == [
        "* the floor stands in: hpss (1 of 6 tracks).",
        "‡ resampled on some tracks: irm.",
        "short: every method.",
    ]
    # Where a cell has the mark, the name needs none; neither does any where all rows are meant.
    assert [row[0].marks for row in table.rows] == ["", "", "‡"]


def test_notes_name_rows_with_one_detail_together() -> None:
    details = {"a": "1 track", "b": "2 tracks", "c": "1 track"}
    assert Note("stood in", "*", details).line() == "* stood in: a, c (1 track); b (2 tracks)."


@pytest.mark.parametrize("width", [40, 50, 60, 80, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_console_lines_fit_and_can_be_encoded(table, width, encoding) -> None:
    text = table.console(width, encoding=encoding)
    text.encode(encoding)
    assert max(map(width_of, text.splitlines())) <= width
    assert all(line == line.rstrip() for line in text.splitlines())


def test_narrow_terminals_wrap_names_drop_optional_columns_and_continue_below() -> None:
    table = Table("", ["method", *(Column(f"metric {i}", optional=i > 7) for i in range(10))],
                  [[["a_long_name_of_a_method", *range(100, 1100, 100)]]])  # fmt: skip
    text = table.console(60)
    headings = [line for line in text.splitlines() if line.startswith("method")]
    assert len(headings) == 2  # two panels
    assert [f"metric {i}" in " ".join(headings) for i in range(10)] == [True] * 8 + [False] * 2
    assert text.splitlines()[-1] == "Hidden (terminal too narrow): metric 8, metric 9."
    assert "a_long_name_of_a_method" not in text


def test_wide_characters_are_measured_as_terminals_show_them() -> None:
    lines = Table("", ["name", "n"], [[["日本語", 1], ["abc", 22]]]).console(40, encoding="utf-8").splitlines()
    assert lines[2:] == ["日本語   1", "abc     22"]


def test_control_characters_reach_no_terminal() -> None:
    assert "\x1b" not in Table("", ["name"], [[["\x1b[31mred"]]]).console(40)
    assert encodable("\x1b[31m–日", "ascii") == "\\x1b[31m-\\u65e5"


def test_markdown_has_alignment_marks_and_notes(table) -> None:
    assert table.markdown().splitlines() == [
        r"### demo test: vocals \| 6 tracks",
        "",
        "| method | SDR (dB) | SIR | SAR | why |",
        "| --- | ---: | ---: | ---: | --- |",
        "| nmf:components=30,iterations=200 | 1.05 | 1.89 | 7.32 | first |",
        r"| hpss | **0.31**\* | ∞ | – |  |",
        r"| *irm* (oracle) ‡ | 11.17 [−1.00, 12.00] | 19 | −10.82 | knows\_all |",
        "",
        r"- \* the floor stands in: hpss (1 of 6 tracks).",
        "- ‡ resampled on some tracks: irm.",
        "- short: every method.",
    ]


def test_latex_has_rules_between_groups_and_escapes_everything(table) -> None:
    text = table.latex()
    assert text.count(r"\midrule") == 2
    assert r"hpss & \textbf{0.31}\textsuperscript{{*}} & $\infty$ & -- &  \\" in text
    assert r"\multicolumn{5}{@{}l}{\emph{Oracles}} \\" in text
    assert r"irm\textsuperscript{\ddag{}} & 11.17 {\scriptsize[$-$1.00, 12.00]} & 19 & $-$10.82" in text
    assert r"knows\_all" in text


def test_csv_has_numbers_in_full(table) -> None:
    lines = table.csv().splitlines()
    assert lines[0] == "method,SDR (dB),SIR,SAR,why"
    assert lines[2:] == ["hpss,0.3125,inf,,", "irm,11.17,19,-10.82,knows_all"]


@given(st.text(st.characters(codec="utf-8"), max_size=120), st.integers(4, 60))
def test_wrapped_texts_fit_and_lose_nothing_but_spaces(text, width) -> None:
    lines = wrap(text, width)
    assert all(width_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_name_of_several_words_is_broken_only_where_nothing_else_can_be() -> None:
    assert wrap("estimates, see mss_bench.filters", 20) == ["estimates, see", "mss_bench.filters"]
    assert wrap("bss_eval_v3_images", 10) == ["bss_eval_", "v3_images"]


def test_lists_of_the_command_line_import_nothing_heavy() -> None:
    code = "import sys; from mss_bench.report.table import Table; Table('', ['a'], []).console(); print([*sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not any(f"'{name}'" in loaded for name in ("numpy", "pandas", "matplotlib", "jinja2", "yaml"))
