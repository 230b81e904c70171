"""Small models of Music-Source-Separation-Training, the same there and here: configurations, weights by rule, music."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import yaml

from mss_bench.core.tracks import Audio

RATE = 8000
_FOUR = ["drums", "bass", "other", "vocals"]
_ROFORMER = {"dim": 16, "depth": 1, "stereo": True, "dim_head": 8, "heads": 2, "flash_attn": False, "stft_n_fft": 256}
_ROFORMER |= {"stft_hop_length": 64, "stft_win_length": 256, "mask_estimator_depth": 2}

CONFIGS: dict[str, dict[str, Any]] = {
    "bs_roformer": {
        "audio": {"chunk_size": 4096, "num_channels": 2, "sample_rate": RATE},
        "model": _ROFORMER | {"num_stems": 1, "freqs_per_bands": (*[4] * 16, *[13] * 5)},
        "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals", "use_amp": True},
        "inference": {"batch_size": 1, "num_overlap": 2},
    },
    "mel_band_roformer": {
        "audio": {"chunk_size": 4096, "num_channels": 2, "sample_rate": RATE},
        "model": _ROFORMER | {"num_stems": 4, "num_bands": 12, "sample_rate": RATE, "mask_estimator_depth": 1},
        "training": {"instruments": _FOUR, "target_instrument": None, "use_amp": True},
        # Of three chunks in a batch neither the first nor the last is alone: both are faded.
        "inference": {"batch_size": 3, "num_overlap": 4, "normalize": True},
    },
    "mdx23c": {
        "audio": {"chunk_size": 4032, "dim_f": 128, "dim_t": 64, "hop_length": 64, "n_fft": 256, "num_channels": 2,
                  "sample_rate": RATE},
        "model": {"act": "gelu", "bottleneck_factor": 2, "growth": 4, "norm": "InstanceNorm", "num_blocks_per_scale": 1,
                  "num_channels": 8, "num_scales": 2, "num_subbands": 2, "scale": [2, 2]},
        "training": {"instruments": ["Vocals", "Instrumental"], "target_instrument": None, "use_amp": True},
        "inference": {"batch_size": 2, "dim_t": 64, "num_overlap": 2},
    },
    "htdemucs": {
        "model": "htdemucs",
        "training": {"instruments": _FOUR, "channels": 2, "samplerate": RATE, "segment": 1, "use_amp": True},
        "htdemucs": {"channels": 8, "depth": 2, "nfft": 256, "t_layers": 1, "t_heads": 2, "bottom_channels": 16,
                     "dconv_mode": 1, "t_hidden_scale": 1.0},
        "inference": {"batch_size": 2, "num_overlap": 2},
    },
    "scnet": {
        "audio": {"chunk_size": 4096, "num_channels": 2, "sample_rate": RATE},
        "model": {"sources": _FOUR, "audio_channels": 2, "dims": [4, 8, 8], "nfft": 256, "hop_size": 64,
                  "win_size": 256, "normalized": True, "band_SR": [0.175, 0.392, 0.433], "band_stride": [1, 4, 16],
                  "band_kernel": [3, 4, 16], "conv_depths": [1, 1, 1], "compress": 4, "conv_kernel": 3,
                  "num_dplayer": 2, "expand": 1},
        "training": {"instruments": _FOUR, "target_instrument": None, "use_amp": True},
        "inference": {"batch_size": 1, "num_overlap": 2, "chunk_size": 6000},
    },
}  # fmt: skip
"""A configuration of each type, which together meet every branch of the inference."""


def written(config: dict[str, Any]) -> str:
    """Return a configuration as MSST's users have it, tuples with their tag."""
    dumper = type("Dumper", (yaml.Dumper,), {"ignore_aliases": lambda *_: True})
    return yaml.dump(config, Dumper=dumper, sort_keys=False)


def music(samples: int = 13001) -> Audio:
    """Return stereo noise under a few sines, with its loudest part in the middle."""
    rng = np.random.default_rng(1)
    t = np.arange(samples) / RATE
    tones = np.stack([np.sin(2 * np.pi * f * t) for f in (110.0, 440.0, 1234.5)]).sum(axis=0)
    noise = rng.standard_normal((2, samples))
    return np.asarray(0.05 * np.hanning(samples) * (tones + noise) + 0.01, dtype=np.float32)


def filled(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state with weights that follow from their names, so that no file of weights is needed."""
    import torch

    def weights(name: str, tensor: Any) -> Any:
        if not tensor.is_floating_point() or name.endswith("freqs"):  # counters; frequencies of an embedding
            return tensor
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        fan_in = tensor[0].numel() if tensor.ndim > 1 else 1
        values = rng.standard_normal(tuple(tensor.shape)) / np.sqrt(fan_in)
        if tensor.ndim < 2:
            values = 0.1 * values + float(name.endswith(("weight", "gamma", "scale", "running_var")))
        return torch.from_numpy(np.abs(values) if name.endswith("running_var") else values).to(tensor.dtype)

    return {name: weights(name, tensor) for name, tensor in state.items()}
