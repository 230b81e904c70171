"""What may be done to audio files that differ in length, channels or sample rate."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FITS", "Fit"]

FITS = ("trim", "pad", "resample", "channels")
"""What ``--fit`` allows: cut what is too long, lengthen estimates with zeros, resample, double files of one channel."""


@dataclass(frozen=True)
class Fit:
    """How files of a song that differ are made alike; what is not allowed here is refused.

    Parameters
    ----------
    trim : bool
        Every file is cut to the length of the song's shortest.
    mono : bool
        A file of one channel is doubled to two.
    resample : bool
        A file of another sample rate than the track's is resampled.
    match : bool
        A file of one channel is doubled to two where another of the song has two.
    """

    trim: bool = False
    mono: bool = False
    resample: bool = False
    match: bool = False

    def flags(self) -> dict[str, bool]:
        """Return what is allowed, as part of a key."""
        return {name: True for name, allowed in vars(self).items() if allowed}
