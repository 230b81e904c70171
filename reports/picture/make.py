"""Make the picture of the README: the page of the SiSEC 2018 board, as a browser shows it.

::

    python reports/picture/make.py             # needs Chromium and: pip install playwright
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # pages share helpers: the package `reports`

from mss_bench.core.parameters import param
from mss_bench.errors import MissingDependencyError
from reports.pages import Page, make

HERE = Path(__file__).resolve().parent
BOARD = HERE.parents[1] / "leaderboards" / "sisec18" / "index.html"


class Picture(Page):
    """A PNG of the top of the board's page."""

    out = HERE
    width: int = param(1300, at_least=400, doc="Pixels of the window.")
    height: int = param(1000, at_least=300, doc="Pixels of the window.")

    def write(self) -> list[Path]:
        """Open the page and save what is seen."""
        from PIL import Image

        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if chromium is None:
            raise MissingDependencyError("Chromium", "the picture", "apt-get install chromium")
        from playwright.sync_api import sync_playwright

        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": self.width, "height": self.height}, color_scheme="light")
            page.goto(BOARD.as_uri())
            page.locator("#all-table tbody tr").first.wait_for(state="attached")
            png = page.screenshot()
            browser.close()
        self.out.mkdir(parents=True, exist_ok=True)
        file = self.out / "sisec18.png"
        Image.open(io.BytesIO(png)).convert("RGB").quantize(96).save(file, optimize=True)
        return [file]


if __name__ == "__main__":
    make(Picture, __doc__)
