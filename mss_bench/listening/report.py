"""The report of a listening test: a page, figures, and tables for a paper, written into a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.listening import figures
from mss_bench.listening.findings import Ears, Findings, Question
from mss_bench.listening.fit import Fit
from mss_bench.listening.paper_tables import Table, csv, latex, markdown
from mss_bench.listening.report_tables import (
    camp_table,
    checklist,
    ear_tables,
    fit_table,
    listener_table,
    question_tables,
)
from mss_bench.report.html import Picture, data_uri
from mss_bench.report.markdown import markdown_escape
from mss_bench.stats.ranking import groups

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["conclusions", "write_fit", "write_report"]

_ALPHA = 0.05
_PAPER = ("png", "pdf")


@dataclass(frozen=True)
class _Figure:
    name: str
    alt: str
    contents: dict[str, bytes]  # by format

    @property
    def picture(self) -> Picture:
        return Picture(data_uri(self.contents["png"]), self.alt)


@dataclass(frozen=True)
class _Section:
    """Part of the page."""

    id: str
    title: str
    lead: list[str]  # sentences
    figures: list[_Figure]
    tables: list[Table]
    more: list[Table]  # folded


def write_report(out: Path, found: Findings, *, pack: Path | None = None) -> list[Path]:
    """Write the report of a test.

    The folder then holds ``index.html`` (self-contained), ``report.md``, ``tables.tex``, ``tables/*.csv`` and
    ``figures/`` as PNG and PDF.

    Parameters
    ----------
    out : Path
        The folder, made where it is absent; files of the same names are replaced.
    found : Findings
        From `mss_bench.listening.findings.find`.
    pack : Path, optional
        The test's pack, for the checklist of its verification.

    Returns
    -------
    list of Path
        The files, the page first.

    Raises
    ------
    RunError
        The folder cannot be written.
    """
    sections = [_question(question) for question in found.questions]
    several = len(found.questions) > 1
    sections += [_ears(question, ears, several) for question in found.questions for ears in question.ears]
    sections.append(_listeners(found))
    checked = checklist(pack) if pack is not None else None
    if checked is not None:
        sections.append(_Section("checklist", "Checklist", [], [], [checked], []))
    title = f"Listening test {found.name}".strip()
    return _write(out, title, _facts(found), conclusions(found), sections)


def write_fit(out: Path, found: Fit, *, name: str = "", scale: tuple[float, float] = (0.0, 100.0)) -> list[Path]:
    """Write the report of `mss_bench.listening.fit.fit_metrics`, with ``model.json`` and ``predictions.csv``.

    Parameters
    ----------
    out : Path
    found : Fit
    name : str
        Of the test.
    scale : (float, float)

    Returns
    -------
    list of Path
        The files, the page first.
    """
    from mss_bench.core.files import write_atomic

    figure = _figure("fit", "Predicted against heard scores, on songs and on systems left out",
                     figures.fit_plot(found, scale))  # fmt: skip
    section = _Section("fit", "Metrics as predictors", found.notes, [figure], [fit_table(found)], [])
    facts = [("signals", str(len(found.predictions))), ("songs", str(found.predictions["song"].nunique())),
             ("systems", str(found.predictions["system"].nunique()))]  # fmt: skip
    files = _write(out, f"From metrics to ratings: {name}".rstrip(": "), facts, found.conclusions, [section])
    for file, text in (
        ("model.json", found.to_json()),
        ("predictions.csv", found.predictions.to_csv(index=False, lineterminator="\n")),
    ):
        write_atomic(out / file, text)
        files.append(out / file)
    return files


def conclusions(found: Findings) -> list[str]:
    """What the test says, in sentences."""
    told = []
    for question in found.questions:
        told += _answer(question)
        for ears in question.ears:
            told += _heard(ears, question.title if len(found.questions) > 1 else "")
    excluded = found.screening.excluded
    if excluded:
        told.append(f"Post-screening excluded {len(excluded)} of {len(found.screening.listeners)} listeners: "
                    f"{', '.join(excluded)}.")  # fmt: skip
    return told


def _answer(question: Question) -> list[str]:
    if question.summary is not None:
        tested = question.summary[question.summary["role"] == "test"]
        if tested.empty:
            return []
        order = list(map(str, tested.index))
        text = f"{question.title}: " + ", ".join(f"{n} {m:.4g}" for n, m in zip(order, tested["median"], strict=True))
        text = text[0].upper() + text[1:] + " (medians)."
        if question.tests is None:
            return [text]
        tied = [one for one in groups(question.tests.conover, order, _ALPHA) if len(one) > 1]
        same = "; ".join(" and ".join(one) for one in tied)
        return [text + (f" Not told apart: {same}." if tied else " All are told apart (Conover, Holm, 5 %).")]
    if question.scales:
        order = list(map(str, question.scales[0].strengths.index))
        return [f"{question.title.capitalize()}: {' > '.join(order)} (Bradley-Terry)."]
    if question.abx is not None:
        heard = [str(name) for name, row in question.abx.iterrows() if row["p"] < _ALPHA]
        return [f"Told from the reference: {', '.join(heard) or 'none'} (5 %, Holm)."]
    return []


def _heard(ears: Ears, title: str) -> list[str]:
    answers: dict[str, list[str]] = {}
    for verdict in ears.verdicts:
        answers.setdefault(verdict.answer, []).append(verdict.metric)
    if not answers:
        return []
    part = f" of {ears.name} systems" if ears.name else ""
    words = {"yes": "rank them as listeners do", "partly": "do so in part", "no": "do not",
             "open": "cannot be judged"}  # fmt: skip
    told = "; ".join(f"{', '.join(answers[a])} {words[a]}" for a in words if a in answers)
    why = next((str(v).partition(": ")[2] for v in ears.verdicts if v.answer == "open"), "")
    return [f"Metrics{part}{title and f' on {title}'}: {told}{why and f' ({why})'}."]


def _facts(found: Findings) -> list[tuple[str, str]]:
    tested = found.ratings[found.ratings["role"] == "test"]
    return [
        ("listeners", f"{found.ratings['listener'].nunique() - len(found.screening.excluded)}"),
        ("screened out", str(len(found.screening.excluded))),
        ("items", str(found.ratings["item"].nunique())),
        ("systems", str(tested["system"].nunique())),
        ("ratings", str(len(found.ratings))),
    ]


def _question(question: Question) -> _Section:
    tables = question_tables(question)
    drawn = []
    name = re.sub(r"[^A-Za-z0-9]+", "_", f"{question.task} {question.target}").strip("_").lower()
    if question.summary is not None:
        from mss_bench.listening.protocols import PROTOCOLS

        labels = next((t.labels for p in PROTOCOLS.values() for t in p.tasks if t.name == question.task), ())
        bands = labels if question.scale == (0.0, 100.0) and len(labels) == 5 else ()
        figure = figures.box_plot(question.ratings, question.summary, labels=bands, scale=question.scale,
                                  title=question.title)  # fmt: skip
        drawn.append(_figure(f"{name}_scores", f"Box plot of the scores of every signal: {question.title}", figure))
        if question.ratings["item"].nunique() > 1:
            figure = figures.item_plot(question.ratings, question.summary, scale=question.scale)
            drawn.append(_figure(f"{name}_items", f"Median score of every item and signal: {question.title}", figure))
    for scale in question.scales:
        figure = figures.strength_plot(scale)
        drawn.append(_figure(f"{name}_{scale.model}", f"Strengths of the systems, {scale.model}", figure))
    return _Section(name, question.title.capitalize(), question.notes, drawn, tables[:2], tables[2:])


def _ears(question: Question, ears: Ears, several: bool) -> _Section:
    tables = ear_tables(question, ears)
    name = tables[0].name
    alt = f"Each metric against the median scores: {question.title} {ears.name}"
    drawn = [_figure(f"{name}_scatter", alt, figures.scatter_plot(ears.joined, ears.agreement))]
    part = ", ".join(filter(None, [question.title if several else "", ears.name]))
    title = "Metrics against ears" + (f": {part}" if part else "")
    return _Section(name, title, [], drawn, tables[:2], tables[2:])


def _listeners(found: Findings) -> _Section:
    camps = camp_table(found)
    return _Section("listeners", "Listeners", [], [], [listener_table(found)], [camps] if camps.rows else [])


def _figure(name: str, alt: str, figure: Figure) -> _Figure:
    from mss_bench.report.plots import save

    return _Figure(name, alt, {kind: save(figure, kind) for kind in _PAPER})


def _write(
    out: Path, title: str, facts: Sequence[tuple[str, str]], told: Sequence[str], sections: Sequence[_Section]
) -> list[Path]:
    from mss_bench.core.files import write_atomic

    tables = [table for section in sections for table in [*section.tables, *section.more]]
    drawn = [figure for section in sections for figure in section.figures]
    files: dict[str, bytes] = {
        "index.html": _page(title, facts, told, sections).encode("utf-8"),
        "report.md": _markdown(title, told, sections).encode("utf-8"),
        "tables.tex": ("% Needs \\usepackage{booktabs}.\n" + "\n".join(map(latex, tables))).encode("utf-8"),
    }
    files |= {f"tables/{table.name}.csv": csv(table).encode("utf-8") for table in tables}
    files |= {f"figures/{f.name}.{kind}": data for f in drawn for kind, data in f.contents.items()}
    for name, content in files.items():
        write_atomic(out / name, content)
    return [out / name for name in files]


def _page(title: str, facts: Sequence[tuple[str, str]], told: Sequence[str], sections: Sequence[_Section]) -> str:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader("mss_bench.listening"), PackageLoader("mss_bench.report")]),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page: str = environment.get_template("listening_report.html.j2").render(
        title=title, facts=facts, told=told, sections=sections
    )
    return page


def _markdown(title: str, told: Sequence[str], sections: Sequence[_Section]) -> str:
    lines = [f"# {markdown_escape(title)}", "", *(f"- {markdown_escape(text)}" for text in told), ""]
    for section in sections:
        lines += [f"## {markdown_escape(section.title)}", ""]
        lines += [f"- {markdown_escape(text)}" for text in section.lead]
        lines += ["" for _ in section.lead[:1]]
        for figure in section.figures:
            lines += [f"![{markdown_escape(figure.alt)}](figures/{figure.name}.png)", ""]
        lines += [markdown(table) for table in [*section.tables, *section.more]]
    return "\n".join(lines).rstrip("\n") + "\n"
