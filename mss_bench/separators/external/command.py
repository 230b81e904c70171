"""Any program that reads an audio file and writes audio files, as a separator."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mss_bench.core import audio
from mss_bench.core.files import lock
from mss_bench.core.listing import Listing
from mss_bench.core.parameters import param
from mss_bench.core.patterns import further_stems, user_layout
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.errors import (
    AudioError,
    ConfigError,
    InvalidOutputError,
    SeparatorCrashError,
    SeparatorError,
    SeparatorTimeoutError,
)
from mss_bench.separators.estimates.folder import pair, read_estimate, scan
from mss_bench.separators.external.outside import Outside
from mss_bench.separators.external.process import Program, find_program

__all__ = ["Command"]

_PLACEHOLDER = r"\{(\w+)\}"
_PLACEHOLDERS = ("input", "output_dir", "sample_rate", "weights", "device")
_NEEDED = ("input", "output_dir")
_SONG = TrackId("", "", "song")  # what the input file is called
_LOCK = ".lock"
_STALE_SECONDS = 60.0  # after which a folder without a lock belongs to nobody: it is locked as soon as it is made


class Command(Outside):
    """Separate with any program: it is given the mixture as a WAV file and writes estimates into a folder.

    ::

        separators:
          - {name: command, as: umx, targets: [vocals, drums, bass, other], weights: /models/umxl,
             command: "/venvs/umx/bin/umx {input} --model {weights} --outdir {output_dir}"}
          - {name: command, as: my_tool, targets: [vocals, accompaniment], sample_rate: 44100,
             command: "my_tool -i {input} -o {output_dir}", pattern: "*_({target})_*.wav"}
          - {name: command, as: fairseq, targets: [vocals, accompaniment], output: by order,
             command: "separate {input} {output_dir}"}

    No shell is involved: the command is split into words as a shell would, and nothing else. The program is started
    anew for each track; one that loads for long is better run as `mss_bench.separators.external`. What it prints comes
    through as it comes, on standard error or in the worker's log. It is ended with its worker, with all that it
    started.

    The program has succeeded when its exit status is 0 and every target has a file. The files are found and read as
    those of `mss_bench.separators.estimates`: spellings and layouts of the usual tools are recognised, other files are
    left alone, a wrong sample rate or channel count is an error, a wrong length is for the runner to judge.

    The words of the command are part of the estimate key; of a word that is a file, the program first of all, the
    content is, and not the place. So is the content of `weights`. What the program itself loads is not looked into:
    say by `release` which version it is.

    Raises
    ------
    ConfigError
        The program is not there, a placeholder is missing or unknown, or another parameter is wrong.
    """

    name = "command"
    path_parameters = ("command", "weights")

    command: str | tuple[str, ...] = param(
        doc="The command line, or its words. ``{input}`` is the mixture, ``song.wav``, in float32; ``{output_dir}`` an "
        "empty folder; both are needed. ``{weights}``, ``{sample_rate}`` and ``{device}`` (of the run) may be used."
    )
    targets: str | tuple[str, ...] = param(
        "", doc="What it delivers, with ``+`` between them or as a list; empty for all stems of the data set."
    )
    pattern: str = param(
        "",
        doc="How the files below the output folder are called, see `mss_bench.core.patterns`; "
        "``{track}`` is ``song`` and may be left out. Needed where the names are not recognised.",
    )
    output: str = param(
        "by name",
        choices=("by name", "by order"),
        doc="``by order`` where names of files say nothing (``song-out_0.wav``): sorted, with numbers as numbers, they "
        "are the `targets` in their order.",
    )
    sample_rate: int | None = param(
        None,
        at_least=1,
        unit="Hz",
        doc="Where the program works at one rate only: the mixture is resampled to it, and the estimates back.",
    )
    timeout: float | None = param(
        None, above=0, unit="s", doc="Time for one track; without it only the run's own limit holds."
    )
    release: str = param("", doc='What else determines the estimates, in words: "2.4.2".')

    def setup(self) -> None:
        super().setup()
        self._words = _words(self.command)
        self._program = find_program(self._words[0], "separator command")
        names = tuple(self.targets.split("+")) if isinstance(self.targets, str) else self.targets
        if names != ("",):
            if not all(names) or len(set(names)) < len(names):
                self.refuse("targets", "different names with + between them")
            self.target_sets = (names,)
        if self.output == "by order" and (self.pattern or not self.target_sets):
            self.refuse("output", "by name, or targets in the order of the files and no pattern")
        if self.pattern:
            user_layout(_with_track(self.pattern))
        if any("weights" in re.findall(_PLACEHOLDER, word) for word in self._words) != bool(self.weights):
            self.refuse("weights", f"a path where {self.command!r} has {{weights}}, and none elsewhere")
        self._title = Path(self._program).name
        self._device = "cpu"

    def environment(self) -> dict[str, Any]:
        """Return the words of the command; of those that are files the content."""
        return {"command": [_content(self._program), *map(_content, self._words[1:])]}

    def load(self, device: str = "cpu") -> None:
        """Note the device; the program is started for each track."""
        self._device = device

    def separate(self, mixture: Audio, sample_rate: int, *, targets: Targets, **_: Any) -> Stems:
        """Run the program on a mixture and read what it wrote.

        Raises
        ------
        SeparatorError
            The program failed; `SeparatorCrashError` where it was killed, `SeparatorTimeoutError` where it took too
            long.
        InvalidOutputError
            A target has no file, or two.
        AudioError
            A file cannot be read, or has another sample rate or channel count than the mixture.
        """
        rate = self.sample_rate or sample_rate
        with _scratch() as folder:
            source, output = folder / f"{_SONG.name}.wav", folder / _SONG.name
            output.mkdir()
            audio.write(source, self.at_own_rate(mixture, sample_rate), rate)
            values = {
                "input": source, "output_dir": output, "sample_rate": rate, "weights": self._weights,
                "device": self._device,
            }  # fmt: skip
            self._run([re.sub(_PLACEHOLDER, lambda match: str(values[match[1]]), word) for word in self._words[1:]])
            files = self._written(output, targets)
            estimates = {target: self._read(file, mixture, rate) for target, file in files.items()}
        return {t: self.at_rate(sample_rate, e, mixture.shape[-1]) for t, e in estimates.items()}

    def _run(self, arguments: list[str]) -> None:
        name = self._title
        process = Program([self._program, *arguments], name)
        try:
            status = process.exit_status(self.timeout)
            if status is None:
                raise SeparatorTimeoutError(
                    f"{name} took longer than {self.timeout:g} s and was killed{process.last_words()}"
                )
            if status < 0:
                raise SeparatorCrashError(name, process.cause_of_death())
            if status:
                raise SeparatorError(f"{name} {process.cause_of_death()}")
        finally:
            process.kill()

    def _written(self, output: Path, targets: Targets) -> dict[str, Path]:
        """Return the file of each target that is to be delivered."""
        if self.output == "by order":
            return self._in_order(output)
        listing = scan(output)
        refused, pattern = listing.refused, _with_track(self.pattern) if self.pattern else None
        if pattern != (self.pattern or None):
            # Every file is of the one song that there is, whose name the folder has.
            listing = Listing(output.parent, tuple(f"{output.name}/{f}" for f in listing.files), {})
        wanted = self.delivers(targets, _SONG)
        further = further_stems(targets, wanted)
        pairing = pair(listing, [_SONG], targets, pattern, explain=False, further=further)
        files = pairing.files.get(_SONG, {})
        for target in wanted:
            if paths := pairing.ambiguous.get((_SONG, target)):
                shown = ", ".join(str(path.relative_to(output)) for path in paths)
                raise InvalidOutputError(f"{self._title} wrote {shown} for {target}; expected one file, see `pattern`")
        if missing := [target for target in wanted if target not in files]:
            raise InvalidOutputError(
                f"{self._title} wrote no file for {', '.join(missing)}; it wrote {_all_files(output, refused)}. Where "
                "names do not tell the targets, `pattern` says how, or `output: by order` takes sorted files for them"
            )
        unknown = [name for name in targets.beyond(files) if name not in wanted]
        if unknown and "other" in wanted and "other" not in self.stem_map.targets:
            raise InvalidOutputError(
                f"{self._title} wrote {', '.join(unknown)}, too, which would be lost; say by `targets` all that it "
                f'delivers, or by `map` what they are: "other={"+".join(unknown)}+other"'
            )
        return {target: files[target] for target in wanted}

    def _in_order(self, output: Path) -> dict[str, Path]:
        """Return the file of each target, by the order of the names of files."""
        files = sorted((output / name for name in scan(output).files), key=_numbered)
        (names,) = self.target_sets
        if len(files) != len(names):
            raise InvalidOutputError(
                f"{self._title} wrote {_all_files(output, {})}; expected an audio file for each of {', '.join(names)}, "
                "in this order"
            )
        return dict(zip(names, files, strict=True))

    def _read(self, file: Path, mixture: Audio, rate: int) -> Audio:
        try:
            return read_estimate(file, mixture, rate)
        except AudioError as error:
            hint = "" if self.sample_rate else "; is `sample_rate` what the program works at?"
            message = str(error).replace(str(file), f"{file.name}, which {self._title} wrote,")
            raise AudioError(message + (hint if "sample rate" in message else "")) from None


def _words(command: str | tuple[str, ...]) -> list[str]:
    """Return the words of a command, checked.

    Raises
    ------
    ConfigError
    """
    what = f"separator command: command={command!r}"
    if isinstance(command, str):
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ConfigError(f"{what} cannot be split into words: {error}") from error
    else:
        words = list(command)
    if not words:
        raise ConfigError(f"{what} is empty; expected a program with {{input}} and {{output_dir}}")
    used = [name for word in words for name in re.findall(_PLACEHOLDER, word)]
    for name in used:
        if name not in _PLACEHOLDERS:
            raise ConfigError(f"{what} has {{{name}}}; known: {', '.join(f'{{{p}}}' for p in _PLACEHOLDERS)}")
    for name in _NEEDED:
        if name not in used:
            raise ConfigError(f"{what} has no {{{name}}}; both {{input}} and {{output_dir}} are needed")
    return words


def _content(word: str) -> str | dict[str, str]:
    """Return a word of a command, or what the file is that it names."""
    with contextlib.suppress(OSError):  # too long for the name of a file
        if Path(word).is_file():
            return {"file": Path(word).name, "sha256": audio.hash_file(word)}
    return word


def _numbered(file: Path) -> list[tuple[int, str]]:
    """Return what sorts files by name, with numbers in it as numbers: 10 comes after 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", str(file))]


def _with_track(pattern: str) -> str:
    return pattern if "{track" in pattern else f"{{track}}/{pattern}"


def _all_files(root: Path, refused: Mapping[str, str]) -> str:
    """Return all files that a program wrote, and why some are not read, in words."""
    files = sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())
    shown = [f"{file} ({refused[file]})" if file in refused else file for file in files[:10]]
    return ", ".join(shown) + (f" and {len(files) - 10} more" if len(files) > 10 else "") or "nothing"


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Make a folder and remove it afterwards; the next one to come does so where this process is killed meanwhile."""
    prefix = f"mss_bench-command-{os.getuid()}-"
    for old in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another process holds it
            if time.time() - old.stat().st_mtime > _STALE_SECONDS:
                with lock(old / _LOCK, timeout=0):
                    shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        with lock(folder / _LOCK):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
