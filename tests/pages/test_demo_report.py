"""The example report: a number that is edited in any of its files is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mss_bench.errors import RunError
from reports.demo.check import Check, Numbers, disagreements, numbers, problems
from reports.demo.make import HERE


@pytest.fixture(scope="module")
def committed() -> Numbers:
    return numbers(HERE)


def test_the_committed_numbers_are_the_same_wherever_they_stand(committed: Numbers) -> None:
    assert list(disagreements(committed)) == []
    assert len(committed["index.html"]) > 10_000
    # Each table of each method, in Markdown and for readers without script, is also a number of the page.
    for place in ("report.md", "report.md, ranks", "index.html without script"):
        assert {*committed[place]} <= {*committed["index.html"]}


@pytest.mark.parametrize(
    ("file", "old", "new", "where"),
    [
        ("report.md", "| sinusoids | +2.58 | 4.09 |", "| sinusoids | +2.58 | 4.19 |", "4.19 in report.md"),
        (
            "report.md",
            "| sinusoids | 4.09 | −2.40 to 9.36 |",
            "| sinusoids | 4.09 | −2.40 to 9.63 |",
            "9.63 in report.md, ranks",
        ),
        ("index.html", "<tr><th>kam<td>1.31<td>", "<tr><th>kam<td>1.32<td>", "index.html without script"),
        ("index.html", '"value":[7.99,3.01,', '"value":[7.98,3.01,', "demo_net, SDR of vocals (4stem), value"),
    ],
)
def test_an_edited_number_is_named(
    file: str, old: str, new: str, where: str, tmp_path: Path, committed: Numbers
) -> None:
    shutil.copytree(HERE, tmp_path / "demo", ignore=shutil.ignore_patterns("tracks", "*.py"))
    edited = tmp_path / "demo" / file
    text = edited.read_text(encoding="utf-8")
    assert old in text
    edited.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(RunError, match="has other numbers: ") as raised:
        Check(report=tmp_path / "demo").check()
    assert where in str(raised.value)
    # A run without options has fewer methods and metrics, and is within rounding on another machine.
    run = {
        place: {
            key: value + 0.004 for key, value in own.items() if key[3] in ("kam", "demo_net") and key[1] != "2f"
        }
        for place, own in committed.items()
    }  # fmt: skip
    assert list(problems(committed, run)) == []
    key = ("4stem", "SDR", "vocals", "kam", "value")
    run["index.html"][key] += 0.1
    assert list(problems(committed, run)) == ["kam, SDR of vocals (4stem), value: 0.48 in the run, 0.38 in index.html"]
    del run["index.html"][key]
    assert list(problems(committed, run)) == ["kam, SDR of vocals (4stem), value: – in the run, 0.38 in index.html"]
