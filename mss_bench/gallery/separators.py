"""The gallery of separators: each method's idea, formula and assumption, a figure, its scores and its cost.

One command runs every method on the demo songs, with each filter that it can be run with, and those that look for
sources of any kind also on songs with similar sources. Runs are resumed, so that a gallery is quickly made again after
a method has changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench import api
from mss_bench.core.parameters import parameters
from mss_bench.core.schema import FLOOR
from mss_bench.core.spec import needs_parameters
from mss_bench.dsp.filters import MASKS
from mss_bench.gallery.figures import separation_figure
from mss_bench.gallery.once import Example, separate_once
from mss_bench.gallery.texts import Description, describe
from mss_bench.report.plots import save
from mss_bench.separators import Separator, separators

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FAMILIES", "SIMILAR", "write_gallery"]

FAMILIES = {
    "position": "Position models",
    "kernel": "Kernel models",
    "factorisation": "Factorisation and low rank",
    "sinusoidal": "Sinusoidal models",
    "deep": "Neural networks",
    "baseline": "Baselines",
    "oracle": "Oracles",
}
"""Families of methods in the gallery's order, and their headings."""

SIMILAR = ("two_voices", "two_guitars", "sources:2", "sources:3", "sources:4", "sources:5", "sources:6")
"""Variants of the demo whose sources are alike or of any number."""

_ALIKE = ("voice_", "guitar_")
"""What the names of the stems that are alike begin with."""

_TARGETS = ("vocals", "drums", "bass", "other", "accompaniment")
_METRICS = ("bss_eval", "usdr")


@dataclass(frozen=True)
class Score:
    """A method with one filter, on the demo songs."""

    label: str
    usdr: dict[str, float]  # target to median over songs
    vocals: float  # gain over the scaled mixture on the vocals
    gain: float  # its mean over the stems that the method delivers


@dataclass(frozen=True)
class Entry:
    """What the page says of a method."""

    name: str
    cls: type[Separator]
    text: Description
    scores: list[Score]
    sdr: dict[str, dict[str, float]]  # quantity to target to value, of the first row of scores
    realtime: float  # seconds of music per CPU second
    memory_mb: float
    figure: str

    @property
    def stems(self) -> int:
        """How many stems it delivers; the accompaniment is one of two."""
        found = [t for t in self.scores[0].usdr if t != "accompaniment"]
        return len(found) if len(found) > 1 else len(self.scores[0].usdr)


