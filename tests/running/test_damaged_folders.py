"""Run folders whose files are not what mss-bench run wrote."""

import json

import pytest

from mss_bench.api import load
from mss_bench.cli.main import main
from mss_bench.core.files import json_text
from mss_bench.core.schema import SCHEMA_VERSION
from mss_bench.errors import RunError
from mss_bench.running.status import run_status

CELL = {"estimate_key": "k", "track": {}, "separator": "s", "params": "", "oracle": False, "scores": []}
TRACK = {"dataset": "d", "subset": "", "name": "n"}
INFO = {"schema": SCHEMA_VERSION, "options": {}, "dataset": {}, "quantities": []}


@pytest.mark.parametrize(
    ("plan", "what"),
    [
        ([], "it holds no mapping"),
        ({}, "cells of the content missing"),
        ({"cells": []}, "it has no cells"),
        ({"cells": 5}, "cells is a whole number, expected a list"),
        ({"cells": [5]}, "cells[0] is a whole number, expected a mapping"),
        ({"cells": [{"a": 1}]}, "estimate_key, track, separator, params, oracle, scores of cells[0] missing"),
        ({"cells": [CELL]}, "dataset, subset, name of cells[0].track missing"),
        ({"cells": [CELL | {"track": TRACK, "scores": 1}]}, "cells[0].scores is a whole number, expected a list"),
        (
            {"cells": [CELL | {"track": TRACK, "scores": [1]}]},
            "cells[0].scores[0] is a whole number, expected a mapping",
        ),
    ],
)
def test_a_damaged_plan_is_told(tmp_path, plan, what):
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(RunError) as caught:
        run_status(tmp_path)
    file = tmp_path / "plan.json"
    assert str(caught.value) == f"{file} is damaged ({what}); repeat the 'mss-bench run' that made {tmp_path}"


@pytest.mark.parametrize(
    ("info", "what"),
    [
        ([], "it holds no mapping"),
        ({}, "it does not say of which version its tables are"),
        (None, "it holds no mapping"),
        ({"schema": SCHEMA_VERSION}, "options, dataset, quantities of the content missing"),
        (INFO | {"options": 1}, "options is a whole number, expected a mapping"),
        (INFO | {"dataset": "demo"}, "dataset is text, expected a mapping"),
        (INFO | {"quantities": 1}, "quantities is a whole number, expected a list"),
        (INFO | {"quantities": [{"name": "SDR"}]}, "higher_is_better of quantities[0] missing"),
        (INFO | {"separators": ["irm"]}, "separators[0] is text, expected a mapping"),
    ],
)
@pytest.mark.parametrize("read", [load, run_status])
def test_a_damaged_description_is_told(tmp_path, info, what, read):
    (tmp_path / "run.json").write_text(json.dumps(info))
    with pytest.raises(RunError) as caught:
        read(tmp_path)
    file = tmp_path / "run.json"
    assert str(caught.value) == f"{file} is damaged ({what}); repeat the 'mss-bench run' that made {tmp_path}"


def test_a_plan_whose_checksum_is_gone_is_damaged_where_the_description_has_one(tmp_path):
    plan = {"cells": [CELL | {"track": TRACK}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "run.json").write_text(json.dumps(INFO))
    assert run_status(tmp_path).counts.planned == 1  # an earlier version wrote both
    (tmp_path / "run.json").write_text(json_text(INFO))
    with pytest.raises(RunError, match=r"plan\.json is damaged \(its checksum is missing\); repeat"):
        run_status(tmp_path)
    (tmp_path / "plan.json").write_text(json_text(plan))
    assert run_status(tmp_path).counts.planned == 1


def test_what_is_no_json_is_told(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match=r"run\.json is damaged \(Expecting"):
        load(tmp_path)


@pytest.mark.parametrize("read", [load, run_status])
def test_a_file_is_no_run_folder(tmp_path, read):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(RunError, match="file is a file; expected a run folder"):
        read(file)


def test_what_is_no_run_is_not_made_a_folder_by_rebuilding_it(tmp_path, capsys):
    assert main(["results", "rebuild", str(tmp_path / "mistyped")]) == 2
    assert "mistyped is not a run folder: it has no run.json" in capsys.readouterr().err
    assert not (tmp_path / "mistyped").exists()
