"""Pair the estimate files of a folder with tracks and targets.

Every file is matched by its own path: against the pattern that the user gave, or against the recognised layouts, tried
in the order of `mss_bench.core.patterns.LAYOUTS`:

1. museval: ``[subset/]track/target.wav``
2. Demucs: ``model/track/target.wav``, with ``no_vocals.wav`` for the accompaniment
3. Open-Unmix: ``track_umxl/target.wav``
4. flat: ``Name (Vocals).wav``, ``Name_(Vocals)_model.wav`` (audio-separator, UVR), ``Name_vocals.wav``,
   ``Name - vocals.wav``, ``Name [vocals].wav``, ``vocals_Name.wav`` and the like, also within a folder for the subset,
   the model or the track
5. stem folders: ``[subset/]target/track.wav``, or a folder that is itself named after a target

Track names have to be equal, except for Unicode's composed and decomposed forms; targets in any case and in
the spellings of `mss_bench.core.names`, and only onto targets that the data set has. Nothing is ever paired by position
or by similarity: similar names are only suggested.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from mss_bench.core import audio
from mss_bench.core.listing import Listing, audio_files
from mss_bench.core.names import POSSIBLE, known_stem, nfc, spelling_key
from mss_bench.core.patterns import LAYOUTS, SUBSETS, Layout, TargetNames, translate, user_layout
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import Audio, Targets, TrackId
from mss_bench.errors import AudioError, ConfigError
from mss_bench.separators.estimates.pairing import EstimateFile, Pairing

__all__ = ["Claim", "claims", "pair", "read_estimate", "read_fitted", "scan"]

_MARK = "\0"  # which no path holds
_ALONE = [layout for layout in LAYOUTS if layout.pattern in ("{track}/{target}", "{track}/*({target})*")]


def scan(directory: str | Path) -> Listing:
    """List the audio files below a folder, with links followed; those that cannot be decoded here are refused.

    Raises
    ------
    ConfigError
        When the folder is missing.
    """
    root = Path(directory).expanduser()
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder; expected one with estimates")
    listing = audio_files(root)
    missing = {file: reason for file in listing.files if (reason := audio.missing_decoder(file))}
    files = tuple(file for file in listing.files if file not in missing)
    return replace(listing, files=files, refused=listing.refused | missing)


@dataclass(frozen=True)
class Claim:
    """Track and target that a path names, and how they were read."""

    tracks: tuple[TrackId, ...]
    spelling: str
    layout: str


def claims(
    listing: Listing, tracks: Sequence[TrackId], pattern: str | None = None, names: TargetNames | None = None
) -> dict[str, Claim]:
    """Return the files that name one of the tracks, and a target where `names` are given.

    Parameters
    ----------
    listing : Listing
    tracks : sequence of TrackId
    pattern : str, optional
        Otherwise the recognised layouts, the first that fits.
    names : TargetNames, optional
        Without them any text can be a target.
    """
    by_name: dict[str, list[TrackId]] = {}
    for track in tracks:
        by_name.setdefault(nfc(track.name), []).append(track)
    longest_first = sorted(by_name, key=len, reverse=True)  # "Song 2" before "Song"
    # References in a folder without subsets may have estimates in one: museval's folders begin with test.
    subsets = tuple(dict.fromkeys(t.subset for t in tracks if t.subset)) or SUBSETS
    expression = names.expression() if names else None
    listed = pattern is not None and "{track:" in pattern  # which says itself what the tracks are called
    marks = tuple(by_name) if listed else (_MARK,)

    def claim(file: str) -> Claim | None:
        for path, layouts in _readings(listing, file, longest_first, pattern):
            marked = [(path, "")] if listed else _marked(path, longest_first)
            for layout in layouts:
                for text, name in marked:
                    match = translate(layout.pattern, marks, subsets, expression).fullmatch(text)
                    if match is None or (names and not names.knows(match["target"].replace(_MARK, name))):
                        continue
                    subset = match.groupdict().get("subset")
                    if meant := tuple(
                        t for t in by_name[name or match["track"]] if subset in (None, t.subset) or not t.subset
                    ):
                        return Claim(meant, match["target"].replace(_MARK, name), layout.name)
        return None

    made = {file: claim(file) for file in listing.files}
    return {file: claimed for file, claimed in made.items() if claimed}


def _marked(path: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return a path with a mark in the place of a track's name, for each name and place, with the name.

    One expression a layout is then enough for any number of tracks.
    """
    marked = []
    for name in names:
        if name not in path:
            continue
        places = [place for place in range(len(path)) if path.startswith(name, place)]
        marked += [(path[:place] + _MARK + path[place + len(name) :], name) for place in places]
        if len(places) > 1:  # a folder of the song, with files that name it again
            marked.append((path.replace(name, _MARK), name))
    return marked


