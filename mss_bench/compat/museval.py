"""museval's interface over this package's engine: the same calls, the same numbers, a fraction of the time.

``from mss_bench.compat import museval`` in the place of ``import museval`` gives `evaluate`, `eval_dir`,
`eval_mus_track`, `eval_mus_dir`, `TrackStore`, `EvalStore`, `MethodStore` and `bss_eval` with the signatures, array
layouts and return values of museval 0.4.1. Here, and only here, its rules hold:

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
- The stores hold tables in `df`, and do not pickle them: ``store.df.to_csv(...)``.
- ``bsseval_sources_version`` needs ``framewise_filters``, or a window that takes in the whole signal.

Errors are `MusevalError`, a ValueError with museval's wording that names the source.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mss_bench.compat.bss_eval import IllConditionedWarning, MusevalError, Scores, bss_eval
from mss_bench.compat.museval_json import METRICS
from mss_bench.compat.stores import EvalStore, MethodStore, TrackStore
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
    "bss_eval",
    "eval_dir",
    "eval_mus_dir",
    "eval_mus_track",
    "evaluate",
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
    true, estimated = np.asarray(references), np.asarray(estimates)
    if padding and true.ndim == estimated.ndim > 1:
        estimated = _to_length(estimated, true.shape[1])
    scores = bss_eval(true, estimated, window=win, hop=hop, framewise_filters=mode == "v3")
    return Ratios(scores.sdr, scores.isr, scores.sir, scores.sar)


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
    data = TrackStore(win=win, hop=hop, track_name=track.name)
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
            _padded([np.asarray(user_estimates[name]) for name in members]),
            win=int(win * track.rate),
            hop=int(hop * track.rate),
            mode=mode,
        )
        for name in kept:
            data.add_target(name, _rows(ratios, members.index(name)))
    if output_dir:
        data.save(Path(output_dir) / track.subset / f"{track.name}.json")
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
    for track in dataset:
        files = matching(Path(estimates_dir) / track.subset / track.name, f"*.{ext}")
        if estimates := _read_files(files, track.rate)[0]:
            eval_mus_track(track, {Path(name).stem: array for name, array in estimates.items()}, output_dir=output_dir)


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
    references, rate = _read_files(matching(Path(reference_dir), "*.wav"))
    if not references:
        raise MusevalError(f"`reference_dir` contains no wav files: {reference_dir}")
    estimates, _ = _read_files(matching(Path(estimates_dir), "*.wav"), rate)
    if list(references) != list(estimates):
        raise MusevalError(
            f"{estimates_dir} holds {', '.join(estimates) or 'no wav files'}, expected the names of {reference_dir}: "
            f"{', '.join(references)}"
        )
    data = TrackStore(win=win, hop=hop, track_name=Path(reference_dir).name)
    ratios = evaluate(
        list(references.values()), _padded(list(estimates.values())), int(win * rate), int(hop * rate), mode
    )
    for index, name in enumerate(references):
        data.add_target(name, _rows(ratios, index))
    if output_dir:
        data.save(Path(output_dir) / f"{data.track_name}.json")
    return data


def _read_files(files: Sequence[Path], rate: int | None = None) -> tuple[dict[str, NDArray[Any]], int]:
    """Read audio ``(samples, channels)``, by file name, and its sample rate."""
    arrays = {}
    for file in files:
        rate = audio.info(file).sample_rate if rate is None else rate
        arrays[file.name] = audio.read(file, rate, finite=False).T
    return arrays, rate or 0


def _rows(ratios: Ratios, source: int) -> dict[str, list[float]]:
    """Return values by frame of one source, as `TrackStore.add_target` takes them."""
    return {metric: getattr(ratios, metric.lower())[source].tolist() for metric in METRICS}


def _padded(estimates: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Pad estimates to one length, so that they can be stacked."""
    longest = max(map(len, estimates))
    return [np.pad(y, [(0, longest - len(y))] + [(0, 0)] * (y.ndim - 1)) for y in estimates]


def _to_length(estimates: NDArray[Any], n_samples: int) -> NDArray[Any]:
    missing = max(0, n_samples - estimates.shape[1])
    return np.pad(estimates[:, :n_samples], [(0, 0), (0, missing)] + [(0, 0)] * (estimates.ndim - 2))
