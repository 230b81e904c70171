"""What separators deliver becomes rows: names mapped, sums with all their parts, the rest named with its reason.

Perfect stems of six instruments are scored on data of four stems, by every way in; right is what 16 bit or float32
leaves, some 100 dB, and what an estimate lacks shows at once.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mss_bench.core import audio
from mss_bench.core.spec import Spec
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import TargetGroup, Targets, Track, TrackId
from mss_bench.errors import ConfigError
from mss_bench.running.execute import Supervisor
from mss_bench.running.messages import Task
from mss_bench.running.options import RunOptions
from mss_bench.running.plan import Plan, make_plan
from mss_bench.running.tables import build_tables, read_table

SIX = ("vocals", "drums", "bass", "other", "guitar", "piano")
FOUR = SIX[:4]
SUM = "other=guitar+piano+other"
TARGETS = Targets(FOUR, {"accompaniment": FOUR[1:]})
GROUPS = (TargetGroup("4stem", FOUR), TargetGroup("vocals_acc", ("vocals", "accompaniment")))
TWO = Targets(("vocals", "accompaniment"))
TWO_GROUPS = (TargetGroup("vocals_acc", TWO.stems),)
RATE = 8000
SCRIPT = """
import numpy as np
class Separator:
    target_sets = ({names},)
    stem_map = "other=guitar+piano+other"
    def __init__(self, folder):
        self.folder = folder
    def separate(self, mixture, sample_rate, *, targets, rng):
        return {{name: np.load(f"{{self.folder}}/{{name}}.npy") for name in {names}}}
"""

rng = np.random.default_rng(0)
STEMS = {name: rng.uniform(-1, 1, (2, RATE)).astype(np.float32) for name in SIX}
REST = np.sum([STEMS[name] for name in SIX[1:]], axis=0, dtype=np.float32)
REFERENCES = {name: STEMS[name] for name in FOUR[:3]} | {"other": STEMS["other"] + STEMS["guitar"] + STEMS["piano"]}


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write stems of one song as estimates; of the six, or arrays by name."""

    def write(*names: str, **arrays: np.ndarray) -> Path:
        for name, array in ({name: STEMS[name] for name in names} | arrays).items():
            audio.write(tmp_path / "estimates" / "Song" / f"{name}.wav", array, RATE)
        return tmp_path / "estimates"

    return write


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., Plan]:
    def plan(spec: Mapping[str, Any], targets: Targets = TARGETS, groups: Any = GROUPS) -> Plan:
        references = REFERENCES if targets is TARGETS else {"vocals": STEMS["vocals"], "accompaniment": REST}
        files = {name: (tmp_path / "references" / f"{name}.wav",) for name in references}
        for name, array in references.items():
            audio.write(files[name][0], array, RATE)
        track = Track(TrackId("data", "test", "Song"), RATE, files)
        return make_plan([track], targets, groups, [Spec.parse(dict(spec) | {"as": "mine"})], [Spec("usdr")])

    return plan


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """Keep one worker for all that is scored here."""
    worker = Supervisor(tmp_path_factory.mktemp("worker") / "worker.log")
    yield worker
    worker.stop()


@pytest.fixture
def scored(
    tmp_path: Path, planned: Callable[..., Plan], worker: Supervisor
) -> Callable[..., tuple[pd.DataFrame, list[str]]]:
    """Score a separator; return its rows by group and target, and the notices."""

    def score(spec: Mapping[str, Any], *data: Any) -> tuple[pd.DataFrame, list[str]]:
        plan, run = planned(spec, *data), tmp_path / "run"
        run.mkdir()
        for cell in plan.cells:
            worker.run(Task(run, cell, cell.scores))
        (run / "plan.json").write_text(json.dumps({"cells": [cell.describe() for cell in plan.cells]}))
        build_tables(run)
        rows = read_table(run, "tracks").query("separator == 'mine'")
        return rows.set_index(["group", "target"]), plan.notices

    return score


def test_without_a_map_other_is_left_out_with_the_reason_and_the_accompaniment_is_all_but_the_vocals(
    folder: Callable[..., Path], scored: Callable[..., Any], tmp_path: Path
) -> None:
    rows, notices = scored({"name": "estimates", "dir": str(folder(*SIX))})
    values = rows["value"].to_dict()
    assert values.pop(("4stem", "other")) != values, "NaN"
    assert set(values) == {("4stem", t) for t in FOUR[:3]} | {("vocals_acc", "vocals"), ("vocals_acc", "accompaniment")}
    assert min(values.values()) > 100
    left_out = rows.loc[("4stem", "other")]
    assert left_out["status"] == "skipped"
    assert f'--map "{SUM}"' in left_out["reason"]
    assert notices == [f"mine: other is not scored: {left_out['reason']}"]
    (failure,) = read_table(tmp_path / "run", "failures").to_dict("records")
    assert (failure["group"], failure["status"]) == ("4stem", "skipped")


