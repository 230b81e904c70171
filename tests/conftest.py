"""What all tests share: where the real test data lie."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from mss_bench.core import audio


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real music and results, which is not part of the repository (see README, "Tests")."""
    root = os.environ.get("MSS_BENCH_TEST_DATA", "")
    if not root or not Path(root).is_dir():
        pytest.skip("no test data; set MSS_BENCH_TEST_DATA to the folder that holds musdb18_excerpt")
    return Path(root)


@pytest.fixture(scope="session")
def excerpt(test_data: Path) -> Path:
    """The real 6.8 s song in MUSDB18-HQ's layout."""
    return test_data / "musdb18_excerpt" / "hq"


# A loaded machine is no defect, and what passed once passes again.
settings.register_profile("mss_bench", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mss_bench")

STEMS = ("vocals", "drums", "bass", "other")


@pytest.fixture
def plugin() -> str:
    """A file of separators and metrics that misbehave."""
    return str(Path(__file__).parent / "data" / "plugin_faulty.py")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that a test caches stays with the user; the demo songs are shared between tests and their processes."""
    base = tmp_path_factory.getbasetemp()
    # The workers of pytest-xdist have folders of their own within that of the whole session.
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get("MSS_BENCH_CACHE"):
            patch.setenv("MSS_BENCH_CACHE", str(folder))
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait, for processes, disks and a browser."""
    return (psutil.cpu_count(logical=False) or os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True, scope="session")
def compiled_once() -> Iterator[None]:
    """The many processes that tests start share the package's byte code, also where none is to be written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """As in workers: linear algebra that shares a busy machine's cores with itself waits more than it computes."""
    with threadpool_limits(limits=1):
        yield


def write_song(folder: Path, seed: int = 0, seconds: float = 1.5, rate: int = 8000) -> dict[str, np.ndarray]:
    """A small song in MUSDB18-HQ's layout: four noisy stems and their sum."""
    rng = np.random.default_rng(seed)
    stems = {s: (0.1 * rng.standard_normal((2, int(seconds * rate)))).astype(np.float32) for s in STEMS}
    for name, array in ({"mixture": sum(stems.values())} | stems).items():
        audio.write(folder / f"{name}.wav", array, rate)
    return stems


CATALOG = """
tiny:
  layout: stems
  root: {root}
  sample_rate: 8000
  subsets: [train, test]
  default_subset: test
  stems: [vocals, drums, bass, other]
  targets:
    accompaniment: [drums, bass, other]
  groups:
    4stem: [vocals, drums, bass, other]
    vocals_acc: [vocals, accompaniment]
"""


@pytest.fixture
def song() -> Callable[..., dict[str, np.ndarray]]:
    """`write_song`."""
    return write_song


@pytest.fixture(scope="session", name="write_song")
def writer_of_songs() -> Callable[..., dict[str, np.ndarray]]:
    """`write_song`, for fixtures of a wider scope."""
    return write_song


@pytest.fixture(scope="session")
def catalog_text() -> str:
    """`CATALOG`."""
    return CATALOG


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A catalog file with the data set ``tiny``: two songs of 1.5 s at 8 kHz in ``test``, one in ``train``."""
    root = tmp_path / "tiny"
    write_song(root / "test" / "Song A", 1)
    write_song(root / "test" / "Song B (live)", 2)
    write_song(root / "train" / "Song C", 3)
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(CATALOG.format(root=root))
    return catalog


@pytest.fixture(scope="module")
def chromium():
    """The browser that is installed; one at a time, as Playwright's drivers do not stand each other."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"], timeout=300_000)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_page(chromium) -> Iterator[Callable[..., Any]]:
    """Opens a page; what its console said, was thrown, or asked of the network comes with it."""
    opened = []

    def opener(address: str, **context: Any) -> tuple[Any, list[str]]:
        page = chromium.new_context(**context).new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda r: said.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.goto(address)
        opened.append(page)
        return page, said

    yield opener
    for page in opened:
        page.context.close()


@pytest.fixture(scope="session")
def accessible() -> Callable[[Any], list[str]]:
    """What axe-core finds wrong with a page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python").Axe()

    def check(page: Any) -> list[str]:
        found = axe.run(page).response["violations"]
        return [f"{v['id']}: {node['html']}" for v in found for node in v["nodes"]]

    return check


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two songs of 8 s that kept excerpts of ``Song A``, scored frame by frame."""
    import mss_bench

    folder = tmp_path_factory.mktemp("kept")
    for i, name in enumerate(("Song A", "Song B")):
        write_song(folder / "tiny" / "test" / name, seed=i, seconds=8.0)
    (folder / "catalog.yaml").write_text(CATALOG.format(root=folder / "tiny"))
    mss_bench.run(
        "tiny", ["mixture_unscaled", "centre", "irm"], ["bss_eval:filter_length=32"],
        catalogs=[str(folder / "catalog.yaml")], media=["Song A"], out=folder / "run", jobs=1, quiet=True,
    )  # fmt: skip
    return folder / "run"
