"""Names and messages that hold what terminals, spreadsheets, pages and files would obey or could not hold."""

import csv
import re
import shutil

import pytest

from mss_bench.cli.main import main
from mss_bench.core.files import folder_name, read_json, write_atomic
from mss_bench.core.text import harmless, spreadsheet_text

HOSTILE = """
from mss_bench import Separator

class Hostile(Separator):
    name = "hostile"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        raise ValueError('=cmd() \\udcff \\x1b]0;title\\x07 \\u202e \\x9b31m \\x00 <script>')

class HostileNames(Separator):
    name = "hostile_names"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        return {target: mixture / 4 for target in targets.stems} | {"\\udcff\\x1b[31m" + "n" * 300: mixture}
"""
SONGS = ("=cmd()|x", "esc \x1b[31m turn \u202egnp", "two\nlines", "n" * 255)
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb\x9b\x7f", r"a\x1b[31mb\x9b\x7f"),
        ("\u202e\u2066\u2028\u200f", r"\u202e\u2066\u2028\u200f"),
        ("\udcff", r"\udcff"),
        ("日本 e\u0301 \u200d", "日本 e\u0301 \u200d"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_what_would_be_obeyed_is_written_out(text, shown):
    assert harmless(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-cmd", "'-cmd"), ("+1", "+1"), ("-3.5", "-3.5"), ("-", "-"), ("a=b", "a=b")],
)
def test_no_spreadsheet_computes_a_name(text, shown):
    assert spreadsheet_text(text) == shown


def test_any_label_can_name_a_folder_and_be_written(tmp_path):
    for label in ("\U00020000" * 100, "é" * 300, "\udcff", "../x", "n" * 255):
        (tmp_path / f"{folder_name(label)}-picture.png").touch()
        assert read_json(write_atomic(tmp_path / "x.json", f'{{"name": "{label}"}}')) == {"name": label}


def test_no_run_ends_by_a_name_and_none_is_obeyed(tmp_path, tiny, song, capsys):
    test = tiny.parent / "tiny" / "test"
    shutil.rmtree(test)
    for seed, name in enumerate(SONGS):
        song(test / name, seed, seconds=0.5)
    plugin = tmp_path / "plugin.py"
    plugin.write_text(HOSTILE)
    run, words = tmp_path / "run", ["-s", "hostile", "-s", "hostile_names", "-s", "centre:as==cmd()", "-m", "usdr"]
    words += ["--datasets", str(tiny), "--dataset", "tiny", "--plugin", str(plugin), "-j", "1", "--save-estimates"]
    assert main(["run", *words, "-o", str(run)]) == 1
    assert main(["status", str(run)]) in (0, 1)
    pages = [word for name in SONGS[-2:] for word in ("--page", harmless(name, keep=""))]
    assert main(["report", str(run), "--format", "md,csv,tex,html", *pages]) == 0
    assert main(["results", "export", str(run), "--table", "failures", "-o", str(tmp_path / "failures.csv")]) == 0
    printed = capsys.readouterr()
    texts = {"printed": printed.out, "errors": printed.err, "log": (run / "logs" / "run.log").read_text()}
    files = [p for p in (run / "report").rglob("*") if p.suffix in (".md", ".csv", ".tex", ".html")]
    texts |= {str(file): file.read_text() for file in (*files, tmp_path / "failures.csv")}
    assert len(files) == 7 + 2
    for where, text in texts.items():
        assert not OBEYED.search(text), (where, OBEYED.search(text))
        assert not where.endswith(".html") or r"\x00 <script>" not in text
    with (tmp_path / "failures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["separator"] for row in rows} == {"hostile", "hostile_names"}
    assert {row["track"] for row in rows} == {"'=cmd()|x", *(harmless(name, keep="") for name in SONGS[1:])}
    assert not [text for row in rows for text in row.values() if text.startswith("=")]
