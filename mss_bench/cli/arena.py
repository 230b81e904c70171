"""``mss-bench metrics arena``: which metric agrees with listeners."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mss_bench.cli.options import Action
from mss_bench.core.parameters import param
from mss_bench.errors import ConfigError, UnknownNameError, nearest
from mss_bench.listening.rated_test import RatedTest

if TYPE_CHECKING:
    import pandas as pd

    from mss_bench.listening.arena import RatingSet
    from mss_bench.listening.metric_table import MetricTable

__all__ = ["ACTIONS", "Stimuli"]


class Build(Action):
    """Judge every metric of an arena, and make its README.md and index.html."""

    arenas: tuple[Path, ...] = param(flag="ARENA", metavar="ARENA", doc="Folders of arenas, e.g. leaderboards/metrics.")

    def execute(self) -> int:
        """Write results and pages, and name them."""
        from mss_bench.listening.arena import read_arena
        from mss_bench.listening.arena_page import build_arena

        for folder in self.arenas:
            print("\n".join(map(str, build_arena(read_arena(folder)))))
        return 0


class Stimuli(Action):
    """Where the audio of a listening test lies."""

    audio: Path | None = param(
        None, metavar="DIR", doc="Folder of the stimuli, of which metrics are computed (default: none)."
    )
    pattern: str = param(
        "", metavar="TEXT", doc="Where in it a signal lies (default: what the set says, else {item}/{system}.wav)."
    )
    reference_file: str = param(
        "", flag="--reference", metavar="TEXT",
        doc="Where the reference lies (default: what the set says, else {item}/reference.wav).",
    )  # fmt: skip
    mixture: str = param("", metavar="TEXT", doc="Where the mixture lies (default: what the set says, else none).")

    def places(self) -> dict[str, str]:
        """Return the patterns that were given, under the names of a set's parameters."""
        given = {"audio": self.pattern, "reference": self.reference_file, "mixture": self.mixture}
        return {name: pattern for name, pattern in given.items() if pattern}

    def scores(self, specs: tuple[str, ...], own: RatingSet, ratings: pd.DataFrame) -> MetricTable:
        """Compute metrics of the signals that were rated."""
        from mss_bench.listening.metric_table import rating_centres
        from mss_bench.listening.stimuli_scores import score_stimuli

        if self.audio is None:
            raise ConfigError("give the folder of the stimuli: --audio DIR")
        for name, pattern in self.places().items():
            setattr(own, name, pattern)
        signals = list(rating_centres(ratings)[["item", "system"]].itertuples(index=False, name=None))
        return score_stimuli(specs, self.audio, own, signals, lambda text: print(text, file=sys.stderr))


class Run(Stimuli):
    """Judge metrics of one's own against the ratings of a set, given the folder of its stimuli."""

    metrics: tuple[str, ...] = param(
        flag="METRIC", metavar="METRIC", doc="Metrics as name or name:key=value, or Python files with metrics."
    )
    name: str = param(flag="--set", metavar="NAME", doc="The set of ratings, e.g. gensvs.")
    arena: Path | None = param(None, metavar="ARENA", doc="The arena (default: the one that comes with the package).")

    def execute(self) -> int:
        """Print correlation, rank and verdict."""
        from mss_bench.cli.options import terminal_width
        from mss_bench.leaderboards.beside import boards_folder
        from mss_bench.listening.arena import read_arena
        from mss_bench.listening.arena_page import judged_table
        from mss_bench.listening.arena_results import with_metrics

        arena = read_arena(self.arena or boards_folder() / "metrics")
        own = arena.named(self.name)
        values = self.scores(self.metrics, own, own.read_ratings())
        _tell_absent(own.read_ratings(), values, own.centre)
        results, verdicts = with_metrics(self.name, own, values)
        print(judged_table(results, list(map(str, values.values.columns)), own).console(terminal_width()))
        print("\n" + "\n".join(verdicts))
        return 0


