"""Metric cards: complete for every metric, and true to what was measured."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd
import pytest

from mss_bench.cli.main import main
from mss_bench.errors import ConfigError
from mss_bench.metrics import Quantity, metrics
from mss_bench.metrics.cards import (
    COSTS,
    REACTIONS,
    Cost,
    Reaction,
    cost_text,
    loss,
    losses,
    range_text,
    reaction_text,
    read_costs,
    read_reactions,
    write_costs,
    write_reactions,
)
from mss_bench.metrics.evidence import EVIDENCE, evidence_text
from mss_bench.metrics.perceptual.degradations import LADDERS

OURS = {name: metrics.load(name) for name in metrics.names() if metrics.origin(name) == "mss_bench"}
GALLERY = Path(__file__).resolve().parents[2] / "reports" / "metrics"


@pytest.mark.parametrize("name", OURS)
def test_every_metric_has_a_complete_card(name, capsys):
    cls = OURS[name]
    assert cls.caution.endswith("."), "where it must not be trusted"
    assert cls.citation
    cost = read_costs()[name]
    assert cost.score > 0 or cost.note.startswith("not measured: ")
    for quantity in cls.quantities:
        ladders = read_reactions()[name, quantity.name]
        assert set(ladders) == (set(LADDERS) if cost.score > 0 else set()), quantity.name
    assert main(["metrics", "show", name]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert cls.caution in printed
    assert cls.citation in printed
    assert cost_text(cost) in printed
    for entry in EVIDENCE[name]:
        assert " ".join(evidence_text(entry).split()) in printed
    for quantity in cls.quantities:
        better = "higher" if quantity.higher_is_better else "lower"
        assert f"{quantity.name} [{quantity.unit or 'no unit'}, {better} is better, {range_text(quantity)}]" in printed
        if cost.score > 0:
            assert f"{quantity.name} reacts {reaction_text(quantity, read_reactions()[name, quantity.name])}" in printed


@pytest.mark.parametrize("name", OURS)
def test_what_is_claimed_of_listeners_names_study_quantity_and_number_of_items(name):
    for entry in EVIDENCE[name]:
        assert re.search(r"(19|20)\d\d$", entry.study), entry
        assert entry.quantity
        assert entry.finding
        assert entry.n > 0
        assert entry.of
    assert not re.search(r"(?<!\d)\.\d\d", OURS[name].caution), "a correlation is evidence, with its study"


def test_no_card_is_without_its_evidence():
    assert list(EVIDENCE) == list(OURS)


def test_correlations_of_gensvs_are_those_of_its_table(test_data):
    table = pd.read_csv(test_data / "listening" / "gensvs" / "gensvs_eval_data.csv")
    entries = [entry for found in EVIDENCE.values() for entry in found if entry.column]
    assert len(entries) >= 30
    for entry in entries:
        kind = table[table["model_type"] == ("generative" if "generative" in entry.of else "discriminative")]
        claimed = float(re.search(r"Spearman (-?\.\d\d)", entry.finding)[1])
        assert entry.n == len(kind)
        assert kind[entry.column].corr(kind["DMOS"], method="spearman") == pytest.approx(claimed, abs=0.0051), entry


def test_what_is_shipped_names_the_registered_quantities_and_no_others():
    assert list(read_reactions()) == [(name, q.name) for name, cls in OURS.items() for q in cls.quantities]
    assert list(read_costs()) == list(OURS)


def test_what_is_shipped_is_what_the_gallery_shows():
    assert REACTIONS.read_bytes() == (GALLERY / "reaction.csv").read_bytes()
    assert COSTS.read_bytes() == (GALLERY / "costs.csv").read_bytes()


def test_every_measured_value_lies_in_the_declared_range():
    quantities = {(name, q.name): q for name, cls in OURS.items() for q in cls.quantities}
    for key, ladders in read_reactions().items():
        for ladder, reaction in ladders.items():
            for value in (reaction.clean, reaction.worst):
                inside = quantities[key].least - 1e-3 <= value <= quantities[key].most + 1e-3
                assert inside or math.isnan(value), (key, ladder, value)


@pytest.mark.parametrize(
    ("metric", "quantity", "strongest", "blind"),
    [
        ("bss_eval", "SIR", "bleed", {"gain", "delay", "pan"}),
        ("si_sdr", "SI-SDR", "phase", {"gain"}),
        ("artifacts", "ILD-error", "pan", {"gain", "bleed", "delay"}),
        ("artifacts", "HF-loss", "low_pass", {"gain", "bleed", "delay"}),
        ("silence", "PES", "bleed", {"gain", "clipping"}),
    ],
)
def test_known_reactions_are_among_the_measured_ones(metric, quantity, strongest, blind):
    definition = next(q for q in OURS[metric].quantities if q.name == quantity)
    lost = losses(definition, read_reactions()[metric, quantity])
    top = max(lost.values())
    assert lost[strongest] >= 0.95 * top
    assert all(abs(lost[ladder]) <= 0.05 * top for ladder in blind)


RATIO = Quantity("R", "dB", True, "a ratio")
LEVEL = Quantity("L", "dB", False, "a level", least=-120)
SHARE = Quantity("S", "", True, "a share", least=0, most=1)


@pytest.mark.parametrize(
    ("quantity", "clean", "worst", "expected"),
    [
        (RATIO, math.inf, 10.0, 30.0),  # counted from 40 dB
        (RATIO, math.inf, -math.inf, 50.0),  # down to -10 dB
        (RATIO, math.inf, 70.0, 0.0),
        (LEVEL, -120.0, -15.0, 25.0),
        (SHARE, 1.0, 0.25, 0.75),
        (SHARE, 0.5, 0.75, -0.25),  # better
    ],
)
def test_a_loss_is_positive_where_a_value_gets_worse(quantity, clean, worst, expected):
    assert loss(quantity, Reaction(clean, worst, 1.0)) == pytest.approx(expected)


@pytest.mark.parametrize("values", [(math.nan, 3.0), (3.0, math.nan)])
def test_without_a_value_there_is_no_loss(values):
    for quantity in (RATIO, LEVEL, SHARE):
        assert math.isnan(loss(quantity, Reaction(*values, 1.0)))
        assert losses(quantity, {"gain": Reaction(*values, 1.0)}) == {}


def test_reactions_in_words():
    made = {"a": 0.1, "b": 0.5, "c": 0.7, "d": 0.9, "e": 1.0, "f": math.nan}
    reactions = {ladder: Reaction(0.9, worst, 1.0) for ladder, worst in made.items()}
    assert reaction_text(SHARE, reactions) == "strongly to a, b; to c; hardly to d; better with e"
    assert reaction_text(SHARE, {"a": Reaction(1.0, 1.0, 0.0)}) == "none of the ladders"
    assert reaction_text(SHARE, {}) == ""


def test_ranges_in_words():
    found = [range_text(q) for q in (RATIO, LEVEL, SHARE, Quantity("Q", "", True, "...", most=5))]
    assert found == ["unbounded", "from -120", "0 to 1", "up to 5"]


def test_files_read_back(tmp_path):
    classes = {"usdr": OURS["usdr"], "silence": OURS["silence"]}
    reactions = {("usdr", "uSDR"): {"gain": Reaction(math.inf, 2.5, 1.0), "bleed": Reaction(math.inf, math.nan, 0.5)}}
    write_reactions(tmp_path / "r.csv", classes, reactions)
    found = read_reactions(tmp_path / "r.csv")
    assert list(found) == [("usdr", "uSDR"), ("silence", "PES"), ("silence", "EPS")]
    assert found["usdr", "uSDR"]["gain"] == Reaction(math.inf, 2.5, 1.0)
    assert math.isnan(found["usdr", "uSDR"]["bleed"].worst)
    assert found["silence", "PES"] == {}
    write_costs(tmp_path / "c.csv", {"usdr": Cost(1234.0, math.nan, "why")})
    cost = read_costs(tmp_path / "c.csv")["usdr"]
    assert (cost.score, cost.note) == (1200.0, "why")
    assert math.isnan(cost.prepare)


def test_a_file_of_another_form_is_refused(tmp_path):
    (tmp_path / "r.csv").write_text("metric,value\n")
    with pytest.raises(ConfigError, match=r"has the columns \['metric', 'value'\], expected metric, quantity"):
        read_reactions(tmp_path / "r.csv")
    with pytest.raises(ConfigError, match=r"make it with reports/metrics/make\.py"):
        read_costs(tmp_path / "missing.csv")
