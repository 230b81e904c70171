"""The template of metrics: what follows from a measure, and from presets."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.core.parameters import param
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError, MissingDependencyError
from mss_bench.metrics import Metric, Quantity
from mss_bench.metrics.base import Framewise
from mss_bench.metrics.contract import check_metric


class MaxError(Metric):
    """Largest difference between estimate and reference, above a gate."""

    name = "max_error"
    quantities = (Quantity("MaxError", "", False, "max |y - s|", least=0), Quantity("Where", "", False, "its sample"))
    citation = "These tests, 2026"
    works_at = 8000
    presets = {"default": {}, "tool": {"gate": 0.5}}  # noqa: RUF012

    gate: float = param(0.0, at_least=0, doc="What is smaller counts as 0.")

    def derive(self, track):
        return {target: float(np.abs(s).max()) for target, s in track.references.items()}

    def measure(self, track, target, estimate):
        if not track.derived[target]:
            return "the reference is silent"
        error = np.abs(estimate - track.references[target]).max(axis=0)
        return float(error.max()), float(error.argmax()) if error.max() > self.gate else "there is no error"


class Energies(Framewise):
    """Energy of the estimate in each frame."""

    name = "energies"
    quantities = (Quantity("Energy", "", True, "|y|^2"),)
    citation = "These tests, 2026"
    silence = "none"

    def measure(self, track, target, estimate):
        frames = self.frames(track.samples, track.sample_rate)
        values = np.array([np.sum(estimate[:, start:stop] ** 2) for start, stop in frames.spans])
        return values if values.any() else "the estimate is silent"


def scores(metric, references, estimates, rate=8000):
    track = TrackAudio(references, sum(references.values()), rate)
    return metric.score(metric.prepare(track, TargetGroup("g", ("a", "b", "c"))), estimates)


@pytest.fixture
def stems():
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal((1, 16000)) for name in "cab"}


def test_rows_stand_in_the_order_of_group_and_quantities_with_their_reasons(stems):
    estimates = {name: stem.copy() for name, stem in reversed(stems.items())}
    estimates["b"][0, 3] = np.nan
    estimates["c"][0, 5] += 2
    rows = scores(MaxError(), stems | {"a": 0 * stems["a"]}, estimates, rate=16000)
    assert [(s.target, s.quantity) for s in rows] == [(t, q) for t in "abc" for q in ("MaxError", "Where")]
    assert [s.value for s in rows[4:]] == [pytest.approx(2), 5]
    holed = "estimate 'b' holds nan at channel 0, sample 3"
    assert [s.reason for s in rows] == ["reference 'a' is silent throughout"] * 2 + [holed] * 2 + [""] * 2
    assert all(np.isnan(s.value) and s.n_frames == 1 for s in rows[:4])
    assert {s.flags for s in rows} == {("resampled:8000",)}
    assert [(s.value, s.reason) for s in scores(MaxError(), stems, {"a": stems["a"]})] == [
        (0, ""), (pytest.approx(np.nan, nan_ok=True), "there is no error"),
    ]  # fmt: skip


def test_frames_have_their_grid_where_there_is_no_value_too(stems):
    estimates = stems | {"a": 0 * stems["a"]}
    silent, other = scores(Energies(window=0.5, hop=0.25), stems, {"a": estimates["a"], "b": stems["b"]})
    assert (silent.scope, silent.window, silent.hop, silent.n_frames) == ("frame", 0.5, 0.25, 7)
    assert (silent.why_missing, other.n_valid) == ("the estimate is silent", 7)


def test_a_metric_of_some_targets_or_of_all_together(stems):
    class OfVocals(MaxError):
        targets = ("b",)

    class Joint(MaxError):
        joint = True

    assert [s.target for s in scores(OfVocals(), stems, stems)] == ["b", "b"]
    reasons = {s.reason for s in scores(Joint(), stems, stems | {"c": np.full((1, 16000), np.inf)})}
    assert reasons == {"the number is of all estimates together, and estimate 'c' holds inf at channel 0, sample 0"}


def test_presets_name_the_numbers():
    assert [MaxError(**given).preset for given in ({}, {"gate": 0.5}, {"gate": 1}, {"preset": "tool", "gate": 0})] == [
        "default", "tool", "default gate=1.0", "default",
    ]  # fmt: skip
    assert repr(MaxError(preset="tool").with_values(gate=0.25)) == "MaxError(gate=0.25, preset='tool')"
    assert MaxError(preset="tool").gate == 0.5


def test_what_cannot_be_scored_is_refused(stems):
    class Missing(MaxError):
        module, package, extra = "no_such_module", "no-such-package", "none"

    assert not Missing.available()
    with pytest.raises(MissingDependencyError, match=r"no-such-package.*pip install 'mss-bench\[none\]'"):
        scores(Missing(), stems, stems)
    with pytest.raises(AudioError, match=r"estimates of \['d'\] were given, expected some of \['a', 'b', 'c'\]"):
        scores(MaxError(), stems, {"d": stems["a"]})
    with pytest.raises(NotImplementedError, match="Metric overrides neither"):
        scores(Metric(), stems, stems)


def test_it_keeps_the_contract():
    assert [
        r.detail for r in check_metric(Energies(window=0.5, hop=0.5)) if not r.passed and r.name != "direction"
    ] == []
