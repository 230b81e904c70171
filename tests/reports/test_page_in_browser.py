"""The report's page in a real browser: it loads without an error, sorts, and keeps names text."""

import shutil
import subprocess

import pytest

from mss_bench.reports.report import Options, write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Clicks the first sortable heading of a number twice, and leaves what the test looks at in the page itself.
PROBE = """
<script>
addEventListener("error", e => document.body.dataset.error = e.message);
addEventListener("load", () => {
  const table = document.querySelector("table");
  const names = () => [...table.tBodies[0].rows].map(r => r.cells[0].textContent.trim().split(/\\s/)[0]).join(",");
  const head = [...table.tHead.rows[0].cells].find(c => c.textContent.includes("vocals"));
  (head.querySelector("button") || head).click();
  document.body.dataset.once = names();
  (head.querySelector("button") || head).click();
  document.body.dataset.twice = names();
  document.body.dataset.images = [...document.images].filter(i => !i.complete || !i.naturalWidth).length;
  document.body.dataset.injected = document.querySelectorAll("b.injected").length;
});
</script>
"""


@pytest.fixture(scope="module")
def dom(tmp_path_factory, request):
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    tables = request.getfixturevalue("run_tables")
    folder = tmp_path_factory.mktemp("page")
    tracks = tables.tracks.copy()
    tracks["separator"] = tracks["separator"].str.replace("karaoke", '<b class="injected">karaoke</b>')
    write_report(folder, tracks, tables.failures, tables.costs, {}, Options(formats=("html",), figures=("box", "cd")))
    page = folder / "index.html"
    page.write_text(page.read_text().replace("</head>", PROBE + "</head>"))
    quiet = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--enable-logging=stderr")
    words = [CHROMIUM, *quiet, *options, f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


def _data(dom, name):
    return dom.stdout.partition(f'data-{name}="')[2].partition('"')[0]


def test_the_page_loads_without_an_error(dom):
    assert "data-error" not in dom.stdout
    assert "CONSOLE" not in dom.stderr
    assert _data(dom, "images") == "0"


def test_the_table_sorts_both_ways(dom):
    once, twice = _data(dom, "once").split(","), _data(dom, "twice").split(",")
    assert len(once) > 2
    assert sorted(once) == sorted(twice)
    assert once != twice


def test_names_with_html_in_them_stay_text(dom):
    assert _data(dom, "injected") == "0"
    assert "&lt;b class=" in dom.stdout
