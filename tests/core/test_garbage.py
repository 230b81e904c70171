"""The search for unreachable objects, paused."""

import gc

import pytest

from mss_bench.core.garbage import collection_paused


def test_the_search_goes_on_afterwards_whatever_happened():
    @collection_paused()
    def fails():
        assert not gc.isenabled()
        with collection_paused():  # one within another
            pass
        assert not gc.isenabled()
        raise ValueError

    assert gc.isenabled()
    for _ in range(2):
        with pytest.raises(ValueError):
            fails()
        assert gc.isenabled()
