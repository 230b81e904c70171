from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.reports.report import write_report

RUN = {
    "command": 'mss-bench run -s "<b>x</b>"',
    "packages": {"numpy": "2.0"},
    "seed": 0,
    "started": "2025-01-01T00:00:00Z",
    "extra": None,
}
QUANTITIES = [{"name": "SDR", "unit": "dB", "higher_is_better": True, "definition": "all distortion <together>"}]


class Page(HTMLParser):
    """Tags with their attributes, text, and whether every element is closed."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def report(run_tables, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "report"
    files = write_report(out, *run_tables, RUN, quantities=QUANTITIES)
    return out, files


def test_every_file_is_there_and_nothing_else(report) -> None:
    out, files = report
    on_disk = {p for p in out.rglob("*") if p.is_file()}
    assert set(files) == on_disk
    names = {p.name for p in files}
    assert {"report.md", "scores.csv", "tables.tex", "index.html", "demo_test_4stem_vocals_SDR.png"} <= names
    assert "demo_test_vocals_acc_cost.png" in names
    assert all(p.stat().st_size for p in files)


def test_the_page_is_well_formed_and_needs_no_network(report) -> None:
    text = (report[0] / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/png;base64,", "#")), (tag, value)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert {a["href"][1:] for _, a in page.tags if "href" in a} <= set(ids)
    assert all(a["alt"] for tag, a in page.tags if tag == "img")
    assert not re.search(r"url\(|@import|https?://", text)


def test_names_with_html_in_them_stay_text(report, awkward) -> None:
    page = Page((report[0] / "index.html").read_text(encoding="utf-8"))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert awkward[0] in "".join(page.text).replace("\n", " ")
    assert "<b>x</b>" in "".join(page.text)
    assert "all distortion <together>" in "".join(page.text)


def test_the_page_tells_failures_and_provenance(report) -> None:
    text = "".join(Page((report[0] / "index.html").read_text(encoding="utf-8")).text)
    assert "7 of 36" in text
    assert "killed by signal 11" in text
    assert "numpy: 2.0" in text
    assert "nan" not in re.sub(r"[^ ]*(NaN|isNaN)[^ ]*", "", text).lower().split()


def test_markdown_links_figures_that_exist(report) -> None:
    out, _ = report
    linked = re.findall(r"\]\((figures/.*?)\)", (out / "report.md").read_text(encoding="utf-8"))
    assert len(linked) == 8  # six targets and two cost plots
    assert all((out / path).is_file() for path in linked)


def test_the_same_tables_give_the_same_report(report, run_tables, tmp_path) -> None:
    out, files = report
    write_report(tmp_path, *run_tables, RUN, quantities=QUANTITIES)
    for path in files:
        assert (tmp_path / path.relative_to(out)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("which", ["empty", "failed", "one", "no cost"])
def test_thin_runs_are_reported(run_tables, tmp_path, which) -> None:
    tracks, failures, costs = run_tables
    if which == "empty":
        tracks, failures, costs = tracks.iloc[:0], failures.iloc[:0], costs.iloc[:0]
    elif which == "failed":
        tracks = tracks[tracks["separator"] == "broken"]
    elif which == "one":
        tracks = tracks[(tracks["separator"] == "repet_sim") & (tracks["track"] == "Song 0")]
    files = write_report(tmp_path, tracks, failures, costs if which != "no cost" else None)
    assert (tmp_path / "index.html") in files
    expected = {"empty": "No scores", "failed": "no value on any track", "one": "No floor", "no cost": "Failures"}
    assert expected[which] in (tmp_path / "report.md").read_text(encoding="utf-8")
    Page((tmp_path / "index.html").read_text(encoding="utf-8"))


def test_only_the_formats_asked_for_are_written(run_tables, tmp_path) -> None:
    files = write_report(tmp_path, *run_tables, RUN, formats=("csv", "tex"))
    assert sorted(p.name for p in files) == ["scores.csv", "tables.tex"]
    assert not (tmp_path / "figures").exists()


def test_bad_requests_are_refused_before_anything_is_written(run_tables, tmp_path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'html'"):
        write_report(tmp_path / "a", *run_tables, RUN, formats=("csv", "htm"))
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write the report to"):
        write_report(tmp_path / "file", *run_tables, RUN, formats=("csv",))


def test_a_file_that_cannot_be_replaced_leaves_no_temporary_one(run_tables, tmp_path) -> None:
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*scores\.csv"):
        write_report(tmp_path, *run_tables, RUN, formats=("csv",))
    assert [p.name for p in tmp_path.iterdir()] == ["scores.csv"]
