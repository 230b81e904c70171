"""Every layout keeps the contract on disk, and the contract catches those that do not; from the command line, too."""

from __future__ import annotations

import shutil
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


# A small data set in each layout of the package, of the songs in `tiny/test`: keys of its entry, and where files go.
ENTRIES: dict[str, str] = {
    "stems": "stems: [vocals, drums, bass, other]\n  subsets: [test]",
    "musdb18hq": "stems: [vocals, drums, bass, other]\n  subsets: [test]",
    "dsd100": "stems: [vocals, drums, bass, other]\n  subsets: [test]",
    "channels": "stems: {vocals: right, accompaniment: left}\n  subsets: [test]",
    "table": "stems: [vocals, drums, bass, other]\n  subsets: [test]",
    "metadata": "stems: {vocals: sung, rest: rest}\n  mixture: mixture.wav\n  subsets: [test]\n"
    "  metadata: song.yaml\n  file: '{stem}.wav'\n  by: kind",
}


def small(layout: str, tiny: Path, request: pytest.FixtureRequest) -> Dataset:
    """Return a small data set in a layout."""
    root = tiny.parent / "tiny"
    songs = sorted((root / "test").iterdir())
    if layout == "references":
        return get_dataset("references", root=root / "test")
    if layout == "demo":
        return get_dataset("demo")
    if layout == "musdb18":
        return get_dataset("musdb18", root=request.getfixturevalue("test_data") / "musdb18_excerpt" / "stems")
    assert layout in ENTRIES, f"layout {layout}: add a small data set to ENTRIES in {__file__}"
    if layout == "dsd100":
        for song in songs:
            shutil.copytree(song, root / "Sources" / "test" / song.name)
            shutil.copytree(song, root / "Mixtures" / "test" / song.name)
    elif layout == "channels":
        for song in songs:
            shutil.copy(song / "mixture.wav", song.with_suffix(".wav"))
    elif layout == "table":
        rows = [f"{s.name},test,{f.stem},test/{s.name}/{f.name}" for s in songs for f in sorted(s.iterdir())]
        (root / "tracks.csv").write_text("\n".join(["track,subset,stem,path", *rows]) + "\n")
    elif layout == "metadata":
        for song in songs:
            kinds = {"vocals": "sung", "drums": "beaten", "bass": "plucked", "other": "rest"}
            lines = [f"  - {{stem: {stem}, kind: {kind}}}" for stem, kind in kinds.items()]
            (song / "song.yaml").write_text("\n".join(["stems:", *lines]) + "\n")
    catalog = tiny.parent / "small.yaml"
    catalog.write_text(f"small:\n  layout: {layout}\n  root: {root}\n  sample_rate: 8000\n  {ENTRIES[layout]}\n")
    return get_dataset("small", [catalog])


@pytest.mark.parametrize("layout", layouts.names())
def test_every_built_in_layout_keeps_the_contract(layout: str, tiny: Path, request: pytest.FixtureRequest) -> None:
    dataset = small(layout, tiny, request)
    assert dataset.layout == layout
    # Files are read into `references` when it is made, before the contract takes its root away.
    known = {"missing folder", "no root"} if layout == "references" else set()
    assert set(failures(dataset)) == known, failures(dataset)
    assert layouts.load(layout).__doc__


def test_a_layout_of_ones_own_keeps_the_contract(tiny: Path) -> None:
    assert failures(own(_Stems, tiny)) == {}


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
