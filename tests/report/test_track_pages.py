"""Pages of single tracks: they link what the run kept, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path

import pytest

import mss_bench
from mss_bench.errors import RunError
from mss_bench.report.options import Options, Statistics

HOSTILE = '<img src=x onerror="document.title=1">'
PLAIN = Options(
    formats=("html",), metrics=("SDR", "SAR"), targets=("vocals", "drums"), statistics=Statistics(draws=100)
)


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


@pytest.fixture
def song(report: Path, open_page):
    """The page of the song with sounds."""
    return open_page((report / "tracks" / "test_Song_A.html").as_uri())


def test_songs_with_excerpts_and_named_ones_have_pages(run: Path, report: Path, open_page) -> None:
    assert [p.name for p in sorted((report / "tracks").glob("*"))] == ["test_Song_A.html"]
    folder = run.parent / "named"
    results = mss_bench.load(run)
    results.run["dataset"]["errata"] = {"Song B": "guitar <in> drums"}
    results.report(folder, options=PLAIN.with_values(pages=("all",)))
    assert [p.name for p in sorted((folder / "tracks").glob("*"))] == ["test_Song_A.html", "test_Song_B.html"]
    page, said = open_page((folder / "tracks" / "test_Song_A.html").as_uri())
    assert page.locator(".banner").count() == 0
    page.get_by_role("link", name="Next").click()
    assert page.locator(".banner").inner_text() == "Known erratum. guitar <in> drums"
    assert page.locator("#player").is_hidden()
    assert '--media "Song B"' in page.locator("#no-sound").inner_text()
    assert page.get_by_role("link", name="Next").count() == 0
    page.get_by_role("link", name="demo, test set" if "demo" in page.content() else "tiny, test set").click()
    page.locator("#songs-table").get_by_role("link", name="Song B").wait_for()
    assert said == []


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
    page = (_report(tmp_path / "run", PLAIN) / "tracks" / "test_Song_A.html").read_text()
    assert "irm.flac" not in page
    assert "mixture_unscaled.flac" in page


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('"schema": 2', '"schema": 9', "version 9, expected 2"), ("vocals-best/", "../../../", "lies outside the folder")],
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
        _report(tmp_path / "run", PLAIN)


def _until(page, expression: str) -> None:
    """Wait until an expression holds; `wait_for_function` would evaluate text, which the page's policy forbids."""
    deadline = time.monotonic() + 60
    while not page.evaluate(f"() => Boolean({expression})"):
        assert time.monotonic() < deadline, expression
        time.sleep(0.05)


def _audible(page) -> list[str]:
    return page.evaluate("sounds.filter((x) => !x.audio.muted).map((x) => x.name)")


def test_all_sounds_run_on_one_clock_equally_loud_and_keys_choose(song) -> None:
    page, said = song
    assert page.locator("#sounds label").count() == page.evaluate("sounds.length") >= 4
    page.keyboard.press("3")
    third = page.evaluate("sounds[2].name")
    assert page.locator("#sounds input:checked").input_value() == third
    page.keyboard.press(" ")
    _until(page, "sounds[2].audio.currentTime > 0.2")
    assert page.evaluate("sounds.every((x) => !x.audio.paused)")
    assert _audible(page) == [third]
    before = page.evaluate("sounds[2].audio.currentTime")
    page.keyboard.press("1")
    assert _audible(page) == ["mixture"]
    assert page.evaluate("sounds[0].audio.currentTime") > before - 0.1  # it goes on, and does not begin again
    page.keyboard.press(" ")
    _until(page, "sounds.every((x) => x.audio.paused)")
    heard = page.evaluate("sounds.map((x) => [x.loudness, 20 * Math.log10(x.audio.volume)])")
    levels = [loudness + gain for loudness, gain in heard if loudness is not None]
    assert max(levels) - min(levels) < max(0.2, max(loudness for loudness, _ in heard) - 20 - min(levels))
    assert max(gain for _, gain in heard) <= 0.0
    page.get_by_label("same loudness").uncheck()
    assert page.evaluate("sounds.every((x) => x.audio.volume === 1)")
    assert said == []


def test_a_click_on_a_waveform_goes_there_and_the_view_is_in_the_address(song) -> None:
    page, said = song
    track = page.locator("#sounds label").nth(1).locator(".track")
    box = track.bounding_box()
    track.click(position={"x": box["width"] / 2, "y": 5})
    _until(page, "sounds[1].audio.currentTime > 1.9")
    assert _audible(page) == ["reference"]
    page.get_by_role("button", name="Pause").click()
    page.locator("#excerpts button").nth(1).click()
    page.locator("#tools").get_by_role("button", name="drums").click()
    page.locator("#scores button.name", has_text="irm").click()
    assert "target=drums" in page.url
    pins = page.locator("#time-legend").inner_text()
    assert "irm" in pins
    page.reload()
    assert page.locator("#time-legend").inner_text() == pins
    assert page.locator("#listen-title").inner_text() == "Listen: drums"
    assert said == []


@pytest.mark.parametrize("context", [{}, {"color_scheme": "dark", "viewport": {"width": 412, "height": 900}}])
def test_names_stay_text_and_axe_finds_nothing(report: Path, open_page, accessible, context) -> None:
    page, said = open_page((report / "tracks" / "test_Song_A.html").as_uri(), **context)
    _until(page, "document.images[0].complete && document.images[0].naturalWidth > 0")
    page.locator("#picture").evaluate("image => image.remove()")
    assert page.locator("img").count() == 0
    assert page.get_by_text(HOSTILE).count() > 0
    assert page.title() == "Song A"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert accessible(page) == []
    assert said == []


def test_without_script_scores_and_sounds_are_there(report: Path, open_page) -> None:
    page, _ = open_page((report / "tracks" / "test_Song_A.html").as_uri(), java_script_enabled=False)
    assert page.locator("noscript audio").count() > 8
    assert page.locator("noscript table").first.locator("tr").count() > 3
