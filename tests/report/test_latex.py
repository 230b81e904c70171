"""LaTeX tables as LaTeX sees them: compiled where one is installed, by their structure elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mss_bench.report.contents import arrange
from mss_bench.report.options import Options, Style
from mss_bench.report.report import latex_tables, write_report

LATEX = next(filter(None, map(shutil.which, ("pdflatex", "lualatex", "xelatex", "tectonic"))), None)
DOCUMENT = r"""\documentclass[twocolumn]{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
Before. \input{tables.tex} After. FIGURE
\end{document}
"""
FIGURE = r"\begin{figure}\centering\includegraphics[width=\columnwidth]{%s}\caption{Scores.}\end{figure}"


def check(text: str, folder: Path, figure: str = "", most: float = 10) -> None:
    """What holds without a LaTeX; where there is one, that it compiles with no box too wide by so many points."""
    for name in ("table", "tabular"):
        ends = [len(re.findall(rf"\\{end}\{{{name}\*?\}}", text)) for end in ("begin", "end")]
        assert ends[0] == ends[1] > 0
    bare = re.sub(r"\\[&%$#_{}\\]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    if LATEX is None:
        return
    (folder / "tables.tex").write_text(text, encoding="utf-8")
    (folder / "paper.tex").write_text(DOCUMENT.replace("FIGURE", figure))
    options = [] if LATEX.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([LATEX, *options, "paper.tex"], cwd=folder, capture_output=True, timeout=300)
    output = done.stdout.decode(errors="replace")
    assert done.returncode == 0, output[-3000:]
    assert (folder / "paper.pdf").stat().st_size
    assert "Missing character" not in output
    too_wide = [float(points) for points in re.findall(r"Overfull .hbox .([0-9.]+)pt too wide", output)]
    assert not [points for points in too_wide if points > most], output[-3000:]


@pytest.mark.parametrize("style", [Style(), Style(intervals=True), Style(by="target", columns=("targets", "failed"))])
def test_tables_with_awkward_names_compile(run_tables, tmp_path, style) -> None:
    contents = arrange(
        run_tables.tracks,
        Options(metrics=("SDR", "SAR"), style=style),
        separators=[{"label": "repet_sim", "trained_on": ["demo"]}],
    )
    text = latex_tables(contents.blocks, style)
    assert r"\textsuperscript{\S{}}" in text
    assert r"\texttt{U+65E5}" in text
    assert ("{\\scriptsize[" in text) == style.intervals
    check(text, tmp_path)


@pytest.mark.parametrize("intervals", [False, True])
def test_a_table_and_a_figure_fit_into_a_column(run_tables, awkward, tmp_path, intervals) -> None:
    name = ":".join(awkward)
    style = Style(width="column", caption="Scores & more", latex_label="tab:all", intervals=intervals,
                  labels={"repet_sim": "REPET-SIM", name: f"Ours: 100 % {'x' * 200}"})  # fmt: skip
    options = Options(formats=("tex", "pdf"), metrics=("SDR",), groups=("4stem",), figures=("box",), style=style)
    write_report(tmp_path, *run_tables, options=options)
    text = (tmp_path / "tables.tex").read_text(encoding="utf-8")
    assert r"\begin{table}" in text
    assert r"\caption{Scores \& more}" in text
    assert r"\label{tab:all}" in text
    assert "REPET-SIM" in text
    assert "repet" not in text
    assert "script" not in text.replace(r"\scriptsize", "").replace("superscript", "")
    drawn = tmp_path / "figures" / "demo_test_4stem_SDR_box.pdf"
    assert b"/FontFile2" in drawn.read_bytes()  # TrueType, embedded
    assert b"/Type3" not in drawn.read_bytes()
    check(text, tmp_path, FIGURE % drawn, most=0)


def test_several_tables_share_the_beginning_of_their_labels(run_tables, tmp_path) -> None:
    write_report(tmp_path, *run_tables, options=Options(formats=("tex",), style=Style(latex_label="tab:all")))
    labels = re.findall(r"\\label{(.*)}", (tmp_path / "tables.tex").read_text(encoding="utf-8"))
    assert len(set(labels)) == len(labels) == 6
    assert all(label.startswith("tab:all-demo-test-") for label in labels)


def test_the_notes_are_of_what_the_table_has(sisec_vocals) -> None:
    text = latex_tables(arrange(sisec_vocals).blocks, Style())
    assert "Bold: the best of a column; oracles and the floor are left out." in text
    assert "where a method failed" not in text  # none did
    tracks = sisec_vocals.copy()
    tracks.loc[tracks["separator"].eq("RPCA").idxmax(), "value"] = float("nan")
    assert "where a method failed" in latex_tables(arrange(tracks).blocks, Style())


def test_letters_of_latin_scripts_compile_as_they_are(sisec_vocals, tmp_path) -> None:
    tracks = sisec_vocals.copy()
    tracks["separator"] = tracks["separator"].replace("TAU1", "Stöter Łukasz Žižek ÀÿŐğ – “q” … × µ")
    contents = arrange(tracks)
    text = latex_tables(contents.blocks, Style())
    assert "Stöter Łukasz Žižek ÀÿŐğ -- ``q" in text
    check(text, tmp_path)
