"""The agreement report: every tool that is installed, and the reasons where numbers differ."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mss_bench.core.spec import Spec, build
from mss_bench.errors import AudioError, ConfigError, UnknownNameError
from mss_bench.metrics import metrics
from reports.metrics_compare.comparisons import COMPARISONS, TOOLS, installed
from reports.metrics_compare.make import HERE, AgreementReport, Difference, Material, compare, render, table
from reports.pages import make


@pytest.fixture(scope="module")
def material():
    rng = np.random.default_rng(0)
    references = {n: rng.integers(-8000, 8001, (1, 6000)) / 32768 for n in ("vocals", "drums")}
    total = sum(references.values())
    noise = rng.integers(-400, 401, (1, 6000)) / 32768
    estimates = {n: 0.9 * a + 0.1 * total + noise for n, a in references.items()}
    return Material("noise", references, estimates, 2000, "hand")


def test_every_comparison_names_metrics_and_quantities_that_exist():
    for comparison in COMPARISONS:
        metric, _ = build(metrics, Spec.parse(comparison.metric))
        assert set(comparison.quantities) <= {q.name for q in metric.quantities}, comparison
        assert comparison.tool in TOOLS
        assert comparison.note


def test_mir_eval_agrees(material):
    found = compare([material], ["mir_eval"])
    assert len(found) == 7
    for difference in found:
        assert difference.failure == ""
        assert difference.largest < 1e-6
        assert difference.n == 2


@pytest.mark.parametrize("tool", ["fast_bss_eval", "torchmetrics", "auraloss"])
def test_optional_tools_agree_where_definitions_do(material, tool):
    pytest.importorskip(tool)
    for difference in compare([material], [tool]):
        if difference.comparison.note.startswith("same definition"):
            assert difference.failure == ""
            assert difference.largest < 1e-4, difference


def test_what_a_tool_refuses_is_told(material):
    silent = {n: np.zeros_like(a) if n == "drums" else a for n, a in material.references.items()}
    broken = Material("silent", silent, material.estimates, material.sample_rate)
    found = compare([broken], ["mir_eval"])
    assert all(d.failure.startswith("ValueError: All the reference sources should be non-silent") for d in found)
    assert all([cell.text for cell in row[4:8]] == ["–", "–", "–", "0"] for row in table(found).rows)


def test_what_is_left_out_is_counted():
    (row,) = table([Difference(COMPARISONS[0], "SIR", 1.0, 1.5, 0.5, 7, n_flagged=2, n_undefined=1)]).rows
    *values, remark = [cell.text for cell in row[3:]]
    assert values == ["SIR", "1.0000", "1.5000", "5.0e−01", "7"]
    assert remark.endswith("; 2 flagged ill_conditioned; 1 defined by one alone")


def test_the_report_says_what_was_there_and_what_was_not(material, monkeypatch):
    monkeypatch.setitem(TOOLS, "auraloss", ("no_such_module", "pip install it"))
    versions, missing = installed(["mir_eval", "auraloss"])
    assert list(versions) == ["mir_eval"]
    assert missing == {"auraloss": "not installed; pip install it"}
    text = render([Difference(COMPARISONS[0], "SDR", 1.0, 1.0, 0.0, 3)], [material], ["mir_eval", "auraloss"])
    assert "noise (3 s, 2 sources of 1 channels, estimates of hand)" in text
    assert "Not compared: auraloss (not installed; pip install it)." in text
    assert "| museval | evaluate(mode='v4'), 1 s | bss\\_eval | SDR | 1.0000 | 1.0000 | 0.0e+00 | 3 |" in text


def test_wrong_input_is_named(material):
    with pytest.raises(UnknownNameError, match="did you mean 'museval'"):
        compare([material], ["musevall"])
    lacking = Material("song", material.references, {"vocals": material.estimates["vocals"]}, 2000)
    with pytest.raises(AudioError, match="track 'song' has no estimate of drums"):
        compare([lacking], ["mir_eval"])


def test_the_script_on_folders(tmp_path, song, capsys):
    stems = song(tmp_path / "references" / "A", seconds=0.4)
    song(tmp_path / "estimates" / "A", seconds=0.4)
    for name in stems:  # estimates that have something of their references
        (tmp_path / "estimates" / "A" / f"{name}.wav").write_bytes(
            (tmp_path / "references" / "A" / f"{name}.wav").read_bytes()
        )
    arguments = ["--references", str(tmp_path / "references"), "--estimates", str(tmp_path / "estimates")]
    arguments += ["--tool", "torchmetrics", "--tool", "mir_eval", "--out", str(tmp_path / "page")]
    make(AgreementReport, "Compare.", arguments)
    printed = capsys.readouterr()
    assert "bss_eval_v3_sources" in printed.out
    assert "mir_eval bss_eval_images" in printed.err
    assert (tmp_path / "page" / "README.md").read_text().startswith("# Agreement with other implementations")
    with pytest.raises(ConfigError, match="--estimates was given without --references"):
        AgreementReport(estimates=tmp_path)


def test_a_mistake_is_a_line_and_no_traceback():
    command = [sys.executable, str(HERE / "make.py"), "-s", "irmm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "unknown separator 'irmm'; did you mean 'irm'" in done.stderr.splitlines()[-1], done.stderr
    assert "Traceback" not in done.stderr
