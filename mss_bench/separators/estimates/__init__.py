"""Read finished estimates from a folder, as a separator."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from mss_bench.core.fit import FITS
from mss_bench.core.listing import Listing
from mss_bench.core.parameters import param
from mss_bench.core.patterns import further_stems, user_layout
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.errors import ConfigError
from mss_bench.separators.base import MappedSeparator
from mss_bench.separators.estimates.folder import claims, pair, read_fitted, scan
from mss_bench.separators.estimates.pairing import Pairing

__all__ = ["Estimates"]


class Estimates(MappedSeparator):
    """Read finished estimates from a folder.

    Nothing is converted unless `fit` allows it: another sample rate or channel count is an error, and the length is
    left as it is.

    Raises
    ------
    ConfigError
        When the pattern is wrong.
    """

    name = "estimates"
    needs_track = True
    only_reads = True
    path_parameters = ("dir",)
    assumption = "The files are estimates of this data set's tracks, aligned with the mixture."

    dir: str = param(doc="The folder. Layouts of museval, Demucs, audio-separator and UVR are recognised.")
    pattern: str | None = param(
        None,
        doc="How the paths below the folder name tracks and targets, e.g. ``{track}/{target}.wav``; needed where no "
        "layout is recognised. See `mss_bench.core.patterns`.",
    )

    fit: tuple[str, ...] = param(
        (), choices=FITS, doc="What is done to files that do not fit the mixture; it is told in the column flags."
    )

    def setup(self) -> None:
        super().setup()
        if self.pattern is not None:
            user_layout(self.pattern)
        self._pairings: dict[Any, Pairing] = {}
        self._notes: dict[Any, tuple[str, ...]] = {}

    @cached_property
    def _listing(self) -> Listing:
        return scan(self.dir)

    def pairing(self, tracks: list[TrackId], targets: Targets, known: tuple[TrackId, ...] = ()) -> Pairing:
        """Pair the folder's files with tracks, see `mss_bench.separators.estimates.folder.pair`."""
        return pair(self._listing, tracks, targets, self.pattern, known, further=self._further(targets))

    def _further(self, targets: Targets) -> tuple[str, ...]:
        """Return the stems that are looked for although the data set does not have them."""
        return further_stems(targets, self.stem_map.sources)

    @cached_property
    def _by_track(self) -> dict[TrackId, list[Path]]:
        files: dict[TrackId, list[Path]] = {track: [] for track in self.tracks}
        for file, claim in claims(self._listing, self.tracks, self.pattern).items():
            for track in claim.tracks:
                files[track].append(self._listing.root / file)
        return files

    def files(self, track: TrackId) -> list[Path]:
        """Return the files whose paths name the track, whatever their target."""
        if track in self.tracks:
            return self._by_track[track]
        return [self._listing.root / file for file in claims(self._listing, [track], self.pattern)]

    def produces(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        """Return the targets of the data set among `delivers`."""
        return tuple(name for name in self.delivers(targets, track) if name in targets)

    def delivers(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        """Return the targets and other stems that any track of the run has a file for.

        A track that lacks one of them, or all, has failed there, so leaving a track out cannot raise a score.

        Raises
        ------
        ConfigError
            No track has a file; the message shows the pairing.
        """
        pairing = self._paired(targets, track)
        disputed = {target for _, target in pairing.ambiguous}
        return tuple(t for t in pairing.targets if t in pairing.delivered or t in disputed)

    def notes(self, targets: Targets, track: TrackId) -> tuple[str, ...]:
        """Return the files that are not used, with the reason; files of no track only where all tracks are known."""
        key = (self.tracks or (track,), tuple(targets.items()))
        if key not in self._notes:
            pairing = self.pairing(list(key[0]), targets, self.known_tracks)
            ours = {file for each in key[0] for file in self.files(each)}
            unread = {f: why for f, why in pairing.unpaired_files.items() if f in ours or self.known_tracks}
            shown = [f"{file.relative_to(self._listing.root)}: {why}" for file, why in list(unread.items())[:3]]
            more = [f"and {len(unread) - 3} more"] if len(unread) > 3 else []
            hint = "; a map says what such names mean" if any(f in ours for f in unread) else ""
            self._notes[key] = (f"not read: {'; '.join(shown + more)}{hint}",) if unread else ()
        return self._notes[key]

    def _paired(self, targets: Targets, track: TrackId) -> Pairing:
        """Return the pairing of all tracks of the run; refuse a folder without a file for any of them."""
        tracks = self.tracks or (track,)
        key = (tracks, tuple(targets.items()))
        if key not in self._pairings:
            pairing = pair(self._listing, tracks, targets, self.pattern, further=self._further(targets))
            if not pairing.delivered and not pairing.ambiguous:
                pairing.check()
            self._pairings[key] = pairing
        return self._pairings[key]

    def separate(self, mixture: Audio, sample_rate: int, *, targets: Targets, **_: Any) -> Stems:
        """Read the estimates of `track`.

        Returns
        -------
        dict of str to (channels, samples) float32
            The targets that have a file, in the data set's order, and stems that it does not have.

        Raises
        ------
        ConfigError
            The track has no file, or two for one target.
        AudioError
            A file cannot be read as declared, or has another rate or channel count than the mixture.
        """
        if self.track is None:
            raise ConfigError("separator 'estimates' does not know which track it reads; set its `track` first")
        further = self._further(targets)
        pairing = pair(self._listing, [self.track], targets, self.pattern, self.tracks, explain=False, further=further)
        if pairing.ambiguous:
            ((_track, target), paths) = next(iter(pairing.ambiguous.items()))
            raise ConfigError(
                f"track {self.track.name!r} has {len(paths)} files for {target}: {', '.join(map(str, paths))}; keep one"
            )
        files = pairing.files.get(self.track)
        if not files:
            how = f"pattern {self.pattern!r}" if self.pattern else "the recognised layouts"
            raise ConfigError(
                f"{self.dir} has no estimate of track {self.track.name!r} (subset {self.track.subset!r}) by {how}; "
                f"expected e.g. {self.track.name}/{next(iter(targets))}.wav"
            )
        estimates, flags = {}, set[str]()
        for target in (t for t in pairing.targets if t in files):
            estimates[target], done = read_fitted(
                files[target], mixture, sample_rate, self.start, self.duration, self.fit
            )
            flags |= done
        self.flags = tuple(sorted(flags))
        return estimates
