"""Every page that a listener or an experimenter sees: nothing is cut, and axe-core finds no fault."""

from __future__ import annotations

import json

from mss_bench.listening.pack_format import results_folder
from mss_bench.listening.questionnaire import Item
from mss_bench.listening.server.flow import Sitting, Stage
from mss_bench.listening.server.store import Store

from .conftest import TRIALS, VOTES, in_german, valid_answer, write_pack

CUT = """[...document.querySelectorAll("main *:not(.hidden, thead)")].filter((e) => e.clientWidth
  && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible").map((e) => e.outerHTML)"""
WIDE, PHONE = (1280, "light"), (412, "dark")


def _mirrored(folder) -> None:
    """Write the pages from right to left, whatever the words."""
    raw = json.loads((folder / "pack.json").read_text())
    raw["catalogue"]["direction"] = "rtl"
    raw |= {"contact": "lab@example.org", "look": {"logo": "", "laboratory": "", "colours": ""}}
    (folder / "pack.json").write_text(json.dumps(raw))


def test_nothing_is_cut_and_axe_finds_nothing(tmp_path, serve, chromium, accessible) -> None:
    folder = write_pack(tmp_path / "voices", [*TRIALS, *VOTES])
    tired = Item(name="tired", question="Wie müde sind Sie?", kind="scale", points=11, labels=("gar nicht", "sehr"))
    in_german(folder, Item(name="device"), tired, Item(name="age", question="Alter?", kind="number"))
    _mirrored(folder)
    server = serve(folder, "--listeners", "1", "--open", "1", "--headphone-check", "--ask-name")
    sitting = Sitting(folder)
    store = Store(results_folder(folder), sitting.checksum)
    page = chromium.new_page()
    seen: list[str] = []

    def look(address: str, ready: str = "h1") -> None:
        page.goto(address)
        page.wait_for_selector(ready)
        seen.append(page.inner_text("h1"))
        modes = [WIDE, PHONE] if len(seen) % 2 else [PHONE, WIDE]
        for width, scheme in modes:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, seen[-1]
            assert page.evaluate(CUT) == [], seen[-1]
        assert accessible(page) == [], seen[-1]  # in the mode that was looked at last: each in every other page

    link, base = server.links["L001"], server.links["experimenter"].partition("/experimenter")[0]
    look(f"{base}/l/nothing/")
    look(f"{base}/join/{store.join}")
    look(server.links["experimenter"])
    for stage, ready in ((Stage.CONSENT, "[name=name]"), (Stage.LEVEL, ".play"), (Stage.HEADPHONES, "[name=quietest]")):
        store.advance(store.listeners()[0], stage=stage)
        look(link, ready)
    store.advance(store.listeners()[0], stage=Stage.TRAINING)
    look(link, ".signal")
    store.advance(store.listeners()[0], stage=Stage.TRIALS)
    for step in range(sitting.steps(store.listeners()[0])):
        look(link, ".signal")
        trial, _ = sitting.trial(store.listeners()[0], step)
        if trial.kind == "multi":
            # On a phone the words of the scale run from right to left, and so do its sliders and their keys.
            page.set_viewport_size({"width": PHONE[0], "height": 900})
            slider = page.locator(".column input").first
            before = int(slider.input_value())
            for key, change in (("ArrowLeft", 1), ("ArrowUp", 2), ("ArrowRight", 1)):
                slider.press(key)
                assert int(slider.input_value()) == before + change, key
        store.save(
            store.listeners()[0], step, f"submission-{step:06d}", trial.id, valid_answer(trial), 1000.0, last=False,
            after="",
        )  # fmt: skip
    for stage, ready in ((Stage.QUESTIONNAIRE, "[name=tired]"), (Stage.DONE, "p"), (Stage.REFUSED, "p")):
        store.advance(store.listeners()[0], stage=stage)
        look(link, f"body[data-stage={stage}] {ready}")
    store.close()
    page.close()
    assert len(seen) == 16
    assert seen[3:6] == ["Voices <b>&", "Lautstärke einstellen", "Kopfhörer"]
