"""Which estimate file of a folder belongs to which track and target.

Every file is matched by its own path: against the pattern that the user gave, or against the recognised layouts, tried
in the order of `patterns.LAYOUTS`:

1. museval: ``[subset/]track/target.wav``
2. Demucs: ``model/track/target.wav``, with ``no_vocals.wav`` for the accompaniment
3. flat: ``Name (Vocals).wav``, ``Name_(Vocals)_model.wav`` (audio-separator, UVR), ``Name_vocals.wav``,
   ``Name - vocals.wav``, also within a folder for the subset, the model or the track
4. stem folders: ``[subset/]target/track.wav``, or a folder that is itself named after a target

Track names are compared whole and exactly, but for Unicode's composed and decomposed forms; targets in any case and in
the spellings of the tools, and only onto targets that the data set has. Nothing is ever paired by position or by
likeness: what is merely near is suggested.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mss_bench.core import audio
from mss_bench.core.tracks import Audio, Targets, TrackId
from mss_bench.errors import AudioError, ConfigError
from mss_bench.separators.estimates.pairing import EstimateFile, Pairing
from mss_bench.separators.estimates.patterns import (
    EXTENSIONS,
    LAYOUTS,
    Layout,
    TargetNames,
    nfc,
    translate,
    user_layout,
)

__all__ = ["Claim", "Scan", "claims", "pair", "read_estimate", "scan"]

_OTHER_AUDIO = (".aac", ".aif", ".aiff", ".m4a", ".mp3", ".mp4", ".ogg", ".opus", ".w64", ".wma")
_AUDIO = (*EXTENSIONS, *_OTHER_AUDIO)


@dataclass(frozen=True)
class Scan:
    """The audio files below a folder.

    Parameters
    ----------
    root : Path
    files : tuple of str
        Paths relative to the root, with ``/``, sorted.
    refused : dict of str to str
        Files that are not read at all, with the reason.
    """

    root: Path
    files: tuple[str, ...]
    refused: dict[str, str]


def scan(directory: str | Path) -> Scan:
    """List the audio files below a folder. Hidden files are passed over, links to outside refused.

    Raises
    ------
    ConfigError
        When the folder is missing.
    """
    root = Path(directory).expanduser()
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder; expected one with estimates")
    home = root.resolve()
    files: list[str] = []
    refused: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__MACOSX")))
        sounds = [n for n in sorted(names) if not n.startswith(".") and Path(n).suffix.lower() in _AUDIO]
        for name in [*folders, *sounds]:
            path = Path(folder, name)
            relative, suffix = path.relative_to(root).as_posix(), path.suffix.lower()
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                what = "what it points to" if name in folders else "the file"
                refused[relative] = f"a link that leaves the folder; copy {what}"
            elif name in folders:
                continue
            elif suffix in _OTHER_AUDIO:
                refused[relative] = f"{suffix} is not read; expected .wav or .flac"
            else:
                files.append(relative)
    return Scan(root, tuple(sorted(files)), refused)


@dataclass(frozen=True)
class Claim:
    """What a path says: track, target and how they were read."""

    tracks: tuple[TrackId, ...]
    spelling: str
    layout: str


def claims(
    listing: Scan, tracks: Sequence[TrackId], pattern: str | None = None, names: TargetNames | None = None
) -> dict[str, Claim]:
    """Return the files that name one of the tracks, and a target where `names` are given.

    Parameters
    ----------
    listing : Scan
    tracks : sequence of TrackId
    pattern : str, optional
        Otherwise the recognised layouts, the first that fits.
    names : TargetNames, optional
        Without them any text can be a target.
    """
    by_name: dict[str, list[TrackId]] = {}
    for track in tracks:
        by_name.setdefault(nfc(track.name), []).append(track)
    subsets = tuple(dict.fromkeys(t.subset for t in tracks if t.subset))
    expression = names.expression() if names else None
    made: dict[str, Claim] = {}
    for file in listing.files:
        for path, layout in _readings(listing, file, list(by_name), pattern):
            # The general form is quick to fail; only what passes is compared with every track's name.
            if not translate(layout.pattern).fullmatch(path):
                continue
            match = translate(layout.pattern, tuple(by_name), subsets, expression).fullmatch(path)
            if match is None or (names and not names.knows(match["target"])):
                continue
            subset = match.groupdict().get("subset")
            if meant := tuple(t for t in by_name[match["track"]] if subset in (None, t.subset)):
                made[file] = Claim(meant, match["target"], layout.name)
                break
    return made


def _readings(listing: Scan, file: str, names: list[str], pattern: str | None) -> Iterator[tuple[str, Layout]]:
    """Yield the path to read with each layout."""
    path = nfc(file)
    if not any(name in path for name in names):
        # Files named after targets alone belong to the only track that there is.
        if pattern or len(names) != 1 or "/" in file:
            return
        path = f"{names[0]}/{path}"
    if pattern:
        yield path, user_layout(pattern)
        return
    for layout in LAYOUTS:
        yield path, layout
    # The folder's own name can be that of a target.
    for layout in LAYOUTS:
        if layout.pattern.startswith("{target}/"):
            yield f"{nfc(listing.root.resolve().name)}/{path}", layout


def pair(
    directory: str | Path | Scan,
    tracks: Sequence[TrackId],
    targets: Targets,
    pattern: str | None = None,
    known: Sequence[TrackId] = (),
    explain: bool = True,
) -> Pairing:
    """Find the estimate files of tracks.

    Parameters
    ----------
    directory : str, Path or Scan
        The folder of the estimates.
    tracks : sequence of TrackId
        Those to be scored.
    targets : Targets
        The data set's.
    pattern : str, optional
        How to read the paths, see `mss_bench.separators.estimates.patterns`. Files that it does not fit are not meant
        and ignored.
    known : sequence of TrackId
        Further tracks of the data set, not to be scored now: their files are ignored, not unpaired.
    explain : bool
        Whether to list the files that are not paired, too.

    Returns
    -------
    Pairing

    Raises
    ------
    ConfigError
        The folder is missing or the pattern is wrong.
    """
    listing = directory if isinstance(directory, Scan) else scan(directory)
    names = TargetNames(targets)
    everything = list(dict.fromkeys([*tracks, *known]))
    by_file = claims(listing, everything, pattern, names)
    pairing = Pairing(listing.root, tuple(targets), {track: {} for track in tracks})
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
        if len(files) > 1:
            pairing.ambiguous[track, target] = [f.path for f in files]
        else:
            pairing.found[track][target] = files[0]
    if explain:
        _explain_rest(pairing, listing, set(by_file), everything, pattern)
    return pairing


def _explain_rest(
    pairing: Pairing, listing: Scan, claimed: set[str], tracks: Sequence[TrackId], pattern: str | None
) -> None:
    """Enter the files that are not paired, each with the reason."""
    expression = translate(user_layout(pattern).pattern) if pattern else None
    with_track = claims(listing, tracks, pattern)
    for file in [*listing.refused, *(f for f in listing.files if f not in claimed)]:
        fits = expression is None or expression.fullmatch(nfc(file))
        if file in listing.refused:
            reason = listing.refused[file]
        elif not fits:
            reason = "the pattern does not fit it"
        elif file in with_track:
            reason = f"{with_track[file].spelling!r} is no target of the data set"
        else:
            reason = "names no track" + _suggestion(file, tracks)
        # What a pattern of the user's does not fit is not meant.
        (pairing.unpaired_files if fits else pairing.ignored)[listing.root / file] = reason


def _suggestion(file: str, tracks: Sequence[TrackId]) -> str:
    """Suggest the track whose name is nearest to a part of the path."""
    names = {nfc(track.name).casefold(): track.name for track in tracks}
    for part in (Path(file).stem, *reversed(Path(file).parts[:-1])):
        if near := difflib.get_close_matches(nfc(part).casefold(), names, n=1, cutoff=0.7):
            return f"; did you mean {names[near[0]]!r}?"
    return ""


def read_estimate(
    path: Path, mixture: Audio, sample_rate: int, start: float = 0.0, duration: float | None = None
) -> Audio:
    """Read a file that is an estimate from a mixture, as it is: NaN and a wrong length are for the runner to judge.

    Raises
    ------
    AudioError
        It cannot be read, or has another sample rate or channel count than the mixture.
    """
    estimate = audio.read(path, sample_rate, start=start, duration=duration, finite=False)
    if len(estimate) != len(mixture):
        raise AudioError(
            f"{path} has {len(estimate)} channel(s), expected {len(mixture)} as in the mixture; "
            "write the estimate with the mixture's channels, nothing is up- or downmixed here"
        )
    return estimate