def _readings(
    listing: Listing, file: str, names: Sequence[str], pattern: str | None
) -> Iterator[tuple[str, Sequence[Layout]]]:
    """Yield the path to read with the layouts to read it by."""
    path = nfc(file)
    if not any(name in path for name in names):
        # Files named after targets alone belong to the only track that there is.
        if not pattern and len(names) == 1 and "/" not in file and _names_no_song(file):
            yield f"{names[0]}/{path}", _ALONE
        return
    if pattern:
        yield path, [user_layout(pattern)]
        return
    yield path, _by_depth().get(path.count("/"), ())
    # The folder's own name can be that of a target.
    inside = f"{nfc(listing.root.resolve().name)}/{path}"
    yield (
        inside,
        [layout for layout in _by_depth().get(inside.count("/"), ()) if layout.pattern.startswith("{target}/")],
    )


@cache
def _by_depth() -> dict[int, list[Layout]]:
    """Return the recognised layouts by the number of folders in them."""
    layouts: dict[int, list[Layout]] = {}
    for layout in LAYOUTS:
        layouts.setdefault(layout.pattern.count("/"), []).append(layout)
    return layouts


def _names_no_song(file: str) -> bool:
    """Return whether a file is named after a stem alone, or as tools name it after an input called mixture."""
    before, bracket, _ = Path(file).stem.partition("(")
    return not bracket or not before.strip("_- ") or known_stem(before.strip("_- ")) == "mixture"


def pair(
    directory: str | Path | Listing,
    tracks: Sequence[TrackId],
    targets: Targets,
    pattern: str | None = None,
    known: Sequence[TrackId] = (),
    explain: bool = True,
    further: Sequence[str] = (),
) -> Pairing:
    """Find the estimate files of tracks.

    Parameters
    ----------
    directory : str, Path or Listing
        The folder of the estimates.
    tracks : sequence of TrackId
        Tracks to be scored.
    targets : Targets
        The data set's.
    pattern : str, optional
        How to read the paths, see `mss_bench.core.patterns`. Files that do not match it are ignored.
    known : sequence of TrackId
        Further tracks of the data set that are not scored: their files are ignored instead of reported.
    explain : bool
        Whether to list the files that are not paired, too.
    further : sequence of str
        Stems that are looked for although the data set does not have them.

    Returns
    -------
    Pairing

    Raises
    ------
    ConfigError
        The folder is missing or the pattern is wrong.
    """
    listing = directory if isinstance(directory, Listing) else scan(directory)
    names = TargetNames(targets, further)
    everything = list(dict.fromkeys([*tracks, *known]))
    if not explain and len(everything) > 1:  # files that name no track need no explanation
        asked = [nfc(track.name) for track in tracks]
        listing = replace(listing, files=tuple(f for f in listing.files if any(name in nfc(f) for name in asked)))
    by_file = claims(listing, everything, pattern, names)
    pairing = Pairing(listing.root, (*targets, *further), {track: {} for track in tracks})
    candidates: dict[tuple[TrackId, str], list[EstimateFile]] = {}
    for file, claim in by_file.items():
        path = listing.root / file
        target = names.resolve(claim.spelling)
        if target is None:
            pairing.ignored[path] = f"{claim.spelling} is no target of the data set"
        elif len(claim.tracks) > 1:
            subsets = " and ".join(t.subset for t in claim.tracks)
            pairing.unpaired_files[path] = f"{subsets} have a track of this name; put the file below its subset's name"
        elif claim.tracks[0] not in pairing.found:
            pairing.ignored[path] = "its track is not among those asked for"
        else:
            estimate = EstimateFile(path, claim.spelling, claim.layout)
            candidates.setdefault((claim.tracks[0], target), []).append(estimate)
    for (track, target), files in candidates.items():
        if len({file.path.resolve() for file in files}) > 1:
            pairing.ambiguous[track, target] = [f.path for f in files]
        else:  # several paths only where links lead to one file
            pairing.found[track][target] = files[0]
    if explain:
        words = _explain_rest(pairing, listing, set(by_file), everything, pattern)
        pairing = replace(pairing, map_hint=_map_hint(words, pairing.delivered, targets))
    return pairing