def write_gallery(
    out: Path, work: Path, *, songs: int = 6, jobs: int | None = None, names: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> list[Path]:  # fmt: skip
    """Run the methods and write the pages.

    Parameters
    ----------
    out : Path
        Folder of the gallery: ``README.md``, ``scores.csv``, ``similar_sources.csv`` and ``figures/``. A file
        ``notes.md`` in it is taken into the page.
    work : Path
        Folder of the runs behind it, resumed where they exist.
    songs : int
        Demo songs of the test split.
    jobs : int, optional
        Worker processes.
    names : sequence of str
        Only these methods; the others are left out of the page.
    say : callable
        Told what happens.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    MssBenchError
        Unknown method, or a folder that cannot be written.
    """
    classes = _classes(names)
    say(f"{_count(len(classes), 'method')} on {_count(songs, 'song')} of the demo")
    specs = [spec for name in classes for spec in _specs(name)]
    results = api.run("demo", specs, _METRICS, max_tracks=songs, jobs=jobs, out=work / "demo")
    similar = _similar(classes, work, jobs, say)
    table, costs = results.aggregate(), results.costs
    (out / "figures").mkdir(parents=True, exist_ok=True)
    files = [out / "README.md", out / "scores.csv", out / "similar_sources.csv"]
    entries = []
    for name, cls in classes.items():
        say(f"figure of {name}")
        example = separate_once(name)
        figure = separation_figure(
            example.mixture, example.references, example.estimates, example.sample_rate,
            azimuth=cls.family == "position",
        )  # fmt: skip
        files.append(out / "figures" / f"{name}.png")
        files[-1].write_bytes(save(figure, "png"))
        entries.append(_entry(name, cls, table, costs, example))
    kept = [c for c in table.columns if c not in ("dataset", "subset", "flags", "params", "separator")]
    table[kept].to_csv(files[1], index=False, float_format="%.3f")
    similar.to_csv(files[2], float_format="%.2f")
    notes = out / "notes.md"
    command = " ".join(["mss-bench gallery separators", *names, f"--songs {songs}"])
    text = notes.read_text(encoding="utf-8") if notes.is_file() else ""
    page = _render(
        entries, similar, notes=text.strip(), command=command, songs=_count(songs, "song"), seconds=example.seconds
    )
    files[0].write_text(page, encoding="utf-8")
    return files


def _classes(names: Sequence[str]) -> dict[str, type[Separator]]:
    """The methods by family, then in the registry's order; those that cannot run here, or need a file, are left out."""
    found = {name: separators.load(name) for name in names} if names else separators.load_all()
    shown = {
        name: cls
        for name, cls in found.items()
        if cls.family in FAMILIES and cls.available() and not needs_parameters(cls)
    }
    return dict(sorted(shown.items(), key=lambda item: [*FAMILIES].index(item[1].family)))


def _specs(name: str) -> list[dict[str, Any]]:
    """The method as it is by default, and with every other filter."""
    mask = parameters(separators.load(name)).get("mask")
    others = [m for m in MASKS if m != mask.default] if mask else []
    return [{"name": name}, *({"name": name, "mask": m} for m in others)]


def _similar(
    classes: dict[str, type[Separator]], work: Path, jobs: int | None, say: Callable[[str], None]
) -> pd.DataFrame:
    """Gain over the scaled mixture (mean uSDR over the sources) of methods that find sources of any kind.

    Of songs with two stems that are alike only those two count: the mean over all stems would say how well the drums
    come out.
    """
    import pandas as pd

    blind = [n for n, c in classes.items() if "assignment" in parameters(c)]
    if not blind:
        return pd.DataFrame(columns=[*SIMILAR])
    methods = [{"name": n, "assignment": "oracle", "as": f"{n} (oracle names)"} for n in blind]
    methods.append({"name": "irm", "as": "irm (oracle)"})
    columns = {}
    for variant in SIMILAR:
        say(f"similar sources: {variant}")
        folder = work / variant.replace(":", "_")
        run = api.run({"name": "demo", "variant": variant, "n_songs": 2}, methods, ["usdr"], jobs=jobs, out=folder)
        table = run.aggregate()
        table = table[(table["metric"] == "uSDR") & (table["separator"] != FLOOR)].drop_duplicates(["method", "target"])
        alike = table["target"].str.startswith(_ALIKE)
        table = table[alike] if alike.any() else table
        columns[variant] = table.groupby("method", sort=False)["improvement"].mean()
    return pd.DataFrame(columns).reindex([m["as"] for m in methods])


def _entry(name: str, cls: type[Separator], table: pd.DataFrame, costs: pd.DataFrame, example: Example) -> Entry:
    own = table[table["separator"] == name]
    # A method of more than two stems is judged on all stems first, any other on vocals and accompaniment.
    pair = len(own[own["metric"] == "uSDR"]["target"].unique()) <= 2
    own = own.sort_values("group", key=lambda g: (g == "vocals_acc") != pair, kind="stable")
    scores = []
    for params in sorted(dict.fromkeys(own["params"]), key=len):  # the default, which has none, first
        rows = own[(own["params"] == params) & (own["metric"] == "uSDR")].drop_duplicates("target")
        default = parameters(cls).get("mask")
        label = params.removeprefix("mask=") or (f"{default.default} (default)" if default else "as it is")
        values = dict(zip(rows["target"], rows["value"], strict=True))
        gains = dict(zip(rows["target"], rows["improvement"], strict=True))
        stems = [t for t in gains if t != "accompaniment" or len(gains) <= 2]
        mean = sum(gains[t] for t in stems) / len(stems) if stems else math.nan
        scores.append(Score(label, values, gains.get("vocals", math.nan), mean))
    first = own[own["params"] == ""]
    sdr: dict[str, dict[str, float]] = {}
    rows_of_first = zip(first["metric"], first["target"], first["value"].to_numpy(float).tolist(), strict=True)
    for quantity, target, value in rows_of_first:
        sdr.setdefault(quantity, {}).setdefault(target, value)
    cost = costs[(costs["separator"] == name) & (costs["params"] == "")]
    speed = float((cost["audio_seconds"] / cost["separate_cpu_seconds"]).median())
    return Entry(name, cls, describe(cls), scores, sdr, speed, example.memory_mb, f"figures/{name}.png")


def _render(entries: Sequence[Entry], similar: pd.DataFrame, **facts: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mss_bench.gallery", "templates"), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    environment.filters |= {"db": _db, "round": _round}
    template = environment.get_template("separators.md.j2")
    grouped = {title: [e for e in entries if e.cls.family == key] for key, title in FAMILIES.items()}
    return template.render(
        families={title: found for title, found in grouped.items() if found}, similar=similar,
        targets=_TARGETS, quantities=("SDR", "ISR", "SIR", "SAR"), parameters=_parameters, **facts,
    )  # fmt: skip


def _round(value: float) -> str:
    """Whole from 10 on, two digits below."""
    return "–" if math.isnan(value) else f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _db(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else "∞" if math.isinf(value) else f"{value:.1f}"


def _parameters(cls: type) -> str:
    return ", ".join(f"`{n}={p.default}`" for n, p in parameters(cls).items() if not p.required)
