"""What wrong input is answered with: the thing, what was found, what was expected, and exit status 2.

Every case is a call of the command, with the files that it reads; the paths in a message are relative to their folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mss_bench.cli.main import main


@dataclass(frozen=True)
class Case:
    """A call, the text files that lie in the folder, and parts of the message."""

    words: str
    message: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)


def call(words: str, *message: str) -> Case:
    return Case(words, message)


def run_file(text: str, *message: str) -> Case:
    return Case("run --config run.yaml", message, {"run.yaml": text})


def catalog(text: str, *message: str) -> Case:
    return Case("datasets list --catalog own.yaml", message, {"own.yaml": f"own:\n{text}"})


MANIFEST = """kind: onnx
weights: {m.onnx: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}
sample_rate: 8000
channels: 2
stems: [vocals, rest]
trained_on: unknown
input: waveform
output: sources
chunk: 8000
overlap: 0.25
"""


def manifest(old: str, new: str, *message: str) -> Case:
    files = {"model.yaml": MANIFEST.replace(old, new), "m.onnx": ""}
    return Case("separate song.wav -s model:manifest=model.yaml", message, files)


BOARD = """title: A board
kind: scores
description: Of what is compared.
dataset: demo
subset: test
preset: v4
metrics: [SDR]
targets: [vocals]
rank_metric: SDR
rank_target: vocals
source: Here.
tracks: [Song]
"""


def board(old: str, new: str, *message: str) -> Case:
    return Case("leaderboard build board", message, {"board/board.yaml": BOARD.replace(old, new)})


DESIGN = """name: first
protocol: mushra
run: run
target: vocals
systems: [hpss]
excerpts: {count: 2, seconds: 8}
seed: 3
"""


def design(old: str, new: str, *message: str) -> Case:
    return Case("listen plan test.yaml", message, {"test.yaml": DESIGN.replace(old, new)})


CASES = [
    # the command line
    call("rnu", "unknown verb 'rnu'; did you mean 'run'"),
    call("run --max-trakcs 3", "unknown option --max-trakcs; did you mean --max-tracks?", "usage: mss-bench run"),
    call("score x --referenes y", "unknown option --referenes; did you mean --references?"),
    call("run --jobs 0", "--jobs is 0, expected a whole number of at least 1"),
    call("run -s hpss --device gpu", "device='gpu'; expected auto, cpu, cuda or cuda:n"),
    call("leaderboard add no.csv board", "no.csv cannot be read: No such file or directory [mss-bench help config]"),
    call("run --duration=-1", "--duration is -1, expected a number above 0"),
    call("run --seed now", "--seed is 'now', expected a whole number from 0 to 4294967295"),
    call("run --shard 3/2", "--shard is '3/2', expected i/N with i from 1 to N, e.g. 3/10"),
    call("run --dataset dmeo", "unknown data set 'dmeo'; did you mean 'demo'?"),
    call("run --dataset demo:songs=3", "data set demo has no option 'songs'; did you mean 'n_songs'?"),
    call("run --dataset demo:n_songs=0", "data set demo: n_songs is 0, expected a whole number of at least 1"),
    call("run -s hpsss", "unknown separator 'hpsss'; did you mean 'hpss'"),
    call("run -s hpss:pwoer=2", "separator hpss has no parameter 'pwoer'; did you mean 'power'?"),
    call("run -s hpss:power=loud", "hpss: power is 'loud', expected a number above 0"),
    call("run -s hpss:mask=sof", "hpss: mask is 'sof', expected ", "did you mean 'soft'?"),
    call("run -s hpss:power", "'hpss:power': 'power' is not key=value; expected name:key=value,key=value"),
    call("run -s hpss:n_fft=3", "hpss: n_fft=3: expected an even number"),
    call("run --subset=", "--subset is '', expected "),
    call("run --tracks=", "--tracks is '', expected text"),
    call("run -o song.wav", "song.wav is a file, expected a run folder or nothing; choose another with --out"),
    call("run --config song.wav", "song.wav cannot be read: it is not text; expected a YAML file"),
    call("run --dataset \x1b[31m", "unknown data set '\\x1b[31m'"),
    call("run --config \x1b[31m", "\\x1b[31m cannot be read"),
    call("run -m sddr", "unknown metric 'sddr'; did you mean 'SDR'"),
    call("run -s hpss:", "'hpss:': '' is not key=value; expected name:key=value,key=value"),
    call("run --perturb clipping:", "'clipping:': '' is not key=value"),
    call("score x --perturb mp3", "no option --perturb here: the estimates were made of the mixtures as they are"),
    call("run --fast-fail", "unknown option --fast-fail; did you mean --fail-fast?"),
    call("separators shwo", "unknown action 'shwo'; did you mean 'show'?"),
    call("run -s hpss,irrm", "unknown separator 'irrm'; did you mean 'irm'?"),
    call("run -s hpss,power=2", "'power=2' is not the name of a separator; expected name:key=value"),
    call("run --plugin own.py -s=", "--separator is '', expected names with parameters, as in hpss:power=2"),
    call("run -m bss_eval:windw=2", "metric bss_eval has no parameter 'windw'; did you mean 'window'?"),
    call("run -m bss_eval:window=0", "bss_eval: window is 0", "expected "),
    call("run --plugin absent.py", "plugin file absent.py does not exist; expected a Python file"),
    call("separate absent.wav -s hpss", "absent.wav does not exist; expected an audio file"),
    call("separate . -s hpss", ". is a folder; expected an audio file"),
    call("separate song.wav -s hpss --plugin .", "plugin file . cannot be read: Is a directory; expected a Python"),
    call("listen import song.wav --scale 0", "--scale is 0, expected its two ends, e.g. 0,100"),
    call("listen serve . --url x", "--url is 'x', expected an address"),
    call("listen serve . --consent absent", "--consent absent cannot be read: No such file or directory; expected a"),
    call("listen analyse x.csv --lower PEAQ", "--lower is about a table of metrics; name it with --metric-table"),
    Case(
        "listen analyse x.csv", ("x.csv: which column is", "Say it to mss-bench listen import"), {"x.csv": "a,b\n1,2\n"}
    ),
    call(
        "listen import x.csv --columns a", "--columns 'a': 'a' is not name=value, or repeats a name; expected a=b,c=d"
    ),
    call("separate song.wav", "the following arguments are required: -s/--separator"),
    call("report nowhere", "nowhere is not a run folder"),
    call("results export run --table trakcs -o x.csv", "--table is 'trakcs', expected tracks, frames,", "'tracks'?"),
    # a run file
    call("run --config absent.yaml", "absent.yaml cannot be read: No such file or directory"),
    run_file("dataset: demo\nseperators: [hpss]\n", "run.yaml:2: a run file has no key 'seperators'", "'separators'?"),
    run_file("jobs: many\n", "run.yaml:1: jobs is 'many', expected a whole number of at least 1"),
    run_file("seed: 1\nduration: 0\n", "run.yaml:2: duration is 0, expected a number above 0"),
    run_file("fail_fast: 1\n", "run.yaml:1: fail_fast is 1, expected true or false"),
    run_file("seed: 1\nseed: 2\n", "run.yaml:2: key 'seed' stands here a second time; see line 1"),
    run_file("separators: [{power: 2}]\n", "run.yaml:1: {'power': 2} has no name; expected a mapping like"),
    # a catalog
    catalog("  layout: stem\n  stems: [a]\n", "own.yaml:2: unknown layout 'stem'; did you mean 'stems'?"),
    catalog("  layout: stems\n", "own.yaml:2: stems is missing in data set 'own', expected a list of names"),
    catalog("  layout: stems\n  stems: {a: ../b.wav}\n", "own.yaml:3: a: '../b.wav' leaves the track's folder"),
    catalog("  layout: stems\n  stems: [a]\n  sample_rate: 44\n", "own.yaml:4: sample_rate is 44, expected ", "1000"),
    catalog(
        "  layout: stems\n  stems: [a, b]\n  groups: {g: [a]}\n",
        "own.yaml:4: group 'g' sums ['a']; expected every stem",
    ),
    # the manifest of a model
    manifest("kind: onnx", "kind: onx", "model.yaml:1: kind is 'onx', expected onnx, pt2, openunmix, demucs or msst"),
    manifest("overlap: 0.25", "overlap: 1", "model.yaml:10: overlap is 1, expected a number of at least 0 and below 1"),
    manifest(
        "trained_on",
        "traind_on",
        "model.yaml:6: a manifest of kind onnx has no key ",
        "'traind_on'; did you mean 'trained_on'?",
    ),
    # a board
    board("kind: scores", "kind: score", "board.yaml:2: kind is 'score', expected scores or literature"),
    board("rank_metric: SDR", "rank_metric: SIR", "board.yaml:9: rank_metric is 'SIR', expected ", "SDR"),
    board("rank_metric", "rank_metrik", "board.yaml:9: a leaderboard has no key 'rank_metrik'", "'rank_metric'"),
    # the design of a listening test
    design("mushra", "mushrra", "test.yaml:2: protocol is 'mushrra', expected ", "did you mean 'mushra'?"),
    design("target", "targt", "test.yaml:4: a listening test has no key 'targt'", "'target'"),
    design("count: 2", "count: 0", "test.yaml:6: ", "count is 0", "expected "),
    design("seed: 3", "seed: -1", "test.yaml:7: seed is -1, expected a whole number from 0 to "),
]


def status_of(case: Case, folder: Path) -> int | str | None:
    """Make the files of a case in a folder, the current one, and call the command."""
    soundfile.write(folder / "song.wav", np.zeros((800, 2)), 8000)
    for name, text in case.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    try:
        return main(case.words.split())
    except SystemExit as stop:
        return stop.code


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.words} {' '.join(case.files)}")
def test_wrong_input_is_answered_with_what_was_expected(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status = status_of(case, tmp_path)
    message = capsys.readouterr().err
    assert status == 2, message
    assert "Traceback" not in message
    for part in case.message:
        assert part in message
