"""Tables and plot of what ``bss_eval.py`` measured: ``python tests/benchmarks/bss_eval_figures.py``.

Reads ``bss_eval.json``, writes the tables between the marks in ``bss_eval.md`` and draws ``bss_eval.png``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
NAMES = {"v4": "BSS Eval v4, stereo sources", "sources": "BSS Eval v3 sources, mono, whole track"}
STYLES = {
    "museval": ("#b2182b", "s", "museval"),
    1: ("#2166ac", "o", "mss_bench, 1 set"),
    8: ("#67a9cf", "^", "8 sets"),
}

Result = dict[str, Any]


def main() -> None:
    """Write tables and plot."""
    results = json.loads((FOLDER / "bss_eval.json").read_text())
    path = FOLDER / "bss_eval.md"
    before, rest = path.read_text().split(BEGIN)
    tables = "\n\n".join(_table(kind, [r for r in results if r["kind"] == kind]) for kind in NAMES)
    path.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{rest.split(END)[1]}")
    _plot([r for r in results if r["kind"] == "v4"]).savefig(FOLDER / "bss_eval.png", dpi=120)


def _table(kind: str, results: list[Result]) -> str:
    head = (
        f"{NAMES[kind]}:\n\n| seconds | sources | package | sets | wall s | CPU s | MB | mss_bench faster, CPU | "
        "largest difference, dB |\n|--:|--:|:--|--:|--:|--:|--:|--:|--:|"
    )
    return "\n".join([head, *(_row(r, results) for r in results)])


def _row(result: Result, results: list[Result]) -> str:
    ratio = difference = ""
    if result["engine"] != "mss_bench":
        alike = [r for r in results if _track(r) == _track(result) and r["engine"] == "mss_bench"]
        ratio = ", ".join(f"{result['cpu'] / r['cpu']:.0f} ({r['sets']})" for r in alike if r["sets"] in (1, 8))
        difference = f"{result['difference']:.0e}"
    return (
        f"| {result['seconds']:g} | {result['sources']} | {result['engine']} | {result['sets']} | "
        f"{result['wall']:.2f} | {result['cpu']:.2f} | {result['memory']:.0f} | {ratio} | {difference} |"
    )


def _track(result: Result) -> tuple[float, int]:
    return result["seconds"], result["sources"]


def _plot(results: list[Result]) -> Figure:
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    length, sources, sets = figure.subplots(1, 3, sharey=True)
    _panel(length, "seconds", "length of the track, s (4 sources)", results, lambda r: r["sources"] == 4)
    _panel(sources, "sources", "stereo sources (60 s)", results, lambda r: r["seconds"] == 60)
    _sets_panel(sets, [r for r in results if _track(r) == (60, 4)])
    length.set_ylabel("CPU seconds for one set of estimates")
    for axes in (length, sources, sets):
        axes.set_yscale("log")
        axes.grid(visible=True, alpha=0.3)
    length.legend(loc="upper left")
    figure.suptitle(f"BSS Eval v4, one thread ({results[0]['machine']})", fontsize=10)
    return figure


def _panel(axes: Axes, key: str, label: str, results: list[Result], wanted: Callable[[Result], bool]) -> None:
    for which, (colour, marker, name) in STYLES.items():
        ours = [r for r in results if wanted(r) and which in (r["engine"], r["sets"] * (r["engine"] == "mss_bench"))]
        ours.sort(key=lambda r: r[key])
        axes.plot([r[key] for r in ours], [r["cpu"] for r in ours], marker=marker, color=colour, label=name)
        if which != "museval":
            _ratios(axes, key, ours, [r for r in results if wanted(r) and r["engine"] == "museval"])
    _ticks(axes, label, sorted({r[key] for r in results if wanted(r)}))


def _sets_panel(axes: Axes, results: list[Result]) -> None:
    museval = [r for r in results if r["engine"] == "museval"]
    ours = sorted((r for r in results if r["engine"] == "mss_bench"), key=lambda r: r["sets"])
    axes.plot([r["sets"] for r in ours], [museval[0]["cpu"]] * len(ours), color=STYLES["museval"][0])
    axes.plot([r["sets"] for r in ours], [r["cpu"] for r in ours], color=STYLES[1][0], marker="o")
    _ratios(axes, "sets", ours, museval)
    _ticks(axes, "sets that share references (60 s, 4 sources)", [r["sets"] for r in ours])


def _ratios(axes: Axes, key: str, ours: list[Result], theirs: list[Result]) -> None:
    """How many times faster, beside each point."""
    for result in ours:
        for other in theirs:
            if _track(other) == _track(result):
                text, at = f"{other['cpu'] / result['cpu']:.0f}×", (result[key], result["cpu"])
                axes.annotate(text, at, (0, -13), textcoords="offset points", ha="center", fontsize=8)


def _ticks(axes: Axes, label: str, at: list[float]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(at)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
    axes.margins(x=0.1, y=0.1)


if __name__ == "__main__":
    main()
