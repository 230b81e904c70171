"""Separate a user's own audio: `separate` takes a file or an array, `write_stems` writes the stems.

No data set and no references are needed: a file goes in, and stems come out that add up to it. What a method does not
deliver (the voice, with HPSS), adds or loses becomes a stem of its own, ``rest``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import mss_bench
from mss_bench.core import audio
from mss_bench.core.files import read_json
from mss_bench.core.parameters import parameters
from mss_bench.core.spec import Spec, build
from mss_bench.core.text import harmless
from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.errors import AudioError, ConfigError, InvalidOutputError, MissingDependencyError, RunError
from mss_bench.running.options import RunOptions
from mss_bench.separators import MappedSeparator, Separator, separators
from mss_bench.separators.ensemble import Ensemble

__all__ = [
    "REST",
    "Separation",
    "make_separator",
    "require_free",
    "separate",
    "separate_mixture",
    "song_name",
    "write_stems",
]

REST = "rest"
"""The stem that holds the remainder of the mixture."""

_TARGETS = Targets(("vocals", "drums", "bass", "other"), {"accompaniment": ("drums", "bass", "other")})
_ADDS_UP_DB = -90.0  # a smaller rest is rounding
_NOTE = "separation.json"
_MIXTURES = ("mixture", "mix")  # files that are named after what they hold, in a folder named after the song


@dataclass(frozen=True)
class Separation:
    """The stems of a mixture.

    Parameters
    ----------
    stems : dict of str to (channels, samples) float32
        They add up to the mixture.
    notes : list of str
        Notes for the listener: why there is a rest, and which estimates were trimmed.
    """

    stems: Stems
    notes: list[str]


def separate(
    source: str | Path | np.ndarray,
    separator: str | Mapping[str, Any] | Separator,
    sample_rate: int | None = None,
    *,
    seed: int = 0,
    song: str | None = None,
    device: str = "cpu",
) -> Stems:
    """Separate a file or an array into stems that add up to it.

    Parameters
    ----------
    source : path or (channels, samples) float array
        Any file that libsndfile reads (WAV, FLAC, OGG, MP3, ...), or samples; ``(samples,)`` for mono.
    separator : str, mapping or Separator
        ``"hpss:power=2"``, ``{"name": "hpss", "power": 2}``, or one of your own; see ``mss-bench separators list``.
    sample_rate : int, optional
        Hz. Needed for an array; for a file it may be left out, and another one than the file's is an error.
    seed : int
        Seed of random methods.
    song : str, optional
        Name of the song, which the draw of a random method depends on as in a run (default: `song_name` of a file,
        none for an array).
    device : str
        Device for methods that can use another than ``"cpu"``.

    Returns
    -------
    dict of str to (channels, samples) float32
        One array a target, of the source's length and channels, and ``"rest"`` where the targets do not add up.

    Raises
    ------
    AudioError
        A file that is missing or no audio, an array of a wrong shape or with NaN, channels that the method cannot take.
    ConfigError
        An unknown separator or parameter, an oracle (it needs the true stems), an array without sample rate.
    InvalidOutputError
        The separator did not return stems.

    Examples
    --------
    >>> import numpy as np, mss_bench
    >>> music = np.random.default_rng(0).standard_normal((2, 44100)).astype(np.float32)
    >>> stems = mss_bench.separate(music, "hpss", 44100)
    >>> sorted(stems), bool(np.abs(sum(stems.values()) - music).max() < 1e-4)
    (['bass', 'drums', 'other'], True)
    """
    method = check_separable(separator) if isinstance(separator, Separator) else make_separator(separator)
    if isinstance(source, np.ndarray):
        mixture, rate = _checked(source, sample_rate)
        song = song or ""
    else:
        song = song_name(Path(source)) if song is None else song
        rate = audio.info(source, any_decoder=True).sample_rate if sample_rate is None else sample_rate
        mixture = audio.read(source, rate, any_decoder=True)
    method.load(device)
    try:
        return separate_mixture(method, mixture, rate, seed=seed, song=song).stems
    finally:
        method.close()


def make_separator(spec: str | Mapping[str, Any] | Spec) -> Separator:
    """Make a separator that needs nothing but a mixture.

    Raises
    ------
    ConfigError
        Unknown name or parameter, or a method that needs references or finished estimates.
    MissingDependencyError
        What it needs is not installed.
    """
    return check_separable(build(separators, Spec.parse(spec))[0])


def check_separable(separator: Separator) -> Separator:
    """Refuse what cannot separate a mixture alone: oracles, readers of estimates, methods that are not installed.

    Raises
    ------
    ConfigError, MissingDependencyError
    """
    name = separator.name or type(separator).__name__
    if separator.needs_references:
        raise ConfigError(
            f"{name} is an oracle: it separates by the true stems, which a mixture alone does not come with; choose "
            "another separator, or use it on a data set: mss-bench run"
        )
    if separator.needs_track:
        raise ConfigError(f"{name} reads finished estimates of a data set; choose a separator that makes its own")
    if isinstance(separator, Ensemble):
        raise ConfigError(f"{name} combines methods of a run; separate with each of them, or use mss-bench run")
    if not type(separator).available():
        raise MissingDependencyError("a package", name, f"pip install 'mss-bench[{separator.extra}]'")
    return separator


def song_name(file: Path) -> str:
    """Return what a data set would call the song of a mixture's file: the name of the file, or of a folder of stems."""
    name = file.name.removesuffix(".stem.mp4") if file.name.endswith(".stem.mp4") else file.stem
    return harmless(file.absolute().parent.name if name.lower() in _MIXTURES else name, keep="")


