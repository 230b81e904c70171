"""museval's interface over this package's engine: the same calls, the same numbers, a fraction of the time.

``from mss_bench.compat import museval`` in the place of ``import museval`` gives `evaluate`, `eval_dir`,
`eval_mus_track`, `eval_mus_dir`, `pad_or_truncate`, `TrackStore`, `EvalStore`, `MethodStore`, `json2df` and
`museval.metrics` (`bss_eval`, its four wrappers, `validate`, `Framing`, ``MAX_SOURCES``) with the signatures, array
layouts and return values of museval 0.4.1; the commands are ``mss-museval`` and ``mss-bsseval``. Here, and only here,
its rules hold:

- the references of the delivered targets alone span the projections, so that SIR depends on what was delivered;
- arrays are ``(sources, samples, channels)``, and an estimate is cut or padded with zeros to its reference's length;
- with vocals and accompaniment among the targets these two are scored as a problem of their own, whose vocals row
  stands in the result;
- SIR of a lone source is +inf; silent references or estimates raise ValueError; a window in which one is silent is NaN
  for all; the partial window at the end is dropped.

Deliberately different
----------------------
- Nearly singular systems (L = R, band-limited stems) are solved with a ridge relative to the data, and repeated signals
  are projected on once. On 16-bit music the values agree to about 1e-5 dB; where museval's own value hangs on rounding
  they may not. NumPy 2 leaves museval no fallback for a singular system: it raises.
- NaN in an estimate makes that estimate's rows NaN; NaN in a reference, and empty arrays, raise.
- The order of estimates (``compute_permutation``) is found by an assignment solver; museval tries all N! orders.
- JSON is valid: a missing value is ``null``, there it is a bare ``NaN``. A file that cannot be written raises; museval
  goes on silently.
- A mode other than v3 and v4 raises.
- Of references that are copies, sums or filterings of each other but for rounding, the last bits are left out; museval
  fits them.
- There, and where the references leave the filters to rounding, an `IllConditionedWarning` names the sources; museval
  gives such values without a word. ``warnings.simplefilter("ignore", museval.IllConditionedWarning)`` keeps it quiet.
- `eval_dir` pairs files by name, wants the same names on both sides, and does write to `output_dir`; museval pairs them
  in the order of the file system. An estimate of another sample rate raises.
- `save` of `EvalStore` and `MethodStore` writes Parquet, and `load` reads it; museval's pickles, which may run any code
  when they are read, are refused with the line that converts them. `add_sisec18`, which downloads one, raises.
- Numbers in `TrackStore.scores` are floats and None; in museval they are Decimals and NaN. A target is added once.
- Exchanged axes (more channels than samples, more than ``MAX_SOURCES`` sources) and systems larger than the machine's
  memory raise before anything is computed.
- Lists of arrays are read where they lie, and the estimates among them may differ in length.
- A folder without estimates raises; museval's `eval_mus_dir` and `add_eval_dir` do nothing.
- ``win`` and ``hop`` of tracks and folders may be infinite.
- ``bsseval_sources_version`` needs ``framewise_filters``, or a window that takes in the whole signal.

Errors are `MusevalError`, a ValueError with museval's wording that names the source.
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mss_bench.compat.museval import aggregate, metrics
from mss_bench.compat.museval.aggregate import EvalStore, MethodStore, TrackStore, json2df
from mss_bench.compat.museval.metrics import (
    IllConditionedWarning,
    MusevalError,
    Scores,
    as_sources,
    bss_eval,
    to_length,
)
from mss_bench.compat.museval_json import METRICS, write_track
from mss_bench.core import audio
from mss_bench.core.arrays import Floats
from mss_bench.core.listing import matching
from mss_bench.core.text import shortened

__all__ = [
    "EvalStore",
    "IllConditionedWarning",
    "MethodStore",
    "MusevalError",
    "Scores",
    "TrackStore",
    "aggregate",
    "bss_eval",
    "eval_dir",
    "eval_mus_dir",
    "eval_mus_track",
    "evaluate",
    "json2df",
    "metrics",
    "pad_or_truncate",
]


class Ratios(NamedTuple):
    """Result of `evaluate`: each ``(sources, windows)`` in dB."""

    sdr: Floats
    isr: Floats
    sir: Floats
    sar: Floats


def evaluate(
    references: ArrayLike,
    estimates: ArrayLike,
    win: float = 1 * 44100,
    hop: float = 1 * 44100,
    mode: str = "v4",
    padding: bool = True,
) -> Ratios:
    """Evaluate source images with BSS Eval.

    Parameters
    ----------
    references, estimates : (sources, samples, channels)
        Arrays or lists of arrays; ``(sources, samples)`` for mono.
    win, hop : float
        Samples; infinite for the whole signal.
    mode : {"v4", "v3"}
        Filters of the whole signal, or of each window.
    padding : bool
        Cut or pad the estimates to the length of the references; otherwise another length is an error.

    Returns
    -------
    SDR, ISR, SIR, SAR : (sources, windows) float64
        In dB.

    Raises
    ------
    MusevalError
        Shapes that do not fit, silent sources, NaN in a reference.
    """
    if mode not in ("v3", "v4"):
        raise MusevalError(f"mode is {mode!r}, expected 'v4' or 'v3'")
    true, estimated = as_sources(references, "reference"), as_sources(estimates, "estimate")
    if padding:
        estimated = to_length(estimated, len(true[0]))
    scores = bss_eval(true, estimated, window=win, hop=hop, framewise_filters=mode == "v3")
    return Ratios(scores.sdr, scores.isr, scores.sir, scores.sar)


def pad_or_truncate(audio_reference: ArrayLike, audio_estimates: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cut estimates, or pad them with zeros at the end, to the length of the references.

    Parameters
    ----------
    audio_reference, audio_estimates : (sources, samples, channels)

    Returns
    -------
    audio_reference, audio_estimates : (sources, samples, channels)
        The references as given; the estimates a view of what was given, or a padded copy.

    Raises
    ------
    MusevalError
        What is no ``(sources, samples, channels)``.
    """
    for kind, given in (("reference", audio_reference), ("estimate", audio_estimates)):
        as_sources(given, kind)
    references, estimates = np.asarray(audio_reference), np.asarray(audio_estimates)
    missing = references.shape[1] - estimates.shape[1]
    if missing > 0:
        return references, np.pad(estimates, [(0, 0), (0, missing)] + [(0, 0)] * (estimates.ndim - 2))
    return references, estimates[:, : references.shape[1]]


