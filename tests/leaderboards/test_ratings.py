"""What a chooser finds on a board: ratings, ranks with intervals, facts of entries and filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mss_bench.cli.main import main
from mss_bench.leaderboards.board import entry_names, read_board, read_entry

SONGS = [f"Song {i:02d}" for i in range(12)]
HEAD = "dataset: mine\npreset: museval\nmetrics: [SDR]\ntargets: [vocals]\nrank_metric: SDR\nrank_target: vocals\n"


@pytest.fixture
def board(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "board.yaml").write_text(
        HEAD + "rating: {anchor: small, at: 1500}\ntracks:\n" + "".join(f"  - {s}\n" for s in SONGS)
    )
    return folder


def _add(board: Path, facts: dict[str, list[str]], shift: dict[str, float]) -> int:
    rng = np.random.default_rng(0)
    songs = rng.normal(5, 2, len(SONGS))
    head = ",".join(["method", "track", "target", "SDR", *facts])
    lines = [head]
    for k, (name, own) in enumerate(shift.items()):
        told = ["" if song else column[k] for song in (0,) for column in facts.values()]
        lines += [
            ",".join([name, song, "vocals", f"{songs[i] + own + rng.normal(0, 0.5):.4f}", *told])
            for i, song in enumerate(SONGS)
        ]
    table = board.parent / "table.csv"
    table.write_text("\n".join(lines) + "\n")
    return main(["leaderboard", "add", str(table), str(board), "--source", "here"])


FACTS = {
    "family": ["RoFormer", "MDX-Net", ""], "released": ["2026-05", "2024", ""],
    "parameters": ["90000000", "7400000", ""],
    "speed": ["2.5", "40", ""], "licence": ["MIT", "CC BY-NC 4.0", ""], "trained_on": ["musdb18/train", "", ""],
}  # fmt: skip


def test_facts_of_a_table_stand_on_the_board_with_ratings_and_filters(board: Path) -> None:
    assert _add(board, FACTS, {"large": 1.0, "small": 0.0, "other": -1.0}) == 0
    read = read_board(board)
    entries = {e.method: e for e in (read_entry(read, name) for name in entry_names(read))}
    assert (entries["large"].parameters, entries["large"].speed, entries["large"].released) == (
        90_000_000,
        2.5,
        "2026-05",
    )
    assert main(["leaderboard", "build", str(board)]) == 0
    text = (board / "README.md").read_text()
    assert "| small | 2 | 2 to 3 | 1500 [1500, 1500]" in text or "| small | 2 | 2 | 1500 [1500, 1500]" in text
    assert "small is at 1500" in text
    assert "| large | RoFormer | 90 M | 2.5 | 2026-05 | MIT | musdb18/train |" in text
    page = (board / "index.html").read_text()
    assert '{"name":"released","choices":["2024","2026"],"since":true}' in page
    assert '"costs":true' in page


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("speed", "fast", "speed is 'fast', expected a number"),
        ("parameters", "-3", "parameters is"),
        ("released", "last May", "released is 'last May', expected a date as 2026, 2026-05 or 2026-05-31"),
    ],
)
def test_wrong_facts_are_refused_before_anything_is_written(board: Path, capsys, key, value, said) -> None:
    assert _add(board, {key: [value]}, {"large": 1.0}) == 2
    assert said in capsys.readouterr().err
    assert not (board / "entries").exists()


def test_an_anchor_that_is_no_complete_entry_is_named(board: Path, capsys) -> None:
    assert _add(board, {}, {"large": 1.0, "smal": 0.0}) == 0
    assert main(["leaderboard", "build", str(board)]) != 0
    assert "entry with every song for ratings to be calibrated to" in capsys.readouterr().err


def test_the_page_filters_entries_and_axe_finds_nothing(board: Path, open_page, accessible) -> None:
    assert _add(board, FACTS, {"large": 1.0, "small": 0.0, "other": -1.0}) == 0
    table = (board.parent / "table.csv").read_text().splitlines()
    few = [line.replace("other,", "few,", 1) for line in table if line.startswith("other,")][:7]
    (board.parent / "few.csv").write_text("\n".join([table[0], *few]) + "\n")
    assert main(["leaderboard", "add", str(board.parent / "few.csv"), str(board), "--source", "here"]) == 0
    assert main(["leaderboard", "build", str(board)]) == 0
    page, said = open_page((board / "index.html").as_uri(), viewport={"width": 412, "height": 900})
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # everything is drawn, every fold open
    assert accessible(page) == []
    assert page.locator("#pairs thead th").all_inner_texts() == ["against", "few"]
    for table in ("#rating-table", "#pairs"):  # nothing of them is cut off at the side of a phone
        assert page.evaluate("s => document.querySelector(s).getBoundingClientRect().right <= innerWidth", table)
    names = page.locator("#who-table tbody button.name")
    assert names.all_inner_texts() == ["large", "small", "other"]
    page.get_by_label("Only kind").select_option("RoFormer")
    assert names.all_inner_texts() == ["large"]
    page.get_by_label("Only kind").select_option("")
    page.get_by_label("Only released").select_option("2024")
    assert names.all_inner_texts() == ["large", "small"]
    assert said == []
