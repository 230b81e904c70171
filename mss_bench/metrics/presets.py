"""Conventions: the parameters with which a metric gives a tool's numbers, and what the column ``preset`` says of them.

A metric with presets takes ``preset=NAME`` beside its other parameters, which then default to the preset's:
``usdr:preset=zfturbo``, ``si_sdr:preset=torchmetrics,zero_mean=true``.

The tools: *mdx21*, the starter kit of the Music Demixing Challenge 2021; *demucs*, Demucs' evaluation; *zfturbo*,
ZFTurbo's Music-Source-Separation-Training; *torchmetrics* 1.9, on float32 tensors; *auraloss* 0.4; *fast_bss_eval*
0.1.4; *museval* 0.4.1; *mir_eval* 0.8, its whole-signal and framewise functions with their defaults; *nomono*,
log-wmse-audio-quality 0.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mss_bench.errors import UnknownNameError

__all__ = ["PRESETS", "preset_name", "resolve"]

_PLAIN = {"per_channel": True, "zero_mean": False, "eps": 0.0, "eps_form": "both"}
_TORCHMETRICS = _PLAIN | {"eps": 2.0**-23}
_AURALOSS = {"per_channel": True, "zero_mean": True, "eps": 1e-8, "eps_form": "denominator"}
_ZFTURBO = {"per_channel": False, "zero_mean": False, "eps": 1e-8, "eps_form": "samples"}

_V3: dict[str, Any] = {
    "window": None, "hop": None, "filter_length": 512, "permute": False, "silence": "joint", "references": "group",
}  # fmt: skip
_MIR_EVAL = _V3 | {"references": "delivered"}
_V3_PRESETS = {
    "v3": _V3,
    "mir_eval": _MIR_EVAL | {"permute": True},
    "mir_eval_framewise": _MIR_EVAL | {"window": 30.0, "hop": 15.0},
}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "bss_eval_v3_images": _V3_PRESETS,
    "bss_eval_v3_sources": _V3_PRESETS,
    "usdr": {
        "default": {"delta": 1e-7, "precision": "float64"},
        "mdx21": {"delta": 1e-7, "precision": "float32"},
        "demucs": {"delta": 1e-7, "precision": "float64"},
        "zfturbo": {"delta": 1e-8, "precision": "float64"},
    },
    "csdr": {"museval": {"window": 1.0, "hop": 1.0, "silence": "joint"}},
    "snr": {"default": _PLAIN, "torchmetrics": _TORCHMETRICS, "auraloss": _AURALOSS},
    "si_sdr": {"default": _PLAIN, "torchmetrics": _TORCHMETRICS, "auraloss": _AURALOSS, "zfturbo": _ZFTURBO},
    "sd_sdr": {"default": _PLAIN, "auraloss": _AURALOSS},
    "sa_sdr": {
        "default": _PLAIN | {"scale_invariant": True},
        "torchmetrics": _TORCHMETRICS | {"scale_invariant": True},
    },
    "si_bss_eval": {
        "default": {"per_channel": True, "zero_mean": False, "sar": "target"},
        "fast_bss_eval": {"per_channel": True, "zero_mean": False, "sar": "projection"},
    },
    "log_wmse": {"nomono": {"gate": -68.0}},
    "l1_freq": {"zfturbo": {"n_fft": 2048, "hop": 1024}},
    "bleed_full": {"zfturbo": {"n_fft": 4096, "hop": 1024, "n_mels": 512, "top_db": 80.0}},
    "mr_stft": {
        "default": {"n_ffts": (1024, 2048, 4096), "hops": (256, 512, 1024), "windows": (1024, 2048, 4096), "eps": 1e-8},
        "auraloss": {"n_ffts": (1024, 2048, 512), "hops": (120, 240, 50), "windows": (600, 1200, 240), "eps": 1e-8},
    },
}
"""Metric to preset to every parameter. The first preset is the metric's default."""


def preset_name(standard: str, given: Mapping[str, object], defaults: Mapping[str, object]) -> str:
    """The standard's name, followed by the parameters that differ from it, so that different numbers differ in name.

    Examples
    --------
    >>> preset_name("v4", {"window": 2.0, "hop": 1.0}, {"window": 1.0, "hop": 1.0})
    'v4 window=2.0'
    """
    return " ".join([standard, *(f"{key}={value}" for key, value in given.items() if value != defaults[key])])


def resolve(metric: str, preset: str | None, given: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The parameters of a metric that has presets, and what the tables call them.

    Parameters
    ----------
    metric : str
        A key of `PRESETS`.
    preset : str, optional
        One of its presets; None for the first.
    given : mapping of str to value
        The parameters as given; None stands for the preset's value.

    Returns
    -------
    values : dict
    name : str
        The preset that has just these values, the one asked for if it does; else what differs, after its name.

    Raises
    ------
    UnknownNameError
        A preset that the metric does not have.

    Examples
    --------
    >>> resolve("l1_freq", None, {"n_fft": None, "hop": 512})
    ({'n_fft': 2048, 'hop': 512}, 'hop=512')
    >>> resolve("csdr", "museval", {"window": 2.0, "hop": None, "silence": None})
    ({'window': 2.0, 'hop': 1.0, 'silence': 'joint'}, 'museval window=2.0')
    """
    known = PRESETS[metric]
    if preset is not None and preset not in known:
        raise UnknownNameError(f"preset of {metric}", preset, known)
    standard = next(iter(known)) if preset is None else preset
    values = {key: known[standard][key] if value is None else value for key, value in given.items()}
    for name in (standard, *known):
        if known[name] == values:
            return values, name
    # a tool's name stands before numbers that are not the tool's only where it was asked for
    shown = preset or ("default" if "default" in known else "")
    return values, preset_name(shown, values, known[standard]).strip()
