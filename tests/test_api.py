"""The facade on a finished run, and the report verb."""

from __future__ import annotations

import io
import json
import subprocess
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import mss_bench
from mss_bench.api import Results
from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.errors import ConfigError, RunError, UnknownNameError

STEMS = ("vocals", "drums", "bass", "other")
GROUP = {"group": "4stem"}


CATALOG = """
tiny:
  layout: stems
  root: {root}
  sample_rate: 8000
  subsets: [test]
  stems: [vocals, drums, bass, other]
  targets:
    accompaniment: [drums, bass, other]
  groups:
    4stem: [vocals, drums, bass, other]
    vocals_acc: [vocals, accompaniment]
"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """Four songs of two seconds at 8 kHz."""
    root = tmp_path_factory.mktemp("data")
    for i in range(4):
        rng = np.random.default_rng(i)
        stems = {s: (0.1 * rng.standard_normal((2, 16000))).astype(np.float32) for s in STEMS}
        for name, array in ({"mixture": sum(stems.values())} | stems).items():
            audio.write(root / "tiny" / "test" / f"Song {i}" / f"{name}.wav", array, 8000)
    (root / "catalog.yaml").write_text(CATALOG.format(root=root / "tiny"))
    return root / "catalog.yaml"


@pytest.fixture(scope="module")
def results(catalog) -> Results:
    return mss_bench.run("tiny", ["centre", "karaoke", "irm"], ["bss_eval", "usdr"], catalogs=(str(catalog),),
                         out=catalog.parent / "one", quiet=True, jobs=1)  # fmt: skip


@pytest.fixture(scope="module")
def other(catalog) -> Results:
    return mss_bench.run("tiny", ["mixture_unscaled", "centre"], ["bss_eval", "usdr"], catalogs=(str(catalog),),
                         out=catalog.parent / "two", quiet=True, jobs=1)  # fmt: skip


def test_tables_are_plain_pandas(results) -> None:
    assert isinstance(results.tracks, pd.DataFrame)
    table = results.aggregate(aggregation="mean_of_medians", oracle="irm")
    assert set(table["separator"]) == {"mixture", "centre", "karaoke", "irm"}
    assert (table.query("separator == 'irm'")["gap"] == 0).all()


def test_two_methods_are_compared(results) -> None:
    found = results.compare("irm", "karaoke", "SDR", "vocals", **GROUP)
    assert found.pair.n_tracks == 4
    assert found.pair.difference > 0
    assert "4 songs: too few for any test" in str(found)
    assert "irm - karaoke, SDR of vocals" in str(found)
    with pytest.raises(UnknownNameError, match="unknown separator 'karaok'; did you mean 'karaoke'"):
        results.compare("irm", "karaok", **GROUP)
    assert "irm - karaoke, SDR of vocals (4stem): " in str(results.compare("irm", "karaoke"))


@pytest.mark.parametrize(
    "draw",
    [
        lambda plot: plot.box("SDR", "vocals", **GROUP),
        lambda plot: plot.violin("SDR", "drums"),
        lambda plot: plot.box(target="all", separators=["centre", "irm"], labels={"irm": "Oracle"}, width="column"),
        lambda plot: plot.cd("SDR", "vocals", **GROUP),
        lambda plot: plot.pairs("SDR", "vocals", oracles=True, test="wilcoxon", **GROUP),
        lambda plot: plot.heat("SIR", "vocals", **GROUP),
        lambda plot: plot.scatter("SIR", "SDR", "vocals", **GROUP),
        lambda plot: plot.cost("uSDR", "vocals_acc"),
        lambda plot: plot.silence("SDR", **GROUP),
        lambda plot: plot.frames("Song 1", "SDR", "vocals", **GROUP),
    ],
)
def test_every_figure_has_a_short_name(results, draw) -> None:
    figure = draw(results.plot)
    assert isinstance(figure, Figure)
    assert figure.axes


def test_figures_of_what_is_not_there_are_refused(results) -> None:
    with pytest.raises(UnknownNameError, match="unknown track 'Song 9'"):
        results.plot.frames("Song 9")
    with pytest.raises(UnknownNameError, match="unknown metric 'SRD'"):
        results.plot.box("SRD")
    with pytest.raises(UnknownNameError, match="unknown metric 'SRD'"):
        results.plot.cost("SRD")
    with pytest.raises(UnknownNameError, match="unknown target group '3stem'"):
        results.plot.cost("SDR", "3stem")
    for call, message in (
        (lambda: results.plot.box(widht="page"), "results.plot.box has no option 'widht'; did you mean 'width'"),
        (lambda: results.scores(where={"group": "4stem"}), "results.scores has no option 'where'"),
        (lambda: results.compare("irm"), "results.compare: missing a required argument: 'b'; it takes a, b, metric"),
        (lambda: results.report(figures=("box",)), "results.report has no option 'figures'"),
        (lambda: mss_bench.run("demo", metric="SDR"), "metric"),
        (lambda: results.scores(5), "metric is 5, expected a name"),
        (lambda: results.plot.heat(width="wide"), "width is 'wide', expected column"),
        (lambda: results.plot.heat(labels={"irn": "Oracle"}), "unknown separator 'irn'; did you mean 'irm'"),
    ):
        with pytest.raises(ConfigError, match=message):
            call()


def test_a_notebook_shows_results_comparisons_and_aggregates_as_a_report_does(results) -> None:
    table = results.aggregate().query("metric == 'SDR'")
    for shown in (results, results.compare("irm", "karaoke"), table):
        page = shown._repr_html_()
        assert "irm" in page
        assert "<table" in page
        assert "dataframe" not in page
    assert "dataframe" in table[["separator", "value"]]._repr_html_()  # which is no aggregated table any more


def test_several_runs_are_one(results, other, tmp_path) -> None:
    both = mss_bench.load(results.path, other.path)
    assert set(both.tracks["separator"]) == {"mixture", "centre", "karaoke", "irm", "mixture_unscaled"}
    for table in ("tracks", "frames", "costs"):
        new = getattr(other, table)["separator"] == "mixture_unscaled"
        assert len(getattr(both, table)) == len(getattr(results, table)) + int(new.sum())
    assert {s["label"] for s in both.run["separators"]} == set(both.tracks["separator"])
    assert "mixture_unscaled" in both.summary()
    assert len(both.plot.frames("Song 1", "SDR", "vocals", **GROUP).axes[0].get_legend().get_texts()) == 5
    with pytest.raises(RunError, match="a report of 2 runs belongs to none of them"):
        both.report(formats=("csv",))


def test_no_run_is_told(tmp_path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        mss_bench.load(tmp_path)


def cli(*words: object) -> subprocess.CompletedProcess[str]:
    """Call ``mss-bench report`` in this process, which saves the start of another."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(["report", *map(str, words)])
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


