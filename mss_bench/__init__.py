"""Evaluation and benchmarking of musical source separation.

Running
    `run`
        Separators over a data set, scored; returns `Results`.
    `load`
        The results of an earlier run.
    `evaluate`
        Score arrays: references and estimates in, tables out.
    `separate`
        A file or an array into stems that add up to it.

Extending
    `Separator`, `Targets`
        Base class of separation methods, and what they are asked for.
    `param`
        A parameter of a separator or metric, declared in the body of its class.
    `Metric`, `Quantity`, `Score`
        Base class of metrics, and what they report.

Errors
    `MssBenchError`
        Base class of errors that the user can fix.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "Evaluation": "mss_bench.evaluation",
    "Results": "mss_bench.api",
    "evaluate": "mss_bench.evaluation",
    "load": "mss_bench.api",
    "run": "mss_bench.api",
    "separate": "mss_bench.running.separation",
    "Separator": "mss_bench.separators.base",
    "Targets": "mss_bench.core.tracks",
    "param": "mss_bench.core.parameters",
    "Metric": "mss_bench.metrics.base",
    "Quantity": "mss_bench.metrics.base",
    "Score": "mss_bench.metrics.base",
    "MssBenchError": "mss_bench.errors",
}

__all__ = [
    "Evaluation",
    "Metric",
    "MssBenchError",
    "Quantity",
    "Results",
    "Score",
    "Separator",
    "Targets",
    "evaluate",
    "load",
    "param",
    "run",
    "separate",
]

if TYPE_CHECKING:
    from mss_bench.api import Results, load, run
    from mss_bench.core.parameters import param
    from mss_bench.core.tracks import Targets
    from mss_bench.errors import MssBenchError
    from mss_bench.evaluation import Evaluation, evaluate
    from mss_bench.metrics.base import Metric, Quantity, Score
    from mss_bench.running.separation import separate
    from mss_bench.separators.base import Separator


def __getattr__(name: str) -> Any:
    """Import public names when they are first used, so that ``import mss_bench`` is instant."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
