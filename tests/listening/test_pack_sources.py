"""What a pack is made of is told in its manifest; estimates that are not what they must be are refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.errors import AudioError, RunError
from mss_bench.listening.pack import make_pack
from mss_bench.listening.pack_format import key_folder, read_key, read_pack
from mss_bench.listening.plan import describe_plan
from mss_bench.listening.stimuli import ANCHOR_FACTS, cut, flat_tops

from .conftest import RATE

ONE = "excerpts: {seconds: 2, rule: given, given: {Song 1: 2.5}}\nreplicates: 0\n"


@pytest.fixture
def changed(finished_run, tmp_path):
    """A copy of the run in which an estimate of `centre` is another one."""

    def change(make, *, vouched: bool = True, target: str = "vocals") -> Path:
        run = tmp_path / "changed"
        shutil.copytree(finished_run, run)
        folder = next((run / "estimates" / "centre").rglob("Song 1"))
        file, note = folder / f"{target}.wav", json.loads((folder / "estimate.json").read_text())
        array = make(audio.read(file, RATE))
        if array is None:
            file.unlink()
            del note["sha256"][target]
        else:
            audio.write(file, array.astype(np.float32), RATE)
            note["sha256"][target] = audio.hash_file(file)
        if vouched:
            (folder / "estimate.json").write_text(json.dumps(note))
        return run

    return change


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: np.roll(x, 20, axis=-1), "lies 4[34] samples behind its reference: align the estimates first"),
        (lambda x: 0 * x, "Song 1 @2.5: centre is silent in this excerpt"),
        (lambda x: np.clip(40 * x, -1, 1), r"centre is clipped in Song 1 @2\.5: \d+ samples stay at full scale, 0 of"),
        (lambda x: None, "centre delivered no vocals for 'Song 1', only accompaniment; leave it out of systems"),
    ],
)
def test_an_estimate_that_cannot_be_used_is_named(make, message: str, changed, write_design, tmp_path) -> None:
    design = write_design(ONE + "systems: [centre]\n").with_values(run=changed(make))
    with pytest.raises((AudioError, RunError), match=message):
        make_pack(design, tmp_path / "out", jobs=1, say=lambda _: None)
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_an_estimate_that_was_changed_since_the_run_is_refused(changed, write_design, tmp_path) -> None:
    design = write_design(ONE + "systems: [centre]\n").with_values(run=changed(lambda x: 0.5 * x, vouched=False))
    with pytest.raises(RunError, match=r"vocals\.wav is not what the run wrote"):
        make_pack(design, tmp_path / "out", jobs=1, say=lambda _: None)


def test_the_manifest_names_the_files_behind_each_signal(finished_run, write_design, tmp_path) -> None:
    made = make_pack(write_design(ONE + "systems: [irm]\n"), tmp_path, jobs=1, say=lambda _: None)
    manifest, key = json.loads((key_folder(made) / "manifest.json").read_text()), read_key(made)
    songs = finished_run.parent / "songs"
    stems = {f"Song 1/{f.name}": audio.hash_file(f) for f in (songs / "Song 1").glob("*.wav")}
    for file, facts in manifest["files"].items():
        if key[file].system != "irm":  # references, mixture and anchors come from the stems
            assert facts["sources"] == stems
            continue
        ((name, sha256),) = facts["sources"].items()
        assert name.endswith("Song 1/vocals.wav")
        assert sha256 == audio.hash_file(finished_run / "estimates" / name)
    assert manifest["anchors"] == ANCHOR_FACTS


def test_a_remix_holds_what_the_system_itself_takes_for_the_rest(changed, write_design, tmp_path) -> None:
    run = changed(lambda x: 0.3 * x, target="accompaniment")
    design = write_design(ONE + "systems: [centre]\nremix_db: [6]\nanchors: []\n", "remix")
    made = make_pack(design.with_values(run=run), tmp_path / "out", jobs=1, say=lambda _: None)
    key, trial = read_key(made), read_pack(made).trials[0]
    written = {key[f].system: audio.read(made / f, 48000).ravel() for f in trial.stimuli}
    folder = next((run / "estimates" / "centre").rglob("Song 1"))
    parts = {t: cut(audio.read(folder / f"{t}.wav", RATE), RATE, 2.5, 2.0) for t in ("vocals", "accompaniment")}
    expected = 10 ** (6 / 20) * parts["vocals"] + parts["accompaniment"]
    assert np.corrcoef(written["centre"], expected.ravel())[0, 1] > 0.99999


def test_flat_tops_are_counted_where_a_signal_stays_at_full_scale() -> None:
    loud = 3 * np.sin(np.linspace(0, 200, 4000))[None]
    assert flat_tops(np.clip(loud, -1, 1)) > 1000
    assert flat_tops(loud) == 0  # beyond full scale, but round: float files can hold that
    assert flat_tops(np.clip(loud, -0.5, 0.5)) == 0


def test_a_folder_whose_scores_alone_were_kept_is_told_to_be_scored_again(finished_run, write_design, tmp_path) -> None:
    run, words = tmp_path / "scored", ["score", str(finished_run / "estimates" / "irm"), "--quiet", "-m", "usdr"]
    words += [
        "--references",
        str(finished_run.parent / "songs"),
        "--tracks",
        "Song 1",
        "--name",
        "mine",
        "-o",
        str(run),
    ]
    assert main(words) == 0
    design = write_design(ONE + "systems: [mine]\n").with_values(run=run)
    for prepare in (describe_plan, lambda d: make_pack(d, tmp_path / "out", jobs=1, say=lambda _: None)):
        with pytest.raises(
            RunError, match=r"scores of mine, .* score that folder again with --save-estimates -o .*scored"
        ):
            prepare(design)
