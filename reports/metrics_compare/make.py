"""Compare this engine with every other implementation that is installed, and write the agreement report.

::

    python reports/metrics_compare/make.py                      # six seconds of a demo song
    python reports/metrics_compare/make.py --references DIR --estimates DIR --out my_report

The same audio goes through both. Each comparison names the parameters under which two tools should give one number, or
says why they do not; they are listed in ``comparisons.py``, the calls of other tools in ``tools.py``.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # pages share helpers: the package `reports`

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.parameters import param
from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.datasets.catalog import get_dataset
from mss_bench.datasets.references import from_references
from mss_bench.errors import AudioError, ConfigError, MssBenchError
from mss_bench.metrics import metrics
from mss_bench.report.table import Column, Table, TableCell, TableRow
from mss_bench.separators import separators
from reports.metrics_compare.comparisons import COMPARISONS, TOOLS, Comparison, installed
from reports.pages import Page, make

HERE = Path(__file__).resolve().parent

_CEILING_DB = 100.0
"""Beyond this a ratio is a matter of rounding and is not compared."""


@dataclass(frozen=True)
class Material:
    """Audio of one track with estimates of every reference.

    Parameters
    ----------
    name : str
    references, estimates : dict of str to (channels, samples) float array
    sample_rate : int
        Hz.
    method : str
        What made the estimates, as the report prints it.
    """

    name: str
    references: dict[str, Samples]
    estimates: dict[str, Samples]
    sample_rate: int
    method: str = ""

    def mono(self) -> Material:
        """Return the same with channels averaged."""

        def mix(signals: Mapping[str, Samples]) -> dict[str, Samples]:
            return {name: array.mean(axis=0, keepdims=True, dtype=np.float64) for name, array in signals.items()}

        return replace(self, references=mix(self.references), estimates=mix(self.estimates))


@dataclass(frozen=True)
class Difference:
    """The difference of a quantity from another tool's.

    Parameters
    ----------
    comparison : Comparison
    quantity : str
    ours, theirs : float
        Medians over the values that were compared.
    largest : float
        Greatest absolute difference, NaN where nothing could be compared.
    n : int
        Values compared: finite in both, below 100 dB, not flagged.
    n_flagged, n_undefined : int
        Values left out: flagged by us as ill-conditioned; missing or infinite in one of the two alone.
    failure : str
        Why there are no values.
    """

    comparison: Comparison
    quantity: str
    ours: float = np.nan
    theirs: float = np.nan
    largest: float = np.nan
    n: int = 0
    n_flagged: int = 0
    n_undefined: int = 0
    failure: str = ""


def compare(material: Sequence[Material], chosen: Iterable[str] = TOOLS) -> list[Difference]:
    """Make every comparison with the tools that are installed, over all tracks together.

    Parameters
    ----------
    material : sequence of Material
    chosen : iterable of str
        Tools.

    Raises
    ------
    AudioError
        A track without an estimate of every reference.
    """
    for track in material:
        absent = [name for name in track.references if name not in track.estimates]
        if absent:
            raise AudioError(f"track {track.name!r} has no estimate of {', '.join(absent)}; expected all references")
    versions, _ = installed(chosen)
    differences = []
    for comparison in (c for c in COMPARISONS if c.tool in versions):
        print(f"{comparison.tool} {comparison.function}", file=sys.stderr)  # some take a minute
        differences += _compare(comparison, material)
    return differences


def _compare(comparison: Comparison, material: Sequence[Material]) -> list[Difference]:
    ours: dict[str, list[Floats]] = {q: [] for q in comparison.quantities}
    theirs, flagged = {q: list[Floats]() for q in ours}, {q: list[Floats]() for q in ours}
    try:
        for given in material:
            track = given.mono() if comparison.mono else given
            other = comparison.call(track.references, track.estimates, track.sample_rate)
            values, flags = _ours(comparison.metric, track)
            for q in comparison.quantities:
                wide = np.broadcast_to(other[q], np.broadcast_shapes(other[q].shape, values[q].shape))
                ours[q].append(np.broadcast_to(values[q], wide.shape).ravel())
                theirs[q].append(wide.ravel())
                flagged[q].append(np.broadcast_to(flags[q], wide.shape).ravel())
    except (
        MssBenchError,
        ImportError,
        ValueError,
        RuntimeError,
    ) as error:
        return [Difference(comparison, q, failure=f"{type(error).__name__}: {error}") for q in ours]
    return [_difference(comparison, q, *map(np.concatenate, (ours[q], theirs[q], flagged[q]))) for q in ours]


def _ours(spec: str, track: Material) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return our values and flags ``(targets, frames)`` by quantity."""
    metric, _ = build(metrics, Spec.parse(spec))
    references = track.references
    audio = TrackAudio(references, reduce(np.add, references.values()), track.sample_rate)
    scores = metric.score(metric.prepare(audio, TargetGroup("compared", tuple(references))), track.estimates)
    by_name = {(score.quantity, score.target): score for score in scores}
    values, flags = {}, {}
    for quantity in dict.fromkeys(score.quantity for score in scores):
        rows = [by_name[quantity, target] for target in references]
        values[quantity] = np.stack([np.ravel(row.values) for row in rows])
        doubtful = np.array([["ill_conditioned" in row.flags] for row in rows], dtype=np.float64)
        flags[quantity] = np.broadcast_to(doubtful, values[quantity].shape)
    return values, flags


