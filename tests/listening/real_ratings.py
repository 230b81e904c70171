"""Ratings to test with: those of a real test, and ones made of known parts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from mss_bench.listening.importers import import_ratings
from mss_bench.listening.ratings import build_ratings

COLUMNS = {
    "item": "song", "order": "page_order", "replicate": "is_replicate", "seconds": "page_duration_s",
    "system": "condition", "score": "rating",
}  # fmt: skip


@cache
def similarity(test_data: Path) -> pd.DataFrame:
    """The ratings of listen-sisec-mus-18 (MIT): 24 listeners, 15 songs, 6 systems, similarity of vocals."""
    return import_ratings(
        [test_data / "listening" / "similarity_ratings_anonymised.csv"], columns=COLUMNS, reference=["Ref"],
        anchors=["Anch1", "Anch2"], constants={"target": "vocals"},
    ).ratings  # fmt: skip


def made_ratings(
    effects: dict[str, float], *, listeners: int = 12, items: int = 6, noise: float = 8.0, seed: int = 0
) -> pd.DataFrame:
    """Scores around 50 plus the system's effect, the listener's and the item's; a hidden reference at 100."""
    rng = np.random.default_rng(seed)
    of_listener, of_item = rng.normal(0, 5, listeners), rng.normal(0, 5, items)
    rows = []
    for listener in range(listeners):
        for item in range(items):
            for system, effect in effects.items():
                score = 50 + effect + of_listener[listener] + of_item[item] + rng.normal(0, noise)
                rows.append({"listener": f"P{listener}", "item": f"Song {item}", "system": system,
                             "score": float(np.clip(score, 0, 100))})  # fmt: skip
            rows.append({"listener": f"P{listener}", "item": f"Song {item}", "system": "Ref", "score": 100.0,
                         "role": "reference"})  # fmt: skip
    return build_ratings(rows, [f"row {n}" for n in range(len(rows))])
