"""The example notebook runs as it stands."""

import json
import subprocess
import sys
from pathlib import Path

NOTEBOOK = Path(__file__).parents[1] / "reports" / "notebook" / "from_run_to_paper.ipynb"


def test_the_example_notebook_runs_from_top_to_bottom(tmp_path) -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells)  # outputs would be of another version some day
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "median difference" in done.stdout
    assert "Kendall's W" in done.stdout
    table = (tmp_path / "paper" / "tables.tex").read_text(encoding="utf-8")
    assert "SDR (dB) & SIR (dB)" in table
    assert [p.suffix for p in (tmp_path / "paper" / "figures").iterdir()] == [".pdf"] * 2  # of two metrics
