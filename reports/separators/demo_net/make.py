"""Make the page of the network that is shipped: how its training went, and what cost functions do.

::

    python reports/separators/demo_net/make.py                              # page and figures of the numbers beside it
    python reports/separators/demo_net/make.py --trainings DIR              # scores trained networks first

Trainings take long and their outcome is committed: networks are scored on songs of the demo's test
split, scores, curves and plans are kept as text files, and figures and page are made of these alone. ``DIR`` holds one
folder for each cost function, named after it, and ``demo_net``, the training of the network that is shipped; each is
made by ``train.py --out``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # pages share helpers: the package `reports`

from mss_bench import api
from mss_bench.core.parameters import param
from mss_bench.errors import ConfigError
from mss_bench.report.plots.base import PAGE, canvas
from mss_bench.report.style import styled
from reports.pages import Page, make, render, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent

COSTS = {
    "magnitude_mse": "MSE on magnitudes",
    "magnitude_l1": "L1 on magnitudes",
    "mask_mse": "MSE on masks",
    "si_sdr": "SI-SDR in time",
    "sdr": "SDR of complex spectrograms",
}
"""Cost functions of ``losses.py``, as the page calls them."""

METRICS = ("uSDR", "SI-SDR", "SDR", "SIR", "SAR")

_STEMS = ("vocals", "drums", "bass", "other")
_LOOKS = {  # Okabe and Ito's colours
    "vocals": ("#0072B2", "o"),
    "drums": ("#E69F00", "^"),
    "bass": ("#009E73", "s"),
    "other": ("#CC79A7", "D"),
}
_LINES = {
    "magnitude_mse": ("#D55E00", "-"),
    "magnitude_l1": ("#E69F00", "--"),
    "mask_mse": ("#009E73", "-."),
    "si_sdr": ("#0072B2", ":"),
    "sdr": ("#222222", "-"),
}
_USUAL = "magnitude_mse"
_OFF_SCALE = 1.5  # dB, means beyond which would squeeze all others
_RUN_METRICS = ("bss_eval", "usdr", "si_sdr")


@dataclass(frozen=True)
class _Numbers:
    """What is committed: scores of each network and metric, curves, plans."""

    scores: pd.DataFrame  # training, track, metric, target, value
    curves: pd.DataFrame  # training, step, cost, SDR, one column a stem
    facts: dict[str, dict[str, Any]]  # plan and cost of each training, and of the comparison

    @classmethod
    def read(cls, folder: Path) -> _Numbers:
        missing = [name for name in ("scores.csv", "curves.csv", "trainings.json") if not (folder / name).is_file()]
        if missing:
            raise ConfigError(f"{folder} lacks {', '.join(missing)}; expected what a comparison of trainings wrote")
        facts = json.loads((folder / "trainings.json").read_text(encoding="utf-8"))
        return cls(pd.read_csv(folder / "scores.csv"), pd.read_csv(folder / "curves.csv"), facts)

    def table(self, metric: str) -> pd.DataFrame:
        """Return medians over songs, trainings x stems, with the mean of the stems."""
        own = self.scores[self.scores["metric"] == metric]
        medians = own.pivot_table(index="training", columns="target", values="value", aggfunc="median")
        medians = medians.reindex([n for n in [*COSTS, "demo_net", "irm"] if n in medians.index])[list(_STEMS)]
        return medians.assign(mean=medians.mean(axis=1))

    def gains(self, metric: str, cost: str) -> pd.DataFrame:
        """Return the gain of a cost function over MSE on magnitudes, songs x stems, with the mean of the stems."""
        own = self.scores[self.scores["metric"] == metric]
        song = own.pivot_table(index=["track", "target"], columns="training", values="value")
        gains = (song[cost] - song[_USUAL]).unstack("target")[list(_STEMS)]
        return gains.assign(mean=gains.mean(axis=1))


class DemoNetPage(Page):
    """The page: ``README.md`` and ``figures/``, of ``scores.csv``, ``curves.csv`` and ``trainings.json``."""

    trainings: Path | None = param(
        None, metavar="DIR", doc="Trained networks to score first (default: the numbers in the folder of the page)."
    )
    out = HERE
    work: Path = param(Path("runs/demo_net"), metavar="DIR", doc="Run behind the numbers.")
    songs: int = param(12, at_least=1, doc="Demo songs of the test split.")
    jobs: int | None = param(None, at_least=1, doc="Worker processes (default: one a core).")

    def write(self) -> list[Path]:
        """Make figures and page from the numbers, after scoring trained networks where there are some."""
        files = self._score(self.trainings) if self.trainings else []
        numbers = _Numbers.read(self.out)
        figures = {"training": _training_figure(numbers), "costs": _cost_figure(numbers)}
        files += [save_png(figure, self.out / "figures" / f"{name}.png") for name, figure in figures.items()]
        page = render(
            HERE / "page.md.j2", self.out, {}, costs=COSTS, stems=_STEMS, facts=numbers.facts,
            tables={m: numbers.table(m) for m in METRICS}, best=_best(numbers),
            gains={cost: _gain_text(numbers, cost) for cost in COSTS if cost != _USUAL},
        )  # fmt: skip
        return [page, *files]

    def _score(self, trainings: Path) -> list[Path]:
        """Score trained networks and keep the numbers that the page is made of."""
        names = [*COSTS, "demo_net"]
        missing = [name for name in names if not (trainings / name / "demo_net.yaml").is_file()]
        if missing:
            raise ConfigError(f"{trainings} lacks the trainings {', '.join(missing)}; make each with train.py --out")
        print(f"{len(names)} networks on {self.songs} songs of the demo")
        models = [{"name": "model", "manifest": str(trainings / n / "demo_net.yaml"), "as": n} for n in names]
        songs = {"name": "demo", "n_songs": self.songs}
        run = api.run(songs, [*models, "irm"], _RUN_METRICS, jobs=self.jobs, out=self.work)
        scores = run.tracks.rename(columns={"separator": "training"})
        scores = scores[(scores["group"] == "4stem") & scores["metric"].isin(METRICS)]
        scores = scores[scores["training"].isin([*names, "irm"])]
        curves = pd.concat([pd.read_csv(trainings / n / "curve.csv").assign(training=n) for n in names])
        facts = {n: json.loads((trainings / n / "training.json").read_text(encoding="utf-8")) for n in names}
        self.out.mkdir(parents=True, exist_ok=True)
        files = [self.out / "scores.csv", self.out / "curves.csv", self.out / "trainings.json"]
        columns = ["training", "track", "metric", "target", "value"]
        scores[columns].to_csv(files[0], index=False, float_format="%.3f", lineterminator="\n")
        curves[["training", *curves.columns[:-1]]].to_csv(files[1], index=False, lineterminator="\n")
        facts["comparison"] = {"songs": self.songs}
        files[2].write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        return files


def _best(numbers: _Numbers) -> dict[str, str]:
    """Return the cost function with the highest mean of each metric."""
    return {metric: str(numbers.table(metric).loc[[*COSTS], "mean"].idxmax()) for metric in METRICS}


def _gain_text(numbers: _Numbers, cost: str) -> str:
    """Return the mean gain of uSDR over MSE on magnitudes with its 95 % interval."""
    mean, reach = _interval(numbers.gains("uSDR", cost)["mean"].to_numpy(float))
    return f"{mean:+.2f} ± {reach:.2f}"


def _training_figure(numbers: _Numbers) -> Figure:
    """Plot the shipped network's cost and validation SDR, and the validation SDR of every cost function."""
    with styled():
        figure = canvas(2.5, PAGE)
        left, middle, right = figure.subplots(1, 3)
        own = numbers.curves[numbers.curves["training"] == "demo_net"]
        left.plot(own["step"], own["cost"], color="#222222")
        left.set_title("demo_net: cost (dB)")
        for stem in _STEMS:
            colour = _LOOKS[stem][0]
            middle.plot(own["step"], own[stem], color=colour)
            end = (own["step"].iloc[-1], own[stem].iloc[-1])
            middle.annotate(
                stem, end, xytext=(3, 0), textcoords="offset points", va="center", fontsize=7, color=colour
            )  # fmt: skip
        middle.set_title("demo_net: validation SDR (dB)")
        middle.margins(x=0.25)
        for cost, (colour, line) in _LINES.items():
            curve = numbers.curves[numbers.curves["training"] == cost]
            right.plot(curve["step"], curve["SDR"], color=colour, linestyle=line, label=COSTS[cost], linewidth=1.2)
        right.set_title("by cost: the same (dB)")
        right.legend(loc="lower right", fontsize=6.5)
        for axes in (left, middle, right):
            axes.title.set_fontsize(8)
            axes.set_xlabel("step")
            axes.grid(axis="y")
    return figure


