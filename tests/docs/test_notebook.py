"""The example notebook runs as it stands, and shows what a notebook shows; with the documents, as it takes long."""

import json
import subprocess
import sys
from pathlib import Path

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorials" / "run_to_paper.ipynb"

# What Jupyter does with a cell: run it, and show its last expression in the richest form that it has.
PLAYER = """
import ast, json, sys
names, shown = {"__name__": "__main__"}, []
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] != "code":
        continue
    code = ast.parse("".join(cell["source"]))
    last = code.body.pop() if isinstance(code.body[-1], ast.Expr) else None
    exec(compile(code, "cell", "exec"), names)
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None
    html, png = (getattr(value, name, lambda: None)() for name in ("_repr_html_", "_repr_png_"))
    shown.append(html or ("png" if png and png[:4] == b"\\x89PNG" else repr(value)))
json.dump(shown, open("shown.json", "w"))
"""


def test_the_example_notebook_runs_from_top_to_bottom(tmp_path) -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells)  # outputs would be of another version some day
    words = [sys.executable, "-W", "error", "-c", PLAYER, str(NOTEBOOK)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "typical difference" in done.stdout
    assert "Kendall's W" in done.stdout
    shown = json.loads((tmp_path / "shown.json").read_text())
    assert sum(page == "png" for page in shown) == 3
    results, aggregated, compared = (next(p for p in shown if text in p) for text in ("gain:", "<b>demo", "difference"))
    assert all("<table" in page and "dataframe" not in page for page in (results, aggregated, compared))
    table = (tmp_path / "paper" / "tables.tex").read_text(encoding="utf-8")
    assert "SDR (dB) & SIR (dB)" in table
    assert r"\begin{table}" in table
    assert [p.suffix for p in (tmp_path / "paper" / "figures").iterdir()] == [".pdf"] * 2  # of two metrics
