from __future__ import annotations

import pytest

from mss_bench.report.leakage import overlap


@pytest.mark.parametrize(
    ("trained_on", "dataset", "subset", "shared"),
    [
        ("demo/train", "demo", "test", False),
        ("demo/train", "demo", "train", True),
        ("demo", "demo", "test", True),  # all of it
        ("demo/train", "demo", "", True),  # evaluated on all of it
        ("demo/all", "demo", "test", True),
        ("demo/train", "demo", "all", True),
        ("musdb18/train+test", "musdb18hq", "test", True),
        ("MUSDB18-HQ/Test", "musdb18", "test", True),
        ("musdb18-7s/test", "musdb18hq", "test", True),
        ("musdb18/train", "musdb18hq", "test", False),
        ("dsd100/Test", "musdb18", "test", False),
        ("500 songs of our own", "musdb18", "test", False),
        ("", "musdb18", "test", False),
    ],
)
def test_training_data_overlap_with_what_is_evaluated(trained_on, dataset, subset, shared) -> None:
    assert overlap([trained_on], dataset, subset) == ([trained_on] if shared else [])
