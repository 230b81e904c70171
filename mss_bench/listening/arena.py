"""Which metric agrees with listeners: a folder of rating sets, against each of which every metric is held.

::

    leaderboards/metrics/
        arena.yaml                title and description
        sets/<name>/set.yaml      what was rated: target, scale, kinds of systems, source, licence, checksums
        sets/<name>/ratings.csv   listener, item, system, replicate, score; of the listeners that count
        sets/<name>/values.csv    item, system, a column a metric
        results.csv               what `mss_bench.listening.arena_results.judge` derives from these
        README.md, index.html     made by `mss-bench metrics arena build`

Listeners are numbered anew when a set is written, so that no code of a panel is published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mss_bench.core.config import load_yaml, plain_name
from mss_bench.core.files import read_whole, write_atomic
from mss_bench.core.parameters import Parameterized, param
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.listening.metric_table import MetricTable, join, metrics_of_csv, rating_centres
from mss_bench.listening.ratings import SCALE, Role, build_ratings, usual_centre
from mss_bench.listening.sheets import read_sheet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Arena", "RatingSet", "add_questions", "add_set", "add_values", "checksums", "is_arena", "read_arena"]


Scale = tuple[float, float]


class RatingSet(Parameterized):
    """A set of ratings: one task and target of a listening test.

    Attributes
    ----------
    folder : Path
    """

    folder: Path

    title: str = param(doc="Name in headings.")
    target: str = param("", doc="What was separated.")
    task: str = param("", doc="What was rated.")
    scale: tuple[float, ...] = param(SCALE, doc="Ends of the scale.")
    centre: str = param("median", choices=("median", "mean"), doc="What stands for the scores of a signal.")
    kinds: dict[str, str] = param({}, doc="System to its kind, e.g. masking or generative.")
    lower_is_better: tuple[str, ...] = param((), doc="Metrics of which less is better.")
    source: str = param(doc="Where ratings and values come from.")
    licence: str = param("", doc="Licence of the numbers.")
    notes: tuple[str, ...] = param((), doc="What a reader must know.")
    audio: str = param("{item}/{system}.wav", doc="Where a signal lies in the folder of the stimuli.")
    reference: str = param("{item}/reference.wav", doc="Where the reference lies; empty where that is not known.")
    mixture: str = param("", doc="Where the mixture lies; empty: metrics do without it.")
    checksums: dict[str, str] = param({}, doc="SHA-256 of the files of numbers.")

    def read_ratings(self) -> pd.DataFrame:
        """Read the ratings."""
        sheet = read_sheet(self.folder / "ratings.csv")
        rows = [dict(row) | {"task": self.task or "quality", "target": self.target} for row in sheet.rows]
        return build_ratings(rows, sheet.places, scale=(self.scale[0], self.scale[1]))

    def read_values(self) -> MetricTable:
        """Read the values of the metrics."""
        return metrics_of_csv(self.folder / "values.csv", lower_is_better=self.lower_is_better)


@dataclass(frozen=True)
class Arena:
    """A folder of rating sets.

    Parameters
    ----------
    folder : Path
    title, description : str
    sets : dict of str to RatingSet
        By name.
    """

    folder: Path
    title: str
    description: str
    sets: dict[str, RatingSet]

    def named(self, name: str) -> RatingSet:
        """Return a set; of a wrong name the error lists those there are."""
        if name not in self.sets:
            raise UnknownNameError(f"set of {self.folder}", name, self.sets)
        return self.sets[name]


class _Heading(Parameterized):
    title: str = param("Which metric agrees with listeners?", doc="Heading of the page.")
    description: str = param("", doc="What the arena is about.")


def is_arena(folder: Path) -> bool:
    """Return whether a folder is an arena of metrics, not a leaderboard of separators."""
    return (folder / "arena.yaml").is_file()


def read_arena(folder: str | Path) -> Arena:
    """Read an arena.

    Raises
    ------
    ConfigError
        There is none, or a file has missing, unknown or wrong keys, with file and line.
    """
    folder = Path(folder)
    if not is_arena(folder):
        raise ConfigError(
            f"{folder} is no arena of metrics: it has no arena.yaml; mss-bench metrics arena add makes one"
        )
    heading = _Heading.from_mapping(load_yaml(folder / "arena.yaml"), "an arena of metrics")
    sets = {}
    for file in sorted((folder / "sets").glob("*/set.yaml")):
        own = RatingSet.from_mapping(load_yaml(file), "a set of ratings")
        own.folder = file.parent
        sets[own.folder.name] = own
    return Arena(folder, heading.title, heading.description, sets)


def add_set(folder: Path, name: str, ratings: pd.DataFrame, values: MetricTable, facts: Mapping[str, Any]) -> RatingSet:
    """Write a set of ratings and the metrics of the same signals.

    Parameters
    ----------
    folder : Path
        The arena, which is begun where there is none.
    name : str
    ratings : DataFrame
        Of one task and target, of the listeners that count; references and anchors are left out.
    values : MetricTable
    facts : mapping
        Parameters of `RatingSet`.

    Raises
    ------
    MssBenchError
        The name is taken or cannot be a folder's, nothing was rated and measured alike, or a file cannot be written.
    """
    target = folder / "sets" / plain_name(name, "set of ratings")
    if (target / "set.yaml").exists():
        raise ConfigError(f"{folder} has a set {name!r} already; add values to it with its name, or choose another")
    scale = tuple(facts.get("scale", SCALE))
    given = {"centre": usual_centre((scale[0], scale[1])), "lower_is_better": tuple(sorted(values.lower_is_better))}
    own = RatingSet(**(given | dict(facts)))
    own.folder = target
    tested = ratings[ratings["role"] == Role.TEST]
    systems = set(tested["system"])
    for system in own.kinds:
        if system not in systems:
            raise UnknownNameError("system with a kind", system, systems)
    join(tested, values, own.centre)  # refuses what does not fit before anything is written
    codes = {code: f"L{n:03d}" for n, code in enumerate(sorted(set(tested["listener"])), 1)}
    table = tested.assign(listener=tested["listener"].map(codes))[["listener", "item", "system", "replicate", "score"]]
    if not is_arena(folder):
        write_atomic(folder / "arena.yaml", f'title: "{_Heading().title}"\n')
    write_atomic(target / "ratings.csv", table.to_csv(index=False, float_format="%.10g", lineterminator="\n"))
    _write_values(own, values.values)
    return own


def add_questions(
    folder: Path, name: str, rated: Mapping[tuple[str, str], pd.DataFrame],
    values: Callable[[str, pd.DataFrame], MetricTable], facts: Mapping[str, Any], scales: Callable[[str], Scale],
) -> list[RatingSet]:  # fmt: skip
    """Write a set for each question of a test.

    Parameters
    ----------
    folder : Path
        The arena.
    name : str
        Of the set; of several questions each has its task and target added.
    rated : mapping of (str, str) to DataFrame
        Task and target to ratings.
    values : callable
        From a target and its ratings to the metrics.
    facts : mapping
        Parameters of `RatingSet` that all have in common.
    scales : callable
        From a task to the ends of its scale.

    Raises
    ------
    MssBenchError
        As for `add_set`.
    """
    sets = []
    for (task, target), rows in rated.items():
        own = "-".join(filter(None, [name, task, target])) if len(rated) > 1 else name
        known = {"title": own, "target": target, "task": task, "scale": tuple(map(float, scales(task)))}
        sets.append(add_set(folder, own, rows, values(target, rows), known | dict(facts)))
    return sets


def add_values(own: RatingSet, values: MetricTable) -> None:
    """Add metrics to a set.

    Raises
    ------
    ConfigError
        A metric is there already.
    RatingsError
        The values are of other signals.
    """
    before = own.read_values().values
    if taken := sorted({*before.columns} & {*values.values.columns}):
        raise ConfigError(f"{own.folder} has values of {taken[0]!r} already; give the metric another name: --rename")
    join(own.read_ratings(), values, own.centre)
    own.lower_is_better = (*own.lower_is_better, *sorted(values.lower_is_better))
    _write_values(own, before.join(values.values))


def _write_values(own: RatingSet, values: pd.DataFrame) -> None:
    """Write the values of rated signals, then what the set is, which names the checksums."""
    rated = rating_centres(own.read_ratings()).set_index(["item", "system"]).index
    kept = values[values.index.isin(rated)].sort_index()
    write_atomic(own.folder / "values.csv", kept.to_csv(float_format="%.8g", lineterminator="\n"))
    own.checksums = checksums(own)
    usual = RatingSet(title="", source="").values()
    facts = {key: _plain(value) for key, value in own.values().items() if value != usual[key] or key == "centre"}
    write_atomic(own.folder / "set.yaml", yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=118))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value


def checksums(own: RatingSet) -> dict[str, str]:
    """Return the SHA-256 of the files of numbers of a set, as they lie on disk."""
    return {name: hashlib.sha256(read_whole(own.folder / name)).hexdigest() for name in ("ratings.csv", "values.csv")}
