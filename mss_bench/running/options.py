"""Options of a run: the same for the command line, a YAML run file and Python."""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import psutil

from mss_bench.core.config import ConfigMap, load_yaml
from mss_bench.core.spec import Spec, needs_parameters
from mss_bench.datasets.catalog import Dataset, get
from mss_bench.datasets.folder import from_references
from mss_bench.errors import ConfigError
from mss_bench.running.supervise import Limits
from mss_bench.separators import separators

__all__ = ["DEFAULT_METRICS", "RunOptions", "default_separators", "read_run_file"]

_WORKER_MB = 1500.0  # what a worker is taken to need where no limit is given

DEFAULT_METRICS: tuple[str, ...] = ("bss_eval", "usdr", "si_sdr")


@dataclass(frozen=True)
class RunOptions:
    """What to run and how.

    Parameters
    ----------
    dataset : str, mapping or Dataset
        A name of the catalog, with options as ``demo:n_songs=12`` or ``{name: demo, n_songs: 12}``;
        ``references:dir=DIR`` for a bare folder of stems; or a data set itself.
    separators : tuple of str or mapping
        ``"hpss:power=2"`` or ``{"name": "hpss", "power": 2}``; ``"all"`` for every one, empty for all but slow ones.
    metrics : tuple of str or mapping
        Likewise; ``"all"`` for every fast one that is installed, empty for `DEFAULT_METRICS`.
    subset : str, optional
        A subset, ``"all"``, or the data set's default.
    tracks : tuple of str
        Names; empty for all.
    max_tracks : int, optional
    duration : float, optional
        Only the first seconds of each track.
    jobs : int, optional
        Worker processes; one a core by default.
    out : path, optional
        Run folder; ``runs/<data set>`` by default.
    seed : int
    save_estimates : bool
        Keep the estimates as float32 WAV in the run folder.
    media : tuple of str
        Tracks of which estimates are kept and, once all methods are scored, excerpts to hear and see are written;
        ``"all"`` for every one. See `mss_bench.running.media`.
    timeout : float, optional
        Seconds that a cell may take.
    memory_limit : float, optional
        MiB of resident memory that a worker with its descendants may take.
    retries : int
        How often a cell is tried again when its worker crashed.
    fail_fast : bool
        Stop at the first cell that fails.
    shard : str, optional
        ``"i/N"``: only the i-th of N parts, for job arrays; all parts share one run folder.
    scheduler : str, optional
        Address of a dask.distributed scheduler, or ``local:N`` for a local one with N workers.
    device : str
        For separators that can use one.
    plugins : tuple of path
        Python files with separators or metrics.
    datasets : tuple of path
        Further catalogs.
    root : path, optional
        Folder of the data set instead of the declared one.
    rehash : bool
        Hash file contents again instead of trusting size and modification time.
    """

    dataset: str | Mapping[str, Any] | Dataset = "demo"
    separators: tuple[Any, ...] = ()
    metrics: tuple[Any, ...] = ()
    subset: str | None = None
    tracks: tuple[str, ...] = ()
    max_tracks: int | None = None
    duration: float | None = None
    jobs: int | None = None
    out: str | Path | None = None
    seed: int = 0
    save_estimates: bool = False
    media: tuple[str, ...] = ()
    timeout: float | None = None
    memory_limit: float | None = None
    retries: int = 1
    fail_fast: bool = False
    shard: str | None = None
    scheduler: str | None = None
    device: str = "cpu"
    plugins: tuple[str, ...] = field(default=())
    datasets: tuple[str, ...] = ()
    root: str | Path | None = None
    rehash: bool = False

    def __post_init__(self) -> None:
        for name in ("separators", "metrics", "tracks", "media", "plugins", "datasets"):
            value = getattr(self, name)
            listed = [value] if isinstance(value, str | Mapping | Spec | Path) else value
            if not isinstance(listed, list | tuple):
                raise ConfigError(f"{name} is {value!r}, expected a list")
            allowed = (str, Mapping, Spec) if name in ("separators", "metrics") else (str, Path)
            for each in listed:
                if not isinstance(each, allowed) or each == "":
                    raise ConfigError(f"{name} holds {each!r}, expected {'specs' if Spec in allowed else 'names'}")
            object.__setattr__(self, name, tuple(listed))
        for name in ("subset", "out", "root"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str | Path) or not str(value)):
                raise ConfigError(f"{name} is {value!r}, expected a {'name' if name == 'subset' else 'folder'}")
        for name in ("max_tracks", "jobs", "duration", "timeout", "memory_limit"):
            value = getattr(self, name)
            number = int if name in ("max_tracks", "jobs") else int | float
            if value is not None and (not isinstance(value, number) or isinstance(value, bool) or value <= 0):
                kind = "whole number" if number is int else "number"
                raise ConfigError(f"{name} is {value!r}, expected a {kind} above 0")
        for name in ("seed", "retries"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ConfigError(f"{name} is {value!r}, expected a whole number from 0 on")
        self.shard_numbers()

    def open_dataset(self) -> Dataset:
        """The data set with root and options applied."""
        if isinstance(self.dataset, Dataset):
            return self.dataset
        spec = Spec.parse(self.dataset)
        if spec.name == "references":
            return from_references(str(spec.params.get("dir", ".")))
        return get(spec.name, self.datasets, self.root, **spec.params)

    def separator_specs(self) -> list[Spec]:
        """The separators as specs."""
        if not self.separators:
            return default_separators()
        found = []
        for spec in map(Spec.parse, self.separators):
            found += default_separators(slow=True) if str(spec) == "all" else [spec]
        return list({str(spec): spec for spec in found}.values())  # one that is named besides "all" stands once

    def metric_specs(self) -> list[Spec]:
        """The metrics as specs."""
        found = []
        for spec in map(Spec.parse, self.metrics or DEFAULT_METRICS):
            found += all_metrics() if str(spec) == "all" else [spec]
        return list({str(spec): spec for spec in found}.values())

    def shard_numbers(self) -> tuple[int, int] | None:
        """``shard`` as numbers."""
        if self.shard is None:
            return None
        match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", self.shard)
        if match is None or int(match[1]) > int(match[2]):
            raise ConfigError(f"shard is {self.shard!r}, expected i/N with i from 1 to N, e.g. 3/10")
        return int(match[1]), int(match[2])

    def limits(self) -> Limits:
        """What a cell may take."""
        return Limits(self.timeout, self.memory_limit, self.retries)

    def job_count(self) -> int:
        """Worker processes: as asked, else one a core as far as the free memory reaches."""
        if self.jobs is not None:
            return self.jobs
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        room = psutil.virtual_memory().available / 2**20 / (self.memory_limit or _WORKER_MB)
        return max(1, min(cores, int(room)))

    def folder(self, dataset: Dataset) -> Path:
        """The run folder."""
        return Path(self.out) if self.out is not None else Path("runs") / dataset.name

    def describe(self) -> dict[str, Any]:
        """The options as plain data, for ``run.json``."""
        shown = {f.name: getattr(self, f.name) for f in fields(self)}
        shown["dataset"] = self.dataset.name if isinstance(self.dataset, Dataset) else self.dataset
        shown["separators"] = [s.plain() for s in self.separator_specs()]
        shown["metrics"] = [m.plain() for m in self.metric_specs()]
        for name in ("plugins", "datasets"):
            shown[name] = [str(Path(p).resolve()) for p in shown[name]]
        for name in ("root", "out"):
            shown[name] = None if shown[name] is None else str(Path(shown[name]).resolve())
        return shown


def default_separators(*, slow: bool = False) -> list[Spec]:
    """Every registered separator that needs no parameter, the IRM with both exponents.

    Parameters
    ----------
    slow : bool
        Those, too, that declare to be slow: what ``all`` means.
    """
    specs = []
    for name, cls in separators.load_all().items():
        if needs_parameters(cls) or (cls.extra and not cls.available()):
            continue
        if cls.slow and not slow:
            continue
        specs += [Spec(name, {"exponent": e}) for e in (1, 2)] if name == "irm" else [Spec(name)]
    return specs


def all_metrics() -> list[Spec]:
    """Every registered metric that is fast and installed and needs no parameter: what ``all`` means."""
    from mss_bench.metrics import metrics

    return [
        Spec(name)
        for name, cls in metrics.load_all().items()
        if not cls.slow and cls.available() and not needs_parameters(cls)
    ]


def read_run_file(path: str | Path) -> dict[str, Any]:
    """Options from a YAML run file.

    Raises
    ------
    ConfigError
        With file and line: unknown keys, wrong types.
    """
    config = load_yaml(path)
    known = {f.name for f in fields(RunOptions)}
    config.only(known, "a run file")
    hints = typing.get_type_hints(RunOptions)
    for key, value in config.items():
        if key in ("separators", "metrics", "tracks", "media", "plugins", "datasets"):
            if not isinstance(value, list | str | ConfigMap):
                config.fail(f"{key} is {value!r}, expected a list", key)
        elif key == "dataset":
            if not isinstance(value, str | ConfigMap):
                config.fail(f"dataset is {value!r}, expected a name or a mapping with a name", key)
        elif (
            value is not None
            and not isinstance(value, hints[key])
            and not (isinstance(value, int) and hints[key] == float | None)
        ):
            config.fail(f"{key} is {value!r}, expected {_name(hints[key])}", key)
    try:
        RunOptions(**config)
    except ConfigError as error:
        config.fail(str(error))
    return dict(config)


def _name(hint: Any) -> str:
    names = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}
    found = [names[o.__name__] for o in typing.get_args(hint) or (hint,) if o.__name__ in names]
    return " or ".join(found)
