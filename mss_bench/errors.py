"""Errors of mss_bench.

Every message says what was given, what was expected and what to do. The command line prints the message of an
`MssBenchError` alone, with the command that explains it; anything else is a defect and keeps its traceback. The
docstring of a class with a `code` of its own is that explanation, ``mss-bench help CODE``, and its part of the page
"Errors" of the documentation; classes below it without one share it.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "AudioError",
    "ConfigError",
    "DamagedError",
    "DatasetError",
    "InvalidOutputError",
    "MissingDependencyError",
    "MssBenchError",
    "RatingsError",
    "RunError",
    "SeparatorCrashError",
    "SeparatorError",
    "SeparatorTimeoutError",
    "UnknownNameError",
    "explained",
    "explanation",
    "nearest",
]


class MssBenchError(Exception):
    """Something that the user can fix is wrong; every error below belongs to this class.

    In Python, ``except mss_bench.MssBenchError`` catches all of them and no defect of the package.

    Attributes
    ----------
    code : str
        Word that ``mss-bench help`` explains.
    """

    code: ClassVar[str] = "error"


def explained() -> dict[str, type[MssBenchError]]:
    """Return the classes of errors that have an explanation, by code."""
    classes = [each for each in globals().values() if inspect.isclass(each) and issubclass(each, MssBenchError)]
    return {each.code: each for each in classes if "code" in vars(each)}


def explanation(error: type[MssBenchError]) -> str:
    """Return the docstring of a class of errors without its sections of parameters and attributes."""
    return re.split(r"\n(?:Parameters|Attributes)\n-+\n", inspect.cleandoc(error.__doc__ or ""))[0].strip()


class ConfigError(MssBenchError):
    """A file of settings, a value of the command line or a parameter is wrong.

    Typical causes:

    - a key or value of a YAML file that is misspelt, stands twice or has another type (the message names its line);
    - values that are right alone and not together, such as a shard and a cluster;
    - a path in a file that is meant relative to where you stand: paths in a file start at the folder of that file.

    What to do:

    - Read what was expected: the message ends with it. ``mss-bench VERB --help`` prints all options with their ranges.
    - ``mss-bench run --print-config`` prints a run file that is right, with every key and what it does;
      ``mss-bench init FOLDER`` writes one for a folder of songs.
    """

    code = "config"


_LISTED = 40  # names that a message lists whole; of more, as of songs and quantities, it says the first


class UnknownNameError(ConfigError):
    """A name is not known; the message lists what is near, or what there is.

    Typical causes:

    - a misspelt separator, metric, data set, song, parameter or verb;
    - a separator or metric of your own whose file was not given with ``--plugin FILE``;
    - a data set of your own whose catalog was not given with ``--catalog FILE``;
    - a method of another run: ``report`` and ``compare`` know the methods of the run that they read.

    What to do:

    - List what there is: ``mss-bench separators list``, ``metrics list``, ``datasets list``, ``protocols list``.
    - ``mss-bench separators show NAME`` prints the parameters of one; the tab key completes names once
      ``mss-bench --completion bash`` is set up.

    Parameters
    ----------
    kind : str
        What was looked up, in the singular: "separator", "metric", "data set".
    name : str
        The name as given.
    known : iterable of str
        The names that exist.
    """

    code = "unknown-name"

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(set(known))
        near = nearest(name, self.known)
        whole = len(self.known) <= _LISTED
        listed = ", ".join(self.known) if whole else f"{', '.join(self.known[:10])} and {len(self.known) - 10} more"
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {listed or 'none'}"
        super().__init__(f"{unknown(kind, name)}; {hint}")


def unknown(kind: str, name: str) -> str:
    """Say that a name is not known: ``unknown metric 'x'``, but ``separator hpss has no parameter 'x'``."""
    part, _, owner = kind.partition(" of ")
    return f"{owner} has no {part} {name!r}" if part in ("key", "option", "parameter") else f"unknown {kind} {name!r}"


def nearest(name: str, known: Iterable[str], cutoff: float = 0.65) -> list[str]:
    """Return the names that a mistyped one may have meant, the nearest first; none where nothing is much like it."""
    spelt = {each.lower(): each for each in sorted(known, reverse=True)}
    scored = [(_likeness(name.lower(), each), each) for each in spelt]
    best = max(scored, default=(0.0, ""))[0]
    # What is much less alike than the best match only distracts from it.
    return [spelt[each] for score, each in sorted(scored, reverse=True) if score >= max(cutoff, best - 0.1)][:3]


def _likeness(typed: str, known: str) -> float:
    """Return how alike two names are, from 0 to 1."""
    typed, known = typed.lstrip("-"), known.lstrip("-")  # dashes are in every option, and say nothing
    ratio = difflib.SequenceMatcher(None, known, typed).ratio()
    swapped = sorted(re.split("[-_ ]", typed)) == sorted(re.split("[-_ ]", known))
    shortened = len(typed) > 2 and known.startswith(typed)
    return max(ratio, 0.9 * swapped, 0.7 * shortened)


class AudioError(MssBenchError):
    """An audio file or array is missing, damaged or not what was declared.

    Typical causes:

    - a download or copy that was cut short (the message has both lengths);
    - NaN or infinite samples, which an earlier program wrote;
    - estimates of another sample rate, length or number of channels than their references;
    - a compressed file where ffmpeg is not installed, or arrays as (samples, channels) instead of (channels, samples).

    What to do:

    - ``mss-bench datasets check NAME`` reads every file of a data set and names all that is wrong with it.
    - ``mss-bench score --fit trim,pad,resample,channels`` makes estimates fit, and tables say of which it was done.
    """

    code = "audio"


class DatasetError(MssBenchError):
    """A data set cannot be found, or is not laid out as declared.

    Typical causes:

    - a root that is one folder too high or too low: MUSDB18-HQ's holds ``train`` and ``test``;
    - an environment variable of the catalog (``MUSDB18HQ_ROOT``) that is not set;
    - songs that lack a stem, or have files by other names than the catalog says.

    What to do:

    - ``mss-bench datasets show NAME`` prints what is expected and where; ``--root DIR`` says where it is.
    - ``mss-bench datasets check NAME --root DIR`` lists what is missing.
    - Other names of files need an entry of your own, see "Your own data" in the documentation, or ``mss-bench init``.
    """

    code = "dataset"


class InvalidOutputError(MssBenchError):
    """A separator returned something that breaks its contract.

    Typical causes:

    - estimates of another shape or length than the mixture, or that are not floating point;
    - NaN or infinite samples, as of a network in half precision;
    - targets that the separator does not declare, or lacks;
    - a program that wrote no file, or several for one target.

    What to do:

    - ``mss-bench separators check NAME`` (or a manifest, or a Python file) holds a method to the contract, and plays it
      eight seconds of music.
    - Names that only differ are mapped: ``-s NAME --map "vocals=lead"``.
    """

    code = "invalid-output"


class MissingDependencyError(MssBenchError):
    """An optional package or program is needed and not installed.

    Typical causes:

    - an extra of the package that was left out, such as ``onnx`` or ``pitch``;
    - ffmpeg for MP3, AAC or ``.stem.mp4`` files;
    - another virtual environment than the one where it was installed (``which mss-bench`` says which is used).

    What to do:

    - The message ends with the command that installs it. ``pip install 'mss-bench[onnx,pitch]'`` takes several extras.
    - Without it, leave the separator or metric out: nothing else needs it.

    Parameters
    ----------
    what : str
        The missing package or program.
    needed_for : str
        What asked for it.
    install : str
        How to get it, e.g. ``pip install 'mss-bench[onnx]'``.
    """

    code = "missing-dependency"

    def __init__(self, what: str, needed_for: str, install: str) -> None:
        super().__init__(f"{needed_for} needs {what}, which is not installed; install it with: {install}")


class SeparatorError(MssBenchError):
    """A separator that runs in an interpreter or a program of its own has failed there.

    Typical causes:

    - an exception over there: the message ends with it;
    - a package that the other environment lacks, or a version of it that reads other weights;
    - print-outs of the other program where answers are expected.

    What to do:

    - ``mss-bench status RUN --failures`` prints the traceback and what the other program printed last.
    - ``mss-bench separators check NAME`` repeats it on eight seconds of music.
    """

    code = "separator"


class SeparatorCrashError(SeparatorError):
    """The process of a separator has died: it was killed, or ended without an answer.

    Typical causes:

    - too little memory: the system kills the largest process (SIGKILL), or ``--memory-limit`` does;
    - a fault in compiled code (SIGSEGV), such as of a driver or of two libraries that do not go together.

    What to do:

    - Run fewer at a time with ``--jobs 1``, or shorter pieces (``chunk`` of a manifest).
    - ``mss-bench status RUN --failures`` prints what it said last. The other songs and methods are not touched; the
      same command tries again what failed.

    Parameters
    ----------
    what : str
        Which process it was.
    cause : str
        How it ended: "was killed by SIGSEGV".
    """

    code = "separator-crash"

    def __init__(self, what: str, cause: str) -> None:
        self.cause = cause
        super().__init__(f"{what} {cause}")


class SeparatorTimeoutError(SeparatorError):
    """The process of a separator took longer than its limit and was killed.

    Typical causes:

    - a limit (``--timeout``, or ``timeout`` of a command) that is too short for the longest song;
    - a program that waits for input, for a lock or for a download.

    What to do:

    - Raise ``--timeout``; ``mss-bench run --dry-run`` says how long cells of each method take.
    - Run the program by hand on one song, and see what it waits for.
    """

    code = "separator-timeout"


class RunError(MssBenchError):
    """A run cannot be planned, resumed or read.

    Typical causes:

    - the folder of another run: another data set, subset, duration or seed cannot stand in the same table;
    - two different methods under one name;
    - another process that computes in the same folder;
    - a folder that is no run, or was made by another version of the package.

    What to do:

    - Choose another folder with ``--out DIR``, or take a method out of this one with
      ``mss-bench results remove RUN -s NAME``.
    - Call one of two methods otherwise: ``-s NAME:as=OTHER``.
    - ``mss-bench status RUN`` says what a folder holds.
    """

    code = "run-folder"


class DamagedError(RunError):
    """A file of a run folder is not what was written.

    Typical causes:

    - a disk that was full, or a machine that was switched off while it was written;
    - a file that was edited, or copied in part.

    What to do:

    - Repeat the command that made the run: what is whole is taken, the rest is computed anew.
    - ``mss-bench results rebuild RUN`` makes tables anew from the cells.
    """

    code = "damaged"


class RatingsError(MssBenchError):
    """Ratings of listeners cannot be read, or do not suffice for what was asked.

    Typical causes:

    - a table whose columns have names of their own;
    - numbers outside of the scale, or with decimal commas in some rows;
    - too few songs, systems or listeners for a test;
    - a file that was cut off, or is a workbook and no CSV.

    What to do:

    - ``mss-bench listen import FILE --columns listener=...,item=...,system=...,score=...`` says which column is what;
      ``--scale LOW,HIGH`` what the ratings range over.
    - ``mss-bench listen plan TEST.yaml`` says how many listeners and trials a test takes.
    """

    code = "ratings"
