"""``mss-bench separate``."""

from __future__ import annotations

import argparse
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from mss_bench.cli.options import Parser, Shared, add_options, parsed
from mss_bench.core.parameters import REQUIRED, Parameterized, param
from mss_bench.core.streams import controlling
from mss_bench.core.text import harmless
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.core.audio import AudioInfo
    from mss_bench.core.spec import Spec
    from mss_bench.separators import Separator

__all__ = ["configure", "execute"]

_EXAMPLES = """
examples:
  mss-bench separate song.mp3 -s hpss
  mss-bench separate *.flac -s harmonic_mask -s repet_sim:max_neighbours=50 --out stems

The stems lie in DIR/<separator>/<file>/<target>.wav as 32-bit float WAV of the file's rate and channels, and add up to
the file; what a method does not deliver is rest.wav. Random methods draw by the name of the song, as in a run: that of
the file, or of its folder where the file is called mixture or mix. See also: mss-bench separators list
"""


class Command(Parameterized):
    """Options of the verb."""

    files: tuple[Path, ...] = param(
        flag="FILE", metavar="FILE", doc="WAV, FLAC, OGG, MP3 or whatever else libsndfile reads."
    )
    out: Path = param(Path("separated"), short="-o", metavar="DIR", doc="Folder for the stems.")
    overwrite: bool = param(False, doc="Replace the stems of an earlier separation.")


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.epilog = _EXAMPLES
    add_options(parser, Command, ["files"])
    separators = {"doc": "Separator as name or name:key=value,key=value.", "default": REQUIRED}
    add_options(parser, RunOptions, ["separators"], separators=separators)
    add_options(parser, Command, ["out", "overwrite"])
    add_options(parser, RunOptions, ["device", "seed", "plugins"])
    add_options(parser, Shared, ["quiet"], quiet={"doc": "No progress."})


@dataclass(frozen=True)
class _Job:
    """A file and the folder for its stems."""

    file: AudioInfo
    folder: Path

    @property
    def seconds(self) -> float:
        """Return the length of the file."""
        return self.file.frames / self.file.sample_rate


def execute(args: argparse.Namespace) -> int:
    """Check everything first, then separate; the status is 1 where a separation failed on the way."""
    from mss_bench.running.separation import make_separator, require_free
    from mss_bench.separators import separators

    command, options, quiet = parsed(args, Command), parsed(args, RunOptions), "quiet" in args
    for plugin in options.plugins:
        separators.add_file(plugin)
    specs = {str(spec): spec for spec in options.separator_specs()}
    made = {label: make_separator(spec) for label, spec in specs.items()}
    # Check everything before the first separation, so that a wrong file does not cost an hour.
    jobs = {label: _jobs(command, label, separator) for label, separator in made.items()}
    for job in (job for several in jobs.values() for job in several):
        require_free(job.folder, overwrite=command.overwrite)
    total, done, failed = sum(map(len, jobs.values())), 0, 0
    for label, separator in made.items():
        separator.load(options.device)
        try:
            for job in jobs[label]:
                done += 1
                progress = _Progress(f"[{done}/{total}] {job.file.path.name} · {label}", job.seconds, quiet=quiet)
                failed += not _separate(
                    job, separator, specs[label], progress, seed=options.seed, overwrite=command.overwrite
                )
        finally:
            separator.close()
    return 1 if failed else 0


def _jobs(command: Command, label: str, separator: Separator) -> list[_Job]:
    """Return the jobs of a separator, checked as far as the files' headers allow.

    Raises
    ------
    MssBenchError
        A file that is not audio or that the separator does not take, or two files that would share a folder.
    """
    from mss_bench.core import audio
    from mss_bench.core.files import folder_name
    from mss_bench.errors import AudioError, ConfigError

    jobs: dict[Path, _Job] = {}
    for name in dict.fromkeys(command.files):
        info = audio.info(name, any_decoder=True)
        if reason := separator.refuses(info.channels, str(name)):
            raise AudioError(f"{reason}; choose another separator or file")
        folder = command.out / folder_name(label) / info.path.stem
        if folder in jobs:
            raise ConfigError(
                f"{jobs[folder].file.path} and {name} would both be separated into {folder}; separate them one after "
                "the other with another --out each"
            )
        jobs[folder] = _Job(info, folder)
    return list(jobs.values())


def _separate(job: _Job, separator: Separator, spec: Spec, progress: _Progress, *, seed: int, overwrite: bool) -> bool:
    """Read, separate and write; return whether that went well."""
    from mss_bench.core import audio
    from mss_bench.errors import MssBenchError
    from mss_bench.running.separation import separate_mixture, song_name, write_stems

    facts = {"file": job.file.path.name, "separator": spec.plain(), "seed": seed}
    try:
        mixture = audio.read(job.file.path, any_decoder=True)
        with progress:
            song = song_name(job.file.path)
            result = separate_mixture(separator, mixture, job.file.sample_rate, seed=seed, song=song)
            paths = write_stems(job.folder, result, job.file.sample_rate, facts, overwrite=overwrite)
            progress.done = True
    except MssBenchError as error:
        print(f"mss-bench: {job.file.path}: {spec}: {error}", file=sys.stderr)
        return False
    except Exception as error:  # a defect of the method must not keep the other files from being separated
        traceback.print_exc()
        print(f"mss-bench: {job.file.path}: {spec}: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    for note in result.notes:
        print(f"note: {job.file.path.name}: {note}", file=sys.stderr)
    for path in paths:
        print(path)
    return True


class _Progress:
    """Show which file is being separated, since when, and at the end how fast: one line, updated on a terminal.

    Parameters
    ----------
    name : str
        What is separated by what.
    seconds : float
        Length of the audio.
    quiet : bool
        Show nothing.
    """

    def __init__(self, name: str, seconds: float, *, quiet: bool, stream: TextIO | None = None) -> None:
        self.name, self.seconds, self.quiet = harmless(name, keep=""), seconds, quiet
        self.stream = controlling(stream or sys.stderr)
        self.done = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        if not self.quiet and self.stream.isatty():
            self._thread = threading.Thread(target=self._tick, daemon=True)
            self._thread.start()
        elif not self.quiet:
            print(f"{self.name} ({_length(self.seconds)}) ...", file=self.stream, flush=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            print("\r\x1b[K", end="", file=self.stream)
        if self.done and not self.quiet:
            elapsed = time.perf_counter() - self._started
            print(
                f"{self.name}: {_length(self.seconds)} in {_length(elapsed)}, {self.seconds / elapsed:.3g}x real time",
                file=self.stream, flush=True,
            )  # fmt: skip

    def _tick(self) -> None:
        while not self._stop.is_set():
            elapsed = _length(time.perf_counter() - self._started)
            print(f"\r\x1b[K{self.name} ({_length(self.seconds)}), {elapsed}", end="", file=self.stream, flush=True)
            self._stop.wait(0.5)


def _length(seconds: float) -> str:
    from mss_bench.core.text import duration

    return duration(seconds) if seconds >= 10 else f"{seconds:.1f} s"
