"""The contract suite: whether a separator does what it declares.

One function, `check_separator`, for built-in methods and for plugins alike. It separates a second of made-up music in
many forms (louder, channels swapped, silent, very short, mono, six channels, other sample rates) and compares what
comes out with what the class declares. A method refuses a form that it cannot take by an `MssBenchError`, which tells
the user so; any other exception is a defect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mss_bench.core.checks import BrokenPromise, CheckResult, check_facts, check_parameters, describe, run_check
from mss_bench.core.config import plain_name
from mss_bench.core.parameters import parameters
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.errors import MssBenchError
from mss_bench.separators.base import Separator

__all__ = ["CheckResult", "check_separator"]

TOLERANCE_DB = -80.0
"""Greatest difference from what is declared, relative to the mixture; far below what is heard or scored."""

_FACTS: dict[str, type] = {
    **dict.fromkeys(("name", "version", "family", "licence", "citation", "assumption", "extra"), str),
    **dict.fromkeys(("deterministic", "random", "adds_up", "scale_equivariant", "channel_equivariant"), bool),
    **dict.fromkeys(("slow", "needs_references", "needs_track"), bool),
    **dict.fromkeys(("path_parameters", "trained_on"), tuple),
}
"""Attribute to its type."""

_STEMS = ("vocals", "drums", "bass", "other")
_DERIVED = {"accompaniment": ("drums", "bass", "other")}
_TRACK = TrackId("contract", "test", "Made-up music")


def check_separator(
    separator: Separator, *, seconds: float = 1.0, seed: int = 0, sample_rate: int = 44100
) -> list[CheckResult]:
    """Check a separator against its declarations.

    Parameters
    ----------
    separator : Separator
        An instance, with the parameters that are to be checked. It is loaded and closed here.
    seconds : float
        Length of the signals.
    seed : int
        Seed of the made-up music and of the generators that the separator is given.
    sample_rate : int
        Hz; at this rate it must work, at others it may refuse to.

    Returns
    -------
    list of CheckResult
        In a fixed order. Where the declarations, loading, the first separation or its names and shapes fail, that
        result is the only one.
    """
    declared = run_check("declarations", lambda: _check_declarations(separator))
    if not declared.passed:  # the made-up music has the targets that are declared
        return [declared]
    try:
        separator.load()
        try:
            results = _check_loaded(separator, seconds, seed, sample_rate)
            return [declared, *results] if results[0].passed else results
        finally:
            separator.close()
    except Exception as error:
        return [CheckResult("separates", False, describe(error))]


@dataclass(frozen=True)
class _Song:
    """Hold what a separator is given, and give it."""

    separator: Separator
    targets: Targets
    stems: Stems
    sample_rate: int
    seed: int

    @property
    def mixture(self) -> Audio:
        return np.asarray(np.sum([*self.stems.values()], axis=0, dtype=np.float32))

    def changed(self, change: Callable[[Audio], Audio]) -> _Song:
        """Return the same song with every stem changed in the same way."""
        return replace(self, stems={name: np.ascontiguousarray(change(stem)) for name, stem in self.stems.items()})

    def separate(self, mixture: Audio | None = None, seed: int | None = None) -> Stems:
        """Return the estimates; a caller that wants to look at the mixture afterwards passes its own."""
        separator = self.separator
        if separator.needs_track:
            separator.track = _TRACK
        return separator.separate(
            self.mixture if mixture is None else mixture,
            self.sample_rate,
            targets=self.targets,
            rng=np.random.default_rng(self.seed if seed is None else seed),
            references=self.stems if separator.needs_references else None,
        )


def _check_loaded(separator: Separator, seconds: float, seed: int, sample_rate: int) -> list[CheckResult]:
    song = _song(separator, sample_rate, seconds, seed)
    mixture, stems = song.mixture, {name: stem.copy() for name, stem in song.stems.items()}
    estimates = song.separate(mixture)
    changed = [name for name, stem in stems.items() if not np.array_equal(stem, song.stems[name])]
    song = replace(song, stems=stems)  # as they were
    if not np.array_equal(mixture, song.mixture):
        changed.insert(0, "mixture")
    first = run_check("names and shapes", lambda: _check_output(song, estimates))
    if not first.passed:
        return [first]
    checks: dict[str, Callable[[], str]] = {
        "parameters": lambda: check_parameters(type(separator)),
        "input unchanged": lambda: _check_input(changed),
        "deterministic": lambda: _check_deterministic(song, estimates),
        "adds up": lambda: _check_adds_up(song, estimates),
        "gain": lambda: _check_gain(song, estimates),
        "channel swap": lambda: _check_swap(song, estimates),
        "silence": lambda: _check_silence(song),
        "0.1 s": lambda: _check_form(song.changed(lambda stem: stem[:, : sample_rate // 10])),
        "mono": lambda: _check_channels(song, 1),
        "6 channels": lambda: _check_channels(song, 6),
    }
    for rate in (r for r in (22050, 44100, 48000, 96000) if r != sample_rate):
        checks[f"{rate} Hz"] = partial(_check_form, _song(separator, rate, seconds, seed))
    return [first, *(run_check(name, check) for name, check in checks.items())]


def _check_declarations(separator: Separator) -> str:
    check_facts(separator, _FACTS)
    plain_name(separator.name, "separator")
    # The command line divides lists at commas and semicolons, and looks for parameters behind the name.
    if re.search("[,;=]", separator.name):
        raise BrokenPromise(f"the name {separator.name!r} cannot be written name:key=value; expected no , ; or =")
    if not separator.version:
        raise BrokenPromise("version is empty")
    if not isinstance(separator.target_sets, tuple) or not all(separator.target_sets):
        raise BrokenPromise(f"target_sets are {separator.target_sets!r}; expected a tuple of sets, each of some names")
    for names in separator.target_sets:
        if not isinstance(names, tuple) or len({n for n in names if isinstance(n, str)}) != len(names):
            raise BrokenPromise(f"target_sets has {names!r}; expected a tuple of names, each once")
        for name in names:
            plain_name(name, "target")
    channels = separator.channels
    if not isinstance(channels, tuple) or not all(type(count) is int and count >= 1 for count in channels):
        raise BrokenPromise(f"channels are {channels!r}; expected a tuple of whole numbers of at least 1")
    if unknown := set(separator.path_parameters) - parameters(type(separator)).keys():
        raise BrokenPromise(f"path_parameters names {min(unknown)!r}, which is no parameter")
    return " or ".join("/".join(names) for names in separator.target_sets) or "any stems"


def _check_output(song: _Song, estimates: Mapping[str, Audio]) -> str:
    expected = [name for names in _sets(song) for name in names]
    missing = [name for name in expected if name not in estimates]
    unknown = [name for name in estimates if name not in song.targets]
    if missing or unknown:
        raise BrokenPromise(f"estimates {sorted(estimates)}; missing: {missing}, not asked for: {unknown}")
    shape = song.mixture.shape
    for name, estimate in estimates.items():
        if not isinstance(estimate, np.ndarray) or not np.issubdtype(estimate.dtype, np.floating):
            kind = getattr(estimate, "dtype", type(estimate).__name__)
            raise BrokenPromise(f"{name} is of type {kind}; expected an array of floating-point numbers")
        if estimate.shape != shape:
            raise BrokenPromise(f"{name} has the shape {estimate.shape}; expected the mixture's, {shape}")
        if not np.isfinite(estimate).all():
            raise BrokenPromise(f"{name} holds {np.count_nonzero(~np.isfinite(estimate))} NaN or infinite samples")
    return ", ".join(estimates)


def _check_input(changed: list[str]) -> str:
    if changed:
        raise BrokenPromise(f"separate() wrote into its input: {', '.join(changed)}; expected a copy to be changed")
    return "as it was"


def _check_deterministic(song: _Song, estimates: Mapping[str, Audio]) -> str:
    if not song.separator.deterministic:
        return "not declared"

    def differing(seed: int) -> str:
        again = song.separate(seed=seed)
        return ", ".join(n for n in estimates if n not in again or not np.array_equal(estimates[n], again[n]))

    # One more separation tells both: where another seed changes nothing, the same seed does not either.
    if not song.separator.random:
        moved = differing(song.seed + 1)
        if not moved:
            return "two runs are identical, under another seed, too"
    else:
        moved = ""
    if names := differing(song.seed):
        raise BrokenPromise(f"two runs with one seed differ in {names}")
    if moved:
        raise BrokenPromise(f"another seed gives another {moved}; a method that draws declares random = True")
    return "two runs are identical"


def _check_adds_up(song: _Song, estimates: Mapping[str, Audio]) -> str:
    if not song.separator.adds_up:
        return "not declared"
    mixture = song.mixture
    return _within(
        {" + ".join(names): _db(sum(estimates[n] for n in names) - mixture, mixture) for names in _sets(song)},
        "differs from the mixture",
    )


def _check_gain(song: _Song, estimates: Mapping[str, Audio]) -> str:
    if not song.separator.scale_equivariant:
        return "not declared"
    # 20 dB: a threshold in absolute level, the usual reason why a gain changes more than the level, is crossed by that.
    louder = song.changed(lambda stem: stem * np.float32(10))
    again, mixture = louder.separate(), louder.mixture
    return _within({name: _db(again[name] - 10 * estimates[name], mixture) for name in estimates}, "is not 10 times")


def _check_swap(song: _Song, estimates: Mapping[str, Audio]) -> str:
    if not song.separator.channel_equivariant:
        return "not declared"
    if len(song.mixture) == 1:
        return "one channel"
    swapped = song.changed(lambda stem: stem[::-1])
    again, mixture = swapped.separate(), swapped.mixture
    return _within({name: _db(again[name] - estimates[name][::-1], mixture) for name in estimates}, "does not swap")


def _check_silence(song: _Song) -> str:
    silent = song.changed(np.zeros_like)
    peaks = {name: float(np.max(np.abs(estimate))) for name, estimate in silent.separate().items()}
    for name, peak in peaks.items():
        if not peak < 10 ** (TOLERANCE_DB / 20):  # so that NaN fails, too
            raise BrokenPromise(f"{name} of a silent mixture has a peak of {peak:g}; expected silence")
    return f"greatest peak {max(peaks.values(), default=0.0):g}"


def _check_channels(song: _Song, count: int) -> str:
    # Channels that differ in level alone: equal ones would hide a method that mixes them up or drops one.
    gains = np.linspace(0.5, 1.0, count, dtype=np.float32)[:, None]
    declared = song.separator.channels
    return _check_form(
        song.changed(lambda stem: gains * stem.mean(axis=0)), must_take=not declared or count in declared
    )


def _check_form(song: _Song, must_take: bool = False) -> str:
    """Check that a form of input is handled, or refused with a message."""
    try:
        estimates = song.separate()
    except MssBenchError as error:
        if must_take:
            raise BrokenPromise(f"refused, although declared: {error}") from error
        return f"refused: {error}"
    _check_output(song, estimates)
    return "handled"


def _sets(song: _Song) -> tuple[tuple[str, ...], ...]:
    """Return the declared sets that the method delivers of these targets; or all that it delivers."""
    produced = song.separator.produces(song.targets, _TRACK)
    whole = tuple(names for names in song.separator.target_sets if set(names) <= set(produced))
    return whole or (produced,)


def _within(differences: Mapping[str, float], what: str) -> str:
    for name, difference in differences.items():
        if not difference < TOLERANCE_DB:
            raise BrokenPromise(f"{name} {what}: {difference:.1f} dB, expected below {TOLERANCE_DB:g} dB")
    return f"within {max(differences.values(), default=-np.inf):.0f} dB"


def _db(difference: Audio, mixture: Audio) -> float:
    """Return the energy of a difference relative to the mixture, computed in float64."""
    energy = float(np.sum(np.square(difference, dtype=np.float64)))
    reference = float(np.sum(np.square(mixture, dtype=np.float64)))
    return 10 * np.log10(energy / reference) if energy else -np.inf


def _song(separator: Separator, sample_rate: int, seconds: float, seed: int) -> _Song:
    """Make up music with the targets that the separator declares: stereo, or what it takes instead."""
    declared = [*(name for names in separator.target_sets for name in names), *separator.stem_map.sources]
    further = tuple(dict.fromkeys(n for n in declared if n not in _STEMS and n not in _DERIVED))
    targets = Targets(_STEMS + further, _DERIVED)
    count = 2 if not separator.channels or 2 in separator.channels else separator.channels[0]
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    sounds = {
        "vocals": sum(np.sin(2 * np.pi * k * (220 * time + 0.8 * np.sin(11 * np.pi * time))) / k for k in range(1, 9)),
        "drums": rng.standard_normal(time.size) * np.exp(-40 * (time % 0.25)),
        "bass": np.sin(2 * np.pi * 55 * time) + 0.4 * np.sin(2 * np.pi * 110 * time),
        "other": sum(np.sin(2 * np.pi * f * time + f) for f in (262.0, 330.0, 392.0, 523.0)) * (time % 0.5 < 0.4),
    }
    for index, name in enumerate(further):
        sounds[name] = np.sin(2 * np.pi * (700 + 150 * index) * time)
    stems: Stems = {}
    for index, (name, sound) in enumerate(sounds.items()):
        # Each stem at a position of its own, the voice in the centre, no channel like another.
        pan = 1 + 0.15 * index * np.linspace(-1, 1, count)[:, None] + 0.01 * index * np.arange(count)[:, None]
        stems[name] = np.asarray(0.1 * pan * sound, dtype=np.float32)
    return _Song(separator, targets, stems, sample_rate, seed)