def _difference(comparison: Comparison, quantity: str, ours: Floats, theirs: Floats, flagged: Floats) -> Difference:
    defined = np.isfinite(ours) & np.isfinite(theirs)
    # Flagged as ill-conditioned: the projection has no unique answer, so two solvers may differ.
    kept = defined & (theirs < _CEILING_DB) & (flagged == 0)
    n_flagged = int((defined & (flagged != 0)).sum())
    n_undefined = int((np.isfinite(ours) != np.isfinite(theirs)).sum())
    if not kept.any():
        return Difference(comparison, quantity, n_flagged=n_flagged, n_undefined=n_undefined)
    medians = float(np.median(ours[kept])), float(np.median(theirs[kept]))
    largest = float(np.abs(ours[kept] - theirs[kept]).max())
    return Difference(comparison, quantity, *medians, largest, int(kept.sum()), n_flagged, n_undefined)


def table(differences: Sequence[Difference]) -> Table:
    """Return the differences as a table; a dash stands where nothing could be compared."""
    numbers: list[Column | str] = [Column("ours", digits=4), Column("theirs", digits=4), "max abs. difference", "n"]
    rows: list[TableRow] = []
    for d in differences:
        left_out = [f"{d.n_flagged} flagged ill_conditioned"] * bool(d.n_flagged)
        left_out += [f"{d.n_undefined} defined by one alone"] * bool(d.n_undefined)
        largest = TableCell(f"{d.largest:.1e}" if d.n else "–", d.largest)
        remark = "; ".join([d.failure or d.comparison.note, *left_out])
        c = d.comparison
        rows.append([c.tool, c.function, c.metric, d.quantity, d.ours, d.theirs, largest, d.n, remark])
    return Table("", ["tool", "function", "metric here", "quantity", *numbers, "remark"], [rows])


def render(differences: Sequence[Difference], material: Sequence[Material], chosen: Iterable[str] = TOOLS) -> str:
    """Return the agreement report as Markdown."""
    chosen = list(chosen)
    versions, missing = installed(chosen)
    tracks = "; ".join(_described(track) for track in material)
    lines = [
        "# Agreement with other implementations",
        "",
        "Made by `python reports/metrics_compare/make.py`, which compares on any audio with whatever is installed.",
        "",
        f"Audio: {tracks}.",
        "",
        "Compared with: " + (", ".join(f"{tool} {number}" for tool, number in versions.items()) or "nothing") + ".",
        *(f"Not compared: {tool} ({why})." for tool, why in missing.items()),
        "",
        "*Ours* and *theirs* are medians over the values that were compared: those finite in both, below 100 dB and "
        "not flagged; n counts them, targets times frames. Units are dB, but for the spectral distances and "
        "similarities and Zimtohrli. Functions of mono signals got the mean of the channels.",
        "",
        table(differences).markdown(),
    ]
    return "\n".join(lines)


def _described(track: Material) -> str:
    channels, samples = next(iter(track.references.values())).shape
    size = f"{samples / track.sample_rate:g} s, {len(track.references)} sources of {channels} channels"
    return f"{track.name} ({size}{', estimates of ' + track.method if track.method else ''})"


class AgreementReport(Page):
    """The agreement report, ``README.md``."""

    references: Path | None = param(
        None, metavar="DIR", doc="Folder of <track>/<stem>.wav, or of <stem>.wav (default: demo songs)."
    )
    estimates: Path | None = param(None, metavar="DIR", doc="Estimates of these references, laid out alike.")
    separator: str = param("irm", short="-s", metavar="SPEC", doc="Makes estimates where none are given.")
    max_tracks: int = param(1, at_least=1, doc="Tracks to compare on.")
    duration: float = param(6.0, above=0, unit="s", doc="Length of each track that is used; other tools are slow.")
    tools: tuple[str, ...] = param(tuple(TOOLS), flag="--tool", metavar="NAME", doc="Tools to compare with.")
    out = HERE

    def setup(self) -> None:
        if self.estimates and not self.references:
            raise ConfigError("--estimates was given without --references; name the folder of their references, too")

    def write(self) -> list[Path]:
        """Compare, print the table and write the report."""
        material = self._material()
        differences = compare(material, self.tools)
        print(table(differences).console(shutil.get_terminal_size().columns))
        for tool, why in installed(self.tools)[1].items():
            print(f"not compared: {tool} ({why})")
        self.out.mkdir(parents=True, exist_ok=True)
        report = self.out / "README.md"
        report.write_text(render(differences, material, self.tools), encoding="utf-8")
        return [report]

    def _material(self) -> list[Material]:
        """Load tracks of a folder or of the demo, with estimates from a folder or from a separator."""
        dataset = from_references(self.references) if self.references else get_dataset("demo")
        spec = Spec("estimates", {"dir": str(self.estimates)}) if self.estimates else Spec.parse(self.separator)
        method, _ = build(separators, spec)
        tracks = dataset.tracks(max_tracks=self.max_tracks, duration=self.duration)
        method.tracks = tuple(track.id for track in tracks)
        method.load()
        material = []
        for track in tracks:
            method.track, method.duration = track.id, track.duration
            audio = track.load()
            stems = method.separate(
                audio.mixture, audio.sample_rate, targets=dataset.targets, rng=np.random.default_rng(0),
                references=audio.references if method.needs_references else None,
            )  # fmt: skip
            true = {stem: audio.references[stem] for stem in dataset.targets.stems}
            estimated = {stem: stems[stem] for stem in true if stem in stems}
            material.append(Material(track.name, true, estimated, audio.sample_rate, str(self.estimates or spec)))
        method.close()
        return material


if __name__ == "__main__":
    make(AgreementReport, __doc__)
