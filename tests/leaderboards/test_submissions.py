"""Bundles come from strangers: what is right enters a board, what is wrong is one clear line."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from mss_bench.cli.main import main
from mss_bench.errors import ConfigError
from mss_bench.leaderboards.board import Entry, read_board, read_entry, write_entry
from mss_bench.leaderboards.bundle import bundle_files, read_bundle, write_bundle
from mss_bench.leaderboards.check import check_bundle, markdown
from mss_bench.leaderboards.render import build

SISEC = Path(__file__).parents[2] / "leaderboards" / "sisec18"
SONGS = [f"Song {i}" for i in range(8)]
HEAD = (
    "dataset: mine\npreset: museval\nmetrics: [SDR]\ntargets: [vocals]\nrank_metric: SDR\nrank_target: vocals\n"
    f"tracks: {json.dumps(SONGS)}\n"
)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "board.yaml").write_text(HEAD)
    return folder


def _entry(method: str, level: float, origin: str = "table") -> Entry:
    entry = Entry(method=method, origin=origin, licence="MIT", provenance={"from": "here"}, trained_on=("ours",))
    values = level + np.arange(len(SONGS)) % 3
    entry.table = pd.DataFrame({
        "track": SONGS, "group": "", "target": "vocals", "metric": "SDR", "value": values,
        "n_frames": 1, "n_valid": 1, "n_inf": 0, "status": "ok",
    })  # fmt: skip
    return entry


def _bundle(board: Path, path: Path, *entries: Entry, **facts: object) -> Path:
    return write_bundle(path, bundle_files(read_board(board), list(entries), {}, facts))


@pytest.fixture(scope="module")
def submitted(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A board of the data of a run, and a bundle of that run."""
    folder = tmp_path_factory.mktemp("submitted")
    info = json.loads((kept / "run.json").read_text())
    presets = {q["preset"] for q in info["quantities"]}
    (folder / "board").mkdir()
    (folder / "board" / "board.yaml").write_text(
        f"dataset: tiny\nsubset: test\nrevision: {info['dataset']['fingerprint']}\npreset: {presets.pop()}\n"
        "metrics: [SDR]\ntargets: [vocals, accompaniment]\nrank_metric: SDR\nrank_target: vocals\n"
        "tracks: [Song A, Song B]\n"
    )
    bundle = folder / "centre.zip"
    words = ["leaderboard", "submit", str(kept), str(folder / "board"), "-s", "centre", "-o", str(bundle)]
    assert main([*words, "--author", "A. Nonymous"]) == 0
    return folder / "board", bundle


def test_a_bundle_of_a_run_is_checked_and_enters_the_board(submitted: tuple[Path, Path], tmp_path: Path) -> None:
    board, bundle = submitted
    shutil.copytree(board, tmp_path / "board")
    points, read = check_bundle(bundle, read_board(tmp_path / "board"))
    assert [(p.check, p.message) for p in points if p.level != "ok"] == [
        ("plausible", "whether its songs are like those of other methods could not be judged: it has 2 songs, "
         "expected at least 8")
    ]  # fmt: skip
    assert read is not None
    assert {"run.json", "recipe.yaml", "method/catalog.yaml", "ro-crate-metadata.json"} <= {*read.files}
    assert "command" not in read.run  # with paths of the submitter's disk
    assert main(["leaderboard", "add", str(bundle), str(tmp_path / "board")]) == 0
    entered = (tmp_path / "board" / "entries" / "centre.csv").read_bytes()
    assert entered == read.files["entries/centre.csv"]


