"""museval's interface over this package's engine: the same calls, the same numbers, a fraction of the time.

``from mss_bench.compat import museval`` in the place of ``import museval`` gives `evaluate`, `eval_dir`,
`eval_mus_track`, `eval_mus_dir`, `pad_or_truncate`, `TrackStore`, `EvalStore`, `MethodStore`, `json2df` and
`museval.metrics` (`bss_eval`, its four wrappers, `validate`, ``MAX_SOURCES``) with the signatures, array layouts and
return values of museval 0.4.1; the commands are ``mss-museval`` and ``mss-bsseval``. Here, and only here, its rules
hold:

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
- Where the references leave the filters to rounding, an `IllConditionedWarning` names the sources; museval gives such
  values without a word. ``warnings.simplefilter("ignore", museval.IllConditionedWarning)`` keeps it quiet.
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
    targets = [name for name in track.targets if name in user_estimates]
    sizes = {"win": _samples("win", win, track.rate), "hop": _samples("hop", hop, track.rate)}
    length = max((len(track.targets[name].audio) / track.rate for name in targets), default=1.0)
    data = TrackStore(track.name, win=_finite(win, length), hop=_finite(hop, length))
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
            win=sizes["win"],
            hop=sizes["hop"],
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
    root, done = Path(estimates_dir), 0
    if not root.is_dir():
        raise MusevalError(f"{root} is not a folder; expected one with <subset>/<track>/<target>.{ext}")
    for track in dataset:
        files = matching(root / track.subset / track.name, f"*.{ext}")
        if estimates := _read_files(files, track.rate)[0]:
            done += 1
            named = {Path(name).stem: array for name, array in estimates.items()}
            yield eval_mus_track(track, named, output_dir=output_dir)
    if not done:
        raise MusevalError(f"{root} holds no estimates of any track; expected <subset>/<track>/<target>.{ext}")


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
        if not Path(folder).is_dir():
            raise MusevalError(f"`{name}` is {str(folder)!r}, which is not a folder; expected one with wav files")
    references, rate = _read_files(matching(Path(reference_dir), "*.wav"))
    if not references:
        raise MusevalError(f"`reference_dir` contains no wav files: {reference_dir}")
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
    ratios = evaluate(*arrays, win=_samples("win", win, rate), hop=_samples("hop", hop, rate), mode=mode)
    length = len(arrays[0][0]) / rate
    name = Path(reference_dir).resolve().name
    data = TrackStore(name, win=_finite(win, length), hop=_finite(hop, length))
    for index, name in enumerate(references):
        data.add_target(name, _rows(ratios, index))
    if output_dir:
        write_track(output_dir, data.track_name, data.scores)
    return data


def _read_files(files: Sequence[Path], rate: int | None = None) -> tuple[dict[str, NDArray[Any]], int]:
    """Read audio ``(samples, channels)``, by file name, and its sample rate."""
    arrays = {}
    for file in files:
        rate = audio.info(file).sample_rate if rate is None else rate
        arrays[file.name] = audio.read(file, rate, finite=False).T
    return arrays, rate or 0


def _samples(name: str, seconds: Any, rate: int) -> float:
    """Return seconds in samples, cut to a whole number as museval does it; infinity as it is."""
    number = isinstance(seconds, numbers.Real) and not isinstance(seconds, bool)
    if not number or not seconds * rate >= 1:
        raise MusevalError(f"{name} is {seconds!r:.60}, expected seconds, at least one sample, or infinity")
    return int(seconds * rate) if math.isfinite(seconds) else math.inf


def _finite(seconds: float, length: float) -> float:
    """Return seconds as a file may say them: those of the whole signal for infinity."""
    return length if math.isinf(seconds) else seconds


def _rows(ratios: Ratios, source: int) -> dict[str, list[float]]:
    """Return values by frame of one source, as `TrackStore.add_target` takes them."""
    return {metric: getattr(ratios, metric.lower())[source].tolist() for metric in METRICS}
