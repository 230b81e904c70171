"""Boards: shipped ones are right, wrong ones are found out, entries come from runs and museval files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.errors import ConfigError
from mss_bench.leaderboards.board import entry_names, read_board, read_entry, write_entry
from mss_bench.leaderboards.diff import diff_boards
from mss_bench.leaderboards.render import build, standings
from mss_bench.leaderboards.verify import compare_with_run, verify_board

BOARDS = Path(__file__).parents[2] / "leaderboards"
SISEC = BOARDS / "sisec18"


def _few(folder: Path) -> Path:
    """Five entries of the board: enough to be wrong in one of them."""
    shutil.copytree(SISEC, folder)
    for file in (folder / "entries").iterdir():
        if file.stem not in ("MIX", "TAK1", "TAK2", "TAK3", "WK"):
            file.unlink()
    _edit(folder / "board.yaml", "rating: {anchor: STL1}\n", "")  # which is not among them
    return folder


@pytest.fixture
def sisec(tmp_path) -> Path:
    return _few(tmp_path / "sisec18")


@pytest.mark.parametrize("board", sorted(p.parent.name for p in BOARDS.glob("*/board.yaml")))
def test_shipped_boards_are_right_and_their_pages_are_current(board: str, tmp_path) -> None:
    shutil.copytree(BOARDS / board, tmp_path / board)
    for file in build(read_board(tmp_path / board)):  # which verifies it first
        assert file.read_text() == (BOARDS / board / file.name).read_text(), f"run: mss-bench leaderboard build {board}"


def test_an_empty_board_is_right_and_has_a_page(sisec: Path) -> None:
    shutil.rmtree(sisec / "entries")
    assert verify_board(read_board(sisec)) == []
    for file in build(read_board(sisec)):
        assert "No entries yet" in file.read_text()


def test_sisec_is_the_published_table(test_data) -> None:
    published = pd.read_csv(test_data / "sisec18" / "median_of_medians.csv")
    board = read_board(SISEC)
    entries = {e.method: e for e in (read_entry(board, n) for n in entry_names(board))}
    assert len(entries) == 31
    for row in published.to_dict("records"):
        for metric in ("SDR", "ISR", "SIR", "SAR"):
            found = entries[row["method"]].aggregates[row["target"]][metric]
            assert found == pytest.approx(row[metric], abs=1e-5)


def test_order_ties_and_oracles_of_sisec() -> None:
    table = standings(read_board(SISEC))
    methods, oracles = table.groups
    assert [(row[0].text, row[1].text) for row in methods[:3]] == [("TAK2", "1"), ("TAU1", "2"), ("TAK3", "3")]
    assert {row[0].text for row in oracles} == {"IBM1", "IBM2", "IRM1", "IRM2", "MWF"}
    assert table.columns[2].heading == "vocals"
    assert [row[0].text for row in methods if row[2].bold] == ["TAK2"]
    assert {row[0].text: row[2].marks for row in methods if row[2].marks} == {"TAU1": "≈°"}
    assert all(sum(row[i].bold for row in methods) == 1 for i in range(2, 7))
    (mix,) = [row for row in methods if row[0].text == "MIX"]  # it keeps its place, without a rank
    assert (mix[0].tag, mix[1].text, mix[-1].text) == ("does nothing", "", "29.97")  # as published
    assert table.notes[0].startswith("vocals, 50 songs, 25 methods: Best: TAK2; not told apart from it: TAU1.")
    assert not any(cell.bold for row in oracles for cell in row)
    assert "taken over from a publication's per-track numbers, not recomputed here: every entry." in table.notes


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("edited number", "the table was changed"),
        ("edited number and checksum", "vocals SDR: the entry says 7.15"),
        ("edited aggregate", "vocals SDR: the entry says 9.9"),
        ("infinite value", "bass ISR is infinite"),
        ("duplicate row", "stands twice"),
        ("foreign track", "has tracks that are not the board's: Nobody"),
        ("other revision", "was made from another revision of the data, v2; the board's is v1"),
        ("other definition", "its metrics are defined as 'v4', the board's as 'museval'"),
        ("method twice", "the method 'TAK2' stands also in"),
        ("no table", "cannot be read"),
        ("unknown key", "an entry has no key 'metod'"),
        ("text for a number", "a number is not one"),
    ],
)
def test_what_is_wrong_is_found_and_named(fault: str, said: str, sisec: Path, capsys) -> None:
    csv, yaml = sisec / "entries" / "TAK2.csv", sisec / "entries" / "TAK2.yaml"
    lines = csv.read_text().splitlines()
    row = next(i for i, line in enumerate(lines) if ",vocals,SDR," in line)
    if fault.startswith("edited number"):
        rows = [i for i, line in enumerate(lines) if ",vocals,SDR," in line]
        for i in rows[:30]:  # enough to move the median
            lines[i] = ",".join([*lines[i].split(",")[:4], "19.5", "1", "1", "0", "ok"])
        csv.write_text("\n".join(lines) + "\n")
        if "checksum" in fault:
            import hashlib

            old = next(line for line in yaml.read_text().splitlines() if line.startswith("sha256"))
            _edit(yaml, old, f'sha256: "{hashlib.sha256(csv.read_bytes()).hexdigest()}"')
    elif fault == "edited aggregate":
        value = json.loads(next(ln for ln in yaml.read_text().splitlines() if '"vocals"' in ln).split(": ", 1)[1])[
            "SDR"
        ]
        _edit(yaml, f'"SDR": {value}', '"SDR": 9.9')
    elif fault == "infinite value":
        row = next(i for i, line in enumerate(lines) if ",bass,ISR," in line)
        csv.write_text(
            "\n".join([*lines[:row], ",".join([*lines[row].split(",")[:4], "inf,1,1,0,ok"]), *lines[row + 1 :]])
        )
    elif fault == "duplicate row":
        csv.write_text("\n".join([*lines, lines[row]]) + "\n")
    elif fault == "foreign track":
        csv.write_text("\n".join([*lines, "Nobody" + lines[row][lines[row].index(",") :]]) + "\n")
    elif fault == "other revision":
        _edit(sisec / "board.yaml", "preset: museval", "preset: museval\nrevision: v1")
        _edit(yaml, "provenance:\n", 'provenance:\n  "revision_of_data": "v2"\n')
    elif fault == "other definition":
        _edit(yaml, '"preset": "museval"', '"preset": "v4"')
    elif fault == "method twice":
        for kind in ("csv", "yaml"):
            shutil.copyfile(sisec / "entries" / f"TAK2.{kind}", sisec / "entries" / f"ZZZ.{kind}")
    elif fault == "no table":
        csv.unlink()
    elif fault == "unknown key":
        _edit(yaml, "method:", "metod:")
    elif fault == "text for a number":
        lines[row] = lines[row].replace(lines[row].split(",")[4], "good")
        csv.write_text("\n".join(lines) + "\n")
    problems = verify_board(read_board(sisec))
    assert any(said in problem and "TAK2" in problem for problem in problems), problems
    assert main(["leaderboard", "verify", str(sisec)]) == 1
    assert said in capsys.readouterr().err


def test_diff_says_what_moved(sisec: Path, tmp_path) -> None:
    before = read_board(_few(tmp_path / "before"))
    (sisec / "entries" / "WK.csv").unlink()
    (sisec / "entries" / "WK.yaml").unlink()
    yaml = sisec / "entries" / "TAK1.yaml"
    _edit(yaml, '"SDR": 6.599915', '"SDR": 6.699915')
    _edit(yaml, 'sha256: "', 'sha256: "0')
    lines = diff_boards(before, read_board(sisec))
    assert lines == ["- WK", "~ TAK1: vocals SDR 6.599915 -> 6.699915 (+0.100)"]
    assert diff_boards(before, before) == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, Path]:
    """A run on two demo songs, and an empty board for it."""
    folder = tmp_path_factory.mktemp("board")
    results = mss_bench.run(
        "demo", ["centre", "irm"], ["usdr"], max_tracks=2, duration=6.0, jobs=1, out=folder / "run", quiet=True
    )
    tracks = sorted({*results.tracks["track"]})
    preset = results.tracks["preset"].iloc[0]
    (folder / "mine").mkdir()
    (folder / "mine" / "board.yaml").write_text(
        f"title: Mine\ndataset: demo\nsubset: test\nrevision: {results.run['dataset']['fingerprint']}\n"
        f"preset: {preset}\nmetrics: [uSDR]\ntargets: [vocals, drums, bass, other, accompaniment]\nrank_metric: uSDR\n"
        "rank_target: vocals\naggregation: mean_of_medians\ntracks:\n" + "".join(f'  - "{t}"\n' for t in tracks)
    )
    return folder / "run", folder / "mine"


def test_from_a_run_to_a_board(finished: tuple[Path, Path], tmp_path, capsys) -> None:
    run, empty = finished
    board = tmp_path / "mine"
    shutil.copytree(empty, board)
    assert main(["leaderboard", "add", str(run), str(board)]) == 0
    assert entry_names(read_board(board)) == ["centre", "irm", "mixture"]
    assert main(["leaderboard", "verify", str(board), "--run", str(run)]) == 0
    assert main(["leaderboard", "build", str(board)]) == 0
    page = (board / "README.md").read_text()
    assert page.index("| centre |") < page.index("*irm* (oracle)")
    assert read_entry(read_board(board), "irm").oracle
    for name in ("centre", "irm"):  # vocals of every method in the same group, whatever else it delivers
        table = read_entry(read_board(board), name).table
        assert set(table.loc[table["target"] == "vocals", "group"]) == {"4stem"}
    assert "Fewer than two methods are ranked: nothing to compare." in page
    assert "| mixture (floor) |  |" in page
    results = mss_bench.load(run)
    moved = results.tracks.assign(value=results.tracks["value"] + 0.1)
    assert "differ from the run's" in compare_with_run(read_board(board), moved, results.run)[0]
    rounded = results.tracks.assign(value=results.tracks["value"] + 0.002)  # as another processor's
    assert compare_with_run(read_board(board), rounded, results.run) == []
    capsys.readouterr()


def test_an_entry_of_several_seeds_is_checked_by_a_run_of_one(finished: tuple[Path, Path], tmp_path) -> None:
    _, empty = finished
    folder = tmp_path / "mine"
    shutil.copytree(empty, folder)
    method = "nmf:iterations=2,components=8,n_fft=1024,hop=512,as=nmf"
    results = mss_bench.run(
        "demo", [method], ["usdr"], max_tracks=2, duration=6.0, jobs=1, repeats=3, out=tmp_path / "run", quiet=True
    )
    assert main(["leaderboard", "add", str(results.path), str(folder)]) == 0
    board = read_board(folder)
    entry = read_entry(board, "nmf")
    assert entry.provenance["replicates"] == 3
    assert verify_board(board) == []
    assert "± is the standard deviation over the seeds" in "\n".join(map(str, standings(board).notes))
    first = [
        float((text or str(value)).split()[0]) for text, value in results.tracks[["replicates", "value"]].to_numpy()
    ]
    of_one = results.tracks.assign(value=first, replicates="")
    assert not np.allclose(of_one["value"], results.tracks["value"], atol=0.05)
    assert compare_with_run(board, results.tracks, results.run) == []
    assert compare_with_run(board, of_one, results.run) == []
    assert "nmf: 10 of 10 values differ" in compare_with_run(board, of_one.assign(value=1.5), results.run)[1]
    wrong = entry.table.assign(value=entry.table["value"] + 0.5)
    entry.table = wrong
    write_entry(board, entry)
    assert any("is not the mean of its replicates" in problem for problem in verify_board(board))


def test_a_run_of_other_data_is_refused(finished: tuple[Path, Path], tmp_path, capsys) -> None:
    run, empty = finished
    shutil.copytree(empty, tmp_path / "mine")
    for old, new, said in (
        ("revision: ", "revision: x", "the board mine of demo (x"),
        ("dataset: demo", "dataset: musdb18", "of musdb18"),
    ):
        text = (empty / "board.yaml").read_text()
        (tmp_path / "mine" / "board.yaml").write_text(text.replace(old, new, 1))
        assert main(["leaderboard", "add", str(run), str(tmp_path / "mine")]) == 2
        assert said in capsys.readouterr().err


def test_entries_of_museval_files_stand_beside_others_marked_as_what_they_are(sisec: Path, test_data, capsys) -> None:
    source = test_data / "museval_json"
    for entry in ("entries",):
        shutil.rmtree(sisec / entry)
    assert main(["leaderboard", "add", str(source), str(sisec)]) == 0
    board = read_board(sisec)
    assert {read_entry(board, n).origin for n in entry_names(board)} == {"museval"}
    page = build(board)[0].read_text()  # four songs of fifty: nothing is ranked
    assert "0 of 4 entries are complete" in page
    assert "46 songs (vocals, accompaniment, drums, bass, other)" in page
    original = read_board(SISEC)
    for name in entry_names(board):
        mine, theirs = read_entry(board, name).table, read_entry(original, name).table
        both = mine.merge(theirs, on=["track", "target", "metric"])
        assert len(both) == len(mine)
        assert (both["value_x"] - both["value_y"]).abs().max() < 1e-5
    board.tracks = tuple(sorted(set(mine["track"])))
    build(board)
    assert "imported from museval" in (sisec / "README.md").read_text()
    capsys.readouterr()


def test_literature_ranks_rows_of_one_definition_only() -> None:
    page = (BOARDS / "musdb18-literature" / "README.md").read_text()
    tables = page.split("\n## ")[1:]
    assert len(tables) >= 3
    assert all("| UMXL |" not in t or "SCNet" not in t for t in tables)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("no,6.32", "no,6,32", "a row has more fields than the head"),
        ("6.32", "six", "vocals is 'six', expected a number"),
        (",sigsep/open-unmix-pytorch README", ",", "source is empty; a published number needs it"),
    ],
)
def test_a_literature_row_needs_numbers_and_a_source(old: str, new: str, message: str, tmp_path) -> None:
    shutil.copytree(BOARDS / "musdb18-literature", tmp_path / "lit")
    _edit(tmp_path / "lit" / "rows.csv", old, new)
    with pytest.raises(ConfigError, match=message):
        build(read_board(tmp_path / "lit"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rank_metric: SDR", "rank_metric: SRD", "rank_metric is 'SRD', expected one of SDR, ISR"),
        ("aggregation: median_of_medians", "aggregation: best", "aggregation is 'best', expected"),
        ("subset: test", "subsets: test", "a leaderboard has no key 'subsets'; did you mean 'subset'"),
        ("kind: scores", "kind: score", "kind is 'score', expected scores or literature"),
    ],
)
def test_a_board_is_read_strictly(old: str, new: str, message: str, sisec: Path) -> None:
    _edit(sisec / "board.yaml", old, new)
    with pytest.raises(ConfigError, match=message):
        read_board(sisec)
    with pytest.raises(ConfigError, match="is no leaderboard"):
        read_board(sisec / "entries")


def _enter(board: Path, method: str, change) -> None:
    """Write an entry anew, as an honest one, with its rows changed."""
    read = read_board(board)
    entry = read_entry(read, method)
    entry.table = change(entry.table)
    write_entry(read, entry)


def test_equal_values_share_a_rank_and_what_counts_is_in_the_head(sisec: Path) -> None:
    best = read_entry(read_board(sisec), "TAK2").table
    _enter(sisec, "TAK3", lambda table: best)
    gone = best["track"].unique()[:3]
    _enter(sisec, "WK", lambda table: table.assign(
        value=table["value"].where(~(table["track"].isin(gone) & (table["target"] == "vocals"))),
        n_valid=table["n_valid"].where(~(table["track"].isin(gone) & (table["target"] == "vocals")), 0),
    ))  # fmt: skip
    page, html = (file.read_text() for file in build(read_board(sisec)))
    for text in (page, html):
        assert "4 of 5 entries are complete; the other stands below, without a rank" in text
        assert "3 songs (vocals)" in text
    ranks = [row[1].text for row in standings(read_board(sisec)).groups[0]]
    assert ranks[:3] == ["1", "1", "3"]
    assert [row[2].bold for row in standings(read_board(sisec)).groups[0][:3]] == [True, True, False]


def test_an_entry_with_the_scores_of_the_floor_has_no_rank_on_the_board_or_its_page(sisec: Path) -> None:
    floor = read_entry(read_board(sisec), "MIX").table
    _enter(sisec, "WK", lambda table: floor)
    text, page = (file.read_text() for file in build(read_board(sisec)))
    rows = {row[0].text: row for row in standings(read_board(sisec)).groups[0]}
    assert [(rows[name][0].tag, rows[name][1].text) for name in ("WK", "TAK3")] == [("does nothing", ""), ("", "2")]
    assert "Does nothing: has the scores of the floor on every song: WK." in text
    model = json.loads(page.partition('id="model">')[2].partition("</script>")[0])
    assert {m["name"]: m.get("tag") for m in model["methods"]} | {"WK": "does nothing"} == {
        m["name"]: m.get("tag") for m in model["methods"]
    }


def test_the_sar_of_what_does_nothing_is_on_a_page_only_where_others_published_it() -> None:
    def values(board: str, method: str) -> list:
        page = (BOARDS / board / "index.html").read_text()
        model = json.loads(page.partition('id="model">')[2].partition("</script>")[0])
        at = [m["name"] for m in model["methods"]].index(method)
        columns = [c for g in model["groups"] for m in g["metrics"] if m["name"] == "SAR" for c in m["columns"]]
        return [c["value"][c["of"].index(at)] for c in columns if at in c["of"]]

    assert values("demo", "mixture") == values("demo", "mixture_unscaled") == []
    assert len(values("demo", "hpr")) == 5
    assert 29.97 in values("sisec18", "MIX")


def test_edited_rows_are_not_published(sisec: Path) -> None:
    csv = sisec / "entries" / "TAK2.csv"
    csv.write_text(csv.read_text().replace(",vocals,SDR,", ",vocals,SDR,1", 1))
    before = (sisec / "README.md").read_bytes()
    with pytest.raises(ConfigError, match=r"not built, .* TAK2: the table was changed"):
        build(read_board(sisec))
    assert (sisec / "README.md").read_bytes() == before
    assert main(["leaderboard", "build", str(sisec)]) == 2


def test_names_with_html_stay_text(sisec: Path) -> None:
    board = read_board(sisec)
    entry = read_entry(board, "WK")
    entry.method = "<script>alert(1)</script>"
    write_entry(board, entry)
    for kind in ("csv", "yaml"):
        (sisec / "entries" / f"WK.{kind}").unlink()
    page = build(read_board(sisec))[1].read_text()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