@pytest.mark.parametrize("written", [SUM, {"other": ["guitar", "piano", "other"]}])
def test_a_map_sums_what_belongs_to_other(
    written: Any, folder: Callable[..., Path], scored: Callable[..., Any]
) -> None:
    rows, notices = scored({"name": "estimates", "dir": str(folder(*SIX)), "map": written})
    assert rows["value"].min() > 100
    assert len(rows) == 6
    assert not notices


def test_what_a_rest_holds_is_counted_once(folder: Callable[..., Path], scored: Callable[..., Any]) -> None:
    rest = "other=mixture-vocals-drums-bass"
    rows, notices = scored({"name": "estimates", "dir": str(folder(*SIX)), "map": rest})
    assert rows["value"].min() > 100
    assert ("vocals_acc", "accompaniment") in rows.index
    assert notices == [f"mine: other, guitar, piano: not used as delivered, since the map makes {rest}"]


def test_other_of_two_stems_is_the_accompaniment_where_the_map_says_so(
    folder: Callable[..., Path], scored: Callable[..., Any]
) -> None:
    rows, _ = scored({"name": "estimates", "dir": str(folder("vocals", other=REST)), "map": "accompaniment=other"})
    assert set(rows.index) == {("4stem", "vocals"), ("vocals_acc", "vocals"), ("vocals_acc", "accompaniment")}
    assert rows["value"].min() > 100


def test_a_rest_and_a_name_of_ones_own(folder: Callable[..., Path], scored: Callable[..., Any]) -> None:
    rows, _ = scored(
        {
            "name": "estimates", "dir": str(folder(lead=STEMS["vocals"])),
            "map": {"vocals": "lead", "accompaniment": "mixture - vocals"},
        }
    )  # fmt: skip
    assert rows["value"].min() > 100
    assert ("vocals_acc", "accompaniment") in rows.index


@pytest.mark.parametrize("names", [SIX, ("vocals", "other")])
def test_on_two_stems_the_accompaniment_is_the_sum_of_the_others(
    names: tuple[str, ...], folder: Callable[..., Path], scored: Callable[..., Any]
) -> None:
    arrays = {"other": REST} if names != SIX else {}
    rows, notices = scored({"name": "estimates", "dir": str(folder(*names, **arrays))}, TWO, TWO_GROUPS)
    assert set(rows.index) == {("vocals_acc", "vocals"), ("vocals_acc", "accompaniment")}
    assert rows["value"].min() > 100
    assert not notices


def test_a_delivered_accompaniment_is_used_as_it_is_and_flagged_where_the_stems_say_otherwise(
    folder: Callable[..., Path], scored: Callable[..., Any]
) -> None:
    rows, _ = scored({"name": "estimates", "dir": str(folder(*SIX, instrumental=REST / 2)), "map": SUM})
    value = rows.loc[("vocals_acc", "accompaniment")]
    assert value["value"] == pytest.approx(20 * np.log10(2), abs=0.01)
    assert re.fullmatch(r"accompaniment_differs_from_sum:[+-]0\.0dB", value["flags"]), "half of it is missing"


def test_a_delivered_accompaniment_is_compared_on_two_stems_as_well(
    folder: Callable[..., Path], scored: Callable[..., Any]
) -> None:
    directory = folder("vocals", other=REST / 2, accompaniment=REST)
    rows, _ = scored({"name": "estimates", "dir": str(directory)}, TWO, TWO_GROUPS)
    assert set(rows.query("target == 'accompaniment'")["flags"]) == {"accompaniment_differs_from_sum:-6.0dB"}
    assert set(rows.query("target != 'accompaniment'")["flags"]) == {""}
    assert rows["value"].min() > 100


def test_a_delivered_accompaniment_that_agrees_has_no_flag(
    folder: Callable[..., Path], scored: Callable[..., Any]
) -> None:
    rows, _ = scored({"name": "estimates", "dir": str(folder(*SIX, no_vocals=REST)), "map": SUM})
    assert set(rows["flags"]) == {""}


def test_a_song_without_a_part_fails_for_what_is_made_of_it(
    folder: Callable[..., Path], scored: Callable[..., Any], tmp_path: Path
) -> None:
    directory = folder(*SIX[:5], piano=STEMS["piano"][:, :100])
    rows, _ = scored({"name": "estimates", "dir": str(directory), "map": SUM})
    other = rows.loc[("4stem", "other")]
    assert other["status"] == "invalid_output"
    assert "piano: 100 samples, expected 8000" in other["reason"]
    assert rows.loc[("vocals_acc", "accompaniment")]["status"] == "invalid_output"
    assert rows.loc[("4stem", "drums")]["value"] > 100


def test_a_sum_without_one_of_its_parts_is_not_scored(folder: Callable[..., Path], scored: Callable[..., Any]) -> None:
    rows, _ = scored({"name": "estimates", "dir": str(folder(*SIX[:5], piano=np.full((2, RATE), np.nan)))})
    accompaniment = rows.loc[("vocals_acc", "accompaniment")]
    assert accompaniment["status"] == "invalid_output"
    assert accompaniment["reason"].startswith(
        "accompaniment lacks piano, which was not returned for this song; if the song is complete without, "
        "deliver silence under that name; piano: nan"
    )


