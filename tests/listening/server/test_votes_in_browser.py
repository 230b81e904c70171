"""A vote for the best of three in a real Chromium, by keyboard, and what it becomes in the table."""

from __future__ import annotations

import csv
import io

from mss_bench.listening.pack_format import read_key, read_pack, results_folder
from mss_bench.listening.server.flow import Sitting
from mss_bench.listening.server.results import ratings_csv
from mss_bench.listening.server.store import Store

from .conftest import write_pack


def test_the_best_of_three_is_chosen_by_keyboard(tmp_path, serve, chromium) -> None:
    pack = write_pack(tmp_path / "voices", ["votes"], listeners=1, training=False, level=False)
    server = serve(pack, "--listeners", "1")
    page = chromium.new_page(viewport={"width": 412, "height": 800})
    page.set_default_timeout(120_000)
    page.goto(server.links["L001"])
    page.check("[name=agreed]")
    page.click(".next")
    page.locator(".signal").nth(2).wait_for()
    assert page.locator(".waveform").count() == 0  # the eye is not asked
    for key in "123":
        page.keyboard.press(key)
        page.wait_for_selector(f".signal.heard[aria-keyshortcuts='{key}']")
    assert page.get_attribute(".next", "aria-disabled") == "true"  # every sound was heard, and none chosen
    page.focus("input[type=radio]")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.documentElement.scrollWidth") <= 412
    page.click(".next[aria-disabled=false]")
    page.wait_for_selector("textarea")
    page.close()
    server.stop()

    store = Store(results_folder(pack), Sitting(pack).checksum)
    rows = list(csv.DictReader(io.StringIO(ratings_csv(read_pack(pack), read_key(pack), store))))
    store.close()
    assert [(row["system"], row["score"], row["position"], row["task"]) for row in rows] == [
        ("one", "0", "0", "best"), ("two", "0", "1", "best"), ("three", "1", "2", "best"),
    ]  # fmt: skip
