"""Separators: the registry and the built-in methods."""

from mss_bench.registry import Registry
from mss_bench.separators.base import MappedSeparator, Separator

__all__ = ["MappedSeparator", "Separator", "separators"]

separators: Registry[Separator] = Registry(
    kind="separator",
    base="mss_bench.separators.base:Separator",
    builtins={
        "mixture": "mss_bench.separators.baselines:Mixture",
        "mixture_unscaled": "mss_bench.separators.baselines:MixtureUnscaled",
        "centre": "mss_bench.separators.centre:Centre",
        "karaoke": "mss_bench.separators.centre:Karaoke",
        "adress": "mss_bench.separators.adress:ADRess",
        "duet": "mss_bench.separators.duet:DUET",
        "projet": "mss_bench.separators.projet:PROJET",
        "spatial_clustering": "mss_bench.separators.spatial_clustering:SpatialClustering",
        "bandsplit": "mss_bench.separators.baselines:BandSplit",
        "hpss": "mss_bench.separators.hpss:HPSS",
        "hpr": "mss_bench.separators.hpr:HPR",
        "hpss_vocals": "mss_bench.separators.hpss:HPSSVocals",
        "repet": "mss_bench.separators.repet:REPET",
        "repet_adaptive": "mss_bench.separators.repet_adaptive:AdaptiveREPET",
        "repet_segmented": "mss_bench.separators.repet_adaptive:SegmentedREPET",
        "repet_sim": "mss_bench.separators.repet_sim:REPETSIM",
        "twodft": "mss_bench.separators.twodft:TwoDFT",
        "kam": "mss_bench.separators.kam:KAM",
        "nmf": "mss_bench.separators.nmf:NMF",
        "nmf_supervised": "mss_bench.separators.nmf_supervised:SupervisedNMF",
        "nmf_multichannel": "mss_bench.separators.nmf_multichannel:MultichannelNMF",
        "rpca": "mss_bench.separators.rpca:RPCA",
        "ica": "mss_bench.separators.ica:ICA",
        "common_fate": "mss_bench.separators.common_fate:CommonFate",
        "harmonic_mask": "mss_bench.separators.harmonic_mask:HarmonicMask",
        "sinusoids": "mss_bench.separators.sinusoids:Sinusoids",
        "sinusoids_residual": "mss_bench.separators.sinusoids:SinusoidsResidual",
        "ibm": "mss_bench.separators.oracles:IBM",
        "irm": "mss_bench.separators.oracles:IRM",
        "mwf": "mss_bench.separators.oracles:MWF",
        "estimates": "mss_bench.separators.estimates:Estimates",
        "ensemble": "mss_bench.separators.ensemble:Ensemble",
        "demo_net": "mss_bench.separators.deep.demo_net.separator:DemoNet",
        "model": "mss_bench.separators.deep.model:Model",
        "external": "mss_bench.separators.external.interpreter:External",
        "command": "mss_bench.separators.external.command:Command",
    },
    group="mss_bench.separators",
)
