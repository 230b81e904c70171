"""Options of a run: declared once for Python, the command line and a YAML run file.

Nothing heavy is imported before the options are used, so that ``mss-bench run --help`` answers at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from mss_bench.core.devices import check_device
from mss_bench.core.fit import FITS
from mss_bench.core.parameters import MappingError, Parameter, Parameterized, check, located, param, parameters
from mss_bench.core.schema import DEFAULT_METRICS
from mss_bench.core.stem_map import StemMap
from mss_bench.errors import ConfigError

if TYPE_CHECKING:
    from mss_bench.core.spec import Spec
    from mss_bench.core.tracks import Track
    from mss_bench.datasets import Dataset
    from mss_bench.perturbations.track import Chain
    from mss_bench.registry import Registry
    from mss_bench.running.execute import Limits

__all__ = ["RunOptions", "default_separators"]

_WORKER_MB = 1500.0  # what a worker is taken to need where no limit is given


class RunOptions(Parameterized):
    """Options that say what to run, and how."""

    former_names: ClassVar[Mapping[str, str]] = {"datasets": "catalogs"}

    dataset: Any = param(
        None, metavar="NAME", expects="a name, a mapping with a name or a Dataset",
        doc="Data set of the catalog, with options as in demo:n_songs=12, references:dir=DIR for a bare folder of "
        "stems, table:file=FILE for a CSV file that lists them, random_mix:of=NAME for its songs' stems mixed anew; in "
        "Python also a Dataset (default: that of the protocol, else demo).",
    )  # fmt: skip
    protocols: tuple[str, ...] = param(
        (), flag="--protocol", metavar="NAME,...",
        doc="Scoring protocol, as in sisec18@1, whose options stand in the place of those that are left out; all for "
        "every one that the data set serves (default: none).",
    )  # fmt: skip
    separators: tuple[str | Mapping[str, Any], ...] = param(
        (), flag="--separator", short="-s", metavar="SPEC,...", expects="names with parameters, as in hpss:power=2",
        doc="Separator as name or name:key=value,key=value, or all (default: all but slow ones).",
    )  # fmt: skip
    map: StemMap = param(
        StemMap(), metavar="NAME=...",
        expects='text like "vocals=lead;other=guitar+piano+other;accompaniment=mixture-vocals", a mapping, or none',
        doc="What the stems of estimates, programs and models are: other=guitar+piano+other (a sum), vocals=lead (a "
        "name), accompaniment=mixture-vocals (a rest), or none (default: every name means what it says).",
    )  # fmt: skip
    fit: tuple[str, ...] = param(
        (), choices=FITS, metavar="HOW,...",
        doc="What is done to files that differ: trim cuts what is too long, pad lengthens estimates with zeros, "
        "resample changes the sample rate, channels doubles files of one channel (default: nothing).",
    )  # fmt: skip
    metrics: tuple[str | Mapping[str, Any], ...] = param(
        (), short="-m", metavar="SPEC,...", expects="names with parameters, as in bss_eval:window=2",
        doc="Metric as name or name:key=value,key=value, where a quantity such as SDR stands for its family; or all "
        f"for every fast one (default: {', '.join(DEFAULT_METRICS)}).",
    )  # fmt: skip
    subset: str | None = param(None, doc="Subset of the data set, or all (default: what the data set declares).")
    tracks: tuple[str, ...] = param((), metavar="NAME", doc="Only this track (default: all).")
    max_tracks: int | None = param(None, at_least=1, metavar="N", doc="Only the first N tracks (default: all).")
    without_errata: bool = param(False, doc="Leave out tracks that are known to have something wrong.")
    duration: float | None = param(
        None, above=0, unit="s", metavar="S", doc="Only the first S seconds of each track (default: the whole track)."
    )
    perturbations: tuple[str | Mapping[str, Any], ...] = param(
        (), flag="--perturb", metavar="SPEC,...", expects="names with parameters, as in mp3:rate=64",
        doc="What happens to the mixture before it is separated, as name or name:key=value; several one after another "
        "(default: nothing). See mss-bench perturbations list.",
    )  # fmt: skip
    missing_stems: str | None = param(
        None, choices=("leave_out", "silent", "error"),
        metavar="HOW",
        doc="What a song without a stem's files means: leave_out scores its other stems, and counts; silent takes the "
        "stem as silence; error refuses the song (default: what the data set declares, usually leave_out).",
    )  # fmt: skip
    jobs: int | None = param(
        None, at_least=1, short="-j", metavar="N",
        doc="Worker processes (default: one a core, as far as the free memory reaches).",
    )  # fmt: skip
    threads: int = param(
        1, at_least=0, metavar="N",
        doc="Threads that a worker separates with; 0 shares the cores among the workers. Estimates may differ in their "
        "last digits with their number; metrics always use one.",
    )  # fmt: skip
    out: Path | None = param(None, short="-o", metavar="DIR", doc="Run folder (default: runs/<data set>).")
    seed: int = param(0, at_least=0, at_most=2**32 - 1, metavar="N", doc="Seed of random methods.")
    repeats: int = param(
        1, at_least=1, at_most=1000, metavar="N",
        doc="Run methods that declare themselves random under N seeds, from the seed on: tables have the mean, and its "
        "spread over seeds.",
    )  # fmt: skip
    save_estimates: bool = param(False, doc="Keep the estimates as float32 WAV in the run folder.")
    media: tuple[str, ...] = param(
        (), metavar="TRACK",
        doc="Track whose estimates are kept, with excerpts to hear and see in the report: the best, the worst and the "
        "one where methods disagree most; all for every track (default: none).",
    )  # fmt: skip
    timeout: float | None = param(
        None, above=0, unit="s", metavar="S",
        doc="Seconds that one separator may take for one track (default: no limit).",
    )  # fmt: skip
    memory_limit: float | None = param(
        None, above=0, unit="MiB", metavar="MIB",
        doc="Resident memory that one worker with its child processes may take (default: no limit).",
    )  # fmt: skip
    reference_memory: float = param(
        256.0, at_least=0, unit="MiB", metavar="MIB",
        doc="Memory in which one worker keeps spectra of a track's references, a quarter of --memory-limit at most: "
        "BSS Eval then scores a method in 0.7 of the time, with the same numbers.",
    )  # fmt: skip
    retries: int = param(1, at_least=0, metavar="N", doc="How often a cell is tried again when its worker crashed.")
    fail_fast: bool = param(False, doc="Stop at the first cell that fails.")
    shard: str | None = param(
        None, metavar="i/N",
        doc="Compute only the i-th of N parts, for job arrays; all parts share one run folder (default: everything).",
    )  # fmt: skip
    scheduler: str | None = param(
        None, metavar="ADDRESS",
        doc="Scheduler of dask.distributed, or local:N for N workers of it on this machine (default: none).",
    )  # fmt: skip
    device: str = param("cpu", doc="Device for separators that can use another than the CPU.")
    plugins: tuple[Path, ...] = param(
        (),
        flag="--plugin",
        metavar="FILE",
        doc="Python file with separators, metrics or layouts of your own (default: none).",
    )
    catalogs: tuple[Path, ...] = param(
        (), flag="--catalog", metavar="FILE", doc="YAML file with data sets of your own (default: none)."
    )
    protocol_files: tuple[Path, ...] = param(
        (), flag="--protocol-file", metavar="FILE", doc="YAML file with protocols of your own (default: none)."
    )
    root: Path | None = param(None, metavar="DIR", doc="Folder of the data set (default: the one its catalog names).")
    doctor: bool = param(True, doc="Look for faults of references and finished estimates first.")
    rehash: bool = param(False, doc="Hash every file's content again instead of trusting its size and times.")

    @classmethod
    def label(cls) -> str:
        """Return what messages call the options."""
        return "run"

    @check("device")
    def _check_device(self) -> None:
        check_device(self.device)

    @check("repeats", "seed")
    def _check_seeds(self) -> None:
        most = parameters(type(self))["seed"].at_most
        if most is not None and self.seed + self.repeats - 1 > most:
            raise ConfigError(
                f"seed={self.seed} and repeats={self.repeats} go beyond the greatest seed, {most:.0f}; lower one"
            )

    @classmethod
    def recorded(cls, options: Mapping[str, Any]) -> Self:
        """Return the options that ``run.json`` holds, those of earlier versions too."""
        known = {cls.former_names.get(name, name): value for name, value in options.items()}
        return cls(**{name: value for name, value in known.items() if name in cls._declared})

    def setup(self) -> None:
        if not isinstance(self.dataset, str | Mapping | None) and not hasattr(self.dataset, "tracks"):
            self.refuse("dataset", type(self)._declared["dataset"].expected)
        if self.subset == "":  # of an empty variable in a shell script, perhaps
            self.refuse("subset", "a name")
        self.shard_numbers()

    def open_dataset(self) -> Dataset:
        """Return the data set with root and options applied."""
        from mss_bench.datasets import Dataset
        from mss_bench.datasets.catalog import get_dataset

        if isinstance(self.dataset, Dataset):
            dataset = self.dataset
        else:
            spec, root = self._dataset_and_root()
            dataset = get_dataset(spec.name, self.catalogs, root=root, **spec.params)
        if self.missing_stems is not None:
            dataset = copy(dataset)
            dataset.missing_stems = self.missing_stems
        return dataset.fitting(self.fit) if self.fit else dataset

    def _dataset_and_root(self) -> tuple[Spec, Path | None]:
        """Return the data set as a spec without the root that it may name, and the root."""
        from mss_bench.core.spec import Spec

        spec = Spec.parse("demo" if self.dataset is None else self.dataset)
        if spec.alias:
            raise ConfigError(f"data set {spec.name} takes no as, got {spec.alias!r}")
        if "root" not in spec.params:
            return spec, self.root
        params = dict(spec.params)
        folder = Parameter("root", str | Path | None, expects="a folder")
        written = folder.convert(params.pop("root"), f"data set {spec.name}")
        if written is not None and self.root is not None:
            raise ConfigError(
                f"data set {spec.name} has the root {written} and the option root {self.root}; expected one of them"
            )
        return replace(spec, params=params), self.root if written is None else Path(written)

    def separator_specs(self) -> list[Spec]:
        """Return the separators as specs, each once, and with them the members of ensembles."""
        from mss_bench.separators.ensemble import with_members

        given = _specs(self.separators, lambda: default_separators(slow=True)) if self.separators else []
        asked = with_members(given)
        # Estimates that exist already are made to fit as the data set is; others come from the mixture and fit it.
        fit = {"fit": list(self.fit)} if self.fit else {}
        fitted = [replace(s, params=fit | s.params) if s.name == "estimates" else s for s in asked]
        return self._mapped(fitted or default_separators())

    def chain(self) -> Chain | None:
        """Return what happens to each mixture; None where nothing does."""
        from mss_bench.core.spec import Spec
        from mss_bench.perturbations.track import Chain

        specs = tuple(map(Spec.parse, self.perturbations))
        if aliased := next((spec for spec in specs if spec.alias), None):
            raise ConfigError(f"perturbation {aliased.name} takes no as, got {aliased.alias!r}")
        return Chain(specs, self.seed, tuple(str(p.resolve()) for p in self.plugins)) if specs else None

    def perturbed(self, tracks: Sequence[Track]) -> list[Track]:
        """Return tracks with what happens to their mixtures."""
        from mss_bench.perturbations.track import PerturbedTrack

        chain = self.chain()
        if chain is not None and any(isinstance(track, PerturbedTrack) for track in tracks):
            raise ConfigError(
                f"the data set perturbs its songs itself; give {chain.label} to its option perturb as well"
            )
        return list(tracks) if chain is None else [PerturbedTrack.of(track, chain) for track in tracks]

    def left_out(self) -> str:
        """Return which separators the default leaves out, and how to add them; empty where separators are named."""
        if self.separators:
            return ""
        there = {spec.name for spec in default_separators()}
        slow = dict.fromkeys(spec.name for spec in default_separators(slow=True) if spec.name not in there)
        return f"without {', '.join(slow)}, which take long; -s all runs them too, as does their name" if slow else ""

    def _mapped(self, specs: list[Spec]) -> list[Spec]:
        """Return separators with the map of the run where they take one and have none of their own."""
        if not self.map and not self.map.declined:
            return specs
        from mss_bench.separators import MappedSeparator, separators

        takers = [s for s in specs if issubclass(separators.load(separators.canonical(s.name)), MappedSeparator)]
        if not takers:
            named = ", ".join(dict.fromkeys(spec.name for spec in specs))
            raise ConfigError(
                f"map {str(self.map)!r}: no separator of the run takes one ({named}); expected estimates, command, "
                "external or model"
            )
        return [
            replace(s, params=s.params | {"map": str(self.map)}) if s in takers and "map" not in s.params else s
            for s in specs
        ]

    def metric_specs(self) -> list[Spec]:
        """Return the metrics as specs of their families, each once."""
        from mss_bench.metrics import metrics

        specs = [
            replace(spec, name=metrics.canonical(spec.name))
            for spec in _specs(self.metrics or DEFAULT_METRICS, lambda: _usable(metrics))
        ]
        return list({str(spec): spec for spec in specs}.values())

    def check_written(self, file: Mapping[str, Any]) -> None:
        """Check the separators and metrics of a run file, once its plugins are loaded.

        Parameters
        ----------
        file : mapping
            The run file, without the keys that the command line overrides.

        Raises
        ------
        MappingError
            Every entry that names nothing or has a wrong parameter, with file and line.
        """
        from mss_bench.core.spec import Spec, build
        from mss_bench.metrics import metrics
        from mss_bench.perturbations import perturbations
        from mss_bench.separators import separators

        registries: dict[str, Registry[Any]] = {
            "separators": separators, "metrics": metrics, "perturbations": perturbations
        }  # fmt: skip
        problems: list[str] = []
        for key, registry in registries.items():
            for entry in getattr(self, key) if key in file else ():
                try:
                    if entry != "all":
                        build(registry, Spec.parse(entry))
                except MappingError as error:
                    problems += error.problems
                except ConfigError as error:
                    own = hasattr(entry, "source")  # a mapping knows its own line
                    at = getattr(error, "parameter", getattr(error, "name", "")) if own else key
                    there = own and str(error).startswith(f"{entry.source}:")
                    problems.append(str(error) if there else located(entry if own else file, at, str(error)))
        if problems:
            raise MappingError(problems)

    def shard_numbers(self) -> tuple[int, int] | None:
        """Return ``shard`` as numbers."""
        if self.shard is None:
            return None
        match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", self.shard)
        if match is None or int(match[1]) > int(match[2]):
            self.refuse("shard", "i/N with i from 1 to N, e.g. 3/10")
        return int(match[1]), int(match[2])

    def limits(self) -> Limits:
        """Return what a cell may take."""
        from mss_bench.running.execute import Limits

        return Limits(self.timeout, self.memory_limit, self.retries, self.thread_count())

    def kept_memory(self) -> float:
        """Return the MiB in which a worker may keep spectra: they are not worth a cell that goes beyond its limit."""
        return min(self.reference_memory, (self.memory_limit or math.inf) / 4)

    def job_count(self) -> int:
        """Return the number of worker processes: as asked, else as many as cores and free memory have room for."""
        import psutil

        from mss_bench.running.provenance import cores

        if self.jobs is not None:
            return self.jobs
        room = psutil.virtual_memory().available / 2**20 / (self.memory_limit or _WORKER_MB + self.reference_memory)
        return max(1, min(cores() // max(1, self.threads), int(room)))

    def thread_count(self) -> int:
        """Return the number of threads that a worker separates with."""
        from mss_bench.running.provenance import cores

        return self.threads or max(1, cores() // self.job_count())

    def crowding(self, tasks: int) -> str:
        """Return what to do where the threads of all workers are more than the cores; empty where they are not."""
        from mss_bench.running.provenance import cores

        jobs, threads = min(self.job_count(), tasks), self.thread_count()
        if threads == 1 or jobs * threads <= cores():
            return ""
        return (
            f"{jobs} workers with {threads} threads each share {cores()} cores, and wait for each other; lower --jobs "
            "or --threads"
        )

    def folder(self, dataset: Dataset) -> Path:
        """Return the run folder."""
        return self.out or Path("runs") / dataset.name

    def describe(self) -> dict[str, Any]:
        """Return the options as plain data, for ``run.json``."""
        dataset, root = getattr(self.dataset, "name", self.dataset), self.root
        if isinstance(self.dataset, str | Mapping | None):
            spec, root = self._dataset_and_root()
            # the root may be relative to here
            dataset = self.dataset if root == self.root and self.dataset is not None else spec.plain()
        return self.values() | {
            "dataset": dataset,
            "separators": [s.plain() for s in self.separator_specs()],
            "metrics": [m.plain() for m in self.metric_specs()],
            "perturbations": [s.plain() for s in chain.specs] if (chain := self.chain()) else [],
            "plugins": [str(p.resolve()) for p in self.plugins],
            "catalogs": [str(p.resolve()) for p in self.catalogs],
            "protocol_files": [str(p.resolve()) for p in self.protocol_files],
            "map": str(self.map) or None,
            "root": None if root is None else str(root.resolve()),
            "out": None if self.out is None else str(self.out.resolve()),
        }


def default_separators(*, slow: bool = False) -> list[Spec]:
    """Return every registered separator that can be used as it is, the IRM with both exponents.

    Parameters
    ----------
    slow : bool
        Those, too, that declare to be slow: what ``all`` means.
    """
    from mss_bench.separators import separators

    specs = []
    for spec in _usable(separators, slow=slow):
        specs += [replace(spec, params={"exponent": e}) for e in (1, 2)] if spec.name == "irm" else [spec]
    return specs


def _usable(registry: Registry[Any], *, slow: bool = False) -> list[Spec]:
    """Return everything registered that is installed, needs no parameter and is fast."""
    from mss_bench.core.spec import Spec, needs_parameters

    classes = registry.load_all().items()
    return [Spec(n) for n, cls in classes if cls.available() and not needs_parameters(cls) and (slow or not cls.slow)]


def _specs(asked: tuple[Any, ...], every: Callable[[], list[Spec]]) -> list[Spec]:
    """Return specs with ``all`` written out; one that is named besides ``all`` stands once."""
    from mss_bench.core.spec import Spec

    specs = [s for a in asked for s in (every() if a == "all" else [Spec.parse(a)])]
    return list({str(spec): spec for spec in specs}.values())
