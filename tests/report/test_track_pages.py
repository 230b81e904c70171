"""Pages of single tracks: they link what the run kept, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from urllib.parse import unquote

import pytest

import mss_bench
from mss_bench.errors import RunError
from mss_bench.report.options import Options, Statistics

HOSTILE = '<img src=x onerror="document.title=1">'
PLAIN = Options(
    formats=("html",), metrics=("SDR", "SAR"), targets=("vocals", "drums"),
    statistics=Statistics(draws=100),
)  # fmt: skip
BARE = PLAIN


@pytest.fixture(scope="module")
def run(kept: Path, tmp_path_factory) -> Path:
    """The run with excerpts, a method of which has HTML in its name."""
    folder = tmp_path_factory.mktemp("pages") / "run & 1"
    shutil.copytree(kept, folder)
    media = folder / "media" / "test" / "Song A" / "media.json"
    media.write_text(_unsigned(media).replace('"name": "centre"', f'"name": {json.dumps(HOSTILE)}'))
    return folder


def _unsigned(file: Path) -> str:
    """Return a JSON file's text without its checksum, so that it can be changed."""
    return re.sub(r',\n "checksum": "\w+"\n}$', "\n}", file.read_text())


def _report(run: Path, options: Options = PLAIN) -> Path:
    results = mss_bench.load(run)
    for table in (results.tracks, results.costs):
        table["separator"] = table["separator"].replace("centre", HOSTILE)
    results.report(options=options)
    return run / "report"


@pytest.fixture(scope="module")
def report(run: Path) -> Path:
    return _report(run)


@pytest.fixture(scope="module")
def pages(report: Path, chromium):
    """Opens a page of the report; what its console said and what was thrown comes with it."""
    opened = []

    def open_page(name: str):
        page = chromium.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda r: said.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.goto((report / name).as_uri())
        opened.append(page)
        return page, said

    yield open_page
    for page in opened:
        page.close()


def test_tracks_with_excerpts_and_named_ones_have_pages(run: Path, report: Path) -> None:
    assert [p.name for p in sorted((report / "tracks").glob("*.html"))] == ["test_Song_A.html"]
    folder = run.parent / "named"
    results = mss_bench.load(run)
    results.run["dataset"]["errata"] = {"Song B": "guitar <in> drums"}
    results.report(folder, options=BARE.with_values(pages=("Song B",)))
    assert [p.name for p in sorted((folder / "tracks").glob("*.html"))] == ["test_Song_A.html", "test_Song_B.html"]
    text = (folder / "tracks" / "test_Song_B.html").read_text()
    assert "<audio" not in text
    assert text.count("<figure") == 2  # frames of vocals and drums
    assert '<p class="erratum"><b>Known erratum.</b> guitar &lt;in&gt; drums</p>' in text
    assert "erratum" not in (folder / "tracks" / "test_Song_A.html").read_text()


def test_sounds_of_another_state_of_the_run_are_left_out(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    file = tmp_path / "run" / "media" / "test" / "Song A" / "media.json"
    about = json.loads(file.read_text())
    for target in about["targets"]:
        for excerpt in target["excerpts"]:
            for sound in excerpt["sounds"]:
                if sound["name"] == "irm":
                    sound["estimate_key"] = "0" * 40
    file.write_text(json.dumps(about))
    page = (_report(tmp_path / "run", BARE) / "tracks" / "test_Song_A.html").read_text()
    assert "irm.flac" not in page
    assert "mixture_unscaled.flac" in page


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('"schema": 1', '"schema": 9', "version 9, expected 1"), ("vocals-best/", "../../../", "lies outside the folder")],
)
def test_damaged_media_are_refused_by_name(run: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    shutil.copytree(run / "media", tmp_path / "run" / "media")
    for file in [*run.glob("*.parquet"), run / "run.json"]:
        shutil.copy(file, tmp_path / "run")
    file = tmp_path / "run" / "media" / "test" / "Song A" / "media.json"
    text = _unsigned(file)
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(RunError, match=f"{file}.*{said}.*delete"):
        _report(tmp_path / "run", BARE)


def _wait(page, expression: str) -> None:
    """Wait until an expression holds; `wait_for_function` would evaluate text, which the page's policy forbids."""
    deadline = time.monotonic() + 300
    while not page.evaluate(f"() => Boolean({expression})"):
        assert time.monotonic() < deadline, expression
        time.sleep(0.05)


def test_the_page_of_a_track_shows_and_plays(pages) -> None:
    page, said = pages("tracks/test_Song_A.html")
    page.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    _wait(page, "[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    sounds = page.locator("audio")
    assert sounds.count() > 10
    _wait(page, "document.title")
    played = page.evaluate(
        """async () => {
          const [first, second] = document.querySelectorAll("audio");
          for (const sound of [first, second]) {
            sound.muted = true;
            await sound.play();
            await new Promise((resolve) => sound.addEventListener("timeupdate", resolve, { once: true }));
          }
          return [first.duration, second.currentTime, first.paused, second.paused];
        }"""
    )
    assert played[0] == pytest.approx(4.0, abs=0.01)
    assert played[1] > 0
    assert played[2:] == [True, False]  # one sound at a time
    assert said == []


def test_names_with_html_in_them_stay_text(pages) -> None:
    for name in ("index.html", "tracks/test_Song_A.html"):
        page, said = pages(name)
        assert page.get_by_text(HOSTILE).count() > 0
        assert page.locator("img[src=x]").count() == 0
        assert page.title() != "1"
        assert said == []


def test_the_page_filters_by_method_target_and_metric(pages) -> None:
    page, said = pages("index.html")
    rows = page.locator("#group-0 table.sortable >> nth=0 >> tbody tr:visible th")
    assert rows.count() == 4
    page.get_by_label("Separator").fill("MIXTURE_un")
    assert [text.split()[0] for text in rows.all_inner_texts()] == ["mixture_unscaled"]
    assert page.locator("output").inner_text() == "1 of 4 methods"
    heads = page.locator("#group-0 table.sortable >> nth=0 >> thead th:visible")
    before = heads.count()
    page.get_by_label("Target").select_option("drums")
    assert heads.count() == before - 1
    page.get_by_label("Metric").select_option("SAR")
    assert page.locator("#group-0 h3:visible").all_inner_texts() == ["SAR (dB), 2 tracks"]  # unfolded
    page.get_by_role("button", name="Clear").click()
    _wait(page, "document.querySelector('output').textContent === '4 of 4 methods'")
    assert rows.count() == 4
    assert heads.count() == before
    assert said == []


def test_the_table_sorts_both_ways_and_what_is_filtered_stays_hidden(pages) -> None:
    page, said = pages("index.html")
    table = page.locator("#group-0 table.sortable >> nth=0")
    names = table.locator("tbody.methods tr:visible th")
    page.get_by_label("Separator").fill("mixture")
    head = table.get_by_role("button", name="vocals")
    orders = []
    for _ in range(2):
        head.click()
        orders.append([text.split()[0] for text in names.all_inner_texts()])
    assert orders[0] == ["mixture", "mixture_unscaled"]
    assert orders[1] == orders[0][::-1]
    assert said == []


def test_the_report_links_the_page_of_the_track(pages, report: Path) -> None:
    page, said = pages("index.html")
    page.get_by_role("link", name="Song A").click()
    page.wait_for_selector("audio", state="attached")
    assert unquote(page.url).endswith("/run & 1/report/tracks/test_Song_A.html")
    page.get_by_role("link", name="Report").click()
    page.wait_for_selector("#failures")
    assert said == []
