"""Upmixing from stereo to 5.1: the channels made from the estimates, beside those made from the references.

The rule, with left and right channels l and r of each stem, its mid ``(l + r) / 2`` and its side ``(l - r) / 2``:

========== ============================================================================================
centre     the mid of the vocals, times the square root of 2
front      left and right: drums and bass as they are, and the mid of every other stem
rear       left and right, ambience: the side of the vocals and of every other stem, right with its sign
           turned
LFE        the mid of drums and bass below 120 Hz (Butterworth, 24 dB an octave), times the square root of 2;
           front keeps it, too
========== ============================================================================================

It adds nothing and loses nothing: front + centre / sqrt(2) + rear, as a downmix to stereo adds them, is the mixture.
Stems go by their names; a group without drums and bass, as vocals against accompaniment, has no LFE.

- *Upmix-centre, -front, -rear, -LFE*: the channels' error, ``10 log10(|u' - u|^2 / |u|^2)``.
- *Upmix-crosstalk*: between channels: what each channel holds of stems that do not belong there, ``10 log10`` of its
  energy over that of the right content, over all channels. How much of each true stem a channel holds is measured in
  patches of time and frequency (`mss_bench.metrics.tasks.gains`).

Levels end at -120 dB, which is what the references reach. The numbers are joint: they need every target of the group
and stand for all of them.

- *Channels.* Stereo alone.
- *Rates.* Any; nothing is resampled.
- *Length.* From 0.4 s on.
- *Given by the mixture.* A channel that holds the mid or the side of every stem has no error: it can be made of the
  mixture, and estimates that add up to it have it right whatever they are. Without drums and bass, as of vocals against
  accompaniment, that is the rear. Where every channel holds every stem, as of drums and bass alone, there is no
  crosstalk.
- *Silence.* A channel whose true content is silent, such as the rear of mono stems, has no error. What an estimate
  holds of a stem that is silent for the whole song counts in the channels; the rows of that stem have no values.

References
----------
.. [1] ITU-R BS.775-3, "Multichannel stereophonic sound system with and without accompanying picture", 2012.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.tracks import TrackAudio
from mss_bench.errors import AudioError
from mss_bench.metrics._checks import too_short
from mss_bench.metrics.base import Metric, Outcome, Prepared, Quantity
from mss_bench.metrics.tasks.gains import SHORTEST, Patches, Products, Spectra, View, level

__all__ = ["Upmix"]

_CROSSOVER = 120.0
_RHYTHM = ("drums", "bass")
_VOICE = "vocals"


@dataclass(frozen=True)
class _Channel:
    """One loudspeaker, or a symmetrical pair of them.

    Parameters
    ----------
    name : str
    mid, side, whole : tuple of int
        The stems of which it holds the mid, the side or all.
    """

    name: str
    mid: tuple[int, ...] = ()
    side: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()

    @property
    def stems(self) -> tuple[int, ...]:
        """Return what belongs there."""
        return tuple(sorted({*self.mid, *self.side, *self.whole}))

    def is_mixture(self, count: int) -> bool:
        """Return whether this is the mid or the side of all of `count` stems, or all of them whole."""
        return count in (len(self.mid), len(self.side), len(self.whole))

    def view(self, spectra: Spectra) -> Spectra:
        """Return what a channel holds.

        Parameters
        ----------
        spectra : (2 J, 2, frames, bins)
            True and estimated stems, mid and side, both times the square root of 2: as loud as left and right.

        Returns
        -------
        (J + 3, 1 or 2, frames, bins)
            Each true stem as it sounds here, or would if it belonged here; the content found, the true one, its error.
        """
        if not self.whole:
            spectra = spectra[:, 1:] if self.side else spectra[:, :1]
        elif self.mid:
            count = len(spectra) // 2
            spectra = spectra.copy()
            spectra[[*self.mid, *(count + stem for stem in self.mid)], 1] = 0
        true, found = np.split(spectra, 2)
        content, right = (x[list(self.stems)].sum(axis=0) for x in (found, true))
        return np.concatenate([true, [content, right, content - right]])


class Upmix(Metric):
    """Stereo to 5.1 with the estimates: error of each channel, and crosstalk between them.

    It takes no parameters. On one core, the four stems of a method together are scored 33 times as fast as real time.
    """

    name = "upmix"
    version = "4"
    joint = True
    quantities = (
        Quantity(
            "Upmix-centre", "dB", False, "10 log10(|u' - u|^2 / |u|^2) of the centre: mid of the vocals", least=-120
        ),
        Quantity("Upmix-front", "dB", False, "the same of front: drums, bass and the mid of other stems", least=-120),
        Quantity("Upmix-rear", "dB", False, "the same of the rear: the side of vocals and other stems", least=-120),
        Quantity("Upmix-LFE", "dB", False, "the same of the LFE: drums and bass below 120 Hz", least=-120),
        Quantity(
            "Upmix-crosstalk", "dB", False,
            "level of stems in channels where they do not belong, against the right ones", least=-120,
        ),
    )  # fmt: skip
    citation = "ITU-R BS.775-3: Multichannel stereophonic sound system with and without accompanying picture, 2012"
    caution = (
        "It is about one stated rule of many: another arrangement of the loudspeakers weighs errors otherwise. "
        "Errors are energies; crosstalk between front channels that add up again in the room counts in full."
    )

    def derive(self, track: TrackAudio) -> None:
        channels = len(next(iter(track.references.values())))
        if channels != 2:
            raise AudioError(f"upmix takes stereo to 5.1, found {channels} channel{'s' * (channels != 1)}")

    def measure_all(self, track: Prepared[None], estimates: dict[str, Samples]) -> dict[str, Outcome]:
        missing = [t for t in track.references if t not in estimates]
        if missing:
            return dict.fromkeys(estimates, f"an upmix needs every stem; there is no estimate of {', '.join(missing)}")
        if reason := too_short(track.samples, round(SHORTEST * track.sample_rate), "for an upmix"):
            return dict.fromkeys(estimates, reason)
        values = _measure(track, estimates)
        names = list(track.references)
        channels = _channels(names)
        given = {
            f"Upmix-{channel.name}": "it is part of the mixture, whatever the estimates are"
            for channel in channels
            if channel.is_mixture(len(names))
        }
        if all(len(channel.stems) == len(names) for channel in channels):
            given["Upmix-crosstalk"] = "every stem belongs in every channel, whatever the estimates are"
        outcome = tuple(given.get(q.name, values.get(q.name, "what belongs there is silent")) for q in self.quantities)
        return dict.fromkeys(estimates, outcome)


def _channels(names: Sequence[str]) -> list[_Channel]:
    """Return the rule for stems of these names, without channels that hold nothing."""
    voice = tuple(i for i, name in enumerate(names) if name == _VOICE)
    rhythm = tuple(i for i, name in enumerate(names) if name in _RHYTHM)
    rest = tuple(i for i in range(len(names)) if i not in (*voice, *rhythm))
    channels = [
        _Channel("centre", mid=voice),
        _Channel("front", mid=rest, whole=rhythm),
        _Channel("rear", side=(*voice, *rest)),
        _Channel("LFE", mid=rhythm),
    ]
    return [channel for channel in channels if channel.stems]


def _measure(track: Prepared[None], estimates: dict[str, Samples]) -> dict[str, float]:
    """Return the errors of the channels and the crosstalk of all, of those that are not silent."""
    names = list(track.references)
    patches, channels = Patches(track.sample_rate), _channels(names)
    flat = np.ones(len(patches.frequency))
    low = 1 / (1 + (patches.frequency / _CROSSOVER) ** 8)
    views = [View(low if channel.name == "LFE" else flat, channel.view) for channel in channels]
    arrays = [_mid_and_side(x) for x in (*track.references.values(), *(estimates[name] for name in names))]
    measured = patches.products(arrays, len(names), views)
    foreign = right = 0.0
    values: dict[str, float] = {}
    for channel, products in zip(channels, measured, strict=True):
        _, content, error = (float(part) for part in products.power.sum(axis=(0, 1)))
        if content > 0:
            values[f"Upmix-{channel.name}"] = level(error / content)
        right += content
        foreign += _foreign(products, [i for i in range(len(names)) if i not in channel.stems])
    if right > 0:
        values["Upmix-crosstalk"] = level(foreign / right)
    return values


def _mid_and_side(stereo: Samples) -> Samples:
    """Return both times the square root of 2, so that they have the energy of left and right."""
    left, right = stereo
    return np.asarray(np.stack([left + right, left - right]) / np.sqrt(2, dtype=stereo.dtype))


def _foreign(products: Products, stems: list[int]) -> float:
    """Return the energy of stems in a channel in which they do not belong."""
    gains: Floats = products.gains[..., 0]
    return float(products.energy(gains, stems).sum())