def test_the_same_entry_rounded_otherwise_is_no_other_one(submitted: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(submitted[0], tmp_path / "board")
    board = read_board(tmp_path / "board")
    (entry,) = read_bundle(submitted[1]).entries(board)
    for off, level in ((0.0, None), (0.0006, "warning"), (0.02, "error")):
        changed = entry.table.assign(value=entry.table["value"] + off)
        present = read_bundle(submitted[1]).entries(board)[0]
        present.table = changed
        write_entry(board, present)
        said = [p.level for p in check_bundle(submitted[1], board)[0] if p.check == "name"]
        assert said == ([level] if level else [])


def test_a_run_of_other_songs_or_definitions_is_told_in_what(
    submitted: tuple[Path, Path], kept: Path, tmp_path: Path, capsys
) -> None:
    text = (submitted[0] / "board.yaml").read_text()
    preset = next(line for line in text.splitlines() if line.startswith("preset"))
    for old, new, said in (
        ("[Song A, Song B]", "[Nobody]", "has no track of the board x: it has Song A, Song B; the board has Nobody"),
        (preset, "preset: mine", "the board's as 'mine'; score again with preset=mine of the metric"),
    ):
        (tmp_path / "x").mkdir(exist_ok=True)
        (tmp_path / "x" / "board.yaml").write_text(text.replace(old, new))
        assert main(["leaderboard", "add", str(kept), str(tmp_path / "x")]) == 2
        assert said in capsys.readouterr().err


def test_a_bundle_is_run_again_and_a_lie_is_found(
    submitted: tuple[Path, Path], kept: Path, tmp_path: Path, capsys
) -> None:
    board, bundle = submitted
    root = ["--root", str(kept.parent / "tiny"), "--jobs", "1"]
    assert main(["reproduce", str(bundle), *root]) == 0
    assert "centre: 4 of 4 values are the same, on 2 songs" in capsys.readouterr().out
    honest = read_bundle(bundle)
    (entry,) = honest.entries(read_board(board))
    entry.table["value"] += 1.0
    further = {name: content for name, content in honest.files.items() if not name.startswith(("entries/", "board"))}
    lie = write_bundle(tmp_path / "lie.zip", bundle_files(read_board(board), [entry], further, honest.facts))
    check = ["leaderboard", "check", str(lie), "--board", str(board)]
    assert main(check) == 0  # its checksums are right
    assert main([*check, "--recompute", "--sample", "1", *root]) == 1
    assert "error: computed again: centre: 2 of 2 values on 1 songs differ" in capsys.readouterr().out


def test_estimates_at_hand_are_scored_again(submitted: tuple[Path, Path], kept: Path, tmp_path: Path, capsys) -> None:
    board, songs = submitted[0], kept.parent / "tiny" / "test"
    bundle = tmp_path / "mixture.zip"
    words = ["leaderboard", "submit", str(kept), str(board), "-s", "mixture_unscaled", "-o", str(bundle)]
    assert main([*words, "--author", "A. Nonymous"]) == 0
    for target in ("vocals", "accompaniment"):
        (tmp_path / "estimates" / "Song A").mkdir(parents=True, exist_ok=True)
        shutil.copy(songs / "Song A" / "mixture.wav", tmp_path / "estimates" / "Song A" / f"{target}.wav")
    check = ["leaderboard", "check", str(bundle), "--board", str(board), "--estimates", str(tmp_path / "estimates")]
    check += ["--catalog", str(kept.parent / "catalog.yaml"), "--jobs", "1"]
    assert main(check) == 0
    assert "warning: computed again: mixture_unscaled: --estimates needs the references" in capsys.readouterr().out
    assert main([*check, "--dataset", "tiny"]) == 0
    assert "ok: computed again: mixture_unscaled: 1 songs, 2 values, largest difference" in capsys.readouterr().out
    other = tmp_path / "estimates" / "Song A" / "vocals.wav"
    shutil.copy(songs / "Song A" / "vocals.wav", other)
    assert main([*check, "--dataset", "tiny"]) == 1
    assert "error: computed again: mixture_unscaled:" in capsys.readouterr().out


def test_what_a_recipe_needs_is_one_line(submitted: tuple[Path, Path], tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.delenv("MUSDB18HQ_ROOT", raising=False)
    board, bundle = submitted
    honest = read_bundle(bundle)
    entries = honest.entries(read_board(board))

    def said(recipe: bytes, files: dict[str, bytes], weights: dict[str, str]) -> str:
        further = {"run.json": honest.files["run.json"], "recipe.yaml": recipe, **files}
        made = bundle_files(read_board(board), entries, further, {"weights": weights})
        path = write_bundle(tmp_path / "one.zip", made)
        assert main(["reproduce", str(path)]) == 2
        return capsys.readouterr().err

    recipe = honest.files["recipe.yaml"]
    assert "pass --root FOLDER" in said(b"dataset: musdb18hq\nroot: /nowhere\nseparators: [centre]\n", {}, {})
    assert "needs the weights model.onnx (SHA-256 abc" in said(recipe, {}, {"method/model.onnx": "abc"})
    evil = b"dataset: tiny\nseparators: [centre]\nplugins: [method/x.py]\n"
    assert "would execute code of its own" in said(evil, {"method/x.py": b"1/0"}, {})
    outside = b"dataset: tiny\nseparators: [centre]\ncatalogs: [../../etc/passwd]\n"
    assert "which is not in the bundle" in said(outside, {}, {})


def _zip(path: Path, members: dict[str, bytes], link: str = "") -> Path:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = ((stat.S_IFLNK if name == link else stat.S_IFREG) | 0o644) << 16
            archive.writestr(info, content)
    path.write_bytes(stream.getvalue())
    return path


FAULTS = {
    "leaves its root": "which leaves the bundle",
    "absolute": "which leaves the bundle",
    "link": "entries/x.csv is a link",
    "truncated": "is no whole ZIP file",
    "not a zip": "is no whole ZIP file",
    "edited": "entries/x.csv was changed: its checksum",
    "foreign file": "holds 'run.sh', which no bundle has",
    "missing file": "entries/x.csv is missing",
    "million rows": "has 1000008 rows",
    "bomb": "unpacks to more than a bundle holds",
    "no manifest": "it has no bundle.json",
    "wrong column": "has the columns song",
    "not there": "cannot be read",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_bundle_is_one_clear_line_and_nothing_is_written(
    fault: str, board: Path, tmp_path: Path, capsys
) -> None:
    files = bundle_files(read_board(board), [_entry("x", 5.0)], {}, {})
    path = tmp_path / "bundle.zip"
    csv = files["entries/x.csv"]
    changes = {
        "leaves its root": {"method/../../evil": b""}, "absolute": {"/etc/evil": b""}, "foreign file": {"run.sh": b""},
        "edited": {"entries/x.csv": csv.replace(b"5.0", b"9.0")}, "bomb": {"method/zeros": b"0" * (2**26 + 2)},
    }  # fmt: skip
    if fault in ("million rows", "wrong column"):
        import hashlib

        content = csv + b"a,b\n" * 1_000_000
        files["entries/x.csv"] = content if fault == "million rows" else csv.replace(b"track,", b"song,")
        facts = json.loads(files["bundle.json"])
        facts.pop("checksum")
        facts["files"]["entries/x.csv"] = hashlib.sha256(files["entries/x.csv"]).hexdigest()
        files["bundle.json"] = json.dumps(facts).encode()
    for name in {"missing file": ["entries/x.csv"], "no manifest": ["bundle.json"]}.get(fault, []):
        del files[name]
    if fault != "not there":
        _zip(path, files | changes.get(fault, {}), "entries/x.csv" if fault == "link" else "")
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-300])
    if fault == "not a zip":
        path.write_bytes(b"hello")
    assert main(["leaderboard", "add", str(path), str(board)]) == 2
    error = capsys.readouterr().err
    assert FAULTS[fault] in error
    assert len(error.strip().splitlines()) == 1
    assert not (board / "entries").exists()
    assert main(["leaderboard", "check", str(path), "--board", str(board)]) == 1
    assert FAULTS[fault] in capsys.readouterr().out


def test_a_link_in_a_folder_is_refused(board: Path, tmp_path: Path, capsys) -> None:
    folder = _bundle(board, tmp_path / "bundle", _entry("x", 5.0))
    assert check_bundle(folder, read_board(board))[0][0].level == "ok"
    (folder / "method").mkdir()
    (folder / "method" / "secret").symlink_to("/etc/passwd")
    assert main(["leaderboard", "check", str(folder)]) == 1
    assert "method/secret is a link" in capsys.readouterr().out


def test_entries_are_held_against_the_boards(tmp_path: Path, capsys) -> None:
    (tmp_path / "entries").mkdir()
    text = (SISEC / "board.yaml").read_text()
    targets = "targets: [vocals, accompaniment, drums, bass, other]"
    assert targets in text
    (tmp_path / "board.yaml").write_text(text.replace(targets, "targets: [vocals]"))
    for name in ("IRM1", "MWF", "MIX", "TAK1", "TAK2", "TAK3", "UHL1", "UHL2", "UHL3", "STL1", "JY1", "WK"):
        for ending in ("csv", "yaml"):
            shutil.copy(SISEC / "entries" / f"{name}.{ending}", tmp_path / "entries")
    board = read_board(tmp_path)
    rng = np.random.default_rng(0)

    def changed(method: str, of: str) -> Entry:
        entry = read_entry(board, of)
        entry.method = method
        entry.table = entry.table[entry.table["target"] == "vocals"]
        entry.table["value"] += 0.3 * rng.standard_normal(len(entry.table))
        return entry

    copied = changed("copied", "TAK1")
    copied.table["value"] = read_entry(board, "TAK1").table["value"].round(2)  # aligned by row: vocals
    shuffled = changed("shuffled", "UHL2")
    songs = shuffled.table["track"].unique()
    shuffled.table["track"] = shuffled.table["track"].map(dict(zip(songs, rng.permutation(songs), strict=True)))
    lacking = changed("lacking", "UHL1")
    lacking.table = lacking.table[lacking.table["track"].isin(songs[:30])]
    lacking.trained_on = ("musdb18/test",)
    edited, scaled = changed("edited", "TAK2"), changed("scaled", "TAK3")
    edited.table["value"] = read_entry(board, "TAK2").table["value"]  # of which one song in ten is another
    edited.table.loc[edited.table["track"].isin(sorted(edited.table["track"].unique())[::10]), "value"] += 0.5
    noise = 0.02 * rng.standard_normal(len(scaled.table))
    scaled.table["value"] = 1.02 * read_entry(board, "TAK3").table["value"].loc[scaled.table.index] + noise
    near = check_bundle(write_bundle(tmp_path / "n.zip", bundle_files(board, [edited, scaled], {}, {})), board)[0]
    found = {p.method: (p.level, p.message) for p in near if p.check == "copied"}
    assert found["edited"][0] == found["scaled"][0] == "warning"
    assert "values of 'TAK2', the same to two decimals" in found["edited"][1]
    assert "vocals: follows 'TAK3' on every song within about 0.05 dB" in found["scaled"][1]
    path = write_bundle(tmp_path / "x.zip", bundle_files(board, [copied, shuffled, lacking], {}, {}))
    points, _ = check_bundle(path, board)
    said = {(p.method, p.check): (p.level, p.message) for p in reversed(points)}
    assert said["copied", "copied"][0] == "error"
    assert "has the numbers of 'TAK1'" in said["copied", "copied"][1]
    assert said["shuffled", "copied"][0] == "ok"
    assert any("were songs exchanged?" in p.message for p in points if p.method == "shuffled")
    assert said["lacking", "complete"] == (
        "warning", "lacks 20 songs (vocals); it would stand apart, without a rank"
    )  # fmt: skip
    assert board.dataset == "musdb18"
    assert "was trained on songs of the board" in said["lacking", "training"][1]
    assert main(["leaderboard", "add", str(path), str(tmp_path)]) == 2  # what a check finds wrong never enters
    assert "has the numbers of 'TAK1'" in capsys.readouterr().err
    assert not (tmp_path / "entries" / "shuffled.csv").exists()
    lacking.table = lacking.table.assign(n_valid=lacking.table["n_frames"] + 1)
    path = write_bundle(tmp_path / "y.zip", bundle_files(board, [lacking], {}, {}))
    points, _ = check_bundle(path, board)
    assert any(p.level == "error" and "which cannot be" in p.message for p in points)


def test_two_entries_of_one_name_and_hostile_names(board: Path, tmp_path: Path) -> None:
    write_entry(read_board(board), _entry("mine", 5.0))
    name = "@all <img src=x> `[a](http://b)` |"
    path = _bundle(board, tmp_path / "x.zip", _entry("mine", 7.0), _entry(name, 6.0))
    points, _ = check_bundle(path, read_board(board))
    assert any("has an entry of this name with other numbers" in p.message for p in points if p.level == "error")
    comment = markdown(path, points)
    rows = [line for line in comment.splitlines() if "img" in line]
    assert rows
    assert all("`@all <img src=x> '[a](http://b)' ¦" in row for row in rows)
    with pytest.raises(ConfigError, match=r"without U\+001B"):
        _entry("\x1b[31m", 5.0)
    path = _bundle(board, tmp_path / "y.zip", _entry("Mine\N{CYRILLIC SMALL LETTER A}", 7.0), _entry(" MINE", 6.0))
    said = [(p.method, p.message) for p in check_bundle(path, read_board(board))[0] if p.check == "name"]
    assert said == [(" MINE", "looks like the entry 'mine': it differs in capitals or such signs alone")]


def test_what_a_table_claims_to_be_is_named(board: Path, tmp_path: Path) -> None:
    claims = _entry("claims", 5.0)
    claims.oracle = claims.does_nothing = True
    points, _ = check_bundle(_bundle(board, tmp_path / "x.zip", claims), read_board(board))
    said = [p.message for p in points if p.level == "warning"]
    assert "says itself that it saw the references (oracle): it would stand beside the ranks" in said
    assert "says itself that it does nothing: it would have no rank" in said


def _git(folder: Path, *words: str, **env: str) -> str:
    own = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "c", "GIT_COMMITTER_EMAIL": "c@d"}
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *words], cwd=folder, env={**os.environ, **own, **env}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def _commit(folder: Path, message: str, **env: str) -> str:
    _git(folder, "add", "-A")
    _git(folder, "commit", "-qm", message, **env)
    return _git(folder, "rev-parse", "HEAD")


