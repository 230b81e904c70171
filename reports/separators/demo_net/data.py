"""Training data: songs of the demo's train split, mixed anew.

The generator of the demo makes as many songs as are asked for; the network learns from the first ones of the train
split and is watched on some from far behind (`VALIDATION`). None of them is a song of the test split: the split is part
of every seed. Songs are kept as 16-bit samples, as they are rendered, one file each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.files import replacing
from mss_bench.datasets.demo import GENERATOR_VERSION, render
from reports.separators.demo_net.bands import TRANSFORM

__all__ = ["FRAMES", "STEMS", "VALIDATION", "Excerpts", "prepare", "read_song"]

STEMS = ("vocals", "drums", "bass", "other")
"""The stems in the order of the network's masks."""

VALIDATION = range(10_000, 10_012)
"""Songs of the train split on which nothing is learned."""

FRAMES = 128
"""Frames of an excerpt: 6 s."""

_SAME_SONG = 0.5  # share of the excerpts whose stems belong together
_GAIN_DB = 4.0  # largest change of a stem's level


def prepare(folder: Path, songs: Iterable[int], jobs: int = 1) -> list[Path]:
    """Render the songs of the train split that are not on disk yet.

    Parameters
    ----------
    folder : Path
    songs : iterable of int
        Their numbers.
    jobs : int
        Processes.

    Returns
    -------
    list of Path
        One file a song, which `read_song` opens.
    """
    from joblib import Parallel, delayed

    folder.mkdir(parents=True, exist_ok=True)
    files = {index: folder / f"demo-{GENERATOR_VERSION}-train-{index:05d}.npy" for index in songs}
    missing = [(path, index) for index, path in files.items() if not path.is_file()]
    Parallel(n_jobs=min(jobs, max(1, len(missing))))(delayed(_write)(path, index) for path, index in missing)
    return list(files.values())


def _write(path: Path, index: int) -> None:
    """Render a song into a temporary file and move it, so that nobody reads half of it."""
    stems = render("train", index).stems_pcm
    with replacing(path, sync=False) as temporary, temporary.open("wb") as file:
        np.save(file, np.stack([stems[name] for name in STEMS]))


def read_song(path: Path) -> NDArray[np.int16]:
    """Open the stems ``(stems, channels, samples)`` of a song in 16 bits; samples are read when they are used."""
    song: NDArray[np.int16] = np.load(path, mmap_mode="r")
    return song


@dataclass(frozen=True)
class Excerpts:
    """Any number of mixtures of 6 s; each depends on its number and the seed alone.

    In half of them the stems are of one song at one time; in the others every stem is of another song, at another
    time. The level of each stem varies by up to 4 dB; the mixture has an RMS of 1, as the manifest asks for.

    Parameters
    ----------
    files : sequence of Path
        From `prepare`.
    seed : int
    """

    files: Sequence[Path]
    seed: int

    def batch(self, numbers: NDArray[np.int64], *, swapped: bool = False) -> NDArray[np.float32]:
        """Return stems ``(batch, stems, channels, samples)`` of some excerpts; `swapped` with left for right."""
        stems = np.stack([self.stems(int(number)) for number in numbers])
        return stems[:, :, ::-1] if swapped else stems

    def stems(self, number: int) -> NDArray[np.float32]:
        """Return stems ``(stems, channels, samples)``, whose sum is the mixture."""
        rng = np.random.default_rng([self.seed, number])
        samples = (FRAMES + 1) * TRANSFORM.hop
        out: NDArray[np.float32] = np.zeros((len(STEMS), 2, samples), dtype=np.float32)
        together = rng.random() < _SAME_SONG
        songs = [read_song(self.files[k]) for k in rng.integers(len(self.files), size=len(STEMS))]
        first = _place(songs[0], samples, rng)
        for stem, own in enumerate(songs):
            song = songs[0] if together else own
            start = first if together else _place(own, samples, rng)
            part = song[stem, :, start : start + samples]
            out[stem, :, : part.shape[-1]] = part * 10 ** (rng.uniform(-_GAIN_DB, _GAIN_DB) / 20)
        level = np.sqrt(np.mean(np.square(out.sum(axis=0)), dtype=np.float64))
        return out / np.float32(max(level, 1.0))


def _place(song: NDArray[Any], samples: int, rng: np.random.Generator) -> int:
    return int(rng.integers(max(1, song.shape[-1] - samples + 1)))
