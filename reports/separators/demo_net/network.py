"""The network: dense layers over all frequencies, dilated convolutions over time, small ones for the masks.

The trunk sees all bands of both channels of a frame at once, since partials of one sound lie far apart, and frames up
to 1.5 s away through convolutions over time, one channel of the trunk at a time [1]_. It says for each band and frame
in a few numbers what it takes it for. From these and from the spectrogram a few convolutions over time and frequency
draw the masks: each channel's bands shared between the stems (softmax), so that estimates add up to the mixture. No
frame is thinned out, so that any number of them will do.

References
----------
.. [1] Y. Luo and N. Mesgarani, "Conv-TasNet: surpassing ideal time-frequency magnitude masking for speech separation",
   IEEE/ACM Trans. Audio, Speech, and Language Processing 27(8), 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reports.separators.demo_net.bands import BANDS, POOLING
from reports.separators.demo_net.data import STEMS

__all__ = ["BORDER", "MAPS", "DemoNet", "OverBins", "pool", "unpool"]

_CHANNELS = 2
_WIDTH = 224  # of the trunk
MAPS = 6
"""Feature maps that the trunk hands on for each band and frame."""

_FILTERS = 16  # of the convolutions after it
_DILATIONS = (1, 2, 4, 8)

BORDER = 2 * sum(_DILATIONS) + 3
"""Frames on either side that a mask depends on."""


def pool(magnitude: Tensor) -> Tensor:
    """Average the bins of each band: ``(..., bins, frames)`` to ``(..., bands, frames)``."""
    parts, first = [], 0
    for count, width in POOLING:
        part = magnitude[..., first : first + count * width, :]
        parts.append(part.reshape(*part.shape[:-2], count, width, part.shape[-1]).mean(-2))
        first += count * width
    return torch.cat(parts, dim=-2)


def unpool(bands: Tensor) -> Tensor:
    """Give each bin the value of its band: ``(..., bands, frames)`` to ``(..., bins, frames)``."""
    parts, first = [], 0
    for count, width in POOLING:
        part = bands[..., first : first + count, :]
        parts.append(part.unsqueeze(-2).expand(*part.shape[:-1], width, part.shape[-1]).flatten(-3, -2))
        first += count
    return torch.cat([*parts, bands[..., BANDS - 1 :, :]], dim=-2)


class _OverTime(nn.Module):
    """A residual block: a convolution over time in each channel, then a dense layer across the channels."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(_WIDTH, _WIDTH, 5, padding=2 * dilation, dilation=dilation, groups=_WIDTH, bias=False),
            nn.BatchNorm1d(_WIDTH),
            nn.Conv1d(_WIDTH, _WIDTH, 1),
            nn.ReLU(),
            nn.Conv1d(_WIDTH, _WIDTH, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.layers(x))


def _convolution(inputs: int) -> nn.Sequential:
    layer = nn.Conv2d(inputs, _FILTERS, 3, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(_FILTERS), nn.ReLU())


class DemoNet(nn.Module):
    """The network: from magnitudes of bands to masks of bands."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.BatchNorm1d(BANDS)
        self.enter = nn.Conv1d(_CHANNELS * BANDS, _WIDTH, 1)
        self.trunk = nn.Sequential(*(_OverTime(dilation) for dilation in _DILATIONS))
        self.leave = nn.Sequential(nn.BatchNorm1d(_WIDTH), nn.ReLU(), nn.Conv1d(_WIDTH, MAPS * BANDS, 1))
        self.draw = nn.Sequential(
            _convolution(_CHANNELS + MAPS),
            _convolution(_FILTERS),
            nn.Conv2d(_FILTERS, len(STEMS) * _CHANNELS, 3, padding=1),
        )
        self.place = nn.Parameter(torch.zeros(len(STEMS) * _CHANNELS, BANDS, 1))  # what a band is by itself

    def forward(self, mixture: Tensor) -> Tensor:
        """Compute masks.

        Parameters
        ----------
        mixture : (batch, channels, bands, frames)
            Mean magnitudes of a mixture with an RMS of 1.

        Returns
        -------
        (batch, stems, channels, bands, frames)
            The sum over the stems is 1.
        """
        x = torch.log1p(mixture)
        # One mean and deviation a band, whatever the channel.
        x = self.scale(x.transpose(1, 2).flatten(2, 3)).unflatten(2, (_CHANNELS, -1)).transpose(1, 2)
        maps = self.leave(self.trunk(self.enter(x.flatten(1, 2)))).unflatten(1, (MAPS, BANDS))
        logits = self.draw(torch.cat([x, maps], dim=1)) + self.place
        masks: Tensor = logits.unflatten(1, (len(STEMS), _CHANNELS)).softmax(dim=1)
        return masks


class OverBins(nn.Module):
    """The network with bins instead of bands at both ends: what is exported.

    Parameters
    ----------
    network : DemoNet
    """

    def __init__(self, network: DemoNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, magnitude: Tensor) -> Tensor:
        """Map ``(batch, channels, bins, frames)`` to masks ``(batch, stems, channels, bins, frames)``."""
        masks: Tensor = self.network(pool(magnitude))
        return unpool(masks)
