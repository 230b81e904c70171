"""Songs that nobody played: stems of different songs of a data set, mixed anew.

``random_mix:of=musdb18hq,n=500`` is a data set of 500 such mixes. Nothing is written to disk: what a mix is made of is
drawn when it is planned, and its stems are read when it is separated, one mix at a time, so that there may be any
number. The draw of the k-th mix follows from the seed, the data set, the subset and k alone: a larger `n` begins with
the mixes of a smaller one, and what is drawn is part of the keys.

Such a mix has no common beat or harmony unless `alike` asks for songs that fit: scores of methods that rely on them are
lower than on music, which is why the tables call the data set ``random_mix(musdb18hq)``, with every option of the draw
that is not the default: ``random_mix(musdb18hq, alike=tempo, seed=3)``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core import audio
from mss_bench.core.annotations import Annotations
from mss_bench.core.arrays import Floats
from mss_bench.core.parameters import param, parameters
from mss_bench.core.spec import Spec
from mss_bench.core.tracks import Audio, Stems, Track, TrackId
from mss_bench.datasets.base import Dataset
from mss_bench.errors import DatasetError, UnknownNameError
from mss_bench.perturbations.track import Chain, PerturbedTrack

__all__ = ["NAME", "RandomMix"]

NAME = "random_mix"

_VERSION = "1"  # of what is made of a draw; part of the keys
_CANDIDATES = 1 / 3  # of the songs, that are alike
_DRAWN = ("seed", "seconds", "gain", "panning", "alike")
_FEWEST_NOTES = 8  # that say something of a song's key


class RandomMix(Dataset):
    """Mixes of stems of different songs of another data set."""

    layout = NAME
    has_root = False

    of: str = param(doc="Data set that the stems are of, with options as in demo:n_songs=12.")
    n: int = param(20, at_least=1, doc="Mixes of each subset.")
    seed: int = param(0, at_least=0, at_most=2**32 - 1, doc="Seed of the draws.")
    seconds: float = param(20.0, above=0, unit="s", doc="Length of a mix, where the songs are as long.")
    gain: float = param(6.0, at_least=0, at_most=40, unit="dB", doc="Stems are up to so much louder or softer.")
    panning: float = param(0.0, at_least=0, at_most=1, doc="Stems are moved up to so far to a side; 1 is all the way.")
    alike: str = param(
        "no", choices=("no", "tempo", "key"),
        doc="Songs that are mixed together: any, or those whose annotated tempo or notes are most alike; any where "
        "there are no annotations. With tempo, all begin on a beat.",
    )  # fmt: skip
    perturb: tuple[str | Mapping[str, Any], ...] = param(
        (), metavar="SPEC", expects="perturbations, as in chorus:stems=vocals",
        doc="Perturbations of single stems (stems=...) or of the mix, as --perturb takes them.",
    )  # fmt: skip

    @classmethod
    def around(cls, base: Dataset, **options: Any) -> RandomMix:
        """Return the mixes of a data set's songs.

        Raises
        ------
        UnknownNameError, ConfigError
            An option that does not exist, or a wrong value.
        """
        known = [name for name in vars(cls) if name in parameters(cls)]
        for name in options:
            if name not in known:
                raise UnknownNameError(f"option of data set {NAME}", name, known)
        targets = {t: parts for t, parts in base.targets.items() if t not in base.targets.stems}
        mixes = cls(
            stems=base.targets.stems, targets=targets, groups={g.name: g.targets for g in base.groups},
            sample_rate=base.sample_rate, subsets=tuple(base.subsets), default_subset=base.default_subset,
            licence=base.licence, citation=base.citation, description=f"Random mixes of stems of {base.name}.",
            **options,
        )  # fmt: skip
        # What decides the draw is part of the name, and so of every table; a larger n only adds mixes, and tables say
        # what was perturbed of their own accord.
        values = {name: getattr(mixes, name) for name in _DRAWN}
        own = [
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in values.items()
            if value != parameters(cls)[name].default
        ]
        mixes.name, mixes.base = f"{NAME}({', '.join([base.name, *own])})", base
        return mixes

    def setup(self) -> None:
        super().setup()
        self.base: Dataset | None = None
        self.chain = Chain(tuple(map(Spec.parse, self.perturb)), self.seed)
        self.chain.check(self.targets.stems, self.sample_rate)

    def where(self) -> str:
        """Return where it lies, in words."""
        return "made of others"

    def find(self, subset: str) -> list[Track]:
        """Return the mixes of a subset.

        Raises
        ------
        DatasetError
            Fewer than two songs, or a stem that none of them has.
        """
        assert self.base is not None
        songs = self.base.tracks(subset or None)
        self.notices += self.base.notices
        having = {
            stem: [s for s in songs if s.stems.get(stem) or s.reader or s.stem_map] for stem in self.targets.stems
        }
        lacking = [stem for stem, own in having.items() if not own]
        if len(songs) < 2 or lacking:
            what = f"no song with {lacking[0]}" if lacking else f"{len(songs)} song"
            raise DatasetError(f"data set {self.base.name!r} has {what} in {subset or 'it'}; a random mix takes two")
        tracks = []
        for k in range(self.n):
            words = hashlib.sha256(f"{NAME}\n{self.base.name}\n{subset}\n{k}".encode()).digest()
            rng = np.random.default_rng([self.seed, int.from_bytes(words, "little")])
            track = self._mix(f"mix {k:05d}", subset, having, rng)
            tracks.append(PerturbedTrack.of(track, self.chain) if self.chain.specs else track)
        self.notices += self._not_as_asked(songs)
        return tracks

    def _not_as_asked(self, songs: Sequence[Track]) -> list[str]:
        """Return in what the mixes fall short of the options, for what the songs are."""
        short = [song for song in songs if _seconds(song) < self.seconds]
        unknown = [song for song in songs if self._distance(song, song) is None]
        of = f"of the {len(songs)} songs that {self.name} draws from"
        said = {
            f"{len(short)} {of} are shorter than seconds={self.seconds:g}, and so are mixes that hold them; the "
            f"longest song has {max(map(_seconds, songs)):.3g} s": short,
            f"{len(unknown)} {of} have no annotations that tell their {self.alike}; they are mixed with any": unknown,
        }
        return [text for text, holds in said.items() if holds]

    def _mix(self, name: str, subset: str, having: Mapping[str, list[Track]], rng: np.random.Generator) -> Track:
        """Draw the songs, places, gains and positions of a mix."""
        chosen: list[Track] = []
        parts = []
        for stem, songs in having.items():
            others = [song for song in songs if song.id not in {c.id for c in chosen}] or songs
            song = self._choose(others, chosen, rng)
            chosen.append(song)
            length = _seconds(song)
            start = float(rng.uniform(0, max(length - self.seconds, 0)))
            beats = _beats(song) if self.alike == "tempo" else None
            if beats is not None and (before := beats[beats <= start]).size:
                start = float(before[-1])
            db, position = rng.uniform(-self.gain, self.gain), rng.uniform(-self.panning, self.panning)
            parts.append(_Part(stem, _only(song, stem).excerpt(self.seconds, start), float(db), float(position)))
        files = tuple(dict.fromkeys(file for part in parts for file in part.track.files()))
        return Track(
            TrackId(self.name, subset, name),
            self.sample_rate,
            {part.stem: part.track.stems.get(part.stem, part.track.mixture) for part in parts},
            mixture=files,  # whose content is that of the mix
            reader=_Mix(tuple(parts)),
            facts={NAME: json.dumps([_VERSION, *(part.drawn() for part in parts)])},
        )

    def _choose(self, songs: Sequence[Track], chosen: Sequence[Track], rng: np.random.Generator) -> Track:
        """Draw a song, of those that are most like the first one where that is asked for and known."""
        if chosen and self.alike != "no":
            distances = [(self._distance(chosen[0], song), i) for i, song in enumerate(songs)]
            known = sorted(pair for pair in distances if pair[0] is not None)
            nearest = known[: max(1, round(len(songs) * _CANDIDATES))]
            songs = [songs[i] for _, i in nearest] or songs
        return songs[int(rng.integers(len(songs)))]

    def _distance(self, first: Track, song: Track) -> float | None:
        """Return how far two songs are from being alike as asked, 0 where nothing is asked; None where unknown."""
        measures = {"tempo": _tempo_distance, "key": _key_distance}
        return measures[self.alike](first, song) if self.alike in measures else 0.0


@dataclass(frozen=True)
class _Part:
    """A stem of a mix: an excerpt of a song's, its gain and its position from -1 (left) to 1."""

    stem: str
    track: Track
    db: float
    position: float

    def drawn(self) -> list[Any]:
        """Return what determines it beside the content of files."""
        song = self.track
        made = {"parts": song.parts, "fit": song.fit.flags(), "map": str(song.stem_map), "facts": song.facts}
        return [self.stem, song.name, song.start, song.duration, self.db, self.position, repr(made)]

    def read(self) -> Audio:
        """Read the stem with its gain and position."""
        array = self.track.load().references[self.stem] * np.float32(10 ** (self.db / 20))
        if self.position and len(array) == 1:
            array = np.repeat(array, 2, axis=0)
        if self.position and len(array) == 2:  # the energy stays
            sides = np.sqrt([[1 - self.position], [1 + self.position]])
            array = array * sides.astype(np.float32)
        return array


