"""Write what a run keeps to be heard and seen: excerpts of references and estimates, each with a picture.

::

    media/<subset>/<track>/media.json                   which excerpts, why, and what is in each
    media/<subset>/<track>/<target>-<kind>/<name>.flac  16 bits, made quieter where it would clip
    media/<subset>/<track>/<target>-<kind>/<name>.png   waveform and spectrogram

Made from the kept estimates when all methods of a track are scored, as the excerpts depend on all their frames. A
report links these files and reads no audio.

Which seconds are worth hearing is decided from the scores of frames, for each target by itself. A method's score of an
excerpt is the median of its valid frames in it; an excerpt counts where at least half of its frames have a score. Then

``best``, ``worst``
    the excerpts with the highest and the lowest median over the methods,
``disagreeing``
    the one with the greatest interquartile range over the methods.

Methods are those that are neither oracle nor floor; where there is none of them, the oracles. Excerpts of one target
share at most half of their seconds, taken in this order; of equal ones the first is taken.
"""

from __future__ import annotations

import math
import shutil
import string
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.core.arrays import Floats
from mss_bench.core.files import folder_name, json_text, read_json, write_atomic
from mss_bench.core.schema import MEDIA_VERSION, is_floor, perturbed_name
from mss_bench.dsp.loudness import BLOCK, integrated_loudness
from mss_bench.errors import MssBenchError, RunError
from mss_bench.metrics import Quantity
from mss_bench.running.keys import digest
from mss_bench.running.outputs import saved_estimates
from mss_bench.running.pictures import level, picture
from mss_bench.running.plan import Plan
from mss_bench.running.planned import PlannedCell
from mss_bench.running.store import Cell, read_cell

__all__ = ["BARS", "KINDS", "SECONDS", "Excerpt", "choose", "waveform", "write_media"]

SECONDS = 4.0
"""Length of an excerpt."""

KINDS = ("best", "worst", "disagreeing")

BARS = 180
"""Stretches of a waveform."""

_DIGITS = string.digits + string.ascii_lowercase


@dataclass(frozen=True)
class _Frames:
    """The frames of one target in one metric, of all methods."""

    target: str
    group: str
    preset: str
    quantity: Quantity
    hop: float
    window: float
    cells: list[PlannedCell]
    values: Floats  # methods, frames


@dataclass(frozen=True)
class _Sound:
    """A sound of an excerpt."""

    name: str
    role: str  # mixture, reference or estimate
    array: NDArray[np.floating]
    facts: dict[str, Any]


def write_media(run: Path, plan: Plan, names: Sequence[str]) -> list[str]:
    """Write excerpts of these tracks where they are missing or belong to other scores.

    Parameters
    ----------
    run : Path
        Run folder, with cells and estimates.
    plan : Plan
    names : sequence of str
        Tracks, by name.

    Returns
    -------
    list of str
        What could not be written and why, in words.
    """
    notices = []
    for track in dict.fromkeys(c.track.id for c in plan.cells if c.track.name in set(names)):
        planned = [c for c in plan.cells if c.track.id == track and not c.skip and c.replicate == 1]
        try:
            _write_track(run, plan, planned)
        except MssBenchError as error:  # of files that cannot be read, too: the scores are there all the same
            notices.append(f"no media of {track.name}: {error}")
    return notices


