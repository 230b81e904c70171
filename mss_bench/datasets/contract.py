"""Check the contract of layouts: whether a layout finds what it declares.

One function, `check_layout`, for built-in layouts and for plugins alike. It asks a data set on disk for its tracks,
reads the first of them, and checks the result; and it asks for tracks in a folder that does not exist, which has to
raise a `DatasetError`. The audio of every track is checked by ``datasets check``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mss_bench.core.checks import BrokenPromise, CheckResult, check_parameters, describe, run_check
from mss_bench.core.config import plain_name
from mss_bench.core.tracks import Track
from mss_bench.datasets.base import Dataset
from mss_bench.errors import DatasetError

__all__ = ["check_layout"]


def check_layout(dataset: Dataset) -> list[CheckResult]:
    """Check the layout of a data set that lies on disk.

    Parameters
    ----------
    dataset : Dataset
        With a root that exists, unless it needs none.

    Returns
    -------
    list of CheckResult
        In a fixed order. Where no tracks can be found, the checks of tracks are left out.
    """
    checks: dict[str, Callable[[], str]] = {
        "declarations": lambda: _check_declarations(dataset),
        "parameters": lambda: check_parameters(type(dataset)),
        "missing folder": lambda: _check_missing_folder(dataset),
        "no root": lambda: _check_no_root(dataset),
    }
    results = [run_check(name, check) for name, check in checks.items()]
    try:
        found = {subset: dataset.find(subset) for subset in _subsets(dataset)}
    except Exception as error:
        return [*results, CheckResult("tracks", False, describe(error))]
    results.append(run_check("tracks", lambda: _check_tracks(dataset, found)))
    if not results[-1].passed:
        return results
    first = next(track for tracks in found.values() for track in tracks)
    further: dict[str, Callable[[], str]] = {
        "same tracks again": lambda: _check_again(dataset, found),
        "stems": lambda: _check_stems(dataset, found),
        "files": lambda: _check_files(found),
        "reads": lambda: _check_reading(dataset, first),
    }
    return results + [run_check(name, check) for name, check in further.items()]


def _subsets(dataset: Dataset) -> list[str]:
    """Return the subsets to check: a copy of a data set may have only one of several."""
    if not dataset.subsets:
        return [""]
    return dataset.present_subsets() if dataset.has_root else list(dataset.subsets)


def _check_declarations(dataset: Dataset) -> str:
    plain_name(dataset.layout, "layout")
    if not type(dataset).__doc__:
        raise BrokenPromise("the class has no docstring; expected what its folders and files are")
    return dataset.layout


def _check_missing_folder(dataset: Dataset) -> str:
    if not dataset.has_root:
        return "has no folder"
    elsewhere = copy.copy(dataset)
    elsewhere.root = Path("/no/such/folder of mss_bench")
    return _refusal(elsewhere, "in a folder that does not exist")


def _check_no_root(dataset: Dataset) -> str:
    if not dataset.has_root:
        return "has no folder"
    nowhere = copy.copy(dataset)
    nowhere.root = None
    return _refusal(nowhere, "without a root")


def _refusal(dataset: Dataset, where: str) -> str:
    try:
        tracks = dataset.find(dataset.default_subset)
    except DatasetError as error:
        return f"refused: {error}"
    except Exception as error:
        raise BrokenPromise(f"find() {where} {describe(error)}; expected a DatasetError") from error
    raise BrokenPromise(f"find() {where} returns {len(tracks)} tracks; expected a DatasetError")


def _check_tracks(dataset: Dataset, found: dict[str, list[Track]]) -> str:
    for subset, tracks in found.items():
        where = f"find({subset!r})"
        if not isinstance(tracks, list) or not all(isinstance(track, Track) for track in tracks):
            raise BrokenPromise(f"{where} returns {tracks!r:.80}; expected a list of Track")
        names = [track.name for track in tracks]
        if names != sorted(names):
            # `max_tracks` and shards take the first ones: their order must not depend on the file system.
            raise BrokenPromise(f"{where} is not sorted by name: {', '.join(names[:5])}")
        if twice := {name for name in names if names.count(name) > 1}:
            raise BrokenPromise(f"{where} has {min(twice)!r} twice; expected a name of its own for each track")
        for track in tracks:
            if (track.id.dataset, track.id.subset) != (dataset.name, subset):
                raise BrokenPromise(
                    f"{where}: {track.name!r} is of {track.id.dataset!r} and subset {track.id.subset!r}; expected "
                    f"{dataset.name!r} and {subset!r}"
                )
            if track.sample_rate != dataset.sample_rate:
                raise BrokenPromise(
                    f"{where}: {track.name!r} declares {track.sample_rate} Hz; expected {dataset.sample_rate} Hz"
                )
    count = sum(map(len, found.values()))
    if not count:
        raise BrokenPromise(f"no tracks in {dataset.root}; expected one at least to check")
    return f"{count} in {', '.join(filter(None, found)) or 'the root'}"


def _check_again(dataset: Dataset, found: dict[str, list[Track]]) -> str:
    for subset, tracks in found.items():
        if [track.id for track in dataset.find(subset)] != [track.id for track in tracks]:
            raise BrokenPromise(f"find({subset!r}) returns other tracks when it is called again")
    return "the same"


def _check_stems(dataset: Dataset, found: dict[str, list[Track]]) -> str:
    known = dataset.targets.stems
    for track in (track for tracks in found.values() for track in tracks):
        if unknown := [stem for stem in track.stems if stem not in known]:
            raise BrokenPromise(f"{track.name!r} has the stem {unknown[0]!r}; declared are {', '.join(known)}")
    return ", ".join(known)


def _check_files(found: dict[str, list[Track]]) -> str:
    files = [file for tracks in found.values() for track in tracks for file in track.files()]
    if missing := [file for file in files if not file.is_file()]:
        raise BrokenPromise(f"{len(missing)} of {len(files)} files do not exist, e.g. {missing[0]}")
    return f"{len(files)} files"


def _check_reading(dataset: Dataset, track: Track) -> str:
    audio = track.excerpt(1.0).load()
    signals = {"mixture": audio.mixture} | dict(audio.references)
    if unknown := [stem for stem in audio.references if stem not in dataset.targets.stems]:
        raise BrokenPromise(f"{track.name!r} is read with the stem {unknown[0]!r}, which is not declared")
    for name, signal in signals.items():
        if signal.dtype != np.float32 or signal.ndim != 2 or signal.shape != audio.mixture.shape:
            raise BrokenPromise(
                f"{name} of {track.name!r} is {signal.dtype} of shape {signal.shape}; expected float32 of the "
                f"mixture's shape, (channels, samples): {audio.mixture.shape}"
            )
        if not np.isfinite(signal).all():
            raise BrokenPromise(f"{name} of {track.name!r} holds NaN or infinite samples")
    return f"{track.name!r}: {', '.join(signals)}, {audio.mixture.shape[0]} channels"
