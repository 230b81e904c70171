"""Metrics: the registry and the built-in families."""

from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.registry import Registry

__all__ = ["Metric", "Quantity", "Score", "metrics"]

metrics: Registry[Metric] = Registry(
    kind="metric",
    base="mss_bench.metrics.base:Metric",
    builtins={
        "bss_eval": "mss_bench.metrics.bss_eval:BSSEval",
        "usdr": "mss_bench.metrics.energy:USDR",
        "si_sdr": "mss_bench.metrics.scale_invariant:SISDR",
    },
    group="mss_bench.metrics",
)
