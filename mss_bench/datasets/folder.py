"""A data set made of nothing but a folder of references, for scoring without any catalog."""

from __future__ import annotations

import glob
from pathlib import Path

from mss_bench.core import audio
from mss_bench.core.tracks import TargetGroup, Targets
from mss_bench.datasets.catalog import Dataset
from mss_bench.errors import DatasetError

__all__ = ["from_references"]

_SUFFIXES = (".wav", ".flac")
_ENDINGS = (".wav", ".WAV", ".flac", ".FLAC")


def from_references(folder: str | Path) -> Dataset:
    """A data set from ``folder/<track>/<stem>.wav|flac``, or from one track's ``folder/<stem>.wav|flac``.

    The stems are the names of the files. A file named ``mixture`` is the mixture; without it the mixture is the sum of
    the stems. Where vocals stand among three or more stems, vocals against accompaniment is scored too.

    Raises
    ------
    DatasetError
        When the folder is missing or holds no audio, or tracks differ in their stems.
    """
    root = Path(folder).absolute()
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; expected references as <track>/<stem>.wav or <stem>.wav")
    single = bool(_stems(root))
    tracks = {root.name: root} if single else {f.name: f for f in sorted(root.iterdir()) if f.is_dir()}
    found = {name: _stems(path) for name, path in tracks.items() if _stems(path)}
    if not found:
        raise DatasetError(f"{root} holds no references; expected <track>/<stem>.wav (or .flac), or <stem>.wav")
    first, files = next(iter(found.items()))
    for name, others in found.items():
        if set(others) != set(files):
            raise DatasetError(
                f"track {name!r} in {root} has {', '.join(sorted(others))}, track {first!r} has "
                f"{', '.join(sorted(files))}; expected the same stems in every track"
            )
    stems = tuple(s for s in files if s != "mixture")
    if not stems:
        raise DatasetError(f"track {first!r} in {root} has a mixture and no stem")
    targets, groups = _groups(stems)
    return Dataset(
        name=root.name,
        layout="references",
        sample_rate=audio.info(next(iter(files.values()))).sample_rate,
        subsets={},
        default_subset="",
        stems={s: tuple(f"{glob.escape(s)}{end}" for end in _ENDINGS) for s in stems},
        targets=targets,
        groups=groups,
        root=root,
        mixture="file" if "mixture" in files else "sum",
        description=f"references in {root}",
    )


def _stems(folder: Path) -> dict[str, Path]:
    files = sorted(folder.iterdir(), key=lambda f: (f.stem, f.suffix.lower() != ".flac"))
    return {f.stem: f for f in files if f.is_file() and f.suffix.lower() in _SUFFIXES and not f.name.startswith(".")}


def _groups(stems: tuple[str, ...]) -> tuple[Targets, tuple[TargetGroup, ...]]:
    if "vocals" in stems and len(stems) > 2:
        rest = tuple(s for s in stems if s != "vocals")
        if "accompaniment" not in rest:
            both = TargetGroup("vocals_acc", ("vocals", "accompaniment"))
            return Targets(stems, {"accompaniment": rest}), (TargetGroup(f"{len(stems)}stem", stems), both)
    name = "vocals_acc" if set(stems) == {"vocals", "accompaniment"} else f"{len(stems)}stem"
    return Targets(stems), (TargetGroup(name, stems),)