@dataclass(frozen=True)
class _Mix:
    """Reads a mix, as `Track.reader`."""

    parts: tuple[_Part, ...]

    def __call__(self, track: Track) -> tuple[Stems, Audio, int]:
        stems = {part.stem: part.read() for part in self.parts}
        length = min(stem.shape[1] for stem in stems.values())
        channels = max(len(stem) for stem in stems.values())
        for name, stem in stems.items():
            wide = np.repeat(stem, channels, axis=0) if len(stem) == 1 else stem
            stems[name] = np.ascontiguousarray(wide[:, :length])
        return stems, np.sum([*stems.values()], axis=0), track.sample_rate


def _only(song: Track, stem: str) -> Track:
    """Return a song of which one stem alone is read, where its stems lie in files of their own."""
    if song.reader is not None or song.stem_map:
        return song
    parts = {name: own for name, own in song.parts.items() if name == stem}
    return replace(song, stems={stem: song.stems[stem]}, mixture=(), parts=parts)


def _seconds(song: Track) -> float:
    header = audio.info(song.files()[0])
    return header.frames / header.sample_rate


def _beats(song: Track) -> Floats | None:
    return None if song.annotations is None else Annotations(song.annotations).beats()


def _tempo_distance(first: Track, song: Track) -> float | None:
    """Return how far the tempi are from each other or from double and half of it, in octaves; None where unknown."""
    periods = [np.median(np.diff(b)) for b in map(_beats, (first, song)) if b is not None and len(b) > 1]
    if len(periods) < 2:
        return None
    octaves = float(np.log2(periods[0] / periods[1]))
    return abs(octaves - round(octaves))


def _key_distance(first: Track, song: Track) -> float | None:
    """Return how unlike the pitch classes of two songs are; None where their notes are not known."""
    one, other = (_pitch_classes(song.annotations, tuple(song.stems)) for song in (first, song))
    if one is None or other is None:
        return None
    one, other = one - one.mean(), other - other.mean()
    return 1 - float(one @ other / np.sqrt((one @ one) * (other @ other)))


@cache
def _pitch_classes(file: Path | None, stems: tuple[str, ...]) -> Floats | None:
    """Return for how long each of the twelve pitch classes sounds; None where too few notes are known."""
    if file is None:
        return None
    notes = [found for stem in stems if (found := Annotations(file).notes(stem)) is not None]
    if sum(len(onsets) for onsets, _, _ in notes) < _FEWEST_NOTES:
        return None
    onset, offset, hertz = (np.concatenate([own[i] for own in notes]) for i in range(3))
    classes = np.round(12 * np.log2(hertz / 440)).astype(int) % 12
    profile: Floats = np.bincount(classes, weights=np.maximum(offset - onset, 0.0), minlength=12).astype(np.float64)
    return profile if np.ptp(profile) else None  # twelve alike say nothing
