"""A separator that runs in a Python of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core.audio import hash_file
from mss_bench.core.parameters import MappingError, Parameterized, check, param, parameters
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.errors import ConfigError, MissingDependencyError, MssBenchError, RunError, SeparatorCrashError
from mss_bench.separators.external.outside import Outside
from mss_bench.separators.external.process import PeerProcess, explain_start, find_program

__all__ = ["RECIPES", "External", "Facts"]

RECIPES = Path(__file__).with_name("recipes")
"""The scripts that come with the package."""

_START_SECONDS = 120.0  # in which a script is to be read; models are loaded later, without a limit but the run's


class External(Outside):
    """Separate in a Python of its own, with packages of its own: TensorFlow with NumPy 1 say, or an old torch.

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

    Further parameters are those of the script's class. What it declares, see `Facts`, is an attribute of the class or
    is set in ``__init__``; `mss_bench.separators.external` shows the scripts that come with the package.

    One process serves all tracks that a worker separates. What the script prints comes through as it comes, on standard
    error or in the worker's log. An exception over there is this track's error, with the end of its traceback;
    ``sys.exit("what is wrong")`` is its message alone. A
    process that dies costs the track at which it died; for the next one there is another. It is ended with its worker.

    The content of the script, the parameters, the versions of Python and of every package installed there, and the
    content of `weights` are part of the estimate key; where these lie is not. The script's own folder cannot be
    imported from, since what lies there would not be part of it: install what several scripts share.

    Raises
    ------
    ConfigError
        Interpreter or script are not there or do not work, or the script knows no such parameter.
    MissingDependencyError
        A package is missing over there.
    """

    name = "external"
    family = "deep"
    foreign_code = True
    path_parameters = ("python", "script", "weights")
    further_parameters = True

    python: str = param(
        doc="The interpreter, e.g. ``/path/to/venv/bin/python``; ``PYTHONPATH`` and the user's site do not apply to it."
    )
    script: str = param(
        doc="A file that ends in ``.py``, or the name of one that comes with the package: asteroid, audio_separator, "
        "mss_bench, spleeter."
    )

    def setup(self) -> None:
        super().setup()
        self._python = find_program(self.python, f"separator external, python={self.python}")
        self._script = _script(self.script)
        self._options = self.further | ({"weights": str(self._weights)} if self._weights else {})
        self._what = f"{self._script.name} under {self._python}"
        self._peer: PeerProcess | None = None
        self._device: str | None = None
        peer, self._environment = self._started()
        peer.kill()

    def _started(self) -> tuple[PeerProcess, dict[str, Any]]:
        """Start a process that reads the script; return it with the versions of what it consists of."""
        content = hash_file(self._script)
        peer = PeerProcess(self._python, self._what)
        try:
            asked = {"script": str(self._script), "options": self._options, "facts": list(parameters(Facts))}
            reply = peer.ask("open", _START_SECONDS, **asked)
            facts = Facts.from_mapping(reply["facts"], self._what)
        except BaseException as error:
            peer.kill()
            if isinstance(error, SeparatorCrashError):
                raise explain_start(self._python, self._what, error.cause) from None
            if isinstance(error, MssBenchError) and not isinstance(error, MissingDependencyError):
                raise ConfigError(f"{self._what}: {error}" if isinstance(error, MappingError) else str(error)) from None
            raise
        for name, value in facts.values().items():
            setattr(self, name, value)
        if self.map or self.map.declined:  # the user's word comes before the script's
            self.stem_map = self.map
        return peer, {"script": content} | reply["environment"]

    def environment(self) -> dict[str, Any]:
        """Return the script's hash, and the versions of the other Python and of its packages."""
        return self._environment

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
        if self._peer is None or not self._peer.alive:  # it died with the last track
            self.load(self._device or "cpu")
        assert self._peer is not None
        arrays = [mixture, *(references or {}).values()]
        self._peer.send([self.at_own_rate(array, sample_rate) for array in arrays])
        names = self._peer.ask(
            "separate",
            sample_rate=self.sample_rate or sample_rate,
            stems=targets.stems,
            derived={target: stems for target, stems in targets.items() if target not in targets.stems},
            rng=rng.bit_generator.state,
            references=list(references or {}),
        )["estimates"]
        estimates = dict(zip(names, self._peer.receive(len(names)), strict=True))
        return {name: self.at_rate(sample_rate, e, mixture.shape[-1]) for name, e in estimates.items()}


class Facts(Parameterized):
    """What a script's class may declare, as `mss_bench.separators.base.Separator` does."""

    target_sets: list[Any] = param([], doc="Sets of targets.", expects="a tuple of tuples of names")
    channels: tuple[int, ...] = param((), at_least=1, doc="Channel counts that it takes; empty: any.")
    sample_rate: int | None = param(None, at_least=1, unit="Hz", doc="The only one that it works at.")
    deterministic: bool = param(True, doc="The output depends on input, parameters and rng alone.")
    random: bool = param(False, doc="It draws from rng: another seed gives other estimates.")
    adds_up: bool = param(False, doc="The estimates sum to the mixture.")
    scale_equivariant: bool = param(False, doc="A gain on the mixture is one on every estimate.")
    channel_equivariant: bool = param(False, doc="Channels swapped in the mixture are swapped in the estimates.")
    needs_references: bool = param(False, doc="An oracle: it is given the references.")
    stem_map: Any = param(
        "",
        expects="text like other=guitar+piano+other, or a mapping",
        doc="What its names mean, see `mss_bench.core.stem_map`.",
    )
    trained_on: tuple[str, ...] = param((), doc="What it learned from: data set/subset.")
    licence: str = param("", doc="Licence of code and weights.")
    citation: str = param("", doc="The paper.")
    assumption: str = param("", doc="What must hold for it to work.")

    @check("target_sets")
    def _sets_of_names(self) -> None:
        # Checked by hand: a lone name, or names without a second pair of brackets, would be taken for sets of one.
        if not all(isinstance(names, list) and names for names in self.target_sets):
            self.refuse("target_sets", "a tuple of tuples of names")

    @check("stem_map")
    def _map_of_names(self) -> None:
        StemMap.from_parameter(self.stem_map or None)

    def values(self) -> dict[str, Any]:
        # JSON has made lists of the tuples.
        sets = tuple(tuple(map(str, names)) for names in self.target_sets)
        return super().values() | {"target_sets": sets, "stem_map": StemMap.from_parameter(self.stem_map or None)}


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
