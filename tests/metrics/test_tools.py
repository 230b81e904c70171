"""The presets give the numbers of the tools that they name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.metrics import metrics
from mss_bench.registry import import_file

DATA = Path(__file__).parents[1] / "data"
make = import_file(DATA / "make_metric_families.py")
GOLDEN = json.loads((DATA / "metric_families.json").read_text())

# Tool to what stands for it here: metric, its quantities in the tool's order, sample rate.
OURS = {
    "mdx21 sdr": ("usdr:preset=mdx21", ["uSDR"]),
    "zfturbo sdr": ("usdr:preset=zfturbo", ["uSDR"]),
    "zfturbo si_sdr": ("si_sdr:preset=zfturbo", ["SI-SDR"]),
    "zfturbo l1_freq": ("l1_freq:preset=zfturbo", ["L1-freq"]),
    "zfturbo bleed_full": ("bleed_full:preset=zfturbo", ["Bleedless", "Fullness"]),
    "torchmetrics snr": ("snr:preset=torchmetrics", ["SNR"]),
    "torchmetrics si_sdr": ("si_sdr:preset=torchmetrics", ["SI-SDR"]),
    "torchmetrics si_snr": ("si_sdr:preset=torchmetrics,zero_mean=true", ["SI-SDR"]),
    "torchmetrics sa_sdr": ("sa_sdr:preset=torchmetrics", ["SA-SDR"]),
    "auraloss snr": ("snr:preset=auraloss", ["SNR"]),
    "auraloss si_sdr": ("si_sdr:preset=auraloss", ["SI-SDR"]),
    "auraloss sd_sdr": ("sd_sdr:preset=auraloss", ["SD-SDR"]),
    "auraloss mr_stft": ("mr_stft:preset=auraloss", ["MR-STFT"]),
    "auraloss mr_stft, hops of a quarter": ("mr_stft:silent_reference=scored", ["MR-STFT"]),
    "fast_bss_eval si_bss_eval_sources": ("si_bss_eval:preset=fast_bss_eval", ["SI-SIR", "SI-SAR"]),
    "log_wmse_audio_quality": ("log_wmse:preset=nomono", ["log-WMSE"]),
    "log_wmse_audio_quality, as if of 32 kHz": ("log_wmse:preset=nomono", ["log-WMSE"]),
}


def ours(tool, kind):
    """Our values by source, in the tool's order; SI-SDR comes first where fast_bss_eval has it."""
    spec, quantities = OURS[tool]
    references, estimates, mixture = make.signals(kind)
    track = TrackAudio(references, mixture, 32000 if "32 kHz" in tool else make.RATE)
    specs = ["si_sdr", spec] if "fast_bss_eval" in tool else [spec]
    found = {name: [] for name in references}
    for each in specs:
        metric = build(metrics, Spec.parse(each))[0]
        scores = metric.score(metric.prepare(track, TargetGroup("group", tuple(references))), estimates)
        for score in scores:
            assert score.quantity in ["SI-SDR", *quantities]
            found[score.target].append(score.values.item())
    return found


def assert_agree(tool, kind, theirs):
    """Within 1e-4; relative to it beyond 1000, where float32 sums hold no more."""
    for name, values in ours(tool, kind).items():
        if name in theirs:
            tolerance = 1e-4 * max(1.0, *np.abs(theirs[name])) if max(np.abs(theirs[name])) > 1000 else 1e-4
            np.testing.assert_allclose(values, theirs[name], rtol=0, atol=tolerance, err_msg=f"{tool}, {kind}, {name}")


@pytest.mark.parametrize("kind", make.KINDS)
@pytest.mark.parametrize("tool", OURS)
def test_stored_numbers(tool, kind):
    theirs = GOLDEN[kind][tool]
    assert theirs or (tool.startswith("fast_bss_eval") and kind == "silent")
    assert_agree(tool, kind, theirs)


def test_every_stored_tool_is_compared():
    assert set(OURS) == set(make.TOOLS)
    assert all(set(OURS) == set(GOLDEN[kind]) for kind in make.KINDS)


@pytest.mark.parametrize("tool", [tool for tool, (packages, _) in make.TOOLS.items() if packages])
def test_the_tool_itself(tool):
    packages, run = make.TOOLS[tool]
    for package in packages:
        pytest.importorskip(package, reason=f"{package} is not installed", exc_type=ImportError)
    assert_agree(tool, "plain", run(*make.signals("plain")))
