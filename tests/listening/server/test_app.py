"""The routes: the way through a test, and what is refused."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from flask.testing import FlaskClient

from mss_bench.errors import ConfigError
from mss_bench.listening.catalogue import read_catalogue
from mss_bench.listening.pack_format import key_folder, read_pack, results_folder
from mss_bench.listening.server import flow
from mss_bench.listening.server.app import MAX_BODY, create_app
from mss_bench.listening.server.flow import ServeOptions, Sitting
from mss_bench.listening.server.store import Store

from .conftest import USUAL_ANSWERS, valid_answer


class Client(FlaskClient):
    """Reads each response to its end, and closes its file."""

    def open(self, *args, **options):
        return super().open(*args, **options | {"buffered": True})


@pytest.fixture
def start(pack):
    """Makes an application: its client, its store, its sitting, and the page of a listener."""
    stores = []

    def make(**options):
        sitting = Sitting(pack, ServeOptions(**options))
        store = Store(results_folder(pack), sitting.checksum)
        stores.append(store)
        listener = store.add(sitting.stages[0])
        app = create_app(sitting, store)
        app.test_client_class = Client
        return app.test_client(), store, sitting, f"/l/{listener.token}"

    yield make
    for store in stores:
        store.close()


def _until_trials(client, page: str) -> dict:
    client.post(f"{page}/api/consent", json={"agreed": True})
    client.post(f"{page}/api/level", json={"level_db": -6})
    return client.post(f"{page}/api/training", json={"step": -1}).get_json()["state"]


def test_a_whole_session(start) -> None:
    client, store, sitting, page = start(completion_url="https://example.org/done?cc=42")
    state = client.get(f"{page}/api/state").get_json()
    assert (state["stage"], state["steps"]) == ("consent", 6)
    assert "done?cc" not in json.dumps(state)  # nobody is paid before the end
    state = _until_trials(client, page)
    assert state["level_db"] == -6
    for step in range(6):
        assert (state["stage"], state["step"], state["trial"]["step"]) == ("trials", step, step)
        listener = store.listeners()[0]
        trial, _ = sitting.trial(listener, step)
        for place in [*range(state["trial"]["signals"]), *(["reference"] if state["trial"]["reference"] else [])]:
            sound = client.get(f"{page}/audio/{step}/{place}")
            file = trial.reference if place == "reference" else trial.stimuli[place]
            assert sound.data == (sitting.folder / file).read_bytes()
        reply = client.post(f"{page}/api/trials/{step}", json=valid_answer(trial))
        assert reply.status_code == 200
        state = reply.get_json()["state"]
    assert state["stage"] == "questionnaire"
    state = client.post(f"{page}/api/questionnaire", json=USUAL_ANSWERS).get_json()["state"]
    assert (state["stage"], state["completion_url"]) == ("done", "https://example.org/done?cc=42")
    assert store.listeners()[0].finished is not None


def test_a_browser_is_not_told_what_is_what(start) -> None:
    client, store, sitting, page = start()
    state = _until_trials(client, page)
    seen = json.dumps(state)
    for step in range(6):
        trial, _ = sitting.trial(store.listeners()[0], step)
        reply = client.post(f"{page}/api/trials/{step}", json=valid_answer(trial))
        seen += reply.text
    head = str(client.get(f"{page}/audio/level").headers)
    secrets = [t.id for t in sitting.pack.trials] + [t.title for t in sitting.pack.trials]
    secrets += [f.partition("/")[2].removesuffix(".wav") for f in sitting.pack.files()]
    for secret in [*secrets, "replicate", "lowpass", "Song"]:
        assert secret not in seen + head


@pytest.mark.parametrize(
    "path",
    [
        "audio/0/../../../voices.key/key.json", "audio/0/..%2f..%2fpack.json", "audio/0/9", "audio/0/-1", "audio/5/0",
        "audio/-2/0", "audio/99/0", "audio/0/key.json", "pack.json", "../pack.json", "api/trials/0/key",
        "audio/headphones/0",
    ],
)  # fmt: skip
def test_nothing_but_the_listeners_own_signals_is_served(path: str, start) -> None:
    client, _, _, page = start()
    _until_trials(client, page)
    assert client.get(f"{page}/{path}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/voices.key/key.json", "/static/../app.py", "/static/..%2f..%2fstore.py", "/pack.json", "/audio/x.wav"]
)
def test_no_other_file_is_served(path: str, start) -> None:
    client, *_ = start()
    assert client.get(path).status_code == 404


def test_a_link_out_of_the_pack_is_refused(pack, tmp_path) -> None:
    file = pack / next(iter(read_pack(pack).files()))
    (tmp_path / "secret.wav").write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(tmp_path / "secret.wav")
    with pytest.raises(ConfigError, match="leads out of the pack"):
        Sitting(pack)


def test_13_signals_in_a_trial_are_refused(pack) -> None:
    raw = json.loads((pack / "pack.json").read_text())
    trial = raw["trials"][-1]  # the training page, which is in no listener's order
    trial["stimuli"] = trial["stimuli"][:1] * 12
    (pack / "pack.json").write_text(json.dumps(raw))
    with pytest.raises(ConfigError, match="has 13 signals, a listener can compare 12"):
        Sitting(pack)


@pytest.mark.parametrize("path", ["/l/{}/", "/l/{}/api/state", "/experimenter/{}/", "/experimenter/{}/ratings.csv"])
@pytest.mark.parametrize("token", ["wrong", "x" * 43, "%00", "ü", "x" * 5000])
def test_a_wrong_token_opens_nothing(path: str, token: str, start) -> None:
    client, *_ = start()
    assert client.get(path.format(token)).status_code == 404


def test_a_listeners_token_does_not_open_the_experimenters_page(start) -> None:
    client, store, _, page = start()
    assert client.get(f"/experimenter/{page[3:]}/").status_code == 404
    assert client.get(f"/experimenter/{store.join}/").status_code == 404
    assert client.get(f"/l/{store.experimenter}/").status_code == 404


def test_bad_answers_are_told_and_change_nothing(start) -> None:
    client, store, sitting, page = start()
    early = client.post(f"{page}/api/trials/0", json={})
    assert early.status_code == 409
    _until_trials(client, page)
    trial, _ = sitting.trial(store.listeners()[0], 0)
    good = valid_answer(trial)
    where = f"{page}/api/trials/0"
    later = valid_answer(sitting.trial(store.listeners()[0], 3)[0])
    tries = [
        (client.post(where, json=good | {"scores": [140, 1, 1]}), 422, "140"),
        (client.post(where, json=good | {"scores": [1] * 13}), 400, "13 values"),
        (client.post(where, data="{", content_type="application/json"), 400, "no JSON"),
        (client.post(where, data="[" * 20000, content_type="application/json"), 400, "no JSON"),
        (client.post(where, data=b"\xff\xfe", content_type="application/json"), 400, "no JSON"),
        (client.post(where, data=json.dumps(good)), 415, "application/json"),
        (client.post(where, data=b" " * (MAX_BODY + 1), content_type="application/json"), 413, "More was sent"),
        (client.post(f"{page}/api/trials/3", json=later), 409, "expected trial 1"),
        (client.post(f"{page}/api/trials/6", json=good), 404, "has 6"),
        (client.post(f"{page}/api/level", json={"level_db": -6}), 409, "level"),
    ]  # fmt: skip
    for reply, status, text in tries:
        assert reply.status_code == status
        assert text in reply.get_json()["error"]
    assert store.answers() == []
    assert client.post(where, json=good).status_code == 200
    assert client.post(where, json=good).get_json()["new"] is False
    assert client.post(where, json=good | {"id": "f" * 16}).status_code == 409
    assert len(store.answers()) == 1


def test_the_pages_carry_the_protecting_headers(start) -> None:
    client, store, _, page = start()
    for path in (
        f"{page}/",
        f"/experimenter/{store.experimenter}/",
        "/nothing",
        f"{page}/api/state",
        "/static/trial.js",
    ):
        reply = client.get(path)
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy  # no third party
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert not re.search(r"<script(?! type=\"module\" src=\"/static)|\sstyle=|\son\w+=|https?://", reply.text) or (
            path.startswith("/static")
        )
    assert client.get(f"{page}/api/state").headers["Cache-Control"] == "no-store"


def test_texts_are_escaped(start) -> None:
    client, store, _, page = start(open_places=1)
    for path in (f"{page}/", f"/experimenter/{store.experimenter}/", f"/join/{store.join}"):
        text = client.get(path).text
        assert "Voices &lt;b&gt;&amp;" in text
        assert "<b>" not in text
        assert "<i>" not in text


def test_names_are_stored_only_where_asked(start) -> None:
    client, store, _, page = start()
    assert client.post(f"{page}/api/consent", json={"agreed": True, "name": "Ann"}).status_code == 400
    assert client.post(f"{page}/api/consent", json={"agreed": False}).status_code == 422
    assert store.listeners()[0].name == ""
    client, store, _, _ = start(ask_name=True)
    page = f"/l/{store.listeners()[1].token}"
    assert client.post(f"{page}/api/consent", json={"agreed": True}).status_code == 400
    assert client.post(f"{page}/api/consent", json={"agreed": True, "name": "=Ann"}).status_code == 200
    people = client.get(f"/experimenter/{store.experimenter}/listeners.csv").text.splitlines()
    assert people[0].endswith(",name")
    assert people[2].endswith(",'=Ann")  # no formula


def test_the_headphone_check_lets_pass_who_hears_the_quiet_tone(start) -> None:
    client, store, _, page = start(headphone_check=True)
    client.post(f"{page}/api/consent", json={"agreed": True})
    client.post(f"{page}/api/level", json={"level_db": 0})
    assert client.get(f"{page}/audio/headphones/5").data[:4] == b"RIFF"
    assert client.get(f"{page}/audio/headphones/6").status_code == 404
    assert client.post(f"{page}/api/headphones", json={"answers": [0, 1]}).status_code == 400
    by_loudspeaker = [o.index("antiphase") for o in flow.tone_orders(store.listeners()[0])]
    state = client.post(f"{page}/api/headphones", json={"answers": by_loudspeaker}).get_json()["state"]
    assert (state["stage"], state["attempts"]) == ("headphones", 1)
    right = [o.index("quiet") for o in flow.tone_orders(store.listeners()[0])]
    right[0] = (right[0] + 1) % 3
    assert client.post(f"{page}/api/headphones", json={"answers": right}).get_json()["state"]["stage"] == "training"


def test_the_headphone_check_ends_after_two_tries(start) -> None:
    client, store, _, page = start(headphone_check=True)
    client.post(f"{page}/api/consent", json={"agreed": True})
    client.post(f"{page}/api/level", json={"level_db": 0})
    for _ in range(2):
        wrong = [o.index("same") for o in flow.tone_orders(store.listeners()[0])]
        state = client.post(f"{page}/api/headphones", json={"answers": wrong}).get_json()["state"]
    assert state["stage"] == "refused"
    assert "no headphones" in client.get(f"/experimenter/{store.experimenter}/").text


def test_a_panel_comes_by_the_join_link(start) -> None:
    client, store, sitting, _ = start(open_places=2)
    link = f"/join/{store.join}?PROLIFIC_PID=5f2c"
    assert client.get(link).status_code == 200
    assert len(store.listeners()) == 1  # looking makes no listener
    first = client.post(link)
    assert first.status_code == 303
    assert client.post(link).location == first.location  # the same participant again
    one = store.listeners()[1]
    assert (one.code, one.way, one.number) == ("5f2c", "panel", 1)
    assert sitting.pack.configurations[0] != sitting.pack.configurations[1]
    assert client.post(f"/join/{store.join}?PROLIFIC_PID=L001").status_code == 409  # not another listener's place
    assert client.post(f"/join/{store.join}?PROLIFIC_PID=<b>").status_code == 400
    anonymous = client.post(f"/join/{store.join}")
    assert client.post(f"/join/{store.join}").location == anonymous.location  # known by the cookie
    assert client.post(f"/join/{store.join}?PROLIFIC_PID=beyond").status_code == 409


def test_the_join_link_is_closed_unless_opened(start) -> None:
    client, store, *_ = start()
    assert client.get(f"/join/{store.join}").status_code == 404
    assert client.post(f"/join/{store.join}").status_code == 404


def test_the_experimenter_sees_who_is_where_and_who_left(start, monkeypatch) -> None:
    client, store, sitting, page = start()
    path = f"/experimenter/{store.experimenter}"
    assert "not started" in client.get(f"{path}/").text
    assert client.post(f"{path}/listeners", data={"count": "3"}).status_code == 303
    assert client.post(f"{path}/listeners", data={"count": "100000"}).status_code == 422
    client.get(f"{page}/api/state")
    _until_trials(client, page)
    trial, _ = sitting.trial(store.listeners()[0], 0)
    client.post(f"{page}/api/trials/0", json=valid_answer(trial))
    text = client.get(f"{path}/").text
    assert "1 of 6" in text
    assert text.count("data-copy") == 4
    from mss_bench.listening.server.results import AWAY, progress

    seen = store.listeners()[0].seen
    assert progress(sitting, store, seen + AWAY - 1).counts["listening"] == 1
    assert progress(sitting, store, seen + AWAY + 1).counts["dropped out"] == 1


def test_without_the_key_the_export_says_so(start, pack) -> None:
    client, store, *_ = start()
    (key_folder(pack) / "key.json").unlink()
    reply = client.get(f"/experimenter/{store.experimenter}/ratings.csv")
    assert reply.status_code == 500
    assert "is missing: without the key" in reply.text


def test_a_panels_ids_are_kept_and_who_is_refused_has_a_way_on(start) -> None:
    client, store, _, page = start(open_places=2, headphone_check=True, screen_out_url="https://example.org/out")
    link = f"/join/{store.join}?PROLIFIC_PID=5f2c&STUDY_ID=s1&SESSION_ID=x9&other=1"
    assert client.post(link).status_code == 303
    assert store.listeners()[1].panel == {"STUDY_ID": "s1", "SESSION_ID": "x9"}
    for _ in range(2):  # a second sitting of the same participant
        assert client.post(link.replace("x9", "z2")).status_code == 303
    assert store.listeners()[1].panel == {"STUDY_ID": "s1", "SESSION_ID": "x9 z2"}
    assert client.post(f"/join/{store.join}?PROLIFIC_PID=5f2d&STUDY_ID=<b>").status_code == 400
    store.advance(store.listeners()[0], stage="refused")
    assert client.get(f"{page}/api/state").get_json()["screen_out_url"] == "https://example.org/out"


def test_each_task_is_trained_in_the_order_in_which_it_comes(start, pack) -> None:
    raw = json.loads((pack / "pack.json").read_text())
    trials = {trial["kind"]: trial["id"] for trial in raw["trials"]}
    raw["training"] = [trials["degradation"], trials["preference"], trials["multi"]]
    (pack / "pack.json").write_text(json.dumps(raw))
    client, store, *_ = start()
    page = f"/l/{store.listeners()[-1].token}"
    client.post(f"{page}/api/consent", json={"agreed": True})
    state = client.post(f"{page}/api/level", json={"level_db": -6}).get_json()["state"]
    seen = []
    while state["stage"] == "training":
        seen.append((state["trial"]["kind"], state["step"], state["trial"]["changed"]))
        assert client.get(f"{page}/audio/{state['step']}/0").status_code == 200
        step = {"step": state["step"]}
        state = client.post(f"{page}/api/training", json=step).get_json()["state"]
        if state["stage"] == "training":  # another window that is a page behind
            assert client.post(f"{page}/api/training", json=step).status_code == 409
    # In the order of the trials; from page to page the question changes, and a trial follows that is no training page.
    assert seen == [("multi", -3, False), ("preference", -2, True), ("degradation", -1, True)]
    assert (state["step"], state["trial"]["kind"], state["trial"]["changed"]) == (0, "multi", True)


def test_packs_with_one_training_page_of_earlier_versions_are_read(pack) -> None:
    raw = json.loads((pack / "pack.json").read_text())
    [training] = raw["training"]
    for written, read in ((training, [training]), ("", [])):
        (pack / "pack.json").write_text(json.dumps(raw | {"training": written}))
        assert read_pack(pack).training == read


def test_without_questions_the_trials_are_the_end(start, pack) -> None:
    raw = json.loads((pack / "pack.json").read_text())
    (pack / "pack.json").write_text(json.dumps(raw | {"questionnaire": []}))
    client, store, sitting, page = start()
    state = _until_trials(client, page)
    for step in range(state["steps"]):
        trial, _ = sitting.trial(store.listeners()[0], step)
        state = client.post(f"{page}/api/trials/{step}", json=valid_answer(trial)).get_json()["state"]
    assert state["stage"] == "done"
    assert store.listeners()[0].finished is not None
    people = client.get(f"/experimenter/{store.experimenter}/listeners.csv").text.splitlines()
    assert people[0].endswith("failed_headphone_checks")


def test_pages_that_refuse_speak_the_language_and_lead_on(start, pack) -> None:
    raw = json.loads((pack / "pack.json").read_text())
    german = vars(read_catalogue("de"))
    (pack / "pack.json").write_text(json.dumps(raw | {"catalogue": german, "contact": "lab@example.org"}))
    client, store, *_ = start(open_places=1, screen_out_url="https://example.org/out")
    for path in ("/", "/nothing", "/l/wrong/"):
        text = client.get(path).text
        assert '<html lang="de" dir="ltr">' in text
        assert "verwenden Sie den Link" in text
        assert '<a href="mailto:lab@example.org">Fragen? Schreiben Sie an lab@example.org.</a>' in text
    assert client.post(f"/join/{store.join}?PROLIFIC_PID=one").status_code == 303
    full = client.post(f"/join/{store.join}?PROLIFIC_PID=two")
    assert full.status_code == 409
    assert "genügend Personen" in full.text
    assert '<a class="next" href="https://example.org/out">Studie verlassen</a>' in full.text
    assert '<html lang="en" dir="ltr">' in client.get(f"/experimenter/{store.experimenter}/").text


def test_the_experimenter_excludes_and_deletes(start) -> None:
    client, store, *_ = start()
    store.add("consent")
    path = f"/experimenter/{store.experimenter}"
    assert client.post(f"{path}/listener", data={"listener": "L001", "action": "exclude"}).status_code == 422
    client.post(f"{path}/listener", data={"listener": "L001", "action": "exclude", "reason": "asleep"})
    assert store.listeners()[0].excluded == "asleep"
    client.post(f"{path}/listener", data={"listener": "L002", "action": "delete", "reason": "asked <b>"})
    shown = client.get(f"{path}/").text
    assert "asked &lt;b&gt;" in shown
    assert "L002" not in shown
    assert client.post(f"{path}/listener", data={"listener": "L009", "action": "include"}).status_code == 422
    assert "was deleted or replaced" not in shown
    store.path.rename(store.path.with_name("moved.sqlite"))
    assert "was deleted or replaced" in client.get(f"{path}/").text


def test_no_log_holds_a_token_and_sounds_are_the_listeners_alone(start, caplog) -> None:
    client, store, sitting, page = start()
    _until_trials(client, page)
    assert client.get(f"{page}/audio/0/0").headers["Cache-Control"] == "private, max-age=3600"
    trial, _ = sitting.trial(store.listeners()[0], 0)
    (sitting.folder / trial.stimuli[0]).unlink()  # an error of the server's own
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    assert client.get(f"{page}/audio/0/0").status_code == 500
    store.path.rename(store.path.with_name("moved.sqlite"))
    assert client.post(f"{page}/api/trials/0", json=valid_answer(trial)).status_code == 503  # browsers try again
    assert "error on /l/.../audio/0/0" in caplog.text
    assert "deleted or replaced" in caplog.text
    for secret in (page.removeprefix("/l/"), store.experimenter, store.join):
        assert secret not in caplog.text


def test_a_page_says_when_the_question_changes_and_draws_what_it_may(start) -> None:
    client, store, sitting, page = start(waveform=False)
    state = _until_trials(client, page)
    assert state["waveform"] is False
    listener = store.listeners()[0]
    names = [sitting.trial(listener, step)[1].name for step in range(-1, sitting.steps(listener))]
    expected = [False, *(a != b for a, b in pairwise(names))]
    assert [sitting._describe(listener, step)["changed"] for step in range(-1, sitting.steps(listener))] == expected
    assert any(expected)
