"""What the README shows works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def _block(kind, start):
    blocks = re.findall(rf"```{kind}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    return next(b for b in blocks if b.startswith(start))


def _run(*words, cwd):
    return subprocess.run([sys.executable, "-m", "mss_bench", *words], cwd=cwd, capture_output=True, text=True)


def test_the_separator_of_20_lines_keeps_the_contract_and_runs(tmp_path, tiny):
    code = _block("python", "# lowpass.py")
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    (tmp_path / "lowpass.py").write_text(code)
    checked = _run("separators", "check", "lowpass.py", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = _run(
        "run", "--datasets", str(tiny), "--dataset", "tiny", "--plugin", "lowpass.py", "-s", "lowpass_bass",
        "-s", "lowpass_bass:cutoff=250", "-m", "usdr", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "lowpass_bass:cutoff=250" in done.stdout


def test_the_catalog_entry_is_valid(tmp_path):
    from mss_bench.datasets.catalog import load_catalog

    (tmp_path / "mine.yaml").write_text(_block("yaml", "# mine.yaml"))
    mine = load_catalog([tmp_path / "mine.yaml"])["mine"]
    assert [g.name for g in mine.groups] == ["3stem", "vocals_acc"]


def test_the_example_on_arrays_runs(tmp_path):
    check = "\nassert SDR.shape == (2, 2) and abs(result.aggregate.value.iloc[0] - SDR[0].mean()) < 0.5\n"
    code = _block("python", "import numpy as np\n\nimport mss_bench") + check
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_python_example_runs(tmp_path):
    code = _block("python", "import mss_bench")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "demo" / "report" / "index.html").is_file()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (README.parent / target).exists(), target