def eval_mus_track(
    track: Any,
    user_estimates: Mapping[str, ArrayLike],
    output_dir: str | Path | None = None,
    mode: str = "v4",
    win: float = 1.0,
    hop: float = 1.0,
) -> TrackStore:
    """Evaluate the estimates of a musdb track.

    Parameters
    ----------
    track : musdb.audio_classes.Track
        Anything with ``targets`` (an ordered mapping of name to an object with ``audio``, ``(samples, channels)``),
        ``rate``, ``name`` and, where files are written, ``subset``.
    user_estimates : mapping of str to (samples, channels)
        Names that the track does not have are ignored.
    output_dir : path, optional
        Writes ``<output_dir>/<subset>/<name>.json``.
    mode : {"v4", "v3"}
    win, hop : float
        Seconds.

    Returns
    -------
    TrackStore

    Raises
    ------
    MusevalError
        As `evaluate`.
    RunError
        When the file cannot be written.
    """
    _check_track(track, user_estimates, output_dir)
    targets = [name for name in track.targets if name in user_estimates]
    length = max((len(track.targets[name].audio) for name in targets), default=track.rate)
    data, window, step = _store(track.name, length, track.rate, win, hop)
    pair = ["vocals", "accompaniment"]
    both = all(name in targets for name in pair)
    rest = [name for name in targets if not (both and name == "accompaniment")]
    if len(rest) < 2 and not both:
        warnings.warn(
            "Incorrect usage of BSSeval : at least two estimates must be provided. Target score will be empty.",
            stacklevel=2,
        )
    problems = [(rest, [name for name in rest if not (both and name == "vocals")])] if len(rest) >= 2 else []
    for members, kept in [*problems, *([(pair, pair)] if both else [])]:
        ratios = evaluate(
            [np.asarray(track.targets[name].audio) for name in members],
            [np.asarray(user_estimates[name]) for name in members],
            win=window,
            hop=step,
            mode=mode,
        )
        for name in kept:
            data.add_target(name, _rows(ratios, members.index(name)))
    if output_dir:
        write_track(Path(output_dir) / track.subset, track.name, data.scores)
    return data


