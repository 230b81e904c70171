"""What a plugin does to its process, and what it reads, reaches nobody else's numbers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mss_bench
from mss_bench.core.reads import undeclared, watched_reads
from mss_bench.errors import ConfigError
from mss_bench.running.estimates import SharedAudio
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare

HOSTILE = """
import numpy, scipy.signal, scipy.linalg
import mss_bench.dsp.stft
from mss_bench import Metric, Separator

def spoil():
    numpy.dot = numpy.matmul = numpy.median = numpy.nanmedian = lambda *a, **k: 0.0
    numpy.fft.rfft = numpy.fft.irfft = scipy.linalg.solve = lambda a, *b, **k: a * 0
    mss_bench.dsp.stft.Spectrogram = None

class Hostile(Separator):
    name = "hostile"
    def separate(self, mixture, sample_rate, *, targets, **_):
        spoil()
        return {s: mixture / 4 for s in targets.stems}
"""
HOSTILE_METRIC = """
from hostile_parts import spoil
from mss_bench import Metric, Quantity

class Spoils(Metric):
    name = "spoils"
    quantities = (Quantity("Spoils", "dB", True, "nothing"),)
    def derive(self, track):
        spoil()
        return None
    def measure(self, state, target, estimate):
        return 1.0
"""


@pytest.fixture
def scores(tiny: Path, tmp_path: Path):
    """Run methods on one song and return the results."""

    def run(separators: list[str], plugins: list[Path] = (), metrics: tuple[str, ...] = ("bss_eval", "usdr")):
        out = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        return mss_bench.run(
            "tiny", separators, list(metrics), catalogs=[str(tiny)], out=out,
            plugins=[str(p) for p in plugins], max_tracks=1, jobs=1, quiet=True,
        )  # fmt: skip

    return run


def _numbers(results, separators: list[str]) -> pd.DataFrame:
    rows = results.tracks.query("separator in @separators and metric != 'Spoils'")
    return rows.drop(columns=["estimate_key", "score_key"]).reset_index(drop=True)


def test_what_a_plugin_patches_stays_in_its_process(scores, tmp_path):
    (tmp_path / "hostile.py").write_text(HOSTILE)
    (tmp_path / "hostile_parts.py").write_text(HOSTILE)
    (tmp_path / "spoils.py").write_text(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + HOSTILE_METRIC)
    alone = scores(["mixture", "hpss", "irm"])
    among = scores(
        ["hostile", "mixture", "hpss", "irm"],
        [tmp_path / "hostile.py", tmp_path / "spoils.py"],
        ("spoils", "bss_eval", "usdr"),
    )
    assert len(among.failures) == 0, list(among.failures.reason)
    own = ["mixture", "hpss", "irm"]
    pd.testing.assert_frame_equal(_numbers(alone, own), _numbers(among, own))
    # A quarter of the mixture is what the floor is, by whoever's code.
    hostile, floor = (
        among.tracks.query("separator == @s and metric == 'SDR' and group == '4stem'") for s in ("hostile", "mixture")
    )
    np.testing.assert_allclose(hostile.value, floor.value, atol=1e-5)
    assert set(among.tracks.query("metric == 'Spoils'").value) == {1.0}


AT_IMPORT = """
import numpy
from mss_bench import Separator
numpy.median = numpy.nanmedian = numpy.mean = numpy.nanmean = lambda *a, **k: 0.0
class Quarter(Separator):
    name = "quarter"
    def separate(self, mixture, sample_rate, *, targets, **_):
        return {s: mixture / 4 for s in targets.stems}
"""


def test_what_a_plugin_patches_when_it_is_planned_with_reaches_no_table(tiny, tmp_path):
    (tmp_path / "at_import.py").write_text(AT_IMPORT)

    def run(out: str, *more: str) -> tuple[list[str], pd.DataFrame]:
        words = ["run", "--dataset", "tiny", "--catalog", str(tiny), "-s", "hpss", "-m", "usdr", "--max-tracks", "1"]
        command = [sys.executable, "-m", "mss_bench", *words, "-o", str(tmp_path / out), *more]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = [line for line in ended.stdout.splitlines() if line.startswith(("mixture", "hpss"))]
        return lines, _numbers(mss_bench.load(tmp_path / out), ["mixture", "hpss"])

    lines, rows = run("alone")
    plugin = ("--plugin", str(tmp_path / "at_import.py"))
    for out, more in (("among", ("-s", "quarter", *plugin)), ("unused", plugin)):
        among, rows_among = run(out, *more)
        pd.testing.assert_frame_equal(rows, rows_among)
        assert [line.split() for line in lines] == [line.split() for line in among]


FORKS = """
import os, time
from mss_bench import Separator
class Forks(Separator):
    name = "forks"
    def separate(self, mixture, sample_rate, *, targets, **_):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        gain = 4 if child else 1
        return {s: mixture / gain for s in targets.stems}
