"""Metrics: the registry and the built-in families."""

from collections.abc import Sequence

from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.registry import Registry

__all__ = ["Metric", "Quantity", "Score", "metrics", "refuse_shared_quantities"]


class _Families(Registry[Metric]):
    """Registry of the families of metrics, each of which may also be asked for by one of its quantities."""

    def canonical(self, name: str) -> str:
        """Return the family that a name means: of a quantity such as ``SDR`` the first that reports it.

        Capitals are no matter, except where two names differ in them alone.

        Raises
        ------
        UnknownNameError
            No family and no quantity has that name.
        """
        if name in self:
            return name
        # Only now, since this imports every family.
        families = {q.name: family for family, cls in reversed(self.load_all().items()) for q in cls.quantities}
        if name in families:
            return families[name]
        spelt = {quantity.lower(): family for quantity, family in families.items()}
        spelt |= {family.lower(): family for family in self.names()}
        if name.lower() not in spelt:
            raise UnknownNameError(self.kind, name, [*self.names(), *families])
        return spelt[name.lower()]


metrics = _Families(
    kind="metric",
    base="mss_bench.metrics.base:Metric",
    builtins={
        "bss_eval": "mss_bench.metrics.bss_eval.v4:BSSEval",
        "bss_eval_v3_images": "mss_bench.metrics.bss_eval.v3:BSSEvalV3Images",
        "bss_eval_v3_sources": "mss_bench.metrics.bss_eval.v3:BSSEvalV3Sources",
        "usdr": "mss_bench.metrics.energy:USDR",
        "csdr": "mss_bench.metrics.energy:CSDR",
        "k_sdr": "mss_bench.metrics.energy:KSDR",
        "snr": "mss_bench.metrics.scale_invariant:SNR",
        "si_sdr": "mss_bench.metrics.scale_invariant:SISDR",
        "sd_sdr": "mss_bench.metrics.scale_invariant:SDSDR",
        "sa_sdr": "mss_bench.metrics.scale_invariant:SASDR",
        "si_bss_eval": "mss_bench.metrics.si_bss_eval:SIBSSEval",
        "log_wmse": "mss_bench.metrics.log_wmse:LogWMSE",
        "l1_freq": "mss_bench.metrics.spectral:L1Freq",
        "mr_stft": "mss_bench.metrics.spectral:MRSTFT",
        "aura_stft": "mss_bench.metrics.spectral:AuraSTFT",
        "aura_mrstft": "mss_bench.metrics.spectral:AuraMRSTFT",
        "l1_snr": "mss_bench.metrics.l1_snr:L1SNR",
        "multi_mel_snr": "mss_bench.metrics.mel_snr:MultiMelSNR",
        "bleed_full": "mss_bench.metrics.bleed_full:BleedFull",
        "silence": "mss_bench.metrics.silence:Silence",
        "2f": "mss_bench.metrics.perceptual.two_f:TwoF",
        "artifacts": "mss_bench.metrics.perceptual.artifacts:Artifacts",
        "subband_ratios": "mss_bench.metrics.perceptual.subband_ratios:SubbandRatios",
        "peass": "mss_bench.metrics.perceptual.peass:PEASS",
        "visqol": "mss_bench.metrics.perceptual.visqol:ViSQOL",
        "zimtohrli": "mss_bench.metrics.perceptual.zimtohrli:Zimtohrli",
        "haaqi": "mss_bench.metrics.perceptual.haaqi:HAAQI",
        "fad": "mss_bench.metrics.perceptual.embedding_distances:FAD",
        "embedding_mse": "mss_bench.metrics.perceptual.embedding_distances:EmbeddingMSE",
        "remix": "mss_bench.metrics.tasks.remix:Remix",
        "upmix": "mss_bench.metrics.tasks.upmix:Upmix",
        "drum_onsets": "mss_bench.metrics.tasks.drum_onsets:DrumOnsets",
        "beats": "mss_bench.metrics.tasks.beats:Beats",
        "melody": "mss_bench.metrics.tasks.melody:Melody",
        "bass_notes": "mss_bench.metrics.tasks.bass_notes:BassNotes",
    },
    group="mss_bench.metrics",
)


def refuse_shared_quantities(chosen: Sequence[tuple[str, Metric]]) -> None:
    """Refuse metrics, each given with what it was asked for by, whose rows could not be told apart in the tables.

    Raises
    ------
    ConfigError
        Two of them report one quantity under one preset.
    """
    first: dict[tuple[str, str], str] = {}
    for asked, metric in chosen:
        for quantity in metric.quantities:
            place = (quantity.name, metric.preset)
            if place in first:
                raise ConfigError(
                    f"metrics {first[place]} and {asked} both report {quantity.name} (preset {metric.preset}); ask for "
                    "one of them, or give them different presets"
                )
            first[place] = asked