def separate_mixture(
    separator: Separator, mixture: Audio, sample_rate: int, *, seed: int = 0, song: str = ""
) -> Separation:
    """Separate with a loaded separator, and add a rest so that the stems add up.

    Parameters
    ----------
    separator : Separator
        As `make_separator` returns it, loaded.
    mixture : (channels, samples) float32
    sample_rate : int
        Hz.
    seed : int
    song : str
        Name of the song, which the draw depends on.

    Raises
    ------
    AudioError, InvalidOutputError
    """
    from mss_bench.running.conform import conform

    if reason := separator.refuses(len(mixture)):
        raise AudioError(f"{reason}; choose another separator or file")
    targets = _targets_for(separator)
    # A manifest sums a guitar into other for data sets of four stems; here it is a stem of its own.
    stem_map = separator.stem_map.fitting(targets)
    declared = tuple(name for names in separator.target_sets for name in names)
    rng = separator.generator(parameters(RunOptions)["seed"].convert(seed, "separate"), song)
    raw = separator.separate(mixture.copy(), sample_rate, targets=targets, rng=rng)
    estimates, flags, problems = conform(raw, mixture, targets, declared, stem_map)
    if problems:
        raise InvalidOutputError(f"{separator.name}: {'; '.join(problems.values())}")
    stems = {name: estimates[name] for name in _disjoint(separator, estimates, targets)}
    lengths = [flag for flag in flags if flag.startswith("length:")]
    notes = [f"{separator.name} returned estimates of another length ({flag}), which were fitted" for flag in lengths]
    rest = mixture - np.sum(list(stems.values()), axis=0, dtype=np.float64)
    level = _level(rest, mixture)
    if level > _ADDS_UP_DB:
        stems[REST] = rest.astype(np.float32)
        notes.append(
            f"{', '.join(s for s in stems if s != REST)} do not add up to the file; {REST} holds what is left over, at "
            f"{level:.1f} dB of the file"
        )
    return Separation(stems, notes)


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that is not empty.

    Raises
    ------
    RunError
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise RunError(f"{there} is a file, expected a folder or nothing; choose another with --out")
    if not overwrite and folder.is_dir() and any(folder.iterdir()):
        raise RunError(f"{folder} exists and is not empty; pass --overwrite, or choose another with --out")


