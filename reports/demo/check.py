"""Check the numbers of the example report: with each other, and with those of a run of the demo songs.

::

    python reports/demo/check.py               # every number that stands in several places is the same in all
    python reports/demo/check.py runs/demo     # and those of this run's methods and metrics are what it measured

The run may have fewer methods and metrics than the report, as one without options has. Ranks, verdicts, times and
memory are not compared: they depend on the other methods and on the machine.
"""

from __future__ import annotations

import html
import json
import math
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # pages share helpers: the package `reports`

from mss_bench.api import load
from mss_bench.cli.options import Parser, add_options, given
from mss_bench.core.parameters import Parameterized, param
from mss_bench.errors import MssBenchError, RunError
from mss_bench.report.idle import MOST_SAR
from mss_bench.report.options import Options, Style
from mss_bench.report.table import number
from reports.demo.make import HERE, SHOWN

__all__ = ["Check", "disagreements", "numbers", "problems"]

TOLERANCE = 0.02
"""Greatest difference to a run in the unit of a metric: other processors move iterative methods by 0.002 dB, and both
numbers are rounded."""

FRAME_TOLERANCE = 0.25
"""The same of single frames, of which a page has one decimal."""

Key = tuple[str, ...]
"""Group, metric, target, method, and what the number is."""

Numbers = dict[str, dict[Key, float]]
"""By the place where they stand."""

_NUMBER = re.compile(r"[-+−]?\d+(?:\.\d+)?")


def numbers(report: Path) -> Numbers:
    """Return the numbers of a report: of its page, Markdown, and the pages of its songs, by where they stand."""
    page = (report / "index.html").read_text(encoding="utf-8")
    text = (report / "report.md").read_text(encoding="utf-8")
    found = {
        "index.html": dict(_of_model(_model(page))),
        "index.html without script": dict(_of_tables(page, "")),
        "report.md": dict(_of_markdown(text, ranks=False)),
        "report.md, ranks": dict(_of_markdown(text, ranks=True)),
    }
    for file in sorted((report / "tracks").glob("*.html")):
        text = file.read_text(encoding="utf-8")
        song = html.unescape(re.findall(r"<title>(.*?)</title>", text)[0])
        found[f"tracks/{file.name}"] = dict(_of_song(_model(text), song))
        found[f"tracks/{file.name} without script"] = dict(_of_tables(text, song))
    return found


def _model(page: str) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(page.partition('id="model">')[2].partition("</script>")[0])
    return model


def _of_model(model: dict[str, Any]) -> Iterator[tuple[Key, float]]:
    names = [method["name"] for method in model["methods"]]
    for group in model["groups"]:
        for metric, column in ((m, c) for m in group["metrics"] for c in m["columns"]):
            place = (group["name"], metric["name"], column["name"])
            for k, name in enumerate(names[i] for i in column["of"]):
                for what in ("value", "low", "high", "gain"):
                    yield from _known((*place, name, what), column.get(what, {k: None})[k])
                if column["best"]:  # of a best, which may be another in a run of fewer methods
                    for what in ("difference", "difference_low", "difference_high"):
                        to = f"{what} to {names[column['best'][0]]}"
                        yield from _known((*place, name, to), column.get(what, {k: None})[k])
                for song, value in zip(group["songs"], column.get("songs", {k: 0})[k] or [], strict=False):
                    yield from _known((*place, name, song[0]), value)


def _of_song(model: dict[str, Any], song: str) -> Iterator[tuple[Key, float]]:
    names = [method["name"] for method in model["methods"]]
    for target in model["targets"]:
        place = (target["group"], target["metric"], target["name"])
        for what, key in ((song, "value"), ("value", "all")):
            for name, value in zip(names, target[key], strict=True):
                yield from _known((*place, name, what), value)
        for name, curve in zip(names, target["frames"], strict=False):
            for i, value in enumerate(curve or []):
                yield from _known((*place, name, f"{song}, frame {i}"), value)


def _known(key: Key, value: float | str | None) -> Iterator[tuple[Key, float]]:
    if value is not None:
        yield key, float(value)


def _cell(text: str) -> list[float]:
    return [float(digits.replace("−", "-")) for digits in _NUMBER.findall(text)]


def _method(text: str) -> str:
    """Return the name in a first cell, without marks of Markdown and the tag behind it."""
    return re.sub(r" \([a-z ]+\)$", "", re.sub(r"[\\*§‡¶†]", "", text).strip())


def _of_tables(page: str, song: str) -> Iterator[tuple[Key, float]]:
    """Read the tables for readers without script: a metric each, targets as columns."""
    shown = page.partition("<noscript>")[2].partition("</noscript>")[0]
    for title, table in re.findall(r'<h3 class="block">(.*?)</h3>.*?<table[^>]*>(.*?)</table>', shown, re.DOTALL):
        where, _, quantity = html.unescape(title).partition(": ")
        metric, group = re.split(r" \(|, ", quantity)[0], where.rpartition(", ")[2]
        head, *rows = (re.split(r"<t[hd][^>]*>", row)[1:] for row in table.split("<tr>")[1:])
        columns = [html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in head]
        for row in rows:
            name, *cells = (html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row)
            for column, values in zip(columns[1:], map(_cell, cells), strict=True):
                target, what = ("mean", "gain") if column == "gain" else (column, song or "value")
                yield from (((group, metric, target, _method(name), what), value) for value in values[:1])


