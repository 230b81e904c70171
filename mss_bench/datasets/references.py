"""The layout of a bare folder of references, for scoring without any catalog."""

from __future__ import annotations

import glob
from pathlib import Path

from mss_bench.core import audio
from mss_bench.core.tracks import Track
from mss_bench.datasets.base import Dataset
from mss_bench.datasets.stems import files_of, track_folders, track_in
from mss_bench.errors import DatasetError

__all__ = ["References", "from_references"]

_SUFFIXES = (".wav", ".flac")
_ENDINGS = (".wav", ".WAV", ".flac", ".FLAC")


class References(Dataset):
    """``<root>/<track>/<stem>.wav|flac``, or one track's ``<root>/<stem>.wav|flac``; other folders are passed over."""

    layout = "references"

    def find(self, subset: str) -> list[Track]:
        """Return a track for the root where it holds stems, else for each of its folders that does."""
        root = self.folder(subset)

        def has_stems(folder: Path) -> bool:
            return any(files_of(folder, patterns) for patterns in self.stems.values())

        folders = [root] if has_stems(root) else filter(has_stems, track_folders(root, self.name))
        return [track_in(self, subset, folder, folder) for folder in folders]


def from_references(folder: str | Path) -> Dataset:
    """Make a data set of ``folder/<track>/<stem>.wav|flac``, or from one track's ``folder/<stem>.wav|flac``.

    The stems are the names of the files. A file named ``mixture`` is the mixture; without it the mixture is the sum of
    the stems. Where vocals stand among three or more stems, vocals against accompaniment is scored too.

    Raises
    ------
    DatasetError
        The folder is missing or holds no audio, or tracks differ in their stems.
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
        # Tables have one column a target: tracks with other stems need a catalog that says what that means.
        if set(others) != set(files):
            raise DatasetError(
                f"track {name!r} in {root} has {', '.join(sorted(others))}, track {first!r} has "
                f"{', '.join(sorted(files))}; expected the same stems in every track"
            )
    stems = tuple(s for s in files if s != "mixture")
    if not stems:
        raise DatasetError(f"track {first!r} in {root} has a mixture and no stem")
    entry = {
        "root": str(root),
        "sample_rate": audio.info(next(iter(files.values()))).sample_rate,
        "stems": {s: [f"{glob.escape(s)}{end}" for end in _ENDINGS] for s in stems},
        "mixture": "file" if "mixture" in files else "sum",
        "description": f"references in {root}",
        **_targets(stems),
    }
    return References.declared(root.name, entry)


def _stems(folder: Path) -> dict[str, Path]:
    files = sorted(folder.iterdir(), key=lambda f: (f.stem, f.suffix.lower() != ".flac"))
    return {f.stem: f for f in files if f.is_file() and f.suffix.lower() in _SUFFIXES and not f.name.startswith(".")}


def _targets(stems: tuple[str, ...]) -> dict[str, dict[str, list[str]]]:
    """Return derived targets and groups, as an entry of the catalog writes them."""
    rest = [s for s in stems if s != "vocals"]
    if set(stems) == {"vocals", "accompaniment"}:
        return {"groups": {"vocals_acc": list(stems)}}
    groups = {f"{len(stems)}stem": list(stems)}
    if "vocals" not in stems or len(rest) < 2 or "accompaniment" in rest:
        return {"groups": groups}
    return {"targets": {"accompaniment": rest}, "groups": groups | {"vocals_acc": ["vocals", "accompaniment"]}}
