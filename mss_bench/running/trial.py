"""What a separator makes of a few seconds of the built-in music: names, levels and cost, before a run takes hours."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from mss_bench.core import audio
from mss_bench.core.arrays import Samples
from mss_bench.core.processes import forget_peak, peak_mb, resident_mb
from mss_bench.core.tracks import Audio, Targets, TrackId
from mss_bench.datasets.demo import SAMPLE_RATE, render
from mss_bench.running.delivery import Delivery
from mss_bench.separators import Separator

__all__ = ["StemTrial", "Trial", "trial"]

_TARGETS = Targets(("vocals", "drums", "bass", "other"), {"accompaniment": ("drums", "bass", "other")})
_FROM, _SECONDS = 4.0, 8.0  # of the song: all its instruments play


@dataclass(frozen=True)
class StemTrial:
    """A stem as it is delivered. Levels are in dB, minus infinity for silence."""

    name: str
    scored_as: str  # the target, or empty
    level: float  # relative to the mixture
    gain: float  # of the reference within it; NaN where it is not scored
    sdr: float  # against the reference, without any filter; NaN where it is not scored


@dataclass(frozen=True)
class Trial:
    """What a separator delivered, and at what cost."""

    song: str
    stems: list[StemTrial]
    left: float  # level of the mixture less all stems that are delivered, dB re mixture
    notices: tuple[str, ...]
    load_s: float
    separate_s: float
    speed: float  # times real time, in CPU seconds
    memory_mb: float  # peak of the whole process while it separated
    separate_mb: float  # of that what was not held before: beyond Python, libraries and the loaded model
    device: str


def trial(separator: Separator, *, sample_rate: int = SAMPLE_RATE) -> Trial:
    """Load a separator and give it eight seconds of a song of the demo.

    Parameters
    ----------
    separator : Separator
        One that needs no references. It is loaded and closed here.
    sample_rate : int
        Hz, to which the song is resampled.

    Raises
    ------
    MssBenchError
        The separator refuses the song.
    """
    song = render("test", 0)
    track = TrackId("demo", "test", song.name)
    start, end = round(_FROM * sample_rate), round((_FROM + _SECONDS) * sample_rate)
    references = {n: audio.resample(a, SAMPLE_RATE, sample_rate)[:, start:end] for n, a in song.stems.items()}
    if separator.channels == (1,):
        references = {name: stem.mean(axis=0, keepdims=True) for name, stem in references.items()}
    mixture = np.asarray(np.sum([*references.values()], axis=0, dtype=np.float32))
    references = _TARGETS.resolve(references)
    begun = time.perf_counter()
    separator.load("cpu")
    loaded = time.perf_counter()
    try:
        delivery = Delivery.of(separator, _TARGETS, track, given=False)
        forget_peak()
        held, clocks = resident_mb([os.getpid()]), (time.perf_counter(), time.process_time())
        stems = separator.separate(mixture, sample_rate, targets=_TARGETS, rng=np.random.default_rng(0))
        wall, cpu = time.perf_counter() - clocks[0], time.process_time() - clocks[1]
        peak = peak_mb()
    finally:
        separator.close()
    mapped, _ = separator.stem_map.fitting(_TARGETS).apply(stems, mixture, _TARGETS)
    scored, _ = delivery.scored(mapped, _TARGETS)
    meaning = {name: next((t for t, a in mapped.items() if a is stem), "") for name, stem in stems.items()}
    shown = {name: (stem, meaning[name]) for name, stem in stems.items()}
    shown |= {t: (a, t) for t, a in scored.items() if t not in [meant for _, meant in shown.values()]}
    rows = [
        StemTrial(name, *_compared(stem, target if target in scored else "", references, mixture))
        for name, (stem, target) in shown.items()
    ]
    left = mixture - np.sum([*stems.values()], axis=0)
    return Trial(
        song.name, rows, _db(left, mixture), delivery.notices, loaded - begun, wall, _SECONDS / max(cpu, 1e-3),
        peak, max(peak - held, 0.0), separator.used_device or "cpu",
    )  # fmt: skip


def _compared(
    stem: Audio, target: str, references: dict[str, Audio], mixture: Audio
) -> tuple[str, float, float, float]:
    level = _db(stem, mixture)
    if not target:
        return "", level, float("nan"), float("nan")
    reference = references[target].astype(np.float64)
    gain = float(np.vdot(reference, stem) / np.vdot(reference, reference))
    return target, level, 20 * np.log10(abs(gain)) if gain else -np.inf, -_db(reference - stem, reference)


def _db(signal: Samples, to: Samples) -> float:
    energy, reference = (float(np.sum(np.square(a, dtype=np.float64))) for a in (signal, to))
    return 10 * float(np.log10(energy / reference)) if energy else -np.inf
