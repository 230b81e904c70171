"""Whole sessions in a real Chromium: by mouse, by keyboard alone, with a reload, two at once, on a phone."""

from __future__ import annotations

import json
import sqlite3

import pytest

from mss_bench.listening.questionnaire import Item
from mss_bench.listening.server.results import listeners_csv, opened

from .conftest import TRIALS, in_german, write_pack

SHORT = ["multi", "preference"]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


@pytest.fixture
def open_page(chromium):
    """Opens addresses, each in a browser profile of its own; no page may report an error or ask a third party."""
    contexts, problems = [], []

    def opened(url: str, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)  # each wait is for an event, however long a busy machine takes
        own = url.partition("/l/")[0].partition("/experimenter/")[0]
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if _is_problem(line) else None)
        page.on("request", lambda asked: None if asked.url.startswith(own) else problems.append(asked.url))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def _is_problem(line) -> bool:
    # a server that was killed on purpose is no problem of the page
    return line.type in ("error", "warning") and "ERR_CONNECTION" not in line.text


def _stored(server) -> dict[tuple[int, int], dict]:
    db = sqlite3.connect(server.database)
    try:
        rows = db.execute("SELECT listener, step, answer, ms FROM answers").fetchall()
    finally:
        db.close()
    return {(n, step): json.loads(answer) | {"ms": ms} for n, step, answer, ms in rows}


def _heading(page, text: str) -> None:
    page.wait_for_selector(f"h1:text-is('{text}')")


def _heard_the_level(page) -> None:
    page.wait_for_selector(".next[aria-disabled=false]")


def _begin(page) -> None:
    """Consent by mouse, up to the first trial."""
    page.check("[name=agreed]")
    page.click("text=Start")
    page.wait_for_selector(".signal")


def _hear_all(page) -> None:
    """Clicks each signal and stays until it was heard; the mixture may be left out."""
    page.wait_for_selector(".signal")  # the heading comes before the sounds are loaded
    for button in page.locator(".signal:not([aria-label='Mixture'])").all():
        button.click()
        page.wait_for_selector(f".signal.heard[aria-label='{button.get_attribute('aria-label')}']")


def _drag(page, slider, share: float) -> None:
    """Drags a slider to a share of its scale, upright or lying."""
    box = slider.bounding_box()
    if box["height"] > box["width"]:
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] - 13 - share * (box["height"] - 26)
        page.mouse.move(x, box["y"] + box["height"] - 13)
    else:
        x, y = box["x"] + 13 + share * (box["width"] - 26), box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 13, y)
    page.mouse.down()
    page.mouse.move(x, y, steps=3)
    page.mouse.up()


def _questions(page) -> None:
    _heading(page, "A few questions")
    for name in ("device", "room", "experience", "hearing"):
        page.locator(f"input[name={name}]").first.check()
    page.fill("textarea", "=1+1 <b>fine</b>")
    page.click("text=Finish")
    _heading(page, "Thank you")


def test_a_whole_session_by_mouse(tmp_path, serve, open_page) -> None:
    server = serve(write_pack(tmp_path / "voices", list(TRIALS)), "--listeners", "1")
    page = open_page(server.links["L001"])
    assert page.inner_text("h1") == "Voices <b>&"  # text, not HTML
    assert page.locator("main i").count() == 0
    page.check("[name=agreed]")
    page.click("text=Start")
    _heading(page, "Set the level")
    page.click(".play")
    _heard_the_level(page)
    page.click("text=Keep this level")
    _heading(page, "Training")
    page.wait_for_selector(".signal")
    page.click(".next", force=True)  # too early: it says what is missing, and stays
    assert "Still to listen to: 1, 2, 3, Reference. Still to grade: 1, 2, 3." in page.inner_text(".missing")
    _heading(page, "Training")
    _hear_all(page)
    for slider in page.locator("input[type=range]").all():
        _drag(page, slider, 0.5)
    page.click("text=Begin the test")

    _heading(page, "Trial 1 of 5")
    page.locator("input[type=range]").nth(2).wait_for()  # the heading may come before the sliders
    _hear_all(page)
    for share, slider in zip((0.2, 0.6, 0.0), page.locator("input[type=range]").all(), strict=True):
        _drag(page, slider, share)
    page.click(".next")
    for number, answer in ((2, "No difference"), (3, "X is B"), (4, "4 – good"), (5, "2 – poor")):
        _heading(page, f"Trial {number} of 5")
        _hear_all(page)
        if number in (2, 3):  # two sounds are compared, and neither is drawn
            assert page.locator(".waveform").count() == 0
            assert page.inner_text(".changed") == "The question is another one from here on."
        page.click(f"text={answer}")
        page.click(".next")
    _questions(page)

    stored = _stored(server)
    assert len(stored) == 5
    assert stored[0, 0]["scores"] == [pytest.approx(20, abs=2), pytest.approx(60, abs=2), 0]
    assert (stored[0, 1]["choice"], stored[0, 2]["choice"]) == (None, 1)
    assert (stored[0, 3]["scores"], stored[0, 4]["scores"]) == ([4], [2])
    assert all(heard >= 0.57 for one in stored.values() for heard in one["heard"])
    assert all(500 < one["ms"] < 600_000 for one in stored.values())


