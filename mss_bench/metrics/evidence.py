"""What listening tests say about metrics: for each, which study computed what, on how many items, and what came out.

A finding belongs to the very quantity that a study computed: "SDR" is a different number in BSS Eval v3 of sources, v3
of images and v4. Entries about another quantity than the metric's own say so. The correlations from gensvs are those
of its published table, computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["EVIDENCE", "Evidence", "evidence_text"]


@dataclass(frozen=True)
class Evidence:
    """One finding.

    Parameters
    ----------
    study : str
        With its year.
    quantity : str
        What was computed there, exactly.
    finding : str
    n, of : int, str
        How many items it rests on, and what they are.
    own : bool
        Whether the quantity is the metric's own.
    column : str
        Of the study's published table, where the finding can be computed again.
    """

    study: str
    quantity: str
    finding: str
    n: int
    of: str
    own: bool = True
    column: str = ""


_GENSVS = (
    "gensvs: P. A. Bereuter et al., Towards reliable objective evaluation metrics for generative singing voice "
    "separation models, WASPAA 2025"
)
_WARD = "D. Ward et al., BSS Eval or PEASS? Predicting the perception of singing-voice separation, ICASSP 2018"
_TORCOLI = (
    "M. Torcoli, T. Kastner, J. Herre, Objective measures of perceptual audio quality reviewed, IEEE/ACM TASLP 29, 2021"
)
_BAKE_OFF = (
    "N. Jaffe, J. A. Burgoyne, Musical source separation bake-off: comparing objective metrics with human perception, "
    "WASPAA 2025"
)


def _gensvs(
    quantity: str, discriminative: str, generative: str, column: str, own: bool = True
) -> tuple[Evidence, Evidence]:
    """Return Spearman's correlations with the mean opinion score of an item, of both kinds of systems."""
    kinds = (
        (discriminative, 150, "vocals by three discriminative systems"),
        (generative, 100, "vocals by two generative systems"),
    )
    first, second = (
        Evidence(_GENSVS, quantity, f"Spearman {value} with mean opinion scores", n, of, own, column)
        for value, n, of in kinds
    )
    return first, second


def _ward(quantity: str, value: str, task: str) -> Evidence:
    finding = f"Pearson {value} with median ratings of {task}"
    return Evidence(_WARD, quantity, finding, 80, "vocals, 16 songs by 5 of 21 systems each")


def _bake_off(quantity: str, finding: str) -> Evidence:
    return Evidence(_BAKE_OFF, quantity, finding, 50, "songs of the MUSDB18 test set, about 30 ratings each")


_V3_SOURCES = _gensvs(
    "SDR of BSS Eval v3 sources, 512 taps, mean of the channels (preset torchmetrics)", ".67", ".18", "sdr"
)
_NOT_V3_SOURCES = _gensvs(_V3_SOURCES[0].quantity, ".67", ".18", "sdr", own=False)

EVIDENCE: Mapping[str, tuple[Evidence, ...]] = {
    "bss_eval": (
        _bake_off("SDR of BSS Eval v4", "follows ratings of vocals best of the measures compared"),
        *_NOT_V3_SOURCES,
    ),
    "bss_eval_v3_images": (
        _ward("SIR of BSS Eval v3 images, mono, whole signal", ".81", "interference"),
        _ward("SAR of BSS Eval v3 images, mono, whole signal", ".65", "sound quality"),
        _ward("ISR of BSS Eval v3 images, mono, whole signal", ".28", "sound quality"),
    ),
    "bss_eval_v3_sources": _V3_SOURCES,
    "usdr": (),
    "csdr": (),
    "k_sdr": (),
    "snr": (),
    "si_sdr": _gensvs("SI-SDR, whole signal", ".68", ".11", "sisdr"),
    "sd_sdr": (),
    "sa_sdr": (),
    "si_bss_eval": (_bake_off("SI-SAR", "follows ratings of drums and bass better than SDR"),),
    "log_wmse": (),
    "l1_freq": (),
    "mr_stft": _gensvs(
        "MR-STFT of auraloss, FFTs of 256 to 4096 samples, hop a quarter, perceptual weighting, mean of the channels "
        "(preset gensvs)",
        "-.66",
        "-.72",
        "multi_res_loss",
    ),
    "aura_stft": (),
    "aura_mrstft": (),
    "l1_snr": (),
    "multi_mel_snr": (),
    "bleed_full": (),
    "silence": (),
    "2f": (
        Evidence(
            _TORCOLI,
            "2f-model",
            "correlates significantly better with overall ratings than the other measures compared",
            7,
            "listening tests about source separation",
        ),
    ),
    "artifacts": (),
    "subband_ratios": (
        *_gensvs("SIR of PEASS' decomposition", ".61", ".41", "sir", own=False),
        *_gensvs("ISR of PEASS' decomposition", ".66", "-.09", "isr", own=False),
        *_gensvs("SAR of BSS Eval sources with the lone reference, 1024 taps", ".67", ".18", "sar", own=False),
    ),
    "peass": (
        *_gensvs("OPS", ".53", "-.07", "ops"),
        *_gensvs("TPS", ".65", ".26", "tps"),
        *_gensvs("IPS", ".07", "-.08", "ips"),
        *_gensvs("APS", ".62", ".26", "aps"),
        _ward("APS", ".88", "sound quality"),
        _ward("TPS", ".79", "sound quality"),
        _ward("IPS", ".81", "interference"),
    ),
    "visqol": _gensvs("ViSQOL, audio mode", ".65", ".66", "visqol"),
    "zimtohrli": (),
    "haaqi": (),
    "fad": (
        _bake_off(
            "FAD, CLAP trained on music",
            "Kendall .25 with ratings of drums, .19 of bass, none above 0 of vocals",
        ),
        *_gensvs("FAD song by song, MERT", "-.62", "-.65", "fad_song2song_mert_df"),
        *_gensvs("FAD song by song, CLAP trained on music", "-.72", "-.67", "fad_song2song_clap_music_df"),
    ),
    "embedding_mse": (
        *_gensvs("MSE of the embeddings, MERT", "-.76", "-.71", "emb_mse_mert_df"),
        *_gensvs("MSE of the embeddings, music2latent", "-.77", "-.47", "emb_mse_music2latent_df"),
    ),
    "remix": (),
    "upmix": (),
    "drum_onsets": (),
    "beats": (),
    "melody": (),
    "bass_notes": (),
}
"""Every metric of this package; empty where no study is known that compared its numbers with listeners."""


def evidence_text(evidence: Evidence) -> str:
    """Return a finding in words."""
    other = "" if evidence.own else ", which is not this metric's number"
    return f"{evidence.quantity}{other}: {evidence.finding}, n = {evidence.n} {evidence.of} ({evidence.study})"
