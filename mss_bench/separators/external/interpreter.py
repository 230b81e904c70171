"""A separator that runs in a Python of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core.audio import hash_file
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.errors import ConfigError, MissingDependencyError, MssBenchError, RunError, SeparatorCrashError
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_channels
from mss_bench.separators.external.process import PeerProcess, explain_start, find_program
from mss_bench.separators.external.rates import back_at, checked_rate, taken_to

__all__ = ["RECIPES", "External", "weight_files"]

RECIPES = Path(__file__).with_name("recipes")
"""The scripts that come with the package."""

_START_SECONDS = 120.0  # in which a script is to be read; models are loaded later, without a limit but the run's


class External(Separator):
    """A separator in a Python of its own, with packages of its own: TensorFlow with NumPy 1 say, or an old torch.

    The other interpreter needs Python 3.8 or newer and NumPy, 1 or 2; this package need not be installed there. It runs
    a script, one file with a class ``Separator`` that is written as in `mss_bench.separators.base`, without the base::

        class Separator:
            target_sets = (("vocals", "accompaniment"),)
            channels = (2,)
            sample_rate = 44100                 # a mixture of another rate is resampled, and the estimates back
            trained_on = ("musdb18/train",)
            licence = "MIT"

            def __init__(self, weights="", gain=0.5):       # its parameters; nothing heavy here
                self.weights, self.gain = weights, gain

            def load(self, device):                         # optional: imports, models
                ...

            def separate(self, mixture, sample_rate, *, targets, rng):
                return {"vocals": ..., "accompaniment": ...}  # arrays (channels, samples)

    What it declares is an attribute of the class or is set in ``__init__``; `mss_bench.separators.external` lists all,
    and the scripts that come with the package.

    One process serves all tracks that a worker separates. What the script prints comes through as it comes, on standard
    error or in the worker's log. An exception over there is this track's error, with the end of its traceback. A
    process that dies costs the track at which it died; for the next one there is another. It is ended with its worker.

    The content of the script, the parameters, the versions of Python and of every package installed there, and the
    content of `weights` are part of the estimate key; where these lie is not. The script's own folder cannot be
    imported from, since what lies there would not be part of it: install what several scripts share.

    Parameters
    ----------
    python : str
        The interpreter, e.g. ``/path/to/venv/bin/python``. Neither ``PYTHONPATH`` nor the user's site applies to it.
    script : str
        A file that ends in ``.py``, or the name of one that comes with the package: asteroid, audio_separator,
        mss_bench, spleeter.
    weights : str
        A file or folder that the script reads, handed to it as the parameter ``weights``.
    **options
        Further parameters of the script's class.

    Raises
    ------
    ConfigError
        Interpreter or script are not there or do not work, or the script knows no such parameter.
    MissingDependencyError
        A package is missing over there.
    """

    name = "external"
    family = "deep"
    path_parameters = ("python", "script", "weights")

    def __init__(self, python: str, script: str, weights: str = "", **options: Any) -> None:
        self._python = find_program(python, f"separator external, python={python}")
        self._script = _script(script)
        self._weights = Path(weights).expanduser().absolute() if weights else None
        if self._weights is not None:
            options["weights"] = str(self._weights)
            weight_files(self._weights)
        self.python, self.script, self.weights, self.options = python, script, weights, options
        self._what = f"{self._script.name} under {self._python}"
        self._peer: PeerProcess | None = None
        self._device: str | None = None
        peer, self._environment = self._started()
        peer.kill()

    def _started(self) -> tuple[PeerProcess, dict[str, Any]]:
        """A process that has read the script, and what it is made of."""
        content = hash_file(self._script)
        peer = PeerProcess(self._python, self._what)
        try:
            reply = peer.ask("open", _START_SECONDS, script=str(self._script), options=self.options)
            self._declare(reply["facts"])
        except BaseException as error:
            peer.kill()
            if isinstance(error, SeparatorCrashError):
                raise explain_start(self._python, self._what, error.cause) from None
            if isinstance(error, MssBenchError) and not isinstance(error, MissingDependencyError):
                raise ConfigError(str(error)) from None
            raise
        return peer, {"script": content} | reply["environment"]

    def _declare(self, facts: dict[str, Any]) -> None:
        """Take over what the script declares; JSON has made lists of tuples."""
        sets = facts.get("target_sets", [])
        if not isinstance(sets, list) or not all(isinstance(s, list) and s for s in sets):
            raise ConfigError(f"{self._what}: target_sets={sets!r}; expected a tuple of tuples of names")
        self.target_sets = tuple(tuple(map(str, names)) for names in sets)
        for name in ("channels", "trained_on"):
            value = facts.get(name, [])
            if not isinstance(value, list):
                raise ConfigError(f"{self._what}: {name}={value!r}; expected a tuple")
            setattr(self, name, tuple(value))
        flags = ("deterministic", "adds_up", "scale_equivariant", "channel_equivariant", "needs_references")
        for name in (*flags, "licence", "citation", "assumption"):
            value = facts.get(name, getattr(type(self), name))
            if not isinstance(value, bool if name in flags else str):
                expected = "True or False" if name in flags else "text"
                raise ConfigError(f"{self._what}: {name}={value!r}; expected {expected}")
            setattr(self, name, value)
        self.sample_rate = checked_rate(facts.get("sample_rate"), self._what)

    def environment(self) -> dict[str, Any]:
        """The script's hash, and the versions of the other Python and of its packages."""
        return self._environment

    def files(self, track: TrackId) -> list[Path]:
        """The weights."""
        return weight_files(self._weights)

    def load(self, device: str = "cpu") -> None:
        """Start the process and have the script load its model.

        Raises
        ------
        RunError
            Script or packages are not what they were when this object was made.
        """
        self.close()
        peer, environment = self._started()
        if environment != self._environment:
            peer.kill()
            raise RunError(f"{self._what} has changed since the run was planned; run it again")
        self._peer, self._device = peer, device
        peer.ask("load", device=device)

    def close(self) -> None:
        """End the process."""
        if self._peer is not None:
            self._peer.close()
        self._peer = None

    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
    ) -> Stems:
        """Have the script separate.

        Raises
        ------
        SeparatorError
            An exception over there, with the end of its traceback; `SeparatorCrashError` where the process died.
        """
        require_channels(self, mixture)
        if self._peer is None or not self._peer.alive:  # it died with the last track
            self.load(self._device or "cpu")
        assert self._peer is not None
        given = {"": mixture} | (references or {})
        self._peer.send([taken_to(self.sample_rate, array, sample_rate) for array in given.values()])
        reply = self._peer.ask(
            "separate",
            sample_rate=self.sample_rate or sample_rate,
            stems=targets.stems,
            derived={target: stems for target, stems in targets.items() if target not in targets.stems},
            rng=rng.bit_generator.state,
            references=list(references or {}),
        )
        names = reply["estimates"]
        estimates = self._peer.receive(len(names))
        return {
            name: back_at(sample_rate, estimate, self.sample_rate, mixture.shape[-1])
            for name, estimate in zip(names, estimates, strict=True)
        }


def _script(script: str) -> Path:
    if not script.endswith(".py") and "/" not in script:
        known = sorted(f.stem for f in RECIPES.glob("[!_]*.py"))
        if script not in known:
            raise ConfigError(
                f"separator external: script={script}; expected a file that ends in .py, or one of {', '.join(known)}"
            )
        return RECIPES / f"{script}.py"
    path = Path(script).expanduser().absolute()
    if not path.is_file():
        raise ConfigError(f"separator external: the script {script} does not exist; expected a Python file")
    return path


def weight_files(weights: Path | None) -> list[Path]:
    """All files of a file or folder of weights, sorted.

    Raises
    ------
    ConfigError
        It is not there or is empty.
    """
    if weights is None:
        return []
    files = [weights] if weights.is_file() else sorted(f for f in weights.rglob("*") if f.is_file())
    if not files:
        found = "is an empty folder" if weights.is_dir() else "does not exist"
        raise ConfigError(f"weights={weights} {found}; expected a file, or a folder with files")
    return files
