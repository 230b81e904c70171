"""Excerpts are chosen by the stated rules."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mss_bench.errors import AudioError, RunError
from mss_bench.listening.excerpts import active_excerpt, disagreeing_excerpts

RATE = 8000


def _stems(spans: dict[str, tuple[float, float]], seconds: float = 30.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE)) / RATE
    return {
        name: (0.1 * rng.standard_normal((2, len(time))) * ((time >= a) & (time < b))).astype(np.float32)
        for name, (a, b) in spans.items()
    }


def test_every_source_is_at_work() -> None:
    stems = _stems({"vocals": (12, 22), "drums": (0, 20), "bass": (10, 30)})
    found = active_excerpt("song", stems, RATE, 6.0, np.random.default_rng(0))
    assert 9.8 <= found.start <= 16.0  # 70 % of 6 s within 12 to 20 s
    assert found.note == ""
    assert found.item == f"song @{found.start:.1f}"


def test_the_loudest_chorus_wins() -> None:
    stems = _stems({"vocals": (0, 30), "drums": (0, 30)})
    stems["vocals"][:, 20 * RATE :] *= 2
    stems["drums"][:, 20 * RATE :] *= 2
    found = active_excerpt("song", stems, RATE, 8.0, np.random.default_rng(0))
    assert found.start >= 19.5
    assert found.criterion == pytest.approx(6.0, abs=0.5)


def test_ties_are_drawn_by_the_seed() -> None:
    time = np.arange(30 * RATE)
    steady = {"vocals": (0.1 * np.sin(2 * np.pi * 400 * time / RATE))[None].astype(np.float32)}
    starts = {active_excerpt("song", steady, RATE, 5.0, np.random.default_rng(s)).start for s in range(8)}
    assert len(starts) > 4
    again = [active_excerpt("song", steady, RATE, 5.0, np.random.default_rng(3)).start for _ in range(2)]
    assert again[0] == again[1]


def test_what_cannot_be_had_is_said() -> None:
    apart = _stems({"vocals": (0, 10), "drums": (20, 30)})
    found = active_excerpt("song", apart, RATE, 5.0, np.random.default_rng(0))
    assert "active in" in found.note
    silent = _stems({"vocals": (0, 10), "drums": (0, 0)})
    assert active_excerpt("song", silent, RATE, 5.0, np.random.default_rng(0)).note == "drums silent throughout"
    with pytest.raises(AudioError, match=r"'song' has 30\.0 s, the excerpt is to have 40 s"):
        active_excerpt("song", apart, RATE, 40.0, np.random.default_rng(0))
    with pytest.raises(AudioError, match="'song' is silent"):
        active_excerpt("song", _stems({"vocals": (0, 0)}), RATE, 5.0, np.random.default_rng(0))


def _frames(order_by_metric) -> pd.DataFrame:
    rows = []
    for track in ("agree", "differ"):
        for metric in ("SDR", "SIR"):
            for time in range(10):
                for rank, method in enumerate(("a", "b", "c", "d")):
                    sign = -1 if order_by_metric(track, metric, time) else 1
                    rows.append((track, "vocals", method, metric, float(time), sign * float(rank)))
    return pd.DataFrame(rows, columns=["track", "target", "separator", "metric", "time", "value"])


def test_metrics_disagree_most_where_they_rank_the_systems_the_other_way_round() -> None:
    frames = _frames(lambda track, metric, time: track == "differ" and metric == "SIR" and 4 <= time < 7)
    first, second = disagreeing_excerpts(frames, "vocals", ["a", "b", "c", "d"], 3.0)
    assert first.track == "differ"
    assert 3.0 <= first.start <= 5.0  # at least two of its three frames lie where SIR is upside down
    assert first.criterion == pytest.approx(1.0)
    assert second.criterion == pytest.approx(0.0)
    with pytest.raises(RunError, match=r"three systems and two metrics .* got 2 and 2"):
        disagreeing_excerpts(frames, "vocals", ["a", "b"], 3.0)
