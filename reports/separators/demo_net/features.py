"""Features: the energies of a mixture and its stems in each band and frame, from which losses are computed.

A mask of a band is common to its bins, so that squared errors of a masked spectrogram X need no more of the bins than
three sums over the band: with ``Y_j = m_j X``,

    sum |Y_j - S_j|^2 = m_j^2 sum |X|^2 - 2 m_j sum Re(X* S_j) + sum |S_j|^2.

They are computed once for each excerpt and kept on disk in 16 bits, as amplitudes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.separators.demo_net.bands import BANDS, TRANSFORM, WIDTHS, band_sums
from reports.separators.demo_net.data import FRAMES, STEMS, Excerpts

__all__ = ["Features", "features_of", "kept_features"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Features:
    """Features of some excerpts; the arrays have ``bands, frames`` as their last axes.

    Parameters
    ----------
    mixture : (batch, channels, ...) array
        Mean magnitude of the mixture in each band: what the network is given.
    power : (batch, channels, ...) array
        Root of the energy of the mixture.
    stems : (batch, stems, channels, ...) array
        Mean magnitude of each stem.
    cross : (batch, stems, channels, ...) array
        Energy that mixture and stem have in common, ``sum Re(X* S)``, as the root of its absolute value with its sign.
    energy : (batch, stems) array
        Energy of each stem.
    """

    mixture: Any
    power: Any
    stems: Any
    cross: Any
    energy: Any

    def batch(self, numbers: Any, *, swapped: bool = False) -> Features:
        """Return some of the excerpts in single precision; `swapped` with left for right."""
        arrays = {f.name: np.asarray(getattr(self, f.name)[numbers], dtype=np.float32) for f in fields(self)}
        if swapped:
            arrays |= {name: array[..., ::-1, :, :] for name, array in arrays.items() if name != "energy"}
        return Features(**arrays)


def features_of(stems: NDArray[np.float32], *, whole: bool = False) -> Features:
    """Compute the features of one excerpt or song, as a batch of one.

    Parameters
    ----------
    stems : (stems, channels, samples)
    whole : bool
        Keep the first and the last frame, which reach over the ends.
    """
    s = np.stack([TRANSFORM.forward(stem) for stem in stems])
    s = s if whole else np.ascontiguousarray(s[:, :, 1:-1])
    x = s.sum(axis=0)
    s_parts, x_parts = (each.view(np.float32).reshape(*each.shape, 2) for each in (s, x))
    common = band_sums(s_parts * x_parts)
    features = Features(
        mixture=band_sums(np.abs(x)[..., None]) / WIDTHS[:, None],
        power=np.sqrt(band_sums(np.square(x_parts))),
        stems=band_sums(np.abs(s)[..., None]) / WIDTHS[:, None],
        cross=np.copysign(np.sqrt(np.abs(common)), common),
        energy=np.sum(np.square(s_parts), axis=(1, 2, 3, 4)),
    )
    return Features(*(getattr(features, f.name)[None] for f in fields(features)))


def kept_features(folder: Path, excerpts: Excerpts, count: int, jobs: int = 1) -> Features:
    """Return features of the first excerpts, from disk if they are there.

    Parameters
    ----------
    folder : Path
    excerpts : Excerpts
    count : int
    jobs : int
        Processes.
    """
    from joblib import Parallel, delayed

    place = folder / f"features-{len(excerpts.files)}-{excerpts.seed}-{count}"
    stems, frame = len(STEMS), (2, BANDS, FRAMES)
    shapes = {"mixture": frame, "power": frame, "stems": (stems, *frame), "cross": (stems, *frame), "energy": (stems,)}
    if not (place / "done").is_file():
        place.mkdir(parents=True, exist_ok=True)
        for name, shape in shapes.items():
            kind = np.float32 if name == "energy" else np.float16
            np.lib.format.open_memmap(place / f"{name}.npy", mode="w+", dtype=kind, shape=(count, *shape))
        Parallel(n_jobs=jobs)(delayed(_write)(place, excerpts, part) for part in np.array_split(range(count), 4 * jobs))
        (place / "done").touch()
    return Features(*(np.load(place / f"{f.name}.npy", mmap_mode="r") for f in fields(Features)))


def _write(place: Path, excerpts: Excerpts, numbers: Array) -> None:
    out = {f.name: np.load(place / f"{f.name}.npy", mmap_mode="r+") for f in fields(Features)}
    for number in numbers:
        features = features_of(excerpts.stems(int(number)))
        for name, array in out.items():
            array[number] = getattr(features, name)[0]
