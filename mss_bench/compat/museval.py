"""museval's interface over this package's engine: the same calls, the same numbers, a fraction of the time.

``from mss_bench.compat import museval`` in the place of ``import museval`` gives `evaluate`, `eval_mus_track` and
`bss_eval` with the signatures, array layouts and return values of museval 0.4.1. Here, and only here, its rules hold:

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
- ``bsseval_sources_version`` needs ``framewise_filters``, or a window that takes in the whole signal.

Errors are `MusevalError`, a ValueError with museval's wording that names the source.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mss_bench.compat.bss_eval import MusevalError, Scores, bss_eval
from mss_bench.results.museval_json import METRICS, FrameScores, to_museval, write

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MusevalError", "Scores", "TrackStore", "bss_eval", "eval_mus_track", "evaluate"]

Floats = NDArray[np.float64]


class Ratios(NamedTuple):
    """What `evaluate` returns: each ``(sources, windows)`` in dB."""

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
    """BSS Eval of source images.

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
            rows = {metric: getattr(ratios, metric.lower())[members.index(name)].tolist() for metric in METRICS}
            data.add_target(name, rows)
    if output_dir:
        data.save(Path(output_dir) / track.subset / f"{track.name}.json")
    return data


class TrackStore:
    """Framewise scores of one track.

    Parameters
    ----------
    track_name : str
    win, hop : float
        Seconds.
    frames_agg : {"median", "mean"} or callable
        How `repr` makes one number of the frames, NaN left out.

    Attributes
    ----------
    scores : dict
        museval's structure; numbers are floats rounded to 1e-5 dB, missing and infinite ones None.
    """

    def __init__(
        self,
        track_name: str,
        win: float = 1,
        hop: float = 1,
        frames_agg: Literal["median", "mean"] | Callable[[Any], Any] = "median",
    ) -> None:
        named: dict[Any, Callable[[Any], Any]] = {"median": np.nanmedian, "mean": np.nanmean}
        self.frames_agg = frames_agg if callable(frames_agg) else named[frames_agg]
        self.track_name, self.win, self.hop = track_name, win, hop
        self._frames: list[FrameScores] = []

    def add_target(self, target_name: str, values: Mapping[str, Sequence[float]]) -> None:
        """Add the scores of a target: SDR, SIR, SAR and ISR to values by frame, in dB."""
        self._frames += [FrameScores(target_name, metric, self.win, self.hop, values[metric]) for metric in METRICS]

    @property
    def scores(self) -> dict[str, Any]:
        return to_museval(self._frames)

    @property
    def json(self) -> str:
        """The scores as JSON."""
        return json.dumps(self.scores, indent=2, allow_nan=False, ensure_ascii=False)

    @property
    def df(self) -> pd.DataFrame:
        """The scores as a table of ``time, target, metric, score, track``, as museval's `EvalStore.add_track` takes."""
        import pandas as pd

        rows = [
            (frame["time"], target["name"], metric, np.nan if value is None else value, self.track_name)
            for metric in ("SDR", "SAR", "ISR", "SIR")
            for target in self.scores["targets"]
            for frame in target["frames"]
            for value in (frame["metrics"][metric],)
        ]
        table = pd.DataFrame(rows, columns=["time", "target", "metric", "score", "track"])
        return table.astype({"time": "float64", "score": "float64"})

    def save(self, path: str | Path) -> None:
        """Write the JSON file, whole or not at all.

        Raises
        ------
        RunError
            When it cannot be written.
        """
        write(path, self._frames)

    def __repr__(self) -> str:
        lines = ""
        for target in self.scores["targets"]:
            lines += target["name"].ljust(16) + "==> "
            for metric in ("SDR", "SIR", "ISR", "SAR"):
                values = np.array([f["metrics"][metric] for f in target["frames"]], dtype=np.float64)
                value = np.nan if np.isnan(values).all() else float(self.frames_agg(values))
                lines += f"{metric}:{value:>8.3f}  "
            lines += "\n"
        return lines


def _padded(estimates: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Estimates of one length, so that they can be stacked."""
    longest = max(len(each) for each in estimates)
    return [np.pad(each, [(0, longest - len(each))] + [(0, 0)] * (each.ndim - 1)) for each in estimates]


def _to_length(estimates: NDArray[Any], n_samples: int) -> NDArray[Any]:
    missing = max(0, n_samples - estimates.shape[1])
    return np.pad(estimates[:, :n_samples], [(0, 0), (0, missing)] + [(0, 0)] * (estimates.ndim - 2))
