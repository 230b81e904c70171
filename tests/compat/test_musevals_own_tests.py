"""museval's own test suite, taken from its source distribution as it is, passes against `mss_bench.compat.museval`.

It differs in one case, by design: empty input is an error here. docs/museval.md lists the cases.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

SOURCE = "museval-0.4.1.tar.gz"

PLUGIN = """
import sys

from mss_bench.compat import museval
from mss_bench.compat.museval import aggregate, cli, metrics

sys.modules |= {"museval": museval}
sys.modules |= {f"museval.{module.__name__.rpartition('.')[2]}": module for module in (aggregate, cli, metrics)}
"""
"""Loaded by pytest before the tests are imported: whatever they import as museval is ours."""


@pytest.fixture(scope="module")
def museval_source(tmp_path_factory):
    """The tests of museval, unpacked into a folder without museval itself."""
    archive = Path(os.environ.get("MSS_BENCH_TEST_MUSEVAL", ""))
    if archive.name != SOURCE or not archive.is_file():
        pytest.skip(
            f"museval's tests are not here; pip download --no-deps --no-binary museval museval==0.4.1, and set "
            f"MSS_BENCH_TEST_MUSEVAL to the path of {SOURCE}"
        )
    folder = tmp_path_factory.mktemp("museval")
    with tarfile.open(archive) as tar:
        tests = [member for member in tar.getmembers() if "/tests/" in member.name]
        tar.extractall(folder, tests, filter="data")
    tests = folder / SOURCE.removesuffix(".tar.gz")
    (tests / "ours.py").write_text(PLUGIN)
    return tests


def outcomes(folder, *files):
    """Run test files; return every case's name with whether it passed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(Path(__file__).parents[2])])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "ours", "-p", "no:cacheprovider", "--junitxml", "out.xml"]
    done = subprocess.run([*command, *files], cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    cases = ElementTree.parse(folder / "out.xml").iter("testcase")
    return {case.attrib["name"]: not len(case.findall("failure")) and not len(case.findall("error")) for case in cases}


@pytest.mark.slow
def test_those_of_arrays_pass_but_for_empty_input(museval_source):
    passed = outcomes(museval_source, "tests/test_bsseval.py", "tests/test_museval.py")
    assert len(passed) == 18
    assert {re.sub(r"\[.*", "", name) for name in passed} == {
        "test_empty_input", "test_silent_input", "test_metric", "test_wrappers", "test_pad_or_truncate",
    }  # fmt: skip
    assert {name for name, well in passed.items() if not well} == {n for n in passed if n.startswith("test_empty_")}


@pytest.mark.slow
def test_those_of_a_song_and_of_the_command_pass(museval_source, test_data):
    """The song and the scores that their repository holds, and the estimates that it lacks, are put where they look."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not on PATH, without which musdb reads no stems")
    data, excerpt = museval_source / "tests" / "data", test_data / "musdb18_excerpt"
    song = "Music Delta - 80s Rock"
    shutil.copytree(excerpt / "stems", data / "MUSDB18-7-SAMPLE")
    shutil.copy(excerpt / "museval_regression.json", data / f"{song}.json")
    shutil.copytree(excerpt / "stems", museval_source / "data" / "MUS-STEMS-SAMPLE")
    vocals, rate = soundfile.read(excerpt / "hq" / "train" / song / "vocals.wav")
    estimates = museval_source / "data" / "EST" / "train" / song
    estimates.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("vocals", "accompaniment"):
        soundfile.write(estimates / f"{name}.wav", vocals + 0.1 * rng.random(vocals.shape), rate)
    passed = outcomes(museval_source, "tests/test_regression.py", "tests/test_cli.py")
    cases = ("test_aggregate", "test_track_scores", "test_random_estimate", "test_one_estimate")
    assert passed == dict.fromkeys(["test_evaluate_mus_dir", *(f"{case}[{song}]" for case in cases)], True)
    assert (museval_source / "data" / "EST_scores2" / "train" / f"{song}.json").is_file()
