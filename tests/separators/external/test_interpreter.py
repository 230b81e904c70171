"""A script in another interpreter: the same samples, and every way in which it can go wrong."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import mss_bench.separators.external as page
from mss_bench.core.config import parse_yaml
from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import Stems, Targets, Track, TrackId
from mss_bench.errors import (
    AudioError,
    ConfigError,
    InvalidOutputError,
    MissingDependencyError,
    RunError,
    SeparatorCrashError,
    SeparatorError,
)
from mss_bench.running.failures import classify
from mss_bench.running.plan import make_plan
from mss_bench.separators import separators
from mss_bench.separators.contract import check_separator
from mss_bench.separators.external import peer
from mss_bench.separators.external.interpreter import RECIPES, External

HALVES = """
import numpy as np

class Separator:
    target_sets = (("vocals", "accompaniment"),)
    adds_up = scale_equivariant = channel_equivariant = True
    trained_on = ("musdb18/train",)
    licence = "MIT"

    def __init__(self, gain=0.5):
        self.gain = gain

    def load(self, device):
        print("loading on", device, "with NumPy", np.__version__)

    def separate(self, mixture, sample_rate, *, targets, rng):
        print('{"estimates": []}')
        vocals = self.gain * mixture
        return {"vocals": vocals, "accompaniment": mixture - vocals}
"""

NOISY = """
import os
import numpy as np

class Separator:
    def __init__(self, weights=""):
        self.factor = float(open(weights).read()) if weights else 0.1

    def separate(self, mixture, sample_rate, *, targets, rng):
        ratio = np.tanh(mixture.astype(np.float64) * len(targets.stems)) / (1 + len(targets["accompaniment"]))
        noise = rng.standard_normal(mixture.shape)
        return {"vocals": ratio, "drums": self.factor * noise, "bass": mixture * np.float32(sample_rate / 3)}
"""

FAULTY = """
import os, signal, sys
import numpy as np

class Separator:
    def __init__(self, how=""):
        self.how = how

    def separate(self, mixture, sample_rate, *, targets, rng):
        if self.how == "pid":
            return {"vocals": np.full_like(mixture, os.getpid())}
        if mixture[0, 0] > 0:
            return {"vocals": mixture}
        print("last words")
        self.fail()

    def fail(self):
        exec({
            "raises": "raise ValueError('three stems, expected 4')",
            "exits": "sys.exit('no licence')",
            "module": "import not_there.at_all",
            "memory": "raise MemoryError('9 TiB')",
            "dies": "os._exit(3)",
            "segfaults": "os.kill(os.getpid(), signal.SIGSEGV)",
        }[self.how])
"""


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((2, 2000)).astype(np.float32)


@pytest.fixture
def made() -> Iterator[Callable[..., External]]:
    """Make separators that are closed at the end."""
    all_made: list[External] = []

    def make(python: str, script: str, **params: Any) -> External:
        all_made.append(External(python=python, script=script, **params))
        return all_made[-1]

    yield make
    for each in all_made:
        each.close()


def in_process(script: str, targets: Targets, mixture: np.ndarray) -> Stems:
    """What the script's class returns in this process."""
    module: dict[str, Any] = {}
    exec(Path(script).read_text(), module)
    found: Stems = module["Separator"]().separate(mixture, 44100, targets=targets, rng=np.random.default_rng(0))
    return found


