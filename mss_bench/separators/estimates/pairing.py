"""Which estimate file belongs to which track and target.

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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mss_bench.core.tracks import Targets, TrackId
from mss_bench.errors import ConfigError
from mss_bench.separators.estimates.patterns import (
    EXTENSIONS,
    LAYOUTS,
    Layout,
    TargetNames,
    nfc,
    translate,
    user_layout,
)

__all__ = ["Found", "Pairing", "Scan", "claim", "pair", "scan"]

_OTHER_AUDIO = (".aac", ".aif", ".aiff", ".m4a", ".mp3", ".mp4", ".ogg", ".opus", ".w64", ".wma")


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


@dataclass(frozen=True)
class Found:
    """An estimate file as it was understood."""

    path: Path
    spelling: str
    """The target as the file's name has it."""
    layout: str


@dataclass(frozen=True)
class Pairing:
    """Which files a folder has for the tracks of a data set.

    Parameters
    ----------
    directory : Path
    targets : tuple of str
        The data set's.
    found : dict of TrackId to dict of str to Found
        One entry for each track, in the data set's order; empty where nothing was found.
    unpaired_files : dict of Path to str
        Files that belong to no track or target, with the reason.
    ambiguous : dict of (TrackId, str) to list of Path
        Targets for which there is more than one file.
    ignored : dict of Path to str
        Files that are no estimates of the wanted tracks and need not be, with the reason.
    """

    directory: Path
    targets: tuple[str, ...]
    found: dict[TrackId, dict[str, Found]]
    unpaired_files: dict[Path, str] = field(default_factory=dict)
    ambiguous: dict[tuple[TrackId, str], list[Path]] = field(default_factory=dict)
    ignored: dict[Path, str] = field(default_factory=dict)

    @property
    def files(self) -> dict[TrackId, dict[str, Path]]:
        """Target to file, for each track that has any."""
        return {track: {t: f.path for t, f in found.items()} for track, found in self.found.items() if found}

    @property
    def delivered(self) -> tuple[str, ...]:
        """Targets that at least one track has, in the data set's order."""
        return tuple(t for t in self.targets if any(t in found for found in self.found.values()))

    @property
    def unpaired_tracks(self) -> tuple[TrackId, ...]:
        """Tracks for which there is no file."""
        disputed = {track for track, _ in self.ambiguous}
        return tuple(track for track, found in self.found.items() if not found and track not in disputed)

    @property
    def incomplete(self) -> dict[TrackId, tuple[str, ...]]:
        """Tracks that have some file but lack targets that other tracks have."""
        lacking = {t: tuple(d for d in self.delivered if d not in found) for t, found in self.found.items() if found}
        return {track: missing for track, missing in lacking.items() if missing}

    def check(self) -> None:
        """Refuse a folder that does not pair.

        A track without a file is no reason to refuse: it is listed, and scoring it ends as an error of that track, so
        that a method is not the better for what it left out.

        Raises
        ------
        ConfigError
            A file belongs to no track or target, two files claim one target, or no track has a file. The message
            holds the table.
        """
        problems = []
        if self.ambiguous:
            problems.append("two files claim one target; keep one, or choose by --pattern")
        if self.unpaired_files:
            problems.append(
                "files belong to no track or target; rename or remove them, or say by --pattern how to read the names"
            )
        if not self.files:
            problems.append("no track has a file; check the folder, the data set and the subset, or give --pattern")
        if problems:
            raise ConfigError(f"estimates in {self.directory} do not pair: {'; '.join(problems)}\n\n{self.table()}")

    def table(self, rows: int = 20) -> str:
        """The pairing for a console: a row per track with the name that its file has for each target.

        Parameters
        ----------
        rows : int
            Complete tracks beyond this many are only counted; those with something missing are always shown.
        """
        from mss_bench.separators.estimates.table import pairing_table

        return pairing_table(self, rows)


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
        for name in [*folders, *sorted(names)]:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            suffix = path.suffix.lower()
            if name in folders:
                if path.is_symlink() and not path.resolve().is_relative_to(home):
                    refused[relative] = "a link that leaves the folder; copy what it points to"
            elif name.startswith(".") or suffix not in (*EXTENSIONS, *_OTHER_AUDIO):
                continue
            elif path.is_symlink() and not path.resolve().is_relative_to(home):
                refused[relative] = "a link that leaves the folder; copy the file"
            elif suffix in _OTHER_AUDIO:
                refused[relative] = f"{suffix} is not read; expected .wav or .flac"
            else:
                files.append(relative)
    return Scan(root, tuple(sorted(files)), refused)


@dataclass(frozen=True)
class _Claim:
    """What a path says: track, target and how they were read."""

    tracks: tuple[TrackId, ...]
    spelling: str
    layout: str