def _rows(folder: Path, capsys) -> list[tuple[str, ...]]:
    capsys.readouterr()
    assert main(["leaderboard", "history", str(folder), "--format", "json"]) == 0
    captured = capsys.readouterr()
    return [tuple(e[k] for k in ("by", "event", "method", "rank", "about")) for e in json.loads(captured.out)]


def test_the_history_tells_who_overtook_whom(board: Path, tmp_path: Path, capsys) -> None:
    read = read_board(board)
    _git(tmp_path, "init", "-q", "-b", "main")
    write_entry(read, _entry("a", 5.0))
    write_entry(read, _entry("b", 4.0))
    (board / "entries" / "-x\n`evil`.csv").write_text("no entry")
    _commit(tmp_path, "first")
    write_entry(read, _entry("c", 4.5))
    _commit(tmp_path, "c", GIT_AUTHOR_NAME="Bob")
    (board / "notes.txt").write_text("nothing of the board's")
    _commit(tmp_path, "notes")
    write_entry(read, _entry("b", 6.0))
    (board / "entries" / "c.csv").unlink()
    (board / "entries" / "c.yaml").unlink()
    _commit(tmp_path, "b")
    expected = [
        ("Ann", "begins", "a", "1", "best of 2 entries"), ("Bob", "enters", "c", "2", "ahead of b"),
        ("Ann", "leaves", "c", "", "had rank 2"), ("Ann", "overtakes", "b", "1", "a; had rank 3; was 5.00"),
    ]  # fmt: skip
    assert _rows(board, capsys) == expected
    _git(tmp_path, "clone", "-q", "--depth=1", f"file://{tmp_path}", str(tmp_path / "shallow"))
    assert [row[1:] for row in _rows(tmp_path / "shallow" / "mine", capsys)] == [
        ("begins", "b", "1", "best of 2 entries")
    ]
    assert main(["leaderboard", "history", str(tmp_path / "shallow" / "mine")]) == 0
    assert "shallow copy" in capsys.readouterr().err
    (board / "entries" / "-x\n`evil`.csv").unlink()
    assert main(["leaderboard", "history", str(board), "--write"]) == 0
    for page in build(read):
        assert "b" in page.read_text()
        assert "had rank 3" in page.read_text()
    text = (board / "history.csv").read_text()
    (board / "history.csv").write_text(text.replace(",leaves,c,", ",enters,c,"))
    assert main(["leaderboard", "verify", str(board)]) == 1
    assert "'c' enters and is not there" in capsys.readouterr().err


