import shutil

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.datasets.catalog import get_dataset
from mss_bench.datasets.doctor import examine


@pytest.fixture
def findings(tiny):
    def look():
        dataset = get_dataset("tiny", [tiny])
        report = examine(dataset, dataset.tracks("test"))
        return report, {(f.track, f.part): (f.severity, f.message) for f in report.findings}

    return look


@pytest.fixture
def folder(tiny):
    return tiny.parent / "tiny" / "test" / "Song A"


def _change(file, change):
    array = audio.read(file)
    audio.write(file, change(array.copy()), 8000)


def test_a_sound_data_set_has_no_errors(findings):
    report, found = findings()
    assert report.errors == 0
    assert set(found) == {("Song A", "mixture"), ("Song B (live)", "mixture")}
    assert all(severity == "note" for severity, _ in found.values())
    assert report.summary() == "2 tracks, 0.1 minutes: 0 errors, 0 warnings"


def _nan(array):
    array[0, 5] = np.nan
    return array


@pytest.mark.parametrize(
    ("part", "harm", "severity", "message"),
    [
        ("drums", lambda f: f.unlink(), "note", "has no file; its rows are left out"),
        ("drums", lambda f: f.write_bytes(b"text"), "error", "cannot be read as audio"),
        ("drums", lambda f: f.write_bytes(f.read_bytes()[:9000]), "error", "is truncated"),
        ("drums", lambda f: audio.write(f, audio.read(f), 16000), "error", "16000 Hz, expected 8000 Hz"),
        ("drums", lambda f: _change(f, lambda a: a[:, :-5]), "error", "11995 samples, expected 2 and 12000 as in mix"),
        ("drums", lambda f: _change(f, lambda a: a[:1]), "error", "1 channels"),
        ("drums", lambda f: _change(f, _nan), "error", "nan at channel 0, sample 5"),
        ("drums", lambda f: _change(f, lambda a: 0 * a), "warning", "is silent throughout"),
        ("drums", lambda f: _change(f, lambda a: np.clip(20 * a, -1, 1)), "warning", "looks clipped"),
        ("drums", lambda f: _change(f, lambda a: a + 0.1), "warning", "offset of 0.1"),
        ("mixture", lambda f: _change(f, lambda a: 0.5 * a), "warning", "differs from the sum of the stems by 0.0 dB"),
        ("mixture", lambda f: f.unlink(), "error", "does not exist"),
        ("drums", lambda f: shutil.copy(f.parent.parent / "Song B (live)" / "drums.wav", f), "warning", "same content"),
    ],
)  # fmt: skip
def test_each_fault_is_found_and_named(findings, folder, part, harm, severity, message):
    harm(folder / f"{part}.wav")
    report, _ = findings()
    found = [f for f in report.findings if f.severity == severity and f.track == "Song A" and message in f.message]
    assert found, report.findings
    assert found[0].part == part
    assert (report.errors > 0) == (severity == "error")
    assert not any(f.track == "Song B (live)" and f.severity == "error" for f in report.findings)


def test_the_real_excerpt_is_sound(excerpt):
    dataset = get_dataset("musdb18hq", root=excerpt)
    report = examine(dataset, dataset.tracks("train"))
    assert report.errors == 0
    (mixture,) = [f for f in report.findings if f.part == "mixture" and f.severity == "note"]
    assert "-31.6 dB of the sum of the stems" in mixture.message


def test_stems_without_a_mixture_are_compared_with_each_other(tiny, folder):
    catalog = tiny.with_name("sum.yaml")
    catalog.write_text(tiny.read_text().replace("sample_rate: 8000", "sample_rate: 8000\n  mixture: sum"))
    dataset = get_dataset("tiny", [catalog])
    _change(folder / "other.wav", lambda a: a[:, :-9])
    report = examine(dataset, dataset.tracks("test"))
    assert any("a mixture, but the data set says that" in finding.message for finding in report.findings)
    (fault,) = (finding for finding in report.findings if finding.severity == "error")
    assert (fault.severity, fault.track, fault.part) == ("error", "Song A", "other")
    assert fault.message.startswith(
        "other has 2 channels and 11991 samples, expected 2 and 12000 as in vocals; the data"
    )
