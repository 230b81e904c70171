"""What a planned run will take, from what its finished cells took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from mss_bench.core import audio
from mss_bench.core.text import duration
from mss_bench.core.tracks import Track
from mss_bench.errors import AudioError
from mss_bench.running.plan import Plan
from mss_bench.running.store import cell_path, read_cell
from mss_bench.running.worker import Task

__all__ = ["estimate"]

_CELL_BYTES_PER_SECOND = 500.0  # of audio: four quantities of six targets a frame, where no finished cell says better


def estimate(run: Path, plan: Plan, tasks: Sequence[Task], jobs: int) -> str:
    """Time, memory and disk that the tasks will take, in words.

    Time and memory come from finished cells of the same method in this folder; a method without one is named as
    unknown.
    """
    pace, memory, sizes = _experience(run, plan)
    seconds = {task.cell.track.id: _seconds(task.cell.track) for task in tasks}
    unknown = sorted({t.cell.label for t in tasks} - set(pace))
    work = sum(pace.get(t.cell.label, 0.0) * seconds[t.cell.track.id] for t in tasks)
    disk = sum((sizes or _CELL_BYTES_PER_SECOND) * seconds[t.cell.track.id] for t in tasks)
    saved = sum(_estimate_bytes(t, seconds[t.cell.track.id]) for t in tasks if t.save)
    workers = max(1, min(jobs, len(tasks)))
    known = f"about {duration(work / workers)}" if pace else "unknown"
    lines = [f"time    {known} on {workers} workers" + (f", without {', '.join(unknown)}" if pace and unknown else "")]
    lines.append("memory  " + (f"about {workers * max(memory.values()):.0f} MiB" if memory else "unknown"))
    lines.append(
        f"disk    about {disk / 2**20:.1f} MiB" + (f" and {saved / 2**20:.0f} MiB of estimates" if saved else "")
    )
    if unknown:
        lines.append("unknown until a first cell of theirs is finished here: run it with --max-tracks 1")
    return "\n".join(lines)


def _experience(run: Path, plan: Plan) -> tuple[dict[str, float], dict[str, float], float]:
    """Of finished cells: seconds a second of audio and MiB by method, and bytes a second of audio."""
    pace: dict[str, list[float]] = defaultdict(list)
    memory: dict[str, float] = {}
    sizes = []
    for planned in plan.cells:
        cell = read_cell(run, planned.estimate_key)
        if cell is None or not cell.ok or not cell.costs.get("audio_seconds"):
            continue
        length, label = cell.costs["audio_seconds"], planned.label
        spent = sum(cell.costs.get(f"{what}_seconds", 0.0) for what in ("load", "separate"))
        spent += cell.score_seconds(s.key for s in planned.scores)
        pace[label].append(spent / length)
        used = (cell.costs.get(f"{what}_memory_mb", 0.0) for what in ("peak", "score"))
        memory[label] = max(memory.get(label, 0.0), *used)
        sizes.append(cell_path(run, planned.estimate_key).stat().st_size / length)
    means = {label: sum(values) / len(values) for label, values in pace.items()}
    return means, memory, sum(sizes) / len(sizes) if sizes else 0.0


def _seconds(track: Track) -> float:
    """Length of a track by its files' headers; 0 where they cannot be read here."""
    whole = 0.0
    for file in track.files()[:1]:
        try:
            header = audio.info(file)
            whole = header.frames / header.sample_rate - track.start
        except AudioError:
            continue
    return max(0.0, whole if track.duration is None else min(whole or track.duration, track.duration))


def _estimate_bytes(task: Task, seconds: float) -> float:
    return 4.0 * 2 * task.cell.track.sample_rate * seconds * len(task.cell.targets.stems)
