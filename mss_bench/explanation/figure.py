"""The picture of an explanation: spectrograms of an estimate and its parts, and the metrics frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.stft import STFT
from mss_bench.metrics._signals import Samples
from mss_bench.report.style import FULL_WIDTH, printable, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from mss_bench.explanation.explain import Explanation

__all__ = ["TITLES", "draw"]

TITLES = {
    "target": "target: the true source",
    "spatial_distortion": "spatial distortion: what filters of it add",
    "interference": "interference: filtered other sources",
    "artifacts": "artifacts: what no filter explains",
}

_COLOURS = {"SDR": "#222222", "ISR": "#0072B2", "SIR": "#009E73", "SAR": "#D55E00"}
_RANGE_DB = 80.0
_METRIC_DB = (-25.0, 40.0)
"""Values of a metric beyond these are drawn at the edge."""

_LOW_HZ, _TOP_HZ = 60.0, 16000.0
_ROWS, _COLUMNS = 200, 1500
_SIZE = 0.093  # seconds


def draw(explained: Explanation, estimate: Samples, sample_rate: int, file: Path) -> None:
    """Draw and save.

    Parameters
    ----------
    explained : Explanation
    estimate : (channels, samples) float array
    sample_rate : int
        Hz.
    file : Path
        PNG.
    """
    from matplotlib.figure import Figure

    signals = {"estimate": estimate, **explained.components.parts}
    seconds = estimate.shape[1] / sample_rate
    powers = {name: _power(signal, sample_rate) for name, signal in signals.items()}
    top = max(float(powers[name].max()) for name in ("estimate", "target")) or 1.0
    with styled():
        figure = Figure(figsize=(FULL_WIDTH, 8.6), layout="constrained")
        axes = figure.subplots(6, 1, sharex=True, height_ratios=[1, 1, 1, 1, 1, 1.15])
        image = None
        for one, (name, power) in zip(axes, powers.items(), strict=False):
            title = TITLES.get(name, "estimate: the sum of the four below")
            level = _level(signals[name], explained.components.target)
            image = _spectrogram(one, power / top, seconds, sample_rate, f"{title} ({level})")
        _metrics(axes[5], explained, seconds)
        if image is not None:
            figure.colorbar(image, ax=axes[:5].tolist(), label="dB against the loudest", pad=0.01, aspect=60)
        title = f"{explained.target} of {explained.track} by {explained.method}; levels against the true source"
        figure.suptitle(printable(title), fontsize=8.5)
        figure.savefig(file, dpi=150, metadata={"Software": None})


def _power(signal: Samples, sample_rate: int) -> NDArray[np.float64]:
    """Power ``(rows, columns)``: logarithmic frequencies, few enough columns for a picture; peaks are kept."""
    size = 1 << max(4, round(float(np.log2(_SIZE * sample_rate))))
    stft = STFT(size, size // 4)
    power = np.square(np.abs(stft.forward(np.asarray(signal, dtype=np.float32)))).mean(axis=0).astype(np.float64)
    wanted = np.geomspace(_LOW_HZ, min(_TOP_HZ, sample_rate / 2), _ROWS)
    rows = np.searchsorted(stft.frequencies(sample_rate), wanted).clip(max=stft.bins - 1)
    step = max(1, -(-len(power) // _COLUMNS))
    return np.maximum.reduceat(power[:, rows], np.arange(0, len(power), step), axis=0).T


def _spectrogram(axes: Axes, power: NDArray[np.float64], seconds: float, sample_rate: int, title: str) -> AxesImage:
    highest = min(_TOP_HZ, sample_rate / 2)
    image = axes.imshow(
        10 * np.log10(np.maximum(power, 1e-20)), origin="lower", aspect="auto", cmap="magma", vmin=-_RANGE_DB, vmax=0,
        extent=(0, seconds, 0, 1), interpolation="nearest",
    )  # fmt: skip
    ticks = [f for f in (100, 1000, 10000) if f < highest]
    places = [float(np.log(f / _LOW_HZ) / np.log(highest / _LOW_HZ)) for f in ticks]
    axes.set_yticks(places, [f"{f / 1000:g}k" if f >= 1000 else str(f) for f in ticks])
    axes.set_ylabel("Hz")
    axes.set_title(printable(title), fontsize=7.5, fontweight="normal")
    axes.tick_params(labelsize=7, length=2, labelbottom=False)
    return image


def _metrics(axes: Axes, explained: Explanation, seconds: float) -> None:
    """Values of each frame as steps, those far out at the edge, and the medians in the legend."""
    for quantity, score in explained.frames.items():
        values = np.where(np.isnan(score.values), np.nan, np.clip(score.values, *_METRIC_DB))
        edges = np.arange(len(values) + 1) * score.hop
        median = "undefined" if np.isnan(score.value) else f"{score.value:.1f} dB"
        axes.stairs(values, edges, baseline=None, color=_COLOURS[quantity], label=f"{quantity} (median {median})")
    axes.axhline(0, color="#DDDDDD", linewidth=0.6, zorder=0)
    axes.set_xlim(0, seconds)
    axes.set_xlabel("s")
    axes.set_ylabel("dB")
    axes.set_title("BSS Eval v4 in frames of 1 s", fontsize=7.5, fontweight="normal")
    axes.tick_params(labelsize=7, length=2)
    axes.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.32), fontsize=7)


def _level(signal: Samples, target: Samples) -> str:
    """Level against the true source, in words."""
    energy, whole = (float(np.sum(np.square(x, dtype=np.float64))) for x in (signal, target))
    return f"{10 * np.log10(energy / whole):+.1f} dB" if energy > 0 else "silent"
