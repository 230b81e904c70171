"""The comparisons: functions of other tools, and the metric here that each is compared with."""

from __future__ import annotations

import importlib
import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from mss_bench.errors import UnknownNameError
from reports.metrics_compare import tools

__all__ = ["COMPARISONS", "TOOLS", "Comparison", "installed"]

TOOLS = {
    "museval": ("museval", "mss-bench itself"),
    "mir_eval": ("mir_eval", "mss-bench itself"),
    "fast_bss_eval": ("fast_bss_eval", "pip install torch fast-bss-eval"),
    "torchmetrics": ("torchmetrics", "pip install torch torchmetrics"),
    "auraloss": ("auraloss", "pip install torch auraloss"),
    "torch-l1-snr": ("torch_l1_snr", "pip install torch torchaudio torch-l1-snr"),
    "librosa": ("librosa", "pip install librosa"),
    "zimtohrli": ("zimtohrli", "pip install zimtohrli"),
}
"""Tool to the module that it is imported as, and how to install it."""

_SAME = "same definition"
_FLOAT32 = "same definition; they compute in float32"


@dataclass(frozen=True)
class Comparison:
    """A function of a tool and the metric that it is compared with.

    Parameters
    ----------
    tool : str
        A key of `TOOLS`.
    function : str
        What is called, as the report prints it.
    metric : str
        Spec of ours.
    quantities : tuple of str
    call : callable
        One of `reports.metrics_compare.tools`, but for its first three arguments.
    note : str
        Why the numbers are the same, or are not.
    mono : bool
        Channels are averaged first.
    """

    tool: str
    function: str
    metric: str
    quantities: tuple[str, ...]
    call: Callable[..., tools.Values]
    note: str = _SAME
    mono: bool = True


def _torch(function: str, quantity: str, metric: str, note: str = _FLOAT32, **options: Any) -> Comparison:
    shown = ", ".join(f"{key}={value}" for key, value in options.items())
    call = partial(tools.torchmetrics, function=function, quantity=quantity, **options)
    return Comparison("torchmetrics", f"{function}({shown})" if shown else function, metric, (quantity,), call, note)


def _loss(
    loss: str, quantity: str, metric: str, note: str = _FLOAT32, value: Callable[[float], float] = operator.neg,
    shown: str = "", **options: Any,
) -> Comparison:  # fmt: skip
    call = partial(tools.auraloss, loss=loss, quantity=quantity, value=value, **options)
    return Comparison("auraloss", loss.partition(".")[2] + shown, metric, (quantity,), call, note)


def _similarity(loss: float) -> float:
    return 100 / (1 + 10 * loss)


_GENSVS: dict[str, Any] = {
    "fft_sizes": (256, 512, 1024, 2048, 4096), "hop_sizes": (64, 128, 256, 512, 1024),
    "win_lengths": (256, 512, 1024, 2048, 4096), "rate": 0, "perceptual_weighting": True,
}  # fmt: skip
_AURA: dict[str, Any] = {
    "fft_sizes": (1024, 2048, 4096), "hop_sizes": (256, 512, 1024), "win_lengths": (1024, 2048, 4096), "scale": "mel",
    "n_bins": 128, "rate": 44100, "perceptual_weighting": True, "reversed": True,
}  # fmt: skip
_AS_MSST = "same definition, called as ZFTurbo's code does; they compute in float32"


_IMAGES = ("SDR", "ISR", "SIR", "SAR")
_SOURCES = ("SDR", "SIR", "SAR")
_SCALED = ("SI-SIR", "SI-SAR")

COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        "museval", "evaluate(mode='v4'), 1 s", "bss_eval", _IMAGES, partial(tools.museval, mode="v4", seconds=1.0),
        "same definition; museval's ridge is 2.2e-16, ours 1e-14 of the references' energy", mono=False,
    ),
    Comparison(
        "museval", "evaluate(mode='v3'), whole", "bss_eval_v3_images", _IMAGES,
        partial(tools.museval, mode="v3", seconds=math.inf),
        "same definition; museval's ridge is 2.2e-16, ours 1e-14 of the references' energy", mono=False,
    ),
    Comparison(
        "mir_eval", "bss_eval_images", "bss_eval_v3_images", _IMAGES, tools.mir_eval_images,
        "same definition; mir_eval has no ridge", mono=False,
    ),
    Comparison(
        "mir_eval", "bss_eval_sources", "bss_eval_v3_sources", _SOURCES, tools.mir_eval_sources,
        "same definition; mir_eval has no ridge",
    ),
    Comparison(
        "fast_bss_eval", "bss_eval_sources", "bss_eval_v3_sources", _SOURCES,
        partial(tools.fast_bss_eval, function="bss_eval_sources"),
        "same definition; ratios from the cosines of angles, no ridge; torch, float64",
    ),
    Comparison(
        "fast_bss_eval", "bss_eval_sources(use_cg_iter=10)", "bss_eval_v3_sources", _SOURCES,
        partial(tools.fast_bss_eval, function="bss_eval_sources", use_cg_iter=10),
        "an approximation: ten steps of conjugate gradients do not solve the system",
    ),
    Comparison(
        "fast_bss_eval", "si_bss_eval_sources", "si_sdr", ("SI-SDR",),
        partial(tools.fast_bss_eval, function="si_bss_eval_sources"),
    ),
    Comparison(
        "fast_bss_eval", "si_bss_eval_sources", "si_bss_eval:preset=fast_bss_eval", _SCALED,
        partial(tools.fast_bss_eval, function="si_bss_eval_sources"),
    ),
    Comparison(
        "fast_bss_eval", "si_bss_eval_sources", "si_bss_eval", ("SI-SAR",),
        partial(tools.fast_bss_eval, function="si_bss_eval_sources"),
        "theirs sets the projection on all references against the artefacts, Le Roux et al. the scaled reference",
    ),
    _torch(
        "signal_distortion_ratio", "SDR", "bss_eval_v3_sources", "same definition: SDR of sources; float64, no ridge"
    ),
    Comparison(
        "torchmetrics", "signal_distortion_ratio, mean over channels", "bss_eval_v3_sources:preset=torchmetrics",
        ("SDR",), partial(tools.torchmetrics, function="signal_distortion_ratio", quantity="SDR"),
        "same definition, channel by channel; float64, no ridge", mono=False,
    ),
    _torch(
        "signal_distortion_ratio", "SDR", "bss_eval",
        "another definition: theirs forgives any filter of 512 taps and is of the whole signal, ours is plain, of 1 s",
    ),
    _torch("scale_invariant_signal_distortion_ratio", "SI-SDR", "si_sdr:preset=torchmetrics"),
    _torch("scale_invariant_signal_noise_ratio", "SI-SDR", "si_sdr:preset=torchmetrics,zero_mean=true"),
    _torch("signal_noise_ratio", "SNR", "snr:preset=torchmetrics"),
    _torch("source_aggregated_signal_distortion_ratio", "SA-SDR", "sa_sdr:preset=torchmetrics"),
    _loss("time.SISDRLoss", "SI-SDR", "si_sdr:preset=auraloss"),
    _loss("time.SISDRLoss", "SI-SDR", "si_sdr", "theirs subtracts the mean and adds 1e-8; our default does neither"),
    _loss("time.SNRLoss", "SNR", "snr:preset=auraloss"),
    _loss("time.SDSDRLoss", "SD-SDR", "sd_sdr:preset=auraloss"),
    _loss("freq.MultiResolutionSTFTLoss", "MR-STFT", "mr_stft:preset=auraloss", value=float),
    _loss(
        "freq.MultiResolutionSTFTLoss", "MR-STFT", "mr_stft:preset=gensvs", value=float, shown=", as in gensvs",
        **_GENSVS,
    ),
    _loss(
        "freq.STFTLoss", "Aura-STFT", "aura_stft:preset=zfturbo", _AS_MSST, _similarity, ", 100/(1 + 10 L)",
        w_log_mag=1.0, w_lin_mag=0.0, w_sc=1.0, reversed=True,
    ),
    _loss(
        "freq.MultiResolutionSTFTLoss", "Aura-MRSTFT", "aura_mrstft:preset=zfturbo", _AS_MSST, _similarity,
        " of mels, 100/(1 + 10 L)", **_AURA,
    ),
    Comparison(
        "torch-l1-snr", "MultiL1SNRDBLoss", "l1_snr:preset=zfturbo", ("L1-SNR",), tools.torch_l1_snr, _AS_MSST,
        mono=False,
    ),
    Comparison(
        "librosa", "melspectrogram(htk=True, norm=None)", "multi_mel_snr", ("Multi-Mel-SNR",), tools.librosa,
        "same definition, computed from their mel spectrograms; their own resampling",
    ),
    Comparison(
        "zimtohrli", "Pyohrli().distance", "zimtohrli", ("Zimtohrli",), tools.zimtohrli, "ours calls theirs, at 48 kHz"
    ),
)  # fmt: skip
"""All comparisons."""


def installed(chosen: Iterable[str] = TOOLS) -> tuple[dict[str, str], dict[str, str]]:
    """Return which tools are installed.

    Returns
    -------
    versions : dict of str to str
    missing : dict of str to str
        Tool to what is wrong and what would help.

    Raises
    ------
    UnknownNameError
        Another tool.
    """
    versions, missing = {}, {}
    for tool in chosen:
        if tool not in TOOLS:
            raise UnknownNameError("tool", tool, TOOLS)
        module, install = TOOLS[tool]
        try:
            importlib.import_module(module)
            versions[tool] = version(tool)
        except ImportError:
            missing[tool] = f"not installed; {install}"
        except RuntimeError as error:  # museval without ffmpeg
            missing[tool] = f"installed, but not usable: {error}"
    return versions, missing