def test_a_script_under_the_other_numpy_keeps_the_contract_and_brings_its_facts(
    numpy1: str, written: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    name = f"external:python={numpy1},script={written('halves.py', HALVES)},gain=0.25"
    separator = build(separators, Spec.parse(name))[0]
    assert separator.environment()["packages"]["numpy"].startswith("1.")
    assert separator.environment()["python"].startswith("CPython 3.")
    assert (separator.target_sets, separator.trained_on) == ((("vocals", "accompaniment"),), ("musdb18/train",))
    assert (separator.licence, separator.adds_up, separator.deterministic) == ("MIT", True, True)
    results = check_separator(separator, seconds=0.3)
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []
    assert len(results) == 15
    assert "loading on cpu with NumPy 1." in capfd.readouterr().err


@pytest.mark.parametrize("same", [True, False])
def test_estimates_are_those_of_the_same_code_in_process_bit_for_bit(
    numpy1: str, same: bool, written: Callable[..., str], made: Any, separate: Any, targets: Targets, noise: np.ndarray
) -> None:
    script = written("noisy.py", NOISY)
    expected = in_process(script, targets, noise)
    separator = made(sys.executable if same else numpy1, script)
    for _ in range(2):
        found = separate(separator, noise)
        assert list(found) == list(expected)
        for target, array in expected.items():
            assert found[target].dtype == array.dtype
            # tanh may differ in its last digit between versions of NumPy; what adds and multiplies may not.
            close = 0 if same or target != "vocals" else 1e-15
            np.testing.assert_allclose(found[target], array, rtol=0, atol=close)


def test_one_process_serves_many_tracks(written: Any, made: Any, separate: Any, noise: np.ndarray) -> None:
    separator = made(sys.executable, written("faulty.py", FAULTY), how="pid")
    separator.load()
    pids = {float(separate(separator, noise)["vocals"][0, 0]) for _ in range(3)}
    assert len(pids) == 1


@pytest.mark.parametrize(
    ("how", "error", "status", "told"),
    [
        ("raises", SeparatorError, "error", r"faulty.py under .*: ValueError: three stems, expected 4\n.*in fail"),
        ("exits", SeparatorError, "error", r"^\S+ under \S+: no licence$"),
        ("module", MissingDependencyError, "not_installed", "needs the module not_there.*-m pip install not_there"),
        ("memory", MemoryError, "out_of_memory", "9 TiB"),
        ("dies", SeparatorCrashError, "crashed", "ended with exit status 3; the last it printed:\nlast words"),
        ("segfaults", SeparatorCrashError, "crashed", "was killed by SIGSEGV; the last it printed:\nlast words"),
    ],
)
def test_what_fails_over_there_is_told_here_and_costs_that_track_alone(
    how: str, error: type[Exception], status: str, told: str, written: Any, made: Any, separate: Any, noise: np.ndarray
) -> None:
    separator = made(sys.executable, written("faulty.py", FAULTY), how=how)
    fails, works = -np.abs(noise), np.abs(noise)
    with pytest.raises(error) as raised:
        separate(separator, fails)
    assert re.search(told, str(raised.value), re.DOTALL), raised.value
    assert classify(raised.value)[0] == status
    np.testing.assert_array_equal(separate(separator, works)["vocals"], works)


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("[mixture]", "returned list, expected a dict of target to array"),
        ("{'vocals': object()}", "vocals: object, expected an array of floating point"),
    ],
)
def test_what_is_no_estimate_is_refused(
    returned: str, told: str, written: Any, made: Any, separate: Any, noise: np.ndarray
) -> None:
    body = f"    def separate(self, mixture, sample_rate, *, targets, rng):\n        return {returned}\n"
    separator = made(sys.executable, written("odd.py", f"class Separator:\n{body}"))
    with pytest.raises(InvalidOutputError, match=re.escape(told)):
        separate(separator, noise)