def test_a_board_outside_of_a_repository_has_no_history(board: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(board.parent))
    assert main(["leaderboard", "history", str(board)]) == 2
    assert "the history of" in capsys.readouterr().err


def _run_lines(file: Path, name: str) -> str:
    jobs = yaml.safe_load(file.read_text())["jobs"].values()
    (line,) = [step["run"] for job in jobs for step in job["steps"] if step.get("name") == name]
    return str(line)


def test_the_workflow_checks_a_pull_request(board: Path, tmp_path: Path) -> None:
    """Its ``run:`` lines are executed on a local repository; GitHub's ``gh`` is a script that writes down its words."""
    read = read_board(board)
    assert main(["leaderboard", "workflow", str(tmp_path), "--install", "mss-bench==0.1.0"]) == 0
    workflows = tmp_path / ".github" / "workflows"
    for file in workflows.iterdir():
        assert yaml.safe_load(file.read_text())["permissions"] == (
            {"contents": "read"} if "check" in file.name else {"actions": "read", "pull-requests": "write"}
        )
    write_entry(read, _entry("a", 5.0))
    _git(tmp_path, "init", "-q", "-b", "main")
    base = _commit(tmp_path, "board")
    (board / "submissions").mkdir()
    _bundle(board, board / "submissions" / "$(touch pwned) -n.zip", _entry("b", 6.25))
    (board / "submissions" / "broken.zip").write_bytes(b"x")
    write_entry(read, _entry("a", 9.0))  # a pull request that also changes the board does not change what it is held to
    merged = _commit(tmp_path, "submission")
    runner = tmp_path / "runner"
    _git(tmp_path, "clone", "-q", f"file://{tmp_path}", str(runner))
    _git(runner, "checkout", "-q", base)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "mss-bench").write_text(f'#!/bin/sh\nexec {sys.executable} -m mss_bench.cli.main "$@"\n')
    (tools / "gh").write_text('#!/bin/sh\nif [ "$2" = list ]; then echo 7; else echo "$@" > gh.txt; fi\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    env = os.environ | {
        "BASE": base, "MERGED": merged, "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "s"),
        "PATH": f"{tools}:{os.environ['PATH']}", "GITHUB_REPOSITORY": "o/r", "HEAD_SHA": "f" * 40,
        "PYTHONPATH": str(SISEC.parents[1]),
    }  # fmt: skip

    def run(file: str, name: str) -> int:
        script = _run_lines(workflows / file, name)
        return subprocess.run(["bash", "-c", script], cwd=runner, env=env, check=False).returncode

    assert run("leaderboard-check.yml", "Fetch the pull request") == 0
    assert run("leaderboard-check.yml", "Check its bundles") == 1
    comment = (runner / "comment.md").read_text()
    assert "`$(touch pwned) -n.zip` is for a person to look at" in comment
    assert "`broken.zip` cannot be accepted as it is" in comment
    assert "is no whole ZIP file" in comment
    assert not list(tmp_path.rglob("pwned"))
    (runner / "comment.md").write_text(comment + "@everyone <script>\n")
    assert run("leaderboard-comment.yml", "Comment") == 0
    assert (runner / "gh.txt").read_text().split() == ["pr", "comment", "7", "--repo", "o/r", "--body-file", "body.md"]
    assert "@everyone" not in (runner / "body.md").read_text()
    assert "<script>" not in (runner / "body.md").read_text()


def test_a_workflow_of_ones_own_stays(tmp_path: Path, capsys) -> None:
    own = tmp_path / ".github" / "workflows" / "leaderboard-comment.yml"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert main(["leaderboard", "workflow", str(tmp_path)]) == 2
    assert "is there with other content" in capsys.readouterr().err
    assert [file.name for file in own.parent.iterdir()] == [own.name]


def test_a_table_is_submitted_with_its_source(board: Path, tmp_path: Path) -> None:
    rows = "".join(f"{song},{5 + i}\n" for i, song in enumerate(SONGS))
    (tmp_path / "songs.csv").write_text(f"song,voc\n{rows}")
    words = ["leaderboard", "submit", str(tmp_path / "songs.csv"), str(board), "-o", str(tmp_path / "t.zip")]
    words += ["--columns", "track=song,vocals=voc", "--set", "method=mine,licence=MIT", "--source", "my page"]
    assert main(words) == 0
    (entry,) = read_bundle(tmp_path / "t.zip").entries(read_board(board))
    assert (entry.method, entry.provenance["from"], len(entry.table)) == ("mine", "my page", 8)
