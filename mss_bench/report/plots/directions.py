"""The picture of a stereo image: energy over panning angle, and where the true sources are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mss_bench.report.style import COLOURS, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_directions"]

_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito's colours

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def draw_directions(axes: Axes, mixture: Curve, estimates: Mapping[str, Curve], positions: Mapping[str, float]) -> None:
    """Draw the energy of a mixture and of estimates over the angle, and the true positions as dashed lines.

    Parameters
    ----------
    axes : Axes
    mixture : tuple of two arrays
        Degrees, from 0 (left) by 45 (centre) to 90 (right), and the energy there.
    estimates : dict of str to such a tuple
    positions : dict of str to float
        The angle of each true source, in degrees.
    """
    degrees, energy = mixture
    whole = float(energy.sum()) or 1.0
    axes.fill_between(degrees, energy / whole, color=COLOURS["grid"], step="mid", linewidth=0)
    for index, (name, (degrees, energy)) in enumerate(estimates.items()):
        colour = _LINES[index % len(_LINES)]
        axes.step(degrees, energy / whole, where="mid", linewidth=0.8, color=colour, label=printable(name))
        if name in positions:
            axes.axvline(positions[name], color=colour, linewidth=0.7, linestyle=(0, (3, 2)))
    for name, position in positions.items():
        if name not in estimates:
            axes.axvline(position, color="#888888", linewidth=0.7, linestyle=(0, (3, 2)), label=printable(name))
    # Most of the energy lies in the centre; a linear scale would hide what is left and right.
    axes.set_yscale("symlog", linthresh=1e-3, linscale=0.5)
    axes.set_ylim(0)
    axes.set_xlim(0, 90)
    axes.set_xticks([0, 45, 90], ["left", "centre", "right"])
    axes.set_yticks([])
    axes.minorticks_off()
    axes.legend(fontsize=5.5, handlelength=1, borderpad=0.2, labelspacing=0.2, loc="upper right")
    axes.spines["left"].set_visible(False)
