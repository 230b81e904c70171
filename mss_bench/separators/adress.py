"""ADRess: a source panned by level disappears from one channel less a share of the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.dsp.stft import Spectrogram
from mss_bench.separators.base import as_published
from mss_bench.separators.centre import PannedVoice

__all__ = ["ADRess"]


class ADRess(PannedVoice):
    """Separate what cancels at an azimuth, and so came from there: azimuth discrimination and resynthesis.

    One channel scaled by a gain g and taken from the other cancels the source whose channels have that ratio. The gain
    at which a bin is least tells its azimuth, and how far it falls there tells how much of the bin is the source. For
    bins that are stronger at the left, g from 0 to 1:

        Az(g) = |R - g L|,  g_0 = argmin Az,  V = max Az - Az(g_0),  azimuth = g_0 - 1,

    and with the channels exchanged, and the azimuth's sign, for those that are stronger at the right: -1 is left, 0 the
    centre, 1 right. Vocals have the magnitude V in the bins whose azimuth is within ``width / 2`` of `azimuth`, and
    there the accompaniment has what is left of max Az; in all other bins, below `low` and above `high` the vocals have
    none. A filter makes the estimates of these magnitudes.

    The paper tries beta = 100 gains. Az(g)^2 = |R|^2 - 2 g Re(L R*) + g^2 |L|^2 is a parabola, so that its least value
    is known, g_0 = Re(L R*) / |L|^2 held within 0 and 1, and its greatest is at g = 0 or 1: the azimuths are as fine as
    can be, for a hundredth of the work. The paper gives V the phase of the stronger channel and so returns a mono
    source; here the share ``V / max Az`` is a mask on both channels, so that the estimates add up to the mixture. The
    paper also has both planes of every bin, that of ``g L`` and that of ``g R``. A source that is stronger at the left
    cancels in the former alone; in the latter it is least at g = 1, where it would be taken for the centre. So each bin
    is looked for in the plane of its stronger channel, which holds the lower of the two minima.

    References
    ----------
    .. [1] D. Barry, R. Lawlor and E. Coyle, "Sound source separation: azimuth discrimination and resynthesis", Proc.
       DAFx, 2004.
    """

    name = "adress"
    citation = "D. Barry, R. Lawlor and E. Coyle, Sound source separation: azimuth discrimination, DAFx 2004"
    presets = as_published()
    unlike_paper = (
        "Only the plane of the stronger channel is searched, with the exact null for the nearest of 100 gains; "
        "estimates are masks on both channels, not a mono source with the phase of one; the "
        "voice has a band, from low to high"
    )
    assumption = "Sources are panned by level alone, and none but the voice is at its azimuth between low and high."

    azimuth: float = param(
        0.0, at_least=-1, at_most=1, doc="Panning position of the voice, from -1 (left) to 1 (right)."
    )
    width: float = param(
        0.3, above=0, doc="Width of the range of azimuths that is voice; the paper's H is ``100 width``."
    )

    def setup(self) -> None:
        super().setup()
        self.channel_equivariant = self.azimuth == 0  # elsewhere, swapped channels put the voice on the other side

    def magnitudes(self, x: Spectrogram, band: NDArray[np.float32]) -> list[NDArray[Any]]:
        azimuth, cancelled, greatest = azimuths(x)
        vocals = np.where(np.abs(azimuth - self.azimuth) <= self.width / 2, cancelled, 0) * band
        return [vocals[None], (greatest - vocals)[None]]


def azimuths(mixture: Spectrogram) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return where each bin comes from, and how much of it does.

    Parameters
    ----------
    mixture : (2, frames, bins) complex

    Returns
    -------
    azimuth : (frames, bins)
        From -1, left, to 1, right.
    cancelled : (frames, bins)
        ``max Az - min Az``.
    greatest : (frames, bins)
        ``max Az``.
    """
    power = np.square(mixture.real) + np.square(mixture.imag)
    cross = mixture[0].real * mixture[1].real + mixture[0].imag * mixture[1].imag
    strong, weak = np.maximum(power[0], power[1]), np.minimum(power[0], power[1])
    gain = np.clip(np.divide(cross, strong, out=np.zeros_like(cross), where=strong > 0), 0, 1)
    least = np.sqrt(np.maximum(weak - gain * (2 * cross - gain * strong), 0))
    greatest = np.sqrt(np.maximum(weak, np.maximum(weak - 2 * cross + strong, 0)))
    side = np.where(power[0] > power[1], gain - 1, 1 - gain)
    return side, np.maximum(greatest - least, 0), greatest