def _explain_rest(
    pairing: Pairing, listing: Listing, claimed: set[str], tracks: Sequence[TrackId], pattern: str | None
) -> list[str]:
    """Add the files that are not paired, each with the reason; return the names that are those of no target."""
    expression = translate(user_layout(pattern).pattern) if pattern else None
    with_track = claims(listing, tracks, pattern)
    words: dict[str, None] = {}
    for file in [*listing.refused, *(f for f in listing.files if f not in claimed)]:
        fits = expression is None or expression.fullmatch(nfc(file))
        if file in listing.refused:
            reason = listing.refused[file]
        elif not fits:
            reason = "the pattern does not fit it"
        elif file in with_track:
            reason = f"{with_track[file].spelling!r} is no target of the data set"
            words[with_track[file].spelling] = None
        else:
            reason = _readable_by(file, tracks) or "names no track" + _suggestion(file, tracks)
        # Files that do not match the user's pattern are ignored.
        (pairing.unpaired_files if fits else pairing.ignored)[listing.root / file] = reason
    pairing.ignored.update({listing.root / folder: reason for folder, reason in listing.passed_over.items()})
    return list(words)


def _map_hint(words: Sequence[str], delivered: Sequence[str], targets: Targets) -> str:
    """Return the ``--map`` that names of no target suggest, in all meanings that they may have."""
    made: dict[str, list[str]] = {}
    rest = []
    for word in words:
        if re.search("[=,;]", word):  # which no map can name
            continue
        terms = re.split(r"[-_ ]+", word)
        meant = next((stem for term in terms if (stem := known_stem(term)) in targets), None)
        if meant is None and "lead" in map(str.casefold, terms) and "vocals" in targets:
            meant = "vocals"
        if meant is None:
            rest.append(word)
        elif meant not in delivered:
            made.setdefault(meant, []).append(word)

    def option(lines: Mapping[str, Sequence[str]]) -> str:
        return f'--map "{StemMap.from_parameter({t: list(parts) for t, parts in lines.items()})}"'

    if len(rest) == 1 and "accompaniment" in targets and "accompaniment" not in delivered:
        as_rest = option(made | {"accompaniment": rest})
        if POSSIBLE.get(spelling_key(rest[0])) != "accompaniment" or "vocals" not in (*delivered, *made):
            return as_rest if {*delivered, *made} <= {"vocals"} else ""
        sung = option(made | {"vocals": [*made.get("vocals", ["vocals"]), *rest]})
        return f"{sung} where {rest[0]} is sung, {as_rest} where it is everything but the vocals"
    return option(made) if made else ""


