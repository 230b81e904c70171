"""Scoring protocols: declared, found, expanded, labelled, and refused where something is lacking."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import mss_bench
from mss_bench.cli.main import main
from mss_bench.cli.run import printed_protocols
from mss_bench.core import audio
from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import Track, TrackId
from mss_bench.datasets.catalog import load_catalog
from mss_bench.datasets.musdb18 import read_stem_file
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.leaderboards.beside import overview, published_rows, reproduced, standing_beside
from mss_bench.leaderboards.board import read_board
from mss_bench.metrics import metrics
from mss_bench.protocols import SHIPPED as SHIPPED_FILE
from mss_bench.protocols import get_protocol, load_protocols
from mss_bench.report.protocols import ProtocolScore, ProtocolScores, protocol_scores
from mss_bench.report.summary import summary
from mss_bench.running.by_protocol import described, differences, lacking
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare

SHIPPED = load_protocols()
BOARDS = Path(__file__).parents[2] / "leaderboards"

OWN = """
track_lists:
  two: [Song A, Song B (live)]
mine@1:
  title: A protocol of these tests
  definition: uSDR with 1e-7, mean over songs
  datasets: [tiny]
  subset: test
  track_list: two
  targets: [vocals, drums, bass, other]
  metrics: ["usdr:preset=demucs"]
  quantities: [uSDR]
  aggregation: mean_of_means
  silence: none
  length: as they are
  channels: two
  complete: both songs
  published: [nowhere]
mine@2:
  title: Its second version
  definition: cSDR of the voice, median over frames, then over songs
  datasets: [tiny]
  subset: test
  track_list: two
  targets: [vocals]
  groups: {vocals_acc: [vocals, accompaniment]}
  metrics: ["csdr:window=0.5,hop=0.5"]
  quantities: [cSDR]
  aggregation: median_of_medians
  silence: joint
  length: as they are
  channels: two
  complete: both songs
  published: [nowhere]
