"""``mss-bench listen``: each action is a class that declares its options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from mss_bench.cli.options import verb
from mss_bench.core.parameters import Parameterized, check, param
from mss_bench.errors import ConfigError
from mss_bench.listening.importers import ImportOptions
from mss_bench.listening.rated_test import RatedTest
from mss_bench.listening.server.flow import ServeOptions

__all__ = ["ACTIONS", "configure", "execute", "kinds_of"]

_TEST = ("pack", "scale")
_METRICS = ("run", "metrics", "metric_columns", "only", "lower", "whole_tracks")


class _Designed(Parameterized):
    design: Path = param(flag="design", metavar="TEST.yaml", doc="The test: see mss_bench.listening.design.")


class Plan(_Designed):
    """Show how many trials, minutes and listeners a test needs."""

    power: float = param(0.8, above=0.05, below=1, doc="Probability of finding a true difference, at a level of 5 %.")
    sd: float | None = param(
        None, above=0, doc="Standard deviation of paired differences, in units of the scale (default: a fifth of it)."
    )

    def execute(self) -> None:
        """Print the plan of a test."""
        from mss_bench.listening.design import read_design
        from mss_bench.listening.plan import describe_plan

        print(describe_plan(read_design(self.design), power=self.power, sd=self.sd))


class Pack(_Designed):
    """Make the blinded, levelled, verified pack of a test."""

    out: Path = param(Path("listening"), short="-o", metavar="DIR", doc="Folder of packs.")
    jobs: int | None = param(
        None,
        short="-j",
        at_least=1,
        metavar="N",
        doc="Worker processes for estimates that the run did not keep (default: as in run).",
    )
    key: Path | None = param(
        None, metavar="NAME.key",
        doc="Key folder of a pack made before, to make the same again: the same names and orders (default: new ones).",
    )  # fmt: skip

    def execute(self) -> None:
        """Make a pack."""
        from mss_bench.listening.design import read_design
        from mss_bench.listening.pack import make_pack
        from mss_bench.listening.pack_format import key_folder

        pack = make_pack(read_design(self.design), self.out, key=self.key, jobs=self.jobs)
        print(f"{pack}: to be served\n{key_folder(pack)}: key, manifest and verification; keep it from the listeners")


class _Packed(Parameterized):
    pack: Path = param(flag="pack", metavar="PACK", doc="Folder that listen pack made.")


class Export(_Packed):
    """Write a pack for another player: webMUSHRA, or BeaqleJS."""

    format: Literal["webmushra", "beaqlejs"] = param(
        "webmushra", doc="The player; webMUSHRA has a page for every protocol but preference, which BeaqleJS has."
    )
    out: Path = param(short="-o", metavar="DIR", doc="Folder to write to, e.g. the player's own.")

    def execute(self) -> None:
        """Write a pack for another player."""
        from mss_bench.listening.exports import export_pack

        made = export_pack(self.pack, self.out, self.format)
        print(f"{made.config} and {len(made.audio)} audio files; {made.how}")


class Serve(ServeOptions, _Packed):
    """Collect ratings: pages for listeners, and one for the experimenter."""

    option_groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "address": ("host", "port", "url", "links"),
        "who may come": (
            "listeners",
            "open_places",
            "participant_parameter",
            "panel_parameters",
            "completion_url",
            "screen_out_url",
        ),
        "session": ("headphone_check", "consent", "waveform", "ask_name"),
    }

    export: bool = param(False, doc="Write the ratings so far to PACK.results/ratings.csv, and serve nothing.")

    def execute(self) -> None:
        """Serve a pack."""
        if self.export:
            from mss_bench.listening.server.results import write_ratings_file

            print(write_ratings_file(self.pack))
        else:
            from mss_bench.listening.server.run import serve

            serve(self.pack, self)


class Listeners(_Packed):
    """List a pack's listeners; add some, exclude one, or delete one with all answers."""

    add: int = param(0, at_least=0, at_most=1000, doc="Further listeners with links of their own.")
    exclude: str = param(
        "", metavar="CODE", doc="Leave a listener's ratings out of everything that follows (default: nobody's)."
    )
    include: str = param("", metavar="CODE", doc="Take an excluded listener in again (default: nobody).")
    delete: str = param(
        "", metavar="CODE", doc="Delete a listener's answers, name and ids for good (default: nobody's)."
    )
    reason: str = param(
        "", metavar="TEXT", doc="Why; it goes to the audit trail, and must not name the listener (default: none)."
    )

    @check("exclude", "include", "delete", "reason")
    def _one(self) -> None:
        if sum(map(bool, (self.exclude, self.include, self.delete))) > 1:
            raise ConfigError("one of --exclude, --include and --delete at a time")
        if bool(self.exclude or self.delete) != bool(self.reason):
            raise ConfigError("--exclude and --delete need a --reason, and nothing else does")

    def execute(self) -> None:
        """List and change listeners."""
        from mss_bench.listening.pack_format import results_folder
        from mss_bench.listening.server.results import listeners_text, opened, write_ratings_file

        with opened(self.pack) as (sitting, store):
            for _ in range(self.add):
                store.add(sitting.stages[0])
            if self.delete:
                print(f"{store.delete(self.delete, self.reason)} answers of {self.delete} were deleted")
            elif self.exclude or self.include:
                store.exclude(self.exclude or self.include, self.reason)
        written = results_folder(self.pack) / "ratings.csv"
        if written.exists() and (self.delete or self.exclude or self.include):
            write_ratings_file(self.pack)
            print(f"{written} was written anew; copies and backups elsewhere still hold what was there")
        print(listeners_text(self.pack))