def _cost_figure(numbers: _Numbers) -> Figure:
    """Plot what the other costs give over MSE on magnitudes in each metric."""
    others = [cost for cost in COSTS if cost != _USUAL]
    with styled():
        figure = canvas(2.4, PAGE)
        panels: Sequence[Axes] = figure.subplots(1, len(METRICS), sharey=True)
        for axes, metric in zip(panels, METRICS, strict=True):
            axes.axvline(0, color="#222222", linewidth=0.8)
            for row, cost in enumerate(others):
                _draw_gains(axes, numbers.gains(metric, cost), row)
            axes.set_title(metric)
            axes.locator_params(axis="x", nbins=3)
            axes.grid(axis="x")
        panels[0].set_yticks(range(len(others)), [COSTS[c].replace(" of ", "\nof ") for c in others])
        panels[0].set_ylim(len(others) - 0.5, -0.5)
        panels[2].set_xlabel("gain over MSE on magnitudes (dB)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure


def _draw_gains(axes: Axes, gains: pd.DataFrame, row: int) -> None:
    """Draw one cost function in one metric; far from the others its numbers stand at the edge."""
    mean, reach = _interval(gains["mean"].to_numpy(float))
    if abs(mean) > _OFF_SCALE:
        axes.text(
            0.03, row, f"◀ {mean:.1f} ± {reach:.1f}", transform=axes.get_yaxis_transform(), va="center", fontsize=7
        )  # fmt: skip
        return
    for stem in _STEMS:
        colour, marker = _LOOKS[stem]
        axes.plot(
            gains[stem].mean(), row + 0.18, marker, color=colour, markersize=4, label=stem if row == 0 else None
        )  # fmt: skip
    axes.errorbar(
        mean, row - 0.18, xerr=reach, color="#222222", marker="|", markersize=7, capsize=2, linewidth=1.2,
        label="mean of the stems, 95 % interval" if row == 0 else None, linestyle="none",
    )  # fmt: skip


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and half of the width of its 95 % interval (Student's t)."""
    from scipy.stats import t

    known = values[np.isfinite(values)]
    error = known.std(ddof=1) / np.sqrt(len(known))
    return float(known.mean()), float(t.ppf(0.975, len(known) - 1) * error)


if __name__ == "__main__":
    make(DemoNetPage, __doc__)
