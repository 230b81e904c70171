"""Find out how the files of a folder name tracks and stems, where neither is known beforehand.

Every layout of `mss_bench.core.patterns` is tried on all files. The one that reads most of them as stems wins: those
whose words are known (`mss_bench.core.names`). Then further stems of the same tracks are read with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mss_bench.core.listing import Listing
from mss_bench.core.names import (
    EXTENSIONS,
    MIXTURES,
    POSSIBLE,
    SYNONYMS,
    known_stem,
    nfc,
    spelling_key,
    unnumbered,
    without_extension,
)
from mss_bench.core.patterns import LAYOUTS, SUBSETS, any_spelling, translate
from mss_bench.errors import DatasetError

__all__ = ["Scheme", "read_scheme"]

_WORDS = (*MIXTURES, *POSSIBLE, *(word for words in SYNONYMS.values() for word in words))
_FOLDERS = "{track}/{target}"


@dataclass(frozen=True)
class Scheme:
    """Files read as tracks and stems.

    Parameters
    ----------
    pattern : str
        The layout; ``{target}`` where the folder itself is the only track.
    tracks : dict of str to dict of str to str
        Track to the word for a stem, as it is written, to the file relative to the folder.
    """

    pattern: str
    tracks: dict[str, dict[str, str]]

    @property
    def known(self) -> int:
        """Return the number of files whose words are known, in tracks that have two files or more."""
        several = [words for words in self.tracks.values() if len(words) > 1]
        return sum(_is_known(word) for words in several for word in words)


def read_scheme(listing: Listing, name: str) -> Scheme:
    """Return the tracks of a folder.

    Parameters
    ----------
    listing : Listing
    name : str
        The track's name where the folder is itself the only track.

    Raises
    ------
    DatasetError
        The folder holds no audio, both its files and its folders can be tracks, or two files are one stem.
    """
    root = listing.root
    if not listing.files:
        refused = "".join(f"; {file}: {reason}" for file, reason in list(listing.refused.items())[:3])
        raise DatasetError(
            f"{root} holds no references; expected <track>/<stem>.wav, <stem>.wav or <track>_<stem>.wav{refused}"
        )
    alone = Scheme("{target}", _grouped((name, without_extension(f), f) for f in listing.files if "/" not in f) or {})
    folders = _read(listing.files, _FOLDERS, None)
    patterns = dict.fromkeys(layout.pattern for layout in LAYOUTS)
    others = [_read(listing.files, pattern, any_spelling(_WORDS)) for pattern in patterns if pattern != _FOLDERS]
    best = max([folders, alone, *others], key=lambda scheme: scheme.known)
    if min(alone.known, folders.known) > 1 and best in (alone, folders):
        raise DatasetError(
            f"{root} holds stems itself ({', '.join(list(alone.tracks[name].values())[:3])}) and in its folders "
            f"({', '.join(list(folders.tracks)[:3])}); expected one of the two: move the others away"
        )
    if not best.known:
        if not folders.tracks and any(len(scheme.tracks) > 1 for scheme in others):
            raise DatasetError(
                f"{root} has one stem per track, e.g. {listing.files[0]}; add the other stems or a mixture"
            )
        # No word is known: stems of other instruments, in folders or alone.
        best = folders if folders.tracks else alone
    if not best.tracks:
        raise DatasetError(
            f"{root}: no naming scheme fits its files, e.g. {listing.files[0]}; expected <track>/<stem>.wav, "
            "<stem>.wav or <track>_<stem>.wav"
        )
    scheme = best if best in (alone, folders) else _with_further_stems(listing.files, best)
    _refuse_rivals(listing, scheme)
    return scheme


def _refuse_rivals(listing: Listing, scheme: Scheme) -> None:
    """Refuse files that differ from one that is read in their extensions or capitals alone: either may be the stem."""
    forms: dict[str, list[str]] = {}
    for file in listing.files:
        forms.setdefault(without_extension(nfc(file)).casefold(), []).append(file)
    read = {without_extension(nfc(file)).casefold() for words in scheme.tracks.values() for file in words.values()}
    rivals = [files for name, files in forms.items() if name in read and len(files) > 1]
    rivals = [files for files in rivals if len({(listing.root / file).resolve() for file in files}) > 1]
    if rivals:
        more = f" (and {len(rivals) - 1} more such stems)" if len(rivals) > 1 else ""
        raise DatasetError(
            f"{listing.root}: {len(rivals[0])} files are one stem: {', '.join(rivals[0])}{more}; keep the right one"
        )


def _with_further_stems(files: Iterable[str], scheme: Scheme) -> Scheme:
    """Return a scheme with files of its tracks whose words are not known."""
    read = {file for words in scheme.tracks.values() for file in words.values()}
    several = {track: dict(words) for track, words in scheme.tracks.items() if len(words) > 1}
    rest = [file for file in files if file not in read]
    for track, words in _read(rest, scheme.pattern, None, tuple(several)).tracks.items():
        several[track] |= words
    for file in rest:  # "Song.wav" beside "Song_vocals.wav" is likely the song itself; the sum of the stems decides
        track = nfc(Path(without_extension(file)).name)
        if track in several:
            several[track].setdefault("original", file)
    return Scheme(scheme.pattern, several)


def _read(files: Iterable[str], pattern: str, words: str | None, tracks: tuple[str, ...] | None = None) -> Scheme:
    """Read all files with one layout; nothing where two files would be one stem of one track."""
    expression = translate(pattern, tracks, SUBSETS, words)
    depth = pattern.count("/")
    matches = ((file, expression.fullmatch(nfc(file))) for file in files if file.count("/") == depth)
    grouped = _grouped((match["track"], match["target"], file) for file, match in matches if match)
    return Scheme(pattern, grouped or {})


def _grouped(read: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, str]] | None:
    """Return track to word to file, sorted; None where two files are one stem, unless in two formats."""
    tracks: dict[str, dict[str, str]] = {}
    for track, word, file in read:
        words = tracks.setdefault(track, {})
        if word in words:
            if without_extension(words[word]) != without_extension(file):
                return None
            file = min(words[word], file, key=lambda f: EXTENSIONS.index(Path(f).suffix.lower()))
        words[word] = file
    return {track: dict(sorted(tracks[track].items())) for track in sorted(tracks)}


def _is_known(word: str) -> bool:
    return known_stem(word) is not None or spelling_key(word) in map(spelling_key, POSSIBLE)


def stems_of(words: Mapping[str, str]) -> dict[str, str]:
    """Return the usual name of each word, or the word itself, to its file.

    Where two words name one stem, the usual spelling keeps the name and the others stay as they are.
    """
    bare = {word: unnumbered(word) for word in words}
    # Numbers of all files are those of an export; a few, or what is left is not one name each: parts of the names.
    if any(bare[word] == word for word in words) or len(set(map(spelling_key, bare.values()))) < len(words):
        bare = {word: word for word in words}
    named: dict[str, str] = {}
    for word in sorted(words, key=lambda w: (spelling_key(bare[w]) != known_stem(w), w)):
        own = bare[word]
        usual = known_stem(own) or (spelling_key(own) if spelling_key(own) in POSSIBLE else own)
        named[own if usual in named else usual] = words[word]
    return named


def same_stems(tracks: Mapping[str, Mapping[str, str]], where: Path) -> dict[str, dict[str, str]]:
    """Return the stems of every track, in one spelling.

    The stems are those of most tracks. A track may lack some of them, as a song without drums does, where their names
    say what they are.

    Raises
    ------
    DatasetError
        Tracks differ in other stems.
    """

    def key(stem: str) -> str:
        return re.sub(r"\s+", " ", nfc(stem).casefold())

    named = {track: stems_of(words) for track, words in tracks.items()}
    counts = Counter(frozenset(map(key, own)) for own in named.values())
    usual = max(counts, key=lambda keys: (counts[keys], all(map(known_stem, keys)), len(keys)))
    first, stems = next((track, own) for track, own in named.items() if frozenset(map(key, own)) == usual)
    by_key = {key(stem): stem for stem in stems}
    result = {}
    for track, own in named.items():
        renamed = {by_key.get(key(stem), stem): file for stem, file in own.items()}
        lacking = [known_stem(stem) for stem in stems if stem not in renamed]
        # Tables have one column per target: tracks with different stems need a catalog entry that says what they mean.
        if set(renamed) - set(stems) or {None, "mixture", "accompaniment"} & {*lacking}:
            more = ", ".join(sorted(set(renamed) - set(stems)))
            if more:
                raise DatasetError(
                    f"track {track!r} in {where} has {more}, which others, e.g. {first!r}, do not have; expected the "
                    "same stems in every track, or fewer in some; sum it into another stem, or move it away"
                )
            less = ", ".join(sorted(set(stems) - set(renamed)))
            raise DatasetError(
                f"track {track!r} in {where} has no {less}, track {first!r} has; expected the same in every track, or "
                "fewer stems of usual names (vocals, drums, ...) in some"
            )
        result[track] = renamed
    return result