def _readable_by(file: str, tracks: Sequence[TrackId]) -> str:
    """Return the pattern that reads a file in a folder of a track's name; empty where it lies in none."""
    *folders, name = file.split("/")
    names = {nfc(track.name) for track in tracks}
    places = [i for i, folder in enumerate(folders) if nfc(folder) in names]
    if len(places) != 1 or not known_stem(Path(name).stem):
        return ""
    above, below = folders[: places[0]], folders[places[0] + 1 :]
    pattern = "/".join([*above, "{track}", *below, "{target}" + Path(name).suffix])
    return f'no recognised layout; --pattern "{pattern}" reads it' if not re.search(r"[\[*?]", "".join(folders)) else ""


def _suggestion(file: str, tracks: Sequence[TrackId]) -> str:
    """Suggest the track whose name is nearest to a part of the path."""
    names = {nfc(track.name).casefold(): track.name for track in tracks}
    stem = Path(file).stem
    without_target = " ".join(word for word in re.split(r"[-_ ()\[\].]+", stem) if not known_stem(word))
    for part in (stem, without_target, *reversed(Path(file).parts[:-1])):
        if near := difflib.get_close_matches(nfc(part).casefold(), names, n=1, cutoff=0.7):
            return f"; did you mean {names[near[0]]!r}?"
    return ""


def read_fitted(
    path: Path, mixture: Audio, sample_rate: int, start: float, duration: float | None, fit: Sequence[str]
) -> tuple[Audio, set[str]]:
    """Read an estimate of a mixture, and make it fit as far as that is allowed.

    Parameters
    ----------
    path : Path
    mixture : (channels, samples)
        The mixture that it has to fit.
    sample_rate : int
        Hz.
    start, duration : float
        The part to read, in seconds.
    fit : sequence of str
        Some of `mss_bench.core.fit.FITS`.

    Returns
    -------
    estimate : (channels, samples) float32
    flags : set of str
        What was done: ``"fitted:resample"``, ``"length:+12"`` where 12 samples were cut off.

    Raises
    ------
    AudioError
        It cannot be read, or differs in a way that is not allowed; the message names the option that allows it.
    """
    header, flags, wide = audio.info(path), set[str](), len(mixture)
    if header.sample_rate == sample_rate:
        estimate = audio.read(path, start=start, duration=duration, finite=False)
    elif "resample" in fit:
        whole = audio.resample(audio.read(path, finite=False), header.sample_rate, sample_rate)
        first = round(start * sample_rate)
        estimate = whole[:, first : None if duration is None else first + round(duration * sample_rate)]
        flags.add("fitted:resample")
    else:
        raise AudioError(
            f"{path} has a sample rate of {header.sample_rate} Hz, expected {sample_rate} Hz; "
            "--fit resample converts it"
        )
    if len(estimate) != wide and "channels" in fit and 1 in (len(estimate), wide):
        mono = estimate.mean(axis=0, keepdims=True, dtype=np.float32)
        estimate = np.repeat(mono, wide, axis=0)
        flags.add("fitted:channels")
    elif len(estimate) != wide:
        hint = "; --fit channels doubles one channel, or takes the mean of several" * (1 in (len(estimate), wide))
        raise AudioError(f"{path} has {len(estimate)} channel(s), expected {wide} as in the mixture{hint}")
    extra = estimate.shape[1] - mixture.shape[1]
    if extra and ("trim" if extra > 0 else "pad") in fit:
        estimate = np.pad(estimate[:, : mixture.shape[1]], ((0, 0), (0, max(0, -extra))))
        flags.add(f"length:{extra:+d}")
    return np.ascontiguousarray(estimate), flags


def read_estimate(path: Path, mixture: Audio, sample_rate: int) -> Audio:
    """Read an estimate of a mixture unchanged; NaN and a wrong length are left to the runner.

    Raises
    ------
    AudioError
        It cannot be read, or has another sample rate or channel count than the mixture.
    """
    estimate = audio.read(path, sample_rate, finite=False)
    if len(estimate) != len(mixture):
        raise AudioError(
            f"{path} has {len(estimate)} channel(s), expected {len(mixture)} as in the mixture; "
            "write the estimate with the mixture's channels, nothing is up- or downmixed here"
        )
    return estimate