def test_a_whole_session_in_german_by_keyboard_alone(tmp_path, serve, open_page) -> None:
    folder = write_pack(tmp_path / "voices", list(TRIALS), training=False)
    age = Item(name="age", question="Wie alt sind Sie?", kind="number", low=18)
    tired = Item(name="tired", question="Wie müde sind Sie?", kind="scale", labels=("gar nicht", "sehr"))
    in_german(folder, Item(name="device"), age, tired)
    server = serve(folder, "--listeners", "1")
    page = open_page(server.links["L001"])
    assert page.evaluate("document.documentElement.lang") == "de"
    press = page.keyboard.press

    def tab_to(selector: str) -> None:
        for _ in range(40):
            if page.evaluate("(s) => document.activeElement.matches(s)", selector):
                return
            press("Tab")
        raise AssertionError(f"the Tab key does not lead to {selector}")

    def hear(keys: str) -> None:
        for key in keys:
            press(key)
            page.wait_for_selector(f".signal.heard[aria-keyshortcuts='{key}']")

    _heading(page, "Voices <b>&")
    tab_to("[name=agreed]")
    press("Space")
    tab_to(".next")
    press("Enter")
    _heading(page, "Lautstärke einstellen")
    page.wait_for_selector(".play")  # the heading is there before the sound
    press("Space")
    _heard_the_level(page)
    tab_to("[name=level]")
    for _ in range(6):
        press("ArrowLeft")
    tab_to(".next")
    press("Enter")

    _heading(page, "Durchgang 1 von 5")
    page.wait_for_selector(".signal")
    hear("0123")
    for key, moves in (("1", ["PageUp"] * 3), ("2", ["End", "ArrowDown"]), ("3", ["Home"])):
        press(key)  # goes to the slider, too
        for move in moves:
            press(move)
    assert page.locator("input[type=range]").nth(1).get_attribute("aria-valuetext") == "99, ausgezeichnet"
    tab_to(".next")
    press("Enter")
    for number, keys, arrows in ((2, "ab", 1), (3, "abx", 0), (4, "1", 2), (5, "12", 4)):
        _heading(page, f"Durchgang {number} von 5")
        page.wait_for_selector(".signal")
        hear(keys)
        tab_to("input[type=radio]")
        press("Space")
        for _ in range(arrows):
            press("ArrowDown")
        tab_to(".next")
        press("Enter")
    _heading(page, "Einige Fragen")
    tab_to("input[name=device]")
    press("Space")
    tab_to("input[name=age]")
    page.keyboard.type("42")
    tab_to("input[name=tired]")
    press("Space")
    press("ArrowDown")
    tab_to(".next")
    press("Enter")
    _heading(page, "Vielen Dank")

    stored = _stored(server)
    assert stored[0, 0]["scores"] == [30, 99, 0]
    assert [stored[0, k]["choice"] for k in (1, 2)] == [1, 0]
    assert [stored[0, k]["scores"] for k in (3, 4)] == [[3], [1]]
    with opened(folder) as (sitting, store):
        people = listeners_csv(sitting, store).splitlines()
    assert people[0].endswith("device,age,tired")
    assert people[1].endswith("headphones,42,2")  # one table for all languages


