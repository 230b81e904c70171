"""Read the audio of a finished run: its tracks, and its estimates, separated again where they were not saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core import audio
from mss_bench.core.files import folder_name
from mss_bench.core.schema import is_floor, method_label
from mss_bench.core.tracks import Audio, Stems, Track
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.running.options import RunOptions
from mss_bench.running.outputs import EstimateNote, estimates_folder, read_note
from mss_bench.running.start import prepare, start
from mss_bench.running.store import read_info, read_plan
from mss_bench.running.tables import read_table

__all__ = ["Estimate", "RunAudio"]


@dataclass(frozen=True)
class Estimate:
    """A method's estimate of one target of a track.

    Parameters
    ----------
    target : (channels, samples) float32
    rest : (channels, samples) float32 or None
        Everything else in the mixture, where it was asked for and the method delivered that too.
    sources : dict of str to str
        The files that were read, relative to a run's estimates, and their SHA-256.
    """

    target: Audio
    rest: Audio | None
    sources: dict[str, str]


class RunAudio:
    """Audio of a run.

    Parameters
    ----------
    run : Path
        The run folder.
    work : Path
        Where estimates are made that the run did not keep.

    Attributes
    ----------
    dataset : Dataset

    Raises
    ------
    RunError
        No run, or one of arrays or folders that cannot be opened again.
    """

    def __init__(self, run: Path, work: Path) -> None:
        self.run, self.work = run, work
        self._info, self._cells = read_info(run), read_plan(run)["cells"]
        self._options = RunOptions.recorded(self._info["options"])
        self.dataset = self._options.open_dataset()

    def labels(self) -> list[str]:
        """Return the names of the run's methods, in its order."""
        return [str(known["label"]) for known in self._info["separators"]]

    def methods(self, target: str) -> list[str]:
        """Return the methods that have a score for a target, in the run's order; without the floor."""
        own = read_table(self.run, "tracks")
        own = own[(own["target"] == target) & own["value"].notna()]
        with_score = set(map(method_label, own["separator"], own["params"]))
        return [label for label in self.labels() if label in with_score and not is_floor(label)]

    def tracks(self) -> list[Track]:
        """Return the tracks of the run."""
        names = sorted({(c["track"]["subset"], c["track"]["name"]) for c in self._cells})
        tracks: list[Track] = []
        for subset in dict.fromkeys(subset for subset, _ in names):
            wanted = [name for of, name in names if of == subset]
            tracks += self.dataset.tracks(subset or None, wanted, duration=self._options.duration)
        return self._options.perturbed(tracks)

    def missing(self, methods: Sequence[str], tracks: Sequence[Track]) -> list[str]:
        """Return the methods of which estimates are not on disk, which `prepare` makes.

        Raises
        ------
        RunError
            They were read from a folder, and only scores were kept.
        """
        missing = [m for m in methods if any(self._folder(m, t) is None for t in tracks)]
        if read := [str(m["label"]) for m in self._info["separators"] if m["label"] in missing and m["only_reads"]]:
            raise RunError(
                f"{self.run} has scores of {', '.join(read)}, which were read from a folder, but no sound: score that "
                f"folder again with --save-estimates -o {self.run}"
            )
        return missing

    def prepare(self, methods: Sequence[str], tracks: Sequence[Track], jobs: int | None = None) -> None:
        """Make the estimates that are not on disk.

        Raises
        ------
        UnknownNameError
            A method that the run does not have.
        RunError
            A method that fails on one of the tracks, with its reason, or that was read from a folder (see `missing`).
        """
        missing = self.missing(methods, tracks)
        if not missing:
            return
        same = (
            "dataset", "map", "fit", "missing_stems", "duration", "perturbations", "seed", "timeout", "memory_limit",
            "device", "plugins", "catalogs", "root",
        )  # fmt: skip
        options = RunOptions(
            separators=tuple(self._spec(m) for m in missing), metrics=("usdr",), jobs=jobs, out=self.work,
            subset=tracks[0].id.subset or None, tracks=tuple(t.name for t in tracks), save_estimates=True,
            **{name: getattr(self._options, name) for name in same},
        )  # fmt: skip
        if start(prepare(options), quiet=True).interrupted:
            raise KeyboardInterrupt
        failures = read_table(self.work, "failures")
        asked = {(method, track.name) for method in missing for track in tracks}
        for _, row in failures[~failures["status"].isin(["ok", "skipped"])].iterrows():
            label = method_label(row["separator"], row["params"])
            if (label, row["track"]) not in asked:  # the folder keeps what it was asked for before
                continue
            raise RunError(
                f"{label} failed on {row['track']!r} ({row['status']}): "
                f"{row['reason']}; leave it out of systems or choose other excerpts"
            )

    def estimates(self, method: str, track: Track) -> Stems:
        """Return a method's estimates of a track, with derived targets summed where it delivers all stems.

        Raises
        ------
        RunError
            Where there is nothing (see `prepare`), or a file was changed since the run.
        """
        folder, note = self._note(method, track)
        stems = {name: _read(folder, name, note, track) for name in sorted(note["sha256"])}
        return self.dataset.targets.resolve(stems)

    def estimate(
        self, method: str, track: Track, target: str, *, rest: bool = False, start: float = 0.0,
        duration: float | None = None,
    ) -> Estimate:  # fmt: skip
        """Return a method's estimate of one target, summed where the target is a sum and all stems were delivered.

        Only files that are needed are read, and each must be what the run wrote.

        Parameters
        ----------
        method : str
        track : Track
        target : str
        rest : bool
            Whether everything else is read too.
        start, duration : float
            The part that is read, in seconds; all by default.

        Raises
        ------
        RunError
            There are no estimates (see `prepare`), none of this target, or a file was changed since the run.
        """
        folder, note = self._note(method, track)
        delivered = note["sha256"]
        targets = self.dataset.targets
        files = targets.sum_of(target, delivered)
        if not files:
            raise RunError(
                f"{method} delivered no {target} for {track.name!r}, only {', '.join(delivered)}; leave it out of "
                "systems"
            )
        others: tuple[str, ...] = ()
        if rest:
            beside = tuple(s for s in targets.stems if s not in targets[target])
            whole = next((t for t in targets if t in delivered and set(targets[t]) == set(beside)), None)
            further = targets.beyond(delivered) if "other" in beside else ()
            others = (whole,) if whole else (*beside, *further) if all(s in delivered for s in beside) else ()
        needed = dict.fromkeys([*files, *others])
        read = {name: _read(folder, name, note, track, start, duration) for name in needed}
        where = f"{folder_name(method)}/{track.id.subset}/{track.name}"
        return Estimate(
            _sum([read[name] for name in files]),
            _sum([read[name] for name in others]) if others else None,
            {f"{where}/{name}.wav": delivered[name] for name in sorted(read)},
        )

    def as_scored(self, method: str, track: Track) -> bool:
        """Return whether the estimates are those that the run scored: of the same code and the same data."""
        key = self._note(method, track)[1]["estimate_key"]
        return any(
            cell["estimate_key"] == key
            for cell in self._cells
            if (cell["track"]["subset"], cell["track"]["name"]) == (track.id.subset, track.name)
            and method_label(cell["separator"], cell["params"]) == method
        )

    def _folder(self, method: str, track: Track) -> Path | None:
        for run in (self.run, self.work):
            folder = estimates_folder(run, method, track.id)
            if (folder / "estimate.json").is_file():
                return folder
        return None

    def _note(self, method: str, track: Track) -> tuple[Path, EstimateNote]:
        """Return the folder of estimates and the note with the hashes of its files."""
        folder = self._folder(method, track)
        if folder is None:
            raise RunError(f"there are no estimates of {method} for {track.name!r}")
        try:
            return folder, read_note(folder)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(
                f"{folder / 'estimate.json'} is damaged ({reason}); delete its folder, and the estimates are made again"
            ) from error

    def _spec(self, method: str) -> dict[str, Any]:
        for known in self._info["separators"]:
            if known["label"] == method:
                alias = method if ":" not in method and method != known["name"] else ""
                spec: dict[str, Any] = {"name": known["name"]} | known["params"]
                return spec | ({"as": alias} if alias else {})
        raise UnknownNameError("system of the run", method, self.labels())


def _read(
    folder: Path, name: str, note: EstimateNote, track: Track, start: float = 0.0, duration: float | None = None
) -> Audio:
    file = folder / f"{name}.wav"
    if not file.is_file() or audio.hash_file(file) != note["sha256"][name]:
        raise RunError(
            f"{file} is {'not what the run wrote' if file.is_file() else 'missing'}; delete its folder, and the "
            "estimates are made again"
        )
    return audio.read(file, track.sample_rate, start=start, duration=duration)


def _sum(parts: Sequence[Audio]) -> Audio:
    return parts[0] if len(parts) == 1 else np.sum(parts, axis=0, dtype=np.float32)