def test_a_command_delivers_under_its_own_names(
    folder: Callable[..., Path], scored: Callable[..., Any], tmp_path: Path
) -> None:
    program = tmp_path / "tool"  # a file of the user's, which the worker reads
    program.write_text(f"#!/bin/sh\ncp {folder(*SIX)}/Song/*.wav $2\n")
    program.chmod(0o755)
    os.utime(program, (0, 0))
    rows, _ = scored({"name": "command", "command": f"{program} {{input}} {{output_dir}}", "map": SUM})
    assert len(rows) == 6
    assert rows["value"].min() > 100


def test_a_command_that_writes_more_than_the_data_has_is_told(
    folder: Callable[..., Path], scored: Callable[..., Any]
) -> None:
    spec = {"name": "command", "command": ["cp", "-rT", str(folder(*SIX) / "Song"), "{output_dir}", "-S", "{input}"]}
    rows, _ = scored(spec)
    assert set(rows["status"]) == {"invalid_output"}
    assert "wrote guitar, piano, too, which would be lost" in rows["reason"].iloc[0]


def test_a_script_in_another_python_says_what_its_names_mean(
    tmp_path: Path, scored: Callable[..., Any], planned: Callable[..., Plan]
) -> None:
    (tmp_path / "six.py").write_text(SCRIPT.format(names=SIX))
    for name in SIX:
        np.save(tmp_path / f"{name}.npy", STEMS[name])
    spec = {"name": "external", "python": sys.executable, "script": str(tmp_path / "six.py"), "folder": str(tmp_path)}
    rows, _ = scored(spec)
    assert len(rows) == 6
    assert rows["value"].min() > 100
    names = planned(spec | {"map": "vocals=drums;drums=vocals"}).cells[1].delivery
    assert str(names.stem_map) == "vocals=drums;drums=vocals", "the user's word comes first"


def test_the_map_is_part_of_the_key_where_it_changes_something(
    folder: Callable[..., Path], planned: Callable[..., Plan]
) -> None:
    spec = {"name": "estimates", "dir": str(folder(*SIX))}

    def key(**given: Any) -> str:
        return planned(spec | given).cells[1].estimate_key

    assert key(map=SUM) != key()
    assert key(map=SUM) == key(map={"other": "guitar + piano + other"}), "however it is written"
    assert key(map="none") == key()
    facts = planned(spec | {"map": {"other": ["guitar", "piano", "other"]}}).cells[1].facts
    assert facts["map"] == facts["params"]["map"] == SUM, "recorded"


def test_an_excerpt_of_the_accompaniment_has_all_its_parts(
    folder: Callable[..., Path], planned: Callable[..., Plan]
) -> None:
    delivery = planned({"name": "estimates", "dir": str(folder(*SIX))}).cells[1].delivery
    assert delivery.parts("accompaniment", SIX, TARGETS) == SIX[1:]
    assert delivery.parts("accompaniment", SIX[:5], TARGETS) == ()
    assert delivery.parts("drums", ("drums",), TARGETS) == ("drums",)


def test_what_is_not_scored_is_named(folder: Callable[..., Path], planned: Callable[..., Plan]) -> None:
    spec = {"name": "estimates", "dir": str(folder("vocals", instrumental=REST, strings=REST))}
    assert planned(spec, Targets(FOUR), (TargetGroup("4stem", FOUR),)).notices == [
        "mine: accompaniment is delivered and not scored: no target of the data set; a map says what such names mean",
        "mine: not read: Song/strings.wav: 'strings' is no target of the data set; a map says what such names mean",
    ]
    assert planned(spec | {"map": "other=strings"}).notices == []


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "other=gitar+piano+other",
            "mine: map '.*': there is no stem 'gitar'; did you mean 'guitar'",
        ),
        ("others=guitar", "'others'; did you mean 'other'"),
        ("other=drums+other", "the data set scores drums by itself"),
    ],
)
def test_a_map_that_does_not_fit_is_refused_before_anything_runs(
    written: str, message: str, folder: Callable[..., Path], planned: Callable[..., Plan]
) -> None:
    with pytest.raises(ConfigError, match=message):
        planned({"name": "estimates", "dir": str(folder(*SIX)), "map": written})


def test_the_map_of_a_run_goes_to_the_separators_that_take_one() -> None:
    own = {"name": "command", "command": "tool {input} {output_dir}", "map": "vocals=lead"}
    options = RunOptions(separators=["estimates:dir=x", own, "hpss"], map=("other=guitar+other", "vocals=voice"))
    maps = [spec.params.get("map") for spec in options.separator_specs()]
    assert maps == ["other=guitar+other;vocals=voice", "vocals=lead", None]
    assert RunOptions.recorded(json.loads(json.dumps(options.describe(), default=str))).map == options.map
    assert RunOptions.recorded(json.loads(json.dumps(RunOptions().describe(), default=str))).map == StemMap()
    with pytest.raises(ConfigError, match="no separator of the run takes one"):
        RunOptions(separators=["hpss"], map="vocals=lead").separator_specs()