class Quarter(Separator):
    name = "quarter"
    def separate(self, mixture, sample_rate, *, targets, **_):
        return {s: mixture / 4 for s in targets.stems}
"""


def test_a_fork_that_comes_back_answers_nothing(scores, tmp_path):
    (tmp_path / "forks.py").write_text(FORKS)
    results = scores(["forks", "quarter"], [tmp_path / "forks.py"], ("usdr",))
    assert len(results.failures) == 0
    values = {s: rows.value.to_list() for s, rows in results.tracks.groupby("separator")}
    assert values["forks"] == values["quarter"]


WRITES = """
import os
from mss_bench import Separator
class Writes(Separator):
    name = "writes"
    def separate(self, mixture, sample_rate, *, targets, **_):
        for descriptor in range(3, 60):
            try:
                os.write(descriptor, b"\\0garbage" * 10)
            except OSError:
                pass
        return {s: mixture / 4 for s in targets.stems}
"""


def test_what_a_plugin_writes_into_the_channel_of_its_process_costs_its_cell(scores, tmp_path):
    """The length that it seems to announce is never waited for."""
    (tmp_path / "writes.py").write_text(WRITES)
    results = scores(["writes", "centre"], [tmp_path / "writes.py"], ("usdr",))
    assert set(results.failures.separator) == {"writes"}
    assert results.failures.reason.str.contains("sent something that is not an answer").all()


def test_a_plugin_that_ends_the_process_when_it_is_imported_is_refused(scores, tmp_path):
    (tmp_path / "ends.py").write_text("import os; os._exit(0)")
    with pytest.raises(ConfigError, match=r"ends\.py cannot be imported: SystemExit: it calls os\._exit\(0\)"):
        scores(["centre"], [tmp_path / "ends.py"], ("usdr",))


READS = """
import numpy as np
from pathlib import Path
from mss_bench import Separator
WEIGHTS = Path(__file__).with_name("weights.npy")
{at_import}
class Reads(Separator):
    name = "reads"
    def load(self, device="cpu"):
        self.gain = {gain}
    {files}
    def separate(self, mixture, sample_rate, *, targets, **_):
        return {{s: mixture * self.gain for s in targets.stems}}
"""


@pytest.mark.parametrize("at_import", [False, True])
def test_data_that_a_plugin_reads_must_be_declared(scores, tiny, tmp_path, at_import):
    np.save(tmp_path / "weights.npy", 0.25)
    parts = ("GAIN = float(np.load(WEIGHTS))", "GAIN") if at_import else ("", "float(np.load(WEIGHTS))")
    plugin = tmp_path / "reads.py"
    plugin.write_text(READS.format(at_import=parts[0], gain=parts[1], files=""))
    failures = scores(["reads"], [plugin], ("usdr",)).failures
    assert "weights.npy, which its files() does not name" in failures.reason.iloc[0]
    files = "def files(self, track):\n        return [WEIGHTS]"
    plugin.write_text(READS.format(at_import=parts[0], gain=parts[1], files=files))
    results = scores(["reads"], [plugin], ("usdr",))
    assert len(results.failures) == 0
    options = RunOptions(
        dataset="tiny", separators=("reads",), metrics=("usdr",), catalogs=(tiny,), plugins=(plugin,), max_tracks=1
    )

    def planned() -> set[str]:
        return {cell.estimate_key for cell in prepare(options).plan.cells if cell.separator == "reads"}

    keys = set(results.tracks.query("separator == 'reads'").estimate_key)
    assert planned() == keys
    np.save(tmp_path / "weights.npy", 0.5)
    assert not planned() & keys


def test_files_opened_for_reading_are_seen_in_all_threads(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"a")
    opened: set[str] = set()
    with watched_reads(opened):
        thread = threading.Thread(target=(tmp_path / "a.bin").read_bytes)
        thread.start()
        thread.join()
        (tmp_path / "b.bin").write_bytes(b"b")
    (tmp_path / "b.bin").read_bytes()
    assert opened == {str(tmp_path / "a.bin")}
    a = tmp_path / "a.bin"
    assert undeclared(opened, [], since=a.stat().st_mtime + 1) == [a]
    assert undeclared(opened, [a], since=0) == []
    assert undeclared([os.__file__, np.__file__], [], since=0) == []


def test_arrays_come_out_of_shared_memory_as_they_went_in():
    shared = SharedAudio()
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal((2, n)).astype(np.float32) for name, n in (("a", 5), ("b", 70000), ("c", 1))}
    places = shared.write(arrays)
    again = SharedAudio(os.dup(shared.descriptor)).read(places)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
        assert not again[name].flags.writeable