def claim(
    listing: Scan, tracks: Sequence[TrackId], pattern: str | None = None, names: TargetNames | None = None
) -> dict[str, _Claim]:
    """The files that name one of the tracks, and a target where `names` are given.

    Parameters
    ----------
    listing : Scan
    tracks : sequence of TrackId
    pattern : str, optional
        Otherwise the recognised layouts, the first that fits.
    names : TargetNames, optional
        Without them any text can be a target.
    """
    layouts = (user_layout(pattern),) if pattern else LAYOUTS
    by_name: dict[str, list[TrackId]] = {}
    for track in tracks:
        by_name.setdefault(nfc(track.name), []).append(track)
    subsets = tuple(dict.fromkeys(t.subset for t in tracks if t.subset))
    expression = names.expression() if names else None
    claims: dict[str, _Claim] = {}
    only = next(iter(by_name)) if len(by_name) == 1 and not pattern else None
    for file in listing.files:
        bare = only is not None and "/" not in file and only not in nfc(file)
        if not bare and not any(name in nfc(file) for name in by_name):
            continue
        # Files named after targets alone belong to the only track that there is.
        read = f"{only}/{file}" if bare else file
        for path, layout in _readings(listing, read, layouts, bool(pattern)):
            # The general form is quick to fail; only what passes is compared with every track's name.
            if not translate(layout.pattern).fullmatch(path):
                continue
            match = translate(layout.pattern, tuple(by_name), subsets, expression).fullmatch(path)
            if match is None or (
                names and names.resolve(match["target"]) is None and not names.is_extra(match["target"])
            ):
                continue
            subset = match.groupdict().get("subset")
            meant = tuple(t for t in by_name[match["track"]] if subset in (None, t.subset))
            if meant:
                claims[file] = _Claim(meant, match["target"], layout.name)
                break
    return claims


def _readings(listing: Scan, file: str, layouts: Sequence[Layout], own_pattern: bool) -> list[tuple[str, Layout]]:
    """A file's path with each layout; at last below the root's own name, which can be that of a target."""
    path = nfc(file)
    readings = [(path, layout) for layout in layouts]
    if not own_pattern:
        below = f"{nfc(listing.root.resolve().name)}/{path}"
        readings += [(below, layout) for layout in layouts if layout.pattern.startswith("{target}/")]
    return readings


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
    claims = claim(listing, everything, pattern, names)
    pairing = Pairing(listing.root, tuple(targets), {track: {} for track in tracks})
    claimed: dict[tuple[TrackId, str], list[Found]] = {}
    for file, said in claims.items():
        path = listing.root / file
        target = names.resolve(said.spelling)
        if target is None:
            pairing.ignored[path] = f"{said.spelling} is no target of the data set"
        elif len(said.tracks) > 1:
            subsets = " and ".join(t.subset for t in said.tracks)
            pairing.unpaired_files[path] = f"{subsets} have a track of this name; put the file below its subset's name"
        elif said.tracks[0] not in pairing.found:
            pairing.ignored[path] = "its track is not among those asked for"
        else:
            claimed.setdefault((said.tracks[0], target), []).append(Found(path, said.spelling, said.layout))
    for (track, target), found in claimed.items():
        if len(found) > 1:
            pairing.ambiguous[track, target] = [f.path for f in found]
        else:
            pairing.found[track][target] = found[0]
    if explain:
        _explain_unclaimed(pairing, listing, set(claims), everything, pattern)
    return pairing


def _explain_unclaimed(
    pairing: Pairing, listing: Scan, claimed: set[str], tracks: Sequence[TrackId], pattern: str | None
) -> None:
    """Enter the files that are not paired, each with the reason."""
    expression = translate(user_layout(pattern).pattern) if pattern else None
    with_track = claim(listing, tracks, pattern)
    for file in [*listing.refused, *(f for f in listing.files if f not in claimed)]:
        if file in listing.refused:
            reason = listing.refused[file]
        elif file in with_track:
            reason = f"{with_track[file].spelling!r} is no target of the data set"
        else:
            reason = "names no track" + _suggestion(file, tracks)
        if expression and not expression.fullmatch(nfc(file)):
            reason = listing.refused.get(file, "the pattern does not fit it")
            pairing.ignored[listing.root / file] = reason
        else:
            pairing.unpaired_files[listing.root / file] = reason


def _suggestion(file: str, tracks: Sequence[TrackId]) -> str:
    """The track whose name is nearest to a part of the path."""
    spelled = {nfc(t.name): t.name for t in tracks}
    folded = {name.casefold(): name for name in spelled}
    parts = [nfc(p).casefold() for p in (*Path(file).parts[:-1], Path(file).stem)]
    for part in reversed(parts):
        if near := difflib.get_close_matches(part, folded, n=1, cutoff=0.7):
            return f"; did you mean {spelled[folded[near[0]]]!r}?"
    return ""