"""


@pytest.fixture
def own(tmp_path):
    file = tmp_path / "protocols.yaml"
    file.write_text(OWN)
    return file


@pytest.fixture
def planned(tiny, own, tmp_path):
    """Plans a run, which takes no process; the data set ``mini`` is ``tiny`` under another name."""
    (tmp_path / "mini.yaml").write_text(tiny.read_text().replace("tiny:", "mini:"))

    def prepared(*protocols, **options):
        given = {"catalogs": [tiny, tmp_path / "mini.yaml"], "protocol_files": [own], "out": tmp_path / "run"}
        return prepare(RunOptions(protocols=protocols, separators=["mixture_unscaled"], **(given | options)))

    return prepared


@pytest.fixture(scope="module")
def done(tmp_path_factory, write_song, catalog_text):
    """A run by ``mine@1`` that scores SI-SDR beside it."""
    folder = tmp_path_factory.mktemp("by_protocol")
    for seed, name in ((1, "Song A"), (2, "Song B (live)")):
        write_song(folder / "tiny" / "test" / name, seed)
    (folder / "catalog.yaml").write_text(catalog_text.format(root=folder / "tiny"))
    (folder / "protocols.yaml").write_text(OWN)
    return mss_bench.run(
        None, ["mixture_unscaled"], ["si_sdr"], protocols=["mine@1"], protocol_files=[folder / "protocols.yaml"],
        catalogs=[folder / "catalog.yaml"], jobs=1, quiet=True, out=folder / "run",
    )  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_protocols_name_what_is_there(name):
    protocol, catalog = SHIPPED[name], load_catalog()
    built = [build(metrics, Spec.parse(spec))[0] for spec in protocol.metrics]
    assert set(protocol.quantities) <= {q.name for metric in built for q in metric.quantities}
    for dataset in map(catalog.__getitem__, protocol.datasets):
        assert not lacking(protocol, dataset)
        assert protocol.subset is None or protocol.subset in dataset.subsets
    for rows in protocol.beside:
        board = read_board(BOARDS / rows.board)
        assert bool(rows.metric) == (board.kind == "literature")


def test_a_name_without_version_is_the_latest_and_unknown_ones_are_refused(own):
    assert get_protocol("mine", [own]).name == "mine@2"
    assert get_protocol("mine@1", [own]).name == "mine@1"
    with pytest.raises(UnknownNameError, match="unknown protocol 'sisec81@1'; did you mean 'sisec18@1'"):
        get_protocol("sisec81@1")
    with pytest.raises(ConfigError, match="protocol 'mine' has no version '7'; known: mine@1, mine@2"):
        get_protocol("mine@7", [own])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("mine@2:", "mine:"), r":19: protocol 'mine' has no version, which is a whole number from 1; expected NAME@1"),
        (("mine@2:", "msst@1:"), r":19: protocol 'msst@1' is there already"),
        (("track_list: two", "track_list: tow"), r":9: unknown list of tracks 'tow'; did you mean 'two'"),
        (("aggregation: mean_of_means", "aggregation: mean"), r":13: .*aggregation is 'mean', expected"),
        (("targets: [vocals]", "targets: [drums]"), r"targets of its groups; 'drums' is in none of vocals_acc"),
        (("two: [Song A", "two: [Song A, Song A"), r":2: track_lists: two is no list of names, each once"),
        (('metrics: ["usdr:preset=demucs"]', "metrics: []"), r":11: metrics is empty, expected at least one"),
        ((OWN, ""), "wrong.yaml holds no protocol; expected NAME@1 with its rules"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path, change, error):
    file = tmp_path / "wrong.yaml"
    file.write_text(OWN.replace(*change, 1))
    with pytest.raises(ConfigError, match=error):
        load_protocols([file])


def test_a_run_by_a_protocol_has_its_options_and_carries_its_name(done):
    options = done.run["options"]
    assert options["metrics"] == [{"name": "usdr", "preset": "demucs"}, "si_sdr"]
    assert (options["dataset"], options["subset"], options["missing_stems"]) == ("tiny", "test", "error")
    (scores,) = protocol_scores(done.tracks, done.run)
    assert (scores.name, scores.differs) == ("mine@1", [])


SIX = ("vocals", "drums", "bass", "guitar", "piano", "other")


@pytest.fixture(scope="module")
def by_all(tmp_path_factory):
    """Runs by every shipped protocol, of two songs of a second: only data set, list of tracks and length are others."""
    folder = tmp_path_factory.mktemp("by_all")
    catalog, entries = {}, yaml.safe_load(SHIPPED_FILE.read_text())
    protocols = {"track_lists": {"two": ["Song A", "Song B"]}}
    for name, stems in (("quads", SIX[:3] + SIX[-1:]), ("sextets", SIX)):
        catalog[name] = {
            "layout": "stems", "root": str(folder / name), "sample_rate": 8000, "subsets": ["test"],
            "default_subset": "test", "stems": [*stems], "targets": {"accompaniment": [*stems[1:]]},
            "groups": {"all": [*stems], "vocals_acc": ["vocals", "accompaniment"]},
        }  # fmt: skip
        for seed, song in enumerate(protocols["track_lists"]["two"]):
            rng = np.random.default_rng(seed)
            made = {stem: (0.1 * rng.standard_normal((2, 8800))).astype(np.float32) for stem in stems}
            for stem, array in ({"mixture": sum(made.values())} | made).items():
                audio.write(folder / name / "test" / song / f"{stem}.wav", array, 8000)
    for name in SHIPPED:
        set_of = "sextets" if "guitar" in entries[name]["targets"] else "quads"
        protocols[f"like-{name}"] = entries[name] | {"datasets": [set_of], "track_list": "two", "shortest": 0}
    files = {"catalogs": [folder / "catalog.yaml"], "protocol_files": [folder / "protocols.yaml"]}
    for file, content in zip(files.values(), (catalog, protocols), strict=True):
        file[0].write_text(yaml.safe_dump(content))
    runs = {}
    for names in (("sisec18",), ("musdb18-usdr", "demucs", "msst", "moisesdb-4", "gensvs"), ("moisesdb-6",)):
        own = [f"like-{name}@1" for name in names]
        options = {"missing_stems": "error" if len(own) > 1 else None, "jobs": 1, "quiet": True, **files}
        run = mss_bench.run(None, ["mixture_unscaled"], protocols=own, out=folder / names[0], **options)
        runs |= dict.fromkeys(own, run)
    return runs


@pytest.mark.parametrize("name", [f"like-{name}" for name in SHIPPED])
def test_a_run_by_a_protocol_gives_the_numbers_of_its_options_spelt_out(name, by_all, capsys):
    run = by_all[name]
    catalog, protocol_file = (run.run["options"][key][0] for key in ("catalogs", "protocol_files"))
    here = ["--catalog", catalog, "--protocol-file", protocol_file, "-o", str(run.path)]
    plan = ["-s", "mixture_unscaled", "--dry-run", *here]
    printed = {}
    assert main(["protocols", "show", name, "--protocol-file", protocol_file]) == 0
    run_line, _, report_line = capsys.readouterr().out.splitlines()[-3:]  # each can be pasted
    spelt, aggregation = run_line.removeprefix("  mss-bench run "), report_line.rpartition(" ")[2]
    for how, words in (("spelt", shlex.split(spelt)), ("named", ["--protocol", name])):
        assert main(["run", *words, *plan]) == 0
        printed[how] = capsys.readouterr().out
    # Every score that the options mean is there already, under the same key: of the same numbers.
    assert printed["spelt"] == printed["named"]
    assert ", 0 to compute" in printed["spelt"]
    (scores,) = [scores for scores in protocol_scores(run.tracks, run.run) if scores.name == name]
    assert scores.differs == []
    values = run.aggregate(aggregation=aggregation)
    values = values[values["separator"] == "mixture_unscaled"].set_index(["metric", "preset", "group", "target"])[
        "value"
    ]
    found = {(s.metric, s.target): s.value for s in scores.scores if s.separator == "mixture_unscaled"}
    targets, quantities = (scores.facts[key].items() for key in ("targets", "quantities"))
    expected = {(q, t): values[q, preset, group, t] for q, preset in quantities for t, group in targets}
    for q in scores.quantities:
        expected[q, "mean"] = np.mean([expected[q, t] for t, _ in targets])
    assert len(expected) > len(targets)
    assert found == pytest.approx(expected, nan_ok=True)


def test_tables_and_pages_carry_the_name(done, tmp_path):
    assert "Protocol mine@1: uSDR (dB)" in (text := done.summary())
    assert "Values: mean of means (MDX)" in text, "the other tables are aggregated alike"
    files = {file.name: file for file in done.report(tmp_path, formats=["md", "tex", "html", "csv"])}
    for name in ("report.md", "index.html", "protocols.tex"):
        assert "Protocol mine@1: uSDR" in files[name].read_text()
    table = pd.read_csv(files["protocols.csv"])
    assert table["labelled"].all()
    assert set(table["target"]) == {"mean", "vocals", "drums", "bass", "other"}


@pytest.mark.parametrize(
    ("options", "differs"),
    [
        ({"duration": 1.0}, "only the first 1.0 s of each track are scored"),
        ({"subset": "train"}, "the subset is train, not test"),
        ({"fit": ["resample"]}, "files are made alike: resample"),
        ({"perturbations": ["gain:db=-6"]}, "perturbed: gain:db=-6"),
        ({"dataset": "mini"}, "the data set is mini, not tiny"),
    ],
)
def test_a_run_that_differs_says_in_what_before_it_starts_and_in_its_record(planned, options, differs):
    prepared = planned("mine@2", **options)
    said = [notice for notice in prepared.dataset.notices if "mine@2" in notice]
    assert said[0].startswith("not by mine@2, whose name the tables do not carry: ")
    assert differs in said[0]
    assert differs in described(prepared)[0]["differs"]


def test_numbers_of_a_run_that_differs_do_not_carry_the_name(done):
    other = json.loads(json.dumps(done.run))
    other["protocols"][0]["differs"] = ["the subset is train, not test"]
    text = " ".join(summary(done.tracks, run=other, width=200).split())
    assert "Protocol mine@1" not in text
    assert "By the definition of mine@1, without its name: uSDR (dB)" in text
    assert "Not labelled mine@1: the subset is train, not test." in text


def test_which_tracks_there_are_is_read_from_the_tables(planned, done):
    assert "it has 1 of the 2 tracks" in planned("mine@1", max_tracks=1).dataset.notices[-1]
    first = done.tracks[done.tracks["track"] == "Song A"]
    assert protocol_scores(first, done.run)[0].differs == ["it has 1 of the 2 tracks"]


def test_a_method_that_lacks_a_track_has_no_number_by_the_protocol(done):
    gone = (done.tracks["separator"] == "mixture_unscaled") & (done.tracks["track"] == "Song A")
    (scores,) = protocol_scores(done.tracks[~gone], done.run)
    lacks = {score.lacks for score in scores.scores if score.separator == "mixture_unscaled"}
    assert lacks == {"never computed on 1 track"}
    text = summary(done.tracks[~gone], run=done.run)
    assert "¶ no number by mine@1: mixture_unscaled (never computed on 1 track)." in " ".join(text.split())


def test_a_data_set_that_lacks_something_is_named_before_anything_runs(planned, tmp_path):
    with pytest.raises(ConfigError, match=r"data set tiny lacks what protocol moisesdb-6@1 asks for: guitar, piano"):
        planned("moisesdb-6@1", dataset="tiny")
    (tmp_path / "tiny" / "test" / "Song A").rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"lacks 1 of the 2 tracks of protocol mine@1: Song A; add them, or choose"):
        planned("mine@1")
    assert planned("all", dataset="tiny").protocols, "which tells what a number of fewer tracks would be called"
    with pytest.raises(ConfigError, match="--protocol mine@1, msst@1: of the data sets tiny, musdb18hq; choose one"):
        planned("mine@1", "msst@1")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("usdr:preset=demucs", "usdrr"), "protocol mine@1: metrics: unknown metric 'usdrr'"),
        (
            ("[uSDR]", "[uSDRR]"),
            "mine@1: quantities: unknown quantity of its metrics 'uSDRR'; did you mean 'uSDR'",
        ),
    ],
)
def test_metrics_that_are_not_there_are_named_with_the_protocol(planned, own, tiny, capsys, change, error):
    own.write_text(OWN.replace(*change, 1))
    with pytest.raises(ConfigError, match=error):
        planned("mine@1")
    assert main(["protocols", "check", "mine@1", "tiny", "--catalog", str(tiny), "--protocol-file", str(own)]) == 1
    assert "FAIL  metrics" in capsys.readouterr().out
    assert main(["protocols", "show", "mine@1", "--protocol-file", str(own)]) == 2
    assert re.search(error, capsys.readouterr().err)


def test_all_protocols_are_those_that_the_data_set_serves(planned):
    names = [protocol.name for protocol in planned("all", dataset="tiny").protocols]
    assert {"sisec18@1", "msst@1", "mine@1", "mine@2"} <= set(names)
    assert "moisesdb-6@1" not in names


def test_a_line_a_protocol_says_value_definition_and_what_it_may_stand_beside(done):
    text = " ".join(printed_protocols(str(done.path), 160, "utf-8").split())
    assert re.search(r"mine@1 uSDR: mean [−\d.]+, vocals [−\d.]+, .* uSDR with 1e-7, mean over songs", text)
    assert "nowhere (no rows here)" in text
    assert re.search(
        r"moisesdb-6@1 – uSDR of whole songs with 1e-7, mean over the 88 songs none: the data lack guitar", text
    )


def test_all_protocols_of_several_methods_are_one_table_that_says_nothing_twice(done):
    (mine,) = protocol_scores(done.tracks, done.run)
    other = ProtocolScores(mine.facts | {"name": "other@1"}, mine.scores, ["it has 1 song", "of another data set"])
    shared = ProtocolScores(mine.facts, mine.scores, ["it has 1 song"])
    methods = ["mixture_unscaled", "mixture"]
    text = overview([shared, other], methods, {SHIPPED["msst@1"]: "bass"}).console(160)
    lines = [line.split() for line in text.splitlines()]
    assert [line[0] for line in lines if line[-1:] == ["likewise"]] == ["mixture", "mixture"]
    assert [line[0] for line in lines if line[-1:] == ["none"]] == ["mine@1"]
    assert len([line for line in lines if line[-5:] == ["none:", "of", "another", "data", "set"]]) == 1
    assert text.count("it has 1 song") == 1
    assert text.count(mine.facts["definition"]) == 2
    assert [line[0] for line in lines if line[-4:] == ["the", "data", "lack", "bass"]] == ["msst@1"]


def test_a_dry_run_says_too_what_takes_the_name_away(done, capsys):
    catalog, file = (done.run["options"][key][0] for key in ("catalogs", "protocol_files"))
    here = ["--catalog", catalog, "--protocol-file", file, "--dataset", "tiny", "-s", "mixture_unscaled"]
    assert main(["run", "--protocol", "mine@1", "--max-tracks", "1", "--dry-run", *here]) == 0
    assert (
        "note: not by mine@1, whose name the tables do not carry: it has 1 of the 2 tracks" in capsys.readouterr().err
    )


def test_before_a_run_by_all_protocols_each_that_gives_no_name_is_named_once(planned):
    notices = planned("all", dataset="tiny", duration=1.0).dataset.notices
    nameless, without = (notice for notice in notices if "@1" in notice)
    assert "sisec18@1 (0 of its 50 tracks), " in nameless
    assert "mine@1 (2 of its 2 tracks)" in nameless
    assert without == "moisesdb-6@1 is left out: the data lack guitar, piano"


def test_a_number_stands_beside_published_rows_of_its_definition_alone(done):
    facts = json.loads(json.dumps(done.run["protocols"][0]))
    facts["beside"] = [rows.values() for name in ("msst@1", "sisec18@1") for rows in SHIPPED[name].beside[:1]]
    score = ProtocolScore("mine", False, "SDR", "vocals", 11.07, "")
    said = standing_beside(ProtocolScores(facts, [score], []), score)
    assert re.match(r"\d+ rows of musdb18-literature, between BS Roformer \(11\.08\) and SCNet Masked XL IHF", said)
    assert said.endswith("; 31 rows of sisec18, above IRM2 (9.43)")
    mean = published_rows(SHIPPED["demucs@1"].beside[0], "cSDR", "mean", ["vocals", "drums", "bass", "other"])
    values = {row.method: row.value for row in mean}
    assert values["Hybrid Demucs v3"] == 7.7
    assert values["UMXHQ"] == pytest.approx((6.25 + 6.04 + 5.07 + 4.28) / 4), "where the source gives no mean"
    assert "Spleeter 4stems (mask)" not in values, "of MUSDB18, not of MUSDB18-HQ"
    assert standing_beside(ProtocolScores(facts, [score], ["the data set is x"]), score) == "none: the data set is x"


def test_protocols_are_listed_shown_and_checked(own, tiny, capsys):
    assert main(["protocols", "list", "--protocol-file", str(own)]) == 0
    assert "moisesdb-6@1" in (printed := capsys.readouterr().out)
    assert "mine@2" in printed
    assert printed.endswith("reproduce NAME\nNAME is any of sisec18@1, moisesdb-4@1, moisesdb-6@1, gensvs@1\n")
    assert main(["protocols", "show", "demucs"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "mss-bench run --dataset musdb18hq --subset test -m csdr:preset=museval --missing-stems error" in printed
    here = ["--catalog", str(tiny), "--protocol-file", str(own)]
    assert main(["protocols", "check", "mine@1", "tiny", *here]) == 0
    assert main(["protocols", "check", "msst@1", "tiny", *here]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"FAIL +data set +tiny, expected musdb18hq", printed)
    assert "0 of 50; lacks AM Contra" in printed


def test_sisecs_published_table_follows_from_its_rows_by_the_protocol(test_data, capsys):
    """The rows of the board, 31 methods of 50 songs, aggregated as sisec18@1 says, are the campaign's own table."""
    scores = reproduced(SHIPPED["sisec18@1"])
    assert scores.differs == []
    found = {(s.separator, s.target, s.metric): s.value for s in scores.scores if not np.isnan(s.value)}
    published = pd.read_csv(test_data / "sisec18" / "median_of_medians.csv")
    published = published.melt(["target", "method"], var_name="metric").dropna()
    compared = [row for row in published.itertuples(index=False) if (row.method, row.target, row.metric) in found]
    assert len(compared) == len(published) >= 480
    for row in compared:
        assert found[row.method, row.target, row.metric] == pytest.approx(row.value, abs=1e-5)
    assert main(["protocols", "reproduce", "sisec18@1"]) == 0
    assert re.search(r"UHL2 +5\.93 +12\.23 +5\.92 +5\.03 +4\.19", capsys.readouterr().out)
    with pytest.raises(ConfigError, match="of each song by msst@1; expected sisec18@1, moisesdb-4@1, "):
        reproduced(SHIPPED["msst@1"])