def _write_track(run: Path, plan: Plan, planned: Sequence[PlannedCell]) -> None:
    cells = [(c, read_cell(run, c.estimate_key, frames=True)) for c in planned]
    waiting = [c.label for c, cell in cells if cell is None]
    if waiting:
        raise RunError(f"{', '.join(waiting[:3])} are not computed yet; the same command goes on")
    done = [(c, cell) for c, cell in cells if cell is not None and cell.ok]
    if not done:
        raise RunError("every method failed on it" if planned else "every method was skipped on it")
    folder = run / "media" / folder_name(planned[0].track.id.subset or "all") / folder_name(planned[0].track.name)
    keys = sorted(key for _, cell in done for key in cell.scores)
    key = digest({"version": MEDIA_VERSION, "seconds": SECONDS, "scores": keys})
    if _key_of(folder) == key:
        return
    # Written beside the folder and then moved to its place, so that a page never finds half of it.
    temporary = folder.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.mkdir(parents=True)
        about = _Writer(run, plan, done, temporary).write()
        if not about["targets"]:
            raise RunError("no target has a metric of frames, such as bss_eval, and an estimate that was kept")
        text = json_text({"schema": MEDIA_VERSION, "key": key} | about)
        write_atomic(temporary / "media.json", text)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _key_of(folder: Path) -> str:
    try:
        return str(read_json(folder / "media.json")["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


@dataclass(frozen=True)
class _Writer:
    """The excerpts of one track."""

    run: Path
    plan: Plan
    done: Sequence[tuple[PlannedCell, Cell]]
    folder: Path

    def write(self) -> dict[str, Any]:
        """Write sounds and pictures, and return what ``media.json`` says of them."""
        first = self.done[0][0]
        targets = []
        for frames in self._frames():
            heard = [i for i, c in enumerate(frames.cells) if not is_floor(c.label)]
            decide = [i for i in heard if not frames.cells[i].oracle] or heard
            length = max(1, round(SECONDS / frames.hop))
            better = frames.quantity.higher_is_better
            excerpts = choose(frames.values, decide, length, higher_is_better=better)
            if excerpts:
                targets.append(
                    {
                        "target": frames.target, "group": frames.group, "metric": frames.quantity.name,
                        "preset": frames.preset, "unit": frames.quantity.unit, "deciding": len(decide),
                        "excerpts": [self._excerpt(frames, e) for e in excerpts],
                    }
                )  # fmt: skip
        dataset = perturbed_name(first.track.id.dataset, first.perturbed.get("perturbation", ""))
        return {**vars(first.track.id), "dataset": dataset, "sample_rate": first.track.sample_rate, "targets": targets}

    def _frames(self) -> Iterator[_Frames]:
        """Yield the first metric of frames of each target, in the first group that has it."""
        seen: set[str] = set()
        facts = {q.name: q for metric in self.plan.metrics for q in metric.quantities}
        for group, metric, target in dict.fromkeys(
            (s.group.name, s.metric.name, t) for c, _ in self.done for s in c.scores for t in s.group.targets
        ):
            if target in seen:
                continue
            rows = [
                (planned, score.preset, row)
                for planned, cell in self.done
                for score in planned.scores
                if (score.group.name, score.metric.name) == (group, metric) and score.key in cell.scores
                for row in cell.scores[score.key].rows
                if row.target == target and row.scope == "frame" and row.quantity == score.quantities[0]
            ]
            if not rows:
                continue
            seen.add(target)
            _, preset, head = rows[0]
            same = [(c, row.values) for c, _, row in rows if (row.hop, row.n_frames) == (head.hop, head.n_frames)]
            table, quantity = np.stack([values for _, values in same]), facts[head.quantity]
            yield _Frames(target, group, preset, quantity, head.hop, head.window, [c for c, _ in same], table)

    def _excerpt(self, frames: _Frames, excerpt: Excerpt) -> dict[str, Any]:
        start = excerpt.first * frames.hop
        seconds = (excerpt.frames - 1) * frames.hop + frames.window
        place = f"{folder_name(frames.target)}-{excerpt.kind}"
        sounds = list(self._sounds(frames, excerpt, start, seconds))
        rate = frames.cells[0].track.sample_rate
        # Of mixture and reference only, so that one far too loud estimate does not dim the other pictures.
        top = max(level(s.array, rate) for s in sounds[:2])
        peak = max(float(np.abs(s.array).max()) for s in sounds[:2])
        written = [self._write(sound, place, rate, top, peak) for sound in sounds]
        facts = {"kind": excerpt.kind, "start": start, "seconds": seconds, "value": _number(excerpt.value)}
        return facts | {"sounds": written}

    def _sounds(self, frames: _Frames, excerpt: Excerpt, start: float, seconds: float) -> Iterator[_Sound]:
        """Yield mixture, reference and the estimates that were kept, the best first and oracles last."""
        track, targets = frames.cells[0].track, frames.cells[0].targets
        whole = track.excerpt(seconds, track.start + start).load()
        group = next(s.group for c in frames.cells for s in c.scores if s.group.name == frames.group)
        yield _Sound("mixture", "mixture", whole.mixture, {})
        yield _Sound("reference", "reference", group.references(whole.references, targets)[frames.target], {})
        sign = 1.0 if frames.quantity.higher_is_better else -1.0
        values = np.where(np.isnan(excerpt.scores), -math.inf, sign * excerpt.scores)
        for i in sorted(range(len(values)), key=lambda i: (frames.cells[i].oracle, -values[i])):
            planned = frames.cells[i]
            array = None if is_floor(planned.label) else self._estimate(planned, frames.target, start, seconds)
            if array is not None:
                facts = {"oracle": planned.oracle, "estimate_key": planned.estimate_key}
                yield _Sound(planned.label, "estimate", array, facts | {"value": _number(excerpt.scores[i])})

    def _estimate(self, planned: PlannedCell, target: str, start: float, seconds: float) -> NDArray[np.floating] | None:
        saved = saved_estimates(self.run, planned, verify=False)
        if saved is None:
            return None
        wanted = planned.delivery.parts(target, saved.files, planned.targets)
        if not wanted:
            return None
        rate = planned.track.sample_rate
        parts = [audio.read(saved.files[name], rate, start=start, duration=seconds) for name in wanted]
        return parts[0] if len(parts) == 1 else np.sum(parts, axis=0, dtype=np.float32)

    def _write(self, sound: _Sound, place: str, rate: int, top: float, peak: float) -> dict[str, Any]:
        name = f"{place}/{folder_name(sound.name)}" if sound.role == "estimate" else f"{place}/_{sound.role}"
        loudest = float(np.abs(sound.array).max())
        gain = min(1.0, 0.999 / loudest) if loudest > 0.999 else 1.0
        audio.write(self.folder / f"{name}.flac", sound.array * np.float32(gain), rate, "PCM_16")
        (self.folder / f"{name}.png").write_bytes(picture(sound.array, rate, top, peak))
        facts: dict[str, Any] = {
            "name": sound.name,
            "role": sound.role,
            "audio": f"{name}.flac",
            "picture": f"{name}.png",
        }
        # Pages play all sounds of an excerpt equally loud, and draw their waveforms, without opening them.
        heard = sound.array[:2] * gain
        loudness = integrated_loudness(heard, rate) if heard.shape[1] >= BLOCK * rate else -math.inf
        facts |= {"loudness": _number(loudness), "wave": waveform(sound.array, peak)}
        return facts | {"gain_db": round(20 * math.log10(gain), 1)} | sound.facts


def waveform(array: NDArray[np.floating], peak: float) -> str:
    """Return the peaks of `BARS` stretches of a sound, each a digit of base 36: z is `peak` or above."""
    parts = np.array_split(np.abs(array).max(axis=0), BARS)
    heights = [float(part.max()) / max(peak, 1e-9) if part.size else 0.0 for part in parts]
    return "".join(_DIGITS[min(35, math.ceil(35 * height))] for height in heights)


def _number(value: float) -> float | None:
    """Return a number for JSON, which has no NaN."""
    return round(float(value), 3) if math.isfinite(value) else None


@dataclass(frozen=True)
class Excerpt:
    """A part of a track.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    first, frames : int
        Frames that it is made of.
    value : float
        The criterion, in the metric's unit: median over methods, or their interquartile range.
    scores : ndarray (methods,)
        Median over the valid frames, NaN where there is none.
    """

    kind: str
    first: int
    frames: int
    value: float
    scores: Floats


def choose(values: Floats, decide: Sequence[int], frames: int, *, higher_is_better: bool = True) -> list[Excerpt]:
    """Choose the excerpts of one target of one track.

    Parameters
    ----------
    values : ndarray (methods, frames)
        NaN where a frame has no score.
    decide : sequence of int
        The methods that decide.
    frames : int
        Of an excerpt; the whole track where it is shorter.
    higher_is_better : bool
        Of the metric.

    Returns
    -------
    list of Excerpt
        At most one of each kind, in the order of `KINDS`; none where no excerpt counts. One method alone does not
        disagree with itself.
    """
    length = min(frames, values.shape[1])
    if not length or not len(decide):
        return []
    windows = np.lib.stride_tricks.sliding_window_view(_finite(values), length, axis=1)
    valid = ~np.isnan(windows)
    scores = np.full(windows.shape[:2], np.nan)
    some = valid.any(axis=2)
    scores[some] = np.nanmedian(windows[some], axis=1)
    own = scores[list(decide)]
    counts = (valid[list(decide)].mean(axis=2) >= 0.5).all(axis=0)
    middle = np.where(counts, np.median(np.nan_to_num(own), axis=0), np.nan)
    spread = np.subtract(*np.percentile(np.nan_to_num(own), [75, 25], axis=0))
    sign = 1.0 if higher_is_better else -1.0
    criteria = {"best": (sign * middle, middle), "worst": (-sign * middle, middle)}
    if len(decide) > 1:
        criteria["disagreeing"] = (np.where(counts, spread, np.nan), spread)
    chosen: list[Excerpt] = []
    for kind, (criterion, shown) in criteria.items():
        free = criterion.copy()
        for other in chosen:
            free[np.abs(np.arange(free.size) - other.first) * 2 < length] = np.nan
        if np.isnan(free).all():
            continue
        first = int(np.nanargmax(free))
        chosen.append(Excerpt(kind, first, length, float(shown[first]), scores[:, first]))
    return chosen


def _finite(values: Floats) -> Floats:
    """Return frames with +inf replaced by the best of the others, so that infinities are never subtracted."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return np.clip(values, low, high)
