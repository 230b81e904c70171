"""The page of metrics: made by its script, from measurements."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from PIL import Image

from mss_bench.errors import UnknownNameError
from mss_bench.metrics.cards import COSTS, REACTIONS, read_costs, read_reactions
from mss_bench.metrics.perceptual.degradations import LADDERS
from reports.metrics.artifact_rule import Case, read_cases, write_cases
from reports.metrics.make import MetricsPage
from reports.metrics.reaction_figure import change_text
from reports.metrics.reactions import SECONDS, built_in, scenes, trend

CASES = [
    Case("Song C", "drums", "LKR", 1.2, 0.4, "reverb"),
    Case("Song C", "drums", "HF-loss", 40.0, 2.0, "phase"),
    Case("Song C", "drums", "ITD-error", 600.0, 0.0, "gain"),
    *(
        Case("Song C", "drums", quantity, math.nan, math.nan, "")
        for quantity in ("Smearing", "ILD-error", "Phase-error")
    ),
]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    out = tmp_path_factory.mktemp("gallery")
    (out / "notes.md").write_text("## What to see\n\nA gain costs uSDR much.\n")
    write_cases(out / "artifact_rule.csv", CASES)
    shipped = REACTIONS.read_bytes(), COSTS.read_bytes()  # written only when it is asked for
    MetricsPage(names=["usdr", "si_sdr"], songs=1, out=out).write()
    assert (REACTIONS.read_bytes(), COSTS.read_bytes()) == shipped
    return out


def test_the_matrix_is_what_the_formulas_say(gallery):
    found = read_reactions(gallery / "reaction.csv")
    assert set(found["usdr", "uSDR"]) == set(LADDERS)
    assert found["usdr", "uSDR"]["bleed"].worst == pytest.approx(6.0, abs=0.01)
    assert found["usdr", "uSDR"]["gain"].worst == pytest.approx(-20 * math.log10(1 - 10 ** (-12 / 20)), abs=0.01)
    assert found["si_sdr", "SI-SDR"]["gain"].worst > 60
    for ladder in ("bleed", "low_pass", "musical_noise", "reverb", "gain", "clipping"):
        assert found["usdr", "uSDR"][ladder].trend == 1, ladder
    assert found["bss_eval", "SDR"] == {}
    costs = read_costs(gallery / "costs.csv")
    assert list(costs) == list(built_in())
    assert costs["usdr"].score > 10
    assert costs["bss_eval"].note == "not measured"


def test_every_metric_has_a_card_on_the_page(gallery):
    page = (gallery / "README.md").read_text()
    for name, cls in built_in().items():
        card = page.partition(f'<a id="{name}"></a>')[2].partition("<a id")[0]
        assert f"### {name}: " in card
        assert cls.caution in card
        assert cls.citation in card
        assert "**Cost:** " in card
        rows = [line for line in card.splitlines() if line.startswith("| ")]
        assert len(rows) == 1 + len(cls.quantities)
        assert all(line.replace("\\|", "").count("|") == 7 for line in rows), name
    assert "A gain costs uSDR much." in page
    assert all(f"| {name} |" in page for name in LADDERS)


def test_where_the_rule_of_five_fails_is_said(gallery):
    page = (gallery / "README.md").read_text()
    assert "**2 of 3** cases" in page
    assert "| Song C | drums | **3.0** (reverb) | – | 20 | – | ∞ | – |" in page
    assert read_cases(gallery / "artifact_rule.csv")[:3] == CASES[:3]


def test_the_figure_has_something_to_see(gallery):
    with Image.open(gallery / "reaction.png") as image:
        assert image.width > 1000
        assert np.asarray(image.convert("L")).std() > 20


def test_what_was_measured_before_is_kept(gallery):
    before = read_reactions(gallery / "reaction.csv")
    MetricsPage(out=gallery, names=["snr"], songs=1).write()
    after = read_reactions(gallery / "reaction.csv")
    assert after["usdr", "uSDR"] == before["usdr", "uSDR"]
    assert before["snr", "SNR"] == {}
    # of one channel's delay the mean over channels sees nothing, as the other one is perfect
    assert set(after["snr", "SNR"]) == set(LADDERS)
    with (gallery / "reaction.csv").open() as file:
        assert [row["metric"] for row in csv.DictReader(file)].count("snr") == len(LADDERS)
    with pytest.raises(UnknownNameError, match="nonsense"):
        MetricsPage(out=gallery, names=["nonsense"]).write()


def test_the_target_pauses_in_the_last_second_and_the_others_do_not():
    scene = scenes(1)[0]
    rate = scene.sample_rate
    assert scene.references["vocals"].shape == (2, round(SECONDS * rate))
    assert not scene.references["vocals"][:, -rate:].any()
    assert scene.references["vocals"][:, : -2 * rate].any()
    assert scene.others[:, -rate:].any()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, 2, 3], 1.0),
        ([-math.inf, -3, -2, math.inf], 1.0),
        ([3, 2, 1, 0], -1.0),
        ([1, 1 + 1e-12, 1], 0.0),
        ([0, math.nan, 1, 2], 1.0),
        ([0, math.nan, 1], math.nan),
    ],
)
def test_trends(values, expected):
    assert trend(np.array(values, dtype=float)) == pytest.approx(expected, nan_ok=True)


def test_changes_are_in_the_value_s_own_direction():
    sdr, error = (
        next(q for q in built_in()[m].quantities if q.name == n) for m, n in (("usdr", "uSDR"), ("artifacts", "LKR"))
    )
    assert [change_text(sdr, 33.4), change_text(error, 0.456), change_text(error, math.nan)] == ["−33", "0.46", "·"]
