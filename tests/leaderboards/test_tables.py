"""Anybody's table becomes entries, and what one entry lacks changes no other's number."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from mss_bench.cli.main import main
from mss_bench.leaderboards.board import Entry, entry_names, read_board, read_entry, write_entry
from mss_bench.leaderboards.completeness import completeness
from mss_bench.leaderboards.render import build, standings

BOARDS = Path(__file__).parents[2] / "leaderboards"
SONGS = [f"Song {i:02d}" for i in range(50)]
HEAD = (
    "dataset: mine\npreset: museval\nmetrics: [SDR]\ntargets: [vocals, accompaniment]\nrank_metric: SDR\n"
    "rank_target: vocals\ntracks:\n"
)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "board.yaml").write_text(HEAD + "".join(f'  - "{song}"\n' for song in SONGS))
    return folder


def _enter(
    folder: Path, method: str, values: list[float], valid: list[int] | None = None, oracle: bool = False
) -> None:
    entry = Entry(method=method, origin="table", provenance={"from": "here"}, oracle=oracle)
    entry.table = pd.DataFrame({
        "track": SONGS[: len(values)], "group": "", "target": "vocals", "metric": "SDR", "value": values,
        "n_frames": 200, "n_valid": valid or 200, "n_inf": 0, "status": "ok",
    })  # fmt: skip
    write_entry(read_board(folder), entry)


def _numbers(folder: Path) -> dict[str, tuple[str, str]]:
    return {row[0].text: (row[1].text, row[2].text) for row in standings(read_board(folder)).rows}


def test_an_entry_that_lacks_songs_changes_no_others_number(board: Path) -> None:
    # Easy songs first, so that 30 of 50 have a higher median.
    _enter(board, "a", [9.605 - 0.15 * i for i in range(50)])
    _enter(board, "b", [9.105 - 0.15 * i for i in range(50)])
    before = _numbers(board)
    assert before["a"] == ("1", "5.93")
    _enter(board, "c", [10.105 - 0.15 * i for i in range(30)])
    assert _numbers(board) == before
    page = build(read_board(board))[0].read_text()
    assert "50 songs; SDR" in page
    assert "2 of 3 entries are complete" in page
    apart = page.partition("## Incomplete entries")[2]
    # On its 30 songs it is 0.5 dB better than a and 1 dB better than b, and it has no rank.
    assert "| c | 7.93 (30) | – | 20 songs (vocals) | +0.50, better on 30 of 30 | 0 of 2 | 2 of 2 |" in apart


def test_incomplete_entries_are_compared_pair_by_pair_on_common_songs(board: Path) -> None:
    _enter(board, "a", [9.605 - 0.15 * i for i in range(50)])
    _enter(board, "b", [9.105 - 0.15 * i for i in range(50)])
    _enter(board, "c", [10.105 - 0.15 * i for i in range(30)])
    _enter(board, "d", [9.605 - 0.15 * i for i in range(4)])
    text = build(read_board(board))[0].read_text().partition("## Incomplete entries, pair by pair")[2]
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert table == [
        "| against | c | d |",
        "| --- | ---: | ---: |",
        "| a | +0.50 (30)▲ [+0.50, +0.50] | +0.00 (4) |",
        "| b | +1.00 (30)▲ [+1.00, +1.00] | +0.50 (4) |",
        "| *c* |  | −0.50 (4) |",
        "| *d* | +0.50 (4) |  |",
    ]


def test_frames_that_an_entry_turned_off_count_against_it(board: Path) -> None:
    _enter(board, "a", [9.2] * 50)
    _enter(board, "b", [9.01] * 50)
    before = _numbers(board)
    _enter(board, "silent in hard frames", [10.62] * 50, valid=[150] * 3 + [200] * 47)
    assert _numbers(board) == before
    assert "frames of 3 songs (vocals)" in build(read_board(board))[0].read_text()
    _enter(board, "oracle", [12.0] * 50, valid=[150] * 50, oracle=True)
    assert _numbers(board) == before | {"oracle": ("", "12.00")}  # has no rank to gain


def test_one_value_a_song_stands_beside_frames_and_is_named(board: Path) -> None:
    _enter(board, "a", [9.0 - 0.1 * i for i in range(50)])
    _enter(board, "b", [8.0 - 0.1 * i for i in range(50)], valid=[150] * 49 + [0])
    frames = completeness(read_board(board), [read_entry(read_board(board), name) for name in ("a", "b")])
    assert _add(board, ROWS + "".join(f"c,{song},vocals,{8.5 - 0.1 * i}\n" for i, song in enumerate(SONGS)), *FROM) == 0
    own = read_board(board)
    state = completeness(own, [read_entry(own, name) for name in ("a", "b", "c")])
    assert state.frames_untold == {"c"}
    assert {method for method, _ in state.missing} == {method for method, _ in frames.missing} == {"b"}
    assert {name: place for name, (place, _) in _numbers(board).items()} == {"a": "1", "c": "2"}
    page = build(own)[0].read_text()
    assert "One value a song, not known over which of its frames: c" in page


def test_names_in_either_form_of_unicode_are_one(board: Path, capsys) -> None:
    text = (board / "board.yaml").read_text().replace("Song 00", "Cafe\u0301")
    (board / "board.yaml").write_text(text)
    assert _add(board, ROWS + "Me\u0301thode,Caf\u00e9,vocals,5\n", *FROM) == 0
    assert _add(board, ROWS + "M\u00e9thode,Cafe\u0301,vocals,5\n", *FROM) == 0
    own = read_board(board)
    assert [read_entry(own, name).method for name in entry_names(own)] == ["M\u00e9thode"]
    assert build(own)


@pytest.mark.parametrize("method", ["CON", "aux", "nul.v2", "COM1"])
def test_files_are_called_as_every_system_allows(method: str, board: Path) -> None:
    assert _add(board, ROWS + f"{method},Song 00,vocals,5\n", *FROM) == 0
    assert [name.split("-")[0] for name in entry_names(read_board(board))] == [f"_{method}"]
    assert build(read_board(board))


def test_pages_that_say_other_numbers_do_not_pass(board: Path, capsys) -> None:
    _enter(board, "a", [6.75] * 50)
    own = read_board(board)
    for published in (False, True):
        build(own, published)
        assert main(["leaderboard", "verify", str(board)]) == 0
    for name in ("README.md", "index.html"):
        text = (board / name).read_text()
        assert "6.75" in text
        (board / name).write_text(text.replace("6.75", "9.75"))
        assert main(["leaderboard", "verify", str(board)]) == 1
        assert f"{name} is not what the entries give" in capsys.readouterr().err
        (board / name).write_text(text)


def test_columns_that_are_targets_begin_a_board(tmp_path: Path, capsys) -> None:
    new = tmp_path / "new"
    wide = ("--columns", "track=song,vocals=voc,accompaniment=inst", "--set", "method=w,metric=SDR")
    assert _add(new, "song,voc,inst\nA,5.1,9.2\nB,6.1,8.2\n", *wide, *FROM) == 0
    begun = read_board(new)
    assert (begun.targets, begun.metrics, begun.tracks) == (("vocals", "accompaniment"), ("SDR",), ("A", "B"))
    assert main(["leaderboard", "add", str(BOARDS), str(tmp_path / "other" / "new")]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["leaderboard", "add", str(BOARDS), str(tmp_path / "empty"), *FROM]) == 2
    assert "museval's files and bundles join a board" in capsys.readouterr().err


def test_an_oracle_is_declared_with_its_numbers(board: Path) -> None:
    assert _add(board, "method,track,target,SDR,oracle\nx,Song 00,vocals,5,true\ny,Song 00,vocals,4,no\n", *FROM) == 0
    own = read_board(board)
    assert [(read_entry(own, name).method, read_entry(own, name).oracle) for name in ("x", "y")] == [
        ("x", True),
        ("y", False),
    ]


def test_what_was_declared_stays_when_numbers_are_replaced(board: Path, capsys) -> None:
    declared = (*FROM, "--set", "parameters=5000000,family=RoFormer,licence=MIT")
    assert _add(board, ROWS + "x,Song 00,vocals,5\n", *declared) == 0
    assert _add(board, ROWS + "x,Song 00,vocals,6\n", *FROM, "--replace", "--set", "licence=BSD") == 0
    assert "(kept of the entry before: family, parameters)" in capsys.readouterr().out
    entry = read_entry(read_board(board), "x")
    assert (entry.parameters, entry.family, entry.licence) == (5_000_000, "RoFormer", "BSD")


def test_songs_without_a_reference_count_for_nobody(board: Path) -> None:
    _enter(board, "a", [5.0] * 49 + [float("nan")], valid=[200] * 49 + [0])
    _enter(board, "b", [6.0] * 49 + [float("nan")], valid=[200] * 49 + [0])
    _enter(board, "c", [4.0] * 50)  # claims to have a value there
    read = read_board(board)
    state = completeness(read, [read_entry(read, name) for name in entry_names(read)])
    assert (state.counting["vocals"], state.missing) == (49, {})
    assert [row[0].text for row in standings(read).rows] == ["b", "a", "c"]


def _add(board: Path, content: str, *options: str, name: str = "table.csv") -> int:
    file = board.parent / name
    file.write_text(content)
    return main(["leaderboard", "add", str(file), str(board), *options])


FROM = ("--source", "my page")
FORMS = {
    "long": (
        "method;song;stem;metric;value\n007;Song 00;vocals;SDR;5,5\n007;Song 00;instrumental;SDR;12\n",
        ("--columns", "track=song,target=stem"), "csv",
    ),
    "a column a metric": (
        "model,song,stem,sdr (dB)\n007,Song 00,vocals,5.5\n007,Song 00,Instrumental,12\n",
        ("--columns", "method=model,track=song,target=stem,SDR=sdr (dB)"), "csv",
    ),
    "a column a target": (
        "track,voc,inst\nSong 00,5.5,12\n",
        ("--columns", "vocals=voc,accompaniment=inst", "--set", "method=007"), "csv",
    ),
    "a star for the target": (
        "method,track,SDR_vocals,SDR_instr\n007,Song 00,5.5,12\n",
        ("--columns", "SDR=SDR_*", "--targets", "accompaniment=instr"), "csv",
    ),
    "a star for the method": (
        "track,target,007 SDR\nSong 00,vocals,5.5\nSong 00,instrumental,12\n", ("--columns", "SDR=* SDR"), "csv",
    ),
    "list of JSON": (
        json.dumps([{"method": "007", "track": "Song 00", "target": t, "SDR": v} for t, v in
                    (("vocals", 5.5), ("no_vocals", 12))]), (), "json",
    ),
    "nested JSON": (
        json.dumps({"007": {"Song 00": {"vocals": {"SDR": 5.5}, "instrumental": {"SDR": 12.0}}}}), (), "json",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_table_of_any_form_becomes_the_same_entry(form: str, board: Path) -> None:
    content, options, ending = FORMS[form]
    assert _add(board, content, *options, *FROM, name=f"table.{ending}") == 0
    read = read_board(board)
    (name,) = entry_names(read)
    entry = read_entry(read, name)
    assert (entry.method, entry.origin, entry.provenance["from"]) == ("007", "table", "my page")
    assert entry.table[["track", "target", "metric", "value"]].to_numpy().tolist() == [
        ["Song 00", "accompaniment", "SDR", 12.0], ["Song 00", "vocals", "SDR", 5.5],
    ]  # fmt: skip


def test_what_msst_prints_is_the_sdr_of_the_whole_song(board: Path, capsys) -> None:
    log = (
        "Song: /data/test/Song 00 Shape: (2, 44100)\nInstr: vocals\nMetric sdr         value: 8.2500\n"
        "Instr: instrumental\nMetric sdr         value: 14.5000\n"
    )
    assert _add(board, log, "--set", "method=mine", *FROM) == 2
    assert "has no SDR of vocals" in capsys.readouterr().err  # not that of BSS Eval
    text = (board / "board.yaml").read_text()
    (board / "board.yaml").write_text(text.replace("SDR", "uSDR"))
    assert _add(board, log, "--set", "method=mine", *FROM) == 0
    entry = read_entry(read_board(board), "mine")
    assert entry.aggregates == {"accompaniment": {"uSDR": 14.5}, "vocals": {"uSDR": 8.25}}


ROWS = "method,track,target,SDR\n"
WRONG = [
    ("a", ROWS + "x,Song 00,vocals,5\n", (), "where do the numbers of"),
    ("column", ROWS + "x,Song 00,vocals,5\n", ("--columns", "track=title", *FROM), "has no column 'title' for track"),
    ("name", ROWS + "x,Song 00,vocals,5\n", ("--columns", "trak=track", *FROM), "did you mean 'track'"),
    ("untold", "a,b\nx,5\n", FROM, "which column is method and which is target and which is track"),
    ("comma", ROWS + 'x,Song 00,vocals,"5,5"\n', FROM, "is '5,5', expected a number; write it with a decimal point"),
    ("underscore", ROWS + "x,Song 00,vocals,1_0\n", FROM, "is '1_0', expected a number"),
    ("inf", ROWS + "x,Song 00,vocals,inf\n", FROM, "finite values only"),
    ("huge", ROWS + "x,Song 00,vocals,1e300\n", FROM, "is '1e300': a board takes finite values only"),
    ("blank source", ROWS + "x,Song 00,vocals,5\n", ("--source", "  "), "where do the numbers of"),
    ("song", ROWS + "x,Song 0O,vocals,5\n", FROM, "table.csv:2: the board mine has no song 'Song 0O'; did you mean"),
    (
        "twice",
        ROWS + "x,Song 00,vocals,5\nx,Song 00,vocals,6\n",
        FROM,
        "table.csv:3: 'x', Song 00, vocals SDR is",
    ),
    ("empty", ROWS + ",Song 00,vocals,5\n", FROM, "method is empty"),
    ("other", ROWS + "x,Song 00,piano,5\n", FROM, "has no SDR of vocals, accompaniment"),
    ("capitals", ROWS + "x,Song 00,vocals,5\nX,Song 00,vocals,6\n", FROM, "differ in capitals or such signs alone"),
    ("unseen", ROWS + "x\u200b,Song 00,vocals,5\n", FROM, "a name that can be seen whole, without U+200B"),
    ("unseen song", ROWS + "x,Song\u200b 00,vocals,5\n", FROM, "with the sign U+200B that nobody sees; did you mean"),
    (
        "points",
        "method;track;target;SDR\nx;Song 00;vocals;5,1\nx;Song 01;vocals;4.222\n",
        FROM,
        "table.csv:3: SDR is '4.222' here and '5,1' elsewhere: a point may be a decimal sign or mark thousands",
    ),
    ("fact", 'method,track,target,SDR,speed\nx,Song 00,vocals,5,"3,5"\n', FROM, "write numbers with a decimal point"),
    (
        "facts",
        "method,track,target,SDR,speed\nx,Song 00,vocals,5,1.5\nx,Song 01,vocals,5,2.5\n",
        FROM,
        "speed of 'x' is '1.5' and '2.5'; a method has one",
    ),
]


@pytest.mark.parametrize(("content", "options", "said"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_table_is_one_clear_line_and_nothing_is_written(
    content: str, options: tuple[str, ...], said: str, board: Path, capsys
) -> None:
    assert _add(board, content, *options) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not (board / "entries").exists()


MINE = (
    "track,model,stem,sdr\nB,mine,vocals,6.1\nB,mine,instrumental,9\n"
    "A,mine,vocals,7\nA,mine,instrumental,8\nA,x,vocals,5\n"
)
NAMED = ("--columns", "method=model,target=stem,SDR=sdr")


def test_two_commands_lead_from_a_table_to_a_page(tmp_path: Path, capsys) -> None:
    new = tmp_path / "new"
    assert _add(new, MINE, *NAMED, *FROM) == 0
    board = read_board(new)
    assert (board.tracks, board.targets, board.metrics) == (("B", "A"), ("vocals", "accompaniment"), ("SDR",))
    assert main(["leaderboard", "build", str(new)]) == 0
    assert "1 of 2 entries is complete; the other stands below, without a rank." in (new / "README.md").read_text()
    assert _add(tmp_path / "neww", MINE, *NAMED, *FROM) == 2
    assert f"did you mean {new}?" in capsys.readouterr().err
    (tmp_path / "neww").mkdir()
    assert _add(tmp_path / "neww", MINE, *NAMED, *FROM) == 0


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (MINE, FROM, "does not say which column is target and which is metric"),
        (MINE, ("--columns", "target=stm", *FROM), "has no column 'stm' for target"),
        (MINE, NAMED, "where do the numbers of"),
        (MINE.replace("6.1", "inf"), (*NAMED, *FROM), "finite values only"),
    ],
)
def test_a_table_that_cannot_begin_a_board_leaves_nothing(
    content: str, options: tuple[str, ...], said: str, tmp_path: Path, capsys
) -> None:
    assert _add(tmp_path / "new", content, *options) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_more_rows_than_anybody_has_are_refused_before_they_are_read(board: Path, capsys) -> None:
    assert _add(board, ROWS + "x,Song 00,vocals,5\n" * 1_000_000, *FROM) == 2
    assert "has 1,000,001 lines, expected at most 500,000 lines and 200 MB" in capsys.readouterr().err


def test_another_entry_of_the_same_name_replaces_none_unasked(board: Path, capsys) -> None:
    assert _add(board, ROWS + "x,Song 00,vocals,5\n", *FROM) == 0
    assert _add(board, ROWS + "x,Song 00,vocals,5\n", *FROM) == 0  # the same again
    assert _add(board, ROWS + "y,Song 00,vocals,5\nx,Song 00,vocals,6\n", *FROM) == 2
    assert "has an entry 'x' with other numbers" in capsys.readouterr().err
    assert entry_names(read_board(board)) == ["x"]
    assert _add(board, ROWS + "x,Song 00,vocals,6\n", *FROM, "--replace") == 0
    assert read_entry(read_board(board), "x").aggregates["vocals"]["SDR"] == 6


def test_the_medians_of_audio_separator_come_out_of_the_rows() -> None:
    theirs = pd.read_csv(Path(__file__).parents[1] / "data" / "uvr_models_medians.csv")
    read = read_board(BOARDS / "uvr-models")
    entries = {e.method: e for e in (read_entry(read, name) for name in entry_names(read))}
    assert len(entries) == 87
    other = set()
    for row in theirs.to_dict("records"):
        target = {"instrumental": "accompaniment"}.get(row["target"], row["target"])
        for metric in ("SDR", "ISR", "SIR", "SAR"):
            if entries[row["method"]].aggregates[target][metric] != pytest.approx(row[metric], rel=1e-5, abs=1e-5):
                other.add((row["method"], target))
    assert len(theirs) == 167  # all that they have a median of
    # Their file counts songs of this model two to six times, and their medians do.
    assert other == {("MelBand Roformer | Karaoke by Gabox", "vocals"),
                     ("MelBand Roformer | Karaoke by Gabox", "accompaniment")}  # fmt: skip


def test_their_medians_come_out_of_their_rows_in_all_cases(test_data: Path) -> None:
    rows = pd.read_csv(test_data / "published" / "uvr_models_musdb18_train.csv")
    rows["method"] = rows["model_name"].str.partition(": ")[2]
    mine = rows.groupby(["method", "target"])[["SDR", "ISR", "SIR", "SAR"]].median()
    theirs = pd.read_csv(Path(__file__).parents[1] / "data" / "uvr_models_medians.csv", index_col=["method", "target"])
    assert (mine.loc[theirs.index] - theirs).abs().max().max() < 1e-4


def test_the_board_of_models_ranks_those_with_forty_songs() -> None:
    page = (BOARDS / "uvr-models" / "README.md").read_text()
    assert "All songs are training songs" in page
    assert "69 of 87 entries are complete" in page
    assert "| BS-Roformer-Viperx-1296 | 1 | **12.10** |" in page
    apart = page.partition("## Incomplete entries")[2]
    assert "| MelBand Roformer \\| Vocals by Kimberley Jensen | 12.60 (11) |" in apart
    assert "too few songs" in apart


def test_the_published_tests_of_sisec_come_out(tmp_path: Path) -> None:
    folder = tmp_path / "sisec18"
    shutil.copytree(BOARDS / "sisec18", folder)
    assert main(["leaderboard", "build", str(folder), "--tests", "published"]) == 0
    page, html = ((folder / name).read_text() for name in ("README.md", "index.html"))
    published = page.partition("## Tests as published")[2]
    assert "| vocals | 50 | 31 | 1386.6373 | 5.46e-273 | 394 of 465 |" in published
    assert "| accompaniment | 50 | 27 | 1167.5994 |" in published
    assert "| other | 50 | 21 | 833.9626 |" in published
    assert "1167.5994" in html


def test_a_song_that_json_has_twice_is_refused(board: Path, capsys) -> None:
    table = board.parent / "twice.json"
    table.write_text('{"Z": {"Song 00": {"vocals": {"SDR": 5}}, "Song 00": {"vocals": {"SDR": 7}}}}')
    assert main(["leaderboard", "add", str(table), str(board), *FROM]) == 2
    assert "'Song 00' is there twice in one object" in capsys.readouterr().err


def test_entries_that_would_change_what_is_asked_of_others_are_refused(board: Path, capsys) -> None:
    songs = [f"Song {i:02}" for i in range(3)]

    def rows(method: str, values: list[str]) -> str:
        return "".join(
            f"{method},{s},{t},{v}\n" for s, v in zip(songs, values, strict=True) for t in ("vocals", "accompaniment")
        )

    assert _add(board, ROWS + rows("x", ["4", "5", "6"]), *FROM) == 0
    assert _add(board, ROWS + rows("p", ["4", "5", "nan"]), *FROM) == 0  # one lacks it: its own affair
    assert _add(board, ROWS + rows("q", ["4", "5", "nan"]) + rows("r", ["4", "5", "nan"]), *FROM) == 2
    assert "would change what is asked of others: vocals would be compared on" in capsys.readouterr().err
    assert not (board / "entries" / "q.csv").exists()
    assert _add(board, ROWS + rows("q", ["4", "5", "nan"]) + rows("r", ["4", "5", "nan"]), *FROM, "--recount") == 0
    assert _add(board, ROWS + rows("q", ["4", "5", "nan"]), *FROM) == 0  # what is there already changes nothing