def eval_mus_dir(
    dataset: Iterable[Any], estimates_dir: str | Path, output_dir: str | Path | None = None, ext: str = "wav"
) -> None:
    """Evaluate the estimates of the tracks of a musdb data set.

    Parameters
    ----------
    dataset : musdb.DB
        Or any tracks that `eval_mus_track` takes. Those without a folder of estimates are left out.
    estimates_dir : path
        Holds ``<subset>/<track>/<target>.wav``.
    output_dir : path, optional
        Writes ``<output_dir>/<subset>/<name>.json``.
    ext : str
        Of the estimates' files.

    Raises
    ------
    AudioError
        An estimate that cannot be read, or of another sample rate than the track.
    MusevalError
        As `evaluate`.
    RunError
        When a file cannot be written.
    """
    for _ in evaluated_tracks(dataset, estimates_dir, output_dir, ext):
        pass


def evaluated_tracks(
    dataset: Iterable[Any], estimates_dir: str | Path, output_dir: str | Path | None = None, ext: str = "wav"
) -> Iterator[TrackStore]:
    """Evaluate track after track as `eval_mus_dir`, and yield the scores of each as soon as they are written."""
    if not isinstance(estimates_dir, (str, PathLike)) or not Path(estimates_dir).is_dir():
        raise MusevalError(f"{estimates_dir} is not a folder; expected one with <subset>/<track>/<target>.{ext}")
    try:
        tracks = iter(dataset)
    except TypeError as error:
        raise MusevalError(f"the dataset is {dataset!r:.60}, expected a musdb.DB, or tracks") from error
    root, done, wanted = Path(estimates_dir), 0, ""
    for track in tracks:
        wanted = wanted or f"{track.subset}/{track.name}"
        files = matching(root / track.subset / track.name, f"*.{ext}")
        if estimates := _read_files(files, track.rate)[0]:
            done += 1
            named = {Path(name).stem: array for name, array in estimates.items()}
            yield eval_mus_track(track, named, output_dir=output_dir)
    if not done:
        found = sorted(path.relative_to(root).as_posix() for path in root.glob("*/*") if path.is_dir())
        has = f"; it has {shortened(found)}" if found else ""
        expected = f", as {wanted}/vocals.{ext}" if wanted else ""
        raise MusevalError(
            f"{root} holds no estimates of any track of the data set; expected <subset>/<track>/<target>.{ext}"
            f"{expected}{has}"
        )


def _folders(folder: str | Path) -> bool:
    return any(path.is_dir() for path in Path(folder).iterdir())