def test_the_sar_of_what_does_nothing_is_compared_with_none(results) -> None:
    assert (results.tracks["metric"] == "SAR").any()
    for pair in (("mixture", "centre"), ("centre", "mixture")):
        with pytest.raises(RunError, match=r"means nothing: SAR above 100 dB .*; compare another metric"):
            results.compare(*pair, metric="SAR")
    with pytest.raises(RunError, match="karaoke does not separate drums: there is no SDR of it"):
        results.compare("karaoke", "mixture", target="drums")
    with pytest.raises(ConfigError, match="a separator is None, expected its name"):
        results.compare(None, "centre")


def test_a_table_and_figures_for_a_paper_are_one_command(results, other, tmp_path) -> None:
    chosen = "-m SDR,SIR --targets vocals --groups 4stem --separator mixture_unscaled,centre,karaoke --sort given"
    how = "--digits 1 --aggregation mean_of_medians --missing complete --ci --table-by target --gap-to irm --draws 200"
    done = cli(results.path, other.path, "-o", tmp_path, "--format", "md,csv,tex,pdf", *chosen.split(), *how.split(),
               "--figures", "box,frames", "--page", "Song 2")  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = {file.name for file in tmp_path.rglob("*.*")}
    assert {"report.md", "scores.csv", "tables.tex", "tiny_test_4stem_vocals_SDR_frames.pdf"} <= names
    rows = [line for line in (tmp_path / "report.md").read_text().splitlines() if line.startswith("| ")]
    assert rows[0] == "| separator | gain (SDR) | gap (SDR) | SDR (dB) | SIR (dB) |"
    assert [row.split("|")[1].strip() for row in rows[2:5]] == [
        "mixture\\_unscaled (does nothing)",
        "centre",
        "karaoke",
    ]
    assert "mean of medians" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "doc"], "--format is 'doc', expected a list of md, csv"),
        (["--methods", "karaok"], "unknown separator 'karaok'; did you mean 'karaoke'"),
        (["--columns", "vocals"], "--columns is 'vocals', expected a list of mean"),
        (["--page", "Song 9"], "unknown track 'Song 9'"),
        (["--test", "t"], "--test is 't', expected wilcoxon"),
        (["--width", "3"], "width is '3', expected column (86 mm), page (182 mm) or millimetres from 50 to 500"),
        (["--format", "pdf", "--figures", "none"], "pdf is a format of figures, and no figures are named"),
        (["--labels", "karaok=K"], "unknown separator 'karaok'; did you mean 'karaoke'"),
        (["--latex-label", "a b"], "--latex-label is 'a b', expected letters"),
        (["--caption", "All"], "--caption is of one table, and there are"),
        (["--sort", "drumz"], "unknown order of rows 'drumz'; did you mean 'drums'"),
    ],
)
def test_wrong_words_are_one_line(results, tmp_path, words, message) -> None:
    done = cli(results.path, "-o", tmp_path, "--figures", "none", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_two_methods_are_compared_from_the_command_line(results, capsys) -> None:
    assert main(["compare", str(results.path), "irm", "karaoke"]) == 0
    assert capsys.readouterr().out.startswith(
        "irm - karaoke, SDR of vocals (4stem): 4 songs: too few for any test; irm"
    )
    assert main(["compare", str(results.path), "irm", "karaoke", "--metric", "uSDR", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["wins"] == 4
    for words, message in (
        (["irm", "karaok"], "unknown separator 'karaok'; did you mean 'karaoke'"),
        (["irm", "irm"], "a method cannot be compared with itself"),
        (["irm", "karaoke", "--target", "vocal"], "unknown target 'vocal'; did you mean 'vocals'"),
        (["irm", "karaoke", "--fail-if-worse"], "--fail-if-worse needs at least 6 songs to show anything, got 4"),
    ):
        assert main(["compare", str(results.path), *words]) == 2
        assert message in capsys.readouterr().err
