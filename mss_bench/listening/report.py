"""The report of a listening test: a page, figures, and tables for a paper, written into a folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.core.text import counted, frame_csv, shortened
from mss_bench.listening import figures
from mss_bench.listening.catalogue import Catalogue
from mss_bench.listening.findings import Ears, Findings, Question
from mss_bench.listening.fit import Fit
from mss_bench.listening.pairs import MODELS
from mss_bench.listening.protocols import PROTOCOLS
from mss_bench.listening.ratings import SCALE
from mss_bench.listening.report_tables import (
    camp_table,
    condition_table,
    ear_tables,
    fit_table,
    listener_table,
    question_tables,
)
from mss_bench.listening.verification import checklist
from mss_bench.listening.votes import Votes
from mss_bench.report.html import Picture, data_uri, templates
from mss_bench.report.markdown import markdown_escape
from mss_bench.report.plots import save
from mss_bench.report.table import Table
from mss_bench.stats.verdicts import cliques

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["conclusions", "write_fit", "write_report"]

_ALPHA = 0.05


@dataclass(frozen=True)
class _Drawing:
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
    tables: list[Table]
    more: list[Table] = field(default_factory=list)  # folded
    lead: list[str] = field(default_factory=list)  # sentences
    figures: list[_Drawing] = field(default_factory=list)


def write_report(out: Path, found: Findings, *, pack: Path | None = None) -> list[Path]:
    """Write the report of a test.

    The folder then holds ``index.html`` (self-contained), ``report.md``, ``tables.tex``, ``tables/*.csv`` (of these,
    ``conditions.csv`` has every signal of every item) and ``figures/`` as PNG and PDF.

    Parameters
    ----------
    out : Path
        The folder, made where it is absent; files of the same names are replaced.
    found : Findings
        From `mss_bench.listening.findings.find`.
    pack : Path, optional
        The test's pack, its key beside it, for the checklist of BS.1534.

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
    camps = [camp_table(found)] if len(found.camps) else []
    sections.append(_Section("listeners", "Listeners", [listener_table(found)], camps))
    if pack is not None:
        sections.append(_Section("checklist", "Checklist", [checklist(pack)]))
    n_excluded = len(found.screening.excluded)
    facts = {
        "listeners": found.ratings["listener"].nunique() - n_excluded,
        "screened out": n_excluded,
        "items": found.ratings["item"].nunique(),
        "systems": found.ratings.loc[found.ratings["role"] == "test", "system"].nunique(),
        "ratings": len(found.ratings),
    }
    more = {"tables/conditions.csv": frame_csv(condition_table(found))}
    return _write(out, f"Listening test {found.name}".strip(), facts, conclusions(found), sections, more)


def write_fit(out: Path, found: Fit, *, name: str = "", scale: tuple[float, float] = SCALE) -> list[Path]:
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
    drawn = _drawing("fit", "Predicted against heard scores, on songs and on systems left out",
                     figures.fit_plot(found, scale))  # fmt: skip
    section = _Section("fit", "Metrics as predictors", [fit_table(found)], lead=found.notes, figures=[drawn])
    facts = {"signals": len(found.predictions)}
    facts |= {f"{column}s": found.predictions[column].nunique() for column in ("song", "system")}
    more = {
        "model.json": found.to_json(),
        "predictions.csv": frame_csv(found.predictions),
    }
    title = f"From metrics to ratings: {name}".rstrip(": ")
    return _write(out, title, facts, found.conclusions, [section], more)


def conclusions(found: Findings) -> list[str]:
    """Say what a test shows, in sentences."""
    told = []
    for question in found.questions:
        told += _answer(question)
        for ears in question.ears:
            told += _heard(ears, question.title if len(found.questions) > 1 else "")
    reasoned = found.screening.listeners["reason"].ne("") & ~found.screening.listeners["excluded"]
    if reasoned.any():
        would = f"BS.1534 would exclude {int(reasoned.sum())} of {len(reasoned)} listeners."
        told.append(f"{found.screening.rules[0]} {would}")
    if excluded := found.screening.excluded:
        told.append(f"Post-screening excluded {len(excluded)} of {len(found.screening.listeners)} listeners: "
                    f"{', '.join(excluded)}.")  # fmt: skip
    return told


def _answer(question: Question) -> list[str]:
    if question.scales:
        order = list(map(str, question.scales[0].strengths.index))
        told = f"{question.title.capitalize()}: {' > '.join(order)} ({MODELS[question.scales[0].model]})."
        sides = question.sides
        if sides is None or sides.pairs.empty:
            return [told]
        apart = sides.pairs[sides.pairs["p"] < _ALPHA]
        ordered = zip(apart["a"], apart["b"], apart["share"] > 0.5, strict=True)
        surely = ", ".join(f"{a} over {b}" if first else f"{b} over {a}" for a, b, first in ordered)
        few = _too_few(int(sides.pairs["listeners"].max()), len(sides.pairs), 2, "pair")
        told += f" Surely preferred: {surely or 'none'} (by listeners, Holm, 5 %{few})."
        if sides.p_side < _ALPHA:
            told += f" A side is preferred: the first sound was chosen {sides.first} times, the second {sides.second}."
        return [told]
    if question.abx is not None:
        heard = [str(name) for name, row in question.abx.iterrows() if row["p"] < _ALPHA]
        few = _too_few(int(question.abx["listeners"].max()), len(question.abx), 1, "system")
        return [f"Told from the reference: {', '.join(heard) or 'none'} (by listeners, Holm, 5 %{few})."]
    if question.votes is not None:
        return [_voted(question.title, question.votes)]
    if question.summary is None or (tested := question.summary[question.summary["role"] == "test"]).empty:
        return []
    order = list(map(str, tested.index))
    centres = tested[question.centre]
    text = f"{question.title}: " + ", ".join(f"{n} {m:.4g}" for n, m in zip(order, centres, strict=True))
    text = text[0].upper() + text[1:] + f" ({'mean opinion scores' if question.centre == 'mean' else 'medians'})."
    if question.tests is None:
        return [text]
    tests = question.tests
    tied = [names for names in cliques(tests.p.loc[order, order], _ALPHA) or [] if len(names) > 1]
    same = "; ".join(" and ".join(names) for names in tied)
    by = "crossed t test of means" if tests.test == "crossed t" else f"Wilcoxon's test over {tests.songs} songs"
    said = f"Not told apart: {same}" if tied else f"Told apart: {'both' if len(order) == 2 else 'all'}"
    part = f" Incomplete, and left out of the tests: {shortened(tests.left_out)}." if tests.left_out else ""
    return [f"{text} {said} ({by}, Holm, 5 %).{part}"]


def _too_few(listeners: int, family: int, sides: int, what: str, choices: int = 2) -> str:
    """Return a remark where listeners of one mind, of `choices` each, could not bring any p of a family below 5 %."""
    # The least p after Holm is sides * family / choices^n.
    needed = math.floor(math.log(sides * family / _ALPHA, choices)) + 1
    return f"; with {counted(listeners, 'listener')} no {what} can reach it, with {needed} one can" * (
        listeners < needed
    )


def _voted(title: str, votes: Votes) -> str:
    table, pairs = votes.systems, votes.pairs[votes.pairs["p"] < _ALPHA]
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in table["share"].items())
    more = [str(name) for name in table.index[(table["p"] < _ALPHA) & (table["share"] > votes.chance)]]
    apart = [f"{a} over {b}" for a, b in zip(pairs["a"], pairs["b"], strict=True)]  # sorted: a has more votes
    # Of two systems all votes for one are as far from chance as all for the other; of more, no other count is.
    few = _too_few(votes.listeners, len(table), 2 if len(table) == 2 else 1, "system", len(table))
    few += _too_few(int(votes.pairs["listeners"].max()), len(votes.pairs), 2, "pair")
    return (
        f"{title.capitalize()}: {shares} of {votes.votes} votes. More often than by chance "
        f"({100 * votes.chance:.0f} %): {', '.join(more) or 'none'}; surely {', '.join(apart) or 'none over another'} "
        f"(by listeners, Holm, 5 %{few})."
    )


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
    why = next((v.why for v in ears.verdicts if v.answer == "open"), "")
    sentences = [f"Metrics{part}{title and f' on {title}'}: {told}{why and f' ({why})'}."]
    against = [str(name) for name, high in ears.agreement["rho_high"].items() if high < 0]
    if against and not ears.name:
        sentences.append(
            f"Surely against the ratings: {', '.join(against)}. If less of a table's metric is better, name it with "
            "--lower."
        )
    return sentences


def _question(question: Question) -> _Section:
    tables = question_tables(question)
    drawn = []
    name = question.file()
    if question.summary is not None:
        words = next((t.scale for p in PROTOCOLS.values() for t in p.tasks if t.name == question.task), "")
        labels = Catalogue().words(f"scales.{words}") if words else ()
        bands = labels if question.scale == SCALE and len(labels) == 5 else ()
        figure = figures.box_plot(question.ratings, question.summary, labels=bands, scale=question.scale,
                                  title=question.title)  # fmt: skip
        drawn.append(_drawing(f"{name}_scores", f"Box plot of the scores of every signal: {question.title}", figure))
        if question.ratings["item"].nunique() > 1:
            figure = figures.item_plot(question.ratings, question.summary, scale=question.scale)
            drawn.append(_drawing(f"{name}_items", f"Median score of every item and signal: {question.title}", figure))
    for scale in question.scales:
        alt = f"Strengths of the systems, {scale.model}"
        drawn.append(_drawing(f"{name}_{scale.model}", alt, figures.strength_plot(scale)))
    if question.votes is not None:
        alt = f"Share of the votes of every system: {question.title}"
        drawn.append(_drawing(f"{name}_votes", alt, figures.vote_plot(question.votes)))
    return _Section(name, question.title.capitalize(), tables[:2], tables[2:], question.notes, drawn)


def _ears(question: Question, ears: Ears, several: bool) -> _Section:
    tables = ear_tables(question, ears)
    alt = f"Each metric against the median scores: {question.title} {ears.name}"
    drawn = _drawing(f"{tables[0].name}_scatter", alt, figures.scatter_plot(ears.joined, ears.agreement))
    part = ", ".join(filter(None, [question.title if several else "", ears.name]))
    title = "Metrics against ears" + (f": {part}" if part else "")
    return _Section(tables[0].name, title, tables[:2], tables[2:], figures=[drawn])


def _drawing(name: str, alt: str, figure: Figure) -> _Drawing:
    return _Drawing(name, alt, {kind: save(figure, kind) for kind in ("png", "pdf")})


def _write(
    out: Path, title: str, facts: Mapping[str, int], told: Sequence[str], sections: Sequence[_Section],
    more: Mapping[str, str] | None = None,
) -> list[Path]:  # fmt: skip
    from mss_bench.core.files import write_atomic

    tables = [table for section in sections for table in [*section.tables, *section.more]]
    page = templates("mss_bench.listening").get_template("listening_report.html.j2")
    texts = {
        "index.html": page.render(title=title, facts=facts, told=told, sections=sections),
        "report.md": _markdown(title, told, sections),
        "tables.tex": "% Needs \\usepackage{booktabs}.\n" + "\n".join(table.latex() for table in tables),
        **{f"tables/{table.name}.csv": table.csv() for table in tables},
        **(more or {}),
    }
    files = {name: text.encode("utf-8") for name, text in texts.items()}
    for section in sections:
        files |= {f"figures/{f.name}.{kind}": data for f in section.figures for kind, data in f.contents.items()}
    for name, content in files.items():
        write_atomic(out / name, content)
    return [out / name for name in files]


def _markdown(title: str, told: Sequence[str], sections: Sequence[_Section]) -> str:
    lines = [f"# {markdown_escape(title)}", "", *(f"- {markdown_escape(text)}" for text in told), ""]
    for section in sections:
        lines += [f"## {markdown_escape(section.title)}", ""]
        if section.lead:
            lines += [*(f"- {markdown_escape(text)}" for text in section.lead), ""]
        for figure in section.figures:
            lines += [f"![{markdown_escape(figure.alt)}](figures/{figure.name}.png)", ""]
        lines += [table.markdown() for table in [*section.tables, *section.more]]
    return "\n".join(lines).rstrip("\n") + "\n"