def test_a_reload_loses_nothing(tmp_path, serve, open_page) -> None:
    server = serve(write_pack(tmp_path / "voices", SHORT, training=False, level=False), "--listeners", "1")
    page = open_page(server.links["L001"])
    _begin(page)
    _hear_all(page)
    sliders = page.locator("input[type=range]")
    _drag(page, sliders.nth(0), 0.4)
    _drag(page, sliders.nth(1), 0.8)
    before = [sliders.nth(k).get_attribute("aria-valuetext") for k in range(3)]
    assert before[2] == "not graded yet"
    page.reload()
    page.wait_for_selector(".signal.heard")
    assert [sliders.nth(k).get_attribute("aria-valuetext") for k in range(3)] == before
    assert page.locator(".signal.heard").count() == 4

    server.stop(9)  # the server dies; what is sent now waits for it
    # The key that gives the lowest grade moves nothing, and counts though "Next" follows before any timer of the page.
    key = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Home', bubbles: true}));"
    sliders.nth(2).focus()
    with page.expect_event("requestfailed"):
        page.evaluate(f"() => {{ {key} document.querySelector('.next').click(); }}")
    page.wait_for_selector("text=No connection")
    server.start()
    _heading(page, "Trial 2 of 2")
    page.reload()
    _heading(page, "Trial 2 of 2")
    assert [answer["scores"][2] for answer in _stored(server).values()] == [0]


def test_loops_are_set_by_drag_and_by_keys(tmp_path, serve, open_page) -> None:
    server = serve(write_pack(tmp_path / "voices", SHORT, training=False, level=False, seconds=2.0), "--listeners", "1")
    page = open_page(server.links["L001"])
    _begin(page)
    box = page.locator(".waveform").bounding_box()

    def ends() -> list[float]:
        return [float(page.locator(f".handle.{which}").get_attribute("aria-valuenow")) for which in ("start", "end")]

    def drag(begin: float, end: float) -> None:
        page.mouse.move(box["x"] + begin * box["width"], box["y"] + 30)
        page.mouse.down()
        page.mouse.move(box["x"] + end * box["width"], box["y"] + 30, steps=4)
        page.mouse.up()

    drag(0.2, 0.7)
    assert ends() == [pytest.approx(0.4, abs=0.06), pytest.approx(1.4, abs=0.06)]
    drag(0.5, 0.55)  # shorter than half a second: made longer
    assert ends()[1] - ends()[0] == pytest.approx(0.5, abs=0.01)
    page.keyboard.press("\\")
    assert ends() == [0.0, 2.0]
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 30)  # a click goes there
    page.wait_for_selector(".time:text('1.0 /')")
    page.keyboard.press("]")
    assert ends() == [0.0, 1.0]
    page.locator(".handle.start").focus()
    page.keyboard.press("PageUp")
    assert ends() == [0.5, 1.0]  # pushed no nearer than half a second
    page.keyboard.press("l")
    assert page.locator("button:text-is('Loop')").get_attribute("aria-pressed") == "false"
    page.keyboard.press("Space")
    page.wait_for_selector(".play:text('Stop')")
    page.keyboard.press("Space")
    page.wait_for_selector(".play:text('Play')")


def test_two_listeners_at_once(tmp_path, serve, open_page) -> None:
    server = serve(write_pack(tmp_path / "voices", SHORT, training=False, level=False), "--listeners", "2")
    pages = [open_page(server.links[f"L00{k}"]) for k in (1, 2)]
    for page in pages:
        _begin(page)
    for share, page in zip((0.3, 0.9), pages, strict=True):
        _hear_all(page)
        for slider in page.locator("input[type=range]").all():
            _drag(page, slider, share)
    for page in pages:
        page.click(".next")
    for page in pages:
        _heading(page, "Trial 2 of 2")
    stored = _stored(server)
    assert stored[0, 0]["scores"] == [pytest.approx(30, abs=2)] * 3
    assert stored[1, 0]["scores"] == [pytest.approx(90, abs=2)] * 3
    experimenter = open_page(server.links["experimenter"])
    assert experimenter.locator("text=1 of 2").count() == 2
    with experimenter.expect_download() as download:
        experimenter.click("text=Ratings (CSV)")
    assert len(download.value.path().read_text().splitlines()) == 1 + 6


def test_a_phone(tmp_path, serve, open_page) -> None:
    server = serve(write_pack(tmp_path / "voices", SHORT, training=False, level=False), "--listeners", "1")
    page = open_page(server.links["L001"], **PHONE)
    _begin(page)
    for slider in page.locator("input[type=range]").all():
        box = slider.bounding_box()
        assert box["width"] > 120 > 40 < box["height"] < 60  # lying, and high enough for a finger
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for button in page.locator(".signal:not([aria-label='Mixture'])").all():
        assert button.bounding_box()["height"] >= 40
        button.tap()
        page.wait_for_selector(f".signal.heard[aria-label='{button.get_attribute('aria-label')}']")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".next").tap()
    _heading(page, "Trial 2 of 2")
    assert _stored(server)[0, 0]["scores"] == [pytest.approx(50, abs=2)] * 3
    other = open_page(server.links["experimenter"], **PHONE)
    assert other.evaluate("document.documentElement.scrollWidth") <= 390