class Backup(_Packed):
    """Copy the ratings of a pack to one file, also while they are collected."""

    out: Path = param(short="-o", metavar="FILE", doc="The copy, a database of SQLite; it holds the listeners' links.")

    def execute(self) -> None:
        """Copy ratings."""
        from mss_bench.listening.server.results import opened

        with opened(self.pack) as (_, store):
            store.database.backup(self.out)
            print(f"{self.out}: {len(store.listeners())} listeners, {len(store.answers())} answers")


class Import(ImportOptions):
    """Read ratings of any player into one table."""

    option_groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "the test": _TEST,
        "how files are read": ("format", "columns", "repeated"),
        "a plain table": ("reference", "anchors", "constants"),
    }

    files: tuple[Path, ...] = param(flag="files", metavar="FILE", doc="CSV files of one test.")
    out: Path = param(Path("ratings.csv"), short="-o", metavar="FILE", doc="The table.")
    overwrite: bool = param(False, doc="Replace the file where it exists.")

    def execute(self) -> None:
        """Import ratings."""
        from mss_bench.listening.importers import import_ratings
        from mss_bench.listening.ratings import write_ratings

        if self.out.exists() and not self.overwrite:
            raise ConfigError(f"{self.out} exists already; choose another --out, or replace it with --overwrite")
        imported = import_ratings(self.files, self)
        write_ratings(imported.ratings, self.out)
        print("\n".join([*imported.notes, str(self.out)]))


class Analyse(RatedTest):
    """Report a test: screening, statistics, metrics against ears."""

    option_groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "the test": _TEST,
        "statistics": ("screening", "mid_anchor", "centre", "normalise", "draws", "seed"),
        "metrics against ears": (*_METRICS, "kinds", "arena"),
    }

    out: Path = param(Path("listening_report"), short="-o", metavar="DIR", doc="Folder of the report.")
    mid_anchor: str | None = param(
        None, metavar="NAME", doc="Anchor that screening asks for (default: lowpass_7000 where the test has it)."
    )
    kinds: tuple[str, ...] = param(
        (), flag="--kind", metavar="KIND=SYSTEMS",
        doc="Systems for which metrics are compared with ratings apart, e.g. generative=a,b (default: all together).",
    )  # fmt: skip
    arena: Path | None = param(
        None, metavar="ARENA", doc="Add ratings and metrics to this arena, as metrics arena add does (default: none)."
    )
    draws: int = param(10_000, at_least=100, doc="Resamples of every bootstrap.")
    seed: int = param(0, at_least=0, doc="Seed of every bootstrap.")

    @check("arena", "normalise")
    def _comparable(self) -> None:
        if self.arena and not (self.run or self.metrics):
            raise ConfigError("--arena needs metrics of the systems: --run or --metric-table")
        if self.arena and self.normalise:
            raise ConfigError("--arena takes ratings as they were given, without --normalise")

    def execute(self) -> None:
        """Write the report of a test."""
        from mss_bench.listening.arena import add_questions
        from mss_bench.listening.findings import find
        from mss_bench.listening.ratings import SCALE
        from mss_bench.listening.report import conclusions, write_report

        ratings = self.read_ratings()
        metrics, kinds = self.read_metrics(ratings), kinds_of(self.kinds, set(ratings["system"]))
        found = find(
            ratings, scales=self.scales, scale=self.ends or SCALE, mid_anchor=self.mid_anchor, seconds=self.seconds,
            metrics=metrics, kinds=kinds, draws=self.draws,
            seed=self.seed, screening=self.screening, centre=self.centre, normalise=self.normalise,
        )  # fmt: skip
        files = write_report(self.out, found, pack=self.pack)
        print("\n".join([*conclusions(found), "", f"{files[0]} and {len(files) - 1} more files"]))
        if self.arena:
            rated = {(q.task, q.target): q.ratings for q in found.questions if q.ears}
            facts = {"kinds": kinds, "source": f"the listening test {found.name}"}
            facts |= {"centre": self.centre} if self.centre else {}
            name = found.name or self.ratings.stem
            ends = {q.task: q.scale for q in found.questions}
            for own in add_questions(
                self.arena, name, rated, lambda target, _: metrics[target], facts, ends.__getitem__
            ):
                print(own.folder)


