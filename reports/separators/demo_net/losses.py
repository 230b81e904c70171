"""Cost functions for the training of the network.

All of them compare estimates ``Y_j = m_j X`` with stems S_j; M are the magnitudes of the mixture.

===================  ===================================================================================================
``magnitude_mse``    ``mean (m_j M - |S_j|)^2``: the usual one
``magnitude_l1``     ``mean |m_j M - |S_j||``: less is made of the loudest bins
``mask_mse``         ``mean (m_j - I_j)^2`` with the ideal ratio mask ``I_j = |S_j|^2 / sum_k |S_k|^2``: every bin
                     counts the same, silent or loud
``si_sdr``           minus SI-SDR of the signals, after the inverse transform, in dB
``sdr``              minus the SDR of the complex spectrograms in dB: the phase counts, and so does the level
===================  ===================================================================================================

Magnitudes and ideal masks are those of the network's bands; each band counts as much as its bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reports.separators.demo_net.bands import TRANSFORM, WIDTHS
from reports.separators.demo_net.features import Features
from reports.separators.demo_net.network import unpool

__all__ = ["LOSSES", "Loss", "Signals", "sdr_of_spectrograms", "to_tensors"]

_FLOOR = 1e-3  # errors 30 dB below the mixture are good enough
_SILENT = 1e-4  # a stem below this share of the mixture's energy has no SI-SDR


@dataclass(frozen=True)
class Signals:
    """The signals that `si_sdr` needs beside features.

    Parameters
    ----------
    mixture : (batch, channels, bins, frames) complex tensor
    stems : (batch, stems, channels, samples) tensor
        Where all frames overlap: from one hop after the first frame's beginning to one before the last one's end.
    """

    mixture: Tensor
    stems: Tensor

    @classmethod
    def of(cls, stems: NDArray[np.float32]) -> Signals:
        """Transform stems ``(batch, stems, channels, samples)``."""
        mixture = np.stack([TRANSFORM.forward(each)[:, 1:-1] for each in stems.sum(axis=1)])
        hop = TRANSFORM.hop
        inner = np.ascontiguousarray(stems)[..., hop : hop * mixture.shape[2]]
        return cls(torch.from_numpy(mixture).transpose(-1, -2), torch.from_numpy(inner))


def to_tensors(features: Features) -> Features:
    """Return the same features as tensors."""
    return Features(*(torch.from_numpy(np.ascontiguousarray(a)) for a in vars(features).values()))


def _widths() -> Tensor:
    # Each band counts as much as the bins in it.
    return torch.from_numpy(WIDTHS.astype(np.float32) / WIDTHS.mean())[:, None]


def _magnitude_mse(masks: Tensor, f: Features, _: Signals | None) -> Tensor:
    return torch.mean(_widths() * torch.square(masks * f.mixture[:, None] - f.stems))


def _magnitude_l1(masks: Tensor, f: Features, _: Signals | None) -> Tensor:
    return torch.mean(_widths() * torch.abs(masks * f.mixture[:, None] - f.stems))


def _mask_mse(masks: Tensor, f: Features, _: Signals | None) -> Tensor:
    power = torch.square(f.stems) + 1e-12
    return torch.mean(_widths() * torch.square(masks - power / power.sum(dim=1, keepdim=True)))


def _si_sdr(masks: Tensor, _: Features, signals: Signals | None) -> Tensor:
    assert signals is not None
    estimates = _inverse(unpool(masks) * signals.mixture[:, None]).flatten(2)
    stems = signals.stems.flatten(2)
    target = torch.sum(stems * stems, dim=2)
    share = torch.sum(estimates * stems, dim=2) / (target + 1e-9)
    wanted = share.square() * target
    error = torch.sum(torch.square(estimates - share[..., None] * stems), dim=2)
    whole = torch.sum(torch.square(stems.sum(dim=1)), dim=1, keepdim=True)
    heard = target > _SILENT * whole
    # The floor bounds what one estimate that is all but perfect can contribute.
    return torch.mean(10 * torch.log10((error + _FLOOR * wanted + 1e-9) / (wanted + 1e-9))[heard])


def _sdr(masks: Tensor, f: Features, _: Signals | None) -> Tensor:
    power = torch.square(f.power)
    whole = power.sum(dim=(1, 2, 3))[:, None]
    return torch.mean(10 * torch.log10(_error(masks, f) / whole + _FLOOR))


def sdr_of_spectrograms(masks: Tensor, f: Features) -> Tensor:
    """Return the SDR ``(batch, stems)`` of the masked spectrograms in dB: uSDR without the inverse transform."""
    ratio: Tensor = f.energy / _error(masks, f)
    return 10 * torch.log10(ratio)


def _error(masks: Tensor, f: Features) -> Tensor:
    """Return the squared error ``(batch, stems)`` of the complex spectrograms."""
    power, cross = torch.square(f.power), torch.copysign(torch.square(f.cross), f.cross)
    error: Tensor = torch.sum(masks * (masks * power[:, None] - 2 * cross), dim=(2, 3, 4)) + f.energy
    return error


def _inverse(spectrogram: Tensor) -> Tensor:
    """Transform ``(..., bins, frames)`` to signals ``(..., samples)`` where all frames overlap; differentiable."""
    window = torch.sin(torch.pi * torch.arange(TRANSFORM.n_fft) / TRANSFORM.n_fft)
    frames = torch.fft.irfft(spectrogram.transpose(-1, -2)) * window
    hop = TRANSFORM.hop  # half of a frame: the squares of the windows of two frames sum to 1
    signals: Tensor = (frames[..., :-1, hop:] + frames[..., 1:, :hop]).flatten(-2)
    return signals


@dataclass(frozen=True)
class Loss:
    """A cost function.

    Parameters
    ----------
    value : callable
        From masks ``(batch, stems, channels, bands, frames)``, features and signals to a scalar.
    signals : bool
        Whether it needs signals.
    """

    value: Callable[[Tensor, Features, Any], Tensor]
    signals: bool = False


LOSSES = {
    "magnitude_mse": Loss(_magnitude_mse),
    "magnitude_l1": Loss(_magnitude_l1),
    "mask_mse": Loss(_mask_mse),
    "si_sdr": Loss(_si_sdr, signals=True),
    "sdr": Loss(_sdr),
}
