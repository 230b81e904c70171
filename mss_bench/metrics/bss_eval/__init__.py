"""BSS Eval: ratios of the parts that projections on the references make of an estimate.

`v4` is the usual one, framewise with filters of the whole track; `v3` finds the filters anew in each window.
`components` gives the parts of an estimate as signals. Below them, from the outside to the core:

==================  ==================================================================================
`decomposition`     references and estimates to ratios, and which of these are ill-conditioned
`assignment`        every estimate against every reference, and which belongs to which
`ratios`            the ratios of one estimate in every frame
`energies`          energies of filtered signals within frames, without filtering them
`projection`        the filters: least squares on the span of delayed signals
`toeplitz`          the linear algebra of the projection
`lags`              correlations at lags of many signals, frame by frame
==================  ==================================================================================
"""

from mss_bench.metrics.bss_eval.v3 import BSSEvalV3Images, BSSEvalV3Sources
from mss_bench.metrics.bss_eval.v4 import BSSEval

__all__ = ["BSSEval", "BSSEvalV3Images", "BSSEvalV3Sources"]
