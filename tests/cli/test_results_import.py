"""`mss-bench results import-museval`: tables from a folder of museval's files."""

from __future__ import annotations

import pandas as pd

from mss_bench.cli.main import main
from mss_bench.compat.museval_json import write


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
