"""An estimate of a run, taken apart: sound files that add up to it, a picture, and the ratios of their energies."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mss_bench.core import audio
from mss_bench.core.files import folder_name
from mss_bench.core.tracks import Audio, Stems, TargetGroup, Track, TrackAudio
from mss_bench.errors import AudioError, RunError, UnknownNameError
from mss_bench.metrics import Score
from mss_bench.metrics.bss_eval import BSSEval
from mss_bench.metrics.components import Components, bss_components
from mss_bench.running.audio import RunAudio

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """One estimate, taken apart.

    Parameters
    ----------
    track, method, target, group : str
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
    method: str
    target: str
    group: str
    components: Components
    frames: dict[str, Score]
    folder: Path
    as_scored: bool


def explain(
    run: str | Path,
    track: str,
    method: str,
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
    method : str
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
        Beside it ``estimate.wav`` and the four components, in 32-bit float, and ``explain.png`` are written.

    Raises
    ------
    UnknownNameError
        There is no such track, method, target or group.
    RunError
        No run; a method that fails.
    AudioError
        A target that is silent in this track, or an estimate with NaN.
    MssBenchError
        The data set is not there any more.
    """
    with tempfile.TemporaryDirectory() as work:
        source = RunAudio(Path(run), Path(work))
        found = _track(source, track)
        known = [str(each["label"]) for each in source.results.run["separators"]]
        if method not in known:
            raise UnknownNameError("separator of the run", method, known)
        chosen = _group(source, targets, group)
        whole = found.load()
        references = chosen.references(whole.references, source.dataset.targets)
        for target in targets:
            if not references[target].any():
                raise AudioError(
                    f"{target!r} is silent in {track!r}: there is nothing to be told apart; choose another target"
                )
        source.prepare([method], [found])
        estimates, as_scored = source.estimates(method, found), source.as_scored(method, found)
    wanted = list(targets) or [t for t in chosen.targets if t in estimates and references[t].any()]
    delivered = [t for t in chosen.targets if t in estimates]
    for target in wanted:
        if target not in delivered:
            raise UnknownNameError(f"target of {method}", target, delivered)
    if not wanted:
        raise AudioError(f"every target that {method} delivers of group {chosen.name!r} is silent in {track!r}")
    base = Path(out) if out is not None else Path(run) / "explain" / folder_name(track) / folder_name(method)
    scored = TrackAudio(references, whole.mixture, whole.sample_rate)
    frames = _frames(scored, chosen, {t: estimates[t] for t in delivered})
    explained = []
    for target in wanted:
        components = bss_components(references, target, estimates[target])
        facts = (found.name, method, target, chosen.name, components, frames[target], base / target, as_scored)
        explained.append(Explanation(*facts))
        _write(explained[-1], estimates[target], whole.sample_rate)
    return explained


def _track(source: RunAudio, name: str) -> Track:
    """A track of the run.

    Raises
    ------
    UnknownNameError
        There is none of that name.
    RunError
        There are several, in different subsets.
    """
    tracks = source.tracks()
    found = [track for track in tracks if name in (track.name, f"{track.id.subset}/{track.name}")]
    if not found:
        raise UnknownNameError("track of the run", name, [track.name for track in tracks])
    if len(found) > 1:
        names = ", ".join(f"{track.id.subset}/{track.name}" for track in found)
        raise RunError(f"the run has several tracks {name!r}; name one of {names}")
    return found[0]


def _group(source: RunAudio, targets: Sequence[str], name: str | None) -> TargetGroup:
    """The group that is meant.

    Raises
    ------
    UnknownNameError
        No such group, or one without a target.
    """
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


def _frames(track: TrackAudio, group: TargetGroup, estimates: Stems) -> dict[str, dict[str, Score]]:
    """BSS Eval v4 of all delivered targets as a run has it, by target and quantity."""
    metric = BSSEval()
    found: dict[str, dict[str, Score]] = {}
    for score in metric.score(metric.prepare(track, group), estimates):
        found.setdefault(score.target, {})[score.quantity] = score
    return found


def _write(explained: Explanation, estimate: Audio, sample_rate: int) -> None:
    """The sound files and the picture."""
    from mss_bench.explanation.figure import draw

    for name, signal in {"estimate": estimate, **explained.components.parts}.items():
        audio.write(explained.folder / f"{name}.wav", np.asarray(signal, dtype=np.float32), sample_rate)
    draw(explained, estimate, sample_rate, explained.folder / "explain.png")
