"""Rendering a song: the band plays, the stems are mixed and rounded to 16 bits, the mixture is their sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.datasets.demo.band import Band, Stem
from mss_bench.datasets.demo.effects import limit, loudness, reverb_response, reverberate, to_pcm
from mss_bench.datasets.demo.plan import DATASET_ID, PITCH_CLASSES, SongPlan, plan_song, stems_of
from mss_bench.datasets.demo.synth import SAMPLE_RATE, Signal, samples
from mss_bench.datasets.demo.voice import F0_HOP

__all__ = ["Song", "render"]

Pcm = NDArray[np.int16]

_PEAK = 0.89  # of the sum and of every stem, 1 dB below full scale
_LIMITER_DEPTH = 0.5  # the limiter's threshold as a part of the mixture's peak


@dataclass(frozen=True)
class Song:
    """A rendered song.

    Parameters
    ----------
    split, index, variant, name : str, int, str, str
        What it is.
    sample_rate : int
        Hz.
    mixture_pcm : (2, samples) int16
        The exact sum of the stems, except in the variant ``limiter``.
    stems_pcm : dict of str to (2, samples) int16
    annotations : dict
        What was played, ready for JSON: see `mss_bench.datasets.demo`.
    """

    split: str
    index: int
    variant: str
    name: str
    sample_rate: int
    mixture_pcm: Pcm
    stems_pcm: dict[str, Pcm]
    annotations: dict[str, Any]

    @property
    def mixture(self) -> NDArray[np.float32]:
        """Return the mixture as float32, k / 32768: equal to what its WAV file reads as."""
        return _as_float(self.mixture_pcm)

    @property
    def stems(self) -> dict[str, NDArray[np.float32]]:
        """Return the stems as float32, k / 32768."""
        return {name: _as_float(pcm) for name, pcm in self.stems_pcm.items()}


def render(split: str, index: int, variant: str = "default") -> Song:
    """Render one song in memory.

    Parameters
    ----------
    split : str
        ``"train"`` or ``"test"``.
    index : int
        0 or more; the first six have the properties that `mss_bench.datasets.demo.plan` lists.
    variant : str
        One of `VARIANTS`.

    Raises
    ------
    UnknownNameError, ConfigError
        For an unknown split or variant, or a negative index.
    """
    stems_of(variant)
    plan = plan_song(split, index)
    band = Band(plan)
    stems = band.stems(variant)
    mixed = _mix(plan, band, stems, variant)
    pcm = {name: to_pcm(signal) for name, signal in mixed.items()}
    # The sum of the rounded stems, so that stems and mixture agree to the last bit.
    total = np.sum(np.stack(list(pcm.values())).astype(np.int32), axis=0)
    if variant == "limiter":
        level = total / 32768.0
        mixture = to_pcm(limit(level, _LIMITER_DEPTH * float(np.max(np.abs(level)))))
    else:
        mixture = total.astype(np.int16)
    return Song(split, index, variant, plan.name, SAMPLE_RATE, mixture, pcm, _annotate(plan, band, stems, variant))


def _mix(plan: SongPlan, band: Band, stems: dict[str, Stem], variant: str) -> dict[str, Signal]:
    """Apply reverberation, levels, a fade at the end, and one gain that leaves all peaks below full scale."""
    wet = {name: stem.signal for name, stem in stems.items()}
    if plan.reverb_seconds and not variant.startswith("sources:"):
        wet = _reverberated(plan, band, stems)
    gains = _gains(plan, stems, wet, variant)
    fade = np.ones(band.n)
    tail = samples(0.6)
    # Songs end within their time: a raised cosine over what still rings.
    fade[-tail:] = 0.5 + 0.5 * np.cos(np.arange(tail) * (np.pi / tail))
    mixed = {name: wet[name] * (gains[name] * fade) for name in stems}
    peak = max(
        float(np.max(np.abs(signal))) for signal in [*mixed.values(), sum(mixed.values(), np.zeros((2, band.n)))]
    )
    scale = _snap(_PEAK / peak)
    return {name: scale * signal for name, signal in mixed.items()}


def _reverberated(plan: SongPlan, band: Band, stems: dict[str, Stem]) -> dict[str, Signal]:
    """Put all into one room, more of it for the voice and the harmony than for drums, none for the bass."""
    room = reverb_response(band.dice("room"), plan.reverb_seconds)
    sends = {"vocals": 1.0, "other": 0.9, "drums": 0.35, "bass": 0.0}
    wet = {}
    for name, stem in stems.items():
        response = room[:1] if stem.kind == "vocals" and plan.mono_vocals else room
        send = plan.reverb_wet * sends[stem.kind]
        wet[name] = reverberate(stem.signal, response, send) if send else stem.signal
    return wet


def _gains(plan: SongPlan, stems: dict[str, Stem], wet: dict[str, Signal], variant: str) -> dict[str, float]:
    """Return the gains that bring the stems to their levels: the accompaniment first, then vocals against its sum."""
    levels = {"drums": 0.0, "bass": plan.levels["bass"], "other": plan.levels["other"], "vocals": 0.0}
    if variant.startswith("sources:"):
        levels = dict.fromkeys(levels, 0.0)
    loud = {name: loudness(signal) for name, signal in wet.items()}
    # -20 dB leaves headroom; the level of the whole is set by the peak in the end.
    gains = {name: _gain(levels[stem.kind] - 20.0, loud[name]) for name, stem in stems.items()}
    voices = [name for name, stem in stems.items() if stem.kind == "vocals"]
    if variant.startswith("sources:") or len(voices) == len(stems):
        return gains
    accompaniment = np.zeros_like(wet[voices[0]])
    for name in stems:
        if name not in voices:
            accompaniment += gains[name] * wet[name]
    # Two voices share the level of one and a little: each is 3 dB softer.
    target = loudness(accompaniment) + plan.levels["vocals"] - (3.0 if len(voices) > 1 else 0.0)
    return gains | {name: _gain(target, loud[name]) for name in voices}


def _gain(target: float, level: float) -> float:
    return _snap(10.0 ** ((target - level) / 20.0)) if np.isfinite(level) else 1.0


def _snap(gain: float) -> float:
    """Round a gain to a coarse grid, lest a last digit that differs between machines reach the samples."""
    return round(gain * 2**24) / 2**24


def _as_float(pcm: Pcm) -> NDArray[np.float32]:
    return pcm.astype(np.float32) / np.float32(32768.0)


def _annotate(plan: SongPlan, band: Band, stems: dict[str, Stem], variant: str) -> dict[str, Any]:
    """Return what was played, with times in seconds."""
    beat, end = 4 * plan.sixteenth, plan.bars * plan.beats
    return {
        "dataset": DATASET_ID,
        "split": plan.split,
        "index": plan.index,
        "variant": variant,
        "name": plan.name,
        "sample_rate": SAMPLE_RATE,
        "duration": _seconds(band.n),
        "style": plan.style,
        "tempo": round(plan.tempo, 4),
        "key": plan.key,
        "beats_per_bar": plan.beats,
        "beats": [_seconds(number * beat) for number in range(end + 1)],
        "downbeats": [_seconds(number * beat) for number in range(0, end + 1, plan.beats)],
        "chords": [
            {
                "onset": _seconds(chord.first * plan.sixteenth),
                "offset": _seconds(chord.last * plan.sixteenth),
                "pitch_classes": [PITCH_CLASSES[tone] for tone in chord.tones],
            }
            for chord in band.chords
        ],
        "exact_loop_bars": 0 if plan.human else plan.chord_beats * len(plan.progression) / plan.beats,
        "stems": {name: _played(stem, band.n) for name, stem in stems.items()},
    }


def _played(stem: Stem, n: int) -> dict[str, Any]:
    """Return the notes, hits and f0 of one stem."""
    facts: dict[str, Any] = {"kind": stem.kind}
    if stem.hits:
        facts["hits"] = [{"onset": _seconds(hit.onset), "drum": hit.drum} for hit in stem.hits]
    if stem.notes:
        facts["notes"] = [
            {
                "onset": _seconds(note.onset),
                "offset": _seconds(min(note.offset, n)),
                "pitch": note.pitch,
                "instrument": instrument,
            }
            for instrument, note in stem.notes
        ]
    if stem.f0 is not None:
        facts["f0"] = {
            "times": [_seconds(frame * F0_HOP) for frame in range(len(stem.f0))],
            "hertz": [round(value, 3) for value in stem.f0.tolist()],
        }
    return facts


def _seconds(sample: int) -> float:
    return round(sample / SAMPLE_RATE, 6)
