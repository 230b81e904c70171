"""The layout of a bare folder of references, for scoring without any catalog."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

from mss_bench.core import audio
from mss_bench.core.ffmpeg import is_compressed
from mss_bench.core.listing import audio_files
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import Track, TrackId
from mss_bench.datasets.base import Dataset
from mss_bench.datasets.roles import roles_of
from mss_bench.datasets.schemes import read_scheme, same_stems
from mss_bench.datasets.stems import files_of, track_folders, track_in
from mss_bench.errors import DatasetError

__all__ = ["References", "from_references", "usual_targets"]


class References(Dataset):
    """``<root>/<track>/<stem>.wav|flac``, or one track's ``<root>/<stem>.wav|flac``; other folders are passed over."""

    layout = "references"

    def setup(self) -> None:
        super().setup()
        self.files: dict[str, dict[str, Path]] = {}
        """Track to stem (or ``mixture``) to file, where names other than these were read."""

    def find(self, subset: str) -> list[Track]:
        """Return a track for the root where it holds stems, else for each of its folders that does."""
        if self.files:
            return [self._track(name, dict(files)) for name, files in self.files.items()]
        root = self.folder(subset)

        def has_stems(folder: Path) -> bool:
            return any(files_of(folder, patterns) for patterns in self.stems.values())

        folders = [root] if has_stems(root) else filter(has_stems, track_folders(root, self.name))
        return [track_in(self, subset, folder, folder) for folder in folders]

    def _track(self, name: str, files: dict[str, Path]) -> Track:
        mixture = files.pop("mixture", None)
        stems: dict[str, tuple[Path, ...]] = {stem: (files[stem],) if stem in files else () for stem in self.stems}
        if self.missing_stems == "error":
            folder = next(iter(files.values())).parent
            stems = {stem: own or (folder / self.stems[stem][0],) for stem, own in stems.items()}
        return Track(TrackId(self.name, "", name), self.sample_rate, stems, () if mixture is None else (mixture,))


def from_references(folder: str | Path, **options: Any) -> Dataset:
    """Make a data set of a folder of stems: ``<track>/<stem>.wav``, one track's ``<stem>.wav``, ``<track>_<stem>.wav``.

    Other usual names are read, too, as they are for estimates: see `mss_bench.core.patterns.LAYOUTS`. The stems are the
    names of the files; of known ones (`mss_bench.core.names`) every spelling is read by its usual name. A mixture is
    found by its name, or by the stems adding up to it; without one the mixture is the sum of the stems. Where vocals
    stand among three or more stems, vocals against accompaniment is scored too.

    Parameters
    ----------
    folder : path
    **options
        Further keys of an entry: ``map``, ``trim``, ``mono``, ``resample``.

    Raises
    ------
    DatasetError
        The folder is missing or holds no audio, tracks differ in more than stems that they lack, or it is not known
        what a file is.
    """
    root = Path(folder).expanduser().absolute()
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; expected references as <track>/<stem>.wav or <stem>.wav")
    listing = audio_files(root)
    scheme = read_scheme(listing, root.name)
    named = same_stems(scheme.tracks, root)
    files = {track: {stem: root / file for stem, file in own.items()} for track, own in named.items()}
    most = max(map(len, files.values()))
    complete = {track: own for track, own in files.items() if len(own) == most}
    first, own = next(iter(complete.items()))
    rate = audio.info(next(iter(own.values()))).sample_rate
    roles = roles_of(list(complete.values()), rate, root)
    if not roles.stems:
        raise DatasetError(f"track {first!r} in {root} has a mixture and no stem")
    shown = {roles.renamed.get(stem, stem): stem for stem in roles.stems}
    stem_map = StemMap.from_parameter(options.get("map"))
    stem_map.check_delivered(tuple(shown))
    entry = {
        "root": str(root),
        "sample_rate": rate,
        "stems": {
            stem: list(dict.fromkeys(glob.escape(tracks[word].name) for tracks in complete.values()))
            for stem, word in shown.items()
        },
        "mixture": "file" if roles.mixture else "sum",
        "description": f"references in {root}",
        **usual_targets(stem_map.names(shown)),
        **options,
    }
    dataset = References.declared(root.name, entry)
    if roles.mixture:
        shown["mixture"] = roles.mixture
    dataset.files = {
        track: {name: own[word] for name, word in shown.items() if word in own} for track, own in files.items()
    }
    dataset.left_out = {
        own[word]: reason for own in files.values() for word, reason in roles.left_out.items() if word in own
    }
    dataset.notices += [f"{root}: {notice}" for notice in roles.notices]
    lossy = sorted({f.suffix.lower() for own in dataset.files.values() for f in own.values() if is_compressed(f)})
    if lossy:
        dataset.notices.append(f"{root}: references are compressed ({', '.join(lossy)}): what the codec lost is lost")
    return dataset


def usual_targets(stems: tuple[str, ...]) -> dict[str, dict[str, list[str]]]:
    """Return derived targets and groups, as an entry of the catalog writes them."""
    rest = [s for s in stems if s != "vocals"]
    if set(stems) == {"vocals", "accompaniment"}:
        return {"groups": {"vocals_acc": list(stems)}}
    groups = {f"{len(stems)}stem": list(stems)}
    if "vocals" not in stems or len(rest) < 2 or "accompaniment" in rest:
        return {"groups": groups}
    return {"targets": {"accompaniment": rest}, "groups": groups | {"vocals_acc": ["vocals", "accompaniment"]}}