def eval_dir(
    reference_dir: str | Path,
    estimates_dir: str | Path,
    output_dir: str | Path | None = None,
    mode: str = "v4",
    win: float = 1.0,
    hop: float = 1.0,
) -> TrackStore:
    """Evaluate a folder of WAV files against one with references of the same names.

    Parameters
    ----------
    reference_dir, estimates_dir : path
    output_dir : path, optional
        Writes ``<output_dir>/<name of the references' folder>.json``.
    mode : {"v4", "v3"}
    win, hop : float
        Seconds.

    Returns
    -------
    TrackStore
        Targets are called as the files, ``.wav`` included.

    Raises
    ------
    MusevalError
        Folders that are empty or differ in names, and what `evaluate` refuses.
    AudioError
        Files that cannot be read, or differ in sample rate.
    RunError
        When the file cannot be written.
    """
    for name, folder in (("reference_dir", reference_dir), ("estimates_dir", estimates_dir)):
        if not isinstance(folder, (str, PathLike)) or not Path(folder).is_dir():
            raise MusevalError(f"`{name}` is {str(folder)!r}, which is not a folder; expected one with wav files")
    references, rate = _read_files(matching(Path(reference_dir), "*.wav"))
    if not references:
        below = " (its folders are not looked into: give the folder of one song)" if _folders(reference_dir) else ""
        raise MusevalError(f"`reference_dir` contains no wav files: {reference_dir}{below}; expected <target>.wav")
    estimates, _ = _read_files(matching(Path(estimates_dir), "*.wav"), rate)
    if list(references) != list(estimates):
        raise MusevalError(
            f"{estimates_dir} holds {', '.join(estimates) or 'no wav files'}, expected the names of {reference_dir}: "
            f"{', '.join(references)}"
        )
    for name, array in estimates.items():
        if array.shape[1] != references[name].shape[1]:
            raise MusevalError(
                f"{Path(estimates_dir) / name} has {array.shape[1]} channels and its reference "
                f"{references[name].shape[1]}; expected the same"
            )
    arrays = list(references.values()), list(estimates.values())
    data, window, step = _store(Path(reference_dir).resolve().name, len(arrays[0][0]), rate, win, hop)
    ratios = evaluate(*arrays, win=window, hop=step, mode=mode)
    for index, name in enumerate(references):
        data.add_target(name, _rows(ratios, index))
    if output_dir:
        write_track(output_dir, data.track_name, data.scores)
    return data


def _check_track(track: Any, estimates: Any, output_dir: str | Path | None) -> None:
    """Refuse what is no track of musdb, or no mapping of estimates."""
    wanted = ("name", "rate", "targets", *(("subset",) if output_dir else ()))
    if missing := [name for name in wanted if not hasattr(track, name)]:
        raise MusevalError(f"the track is {track!r:.60} without {', '.join(missing)}, expected a track of musdb")
    if not isinstance(track.rate, int | float | np.number) or not track.rate > 0:
        raise MusevalError(f"the rate of the track is {track.rate!r:.60}, expected Hz")
    for name in {"name", "subset"} & set(wanted):
        if not isinstance(getattr(track, name), str):
            raise MusevalError(f"the {name} of the track is {getattr(track, name)!r:.60}, expected a text")
    if output_dir and (track.subset == ".." or "/" in track.subset):
        raise MusevalError(f"the subset of the track is {track.subset!r:.60}, expected the name of a folder")
    for name, mapping in (("targets of the track", track.targets), ("estimates", estimates)):
        if not isinstance(mapping, Mapping):
            raise MusevalError(f"the {name} are {mapping!r:.60}, expected a mapping of names to audio")


def _read_files(files: Sequence[Path], rate: int | None = None) -> tuple[dict[str, NDArray[Any]], int]:
    """Read audio ``(samples, channels)``, by file name, and its sample rate."""
    arrays = {}
    for file in files:
        rate = audio.info(file).sample_rate if rate is None else rate
        arrays[file.name] = audio.read(file, rate, finite=False).T
    return arrays, rate or 0


def _store(track: str, length: int, rate: int, win: Any, hop: Any) -> tuple[TrackStore, float, float]:
    """Return an empty store of a track of so many samples, and its window and hop in samples."""
    samples = _samples("win", win, rate), _samples("hop", hop, rate)
    # A file cannot say infinity: the whole signal has its length.
    seconds = [length / rate if math.isinf(given) else given for given in (win, hop)]
    return TrackStore(track, win=seconds[0], hop=seconds[1]), *samples


def _samples(name: str, seconds: Any, rate: int) -> float:
    """Return seconds in samples, cut to a whole number as museval does it; infinity as it is."""
    number = isinstance(seconds, numbers.Real) and not isinstance(seconds, bool)
    if not number or not seconds * rate >= 1:
        raise MusevalError(f"{name} is {seconds!r:.60}, expected seconds, at least one sample, or infinity")
    return int(seconds * rate) if math.isfinite(seconds) else math.inf


def _rows(ratios: Ratios, source: int) -> dict[str, list[float]]:
    """Return values by frame of one source, as `TrackStore.add_target` takes them."""
    return {metric: getattr(ratios, metric.lower())[source].tolist() for metric in METRICS}