def test_interpreters_that_cannot_be_used_are_refused_with_the_reason(written: Any, tmp_path: Path) -> None:
    script = written("halves.py", HALVES)
    old = written("old", "#!/bin/sh\n[ $1 = -c ] && echo 'mss_bench asks 3 7 9' || exit 1\n", executable=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    expected = {
        "/nowhere/python": "/nowhere/python does not exist",
        "no_such_python": "there is no program 'no_such_python' on the PATH",
        script: "is not executable",
        written("text", "no program", executable=True): "cannot be started: Exec format error",
        str(
            tmp_path / "bare"
        ): f"is a folder, expected a program; did you mean {tmp_path / 'bare' / 'bin' / 'python'}?",
        "/bin/cat": "/bin/cat is not a Python interpreter: it ended with exit status 1; the last it printed",
        "/bin/true": "/bin/true is not a Python interpreter: it ended with exit status 0",
        old: f"{old} is Python 3.7.9; expected 3.8 or newer",
    }
    for python, told in expected.items():
        with pytest.raises(ConfigError, match=re.escape(told)):
            External(python=python, script=script)
    bare = tmp_path / "bare" / "bin" / "python"
    with pytest.raises(MissingDependencyError, match=f"needs the module numpy.*{bare} -m pip install numpy"):
        External(python=str(bare), script=script)


@pytest.mark.parametrize(
    ("content", "params", "told"),
    [
        (HALVES, {"gian": 1}, "got an unexpected keyword argument 'gian'"),
        ("x = 1", {}, "defines no class Separator"),
        ("class Separator: pass", {}, "has no method separate"),
        ("class Separator(:", {}, "SyntaxError: invalid syntax"),
        (
            HALVES.replace('licence = "MIT"', "licence = ()"),
            {},
            f"script.py under {sys.executable}: licence is [], expected text",
        ),
        (
            HALVES.replace("adds_up =", "sample_rate ="),
            {},
            "sample_rate is True, expected a whole",
        ),
        (
            HALVES.replace('(("vocals", "accompaniment"),)', '"vocals"'),
            {},
            "is 'vocals', expected a tuple of tuples",
        ),
        (HALVES, {"weights": "/nowhere.pth"}, "weights=/nowhere.pth does not exist"),
    ],
)
def test_scripts_that_cannot_be_used_are_refused_with_the_reason(
    content: str, params: dict[str, Any], told: str, written: Any
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        External(python=sys.executable, script=written("script.py", content), **params)


def test_a_script_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"the script /nowhere.py does not exist"):
        External(python=sys.executable, script="/nowhere.py")
    with pytest.raises(ConfigError, match="one of asteroid, audio_separator, mss_bench, spleeter"):
        External(python=sys.executable, script="spleter")


def test_one_rate_and_some_channels(written: Any, made: Any, separate: Any, noise: np.ndarray) -> None:
    content = HALVES.replace("adds_up =", "sample_rate = 22050\n    channels = (2,)\n    adds_up =")
    content = content.replace("print('{", "assert sample_rate == 22050 and mixture.shape[1] == 1000\n        print('{")
    separator = made(sys.executable, written("rate.py", content))
    tone = np.sin(np.arange(2000) / 20)[None] * np.ones((2, 1))
    found = separate(separator, tone)["vocals"]
    assert found.shape == tone.shape
    np.testing.assert_allclose(found[:, 500:-500], 0.5 * tone[:, 500:-500], atol=1e-4)
    with pytest.raises(AudioError, match="the mixture has 1 channel, expected 2"):
        separate(separator, noise[:1])


def test_content_is_in_the_key_and_places_are_not(written: Any, tmp_path: Path) -> None:
    track = Track(TrackId("d", "test", "Song"), 44100, {"vocals": (), "accompaniment": ()})
    targets = Targets(("vocals", "accompaniment"))

    def key(script: str, weights: str) -> str:
        spec = Spec("external", {"python": sys.executable, "script": script, "weights": weights})
        (cell,) = [c for c in make_plan([track], targets, [], [spec], []).cells if c.separator == "external"]
        assert "numpy" in cell.preimage["environment"]["packages"]
        return cell.estimate_key

    (tmp_path / "else").mkdir()
    first = key(written("a.py", NOISY), written("w.txt", "1"))
    assert key(written("else/b.py", NOISY), written("else/w.txt", "1")) == first
    assert key(written("a.py", NOISY + "\n"), written("w.txt", "1")) != first
    assert key(written("a.py", NOISY), written("w.txt", "2")) != first


def test_a_script_that_changed_since_is_not_run(written: Any, made: Any) -> None:
    separator = made(sys.executable, written("a.py", HALVES))
    written("a.py", HALVES + "\n")
    with pytest.raises(RunError, match="has changed since the run was planned"):
        separator.load()


def test_weights_and_references_arrive(written: Any, made: Any, targets: Targets, noise: np.ndarray) -> None:
    content = """
class Separator:
    needs_references = True
    def __init__(self, weights):
        self.weights = weights
    def separate(self, mixture, sample_rate, *, targets, rng, references):
        return {"vocals": float(open(self.weights).read()) * references["vocals"]}
"""
    separator = made(sys.executable, written("oracle.py", content), weights=written("w.txt", "3"))
    rng = np.random.default_rng(0)
    found = separator.separate(noise, 44100, targets=targets, rng=rng, references={"drums": noise, "vocals": -noise})
    np.testing.assert_array_equal(found["vocals"], -3.0 * noise)


def test_a_process_ends_with_its_separator(written: Any, separate: Any, noise: np.ndarray, alive: Any) -> None:
    separator = External(python=sys.executable, script=written("faulty.py", FAULTY), how="pid")
    pid = int(separate(separator, noise)["vocals"][0, 0])
    assert alive(pid)
    separator.close()
    assert not alive(pid)


def test_a_process_ends_when_this_one_is_killed(written: Any, tmp_path: Path, alive: Any) -> None:
    script = written(
        "sleeps.py", HALVES.replace("print('{", "import os, time\n        time.sleep(600)\n        print('{")
    )
    note = tmp_path / "pid"
    content = Path(script).read_text().replace("time.sleep", f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} ')\n"
                                               "        time.sleep")  # fmt: skip
    code = f"import numpy, mss_bench; mss_bench.separate(numpy.ones((2, 999)), {{'name': 'external', 'python': \
{sys.executable!r}, 'script': {written('sleeps.py', content)!r}}}, 44100)"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (note.exists() and note.read_text().endswith(" ")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    while alive(int(note.read_text())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(int(note.read_text()))


def test_any_separator_of_the_package_runs_elsewhere(made: Any, separate: Any, noise: np.ndarray) -> None:
    separator = made(sys.executable, "mss_bench", separator="centre:n_fft=512,hop=128")
    here = separators.load("centre")(n_fft=512, hop=128)
    assert (separator.target_sets, separator.adds_up) == (here.target_sets, here.adds_up)
    assert separator.environment()["declared"] == {"version": here.version, "files": []}
    expected = separate(here, noise)
    for target, array in separate(separator, noise).items():
        np.testing.assert_array_equal(array, expected[target])


def test_recipes_are_written_for_old_pythons_and_shown_with_an_entry_each() -> None:
    for file in (Path(peer.__file__), *RECIPES.glob("*.py")):
        ast.parse(file.read_text(), feature_version=peer.OLDEST)
    (block,) = [b for b in re.findall(r"::\n\n((?:    .*\n|\n)+)", page.__doc__ or "") if "spleeter" in b]
    entries = parse_yaml(block, "docstring")["separators"]
    assert sorted(e["script"] for e in entries) == sorted(f.stem for f in RECIPES.glob("[!_]*.py"))
    for entry in entries:
        options = set(entry) - {"name", "as", "python", "script"}
        assert options <= constructor_parameters(RECIPES / f"{entry['script']}.py")


def constructor_parameters(script: Path) -> set[str]:
    (found,) = [n for n in ast.walk(ast.parse(script.read_text())) if getattr(n, "name", "") == "__init__"]
    assert isinstance(found, ast.FunctionDef)
    return {a.arg for a in found.args.args}


def test_a_checkpoint_that_leads_to_other_weights_is_refused(tmp_path: Path) -> None:
    """TensorFlow follows the path in a folder's ``checkpoint``, and only the folder's files are part of the key."""
    from mss_bench.separators.external.recipes.spleeter import Separator as Spleeter

    for name in ("4stems", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.index").touch()
    checkpoint = tmp_path / "4stems" / "checkpoint"
    checkpoint.write_text('model_checkpoint_path: "model"\nall_model_checkpoint_paths: "model"\n')
    assert Spleeter(str(tmp_path / "4stems"), stems=4).target_sets == (("vocals", "drums", "bass", "other"),)
    for path in (str(tmp_path / "other" / "model"), "../other/model", "absent"):
        checkpoint.write_text(f'model_checkpoint_path: "{path}"\n')
        with pytest.raises(SystemExit, match=r"checkpoint names .*; expected a model in this folder"):
            Spleeter(str(tmp_path / "4stems"), stems=4)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no checkpoint", r"damaged or holds more than tensors \(\w+\)"),
        ({"state_dict": Path("code")}, r"damaged or holds more than tensors \(UnpicklingError\)"),
        ({"layer": 1}, "is no checkpoint of asteroid"),
        ({"model_name": "ConvTasNet", "model_args": {"sample_rate": 8000.0}, "state_dict": {}}, "works at 8000 Hz"),
    ],
)
def test_a_checkpoint_that_is_none_of_asteroid_is_refused_in_a_line(
    content: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from mss_bench.separators.external.recipes.asteroid import Separator as Asteroid

    for name in ("asteroid", "asteroid.models"):  # nothing of the library is reached
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["asteroid.models"], "BaseModel", None, raising=False)
    file = tmp_path / "model.pth"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    with pytest.raises(SystemExit, match=told) as refused:
        Asteroid(str(file), ["vocals", "accompaniment"], 44100).load("cpu")
    assert "\n" not in str(refused.value)
    assert "weights_only" not in str(refused.value)
