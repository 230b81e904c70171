"""Calls without options, on tables of every data set that the catalog has, and comparisons for a model's CI."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.core.schema import COST_COLUMNS, FAILURE_COLUMNS, FRAME_COLUMNS, SCHEMA_VERSION, TRACK_COLUMNS
from mss_bench.datasets.catalog import load_catalog
from mss_bench.errors import MssBenchError
from mss_bench.metrics import metrics
from mss_bench.report.contents import arrange
from mss_bench.report.options import FIGURES, Style
from mss_bench.report.score_tables import score_table

CATALOG = load_catalog()
METHODS = {"mixture": 0.0, "ours": 5.0, "theirs": 4.0, "irm": 9.0}
CALLS = tuple(FIGURES)  # the names of the command line


@pytest.fixture
def vocals_of(sisec_vocals):
    """Return the scores of some methods on twelve songs."""
    songs = sorted(set(sisec_vocals["track"]))[:12]

    def of(*methods: str) -> pd.DataFrame:
        rows = sisec_vocals["separator"].isin(methods) & sisec_vocals["track"].isin(songs)
        return sisec_vocals[rows].reset_index(drop=True)

    return of


def run_folder(folder: Path, tracks: pd.DataFrame) -> Path:
    """Write a run folder of a track table, with the other tables that belong to it."""
    folder.mkdir(parents=True)
    cells = tracks.drop_duplicates(["track", "separator"])
    first = tracks.drop_duplicates(["track", "separator", "group", "target", "metric"])
    tables = {
        "tracks": (tracks, TRACK_COLUMNS),
        "frames": (first.assign(frame=0, time=0.0, duration=1.0), FRAME_COLUMNS),
        "costs": (cells.assign(audio_seconds=10.0, separate_seconds=2.0, score_seconds=1.0), COST_COLUMNS),
        "failures": (tracks[tracks["status"] != "ok"], FAILURE_COLUMNS),
    }
    for name, (table, columns) in tables.items():
        table.reindex(columns=list(columns)).astype(columns).to_parquet(folder / f"{name}.parquet")
    labels = tracks.drop_duplicates("separator")
    separators = [{"label": str(r.separator), "name": "x", "oracle": bool(r.oracle)} for r in labels.itertuples()]
    quantities = [vars(q) | {"family": "bss_eval", "preset": "v4"} for q in metrics.load("bss_eval").quantities]
    facts = {
        "schema": SCHEMA_VERSION, "options": {}, "dataset": {"name": "d", "fingerprint": ""},
        "machine": {"processor": "Xeon", "cores": 8}, "threads_per_worker": 1, "jobs": 4,
        "commands": [{"command": f"mss-bench run {name}"} for name in "ab"],
    }  # fmt: skip
    text = json.dumps(facts | {"separators": separators, "quantities": quantities}, default=str)
    (folder / "run.json").write_text(text, encoding="utf-8")
    return folder


def tables_of(name: str) -> pd.DataFrame:
    """Return a track table with the groups and targets that a data set declares; it is not on this machine."""
    rng = np.random.default_rng(0)
    rows = [
        {"group": group.name, "target": target, "metric": metric, "track": f"Song {i}", "separator": method,
         "value": value + rng.normal(), "oracle": method == "irm"}
        for group in CATALOG[name].groups
        for target, metric, i, (method, value) in product(group.targets, ("SDR", "SIR"), range(8), METHODS.items())
    ]  # fmt: skip
    plain = {
        "dataset": name, "subset": "test", "params": "", "preset": "v4", "n_frames": 9, "n_valid": 8, "n_inf": 0,
        "status": "ok", "flags": "", "reason": "", "condition": math.nan, "estimate_key": "e", "score_key": "s",
        "replicates": "",
    }  # fmt: skip
    table = pd.DataFrame(rows).assign(**plain)
    return table.assign(mean=table["value"])[list(TRACK_COLUMNS)].astype(TRACK_COLUMNS)


@pytest.mark.parametrize("name", CATALOG)
def test_every_default_call_works_on_every_built_in_data_set(name, tmp_path, capsys) -> None:
    tracks = tables_of(name)
    results = mss_bench.load(run_folder(tmp_path / "run", tracks))
    unit = results.scores().unit
    groups = {g.name: len(g.targets) for g in CATALOG[name].groups if unit["target"] in g.targets}
    assert groups[unit["group"]] == max(groups.values())
    assert unit["target"] == "vocals" or "vocals" not in set(tracks["target"])
    assert f"{unit['metric']} of {unit['target']} ({unit['group']})" in str(results.compare("ours", "theirs"))
    assert main(["compare", str(tmp_path / "run"), "ours", "theirs"]) == 0
    assert f"({unit['group']}): typical difference" in capsys.readouterr().out
    assert unit["group"] in results.plot.box().axes[0].get_title("left")
    assert len(results.plot.box(target="all").axes) >= groups[unit["group"]]
    assert all(getattr(results.plot, call)().axes for call in CALLS[1:])
    assert unit["group"] in results.summary()
    assert len(results.aggregate())


@pytest.mark.parametrize(("a", "b", "status"), [("JY1", "TAK2", 1), ("TAK2", "JY1", 0), ("TAK2", "TAU1", 0)])
def test_a_worse_method_fails_the_ci_of_its_model(sisec_vocals, tmp_path, capsys, a, b, status) -> None:
    run = run_folder(tmp_path / "run", sisec_vocals)
    assert main(["compare", str(run), a, b, "--fail-if-worse"]) == status
    assert f"{a} - {b}, SDR of vocals (all): typical difference " in capsys.readouterr().out


def test_a_method_that_failed_on_a_song_fails_the_ci_of_its_model(vocals_of, tmp_path, capsys) -> None:
    tracks = vocals_of("TAK2", "JY1")
    failed = (tracks["separator"] == "TAK2") & (tracks["track"] == tracks["track"].iloc[0])
    tracks = tracks.assign(
        value=tracks["value"].where(~failed), status=tracks["status"].mask(failed, "error"), reason="boom"
    )
    run = run_folder(tmp_path / "run", tracks)
    assert main(["compare", str(run), "TAK2", "JY1", "--fail-if-worse"]) == 1
    assert "TAK2 failed on 1 song, where a stand-in counts" in capsys.readouterr().err


def test_imported_tables_that_lack_cells_are_incomplete(vocals_of, tmp_path, capsys) -> None:
    tracks = vocals_of("TAK2", "JY1")
    lost = (tracks["separator"] == "TAK2") & tracks["track"].isin(tracks["track"].unique()[:3])
    assert main(["report", str(run_folder(tmp_path / "run", tracks[~lost])), "--format", "md"]) == 0
    assert "Run not finished: 21 of 24 cells are done." in capsys.readouterr().out


def test_a_song_without_a_score_of_either_fails_the_ci_of_a_model(vocals_of, tmp_path, capsys) -> None:
    tracks = vocals_of("TAK2", "JY1")
    lost = (tracks["separator"] == "TAK2") & (tracks["track"] == tracks["track"].iloc[0])
    run = run_folder(tmp_path / "run", tracks.assign(value=tracks["value"].where(~lost)))
    for pair in (["TAK2", "JY1"], ["JY1", "TAK2"]):
        assert main(["compare", str(run), *pair, "--fail-if-worse"]) == 1
        assert "TAK2 has no score on 1 song, where others have one" in capsys.readouterr().err
    infinite = run_folder(tmp_path / "infinite", tracks.assign(value=tracks["value"].mask(lost, -math.inf)))
    assert main(["compare", str(infinite), "TAK2", "JY1", "--fail-if-worse", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["mean_difference"], told["mean_difference_low"]) == ("-inf", None)
    silent = tracks["track"] == tracks["track"].iloc[0]
    run = run_folder(tmp_path / "silent", tracks.assign(value=tracks["value"].where(~silent)))
    assert main(["compare", str(run), "TAK2", "JY1", "--fail-if-worse"]) == 0  # nobody has a score there


def test_a_pair_is_compared_on_the_first_target_that_both_have(tmp_path, capsys) -> None:
    tracks = tables_of("demo")
    groups = tracks.groupby("group")["target"].agg(lambda own: list(dict.fromkeys(own)))
    lacks = (tracks["separator"] == "theirs") & (tracks["target"] == "vocals")
    run = run_folder(tmp_path / "run", tracks[~lacks])
    assert main(["compare", str(run), "ours", "theirs"]) == 0
    target = next(name for name in groups["4stem"] if name != "vocals")
    assert f"ours - theirs, SDR of {target} (4stem): " in capsys.readouterr().out
    assert main(["compare", str(run), "ours", "irm"]) == 0
    assert "SDR of vocals (4stem): " in capsys.readouterr().out
    for words, why in (
        (["ours", "theirs", "--target", "vocals"], "theirs does not separate vocals"),
        (["theirs", "theirs"], "a method cannot be compared with itself: 'theirs'"),
    ):
        assert main(["compare", str(run), *words]) == 2
        assert why in capsys.readouterr().err


@pytest.mark.parametrize("methods", [["ours"], ["mixture", "ours"], ["ours", "theirs"]])
def test_one_song_or_one_method_is_a_stated_result_or_refused(methods, tmp_path, capsys) -> None:
    tracks = tables_of("demo")
    tracks = tracks[tracks["separator"].isin(methods) & (tracks["track"] == "Song 0")]
    results = mss_bench.load(run_folder(tmp_path / "run", tracks))
    refused = {}
    for call in CALLS:
        try:
            assert getattr(results.plot, call)().axes
        except MssBenchError as error:
            refused[call] = str(error)
    assert set(refused) <= {"cd", "pairs"}  # which are of several methods and songs
    assert all("nothing to draw" in text or "needs at least" in text for text in refused.values())
    if len(methods) == 2:
        assert "1 song: too few for any test" in str(results.compare(*methods[::-1]))
    assert main(["report", str(tmp_path / "run"), "--figures", "box", "--width", "column"]) == 0


def test_an_imitation_of_the_floor_competes_with_none_and_a_sar_without_artefacts_is_a_dash(tmp_path) -> None:
    tracks = tables_of("demo").query("group == '4stem'").replace({"metric": {"SIR": "SAR"}})
    copy = tracks[tracks["separator"] == "mixture"].assign(separator="copy", estimate_key="c")
    copy["value"] += 4e-4  # of a mixture that was rounded to 16 bits
    # Its SAR is of rounding errors on a single song, and would be the best.
    filtered = tracks[tracks["separator"] == "theirs"].assign(separator="filtered")
    filtered.loc[(filtered["metric"] == "SAR") & (filtered["track"] == "Song 0"), ["value", "mean"]] = 147.0
    results = mss_bench.load(run_folder(tmp_path / "run", pd.concat([tracks, copy, filtered])))
    assert results.compare("ours", "theirs").family.ranked == ["ours", "theirs", "filtered"]
    assert results.compare("ours", "theirs", "SAR").family.ranked == ["ours", "theirs"]
    assert results.scores("SAR").left_out == ["mixture", "copy", "filtered"]
    blocks = {block.metric: block for block in arrange(results.tracks, separators=results.run["separators"]).blocks}
    kinds = {row.separator: row.kind for row in blocks["SDR"].rows}
    assert (kinds["copy"], kinds["filtered"]) == ("does nothing", "method")
    told = {metric: score_table([block], Style()) for metric, block in blocks.items()}
    assert (
        "Does nothing: has the scores of the floor on every song, at its level or another: copy." in told["SDR"].notes
    )
    (why,) = [note for note in told["SAR"].notes if note.startswith("SAR above 100 dB says nothing")]
    assert why.endswith(": filtered.")
    cells = {row[0].text: row[3] for row in told["SAR"].rows}
    assert [cells[name].text for name in ("mixture", "copy", "filtered")] == ["–"] * 3
    assert cells["ours"].bold
    # What others published is theirs to say.
    published = arrange(results.tracks.assign(estimate_key="")).blocks[1]
    assert any(row.separator == "filtered" and row.scores["vocals"]["value"] > 0 for row in published.rows)


def test_a_mixture_at_another_level_does_nothing(tmp_path) -> None:
    tracks = tables_of("demo").query("group == '4stem'")
    tracks = pd.concat([tracks, tracks[tracks["metric"] == "SIR"].assign(metric="SAR")])
    faded = tracks[tracks["separator"] == "mixture"].assign(separator="faded", estimate_key="c")
    faded.loc[faded["metric"] == "SDR", ["value", "mean"]] += 9.0  # it would be the best
    faded.loc[faded["metric"] == "SAR", ["value", "mean"]] = 150.0
    results = mss_bench.load(run_folder(tmp_path / "run", pd.concat([tracks, faded])))
    assert results.compare("ours", "theirs").family.ranked == ["ours", "theirs"]
    clipped = faded.assign(separator="clipped")
    clipped.loc[(clipped["metric"] == "SAR") & (clipped["track"] == "Song 0"), ["value", "mean"]] = 30.0
    results = mss_bench.load(run_folder(tmp_path / "other", pd.concat([tracks, clipped])))
    assert results.compare("ours", "theirs").family.ranked[0] == "clipped"


def test_the_sar_of_what_does_nothing_is_nowhere_and_an_unfinished_run_says_so_everywhere(tmp_path) -> None:
    tracks = tables_of("demo").query("group == '4stem'").replace({"metric": {"SIR": "SAR"}})
    unfinished = tracks[~((tracks["separator"] == "theirs") & (tracks["track"] < "Song 3"))]
    folder = run_folder(tmp_path / "run", unfinished)
    facts = json.loads((folder / "run.json").read_text())
    facts["cells"] = {name: {"planned": 8, "done": 8} for name in METHODS} | {
        "theirs": {"planned": 8, "done": 5, "missing": 3}
    }
    (folder / "run.json").write_text(json.dumps(facts))
    results = mss_bench.load(folder)
    assert list(results.scores("SAR").values.columns) == ["ours", "irm"]
    assert results.scores("SAR").left_out == ["theirs", "mixture"]
    aggregated = results.aggregate()
    sar = aggregated[(aggregated["metric"] == "SAR") & (aggregated["separator"] == "mixture")]
    assert len(sar) == 4
    assert sar["value"].isna().all()
    banner = "Run not finished: 29 of 32 cells are done."
    assert banner in aggregated._repr_html_()
    assert banner in results._repr_html_()
    figure = results.plot.box()
    assert banner in figure.get_suptitle()
    assert "Not drawn, without a score on every song: theirs." in " ".join(figure.get_suptitle().split())
    complete = results.compare("ours", "mixture")
    assert "not finished" not in str(complete) + complete._repr_html_()
    half = results.compare("ours", "theirs", missing="complete")
    assert "Run not finished: 13 of 16 cells" in str(half)
    assert half._repr_html_().count("Run not finished") == 1


def test_a_report_says_in_five_lines_what_it_shows(sisec_vocals, tmp_path, capsys) -> None:
    run = run_folder(tmp_path / "run", sisec_vocals)
    assert main(["report", str(run), "--format", "md,csv", "--labels", "TAK2=Ours", "--draws", "100"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for sentence in (
        "musdb18 test, all: 26 methods and 5 oracles on 50 songs; each number is a median over songs.",
        "Complete: 1550 of 1550 cells.",
        "SDR of vocals: Best: Ours; not told apart from it: TAU1. May be the best (95 %): Ours, TAU1.",
        "Ours and TAU1, the next: typical difference −0.03 dB [−0.16, +0.10], Ours better on 25 of 50; not told apart.",
        "Ours (7.16) is 2.27 dB below the best oracle (IRM2) and 6.53 dB above the floor (mixture; its gain, which is "
        "paired by song).",
        "Ours takes 0.2 s per second of audio (Xeon, 8 cores, 1 thread a worker, 4 workers at a time).",
        f"Written: {run / 'report' / 'report.md'} and 4 more files",
    ):
        assert sentence in said, sentence
    page = (run / "report" / "report.md").read_text(encoding="utf-8")
    assert "Measured on Xeon, 8 cores, 1 thread a worker, 4 workers at a time." in page
    assert "Command: mss-bench run a" in page
    assert "Command: mss-bench run b" in page
    assert main(["compare", str(run), "TAK2", "TAK3", "--format", "json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    pairs = pd.read_csv(run / "report" / "pairs.csv").query("a == 'TAK2' and b == 'TAK3'")
    assert compared["p_family"] == pytest.approx(pairs["p"].item())  # of one family
    assert compared["p"] == pytest.approx(0.000202796733)  # published scores, scipy's exact test
