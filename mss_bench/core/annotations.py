"""What was played, beside what was recorded: beats, notes, strokes and fundamental frequencies of a track's stems.

They stand in ``annotations.json`` beside the audio of a track, as the built-in songs have them; all parts are
optional, times are in seconds from the start of the audio::

    {"beats": [0.0, 0.5, ...],
     "stems": {"vocals": {"f0": {"times": [0.0, 0.01, ...], "hertz": [0.0, 220.0, ...]},
                          "notes": [{"onset": 0.1, "offset": 0.4, "pitch": 57}, ...]},
               "drums": {"hits": [{"onset": 0.0, "drum": "kick"}, ...]}}}

with 0 Hz where a stem is unvoiced and ``pitch`` as MIDI number, 69 for 440 Hz.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats
from mss_bench.core.files import read_json
from mss_bench.errors import DatasetError

__all__ = ["FILE_NAME", "Annotations"]

FILE_NAME = "annotations.json"


@dataclass(frozen=True)
class Annotations:
    """The annotations of a track, read when they are first asked for.

    Everything is None where the file says nothing about it.

    Parameters
    ----------
    file : Path
    start : float
        Where the part that is used begins, in seconds; times are relative to it.
    duration : float, optional
        How long it is.
    """

    file: Path
    start: float = 0.0
    duration: float | None = None

    def beats(self) -> Floats | None:
        """Return the times of the beats ``(n,)``.

        Raises
        ------
        DatasetError
            The file is not as expected; so for every part.
        """
        beats = self._content.get("beats")
        return None if beats is None else self._inside(self._numbers(beats, "beats"))

    def f0(self, stem: str) -> tuple[Floats, Floats] | None:
        """Return times ``(n,)`` and frequencies ``(n,)`` in Hz, 0 where unvoiced."""
        f0 = self._stem(stem).get("f0")
        if f0 is None:
            return None
        times, hertz = (
            self._numbers(self._part(f0, key, f"f0 of {stem!r}"), f"f0 of {stem!r}") for key in ("times", "hertz")
        )
        if times.shape != hertz.shape:
            raise self._wrong(f"f0 of {stem!r} has {len(times)} times and {len(hertz)} frequencies")
        inside = self._is_inside(times)
        return times[inside] - self.start, hertz[inside]

    def onsets(self, stem: str) -> Floats | None:
        """Return the onsets ``(n,)`` of strokes, in order."""
        hits = self._stem(stem).get("hits")
        return None if hits is None else np.sort(self._inside(self._column(hits, "onset", f"hits of {stem!r}")))

    def notes(self, stem: str) -> tuple[Floats, Floats, Floats] | None:
        """Return onsets, offsets and frequencies in Hz ``(n,)`` of the notes that begin inside, by onset."""
        notes = self._stem(stem).get("notes")
        if notes is None:
            return None
        onset, offset, pitch = (self._column(notes, key, f"notes of {stem!r}") for key in ("onset", "offset", "pitch"))
        kept = np.flatnonzero(self._is_inside(onset))
        kept = kept[np.argsort(onset[kept], kind="stable")]
        ends = np.minimum(offset[kept] - self.start, math.inf if self.duration is None else self.duration)
        return onset[kept] - self.start, ends, 440.0 * 2.0 ** ((pitch[kept] - 69.0) / 12.0)

    @cached_property
    def _content(self) -> dict[str, Any]:
        try:
            content = read_json(self.file)
        except (OSError, ValueError) as error:
            raise DatasetError(f"{self.file} cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise self._wrong("it holds no mapping")
        return content

    def _stem(self, stem: str) -> dict[str, Any]:
        stems = self._content.get("stems", {})
        found = stems.get(stem, {}) if isinstance(stems, dict) else None
        if not isinstance(found, dict):
            raise self._wrong(f"stems or stem {stem!r} is no mapping")
        return found

    def _part(self, entry: object, key: str, what: str) -> Any:
        if not isinstance(entry, Mapping) or key not in entry:
            raise self._wrong(f"{what} lack {key!r}")
        return entry[key]

    def _column(self, entries: object, key: str, what: str) -> Floats:
        if not isinstance(entries, list):
            raise self._wrong(f"{what} are no list")
        return self._numbers([self._part(entry, key, what) for entry in entries], what)

    def _numbers(self, values: object, what: str) -> Floats:
        try:
            numbers = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            numbers = np.array(math.nan)
        if numbers.ndim != 1 or not np.isfinite(numbers).all():
            raise self._wrong(f"{what} are no list of numbers")
        return numbers

    def _is_inside(self, times: Floats) -> NDArray[np.bool_]:
        end = math.inf if self.duration is None else self.start + self.duration
        return (times >= self.start) & (times < end)

    def _inside(self, times: Floats) -> Floats:
        return times[self._is_inside(times)] - self.start

    def _wrong(self, problem: str) -> DatasetError:
        return DatasetError(f"{self.file} is not as expected: {problem}; see mss_bench.core.annotations for the format")
