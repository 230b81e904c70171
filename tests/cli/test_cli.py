"""The command line as a user types it."""

import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
import pytest
import scipy.signal

from mss_bench.cli.main import VERBS, main
from mss_bench.core import audio
from mss_bench.core.text import width_of


def mss_bench(*words):
    """Call the command in this process, which saves the start of another."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        status = main([str(word) for word in words])
    for stream in (out, err):
        stream.seek(0)
    return subprocess.CompletedProcess(words, status, out.read(), err.read())


@pytest.fixture(scope="module")
def finished(tmp_path_factory, write_song, catalog_text):
    folder = tmp_path_factory.mktemp("finished")
    for i, song in enumerate(("Song A", "Song B (live)")):
        write_song(folder / "tiny" / "test" / song, i)
    (folder / "catalog.yaml").write_text(catalog_text.format(root=folder / "tiny"))
    words = ["run", "--catalog", folder / "catalog.yaml", "--dataset", "tiny", "-s", "irm", "-o", folder / "a run"]
    done = mss_bench(*words, "-j", "2", "-m", "bss_eval,usdr", "--verbose")
    assert done.returncode == 0, done.stderr
    return folder / "a run", done


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "mss_bench", "metrics", "show", "usdr"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "higher is better" in done.stdout


def test_help_names_every_verb(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(verb in out for verb in VERBS)
    for verb in VERBS:
        with pytest.raises(SystemExit) as stop:
            main([verb, "--help"])
        assert stop.value.code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "unknown verb 'rnu'; did you mean 'run'"),
        (["run", "--dataset", "dmeo"], "unknown data set 'dmeo'; did you mean 'demo'"),
        (["run", "-s", "hpsss"], "unknown separator 'hpsss'; did you mean 'hpss'"),
        (["run", "-s", "hpss:pwoer=2"], "separator hpss has no parameter 'pwoer'; did you mean 'power'"),
        (["run", "-m", "bss_evl"], "unknown metric 'bss_evl'; did you mean 'bss_eval'"),
        (["run", "--dataset", "demo:songs=3"], "data set demo has no option 'songs'"),
        (["run", "--config", "absent.yaml"], "absent.yaml cannot be read"),
        (["run", "--plugin", "absent.py"], "plugin file absent.py does not exist"),
        (["separators", "show", "repett"], "unknown separator 'repett'; did you mean 'repet'"),
        (["separators", "show", "melody"], "melody is a metric, no separator: mss-bench metrics show melody"),
        (["metrics", "show", "sddr"], "unknown metric 'sddr'; did you mean 'SDR'"),
        (
            ["results", "foo"],
            "unknown action 'foo'; known: crate, distances, export, hub, import-museval, merge, rebuild, remove",
        ),
        (["separators", "lst"], "mss-bench: unknown action 'lst'; did you mean 'list'?"),
        (["datasets", "check", "musdb18hq", "--root", "/nowhere"], "/nowhere"),
        (["report", "/nowhere"], "/nowhere is not a run folder"),
        (["score", "/nowhere", "--references", "/nowhere"], "/nowhere is not a folder"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(words, message, capsys):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_a_run_prints_its_table_and_where_it_lies(finished):
    run, done = finished
    assert "irm" in done.stdout
    assert "mixture (floor)" in done.stdout
    assert f"mss-bench report '{run}'\n" in done.stdout  # a command that can be pasted
    assert "[1/4]" in done.stderr  # plain lines where the output is no terminal


def test_a_verbose_run_says_where_its_time_went(finished):
    said = finished[1].stderr
    assert re.search(r"\[4/4\] Song .*: ok \(separated \d.* s, scored .* s: bss_eval .* s, usdr .* s, left", said)
    assert re.search(r"^separating: .*irm \d+\.\d s", said, flags=re.MULTILINE)
    assert all(re.search(rf"{stage} \(\d+\.\d s\)", said) for stage in ("planned the cells", "wrote the tables"))
    assert mss_bench("separators", "show", "irm").stderr == ""  # the next command is as quiet as ever


def test_an_error_names_its_explanation_and_has_its_traceback_on_demand(capsys):
    assert main(["separators", "show", "repett"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("[mss-bench help unknown-name]")
    assert main(["separators", "show", "repett", "-v"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert main(["help", "unknown-name"]) == 0
    assert "What to do:" in capsys.readouterr().out
    assert main(["help"]) == 0
    assert "damaged" in capsys.readouterr().out


def test_a_run_file_holds_the_same_options_and_the_command_line_wins(tiny, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(
        f"dataset: tiny\ncatalogs: ['{tiny}']\nseparators:\n  - name: irm\n    exponent: 1\n  - hpss\n"
        f"metrics: [usdr]\nmax_tracks: 2\nout: {tmp_path / 'run'}\n"
    )
    done = mss_bench("run", "--config", file, "--max-tracks", 1)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "run" / "tracks.parquet")
    assert set(table.separator + ":" + table.params) == {"mixture:", "irm:exponent=1", "hpss:"}
    assert table.track.nunique() == 1
    file.write_text("dataset: tiny\nseperators: [hpss]\n")
    assert (
        "run.yaml:2: a run file has no key 'seperators'; did you mean 'separators'"
        in mss_bench("run", "--config", file).stderr
    )


def test_a_failed_cell_is_status_1_and_told(tiny, tmp_path, plugin):
    done = mss_bench(
        "run", "--catalog", tiny, "--dataset", "tiny", "--plugin", plugin, "-s", "raises", "-m", "usdr", "-o",
        tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 1
    assert "raises: error: ValueError: boom" in done.stderr
    assert "2× raises, error: ValueError: boom" in done.stdout
    quiet = mss_bench(
        "run", "-q", "--catalog", tiny, "--dataset", "tiny", "--plugin", plugin, "-s", "raises", "-m", "usdr", "-o",
        tmp_path / "run",
    )  # fmt: skip
    assert quiet.returncode == 1
    assert f"2 of 4 cells failed; see: mss-bench status {tmp_path / 'run'}" in quiet.stderr


def test_dry_run_computes_nothing(tiny, tmp_path):
    words = ["run", "--catalog", tiny, "--dataset", "tiny", "-s", "irm", "-o", tmp_path / "run"]
    done = mss_bench(*words, "--dry-run")
    assert "4 cells (2 tracks x 2 separators), 4 to compute" in done.stdout
    assert "s on 2 workers, beside their start and the tables; irm, mixture as measured" in done.stdout
    assert "memory  unknown; up to 256" in done.stdout
    assert not (tmp_path / "run").exists()
    assert mss_bench(*words, "--max-tracks", 1).returncode == 0
    done = mss_bench(*words, "--dry-run", "--save-estimates")
    assert "4 cells (2 tracks x 2 separators), 4 to compute" in done.stdout
    assert "on 2 workers" in done.stdout or "on 1 worker" in done.stdout
    assert "MiB of estimates" in done.stdout
    spectra = r"memory  about \d+ MiB, (\d+ MiB a worker, )?of which up to [1-9] MiB( a worker)? for spectra"
    assert re.search(spectra, done.stdout)
    assert "unknown" not in done.stdout
    assert "separate and score (new)" in done.stdout
    assert "(its estimates were not saved)" in done.stdout
    done = mss_bench(*words, "--dry-run", "--seed", 7)
    assert done.returncode == 2
    assert "--seed is 7 here, 0 there" in done.stderr
    song = tiny.parent / "tiny" / "test" / "Song A"
    (song / "drums.wav").write_bytes((song / "bass.wav").read_bytes())
    done = mss_bench(*words, "--dry-run")
    assert "test/Song A  irm  separate and score (changed: references)" in done.stdout  # an oracle
    assert "test/Song A  mixture  add scores (lacks bss_eval, usdr, si_sdr)" in done.stdout
    assert done.stdout.count("(new)") == 2


def test_a_method_of_which_nothing_can_be_scored_is_told_and_no_success(tiny, tmp_path):
    kazoo = "command:as=k,targets=kazoo,command=true {input} {output_dir}"
    words = ["run", "--catalog", tiny, "--dataset", "tiny", "-m", "usdr", "--max-tracks", 1, "-o", tmp_path / "run"]
    told = "note: k: delivers kazoo, none of which is a target of tiny (vocals, drums, bass, other"
    planned = mss_bench(*words, "-s", kazoo, "--dry-run")
    assert (planned.returncode, told in planned.stderr) == (0, True), planned.stderr
    done = mss_bench(*words, "-s", kazoo)
    assert done.returncode == 1
    assert told in done.stderr
    assert "nothing was scored of k; the notes above say why" in done.stderr


def test_report_results_and_export(finished, tmp_path):
    run, _ = finished
    few = ("--metrics", "SDR", "--draws", "200")
    done = mss_bench("report", run, *few)
    assert done.returncode == 0, done.stderr
    for name in ("report.md", "scores.csv", "tables.tex", "index.html"):
        assert (run / "report" / name).stat().st_size > 0
    lines = done.stdout.splitlines()
    assert len(lines) < 12
    assert lines[-1].startswith(f"Written: {run / 'report' / 'index.html'} and ")
    assert "Complete: " in done.stdout
    done = mss_bench("report", run, *few, "--single-file", "-o", tmp_path / "alone")
    assert done.stdout.splitlines()[-1] == f"Written: {tmp_path / 'alone' / 'report.html'}", done.stderr
    assert mss_bench("report", run, "--format", "doc").returncode == 2
    assert mss_bench("results", "export", run, "-o", tmp_path / "x.csv").returncode == 0
    exported = pd.read_csv(tmp_path / "x.csv")
    assert len(exported) == len(pd.read_parquet(run / "tracks.parquet"))
    done = mss_bench("results", "export", run, "--museval-json", "-o", tmp_path / "json")
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "json").rglob("*.json"))
    assert len(files) == 4
    content = json.loads(files[0].read_text())
    assert {t["name"] for t in content["targets"]} == {"vocals", "drums", "bass", "other", "accompaniment"}


@pytest.mark.parametrize("name", ["demo", "musdb18hq"])
def test_data_sets_are_listed_and_shown(name, capsys):
    assert main(["datasets", "list"]) == 0
    assert name in capsys.readouterr().out
    assert main(["datasets", "show", name]) == 0
    assert "accompaniment = drums + bass + other" in capsys.readouterr().out


def test_separators_and_metrics_are_listed_and_shown(capsys):
    assert main(["separators", "list"]) == 0
    assert "repet_sim" in capsys.readouterr().out
    assert main(["separators", "show", "hpss"]) == 0
    out = capsys.readouterr().out
    assert "kernel_size=" in out
    assert "FitzGerald" in out
    assert main(["metrics", "list"]) == 0
    assert "SDR, ISR, SIR, SAR" in capsys.readouterr().out
    assert main(["metrics", "show", "si_sdr"]) == 0
    assert "higher is better" in capsys.readouterr().out


def _shown():
    from mss_bench.datasets.catalog import load_catalog
    from mss_bench.metrics import metrics
    from mss_bench.separators import separators

    names = {"separators": separators.names(), "metrics": metrics.names(), "datasets": load_catalog()}
    return [(verb, name) for verb in names for name in names[verb]]


@pytest.mark.parametrize(("verb", "name"), _shown())
def test_what_is_shown_fits_a_terminal_of_80_columns(verb, name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([verb, "show", name]) == 0
    long = [line for line in capsys.readouterr().out.splitlines() if width_of(line) > 80]
    assert [line for line in long if " " in line.strip()] == []  # a word alone is not broken


def test_names_of_metrics_are_found_whatever_their_capitals(capsys):
    assert main(["metrics", "show", "si-sdr"]) == 0
    assert "si-sdr is a quantity of the metric si_sdr" in capsys.readouterr().out
    assert main(["metrics", "show", "BSS_Eval"]) == 0
    assert capsys.readouterr().out.startswith("bss_eval (version")


def test_options_and_presets_are_shown_with_their_defaults(capsys):
    assert main(["datasets", "show", "demo"]) == 0
    assert "n_songs=6" in capsys.readouterr().out
    assert main(["metrics", "show", "log_wmse"]) == 0
    assert "preset=default Convention whose" in " ".join(capsys.readouterr().out.split())


def test_a_wrong_manifest_is_wrong_input(tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text("kind: onx\n")
    assert main(["separators", "check", str(tmp_path / "bad.yaml")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("mss-bench: ")
    assert "kind is 'onx'" in err


def test_the_check_of_a_data_set_fails_on_errors_alone(tiny, capsys):
    words = ["datasets", "check", "tiny", "--catalog", str(tiny)]
    assert main(words) == 0
    assert "3 tracks" in capsys.readouterr().out
    (tiny.parent / "tiny" / "train" / "Song C" / "bass.wav").write_bytes(b"x")
    assert main(words) == 1
    out = "".join(capsys.readouterr().out.split())  # a long path wraps within its column
    assert "bass.wavcannotbereadasaudio" in out


def test_a_plugin_is_checked_against_the_contract(plugin, capsys):
    assert main(["separators", "check", "raises", "--plugin", plugin]) == 1
    assert "FAIL" in capsys.readouterr().out
    assert main(["separators", "check", "hpss"]) == 0


# -- score -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def estimates(tiny, tmp_path):
    """Good estimates of both songs: the stems with some of the mixture in them."""
    for song in ("Song A", "Song B (live)"):
        folder = tiny.parent / "tiny" / "test" / song
        mixture = audio.read(folder / "mixture.wav")
        for stem in ("vocals", "drums", "bass", "other"):
            estimate = 0.9 * audio.read(folder / f"{stem}.wav") + 0.05 * mixture
            audio.write(tmp_path / "est" / song / f"{stem}.wav", estimate, 8000)
    return tmp_path / "est"


def _score(estimates, tiny, *words, metric="usdr"):
    return mss_bench(
        "score", estimates, "--dataset", "tiny", "--catalog", tiny, "-o", estimates.parent / "scored", "-m", metric,
        "-j", 1, *words,
    )  # fmt: skip


def test_existing_estimates_are_paired_examined_and_scored(estimates, tiny, tmp_path):
    done = _score(estimates, tiny, "--name", "Mine", "--museval-json", tmp_path / "json", metric="SDR;usdr")
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("Song B (live)") < done.stdout.index("SDR (dB)")  # the pairing comes first
    table = pd.read_parquet(tmp_path / "scored" / "tracks.parquet")
    mine = table[table.separator == "Mine"]
    assert set(mine.target) == {"vocals", "drums", "bass", "other", "accompaniment"}
    assert mine[mine.metric == "SDR"].value.min() > 10
    assert len(list((tmp_path / "json").rglob("*.json"))) == 2
    assert "warning" not in done.stderr
    assert "note: SDR is a quantity of the metric bss_eval, which is scored whole" in done.stderr
    assert "error" not in done.stderr


def test_other_estimates_under_the_name_of_scored_ones_are_told(estimates, tiny, tmp_path):
    assert "had 'Mine' of other estimates" not in _score(estimates, tiny, "--name", "Mine").stderr
    assert "had 'Mine' of other estimates" not in _score(estimates, tiny, "--name", "Mine").stderr
    for file in estimates.rglob("vocals.wav"):
        audio.write(tmp_path / "new" / file.parent.name / "vocals.wav", 0.8 * audio.read(file), 8000)
    done = _score(tmp_path / "new", tiny, "--name", "Mine")
    assert done.returncode == 0, done.stderr
    assert "had 'Mine' of other estimates, or of these before they changed; these take their place" in done.stderr
    assert "had 'Mine'" not in _score(tmp_path / "new", tiny, "--name", "New").stderr


def test_scoring_takes_the_code_path_of_a_run(estimates, tiny, tmp_path):
    assert _score(estimates, tiny, "--name", "Mine").returncode == 0
    done = mss_bench(
        "run",
        "--dataset",
        "tiny",
        "--catalog",
        tiny,
        "-s",
        f"estimates:dir={estimates},as=Mine",
        "-o",
        tmp_path / "r",
        "-m",
        "usdr",
        "-j",
        1,
    )
    assert done.returncode == 0, done.stderr
    one, two = (pd.read_parquet(p / "tracks.parquet") for p in (tmp_path / "scored", tmp_path / "r"))
    pd.testing.assert_frame_equal(one, two)


def test_two_folders_need_no_data_set(estimates, tiny, tmp_path):
    references = tiny.parent / "tiny" / "test"
    done = mss_bench("score", estimates, "--references", references, "-o", tmp_path / "scored", "-m", "usdr")
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "scored" / "tracks.parquet")
    assert set(table[table.separator == "est"].group) == {"4stem", "vocals_acc"}
    one = mss_bench(
        "score", estimates / "Song A", "--references", references / "Song A", "-o", tmp_path / "one", "-m", "usdr"
    )
    assert one.returncode == 0, one.stderr
    single = pd.read_parquet(tmp_path / "one" / "tracks.parquet")
    values = single[single.separator == "Song A"].value.to_numpy()
    whole = table[(table.separator == "est") & (table.track == "Song A")].value.to_numpy()
    np.testing.assert_array_equal(values, whole)


def test_a_single_stem_is_scored_alone(estimates, tiny, tmp_path):
    for file in estimates.rglob("*.wav"):
        if file.name != "vocals.wav":
            file.unlink()
    done = _score(estimates, tiny)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "scored" / "tracks.parquet")
    assert set(table[table.separator == "est"].target) == {"vocals"}


def test_an_absent_stem_of_one_track_is_a_failure_and_counted(estimates, tiny, tmp_path):
    (estimates / "Song A" / "drums.wav").unlink()
    done = _score(estimates, tiny)
    assert done.returncode == 1
    table = pd.read_parquet(tmp_path / "scored" / "tracks.parquet")
    drums = table[(table.separator == "est") & (table.target == "drums") & (table.metric == "uSDR")].set_index("track")
    assert drums.status["Song A"] == "invalid_output"
    assert drums.status["Song B (live)"] == "ok"


def test_what_does_not_pair_is_refused(estimates, tiny):
    audio.write(estimates / "Song X" / "vocals.wav", np.zeros((2, 100), np.float32), 8000)
    done = _score(estimates, tiny)
    assert done.returncode == 2
    assert "Song X/vocals.wav" in done.stderr


def test_tracks_without_estimates_are_refused_or_left_out(estimates, tiny, tmp_path):
    for file in (estimates / "Song A").iterdir():
        file.unlink()
    done = _score(estimates, tiny)
    assert done.returncode == 2
    assert "1 of 2 tracks have no estimate (Song A)" in done.stderr
    assert _score(estimates, tiny, "--partial").returncode == 0
    table = pd.read_parquet(tmp_path / "scored" / "tracks.parquet")
    assert set(table.track) == {"Song B (live)"}


def test_the_doctor_warns_before_it_scores(estimates, tiny):
    file = estimates / "Song A" / "vocals.wav"
    audio.write(file, np.roll(audio.read(file), 100, axis=1), 8000)
    done = _score(estimates, tiny)
    assert done.returncode == 0
    assert "Song A: vocals: 100 samples (12.5 ms) too late" in done.stderr


def test_estimates_of_another_rate_are_refused_by_name(estimates, tiny):
    file = estimates / "Song A" / "vocals.wav"
    audio.write(file, audio.read(file), 16000)
    done = _score(estimates, tiny)
    assert done.returncode == 1
    assert "vocals.wav has a sample rate of 16000 Hz, expected 8000 Hz" in done.stderr


def test_estimates_and_references_that_differ_are_made_to_fit_and_flagged(estimates, tiny, tmp_path):
    song, references = estimates / "Song A", tiny.parent / "tiny" / "test" / "Song A"
    files = {name: audio.read(song / f"{name}.wav") for name in ("vocals", "drums", "bass")}
    # Smooth, so that resampling to and fro loses nothing.
    smooth = np.float32(scipy.signal.sosfilt(scipy.signal.butter(8, 0.5, output="sos"), files["vocals"]))
    audio.write(references / "vocals.wav", smooth, 8000)
    audio.write(song / "vocals.wav", audio.resample(smooth, 8000, 16000), 16000)
    audio.write(song / "drums.wav", np.pad(files["drums"], ((0, 0), (0, 5000))), 8000)
    audio.write(song / "bass.wav", files["bass"][:1], 8000)
    audio.write(references / "bass.wav", np.repeat(files["bass"][:1], 2, axis=0), 8000)
    audio.write(references / "other.wav", audio.read(references / "other.wav")[:, :-100], 8000)
    (references / "mixture.wav").unlink()
    catalog = tiny.with_name("sum.yaml")
    catalog.write_text(tiny.read_text().replace("sample_rate: 8000", "sample_rate: 8000\n  mixture: sum"))
    done = _score(estimates, catalog, "--tracks", "Song A", "--fit", "trim,pad,resample,channels", "--name", "Mine")
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(estimates.parent / "scored" / "tracks.parquet").query("separator == 'Mine'")
    assert set(table["flags"]) == {"fitted:channels,fitted:resample,fitted:trim,length:+100,length:+5100"}
    values = table[table.group == "4stem"].set_index("target")["value"]
    assert values["vocals"] > 40
    assert values["bass"] > 40
    assert 15 < values["other"] < 30


def test_tracks_with_errata_are_left_out_on_request(tiny, tmp_path):
    catalog = tmp_path / "errata.yaml"
    catalog.write_text(tiny.read_text() + "  errata:\n    Song A: guitar in drums\n")
    words = ("run", "--dataset", "tiny", "--catalog", catalog, "-s", "irm", "-m", "usdr", "-j", 1, "-o", tmp_path / "r")
    done = mss_bench(*words, "--without-errata", "--dry-run")
    assert "Song A" not in done.stdout
    assert "2 cells" in done.stdout.replace("1 track", ""), done.stdout
    shown = mss_bench("datasets", "show", "tiny", "--catalog", catalog)
    assert "1 tracks; --without-errata leaves them out" in shown.stdout
    checked = mss_bench("datasets", "check", "tiny", "--catalog", catalog)
    assert "known erratum: guitar in drums" in checked.stdout
