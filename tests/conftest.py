"""What all tests share: where the real test data lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real music and results, which is not part of the repository (see README, "Tests")."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("MSS_BENCH_TEST_DATA", default))
    if not root.is_dir():
        pytest.skip(f"no test data at {root}; set MSS_BENCH_TEST_DATA to the folder that holds musdb18_excerpt")
    return root


@pytest.fixture(scope="session")
def excerpt(test_data: Path) -> Path:
    """The real 6.8 s song in MUSDB18-HQ's layout."""
    return test_data / "musdb18_excerpt" / "hq"
