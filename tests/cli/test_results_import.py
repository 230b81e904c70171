"""`mss-bench results import-museval`: tables from a folder of museval's files."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mss_bench.api import load
from mss_bench.cli.main import main
from mss_bench.compat.museval_json import write
from mss_bench.leaderboards.board import read_board, read_entry


def test_a_folder_of_museval_files_becomes_tables(tmp_path, capsys):
    for method, offset in (("A", 0.0), ("B", 1.0)):
        frames = [("vocals", "SDR", 1.0, 1.0, [offset, offset + 2, float("nan")])]
        write(tmp_path / "in" / method / "test" / "Song.json", frames)
    out = tmp_path / "tracks.csv"
    assert main(["results", "import-museval", str(tmp_path / "in"), "--out", str(out)]) == 0
    table = pd.read_csv(out).query("metric == 'SDR'")
    assert table[["method", "subset", "track", "target", "value", "n_frames", "n_valid"]].to_numpy().tolist() == [
        ["A", "test", "Song", "vocals", 1.0, 3, 2],
        ["B", "test", "Song", "vocals", 2.0, 3, 2],
    ]
    assert "2 methods, 1 tracks, 1 targets" in capsys.readouterr().out
    assert main(["results", "import-museval", str(tmp_path / "in"), "--frames", "--out", str(out)]) == 0
    assert pd.read_csv(out).query("method == 'B' and metric == 'SDR'")["value"].tolist()[:2] == [1.0, 3.0]


def test_what_is_wrong_with_the_folder_is_told(tmp_path, capsys):
    assert main(["results", "import-museval", str(tmp_path), "--out", str(tmp_path / "x.csv")]) == 2
    assert "holds no .json file" in capsys.readouterr().err
    write(tmp_path / "m" / "test" / "s.json", [("vocals", "SDR", 1.0, 1.0, [0.0])])
    assert main(["results", "import-museval", str(tmp_path / "m"), "--out", str(tmp_path / "no" / "x.csv")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.fixture
def submissions(tmp_path):
    """Three methods on four songs; B has an empty target, and a file of C begins with a byte order mark."""
    for number, method in enumerate("ABC"):
        for song in range(4):
            scores = [(t, "SDR", 1.0, 1.0, [number + song, number + song + 1.0]) for t in ("vocals", "drums")]
            if (method, song) == ("B", 2):
                scores[1] = ("drums", "SDR", 1.0, 1.0, [])
            write(tmp_path / "in" / method / "test" / f"Song {song}.json", scores)
    marked = tmp_path / "in" / "C" / "test" / "Song 0.json"
    marked.write_bytes(b"\xef\xbb\xbf" + marked.read_bytes())
    return tmp_path / "in"


def test_a_run_folder_is_reported_and_compared_and_names_empty_targets(submissions, tmp_path, capsys):
    run = str(tmp_path / "run")
    assert main(["results", "import-museval", str(submissions), "-o", run, "--oracle", "C"]) == 0
    printed = capsys.readouterr().out
    assert "without frames, and so without a value: drums of B, Song 2\n" in printed
    results = load(run)
    sdr = results.tracks.query("metric == 'SDR'").set_index(["separator", "track", "target"])
    assert sdr.loc[("A", "Song 1", "drums"), ["value", "mean", "n_frames"]].tolist() == [1.5, 1.5, 2]
    empty = sdr.loc[("B", "Song 2", "drums")]
    assert pd.isna(empty["value"])
    assert (empty["n_frames"], empty["reason"]) == (0, "the file has no frames of this target")
    assert len(results.frames.query("metric == 'SDR'")) == 3 * 4 * 2 * 2 - 2
    assert (results.compare("B", "A").pair.wins, results.compare("B", "A").pair.losses) == (4, 0)
    assert main(["report", run, "--format", "md", "-m", "SDR"]) == 0
    page = (tmp_path / "run" / "report" / "report.md").read_text()
    assert all(name in page for name in ("| A |", "| B |", "vocals", "drums"))
    assert main(["results", "import-museval", str(submissions), "-o", run]) == 0  # again, over itself
    for arguments, message in (
        (["-o", str(submissions)], "holds something else"),
        (["-o", "x.csv", "--oracle", "C"], "--oracle and --dataset are for a run folder; x.csv is a CSV file"),
        (["-o", run, "--frames"], "--frames is for a CSV file"),
        (["-o", str(tmp_path / "other"), "--oracle", "D"], "no method 'D' to be an oracle; the files are of A, B, C"),
    ):
        assert main(["results", "import-museval", str(submissions), *arguments]) == 2
        assert message in capsys.readouterr().err


def test_run_folder_csv_and_json_put_the_same_entries_on_a_board(submissions, tmp_path, capsys):
    run, table = tmp_path / "run", tmp_path / "tracks.csv"
    for out in (run, table):
        assert main(["results", "import-museval", str(submissions), "-o", str(out)]) == 0
    boards = []
    for source in (submissions, run, table):
        board = tmp_path / f"board of {source.name}"
        board.mkdir()
        (board / "board.yaml").write_text(
            "title: Ours\nkind: scores\ndataset: museval\nsubset: test\npreset: museval\nmetrics: [SDR]\n"
            "targets: [vocals, drums]\nrank_metric: SDR\nrank_target: vocals\n"
            f"tracks: {json.dumps([f'Song {i}' for i in range(4)])}\n"
        )
        assert main(["leaderboard", "add", str(source), str(board)]) == 0
        assert main(["leaderboard", "verify", str(board)]) == 0
        assert main(["leaderboard", "build", str(board)]) == 0
        boards.append(board)
    for other in boards[1:]:
        assert main(["leaderboard", "diff", str(boards[0]), str(other)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "no difference"
    assert main(["results", "import-museval", str(submissions), "-o", str(run), "--oracle", "C"]) == 0
    assert main(["leaderboard", "add", str(run), str(boards[1])]) == 0
    assert [read_entry(read_board(boards[1]), name).oracle for name in "ABC"] == [False, False, True]
    assert main(["leaderboard", "add", str(table), str(boards[0]), "-s", "D"]) == 2
    assert "has no 'D'; it has A, B, C" in capsys.readouterr().err
    table.write_text("method,track\n")
    assert main(["leaderboard", "add", str(table), str(boards[0])]) == 2
    assert "holds no rows: it has a header alone" in capsys.readouterr().err