def _of_markdown(text: str, *, ranks: bool) -> Iterator[tuple[Key, float]]:
    """Read the tables of targets, with metrics as columns, or those of ranks, with intervals."""
    group = metric = target = ""
    columns: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            columns = []
            title = line.strip("# ").replace("\\", "")
            where, _, what = title.partition(": ")
            if line.startswith("## "):
                group = ""
            elif line.startswith("### "):
                group, (target, metric) = where.rpartition(", ")[2], (re.split(r" \(|, ", what)[0], "")
            elif line.startswith("#### "):
                target, _, metric = title.rpartition(", ")
                target = "mean" if target == "mean over targets" else target
        elif line.startswith("| ") and not columns:
            columns = [cell.strip() for cell in line.strip("| ").split(" | ")]
        elif line.startswith("| ") and not line.startswith("| ---") and columns[0] == "separator" and group:
            name, *cells = line[2:].rstrip("| ").split(" | ")
            for column, values in zip(columns[1:], map(_cell, cells), strict=False):
                key = (group, metric or column.partition(" (")[0], target, _method(name))
                if ranks != bool(metric):
                    continue
                if column.startswith("gain ("):
                    yield from (((group, column[6:-1], target, key[3], "gain"), value) for value in values[:1])
                elif column == "interval":
                    yield from zip(((*key, "low"), (*key, "high")), values, strict=False)
                elif column == "value" or not metric:
                    yield from (((*key, "value"), value) for value in values[:1])


def disagreements(found: Numbers) -> Iterator[str]:
    """Yield, in words, numbers of a report that stand in several places and differ."""
    first: dict[Key, tuple[str, float]] = {}
    for place, own in found.items():
        for key, value in own.items():
            where, known = first.setdefault(key, (place, value))
            if abs(known - value) > 0.006:  # a page may have a digit more or less
                yield f"{_said(key)}: {value:g} in {place}, {known:g} in {where}"


def problems(found: Numbers, measured: Numbers) -> Iterator[str]:
    """Yield, in words, what a report and a run have otherwise of the methods and metrics that the run has."""
    keys = [key for own in measured.values() for key in own]
    methods, metrics = {key[3] for key in keys}, {key[1] for key in keys}
    for place, own in measured.items():
        shown = {k: v for k, v in found.get(place, {}).items() if k[3] in methods and k[1] in metrics}
        for key in dict.fromkeys([*own, *shown]):
            value, known = own.get(key, math.nan), shown.get(key, math.nan)
            if key[-1].startswith("difference") and not (key in own and key in shown):
                continue  # another is the best among other methods
            tolerance = FRAME_TOLERANCE if ", frame " in key[-1] else TOLERANCE
            if not (value == known or abs(known - value) <= tolerance or min(known, value) > MOST_SAR):
                yield f"{_said(key)}: {number(value)} in the run, {number(known)} in {place}"


def _said(key: Key) -> str:
    group, metric, target, method, what = key
    return f"{method}, {metric} of {target} ({group}), {what}"


class Check(Parameterized):
    """Compare the numbers of the example report with those of a run."""

    run: Path | None = param(None, flag="RUN", metavar="RUN", doc="A run of the demo songs.")
    report: Path = param(HERE, metavar="DIR", doc="Folder of the report (default: that of the script).")

    def check(self) -> str:
        """Return in a sentence what was compared; raise `RunError` where something differs."""
        found = numbers(self.report)
        wrong = list(disagreements(found))
        total = sum(map(len, found.values()))
        said = f"{total} numbers, the same wherever they stand"
        if self.run is not None:
            results = load(self.run)
            scored = {*results.tracks["metric"]}
            options = Options(
                metrics=tuple(name for name in SHOWN.split(",") if name in scored), pages=("all",),
                formats=("md", "html"), style=Style(by="target"),
            )  # fmt: skip
            with tempfile.TemporaryDirectory() as folder:
                results.report(folder, options=options)
                measured = numbers(Path(folder))
            wrong += problems(found, measured)
            said += f"; {sum(map(len, measured.values()))} of them as in {self.run}"
        if wrong:
            more = f" (and {len(wrong) - 5} more)" if len(wrong) > 5 else ""
            raise RunError(f"{self.report} has other numbers: {'; '.join(wrong[:5])}{more}; make it again with make.py")
        return said


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    add_options(parser, Check)
    try:
        print(Check(**given(parser.parse_args(), Check)).check())
    except MssBenchError as error:
        sys.exit(f"{sys.argv[0]}: {error}")
