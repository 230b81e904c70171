"""The figure of a method: spectrograms of true and estimated stems, and the energy over the stereo position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio
from mss_bench.dsp.panning import panning_angle, panning_histogram
from mss_bench.dsp.stft import STFT
from mss_bench.report.plots.directions import draw_directions
from mss_bench.report.style import FULL_WIDTH, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["separation_figure"]

_STFT = STFT(4096, 1024)
_RANGE_DB = 70.0
_LOW_HZ, _TOP_HZ = 60.0, 8000.0
_ROWS = 160  # rows of a picture on a logarithmic frequency axis


def separation_figure(
    mixture: Audio, references: Mapping[str, Audio], estimates: Mapping[str, Audio], sample_rate: int, *, azimuth: bool
) -> Figure:
    """Draw what a method made of a song.

    Parameters
    ----------
    mixture : (channels, samples) array
    references, estimates : dict of str to (channels, samples) array
        The targets that the method delivers, true and estimated.
    sample_rate : int
        Hz.
    azimuth : bool
        Whether to show the energy over stereo position, too; for two channels.

    Returns
    -------
    Figure
        The true stems above, the estimates below; the mixture at the left.
    """
    from matplotlib.figure import Figure

    names = list(estimates)
    azimuth = azimuth and len(mixture) == 2
    with styled():
        figure = Figure(figsize=(FULL_WIDTH, 3.0), layout="constrained")
        axes = figure.subplots(2, 1 + len(names), squeeze=False)
        top = _level(mixture)  # one scale for all panels, so that what leaked is seen as loud as it is
        _spectrogram(axes[0, 0], mixture, sample_rate, top, "mixture")
        if azimuth:
            _azimuth(axes[1, 0], mixture, references, estimates)
        else:
            axes[1, 0].set_axis_off()
        for column, name in enumerate(names, start=1):
            _spectrogram(axes[0, column], references[name], sample_rate, top, name)
            _spectrogram(axes[1, column], estimates[name], sample_rate, top, f"{name}, estimated")
        for panel in axes[:, 1:].flat:
            panel.tick_params(labelleft=False)
        for panel in axes[0]:
            panel.tick_params(labelbottom=False)
        axes[0, 0].set_ylabel("Hz")
        for panel in axes[1, 1:]:
            panel.set_xlabel("s")
    return figure


def _azimuth(axes: Axes, mixture: Audio, references: Mapping[str, Audio], estimates: Mapping[str, Audio]) -> None:
    curves = {name: panning_histogram(estimate) for name, estimate in estimates.items()}
    positions = {name: panning_angle(reference) for name, reference in references.items()}
    draw_directions(axes, panning_histogram(mixture), curves, positions)
    axes.set_title("direction (dashed: true)", fontsize=6.5, fontweight="normal")
    axes.tick_params(labelsize=6, length=2)


def _spectrogram(axes: Axes, signal: Audio, sample_rate: int, top: float, title: str) -> None:
    decibels = 20 * np.log10(np.maximum(_magnitude(signal), 1e-12)) - top
    frequencies = _STFT.frequencies(sample_rate)
    wanted = np.geomspace(_LOW_HZ, min(_TOP_HZ, sample_rate / 2), _ROWS)
    # A logarithmic axis by picking bins: imshow draws equal rows.
    rows = np.searchsorted(frequencies, wanted).clip(max=len(frequencies) - 1)
    seconds = signal.shape[-1] / sample_rate
    axes.imshow(
        decibels[:, rows].T, origin="lower", aspect="auto", cmap="magma", vmin=-_RANGE_DB, vmax=0,
        extent=(0, seconds, 0, 1), interpolation="none",
    )  # fmt: skip
    ticks = [100, 1000, float(wanted[-1])]
    axes.set_yticks([_place(f, wanted) for f in ticks], ["100", "1k", f"{ticks[-1] / 1000:g}k"])
    axes.set_title(title, fontsize=6.5, fontweight="normal")
    axes.tick_params(labelsize=6, length=2)


def _place(frequency: float, wanted: NDArray[Any]) -> float:
    return float(np.log(frequency / wanted[0]) / np.log(wanted[-1] / wanted[0]))


def _magnitude(signal: Audio) -> NDArray[Any]:
    return np.asarray(np.abs(_STFT.forward(np.asarray(signal, dtype=np.float32))).mean(axis=0))


def _level(signal: Audio) -> float:
    return float(20 * np.log10(max(float(_magnitude(signal).max(initial=0.0)), 1e-12)))
