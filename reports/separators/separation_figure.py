"""The figure of a method: spectrograms of true and estimated stems, and the energy over the stereo position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio
from mss_bench.dsp.stft import STFT
from mss_bench.report.style import COLOURS, FULL_WIDTH, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["azimuth_histogram", "separation_figure"]

_STFT = STFT(4096, 1024)
_RANGE_DB = 70.0
_LOW_HZ, _TOP_HZ = 60.0, 8000.0
_ROWS = 160  # rows of a picture on a logarithmic frequency axis
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito's colours


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
            _azimuth(axes[1, 0], mixture, estimates)
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


def azimuth_histogram(signal: Audio, bins: int = 61) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the energy of a stereo signal over panning angle.

    Parameters
    ----------
    signal : (2, samples) array
    bins : int

    Returns
    -------
    degrees : (bins,)
        0 is left alone, 45 the centre, 90 right alone: the arc tangent of |R| / |L| in each bin of the spectrogram.
    share : (bins,)
        Of the signal's energy; all zero for silence.
    """
    left, right = np.abs(_STFT.forward(np.asarray(signal, dtype=np.float32)))
    angle = np.degrees(np.arctan2(right, left)).ravel()
    energy = (np.square(left, dtype=np.float64) + np.square(right, dtype=np.float64)).ravel()
    counts, edges = np.histogram(angle, bins=bins, range=(0.0, 90.0), weights=energy)
    return (edges[1:] + edges[:-1]) / 2, counts / (energy.sum() or 1.0)


def _azimuth(axes: Axes, mixture: Audio, estimates: Mapping[str, Audio]) -> None:
    whole = float(np.sum(np.square(mixture, dtype=np.float64))) or 1.0
    degrees, share = azimuth_histogram(mixture)
    axes.fill_between(degrees, share, color=COLOURS["grid"], step="mid", linewidth=0)
    for index, (name, estimate) in enumerate(estimates.items()):
        part = float(np.sum(np.square(estimate, dtype=np.float64))) / whole
        _, share = azimuth_histogram(estimate)
        axes.step(degrees, share * part, where="mid", linewidth=0.8, color=_LINES[index % 6], label=name)
    # Most of the energy lies in the centre; a linear scale would hide what is left and right.
    axes.set_yscale("symlog", linthresh=1e-3, linscale=0.5)
    axes.set_ylim(0)
    axes.set_xlim(0, 90)
    axes.set_xticks([0, 45, 90], ["left", "centre", "right"])
    axes.set_yticks([])
    axes.minorticks_off()
    axes.legend(fontsize=5.5, handlelength=1, borderpad=0, labelspacing=0.2, loc="upper right")
    axes.set_title("energy over position", fontsize=6.5, fontweight="normal")
    axes.spines["left"].set_visible(False)


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
