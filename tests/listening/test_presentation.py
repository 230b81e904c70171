"""What a test's file says of the listeners' pages: questions, scales, the questionnaire, logo and colours."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.errors import ConfigError
from mss_bench.listening.appearance import contrast
from mss_bench.listening.pack import make_pack
from mss_bench.listening.pack_format import read_key, read_pack
from mss_bench.listening.plan import describe_plan

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 1"><rect width="4" height="1"/></svg>'
PAGES = """
language: de
instructions: Gut zuhören.
contact: labor@example.org
tasks:
  interference: {question: "Wie viel hören Sie vom Rest?", labels: [alles, die Hälfte, nichts]}
questionnaire:
  - device
  - {name: age, question: "Wie alt sind Sie?", kind: number, low: 18}
  - {name: tired, question: "Wie müde sind Sie?", kind: scale, points: 4, labels: [gar nicht, sehr]}
  - {name: remarks, question: "Noch etwas?", required: false}
appearance:
  logo: lab.svg
  laboratory: Klanglabor
  light: {accent: "#7a1f5c"}
"""


def test_a_pack_has_what_the_file_says_and_trains_each_task(write_design, tmp_path) -> None:
    (tmp_path / "lab.svg").write_text(SVG)
    design = write_design(PAGES + "excerpts: {count: 1, seconds: 1}\n", "two_attributes")
    design = design.with_values(listeners=3)  # a copy says the same
    assert write_design().with_values(listeners=3).questions() is None
    folder = make_pack(design, tmp_path, jobs=1, say=lambda _: None)
    pack = read_pack(folder)
    assert (pack.title, pack.instructions, pack.contact) == ("Hörversuch", "Gut zuhören.", "labor@example.org")
    quality, interference = pack.tasks
    assert quality.question.startswith("Bewerten Sie die Klangqualität")
    assert quality.labels[-1] == "ausgezeichnet"
    assert (interference.question, interference.labels) == (
        "Wie viel hören Sie vom Rest?",
        ["alles", "die Hälfte", "nichts"],
    )
    assert [question.name for question in pack.questions] == ["device", "age", "tired", "remarks"]
    device, age, tired, remarks = pack.questions
    assert (device.choices[0], device.values[0]) == ("Kopfhörer", "headphones")  # one table, whatever the language
    assert (age.low, age.high, remarks.required) == (18, None, False)
    assert (tired.choices, tired.values) == (["gar nicht", "2", "3", "sehr"], ["1", "2", "3", "4"])
    assert pack.look.logo.startswith("data:image/svg+xml;base64,")
    assert "--accent: #7a1f5c;" in pack.look.colours
    assert "dark" not in pack.look.colours
    assert [pack.trial(name).task for name in pack.training] == ["sound_quality", "interference"]
    key = read_key(folder)
    rated = {frozenset(key[f].system for f in trial.stimuli): trial for trial in pack.rated}
    for name in pack.training:  # what is trained is what is asked
        assert frozenset(key[f].system for f in pack.trial(name).stimuli) in rated


def test_the_pages_of_a_plan_need_no_translation_to_be_said(write_design, tmp_path) -> None:
    (tmp_path / "x.yaml").write_text("language: x1\ntrial: {training: T}\n".replace("x1", "eo"))
    told = describe_plan(write_design("language: x.yaml\n"))
    assert "texts have no translation and stay in English: test.title" in told
    assert "no translation" not in describe_plan(write_design("language: de\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks:\n  qualty: {question: Q, labels: [a, b]}", "unknown task of mushra 'qualty'; did you mean 'quality'?"),
        ("tasks:\n  quality: {question: Q}", "quality has a question of its own and 0 labels; expected 2 to 10 labels"),
        ("tasks:\n  quality: {labels: [a, b]}", "yaml:8: question is missing"),
        ("questionnaire: [device, devise]", "devise has no question; only device, room"),
        ("questionnaire: [device, device]", "two questions are called device"),
        ("questionnaire: [{name: Age, question: Q}]", "name is 'Age', expected small letters, digits and _"),
        ("questionnaire: [{name: stage, question: Q}]", "name is 'stage', expected small letters"),
        ("questionnaire: [{name: a, question: Q, kind: coice}]", "kind is 'coice', expected text, choice, number"),
        ("questionnaire: [{name: a, question: Q, kind: choice, choices: [x]}]", "expected two or more different"),
        ("questionnaire: [{name: a, question: Q, choices: [x, y]}]", "choices belongs to kind: choice, this is text"),
        ("questionnaire: [{name: a, question: Q, kind: scale, labels: [x]}]", "expected 2 or 5 words"),
        ("questionnaire: [{name: a, question: Q, kind: number, low: 5, high: 1}]", "expected less than high"),
        ("appearance: {logo: none.png, laboratory: L}", "none.png cannot be read: No such file"),
        ("appearance: {logo: none.png}", "expected what the logo says"),
        ("appearance: {logo: big.png, laboratory: L}", "big.png has 100 kB, expected at most 100"),
        ("appearance: {logo: text.png, laboratory: L}", "text.png is no PNG, JPEG or SVG"),
        ("appearance: {light: {accent: '#6db3ec'}}", "light: accent #6db3ec on #ffffff has a contrast of 2.26"),
        ("appearance: {dark: {text: '#333333'}}", "dark: text #333333 on #14191f has a contrast of 1.40"),
        ("appearance: {light: {accent: blue}}", "accent is 'blue', expected a colour such as '#0b62a4'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(write_design, tmp_path, text: str, message: str) -> None:
    (tmp_path / "big.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100_000))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ConfigError) as caught:
        write_design(text + "\n")
    assert message in str(caught.value)
    assert ".yaml:" in str(caught.value)


def test_grades_have_a_word_each_and_choices_none(write_design) -> None:
    for protocol, labels, told in (
        ("acr", "[a, b, c, d]", "4 labels; expected 5 labels"),
        ("votes", "[a, b]", "2 labels; expected none"),
    ):
        task = "quality" if protocol == "acr" else "best"
        with pytest.raises(ConfigError, match=told):
            write_design(f"tasks:\n  {task}: {{question: Q, labels: {labels}}}\n", protocol)


def test_contrast_is_that_of_wcag() -> None:
    # known pairs: pure colours on white
    for colour, ratio in (("#000000", 21.0), ("#ff0000", 3.998), ("#0000ff", 8.592), ("#767676", 4.542)):
        assert contrast(colour, "#ffffff") == pytest.approx(ratio, abs=1e-3)
        assert np.isclose(contrast("#ffffff", colour), contrast(colour, "#ffffff"))