class Add(RatedTest, Stimuli):
    """Add a set of ratings with metrics of its signals, or metrics to a set."""

    table_flag: ClassVar[str] = "--values"
    option_groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "the set": ("name", "title", "kinds", "source", "licence"),
        "the test": ("pack", "scale", "screening", "centre", "normalise"),
        "values of metrics": ("run", "whole_tracks", "metrics", "metric_columns", "only", "lower", "rename"),
        "metrics of audio": ("audio", "computed", "pattern", "reference_file", "mixture"),
    }

    ratings: Path = param(
        flag="RATINGS", metavar="RATINGS",
        doc="From listen import, a pack that listen serve collected ratings for, or the name of a set that gets more.",
    )  # fmt: skip
    arena: Path = param(flag="ARENA", metavar="ARENA", doc="Folder of the arena; begun where there is none.")
    name: str = param("", metavar="NAME", doc="Of the set (default: the file's).")
    title: str = param("", metavar="TEXT", doc="Of the set (default: its name).")
    kinds: tuple[str, ...] = param(
        (), flag="--kind", metavar="KIND=SYSTEMS",
        doc="Kinds of systems, which are judged apart, e.g. generative=a,b (default: all together).",
    )  # fmt: skip
    source: str = param("", metavar="TEXT", doc="Where the ratings come from (default: none, which a new set refuses).")
    licence: str = param("", metavar="TEXT", doc="Licence of the numbers (default: none stated).")
    metrics: Path | None = param(
        None, flag="--values", metavar="CSV", doc="Table of values: item, system, a column a metric (default: none)."
    )
    rename: dict[str, str] = param(
        {}, metavar="COLUMN=METRIC,...", doc="What columns of values are called in the arena (default: their names)."
    )
    computed: tuple[str, ...] = param(
        (), flag="--metric", metavar="METRIC,...", doc="Metrics to compute of the audio (default: none)."
    )

    def execute(self) -> int:
        """Write the set, or its new values."""
        from mss_bench.listening.arena import add_values, is_arena, read_arena

        if bool(self.audio) != bool(self.computed):
            raise ConfigError("--audio and --metric go together: the stimuli, and what to compute of them")
        if sum(map(bool, (self.run, self.metrics, self.audio))) != 1:
            raise ConfigError("give the values of metrics by one of --values, --run and --audio")
        known = read_arena(self.arena).sets if is_arena(self.arena) else {}
        name = str(self.ratings)
        absent = not self.ratings.exists()
        if absent and name not in known and (nearest(name, known) or not self.ratings.suffix):
            raise UnknownNameError("file or set of ratings", name, known)
        if absent and name in known:
            own = known[name]
            ratings = own.read_ratings()
            values = self.scores(self.computed, own, ratings) if self.audio else self.read_metrics(ratings)[own.target]
            add_values(own, self._renamed(values))
            _tell_absent(ratings, self._renamed(values), own.centre)
            print(own.folder / "values.csv")
        else:
            self._add_sets()
        print(f"mss-bench metrics arena build {shlex.quote(str(self.arena))}")
        return 0

    def _add_sets(self) -> None:
        from mss_bench.cli.listen import kinds_of
        from mss_bench.listening.arena import RatingSet, add_questions
        from mss_bench.listening.arena_results import counted_questions
        from mss_bench.listening.ratings import SCALE

        if not self.source:
            raise ConfigError("say where the ratings come from: --source TEXT")
        if self.normalise:
            raise ConfigError("--normalise: an arena holds ratings as they were given")
        ratings, ends = self.read_ratings(), self.ends or SCALE
        rated = counted_questions(ratings, self.scales, ends, screening=self.screening)
        tables = self.read_metrics(ratings)
        facts = {
            "title": self.title, "centre": self.centre, "kinds": kinds_of(self.kinds, set(ratings["system"])),
            "source": self.source, "licence": self.licence, **self.places(),
        }  # fmt: skip

        def values(target: str, rows: pd.DataFrame) -> MetricTable:
            own = RatingSet(title=target, target=target, source=self.source, **self.places())
            return self._renamed(self.scores(self.computed, own, rows) if self.audio else tables[target])

        given = {key: value for key, value in facts.items() if value}
        name = self.name or self.ratings.stem
        for own in add_questions(self.arena, name, rated, values, given, lambda task: self.scales.get(task, ends)):
            _tell_absent(own.read_ratings(), own.read_values(), own.centre)
            print(own.folder)

    def _renamed(self, values: MetricTable) -> MetricTable:
        from mss_bench.listening.metric_table import MetricTable

        for name in self.rename:
            if name not in values.values:
                raise UnknownNameError("metric to rename", name, values.values.columns)
        lower = frozenset(self.rename.get(name, name) for name in values.lower_is_better)
        return MetricTable(values.values.rename(columns=self.rename), lower, values.notes)


def _tell_absent(ratings: pd.DataFrame, values: MetricTable, centre: str) -> None:
    """Say which rated signals have no value, and which metrics none that can be used."""
    from mss_bench.listening.metric_table import join

    for note in join(ratings, values, centre).notes[len(values.notes) :]:
        print(f"note: {note}")


ACTIONS: dict[str, type[Action]] = {"arena build": Build, "arena add": Add, "arena run": Run}
