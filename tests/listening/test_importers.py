"""Ratings of every source become one table; what is wrong is named, and nothing is lost on the way."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mss_bench.cli.main import main
from mss_bench.errors import ConfigError, MssBenchError, UnknownNameError
from mss_bench.listening.importers import _cast, _long, detect_format, import_ratings
from mss_bench.listening.pack import make_pack
from mss_bench.listening.pack_format import Pack, key_folder, read_key, read_pack
from mss_bench.listening.ratings import RATING_COLUMNS, Role, write_ratings
from mss_bench.listening.sheets import RatingsError, read_sheet

from .real_ratings import COLUMNS, similarity

SCORES = {"reference": 100, "centre": 70, "hpss_vocals": 40, "lowpass_7000": 30, "lowpass_3500": 10}


def _answers(folder: Path, *, hidden: str = "reference", training: bool = True):
    """Trial and the name and score of each signal, as webMUSHRA has them."""
    read, key = read_pack(folder), read_key(folder)
    for trial in read.trials:
        if trial.id in read.training and not training:
            continue
        for file in trial.stimuli:
            signal = key[file]
            name = hidden if signal.role == Role.REFERENCE and hidden else Path(file).stem
            yield trial.id, name, SCORES[signal.system]


def _webmushra(folder: Path, out: Path, people: tuple[str, ...] = ("anna", "bert"), **options) -> Path:
    head = ["session_test_id", "listener", "age", "session_uuid", "trial_id", "rating_stimulus", "rating_score",
            "rating_time", "rating_comment"]  # fmt: skip
    with out.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(head)
        for number, name in enumerate(people):
            for trial, signal, score in _answers(folder, **options):
                lines.writerow(["heard", name, 30, f"uuid-{number}", trial, signal, score, 41234, 'a "comment", no'])
    return out


def _pymushra(folder: Path, out: Path, rename: Callable[[str], str] = str) -> Path:
    head = ["wm_id", "responses_score", "questionaire_uuid", "responses_stimulus", "wm_type", "responses_time",
            "questionaire_listener", "wm_date", "wm_testId", "wm_config"]  # fmt: skip
    with out.open("w", newline="") as file:
        lines = csv.writer(file, delimiter=";")
        lines.writerow(head)
        for trial, signal, score in _answers(folder):
            lines.writerow([rename(trial), score, "u-1", rename(signal), "mushra", 5000, "anna", "2024-01-01", "heard",
                            "configs/heard.yaml"])  # fmt: skip
    return out


@pytest.mark.parametrize("make", [_webmushra, _pymushra])
def test_blinded_ratings_are_found_out_with_the_key(make, pack: Path, tmp_path: Path) -> None:
    found = import_ratings([make(pack, tmp_path / "ratings.csv")], pack=pack)
    people = 2 if make is _webmushra else 1
    table = found.ratings
    assert dict(table.dtypes.astype(str)) == RATING_COLUMNS
    assert len(table) == people * 2 * 5  # the training page is left out,
    assert any(f"{people * 5} grades of the training page" in note for note in found.notes)  # and counted
    for system, score in SCORES.items():
        assert set(table.loc[table["system"] == system, "score"]) == {score}
    assert set(table.loc[table["role"] == "anchor", "system"]) == {"lowpass_3500", "lowpass_7000"}
    assert set(table.loc[table["role"] == "reference", "system"]) == {"reference"}
    assert set(table["listener"]) == ({"anna", "bert"} if people == 2 else {"anna"})
    first = table[table["listener"] == "anna"]
    assert sorted(set(first["order"])) == [0, 1]
    assert first["position"].tolist() == [0, 1, 2, 3, 4] * 2
    assert set(table["target"]) == {"vocals"}
    assert all(" @" in item for item in table["item"])


def test_names_that_pymushra_turned_into_numbers_are_found_again(pack: Path, tmp_path: Path) -> None:
    # Its cast_recursively makes numbers of blinded names of digits, or of digits around an e.
    assert [_cast(name) for name in ("000000000012", "12e456789012", "1a2b3c4d5e6f")] == ["12", "inf", "1a2b3c4d5e6f"]
    copy = tmp_path / "heard"
    shutil.copytree(pack, copy)
    shutil.copytree(key_folder(pack), key_folder(copy))
    trial = next(t for t in read_pack(copy).trials if t.title != "Training")
    for old, new in ((trial.id, "000000000012"), (Path(trial.stimuli[0]).stem, "00001e000002")):
        for file in (copy / "pack.json", key_folder(copy) / "key.json"):
            file.write_text(file.read_text().replace(old, new))
        if (copy / "audio" / f"{old}.wav").exists():
            (copy / "audio" / f"{old}.wav").rename(copy / "audio" / f"{new}.wav")
    table = import_ratings([_pymushra(copy, tmp_path / "p.csv", rename=_cast)], pack=copy).ratings
    expected = import_ratings([_pymushra(pack, tmp_path / "q.csv")], pack=pack).ratings
    compared = ["item", "system", "score"]
    assert table[compared].sort_values(compared).to_numpy().tolist() == (
        expected[compared].sort_values(compared).to_numpy().tolist()
    )


def test_single_grades_of_webmushra_have_no_session(write_design, tmp_path: Path) -> None:
    folder = make_pack(write_design("systems: [centre]\nexcerpts: {count: 1, seconds: 3}\n", "acr", "grades"),
                       tmp_path, jobs=1, say=lambda _: None)  # fmt: skip
    read: Pack = read_pack(folder)
    lines = ["session_test_id,listener,trial_id,stimuli_rating,stimuli,rating_time"]
    lines += [f'grades,anna,{t.id}," 4 ",{Path(f).stem},900' for t in read.trials for f in t.stimuli]
    (tmp_path / "lss.csv").write_text("\n".join(lines) + "\n")
    table = import_ratings([tmp_path / "lss.csv"], pack=folder).ratings
    assert set(table["score"]) == {4.0}
    assert set(table["session"]) == {"anna"}
    (tmp_path / "lss.csv").write_text("\n".join(lines).replace('" 4 "', "9") + "\n")
    with pytest.raises(RatingsError, match="with 9, outside the scale of 1 to 5"):  # the pack's own scale
        import_ratings([tmp_path / "lss.csv"], pack=folder)


def test_a_plain_table_is_mapped(test_data: Path) -> None:
    table = similarity(test_data)
    assert len(table) == 3456
    # Both presentations are marked in the file; the earlier is the original.
    assert table["replicate"].sum() == 216
    both = table[table["listener"] == "L01"]
    both = both[both["item"].str.startswith("M_E_R_C") & (both["system"] == "TAK2")]
    assert dict(zip(both["order"], both["replicate"], strict=True)) == {0: False, 15: True}
    assert dict(zip(both["order"], both["score"], strict=True)) == {0: 87.0, 15: 90.0}
    assert set(table.loc[table["role"] == "anchor", "system"]) == {"Anch1", "Anch2"}
    assert table["ms"].iloc[0] == 169440.0


def test_what_is_written_is_read_again(pack: Path, tmp_path: Path) -> None:
    table = import_ratings([_webmushra(pack, tmp_path / "m.csv")], pack=pack).ratings
    write_ratings(table, tmp_path / "ratings.csv")
    assert import_ratings([tmp_path / "ratings.csv"]).ratings.equals(table)
    again = import_ratings([tmp_path / "ratings.csv"], pack=pack)
    assert again.ratings.equals(table)
    assert detect_format(read_sheet(tmp_path / "ratings.csv")) == "mss_bench"


PLAIN = "listener,item,system,score\nanna,Song,a,{}\nanna,Song,b,20\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN.format("140"), r"ratings\.csv:2: anna rated a of 'Song' with 140, outside the scale of 0 to 100"),
        (PLAIN.format("nan"), "csv:2: score is 'nan', expected a number"),
        (PLAIN.format("7_0"), "csv:2: score is '7_0', expected a number"),
        (PLAIN.format("-1"), "with -1, outside"),
        (PLAIN.format('"85,5"'), r"csv:2: score is '85,5', expected a number; write it with a decimal point"),
        (PLAIN.format(""), r"csv:2: score is '', expected a number"),
        (PLAIN.format("50") + "anna,Song\n", r"csv:4: 2 fields, expected 4 as in the first line; the file was cut off"),
        (PLAIN.format("50") + 'anna,"So', "unexpected end of data: a quotation mark is open"),
        (PLAIN.format("50") + "anna,Song,c,1,2\n", "csv:4: 5 fields, expected 4 .*: a separator stands in a text"),
        (
            PLAIN.format("50") + "listener,item,system,ms,score\n" * 2,
            "csv:4: 5 fields, .* files with different columns",
        ),
        ("PK\x03\x04", "is a workbook of Excel or LibreOffice, or an archive; save its sheet as CSV"),
        ("\xe4", r"is not UTF-8 \(byte 0\); save it again as CSV in UTF-8"),
        ("a\0b\0", "is no text: it holds bytes of zero"),
        ("[{", "is no whole JSON"),
        (PLAIN.format("50") + "anna,Song,a,60\n", r"csv:2 and .*csv:4: anna rated a of 'Song' 2 times"),
        (PLAIN.format("50") + ",Song,a,60\n", "csv:4: listener is empty"),
        ("listener,item,item,score\n", "the column 'item' is there twice"),
        ("listener,item,system,score\n", "holds no rows: it has a header alone"),
        ("", "holds no rows: it has no header"),
        ("who,item,system,score\nanna,Song,a,5\n", "which column is listener.*the file has who, item"),
        ("SQLite format 3\0\xff", "is a database; export the ratings as CSV"),
    ],
)
def test_bad_tables_are_refused_by_line_and_nothing_is_written(text: str, message: str, tmp_path: Path, capsys) -> None:
    file = tmp_path / "ratings.csv"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(RatingsError, match=message):
        import_ratings([file])
    assert main(["listen", "import", str(file), "--out", str(tmp_path / "out.csv")]) == 2
    assert "mss-bench:" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    assert file.read_bytes() == text.encode("latin-1")


def test_every_problem_is_told_not_the_first_alone(tmp_path: Path) -> None:
    rows = "".join(f"anna,Song {n},a,{200 + n}\n" for n in range(9))
    (tmp_path / "r.csv").write_text("listener,item,system,score\n" + rows)
    with pytest.raises(RatingsError, match="with 200") as found:
        import_ratings([tmp_path / "r.csv"])
    assert "with 204" in str(found.value)
    assert "and 4 more like these" in str(found.value)


def test_a_listener_twice_is_kept_as_replicate_on_demand(pack: Path, tmp_path: Path) -> None:
    file = _webmushra(pack, tmp_path / "m.csv", people=("anna", "anna"))
    with pytest.raises(RatingsError, match=r"2 times \(sessions uuid-0 and uuid-1\)") as found:
        import_ratings([file], pack=pack)
    assert "--repeated replicate" in str(found.value)
    table = import_ratings([file], pack=pack, repeated="replicate").ratings
    assert len(table) == 20
    assert table.groupby("session")["replicate"].mean().to_dict() == {"uuid-0": 0.0, "uuid-1": 1.0}


def test_a_file_cut_between_rows_lacks_signals_of_its_last_trial(pack: Path, tmp_path: Path) -> None:
    file = _webmushra(pack, tmp_path / "m.csv", training=False)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-2]))
    with pytest.raises(RatingsError, match=r"bert, session uuid-1: 3 of 5 signals of trial .*rows were lost"):
        import_ratings([file], pack=pack)


@pytest.mark.parametrize(
    ("lines", "end", "told"),
    [
        (7, "", r"r\.csv:8: .* its last listener, 'bert', has 3 ratings where others have up to 4"),
        (8, "", ""),  # nothing is missing, as where an editor leaves the last end of line out
        (7, "\n", ""),
        (4, "", ""),
        (3, "", r"r\.csv:4: .* its last item, 'Song 1', has 1 ratings where others have up to 2"),
    ],
)
def test_a_number_that_may_have_been_cut_is_told(lines: int, end: str, told: str, tmp_path: Path) -> None:
    rows = [f"{who},Song {n},{system},85" for who in ("anna", "bert") for n in (0, 1) for system in "ab"]
    file = tmp_path / "r.csv"
    file.write_text("\n".join(["listener,item,system,score", *rows[:lines]]) + end)
    found = import_ratings([file])
    assert len(found.ratings) == lines
    assert [re.match(told, note.removeprefix(f"{tmp_path}/")) is not None for note in found.notes[1:]] == [True] * bool(
        told
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(",reference,", ",elsewhere,", 1), "has no signal 'elsewhere'"),
        (lambda text: text.replace(text.splitlines()[1].split(",")[4], "abcdefabcdef"), "has no trial 'abcdefabcdef'"),
        (lambda text: text.replace(",100,", ",140,", 1), "with 140, outside the scale of 0 to 100"),
        (lambda text: text.replace("anna", "").replace("uuid-0", ""), "listener is empty"),
    ],
)
def test_ratings_that_do_not_fit_the_pack_are_refused(change, message: str, pack: Path, tmp_path: Path) -> None:
    file = _webmushra(pack, tmp_path / "m.csv", training=False)
    file.write_text(change(file.read_text()))
    with pytest.raises(RatingsError, match=message):
        import_ratings([file], pack=pack)


def test_a_missing_or_foreign_key_is_named(pack: Path, tmp_path: Path) -> None:
    file = _webmushra(pack, tmp_path / "m.csv")
    with pytest.raises(ConfigError, match="names blinded signals: give the pack"):
        import_ratings([file])
    copy = tmp_path / "alone"
    shutil.copytree(pack, copy)
    with pytest.raises(ConfigError, match="without the key nobody knows"):
        import_ratings([file], pack=copy)
    key_folder(copy).mkdir()
    (key_folder(copy) / "key.json").write_text("{}")
    with pytest.raises(ConfigError, match="it belongs to another pack"):
        import_ratings([file], pack=copy)
    with pytest.raises(ConfigError, match="is not a pack"):
        import_ratings([file], pack=tmp_path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"format": "excel"}, ConfigError, "format is 'excel', expected auto, mss_bench"),
        ({"repeated": "drop"}, ConfigError, "repeated is 'drop', expected error or replicate"),
        ({"columns": {"lisener": "a"}}, UnknownNameError, "did you mean 'listener'"),
        ({"columns": {"system": "method"}}, RatingsError, "has no column 'method' for system; it has listener"),
        ({"reference": ["ref"]}, UnknownNameError, "unknown system in .*'ref'; known: a, b"),
        ({"reference": ["a"], "anchors": ["a"]}, ConfigError, "cannot be both"),
    ],
)
def test_wrong_options_are_named(options, error, message: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(PLAIN.format(50))
    with pytest.raises(error, match=message):
        import_ratings([tmp_path / "r.csv"], **options)


def test_tables_of_webmushra_without_ratings_are_refused(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "pc.csv").write_text(
        "session_test_id,listener,trial_id,choice_reference,choice_non_reference,choice_answer\nx,a,b,c,d,unknown\n"
    )
    with pytest.raises(RatingsError, match=r"pc\.csv:2: choice_answer is 'unknown', expected correct or incorrect"):
        import_ratings([tmp_path / "pc.csv"], pack=pack)
    (tmp_path / "bs.csv").write_text("session_test_id,listener,trial_id,rating_reference_score\nx,a,b,5\n")
    with pytest.raises(RatingsError, match=r"none of mushra\.csv, lss\.csv, lms\.csv and paired_comparison\.csv"):
        import_ratings([tmp_path / "bs.csv"], pack=pack)
    (tmp_path / "lss.csv").write_text("session_test_id,trial_id,stimuli,stimuli_rating\nx,a,b,3\n")
    with pytest.raises(RatingsError, match="does not say who rated"):
        import_ratings([tmp_path / "lss.csv"], pack=pack)


def test_the_command_imports_and_never_overwrites_unasked(test_data: Path, tmp_path: Path, capsys) -> None:
    source = str(test_data / "listening" / "similarity_ratings_anonymised.csv")
    columns = ",".join(f"{name}={column}" for name, column in COLUMNS.items())
    command = ["listen", "import", source, "--columns", columns, "--reference", "Ref", "--anchors", "Anch1,Anch2",
               "--set", "target=vocals", "-o", str(tmp_path / "r.csv")]  # fmt: skip
    assert main(command) == 0
    assert "3456 ratings of 24 listeners" in capsys.readouterr().out
    assert import_ratings([tmp_path / "r.csv"]).ratings.equals(similarity(test_data))
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert main(["listen", "import", source, "--columns", "listener"]) == 2
    assert "is not name=value" in capsys.readouterr().err
    assert main(["listen", "import", source, "--scale", "5,1", "-o", str(tmp_path / "x.csv")]) == 2
    assert "expected its two ends" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MssBenchError, match=r"nothing\.csv cannot be read: No such file"):
        import_ratings([tmp_path / "nothing.csv"])
    (tmp_path / "r.csv").write_text(PLAIN.format(50))
    with pytest.raises(RatingsError, match="lacks the columns test, session"):
        import_ratings([tmp_path / "r.csv"], format="mss_bench")


ROWS = [("anna", "Song, one", "a", "70.5"), ("anna", "Song\u2028two", "b", "20")]


@pytest.mark.parametrize(
    "text",
    [
        "listener;item;system;score\nanna;Song, one;a;70,5\nanna;Song\u2028two;b;20\n".encode(),  # decimal commas
        'sep=;\r\nlistener;item;system;score\r\nanna;Song, one;a;"70,5"\r\nanna;Song\u2028two;b;20\r\n'.encode(),
        '# from the lab\n#\nlistener,item,system,score\nanna,"Song, one",a,70.5\n'
        "# a pause\nanna,Song\u2028two,b,20\n".encode(),
        "listener\titem\tsystem\tscore\nanna\tSong, one\ta\t70.5\nanna\tSong\u2028two\tb\t20\n".encode("utf-16"),
        'listener,item,system,score\nanna,"Song, one",a,70.5\n'
        "listener,item,system,score\nanna,Song\u2028two,b,20\n".encode(),
        'listener,item,system,score,,\nanna,"Song, one",a,70.5,,\n,,,,,\nanna,Song\u2028two,b,20,,\n'.encode(),
        'listener,item,system,score,task,trial,replicate\nanna,"Song, one",a,70.5,,,\n'
        "anna,Song\u2028two,b,20,,,\n".encode(),
        b'[{"listener": "anna", "item": "Song, one", "system": "a", "score": 70.5},'
        b'{"listener": "anna", "item": "Song\\u2028two", "system": "b", "score": "20"}]',
    ],
    ids=["decimal commas", "sep=", "comments", "UTF-16", "joined", "empty columns", "blank optional columns", "JSON"],
)
def test_tables_are_read_as_people_have_them(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(text)
    table = import_ratings([tmp_path / "r.csv"]).ratings
    assert [
        (*map(str, row[:3]), f"{row[3]:g}") for row in table[["listener", "item", "system", "score"]].to_numpy()
    ] == ROWS
    assert set(table["task"]) == {"quality"}
    assert list(table["trial"]) == [f"{item} | quality" for _, item, _, _ in ROWS]


def test_our_own_table_comes_back_from_a_spreadsheet_with_decimal_commas(pack: Path, tmp_path: Path) -> None:
    ratings = import_ratings([_webmushra(pack, tmp_path / "m.csv")], pack=pack).ratings.assign(score=62.5, ms=1000.5)
    ratings.to_csv(tmp_path / "r.csv", index=False, sep=";", decimal=",")
    assert import_ratings([tmp_path / "r.csv"], pack=pack).ratings.equals(ratings)


def test_a_quotation_mark_of_php_ends_no_field(pack: Path, tmp_path: Path) -> None:
    # fputcsv leaves the mark after a backslash alone.
    file = _webmushra(pack, tmp_path / "m.csv")
    file.write_text(file.read_text().replace('"a ""comment"", no"', '"a \\"comment\\" of C:\\dir, no"', 1))
    assert len(import_ratings([file], pack=pack).ratings) == 20
    # Before a comma it ends a text, or is in it: what makes the rows alike is right.
    for listener in ('"L \\"1\\", x"', '"C:\\"'):
        (tmp_path / "p.csv").write_text(f"listener,item,system,score\n{listener},A,x,5\n")
        [row] = read_sheet(tmp_path / "p.csv").rows
        assert row["listener"] == listener[1:-1]


def test_wide_tables_have_a_column_a_listener_or_a_system(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("song,method,who_0,who_1,r_0,r_1,mean\nA,x,anna,bert,5,3,4\nA,y,anna,cleo,2,,2\n")
    columns = {"listener": "who_*", "item": "song", "system": "method", "score": "r_*"}
    table = import_ratings([tmp_path / "w.csv"], columns=columns, scale=(1, 5)).ratings
    assert table[["listener", "system", "score"]].to_numpy().tolist() == [
        ["anna", "x", 5.0], ["bert", "x", 3.0], ["anna", "y", 2.0],
    ]  # fmt: skip
    (tmp_path / "s.csv").write_text("who,song,grade x,grade y\nanna,A,5,3\nbert,A,4,9\n")
    columns = {"listener": "who", "item": "song", "score": "grade *"}
    with pytest.raises(RatingsError, match=r"s\.csv:3, grade y: bert rated y of 'A' with 9, outside"):
        import_ratings([tmp_path / "s.csv"], columns=columns, scale=(1, 5))
    assert set(import_ratings([tmp_path / "s.csv"], columns=columns).ratings["system"]) == {"x", "y"}
    with pytest.raises(ConfigError, match="a star stands in score"):
        import_ratings([tmp_path / "s.csv"], columns={"item": "so*"})
    with pytest.raises(RatingsError, match=r"has no columns like q_\*; it has who, song"):
        import_ratings([tmp_path / "s.csv"], columns={"score": "q_*"})


def test_pymushras_json_is_read_like_its_csv(pack: Path, tmp_path: Path) -> None:
    sheet = read_sheet(_pymushra(pack, tmp_path / "p.csv"))
    (tmp_path / "p.json").write_text(
        json.dumps([row | {"responses_score": int(row["responses_score"])} for row in sheet.rows])
    )
    both = [import_ratings([tmp_path / name], pack=pack).ratings for name in ("p.csv", "p.json")]
    assert both[0].equals(both[1])


def test_long_sessions_and_wide_files_are_read_in_linear_time(pack: Path, tmp_path: Path, monkeypatch) -> None:
    # In quadratic time, as it once was, the columns alone would take an hour.
    from mss_bench.listening.importers import Key, _unblinded
    from mss_bench.listening.player_files import Answer

    key = Key(pack)
    [first, *_] = key.pack.rated
    made = {f"t{n}": dataclasses.replace(first, id=f"t{n}") for n in range(4000)}
    monkeypatch.setattr(key, "_trials", made)
    signal = Path(first.stimuli[0]).stem
    answers = [Answer("anna", "s", name, signal, "5", "", "x") for name in made]
    rows = list(_unblinded(answers, key))
    assert [row["order"] for row, _ in rows] == list(range(4000))
    names = ",".join(f"c{n}" for n in range(100_000))
    (tmp_path / "wide.csv").write_text(f"listener,item,system,score,{names}\nanna,A,x,5{',1' * 100_000}\n")
    assert len(import_ratings([tmp_path / "wide.csv"]).ratings) == 1


def test_many_columns_of_listeners_take_little_memory(tmp_path: Path) -> None:
    # A row of each listener with all columns again would hold 3,000 x 6,000 texts.
    names = ",".join(f"who_{n},r_{n}" for n in range(3000))
    (tmp_path / "w.csv").write_text(f"item,system,{names}\nA,x,{','.join(f'L{n},5' for n in range(3000))}\n")
    sheet, columns = _long(read_sheet(tmp_path / "w.csv"), {"listener": "who_*", "item": "item", "score": "r_*"})
    assert {len(row) for row in sheet.rows} == {len(sheet.header)} == {4}
    assert [row[columns["listener"]] for row in sheet.rows] == [f"L{n}" for n in range(3000)]