def kinds_of(told: tuple[str, ...], systems: set[str]) -> dict[str, str]:
    """Return ``generative=a,b`` as a mapping of system to kind."""
    kinds: dict[str, str] = {}
    for text in told:
        kind, _, names = (part.strip() for part in text.partition("="))
        if not (kind and names):
            raise ConfigError(f"--kind {text!r}: expected KIND=SYSTEM,...")
        for name in map(str.strip, names.split(",")):
            if name not in systems or name in kinds:
                what = "of two kinds" if name in kinds else "no system"
                raise ConfigError(f"--kind {text!r}: {name!r} is {what}; systems: {', '.join(sorted(systems))}")
            kinds[name] = kind
    return kinds


class Fit(RatedTest):
    """Fit models of the ratings to metrics, validated on songs and systems left out."""

    option_groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "the test": (*_TEST, "task", "target"),
        "ratings": ("screening", "centre", "normalise"),
        "metrics": _METRICS,
    }

    task: str | None = param(
        None, metavar="NAME", doc="Which question, where the test asks several (default: the only one)."
    )
    target: str | None = param(
        None, metavar="NAME", doc="Of which target, where it asks of several (default: the only one)."
    )
    out: Path = param(Path("listening_fit"), short="-o", metavar="DIR", doc="Folder of the report.")
    seed: int = param(0, at_least=0, doc="Seed of every bootstrap.")

    def execute(self) -> None:
        """Fit models of ratings to metrics."""
        from mss_bench.listening.analysis import questions
        from mss_bench.listening.findings import counted
        from mss_bench.listening.fit import fit_metrics
        from mss_bench.listening.metric_table import join
        from mss_bench.listening.ratings import SCALE, normalised, usual_centre
        from mss_bench.listening.report import write_fit

        ratings = self.read_ratings()
        known = {(task, target): rows for task, target, rows in questions(ratings)}
        asked = [key for key in known if self.task in (None, key[0]) and self.target in (None, key[1])]
        if len(asked) != 1:
            raise ConfigError(f"name one question with --task and --target: {', '.join(map(' of '.join, known))}")
        [(task, target)] = asked
        own = known[task, target]
        metrics = self.read_metrics(own).get(target)
        if metrics is None:
            raise ConfigError("a fit needs metrics: give --run or --metric-table")
        scale = self.scales.get(task, self.ends or SCALE)
        own = counted(own, scales=self.scales, scale=self.ends or SCALE, screening=self.screening)[0]
        own = normalised(own, self.normalise, scale)
        centre = self.centre or usual_centre(scale)
        fitted = fit_metrics(join(own, metrics, centre), own, scale=scale, seed=self.seed)
        files = write_fit(self.out, fitted, name=str(ratings["test"].iloc[0]), scale=scale)
        print("\n".join([*fitted.conclusions, "", f"{files[0]} and {len(files) - 1} more files"]))


ACTIONS: dict[str, Any] = {
    action.__name__.lower(): action for action in (Plan, Pack, Export, Serve, Listeners, Backup, Import, Analyse, Fit)
}

configure, execute = verb(ACTIONS)
