"""Why a score is what it is: an estimate of a run, taken apart into what BSS Eval tells apart, to be heard and seen.

`explain` writes sound files that add up to the estimate, and a picture of their spectrograms and of the metrics frame
by frame.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.core.arrays import Samples
from mss_bench.core.files import folder_name
from mss_bench.core.tracks import Audio, TargetGroup, Track, TrackAudio
from mss_bench.dsp.panning import panning_angle, panning_histogram
from mss_bench.dsp.stft import STFT
from mss_bench.errors import AudioError, RunError, UnknownNameError
from mss_bench.metrics import Score
from mss_bench.metrics.bss_eval import BSSEval
from mss_bench.metrics.bss_eval.components import Components, bss_components
from mss_bench.report.plots.directions import draw_directions
from mss_bench.report.style import FULL_WIDTH, printable, styled
from mss_bench.running.audio import RunAudio

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

__all__ = ["Explanation", "explain", "level_db"]

_TITLES = {
    "estimate": "estimate: the sum of the four below",
    "target": "target: the true source",
    "spatial_distortion": "spatial distortion: what filters of it add",
    "interference": "interference: filtered other sources",
    "artifacts": "artifacts: what no filter explains",
}
_COLOURS = {"SDR": "#222222", "ISR": "#0072B2", "SIR": "#009E73", "SAR": "#D55E00"}
_RANGE_DB = 80.0  # of the spectrograms, below the loudest
_METRIC_DB = (-25.0, 40.0)  # values of a metric beyond these are drawn at the edge
_LOW_HZ, _TOP_HZ = 60.0, 16000.0
_ROWS, _COLUMNS = 200, 1500  # of a spectrogram: a picture has no more pixels
_WINDOW = 0.093  # seconds, about


@dataclass(frozen=True)
class Explanation:
    """One estimate, taken apart.

    Parameters
    ----------
    track, separator, target, group : str
        What it is an estimate of; the group is the one whose references span the projections.
    components : Components
    frames : dict of str to Score
        BSS Eval v4 in frames of 1 s, by quantity.
    folder : Path
        Where its files lie.
    as_scored : bool
        Whether the estimate is the one that the run scored; not where it had to be made again and the separator's code
        has changed since, or the data.
    """

    track: str
    separator: str
    target: str
    group: str
    components: Components
    frames: dict[str, Score]
    folder: Path
    as_scored: bool


def explain(
    run: str | Path,
    track: str,
    separator: str,
    targets: Sequence[str] = (),
    *,
    group: str | None = None,
    out: str | Path | None = None,
) -> list[Explanation]:
    """Take estimates of a run apart into what BSS Eval calls target, spatial distortion, interference and artifacts.

    Parameters
    ----------
    run : path
        A run folder. Its data set has to be there still; estimates that it did not keep are made again.
    track : str
    separator : str
        A separator as the run's tables name it.
    targets : sequence of str
        All that the method delivers of the group by default, without silent ones.
    group : str, optional
        Of which the references are; by default the first that has the targets.
    out : path, optional
        ``RUN/explain/TRACK/METHOD`` by default; there is a folder for each target.

    Returns
    -------
    list of Explanation
        Beside it ``estimate.wav`` and the four components, in 32-bit float, and ``explain.png`` are written, and of
        stereo ``directions.png``: the energy of mixture and estimates over the panning angle, with the true positions.

    Raises
    ------
    UnknownNameError
        There is no such track, separator, target or group.
    RunError
        No run; a method that fails.
    AudioError
        A target that is silent in this track, or an estimate with NaN.
    MssBenchError
        The data set is not there any more.
    """
    with tempfile.TemporaryDirectory() as work:
        source = RunAudio(Path(run), Path(work))
        song = _track(source, track)
        if separator not in source.labels():
            raise UnknownNameError("separator of the run", separator, source.labels())
        scored_group = _group(source, targets, group)
        whole = song.load()
        references = scored_group.references(whole.references, source.dataset.targets)
        for target in targets:
            if not references[target].any():
                raise AudioError(
                    f"{target!r} is silent in {track!r}: there is nothing to be told apart; choose another target"
                )
        source.prepare([separator], [song])
        estimates, as_scored = source.estimates(separator, song), source.as_scored(separator, song)
    estimates = {t: estimates[t] for t in scored_group.targets if t in estimates}
    for target in targets:
        if target not in estimates:
            raise UnknownNameError(f"target of {separator}", target, estimates)
    wanted = list(targets) or [t for t in estimates if references[t].any()]
    if not wanted:
        raise AudioError(
            f"every target that {separator} delivers of group {scored_group.name!r} is silent in {track!r}"
        )
    base = Path(out) if out is not None else Path(run) / "explain" / folder_name(track) / folder_name(separator)
    metric = BSSEval()
    state = metric.prepare(TrackAudio(references, whole.mixture, whole.sample_rate), scored_group)
    scores = metric.score(state, estimates)  # of all delivered targets at once, as a run has them
    explained = []
    for target in wanted:
        frames = {score.quantity: score for score in scores if score.target == target}
        components = bss_components(references, target, estimates[target])
        explanation = Explanation(
            song.name, separator, target, scored_group.name, components, frames, base / target, as_scored
        )
        signals = {"estimate": estimates[target], **components.parts}
        for name, signal in signals.items():
            audio.write(base / target / f"{name}.wav", np.asarray(signal, dtype=np.float32), whole.sample_rate)
        _draw(explanation, estimates[target], whole.sample_rate)
        explained.append(explanation)
    if len(whole.mixture) == 2:
        _draw_directions(base, whole.mixture, references, estimates, f"{song.name} by {separator}")
    return explained


def level_db(signal: Samples, target: Samples) -> str:
    """Return the level of a component against the true source, in words."""
    energy, whole = (float(np.sum(np.square(x, dtype=np.float64))) for x in (signal, target))
    return f"{10 * np.log10(energy / whole):+.1f} dB" if energy > 0 else "silent"


def _track(source: RunAudio, name: str) -> Track:
    """Return a track of the run by its name, or by subset and name where several have it."""
    tracks = source.tracks()
    named = [track for track in tracks if name in (track.name, f"{track.id.subset}/{track.name}")]
    if not named:
        raise UnknownNameError("track of the run", name, [track.name for track in tracks])
    if len(named) > 1:
        names = ", ".join(f"{track.id.subset}/{track.name}" for track in named)
        raise RunError(f"the run has several tracks {name!r}; name one of {names}")
    return named[0]


def _group(source: RunAudio, targets: Sequence[str], name: str | None) -> TargetGroup:
    """Return the group of a name, or the first that has the targets."""
    groups = {group.name: group for group in source.dataset.groups}
    if name is not None and name not in groups:
        raise UnknownNameError("target group", name, groups)
    candidates = [groups[name]] if name is not None else list(groups.values())
    fitting = [group for group in candidates if all(target in group.targets for target in targets)]
    if fitting:
        return fitting[0]
    known = list(dict.fromkeys(target for group in candidates for target in group.targets))
    for target in targets:
        if target not in known:
            raise UnknownNameError("target", target, known)
    raise RunError(f"no target group has all of {', '.join(targets)}; explain them one after the other")


def _draw(explained: Explanation, estimate: Audio, sample_rate: int) -> None:
    from matplotlib.figure import Figure

    signals: dict[str, Samples] = {"estimate": estimate, **explained.components.parts}
    seconds = estimate.shape[1] / sample_rate
    powers = {name: _power(signal, sample_rate) for name, signal in signals.items()}
    top = max(float(powers[name].max()) for name in ("estimate", "target")) or 1.0
    with styled():
        figure = Figure(figsize=(FULL_WIDTH, 8.6), layout="constrained")
        *panels, last = figure.subplots(6, 1, sharex=True, height_ratios=[1, 1, 1, 1, 1, 1.15])
        for axes, (name, power) in zip(panels, powers.items(), strict=True):
            title = f"{_TITLES[name]} ({level_db(signals[name], explained.components.target)})"
            image = _spectrogram(axes, power / top, seconds, sample_rate, title)
        _metrics(last, explained, seconds)
        figure.colorbar(image, ax=panels, label="dB against the loudest", pad=0.01, aspect=60)
        title = f"{explained.target} of {explained.track} by {explained.separator}; levels against the true source"
        figure.suptitle(printable(title), fontsize=8.5)
        # Without the software's version the same numbers give the same file.
        figure.savefig(explained.folder / "explain.png", dpi=150, metadata={"Software": None})


def _draw_directions(
    folder: Path, mixture: Audio, references: Mapping[str, Audio], estimates: Mapping[str, Audio], title: str
) -> None:
    from matplotlib.figure import Figure

    curves = {name: panning_histogram(estimate) for name, estimate in estimates.items()}
    positions = {name: panning_angle(reference) for name, reference in references.items() if reference.any()}
    with styled():
        figure = Figure(figsize=(FULL_WIDTH, 2.6), layout="constrained")
        axes = figure.subplots()
        draw_directions(axes, panning_histogram(mixture), curves, positions)
        text = f"{title}: energy over position; grey the mixture, dashed the true positions (constant-power law)"
        axes.set_title(printable(text), fontsize=7.5, fontweight="normal")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7)
        figure.savefig(folder / "directions.png", dpi=150, metadata={"Software": None})


def _power(signal: Samples, sample_rate: int) -> NDArray[np.float64]:
    """Return the power ``(rows, columns)``: logarithmic frequencies, columns thinned so that peaks are kept."""
    size = 1 << max(4, round(float(np.log2(_WINDOW * sample_rate))))
    stft = STFT(size, size // 4)
    power = np.square(np.abs(stft.forward(np.asarray(signal, dtype=np.float32)))).mean(axis=0).astype(np.float64)
    wanted = np.geomspace(_LOW_HZ, min(_TOP_HZ, sample_rate / 2), _ROWS)
    rows = np.searchsorted(stft.frequencies(sample_rate), wanted).clip(max=stft.bins - 1)
    step = max(1, -(-len(power) // _COLUMNS))
    return np.maximum.reduceat(power[:, rows], np.arange(0, len(power), step), axis=0).T


def _spectrogram(axes: Axes, power: NDArray[np.float64], seconds: float, sample_rate: int, title: str) -> AxesImage:
    highest = min(_TOP_HZ, sample_rate / 2)
    image = axes.imshow(
        10 * np.log10(np.maximum(power, 1e-20)), origin="lower", aspect="auto", cmap="magma", vmin=-_RANGE_DB, vmax=0,
        extent=(0, seconds, 0, 1), interpolation="nearest",
    )  # fmt: skip
    ticks = [f for f in (100, 1000, 10000) if f < highest]
    places = [float(np.log(f / _LOW_HZ) / np.log(highest / _LOW_HZ)) for f in ticks]
    axes.set_yticks(places, [f"{f / 1000:g}k" if f >= 1000 else str(f) for f in ticks])
    axes.set_ylabel("Hz")
    axes.set_title(printable(title), fontsize=7.5, fontweight="normal")
    axes.tick_params(labelsize=7, length=2, labelbottom=False)
    return image


def _metrics(axes: Axes, explained: Explanation, seconds: float) -> None:
    """Draw the values of each frame as steps, those far out at the edge, and the medians in the legend."""
    for quantity, score in explained.frames.items():
        values = np.where(np.isnan(score.values), np.nan, np.clip(score.values, *_METRIC_DB))
        edges = np.arange(len(values) + 1) * score.hop
        median = "undefined" if np.isnan(score.value) else f"{score.value:.1f} dB"
        axes.stairs(values, edges, baseline=None, color=_COLOURS[quantity], label=f"{quantity} (median {median})")
    axes.axhline(0, color="#DDDDDD", linewidth=0.6, zorder=0)
    axes.set_xlim(0, seconds)
    axes.set_xlabel("s")
    axes.set_ylabel("dB")
    axes.set_title("BSS Eval v4 in frames of 1 s", fontsize=7.5, fontweight="normal")
    axes.tick_params(labelsize=7, length=2)
    axes.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.32), fontsize=7)
