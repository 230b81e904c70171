"""Metrics whose numbers differ carry different presets."""

from __future__ import annotations

import pytest

from mss_bench.metrics.bss_eval import BSSEval
from mss_bench.metrics.energy import USDR
from mss_bench.metrics.scale_invariant import SISDR


@pytest.mark.parametrize(
    ("metric", "preset"),
    [
        (BSSEval(), "v4"),
        (BSSEval(silence="per_source"), "v4 silence=per_source"),
        (BSSEval(window=2.0, hop=1.5), "v4 window=2.0 hop=1.5"),
        (USDR(), "mdx21"),
        (USDR(delta=1e-8), "zfturbo"),
        (USDR(delta=0.5), "delta=0.5"),
        (SISDR(), "default"),
        (SISDR(zero_mean=True), "default zero_mean=True"),
    ],
)
def test_preset(metric, preset):
    assert metric.preset == preset
