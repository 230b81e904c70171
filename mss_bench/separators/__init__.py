"""Separators: the registry and the built-in methods."""

from mss_bench.registry import Registry
from mss_bench.separators.base import Separator

__all__ = ["Separator", "separators"]

separators: Registry[Separator] = Registry(
    kind="separator",
    base="mss_bench.separators.base:Separator",
    builtins={
        "mixture": "mss_bench.separators.baselines:Mixture",
        "mixture_unscaled": "mss_bench.separators.baselines:MixtureUnscaled",
        "centre": "mss_bench.separators.centre:Centre",
        "karaoke": "mss_bench.separators.centre:Karaoke",
        "bandsplit": "mss_bench.separators.baselines:BandSplit",
        "hpss": "mss_bench.separators.hpss:HPSS",
        "hpss_vocals": "mss_bench.separators.hpss:HPSSVocals",
        "repet": "mss_bench.separators.repet:REPET",
        "repet_sim": "mss_bench.separators.repet_sim:REPETSIM",
        "ibm": "mss_bench.separators.oracles:IBM",
        "irm": "mss_bench.separators.oracles:IRM",
        "mwf": "mss_bench.separators.oracles:MWF",
        "estimates": "mss_bench.separators.estimates:Estimates",
    },
    group="mss_bench.separators",
)