@pytest.mark.parametrize(
    ("name", "method", "values"),
    [
        ("moisesdb-4@1", "HT-Demucs", ["9.91"]),
        ("moisesdb-6@1", "HT-Demucs 6 stems", ["6.24"]),
        ("gensvs@1", "sgmsvs", ["7.23", "6.15", "1.28"]),
    ],
)
def test_authors_values_of_each_song_give_a_table_of_all_quantities(name, method, values, capsys):
    assert main(["protocols", "reproduce", name]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [*method.split(), *values] in [line[: len(method.split()) + len(values)] for line in lines]


def test_a_board_that_the_installed_package_does_not_have_is_one_line(done, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mss_bench.leaderboards.beside.boards_folder", lambda: tmp_path)
    assert main(["protocols", "reproduce", "moisesdb-4@1"]) == 2
    error = capsys.readouterr().err
    assert "the board moisesdb-4 is not part of the installed package" in error
    assert len(error.strip().splitlines()) == 1
    facts = json.loads(json.dumps(done.run["protocols"][0]))
    facts["beside"] = [rows.values() for rows in SHIPPED["moisesdb-4@1"].beside]
    score = ProtocolScore("mine", False, "uSDR", "vocals", 8.0, "")
    said = standing_beside(ProtocolScores(facts, [score], []), score)
    assert said.endswith("it is leaderboards/moisesdb-4 of mss_bench's repository")


def test_files_that_a_copy_lacks_are_named_before_anything_runs(planned, own, tiny, tmp_path, capsys):
    (tmp_path / "tiny" / "test" / "Song A" / "bass.wav").unlink()
    for options in ({}, {"tracks": ["Song A", "Song B (live)"]}):
        with pytest.raises(ConfigError, match=r"lacks files of 1 of the 2 tracks .* mine@1 .*: Song A \(bass\); add"):
            planned("mine@1", **options)
    own.write_text(OWN.replace("aggregation: mean", "missing_stems: leave_out\n  aggregation: mean"))
    with pytest.raises(ConfigError, match=r"Song A \(bass\)"):
        planned("mine@1")
    for options in ({"tracks": ["Song A"]}, {"missing_stems": "silent"}):
        assert planned("mine@1", **options).dataset.notices[-1].startswith("not by mine@1")
    assert main(["protocols", "check", "mine@1", "tiny", "--catalog", str(tiny), "--protocol-file", str(own)]) == 1
    assert re.search(r"FAIL +files +lacks Song A \(bass\)", capsys.readouterr().out)


def test_excerpts_under_the_names_of_songs_lose_the_name_of_the_protocol(planned, own, tiny, capsys):
    own.write_text(OWN.replace("track_list: two", "track_list: two\n  shortest: 1.6", 1))
    said = "2 tracks are shorter than 1.6 s, as no song of the protocol is: Song A (1.5 s), Song B (live) (1.5 s)"
    assert said in described(planned("mine@1"))[0]["differs"]
    assert main(["protocols", "check", "mine@1", "tiny", "--catalog", str(tiny), "--protocol-file", str(own)]) == 1
    assert re.search(r"FAIL +lengths +2 tracks are shorter than 1.6 s", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("change", "reason"), [("failed", "failed on 1 track"), ("left out", "1 track has no such stem")]
)
def test_an_average_over_fewer_songs_than_the_protocol_asks_for_has_no_name(done, change, reason):
    tracks, gone = done.tracks.copy(), (done.tracks["track"] == "Song A") & (done.tracks["target"] == "bass")
    if change == "failed":  # with all methods, the floor too
        tracks.loc[gone, ["value", "mean"]], tracks.loc[gone, "status"] = np.nan, "error"
    else:
        tracks = tracks[~gone]
    (scores,) = protocol_scores(tracks, done.run)
    lacks = {score.target: score.lacks for score in scores.scores}
    assert lacks["vocals"] == ""
    assert lacks["bass"].startswith(reason)
    assert lacks["mean"] == lacks["bass"]
    text = " ".join(summary(tracks, run=done.run, width=200).split())
    assert "By the definition of mine@1, without its name: uSDR (dB)" in text
    assert reason in text


def test_tables_of_several_protocols_are_printed_and_headings_beside_them_say_their_average(done):
    several = json.loads(json.dumps(done.run))
    (first,) = several["protocols"]
    several["protocols"] += [
        first | {"name": f"mine@{n}", "aggregation": "median_of_medians", "quantities": {"SI-SDR": "default"}}
        for n in (8, 9)
    ]
    text = summary(done.tracks, run=several, width=200)
    for name in ("mine@1: uSDR", "mine@8: SI-SDR", "mine@9: SI-SDR"):
        assert f"Protocol {name} (dB)" in text
    assert "tiny test, 4stem: uSDR (dB), 2 songs, median of medians" in text
    assert "2 songs, " not in summary(done.tracks, run=done.run, width=200)


def test_a_line_a_protocol_says_every_number_of_its_only_target(done):
    facts = {"name": "x@1", "definition": "d", "quantities": {"SDR": "", "SI-SDR": "", "MR-STFT": ""}, "mean": True}
    values = {"SDR": 9.0, "SI-SDR": 8.0, "MR-STFT": 1.25}
    scores = [ProtocolScore("mine", False, metric, "vocals", value, "") for metric, value in values.items()]
    shown = ProtocolScores(facts | {"targets": {"vocals": "g"}}, scores, [])
    assert "SDR: vocals 9.00; SI-SDR 8.00; MR-STFT 1.25" in overview([shown], ["mine"], {}).console(200)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg")
def test_the_length_of_a_container_of_several_streams_is_read(tmp_path):
    file = tmp_path / "song.stem.mp4"
    tone = ["-f", "lavfi", "-i", "sine=d=2"]
    subprocess.run(["ffmpeg", "-v", "error", *tone, *tone, "-map", "0", "-map", "1", file], check=True)
    track = Track(TrackId("musdb18", "test", "song"), 44100, {}, (file,), reader=read_stem_file)
    options = RunOptions(dataset="demo")
    assert (
        "1 track is shorter than 10 s"
        in differences(options, SHIPPED["sisec18@1"], options.open_dataset(), [track])[-1]
    )
