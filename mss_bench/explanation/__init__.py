"""Why a score is what it is: the parts of an estimate that BSS Eval tells apart, to be heard and seen.

`explain` takes an estimate of a finished run apart and writes its parts; `figure` draws them.
"""

from mss_bench.explanation.explain import Explanation, explain

__all__ = ["Explanation", "explain"]
