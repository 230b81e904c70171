"""Exports run in the players they are for, and what those send comes back."""

from __future__ import annotations

import csv
import functools
import html
import http.server
import json
import os
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from mss_bench.core import audio
from mss_bench.errors import ConfigError
from mss_bench.listening.catalogue import Catalogue
from mss_bench.listening.exports import export_pack
from mss_bench.listening.importers import import_ratings
from mss_bench.listening.pack import make_pack
from mss_bench.listening.pack_format import key_folder, read_key, read_pack
from mss_bench.listening.ratings import Role
from mss_bench.listening.sheets import RatingsError
from mss_bench.listening.webmushra import as_yaml, webmushra_config

# Everything that its parser is known to misread in another form.
HARD = {
    "testname": "Ä \"q\" \\ 'x' # no: yes\ttab 😀 {a} [b] & *c",
    "123e45678901": ["1e5", {"a": "no", "b": [["random", {"x": "123e45678901", "y": ["0123", "0x1f"]}]]}],
    "content": '<p>a</p>\n<br>: - # <audio src="a.wav">', "no": None, "t": True, "f": 0.5, "e": "", "l": [], "d": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def packs(finished_run, tmp_path_factory):
    """Packs of two systems and one item of a second, by protocol."""
    from mss_bench.listening.design import read_design

    folder = tmp_path_factory.mktemp("players")

    @functools.cache
    def make(protocol: str) -> Path:
        more = "remix_db: [6]\n" if protocol == "remix" else ""
        (folder / f"{protocol}.yaml").write_text(
            f"name: {protocol}\nprotocol: {protocol}\nrun: {finished_run}\ntarget: vocals\nlisteners: 1\n{more}"
            "systems: [centre, hpss_vocals]\nexcerpts: {count: 1, seconds: 1}\nreplicates: 0\ntitle: 'Stimmen: <b>&'\n"
        )
        return make_pack(read_design(folder / f"{protocol}.yaml"), folder, jobs=1, say=lambda _: None)

    return make


@pytest.fixture(scope="module")
def parse(chromium):
    """webMUSHRA's parser of YAML, which is the package yamljs, in a browser."""
    path = os.environ.get("MSS_BENCH_TEST_YAMLJS", "")
    if not path:
        pytest.skip("no yamljs; set MSS_BENCH_TEST_YAMLJS to dist/yaml.min.js of the npm package yamljs 0.3.0")
    page = chromium.new_page()
    page.add_script_tag(path=path)
    yield lambda text: page.evaluate("text => YAML.parse(text)", text)
    page.close()


@pytest.mark.parametrize("protocol", ["mushra", "two_attributes", "remix", "abx", "acr", "dcr", "peass"])
def test_webmushras_parser_reads_what_was_written(protocol: str, packs, parse, tmp_path: Path) -> None:
    made = export_pack(packs(protocol), tmp_path)
    text = made.config.read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    assert parse(text) == config
    assert parse(as_yaml(HARD)) == yaml.safe_load(as_yaml(HARD)) == HARD
    key, read = read_key(packs(protocol)), read_pack(packs(protocol))
    first = 2 + len(read.training)
    shuffled = config["pages"][first]
    assert shuffled[0] == "random"
    assert len(shuffled) == 1 + len(read.rated)  # "random" among them; the training pages stand before
    for page in [config["pages"][2], *shuffled[1:]]:
        paths = [*page["stimuli"].values(), *([page["reference"]] if "reference" in page else [])]
        assert all((tmp_path / path).is_file() for path in paths)
        systems = {key[f"audio/{name}.wav"].system for name in page["stimuli"]}
        if page["type"] == "mushra":  # without the hidden reference, which the player adds
            assert {"centre", "hpss_vocals"} < systems
            assert "reference" not in systems
        elif page["type"] == "paired_comparison":
            x = key[f"audio/{Path(page['reference']).name}"]
            assert {x.system, *systems} > {"reference"}
        assert ("First: <audio" in page["content"]) == (protocol == "dcr")
        assert ("From 100 down to 0 the scale means: nothing, little" in page["content"]) == (
            protocol == "two_attributes" and read.trial(page["id"]).task == "interference"
        )
    named = {Path(f).name for f in read.files()}
    if protocol == "abx":  # of A and B the one that X equals stays behind
        assert len(made.audio) - 2 * len(read.trials) in (0, 1)  # the level page may play one of those
    elif read.trials[0].kind == "multi":
        named -= {Path(f).name for f, signal in key.items() if signal.role == Role.REFERENCE}
    assert {file.name for file in made.audio} <= named
    assert protocol == "abx" or len(made.audio) == len(named)
    with pytest.raises(ConfigError, match="exists already"):
        export_pack(packs(protocol), tmp_path)


def _texts(pages: list) -> list[str]:
    """What stands on pages, beside the audio."""
    flat = [page for entry in pages for page in (entry[1:] if isinstance(entry, list) else [entry])]
    shown = [page[key] for page in flat for key in ("name", "content", "popupContent") if key in page]
    return shown + [field["label"] for page in flat for field in page.get("questionnaire", ())]


@pytest.mark.parametrize("protocol", ["abx", "dcr", "two_attributes"])
def test_every_text_of_an_export_is_of_the_packs_language(protocol: str, packs) -> None:
    own = {key: f"«{text}»" for key, text in Catalogue().texts.items() if isinstance(text, str)}
    made = read_pack(packs(protocol))
    tasks = [replace(task, question="«?»", labels=[f"«{label}»" for label in task.labels]) for task in made.tasks]
    trials = [replace(trial, title="«1»") for trial in made.trials]
    pack = replace(
        made, title="«»", instructions="«»", tasks=tasks, trials=trials, catalogue=Catalogue("fa", "rtl", own)
    )
    config = webmushra_config(pack, read_key(packs(protocol)), str)
    for text in _texts(config["pages"]):
        told = html.unescape(re.sub("<[^>]*>", "", text))
        assert re.sub("«.*?»|[:,. ]", "", told.replace("» «", "")) in ("", "»", "«»"), told
    rest = [text for text in _texts(config["pages"]) if "<" in text]
    assert rest
    assert all(text.startswith('<div dir="rtl">') for text in rest)
    assert config["language"] == "en"  # the player has no Persian
    assert webmushra_config(replace(pack, catalogue=Catalogue("de-AT")), read_key(packs(protocol)), str)[
        "language"
    ] == ("de")


def test_preference_goes_to_beaqlejs_and_comes_back(packs, tmp_path: Path) -> None:
    pack = packs("preference")
    with pytest.raises(ConfigError, match=r"webMUSHRA cannot ask for a preference.*--format beaqlejs"):
        export_pack(pack, tmp_path)
    made = export_pack(pack, tmp_path, "beaqlejs")
    assert "PrefTest" in made.how
    config = json.loads(made.config.read_text().removeprefix("var TestConfig = ").rstrip(";\n"))
    key = read_key(pack)
    [testset] = config["Testsets"]
    assert {key[f"audio/{Path(path).name}"].system for path in testset["Files"].values()} == {"centre", "hpss_vocals"}
    assert len(made.audio) == 2  # the training page stays behind
    shown = {"TestID": testset["TestID"], "PresentationOrder": "A=B, B=A", "Runtime": 5000, "Preference": "A"}
    person = {"UserName": "anna", "UserEmail": "", "UserComment": ""}
    (tmp_path / "anna.txt").write_text(json.dumps([shown, person]))
    table = import_ratings([tmp_path / "anna.txt"], pack=pack).ratings
    chosen = key[f"audio/{Path(testset['Files']['B']).name}"].system  # the button A played the file B
    assert table.set_index("system")["score"].to_dict() == {
        system: float(system == chosen) for system in ("centre", "hpss_vocals")
    }
    assert table.set_index("system")["position"][chosen] == 0
    assert set(table["listener"]) == {"anna"}
    (tmp_path / "bert.txt").write_text(json.dumps([{k: v for k, v in shown.items() if k != "Preference"}, person]))
    with pytest.raises(RatingsError, match="this pair was left unanswered"):
        import_ratings([tmp_path / "bert.txt"], pack=pack)


def test_sliders_of_beaqlejs_come_back(packs, tmp_path: Path) -> None:
    pack = packs("mushra")
    config = json.loads(
        export_pack(pack, tmp_path, "beaqlejs").config.read_text().removeprefix("var TestConfig = ").rstrip(";\n")
    )
    [testset] = config["Testsets"]
    ratings = {label: 10 * place for place, label in enumerate(testset["Files"])}
    record = {"TestID": testset["TestID"], "Runtime": 9, "rating": ratings, "filename": testset["Files"]}
    (tmp_path / "a.txt").write_text(json.dumps([record, {"UserName": ""}]))
    table = import_ratings([tmp_path / "a.txt"], pack=pack).ratings
    key = read_key(pack)
    expected = {key[f"audio/{name}.wav"].system: score for name, score in ratings.items() if name != "Reference"}
    assert table.set_index("system")["score"].to_dict() == expected | {"reference": ratings["Reference"]}
    assert set(table["listener"]) == {"a"}  # nobody gave a name: the file stands for the listener
    with pytest.raises(ConfigError, match="BeaqleJS has no page for abx"):
        export_pack(packs("abx"), tmp_path, "beaqlejs")
    (tmp_path / "abx.txt").write_text(json.dumps([True, False, {"UserName": ""}]))
    with pytest.raises(RatingsError, match="not of which trial"):
        import_ratings([tmp_path / "abx.txt"], pack=packs("abx"))


def test_files_that_players_cannot_play_together_are_refused(pack, tmp_path: Path) -> None:
    copy = tmp_path / pack.name
    shutil.copytree(pack, copy)
    shutil.copytree(key_folder(pack), key_folder(copy))
    path = copy / read_pack(copy).trials[0].reference
    audio.write(path, audio.read(path, 48000)[:, :-1], 48000, "PCM_24")
    with pytest.raises(ConfigError, match="2 channels, 143999 samples; webmushra needs all of a trial alike"):
        export_pack(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# What follows needs a checkout of webMUSHRA, whose licence keeps its code out of this repository.


@pytest.fixture
def webmushra(tmp_path: Path):
    """An installation of webMUSHRA on a server; exports go to its folder."""
    source = os.environ.get("MSS_BENCH_TEST_WEBMUSHRA", "")
    if not source:
        pytest.skip("no webMUSHRA; set MSS_BENCH_TEST_WEBMUSHRA to a checkout of it")
    folder = tmp_path / "webmushra"
    shutil.copytree(source, folder)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


PAGES = {  # how its service/write.php writes the responses of a page
    "mushra": (
        "mushra", ["session_uuid", "trial_id", "rating_stimulus", "rating_score", "rating_time", "rating_comment"],
        lambda s, t, r: [s["uuid"], t["id"], r["stimulus"], r["score"], r["time"], r.get("comment")],
    ),
    "likert_single_stimulus": (
        "lss", ["trial_id", "stimuli_rating", "stimuli", "rating_time"],
        lambda s, t, r: [t["id"], *r["stimulusRating"], r["stimulus"], r["time"]],
    ),
    "paired_comparison": (
        "paired_comparison",
        ["trial_id", "choice_reference", "choice_non_reference", "choice_answer", "choice_time", "choice_comment"],
        lambda s, t, r: [t["id"], r["reference"], r["nonReference"], r["answer"], r["time"], r.get("comment")],
    ),
}  # fmt: skip


def _written(session: dict, folder: Path) -> Path:
    name, columns, row = PAGES[session["trials"][0]["type"]]
    people = session["participant"]
    lines = [["session_test_id", *people["name"], *columns]]
    lines += [
        [session["testId"], *people["response"], *row(session, trial, response)]
        for trial in session["trials"]
        for response in trial["responses"]
    ]
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    return path


def _answer(page, wanted: dict[str, float]) -> None:
    """Answers the page that webMUSHRA shows, by the blinded names of its signals."""
    kind = page.evaluate("(pageManager.getCurrentPage().pageConfig || {}).type")
    if kind == "mushra":
        page.evaluate(
            "wanted => $('.scales').each(function() { $(this).slider('enable');"
            " $(this).val(wanted[this.name]).slider('refresh'); })", wanted
        )  # fmt: skip
    elif kind == "paired_comparison":
        own = page.evaluate("pageManager.getCurrentPage().condition.getId()")
        first = page.evaluate("pageManager.getCurrentPage().mushraAudioControl.getReferenceIndexOfConditions() === 0")
        letter = "a" if bool(wanted[own]) == first else "b"
        page.evaluate("letter => $('#radio-choice-' + letter).prop('checked', true).trigger('change')", letter)
    elif kind == "likert_single_stimulus":
        own = page.evaluate("pageManager.getCurrentPage().stimulus.getId()")
        page.click("text=Play")
        page.wait_for_function("() => !document.querySelector('#page_content input[type=radio]').disabled")
        page.evaluate(
            "value => $(`#page_content input[value='${value}']`).prop('checked', true).trigger('change')",
            str(round(wanted[own])),
        )


@pytest.mark.parametrize("protocol", ["mushra", "two_attributes", "peass", "remix", "abx", "acr", "dcr"])
def test_webmushra_runs_an_export_and_its_ratings_come_back(protocol, packs, webmushra, chromium, tmp_path) -> None:
    folder, url = webmushra
    pack = packs(protocol)
    export_pack(pack, folder)
    key, read = read_key(pack), read_pack(pack)
    files = [f for trial in read.trials for f in trial.stimuli]
    grades = {Path(f).stem: float(1 + n % 5) for n, f in enumerate(files)}
    if protocol == "abx":
        grades = {Path(f).stem: float(n % 2) for n, f in enumerate(files)}
    sent: list[dict] = []

    def receive(route) -> None:
        sent.append(json.loads(unquote(route.request.post_data.removeprefix("sessionJSON="))))
        route.fulfill(status=200, body="")

    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.route("**/service/write.php", receive)
    page.goto(f"{url}/index.html?config={protocol}.yaml")
    page.wait_for_function("() => pageManager && pageManager.getCurrentPage() && !$('.ui-loading').length")
    assert page.evaluate("errorHandler.getErrors()") == []
    for _ in range(2 + len(read.trials)):
        _answer(page, grades | {"reference": 5.0})
        page.click("#__button_next")
    assert problems == []
    page.fill("#listener", "anna")
    page.evaluate("$('#send_results').prop('disabled', false)")
    page.click("#send_results")
    page.close()
    table = import_ratings([_written(sent[0], tmp_path)], pack=pack).ratings
    rated = read.rated
    assert set(table["trial"]) == {trial.id for trial in rated}
    for trial in rated:
        scores = table[table["trial"] == trial.id].set_index("system")["score"].to_dict()
        if trial.kind == "abx":
            x = key[trial.stimuli[2]].system
            [other] = [f for f in trial.stimuli[:2] if key[f].system != x]
            [score] = scores.values()
            assert score == grades[Path(other).stem]
        else:
            hidden = {"reference": 5.0} if trial.kind == "multi" else {}
            assert scores == {key[f].system: grades[Path(f).stem] for f in trial.stimuli} | hidden
