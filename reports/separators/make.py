"""Make the page of separators: each method's idea, formula and assumption, a figure, its scores and its cost.

::

    python reports/separators/make.py                # all methods; a quarter of an hour on two cores the first time
    python reports/separators/make.py hpss kam --out /tmp/page
    python reports/separators/make.py --real songs   # the same page of songs of your own, <song>/<stem>.wav

Runs every method on the demo songs, on the first of them with each filter that it can be run with and as its paper has
it, and those that look for sources of any kind also on songs with similar sources; random methods under several seeds,
which all their filters share. Runs are resumed, so that the page is quickly made again after one method has changed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # pages share helpers: the package `reports`

from mss_bench import api
from mss_bench.core.parameters import param, parameters
from mss_bench.core.schema import FLOOR, does_nothing
from mss_bench.core.spec import needs_parameters
from mss_bench.dsp.filters import MASKS
from mss_bench.separators import Separator, separators
from mss_bench.separators.published import PUBLISHED, PUBLISHED_COLUMNS, excerpt_line
from mss_bench.stats.aggregate import aggregate
from reports.pages import Description, Page, describe, make, parameter_list, render, save_png
from reports.separators.separate_once import Example, separate_once
from reports.separators.separation_figure import separation_figure

HERE = Path(__file__).resolve().parent

FAMILIES = {
    "position": "Position models",
    "kernel": "Kernel models",
    "factorisation": "Factorisation and low rank",
    "sinusoidal": "Sinusoidal models",
    "deep": "Neural networks",
    "baseline": "Baselines",
    "oracle": "Oracles",
}
"""Families of methods in the order of the page, and their headings."""

SIMILAR = ("two_voices", "two_guitars", "sources:2", "sources:3", "sources:4", "sources:5", "sources:6")
"""Variants of the demo whose sources are alike, or of any number."""

_SIMILAR_SECONDS = 8.0  # of one song of each variant, for seven methods under all seeds
_ALIKE = ("voice_", "guitar_")  # how the names of stems that are alike begin
_TARGETS = ("vocals", "drums", "bass", "other", "accompaniment")
_METRICS = ("bss_eval", "usdr")


@dataclass(frozen=True)
class Score:
    """Scores of a method with one filter on some songs."""

    label: str
    usdr: dict[str, float]  # target to median over songs
    spread: dict[str, float]  # of that over seeds; NaN for a method without chance
    vocals: float  # gain over the scaled mixture on the vocals
    gain: float  # mean gain over the stems that the method delivers

    def shown(self, target: str) -> str:
        """Return the value for a target, with its spread over seeds."""
        spread = self.spread.get(target, math.nan)
        return _decibels(self.usdr.get(target)) + ("" if math.isnan(spread) else f" ±{spread:.1f}")


@dataclass(frozen=True)
class Entry:
    """What the page says of a method."""

    name: str
    cls: type[Separator]
    text: Description
    score: Score  # by default, on all songs
    scores: list[Score]  # with each filter and as published, on the first of them; the default first
    sdr: dict[str, dict[str, float]]  # quantity to target to value, by default
    realtime: float  # seconds of music per CPU second
    memory_mb: float
    figure: str

    @property
    def stems(self) -> int:
        """Return how many stems the method delivers; the accompaniment is one of two."""
        usdr = self.score.usdr
        stems = [t for t in usdr if t != "accompaniment"]
        return len(stems) if len(stems) > 1 else len(usdr)


class SeparatorsPage(Page):
    """The page: ``README.md``, ``scores.csv``, ``filters.csv``, ``similar_sources.csv`` and ``figures/``."""

    names: tuple[str, ...] = param((), flag="names", metavar="NAME", doc="Show only these methods.")
    out = HERE
    work: Path = param(Path("runs/gallery"), metavar="DIR", doc="Runs behind the page, resumed where they exist.")
    songs: int = param(6, at_least=1, doc="Songs: of the demo's test split, or the first of those of your own.")
    few: int = param(2, at_least=1, doc="The first of them, on which filters and presets are compared.")
    repeats: int = param(5, at_least=1, doc="Seeds of random methods.")
    real: Path | None = param(
        None, metavar="DIR",
        doc="Folder of songs of your own, ``<song>/<stem>.wav``, instead of the demo; the page goes to that of --work.",
    )  # fmt: skip
    slow: bool = param(False, doc="Look for similar sources with slow methods, too; half an hour more.")
    ship: bool = param(
        False, doc="Write default and published numbers into the package, too, where `separators show` reads them."
    )
    jobs: int | None = param(None, at_least=1, doc="Worker processes (default: one a core).")

    def write(self) -> list[Path]:
        """Run the methods and write the page."""
        classes = chosen_separators(self.names)
        data: str | dict[str, str] = "demo"
        out, work = self.out, self.work / "demo"
        if self.real is not None:
            data, work = {"name": "references", "dir": str(self.real.absolute())}, self.work / "real"
            out = work / "page" if out == HERE else out  # not over the page of the demo, whose notes are of that
        print(f"{_count(len(classes), 'method')} on at most {_count(self.songs, 'song')} of {self.real or 'the demo'}")
        results, tracks = self._run(data, classes, work / "run")
        similar, counted = pd.DataFrame(columns=[*SIMILAR]), pd.DataFrame(columns=[*SIMILAR])
        if self.real is None:
            finders = {name: cls for name, cls in classes.items() if self.slow or not cls.slow}
            similar, counted = _similar_sources(finders, self.work, self.jobs, self.repeats)
        songs = [*dict.fromkeys(tracks["track"])]
        table = aggregate(tracks[tracks["params"] == ""])
        filters = aggregate(tracks[tracks["track"].isin(songs[: self.few]) & (tracks["metric"] == "uSDR")])
        files, entries = [], []
        for name, cls in classes.items():
            print(f"figure of {name}")
            example = separate_once(name, data)
            figure = separation_figure(
                example.mixture, example.references, example.estimates, example.sample_rate,
                azimuth=cls.family == "position",
            )  # fmt: skip
            files.append(save_png(figure, out / "figures" / f"{name}.png"))
            entries.append(_entry(name, cls, table, filters, results.costs, example))
        for rows, file in ((table, "scores.csv"), (filters, "filters.csv")):
            kept = [c for c in rows.columns if c not in ("dataset", "subset", "flags")]
            rows[kept].to_csv(out / file, index=False, float_format="%.3f")
        if self.ship:
            papers = [name for name, cls in classes.items() if "paper" in cls.presets]
            own = filters["params"].isin(["", "preset=paper"]) & filters["separator"].isin(papers)
            rows = filters[own].drop_duplicates(["separator", "params", "target"])
            rows[[*PUBLISHED_COLUMNS]].to_csv(PUBLISHED, index=False, float_format="%.3f", lineterminator="\n")
        similar.to_csv(out / "similar_sources.csv", float_format="%.2f")
        by_family = {title: [e for e in entries if e.cls.family == key] for key, title in FAMILIES.items()}
        given = [f"--songs {len(songs)}", f"--few {len(songs[: self.few])}", f"--repeats {self.repeats}"]
        given += [option for option, on in (("--real DIR", self.real), ("--slow", self.slow)) if on]
        given += [f"--jobs {self.jobs}"] if self.jobs else []
        command = " ".join(["python reports/separators/make.py", *self.names, *given])
        page = render(
            HERE / "page.md.j2", out, {"db": _decibels, "round": _rounded},
            families={title: group for title, group in by_family.items() if group}, similar=similar, targets=_TARGETS,
            quantities=("SDR", "ISR", "SIR", "SAR"), parameters=parameter_list, excerpt_line=excerpt_line,
            songs=_count(len(songs), "song"),
            few=_count(len(songs[: self.few]), "song"), seconds=example.seconds, command=command,
            similar_seconds=_SIMILAR_SECONDS, counted=counted, repeats=self.repeats, slow=self.slow,
            real=self.real is not None,
            where="of your own" if self.real else "of the built-in data set (`demo`, test split)",
        )  # fmt: skip
        return [page, *(out / file for file in ("scores.csv", "filters.csv", "similar_sources.csv")), *files]

    def _run(
        self, data: str | dict[str, str], classes: Mapping[str, type[Separator]], folder: Path
    ) -> tuple[api.Results, pd.DataFrame]:
        """Run the methods, and return the rows of the track table that are theirs, as the folder may hold others."""
        variants = [v for name, cls in classes.items() for v in _variants(name, cls)]
        runs: list[tuple[list[Any], Sequence[str], int]] = [([*classes], _METRICS, self.songs)]
        if variants:
            runs.append((variants, ["usdr"], min(self.few, self.songs)))
        for specs, metrics, songs in runs:
            results = api.run(
                data, specs, metrics, max_tracks=songs, jobs=self.jobs, repeats=self.repeats, out=folder
            )  # fmt: skip
        own = {(name, "") for name in [*classes, FLOOR]}
        own |= {(v["name"], f"{key}={v[key]}") for v in variants for key in v if key != "name"}
        tracks = results.tracks
        theirs = [method in own for method in zip(tracks["separator"], tracks["params"], strict=True)]
        return results, tracks[theirs].sort_values("track", kind="stable")


def chosen_separators(names: Sequence[str] = ()) -> dict[str, type[Separator]]:
    """Return methods by family, then in the registry's order, without those that cannot run here or need a file."""
    classes = {name: separators.load(name) for name in names} if names else separators.load_all()
    shown = {
        name: cls
        for name, cls in classes.items()
        if cls.family in FAMILIES and cls.available() and not needs_parameters(cls)
    }
    return dict(sorted(shown.items(), key=lambda item: [*FAMILIES].index(item[1].family)))