def write_stems(
    folder: Path, separation: Separation, sample_rate: int, facts: Mapping[str, Any], *, overwrite: bool = False
) -> list[Path]:
    """Write stems as float32 WAV, which cannot clip, with a note that describes them: all of them or none.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    separation : Separation
    sample_rate : int
        Hz.
    facts : mapping
        What else goes into ``separation.json``.
    overwrite : bool
        Replace the stems of an earlier separation; other files in the folder are left alone.

    Returns
    -------
    list of Path
        The stems' files.

    Raises
    ------
    RunError
        The folder has something in it, or cannot be written, e.g. on a full disk: then it is as it was.
    """
    require_free(folder, overwrite=overwrite)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    names = [f"{stem}.wav" for stem in separation.stems]
    note = dict(facts) | {"mss_bench": mss_bench.__version__, "stems": names, "notes": separation.notes}
    try:
        partial.mkdir(parents=True)
        for stem, array in separation.stems.items():
            audio.write(partial / f"{stem}.wav", array, sample_rate)
        (partial / _NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
        _move(partial, folder)
    except (AudioError, OSError) as error:
        reason = getattr(error.__cause__ or error, "strerror", None) or str(error)
        raise RunError(f"{folder} cannot be written: {reason}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [folder / name for name in names]


def _move(partial: Path, folder: Path) -> None:
    """Move a finished folder to its place, and remove the stems of an earlier separation there."""
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        for name in read_json(folder / _NOTE)["stems"]:
            if Path(name).name == name and name.endswith(".wav"):  # a note may have been changed by hand
                (folder / name).unlink(missing_ok=True)
    for file in partial.iterdir():
        file.replace(folder / file.name)


def _targets_for(separator: Separator) -> Targets:
    """Return the usual targets, or the separator's own where it delivers none of these."""
    named = [name for names in separator.target_sets for name in names if name not in _TARGETS]
    if separator.target_sets and not any(name in _TARGETS for names in separator.target_sets for name in names):
        return Targets(separator.target_sets[0])
    if isinstance(separator, MappedSeparator) and separator.map:  # the user says which targets they are part of
        named = []
    further = tuple(dict.fromkeys(_TARGETS.beyond(named)))
    return Targets((*_TARGETS.stems, *further), {"accompaniment": (*_TARGETS["accompaniment"], *further)})


def _disjoint(separator: Separator, estimates: Stems, targets: Targets) -> tuple[str, ...]:
    """Return targets of which no two hold the same stem: a declared set that is there, else what goes together."""
    for names in separator.target_sets:
        if all(name in estimates for name in names):
            return names
    chosen: list[str] = []
    held: set[str] = set()
    for name in sorted(estimates, key=lambda n: len(targets.get(n, ()))):
        parts = set(targets.get(name, (name,)))
        if not held & parts:
            chosen.append(name)
            held |= parts
    return tuple(chosen)


def _checked(array: np.ndarray, sample_rate: int | None) -> tuple[Audio, int]:
    whole = isinstance(sample_rate, int | np.integer) and not isinstance(sample_rate, bool)
    if sample_rate is None or not whole or sample_rate <= 0:
        raise ConfigError(f"sample_rate is {sample_rate!r}; an array needs it, as a positive whole number of Hz")
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or not array.size or not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"the array is {array.dtype} of shape {array.shape}; expected floats (channels, samples)")
    if array.shape[0] > array.shape[1]:
        raise AudioError(f"the array has shape {array.shape}, expected (channels, samples); transpose it")
    mixture = np.array(array, dtype=np.float32)
    audio.check_finite(mixture, "the array")
    return mixture, int(sample_rate)


def _level(part: np.ndarray, whole: np.ndarray) -> float:
    """Return the energy of a part in dB of the whole; -inf where it is silent."""
    energies = [float(np.sum(np.square(x, dtype=np.float64))) for x in (part, whole)]
    return float(10 * np.log10(energies[0] / energies[1])) if energies[0] and energies[1] else -np.inf
