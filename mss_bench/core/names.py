"""What audio files and folders are called: spellings of stems and mixtures, extensions, and what systems leave behind.

References and estimates are both read by these lists. A word that has two meanings is in none of the certain ones: what
it means is decided by what adds up to the mixture (`mss_bench.datasets.roles`), or asked.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

__all__ = [
    "COMPRESSED", "EXTENSIONS", "MIXTURES", "NUMBER", "POSSIBLE", "SYNONYMS", "UNCOMPRESSED", "eye_key", "invisible",
    "is_hidden", "is_system", "known_stem", "nfc", "spelling_key", "spellings", "unnumbered", "without_extension",
]  # fmt: skip

UNCOMPRESSED = (".wav", ".flac", ".aif", ".aiff", ".w64")
"""Extensions of files that libsndfile reads exactly, in the order of preference."""
COMPRESSED = (".mp3", ".m4a", ".aac", ".mp4", ".ogg", ".oga", ".opus", ".wma", ".mka")
"""Extensions of files that ffmpeg decodes."""
EXTENSIONS = (*UNCOMPRESSED, *COMPRESSED)

MIXTURES = ("mixture", "mix", "linear_mixture", "mixture_linear", "mixdown", "full_mix")
"""Words for the mixture."""
SYNONYMS = {
    "accompaniment": (
        "accompaniment", "instrumental", "instrumentals", "instrum", "inst", "karaoke", "backing_track", "minus_one",
        "no_vocals", "no_vocal", "no_voice", "no_vox", "non_vocals", "minus_vocals", "without_vocals",
    ),
    "vocals": ("vocals", "vocal", "vox", "voice", "singing"),
    "drums": ("drums", "drum"),
    "bass": ("bass",),
    "other": ("other", "others"),
    "guitar": ("guitar", "guitars"),
    "piano": ("piano", "pianos"),
}  # fmt: skip
"""Spellings that mean one stem, by its usual name."""
POSSIBLE = {"original": "mixture", "backing": "accompaniment", "background": "accompaniment"}
"""Words that often mean this, and as often a stem: an original take, backing vocals, background noise."""

NUMBER = r"[0-9]{1,2}(?:[-_. ]+|\) ?)"
"""Regular expression of a track's number before the name of a stem."""

_SYSTEM = {
    ".ds_store", "thumbs.db", "desktop.ini", "__macosx", "@eadir", ".@__thumb", "$recycle.bin", "#recycle", "#snapshot",
    "system volume information", "lost+found", ".appledouble", ".trashes", ".spotlight-v100", ".fseventsd", ".git",
    ".temporaryitems", ".ipynb_checkpoints",
}  # fmt: skip


def nfc(text: str) -> str:
    """Return a text in Unicode's composed form: file systems keep either."""
    return unicodedata.normalize("NFC", text)


def eye_key(name: str) -> str:
    """Return what names that look alike share: no difference of capitals, of signs that cannot be seen, of widths.

    >>> eye_key(f"U-Net{chr(0x200B)}") == eye_key(" u-net")
    True
    """
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    return " ".join(seen.casefold().split())


def invisible(text: str) -> str:
    """Return the first sign of a text that nobody sees, as ``U+200B``; empty where there is none."""
    return next((f"U+{ord(sign):04X}" for sign in text if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp")), "")


def spelling_key(text: str) -> str:
    """Return what spellings of one name share: no difference of capitals, spaces, hyphens and underscores."""
    return re.sub(r"[-_\s]+", "", nfc(text).casefold())


def spellings(target: str) -> tuple[str, ...]:
    """Return every known spelling of a target, itself first."""
    wanted = spelling_key(target)
    known = next((s for s in SYNONYMS.values() if wanted in map(spelling_key, s)), ())
    return tuple(dict.fromkeys((target, *known)))


def known_stem(text: str) -> str | None:
    """Return ``mixture``, or the usual name of a stem, where a text is certain to mean it (``01 Vocals``: vocals)."""
    return _USUAL.get(spelling_key(text)) or _USUAL.get(spelling_key(unnumbered(text)))


def unnumbered(text: str) -> str:
    """Return a stem's name without the number of a track that studio software exports before it."""
    return re.sub(rf"^{NUMBER}", "", text) or text


def is_sum(name: str) -> bool:
    """Return whether a name is that of several stems together."""
    return name.casefold().startswith("no_") or known_stem(name) in ("mixture", "accompaniment")


_USUAL = {spelling_key(word): "mixture" for word in MIXTURES}
_USUAL |= {spelling_key(word): name for name, words in SYNONYMS.items() for word in words}


def is_system(name: str) -> bool:
    """Return whether a file or folder of this name was left by an operating system, a share or a notebook."""
    # "._x.wav" is what macOS keeps about x.wav on disks that cannot hold it: named like audio, and none.
    return name.casefold() in _SYSTEM or name.startswith(("._", ".Trash-", ".nfs"))


def is_hidden(name: str) -> bool:
    """Return whether a name is a system's or begins with a dot; "...And Justice" is a song."""
    return is_system(name) or (name.startswith(".") and not name.startswith(".."))


def without_extension(name: str) -> str:
    """Return a file's name without the extension of an audio file, in any capitals."""
    return name[: -len(suffix)] if (suffix := PurePath(name).suffix).lower() in EXTENSIONS else name
