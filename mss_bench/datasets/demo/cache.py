"""The rendered songs on disk, in MUSDB18-HQ's layout, each written whole or not at all.

``<cache>/demo-<version>-<variant>/<split>/<song>/`` holds ``mixture.wav``, one WAV file a stem (16-bit PCM),
``annotations.json`` and ``manifest.json`` with the size and SHA-256 of every other file.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from pathlib import Path

from mss_bench.core import audio
from mss_bench.core.files import cache_folder, read_json
from mss_bench.core.stages import watched
from mss_bench.datasets.demo.plan import DATASET_ID, song_names, stems_of
from mss_bench.datasets.demo.song import Song, render
from mss_bench.datasets.demo.synth import SAMPLE_RATE
from mss_bench.errors import AudioError, DatasetError

__all__ = ["cache_root", "materialise"]

_MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished-"
_STALE_SECONDS = 24 * 3600.0


def cache_root(variant: str = "default", cache_dir: str | Path | None = None) -> Path:
    """Return the folder of a variant, which need not exist.

    Parameters
    ----------
    variant : str
        One of `VARIANTS`.
    cache_dir : str or Path, optional
        Instead of ``$MSS_BENCH_CACHE`` or, where that is not set, the user's cache.

    Raises
    ------
    UnknownNameError
        For an unknown variant.
    """
    stems_of(variant)
    return Path(cache_dir or cache_folder()) / f"{DATASET_ID}-{variant.replace(':', '-')}"


def materialise(
    split: str, n_songs: int = 6, variant: str = "default", cache_dir: str | Path | None = None, *, verify: bool = False
) -> Path:
    """Have the first songs of a split on disk, rendering what is missing or damaged.

    Several processes may do this at once: a song's folder appears whole, by renaming, and an equal one that another
    process finished first is kept. Songs beyond `n_songs` that are there already stay; `song_names` gives those that
    were asked for.

    Parameters
    ----------
    split : str
        ``"train"`` or ``"test"``.
    n_songs : int
        How many, from the first on.
    variant : str
        One of `VARIANTS`.
    cache_dir : str or Path, optional
        As in `cache_root`.
    verify : bool
        Compare the SHA-256 of every file; otherwise sizes and headers.

    Returns
    -------
    Path
        The variant's folder; the songs lie in ``<folder>/<split>/<song name>``.

    Raises
    ------
    UnknownNameError, ConfigError
        For an unknown split or variant, or a negative number of songs.
    DatasetError
        When the cache cannot be written.
    """
    names = song_names(split, n_songs, variant)
    root = cache_root(variant, cache_dir)
    try:
        (root / split).mkdir(parents=True, exist_ok=True)
        _remove_stale(root)
        missing = [n for n, name in enumerate(names) if not _is_complete(root / split / name, variant, verify)]
        for index in watched(missing, "rendering songs of the demo"):
            _write_song(root, render(split, index, variant), verify)
    except (OSError, AudioError) as error:
        raise DatasetError(
            f"the demo cannot be written to {root}: {error}; set MSS_BENCH_CACHE to a folder with free space"
        ) from error
    return root


def _is_complete(folder: Path, variant: str, verify: bool) -> bool:
    """Whether a song's folder holds all that its manifest lists, undamaged as far as is looked."""
    try:
        manifest = read_json(folder / _MANIFEST)
        files = dict(manifest["files"])
        expected = {"annotations.json", "mixture.wav", *(f"{stem}.wav" for stem in stems_of(variant))}
        if manifest["dataset"] != DATASET_ID or manifest["variant"] != variant or set(files) != expected:
            return False
        for name, facts in files.items():
            path = folder / name
            if path.stat().st_size != facts["bytes"] or (verify and audio.hash_file(path) != facts["sha256"]):
                return False
            if name.endswith(".wav"):
                header = audio.info(path)
                if (header.frames, header.sample_rate) != (manifest["frames"], SAMPLE_RATE):
                    return False
    except (OSError, ValueError, KeyError, TypeError, AudioError):
        return False
    return True


def _write_song(root: Path, song: Song, verify: bool) -> None:
    """Write a song beside its place, then rename it there."""
    folder = Path(tempfile.mkdtemp(dir=root, prefix=_UNFINISHED))
    try:
        for name, array in {"mixture": song.mixture, **song.stems}.items():
            audio.write(folder / f"{name}.wav", array, song.sample_rate, "PCM_16")
        (folder / "annotations.json").write_text(json.dumps(song.annotations) + "\n", encoding="utf-8")
        files = {
            path.name: {"bytes": path.stat().st_size, "sha256": audio.hash_file(path)}
            for path in sorted(folder.iterdir())
        }
        manifest = {
            "dataset": DATASET_ID,
            "variant": song.variant,
            "frames": song.mixture_pcm.shape[1],
            "files": files,
        }
        (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        # mkdtemp makes folders that nobody else can read; a cache may be shared.
        folder.chmod(0o755)
        _put(folder, root / song.split / song.name, song.variant, verify)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(folder: Path, place: Path, variant: str, verify: bool) -> None:
    """Rename a finished folder to its place; a damaged one there is moved away, a complete one is kept."""
    # Two processes may take turns at a damaged folder; five rounds are enough for any real case.
    for _ in range(5):
        try:
            folder.rename(place)
            return
        except OSError:
            if not place.is_dir():
                raise
        if _is_complete(place, variant, verify):
            return
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_UNFINISHED))
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            place.rename(aside / "damaged")
        shutil.rmtree(aside, ignore_errors=True)
    raise DatasetError(f"{place} cannot be replaced; remove it and try again")


def _remove_stale(root: Path) -> None:
    """Remove what a process that was killed left behind a day ago or more."""
    for folder in root.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
