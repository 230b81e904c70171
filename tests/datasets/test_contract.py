"""Every layout keeps the contract on disk, and the contract catches those that do not; from the command line, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mss_bench.cli.main import main
from mss_bench.core.tracks import Track
from mss_bench.datasets import Dataset, layouts
from mss_bench.datasets.catalog import get_dataset
from mss_bench.datasets.contract import check_layout
from mss_bench.datasets.stems import StemFolders


def failures(dataset: Dataset) -> dict[str, str]:
    return {result.name: result.detail for result in check_layout(dataset) if not result.passed}


def own(cls: type[StemFolders], catalog: Path) -> StemFolders:
    """Return the data set of a catalog in another layout."""
    tiny = get_dataset("tiny", [catalog])
    dataset = cls(subsets=dict(tiny.subsets), stems=dict(tiny.stems), sample_rate=tiny.sample_rate, root=str(tiny.root))
    dataset.name = "tiny"
    return dataset


class _Stems(StemFolders):
    """Folders of stems."""

    layout = "own"


class _Unsorted(_Stems):
    def find(self, subset: str) -> list[Track]:
        return super().find(subset)[::-1]


class _Twice(_Stems):
    def find(self, subset: str) -> list[Track]:
        return [track for track in super().find(subset) for _ in range(2)]


class _Stray(_Stems):
    def find(self, subset: str) -> list[Track]:
        return [replace(track, stems=track.stems | {"piano": ()}) for track in super().find(subset)]


class _Elsewhere(_Stems):
    def find(self, subset: str) -> list[Track]:
        return [replace(t, stems=t.stems | {"bass": (Path("/nowhere/b.wav"),)}) for t in super().find(subset)]


class _Unchecked(_Stems):
    def find(self, subset: str) -> list[Track]:
        list(self.folder(subset).iterdir())  # FileNotFoundError where there is no such folder
        return super().find(subset)


def test_built_in_layouts_keep_the_contract(tiny: Path) -> None:
    assert failures(get_dataset("tiny", [tiny])) == {}
    assert failures(get_dataset("demo")) == {}
    assert failures(own(_Stems, tiny)) == {}
    assert all(layouts.load(name).__doc__ for name in layouts.names())


@pytest.mark.parametrize(
    ("broken", "check", "detail"),
    [
        (_Unsorted, "tracks", "find('test') is not sorted by name: Song B (live), Song A"),
        (_Twice, "tracks", "find('train') has 'Song C' twice"),
        (_Stray, "stems", "'Song C' has the stem 'piano'; declared are"),
        (_Elsewhere, "files", "files do not exist, e.g. /nowhere/b.wav"),
        (_Unchecked, "missing folder", "raised FileNotFoundError"),
    ],
)
def test_a_layout_that_breaks_the_contract_is_found(
    tiny: Path, broken: type[StemFolders], check: str, detail: str
) -> None:
    assert detail in failures(own(broken, tiny))[check]


PLUGIN = '''
from mss_bench import Metric, Quantity
from mss_bench.core.parameters import param
from mss_bench.datasets.stems import StemFolders

class Backwards(StemFolders):
    """Folders, the last first."""
    layout = "backwards"
    def find(self, subset):
        return super().find(subset)[::-1]

class Loudness(Metric):
    """A metric whose default is not one of its own values."""
    name = "own_loudness"
    citation = "Nobody."
    quantities = (Quantity("Own", "dB", True, "Nothing."),)
    window: float = param(0.0, above=0, unit="s", doc="Length of a frame.")
    def measure(self, track, target, estimate):
        return -float(abs(track.references[target] - estimate).mean())
'''


def test_plugins_of_both_kinds_are_checked_by_the_command(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    catalog = tmp_path / "own.yaml"
    catalog.write_text(tiny.read_text().replace("layout: stems", "layout: backwards"))
    words = ["datasets", "check-layout", "tiny", "--catalog", str(catalog), "--plugin", str(tmp_path / "plugin.py")]
    assert main(words) == 1
    assert "is not sorted by name" in capsys.readouterr().out
    assert main(["datasets", "check-layout", "tiny", "--catalog", str(tiny)]) == 0
    assert main(["metrics", "check", str(tmp_path / "plugin.py")]) == 1
    assert "window is 0.0, expected a number above 0 (in s)" in capsys.readouterr().out
    assert main(["metrics", "check", "usdr"]) == 0
