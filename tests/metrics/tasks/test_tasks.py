"""What all task metrics have in common: their contract, and the order in which they put separations."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.datasets.catalog import get_dataset
from mss_bench.errors import MissingDependencyError, MssBenchError
from mss_bench.metrics import metrics
from mss_bench.metrics.contract import check_metric
from mss_bench.running.keys import HashCache
from mss_bench.running.plan import make_plan

TASKS = ("remix", "upmix", "drum_onsets", "beats", "melody", "bass_notes")
STEMS = ("vocals", "drums", "bass", "other")
BEST = {"dB": -120.0, "LU": 0.0, "": 1.0}
PAIRS = (("vocals", "accompaniment"), ("drums", "bass"), ("guitar", "piano"), ("vocals", "drums"))


@pytest.fixture(scope="module")
def ranking(track, made):
    """``ranking(name)``: values ``{method: {(target, quantity): value}}`` of a metric on the demo song."""
    found = {}

    def scored(name):
        if name not in found:
            metric = build(metrics, Spec.parse(name))[0]
            state = metric.prepare(track, TargetGroup("4stem", STEMS))
            found[name] = {
                method: {(s.target, s.quantity): s.value for s in metric.score(state, estimates)}
                for method, estimates in made.items()
            }
        return found[name]

    return scored


@pytest.mark.parametrize("name", TASKS[2:])
def test_transcriptions_keep_their_declarations(name, music):
    if not metrics.load(name).available():
        pytest.skip("librosa is not installed")
    seconds = 1.2 if metrics.load(name).slow else 6.0
    results = check_metric(metrics.load(name)(), sample_rate=8000, references=music(seconds))
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []


@pytest.mark.parametrize("name", TASKS)
def test_references_give_the_perfect_score(ranking, name):
    quantities = {q.name: q for q in metrics.load(name).quantities}
    for (target, quantity), value in ranking(name)["reference"].items():
        if not np.isnan(value):
            assert value == pytest.approx(BEST[quantities[quantity].unit], abs=1e-3), (target, quantity)


@pytest.mark.parametrize("name", ["remix", "upmix", "melody", "bass_notes"])
def test_an_oracle_lies_between_a_blind_method_and_the_references(ranking, name):
    values, better = ranking(name), {q.name: q.higher_is_better for q in metrics.load(name).quantities}
    for (target, quantity), reference in values["reference"].items():
        blind, oracle = (values[method][target, quantity] for method in ("nmf", "irm"))
        if not np.isnan(reference) and quantity != "Remix-leakage":  # a stem that is missed does not leak
            order = [blind, oracle, reference] if better[quantity] else [reference, oracle, blind]
            assert order == sorted(order), (target, quantity, order)


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        *((name, None) for name in TASKS),
        ("melody", PAIRS[0]),
        *((name, pair) for name in ("remix", "upmix") for pair in PAIRS),
    ],
)
def test_nothing_is_perfect_for_whatever_adds_up(name, pair, music):
    """Such a number would tell nothing of a method: the floor would have it, and a method that exchanges all stems."""
    if not metrics.load(name).available():
        pytest.skip("librosa is not installed")
    stems = music(1.5)
    if pair:
        stems = dict(zip(pair, (stems["vocals"], stems["drums"] + stems["bass"]), strict=True))
    mixture, names = sum(stems.values()), list(stems)
    metric = metrics.load(name)()
    state = metric.prepare(TrackAudio(stems, mixture, 8000), TargetGroup("g", tuple(stems)))
    wrong = [
        {stem: mixture / len(stems) for stem in names},
        dict(zip(names, [*list(stems.values())[1:], stems[names[0]]], strict=True)),
        {stem: mixture if stem == names[-1] else np.zeros_like(mixture) for stem in names},
    ]
    scores = [{(s.target, s.quantity): s.value for s in metric.score(state, estimates)} for estimates in wrong]
    best = {q.name: BEST[q.unit] for q in metric.quantities}
    for target, quantity in scores[0]:
        values = np.array([found[target, quantity] for found in scores])
        # A stem that is missed leaks nothing: that quantity is to be read beside another, and says so.
        assert not np.all(np.abs(values - best[quantity]) < 1e-3), (target, quantity, values)


@pytest.mark.parametrize("name", ["melody", "bass_notes"])
def test_the_mixture_closes_nothing_of_the_gap_and_the_oracle_most(ranking, name):
    quantity = metrics.load(name).quantities[-1].name
    (gaps,) = [[v[key] for v in ranking(name).values()] for key in ranking(name)["irm"] if key[1] == quantity]
    reference, mixture, _, oracle = gaps
    assert (reference, mixture) == (1.0, pytest.approx(0.0, abs=1e-9))
    assert oracle > 0.6


def test_a_missing_extra_costs_its_own_columns_and_says_how_to_get_it(monkeypatch, music):
    monkeypatch.setitem(sys.modules, "librosa", None)
    monkeypatch.setattr("mss_bench.metrics.base.find_spec", lambda name: None)
    stems = music(1.0)
    track, group = TrackAudio(stems, sum(stems.values()), 8000), TargetGroup("g", tuple(stems))
    for name in TASKS[2:]:
        assert not metrics.load(name).available()
        with pytest.raises(MissingDependencyError, match=r"mss-bench\[pitch\]"):
            metrics.load(name)().prepare(track, group)
    for name in TASKS[:2]:
        metrics.load(name)().prepare(track, group)


@pytest.mark.parametrize("name", TASKS[:2])
def test_more_than_two_channels_are_refused_in_words(name, music):
    wide = {stem: np.concatenate([array, array]) for stem, array in music(0.5).items()}
    with pytest.raises(MssBenchError, match="found 4 channels"):
        metrics.load(name)().prepare(TrackAudio(wide, sum(wide.values()), 8000), TargetGroup("g", tuple(wide)))


def test_a_run_scores_only_the_targets_of_a_metric_and_says_where_there_are_none():
    demo = get_dataset("demo")
    tracks = demo.tracks(max_tracks=1)
    plan = make_plan(tracks, demo.targets, demo.groups, [Spec("mixture")], [Spec("beats"), Spec("upmix")])
    planned = {(score.metric.name, score.group.name): score.expected for score in plan.cells[0].scores}
    assert planned == {
        ("beats", "4stem"): ("drums",),
        ("upmix", "4stem"): STEMS,
        ("upmix", "vocals_acc"): ("vocals", "accompaniment"),
    }
    assert not plan.notices
    (notice,) = make_plan(
        tracks, demo.targets, demo.groups, [Spec("mixture")], [Spec("melody", {"target": "flute"})]
    ).notices
    assert notice.startswith("melody:target=flute: scores flute, the data set's targets are vocals")


def test_what_was_played_is_part_of_the_key_of_scores_that_look_at_it(tmp_path):
    (track,) = get_dataset("demo").tracks(max_tracks=1)
    demo, keys = get_dataset("demo"), {"reference": set(), "played": set()}
    for content in (track.annotations.read_text(), "{}"):
        (tmp_path / "annotations.json").write_text(content)
        other = replace(track, annotations=tmp_path / "annotations.json")
        for against, found in keys.items():
            wanted = [Spec("beats", {"against": against})]
            plan = make_plan(
                [other], demo.targets, demo.groups, [Spec("mixture")], wanted, hashes=HashCache(rehash=True)
            )
            found.add(plan.cells[0].scores[0].key)
    assert (len(keys["reference"]), len(keys["played"])) == (1, 2)
