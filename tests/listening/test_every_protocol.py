"""From a run to a verdict in every protocol: pack, listeners at the server's application, analysis."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mss_bench.listening.findings import find
from mss_bench.listening.pack_format import Trial, read_key, read_pack, results_folder
from mss_bench.listening.protocols import PROTOCOLS, Kind
from mss_bench.listening.rated_test import RatedTest
from mss_bench.listening.report import conclusions

pytest.importorskip("flask", reason="pip install 'mss-bench[listen]'")

LISTENERS = 6
# What listeners hear, of 100; whatever the question is.
HEARD = {"reference": 100, "irm": 85, "centre": 45, "hpss_vocals": 20}
VERDICTS = {  # two songs are too few for tests of scores over songs
    "multi": r"irm 8[\d.]+, centre [45][\d.]+, hpss_vocals [12][\d.]+ \(medians\)",
    "single": r"irm 4[\d.]*, centre [23][\d.]*, hpss_vocals [12][\d.]* \(mean opinion scores\)",
    "degradation": r"irm 4[\d.]*, centre [23][\d.]*, hpss_vocals [12][\d.]* \(mean opinion scores\)",
    "preference": r"irm > centre > hpss_vocals \(Bradley-Terry\)\. Surely preferred: ",
    "votes": r"irm 100 %, .* of 12 votes\. More often than by chance \(33 %\): irm; surely ",
    "abx": r"Told from the reference: .*irm",
}


def _answer(trial: Trial, key: dict, order: list[int], rng: np.random.Generator) -> dict:
    """What a listener says who hears `HEARD`, more or less, and not every difference."""
    systems = [key[trial.stimuli[k]].system for k in order]
    heard = [HEARD.get(system, 30) + float(rng.uniform(-5, 5)) * (system != "reference") for system in systems]
    match trial.kind:
        case Kind.PREFERENCE | Kind.VOTES:
            return {"choice": int(np.argmax(heard))}
        case Kind.ABX:
            return {"choice": systems[:2].index(systems[2])}
        case Kind.MULTI:
            return {"scores": [round(score) for score in heard], "moved": [True] * len(heard)}
        case _:
            return {"scores": [round(1 + 4 * score / 100) for score in heard], "moved": [True]}


def _listen(pack: Path) -> None:
    """Takes listeners through the pages from their links to the last question."""
    from mss_bench.listening.server.app import create_app
    from mss_bench.listening.server.flow import Sitting
    from mss_bench.listening.server.store import Store

    read, key, rng = read_pack(pack), read_key(pack), np.random.default_rng(0)
    sitting = Sitting(pack)
    store = Store(results_folder(pack), sitting.checksum)
    client = create_app(sitting, store).test_client()
    for number in range(LISTENERS):
        page = f"/l/{store.add(sitting.stages[0]).token}/api"
        client.post(f"{page}/consent", json={"agreed": True})
        client.post(f"{page}/level", json={"level_db": -6})
        for step in range(-len(read.training), 0):  # one of each task
            client.post(f"{page}/training", json={"step": step})
        for place, step in enumerate(read.order(number)):
            trial = read.trial(step.trial)
            own = {"id": f"answer-{number:06d}-{place:03d}", "ms": 20_000, "heard": [30.0] * trial.signals}
            reply = client.post(f"{page}/trials/{place}", json=own | _answer(trial, key, step.stimuli, rng))
            assert reply.status_code == 200, reply.text
        assert reply.get_json()["state"]["stage"] == "questionnaire"
        answers = {question.name: question.values[0] if question.values else "" for question in read.questions}
        assert client.post(f"{page}/questionnaire", json=answers).status_code == 200
    store.close()


def _verdict(pack: Path) -> list[str]:
    """What `listen analyse` concludes, without the figures of its report."""
    rated = RatedTest(ratings=pack)
    found = find(rated.read_ratings(), scales=rated.scales, seconds=rated.seconds, draws=100)
    return conclusions(found)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_run_leads_to_a_verdict(protocol, protocol_pack) -> None:
    pack = protocol_pack(protocol)
    _listen(pack)
    told = " ".join(_verdict(pack))
    assert len(re.findall(VERDICTS[PROTOCOLS[protocol].kind], told)) == len(PROTOCOLS[protocol].tasks)