def _variants(name: str, cls: type[Separator]) -> list[dict[str, Any]]:
    """Return a method with each filter that is not its default, and as published; of a slow one the latter alone."""
    mask = parameters(cls).get("mask")
    others = [m for m in MASKS if m != mask.default] if mask and not cls.slow else []
    published = [{"name": name, "preset": "paper"}] if cls.presets.get("paper") else []
    return [*({"name": name, "mask": m} for m in others), *published]


def _similar_sources(
    classes: Mapping[str, type[Separator]], work: Path, jobs: int | None, repeats: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the gain over the scaled mixture (mean uSDR) of methods that find sources of any kind, and their counts.

    Of songs with two stems that are alike only those two count: the mean over all stems would say how well the drums
    come out. The second table has how many sources the methods find that can tell (``sources=auto``).
    """
    blind = [n for n, c in classes.items() if "assignment" in parameters(c)]
    if not blind:
        return pd.DataFrame(columns=[*SIMILAR]), pd.DataFrame(columns=[*SIMILAR])
    methods = [{"name": n, "assignment": "oracle", "as": f"{n} (oracle names)"} for n in blind]
    methods.append({"name": "irm", "as": "irm (oracle)"})
    counting = [n for n in blind if "count_sources" in vars(classes[n])]  # each rule once: not where it is inherited
    counters = [{"name": n, "assignment": "oracle", "sources": "auto", "as": f"{n} (auto)"} for n in counting]
    columns, numbers = {}, {}
    for variant in SIMILAR:
        print(f"similar sources: {variant}")
        folder = work / variant.replace(":", "_")
        run = api.run(
            {"name": "demo", "variant": variant, "n_songs": 1}, [*methods, *counters], ["usdr"], jobs=jobs,
            repeats=repeats, duration=_SIMILAR_SECONDS, out=folder,
        )  # fmt: skip
        table = run.aggregate()
        table = table[(table["metric"] == "uSDR") & (table["separator"] != FLOOR)].drop_duplicates(
            ["separator", "target"]
        )
        alike = table["target"].str.startswith(_ALIKE)
        table = table[alike] if alike.any() else table
        columns[variant] = table.groupby("separator", sort=False)["improvement"].mean()
        numbers[variant] = _counted(run.tracks)
    wanted = [[m["as"] for m in rows] for rows in (methods, counters)]
    return pd.DataFrame(columns).reindex(wanted[0]), pd.DataFrame(numbers).reindex(wanted[1])


def _counted(tracks: pd.DataFrame) -> pd.Series[str]:
    """Return how many sources each method has found, by its flags; several numbers where seeds differ."""
    found = tracks["flags"].str.extractall(r"sources:(?P<sources>\d+)")["sources"].astype(int)
    separator = tracks["separator"].loc[found.index.get_level_values(0)].to_numpy()
    return found.groupby(separator).agg(lambda counts: " or ".join(map(str, sorted({*counts}))))


def _entry(
    name: str, cls: type[Separator], table: pd.DataFrame, filters: pd.DataFrame, costs: pd.DataFrame, example: Example
) -> Entry:
    own = _main_group_first(table[table["separator"] == name])
    sdr: dict[str, dict[str, float]] = {}
    for metric, target, value in zip(own["metric"], own["target"], own["value"], strict=True):
        if metric != "SAR" or not does_nothing(name):  # it adds no artefacts, and its ratio is rounding error
            sdr.setdefault(metric, {}).setdefault(target, float(value))
    mask = parameters(cls).get("mask")
    notes = ["default"] * bool(mask) + ["preset=paper"] * (cls.presets.get("paper") == {})
    usual = mask.default if mask else "as it is"
    labels = {"": f"{usual} ({', '.join(notes)})" if notes else usual, "preset=paper": "preset=paper"}
    compared = _main_group_first(filters[filters["separator"] == name])
    scores = [
        _score(labels.get(params, params.removeprefix("mask=")), compared[compared["params"] == params])
        for params in sorted(dict.fromkeys(compared["params"]), key=lambda params: (params in labels, len(params)))
    ]
    scores.sort(key=lambda score: score.label != labels[""])  # the default first, then filters, then as published
    cost = costs[(costs["separator"] == name) & (costs["params"] == "")]
    speed = float((cost["audio_seconds"] / cost["separate_cpu_seconds"]).median())
    return Entry(
        name, cls, describe(cls), _score(labels[""], own), scores, sdr, speed, example.memory_mb, f"figures/{name}.png"
    )


def _main_group_first(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort: a method of more than two stems is judged on all stems, any other on vocals and accompaniment."""
    pair = len(rows[rows["metric"] == "uSDR"]["target"].unique()) <= 2
    return rows.sort_values("group", key=lambda g: (g == "vocals_acc") != pair, kind="stable")


def _score(label: str, rows: pd.DataFrame) -> Score:
    rows = rows[rows["metric"] == "uSDR"].drop_duplicates("target")
    gains = dict(zip(rows["target"], rows["improvement"], strict=True))
    stems = [t for t in gains if t != "accompaniment" or len(gains) <= 2]
    mean = sum(gains[t] for t in stems) / len(stems) if stems else math.nan
    values, spread = (dict(zip(rows["target"], rows[column], strict=True)) for column in ("value", "spread"))
    return Score(label, values, spread, gains.get("vocals", math.nan), mean)


def _rounded(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _decibels(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else "∞" if math.isinf(value) else f"{round(value, 1) + 0.0:.1f}"


if __name__ == "__main__":
    make(SeparatorsPage, __doc__)
