"""Faults injected for real: processes killed, disks filled, files cut, plugins that misbehave."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import mss_bench
from mss_bench.core.processes import LOG_BYTES
from mss_bench.running.store import read_cell

KILLS = int(os.environ.get("MSS_BENCH_KILLS", "8"))
KILL_MINUTES = float(os.environ.get("MSS_BENCH_KILL_MINUTES", "inf"))  # after which no further one is made

FAULTY = """
import os, signal, subprocess, sys, time
import numpy as np
from mss_bench import Separator

def stems(mixture, targets):
    return {s: mixture / len(targets.stems) for s in targets.stems}

class Slow(Separator):
    name = "slow"
    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        time.sleep(0.05)
        return {s: self.gain * m + 0.01 * rng.standard_normal(m.shape) for s, m in stems(mixture, targets).items()}

class Waits(Separator):
    name = "waits"
    def __init__(self, sign: str = "") -> None:
        self.sign = sign
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        while not os.path.exists(self.sign):
            time.sleep(0.05)
        return stems(mixture, targets)

class IgnoresTerm(Separator):
    name = "ignores_term"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(1)

class Forks(Separator):
    name = "forks"
    def __init__(self, note: str = "") -> None:
        self.note = note
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        code = f"import os, time; open({self.note!r}, 'a').write(str(os.getpid()) + chr(10)); time.sleep(600)"
        for new_session in (False, True):
            subprocess.Popen([sys.executable, "-c", code], start_new_session=new_session)
        time.sleep(600)

class Floods(Separator):
    name = "floods"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        print("first words", flush=True)
        for _ in range(20000):
            print("x" * 1000)
        sys.stdout.flush()
        sys.stderr.write("y" * 1000000 + "last words" + chr(10))
        return stems(mixture, targets)

class Eats(Separator):
    name = "eats"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        eaten = []
        for _ in range(200):
            eaten.append(np.ones(2 ** 22))
            time.sleep(0.02)
        return stems(mixture, targets)

class Grabs(Separator):
    name = "grabs"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        return {"vocals": np.ones((2, 2 ** 28))}

class EatsElsewhere(Separator):
    name = "eats_elsewhere"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        code = "import time; eaten = b'x' * 2 ** 30; time.sleep(600)"
        subprocess.run([sys.executable, "-c", code], start_new_session=True)

class OutOfMemoryError(RuntimeError):
    pass  # by name and module what torch raises, which is too large to be installed for this

OutOfMemoryError.__module__ = "torch"

class NoGpuMemory(Separator):
    name = "no_gpu_memory"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 9 TiB.")

class NoMemory(Separator):
    name = "no_memory"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        raise MemoryError("cannot allocate 9 TiB")

class Segfaults(Separator):
    name = "segfaults"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        os.kill(os.getpid(), signal.SIGSEGV)
"""


@pytest.fixture
def faulty(tmp_path):
    file = tmp_path / "faulty.py"
    file.write_text(FAULTY)
    return file


@pytest.fixture
def command(tiny, faulty, song):
    for i in range(4):
        song(tiny.parent / "tiny" / "test" / f"More {i}", seed=10 + i, seconds=0.5)

    def words(out, *more, separators=("slow", "slow:gain=0.5", "slow:gain=0.2")):
        chosen = [w for s in separators for w in ("-s", s)]
        return [
            sys.executable, "-m", "mss_bench", "run", "--datasets", str(tiny), "--dataset", "tiny", *chosen, "-m",
            "usdr", "--plugin", str(faulty), "-o", str(out), "-j", "2", *map(str, more),
        ]  # fmt: skip

    return words


def finish(words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def tables(run):
    return {name: (run / f"{name}.parquet").read_bytes() for name in ("tracks", "frames", "failures")}


def stamps(run):
    """When each finished cell was written."""
    files = (run / "cells").glob("[!.]*.npz")
    return {f.name: f.stat().st_mtime_ns for f in files if (cell := read_cell(run, f.stem)) is not None and cell.ok}


def workers(process):
    """Those that a run has started; git, which it asks for the commit, is none."""
    with contextlib.suppress(psutil.Error):
        return [child for child in psutil.Process(process.pid).children() if child.name().startswith("python")]
    return []


def wait_for(moment, process, run, before):
    """Until a run has started a worker or finished another cell, or has ended; "start" does not wait."""
    seen = {
        "start": lambda: True,
        "worker": lambda: workers(process),
        "cell": lambda: any(f.name not in before for f in (run / "cells").glob("[!.]*.npz")),
    }[moment]
    deadline = time.monotonic() + 60
    while process.poll() is None and not seen() and time.monotonic() < deadline:
        time.sleep(0.01)


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_kill_9_at_random_moments_loses_only_what_was_running(command, tmp_path):
    """Of a worker or of the parent; resumed until whole, the tables are those of an undisturbed run."""
    undisturbed = tmp_path / "undisturbed"
    assert finish(command(undisturbed)).returncode == 0
    rng = random.Random(1)
    run = tmp_path / "run"
    kills = parents = wholes = 0
    deadline = time.monotonic() + 60 * KILL_MINUTES
    while kills < KILLS and time.monotonic() < deadline:
        if run.exists() and len(stamps(run)) == len(stamps(undisturbed)):
            assert finish(command(run)).returncode == 0
            assert tables(run) == tables(undisturbed)
            wholes += 1
            shutil.rmtree(run)
        before = stamps(run)
        process = subprocess.Popen(command(run, "--retries", "0"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        parent = psutil.Process(process.pid)
        wait_for(rng.choice(["start", "worker", "cell", "cell"]), process, run, before)
        time.sleep(rng.uniform(0.0, 0.6))
        try:
            family = parent.children(recursive=True)
            victim = rng.choice(family) if family and rng.random() < 0.75 else parent
            if process.poll() is not None:
                continue
            victim.kill()
        except psutil.NoSuchProcess:
            continue
        kills += 1
        parents += victim == parent
        process.wait(timeout=120)
        if victim == parent:
            psutil.wait_procs(family, timeout=10)
            assert not [p for p in family if alive(p.pid)], "a worker outlived its parent"
        after = stamps(run)
        assert {n: after.get(n) for n in before} == before, "a finished cell was computed again"
    assert finish(command(run)).returncode == 0
    assert tables(run) == tables(undisturbed)
    print(f"{kills} kills: {parents} of the parent, {kills - parents} of a worker; {wholes + 1} whole runs compared")


CGROUP = Path("/sys/fs/cgroup/memory") if Path("/sys/fs/cgroup/memory").is_dir() else Path("/sys/fs/cgroup")


@pytest.fixture
def little_memory():
    """A control group of processes in which 1.2 GB may be used, as on a cluster's node; its list of processes."""
    group = CGROUP / f"mss_bench_{os.getpid()}"
    try:
        group.mkdir()
        limit = next(f for n in ("memory.limit_in_bytes", "memory.max") if (f := group / n).exists())
        limit.write_text(str(1200 * 2**20))
    except (OSError, StopIteration):
        pytest.skip("needs a memory control group that may be written (root)")
    yield group / "cgroup.procs"
    group.rmdir()


def test_a_cell_that_the_kernel_kills_for_its_memory_says_so(command, tmp_path, little_memory):
    words = command(tmp_path / "run", "--max-tracks", 1, "--retries", 0, separators=["grabs", "slow"])
    done = subprocess.run(
        ["sh", "-c", f'echo $$ > {little_memory}; exec "$@"', "sh", *words], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1
    failures = mss_bench.load(tmp_path / "run").failures
    assert list(failures["status"]) == ["out_of_memory"]
    assert "the kernel killed the worker process for lack of memory" in failures["reason"].iloc[0]


@pytest.mark.parametrize(
    ("separator", "options", "status", "reason"),
    [
        ("ignores_term", ["--timeout", 2], "timeout", "took longer than 2 s and was killed"),
        ("eats", ["--memory-limit", 600], "out_of_memory", "more than the limit of 600 MiB"),
        ("eats_elsewhere", ["--memory-limit", 900], "out_of_memory", "more than the limit of 900 MiB"),
        ("no_memory", [], "out_of_memory", "cannot allocate 9 TiB"),
        ("no_gpu_memory", [], "out_of_memory", "CUDA out of memory"),
        ("segfaults", ["--retries", 1], "crashed", "was killed by SIGSEGV, 2 times"),
    ],
)
def test_a_plugin_that_misbehaves_costs_its_own_cell(command, tmp_path, separator, options, status, reason):
    words = command(tmp_path / "run", "--max-tracks", 1, *options, separators=[separator, "slow"])
    done = finish(words)
    results = mss_bench.load(tmp_path / "run")
    rows = results.tracks.query("separator == @separator")
    assert set(rows.status) == {status}
    assert done.returncode == 1
    assert (results.tracks.query("separator == 'slow'").status == "ok").all()
    assert reason in results.failures.reason.iloc[0]


def test_grandchildren_are_killed_with_their_worker(command, tmp_path):
    note = tmp_path / "pids"
    words = command(tmp_path / "run", "--max-tracks", 1, "--timeout", 4, separators=[f"forks:note={note}"])
    assert finish(words).returncode == 1
    pids = [int(line) for line in note.read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 5
    while any(alive(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [p for p in pids if alive(p)]


def test_two_parents_at_once_exclude_each_other(command, tmp_path):
    sign = tmp_path / "sign"
    words = command(tmp_path / "run", separators=[f"waits:sign={sign}"])
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "run").glob("cells/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    second = finish(words)
    assert second.returncode == 2
    assert f"another process (pid {first.pid} on" in second.stderr
    sign.touch()
    assert first.wait(timeout=120) == 0


def test_a_dead_owner_holds_no_lock(command, tmp_path):
    first = subprocess.Popen(command(tmp_path / "run"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "run").glob("cells/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    first.kill()
    first.wait()
    assert finish(command(tmp_path / "run")).returncode == 0


def test_fail_fast_stops_and_goes_on_later(command, tmp_path):
    done = finish(command(tmp_path / "run", "--fail-fast", "-j", 1, separators=["no_memory", "slow"]))
    assert done.returncode == 1
    assert "stopped at the first failure" in done.stderr
    assert len(mss_bench.load(tmp_path / "run").failures) == 1


def test_an_interrupted_run_ends_within_seconds_and_leaves_no_process(command, tmp_path):
    process = subprocess.Popen(
        command(tmp_path / "run", separators=["ignores_term"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "run").glob("cells/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    family = psutil.Process(process.pid).children(recursive=True)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not [p for p in family if alive(p.pid)]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root and a kernel that allows it")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(command, tmp_path, small_disk):
    undisturbed = tmp_path / "undisturbed"
    assert finish(command(undisturbed)).returncode == 0
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (2**21 - 60_000))
    done = finish(command(small_disk / "run"))
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    kept = stamps(small_disk / "run")
    filler.unlink()
    assert finish(command(small_disk / "run")).returncode == 0
    assert tables(small_disk / "run") == tables(undisturbed)
    after = stamps(small_disk / "run")
    assert {n: after[n] for n in kept} == kept


def test_a_read_only_folder_is_refused(command, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = finish(command(small_disk / "run"))
    assert done.returncode == 2
    assert "cannot be written: Read-only file system; choose another folder with --out" in done.stderr


FORKING = """
import os, time
from mss_bench import Separator

class DiesWithAFork(Separator):
    name = "dies_with_a_fork"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        if os.fork() == 0:
            time.sleep(600)
        os._exit(3)

class HoldsTheInterpreter(Separator):
    name = "holds"
    def __init__(self, note: str = "") -> None:
        self.note = note
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        import ctypes, subprocess, sys
        own = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        with open(self.note, "w") as file:
            file.write(f"{os.getpid()} {own.pid}")
        ctypes.PyDLL(None).sleep(600)
"""


def test_a_worker_that_dies_while_its_fork_lives_does_not_hang_the_run(command, tmp_path):
    (tmp_path / "forking.py").write_text(FORKING)
    words = command(tmp_path / "run", "--max-tracks", 1, "--retries", 0, separators=["dies_with_a_fork", "slow"])
    done = finish([*words, "--plugin", str(tmp_path / "forking.py")])
    assert done.returncode == 1
    results = mss_bench.load(tmp_path / "run")
    assert results.failures.status.to_list() == ["crashed"]


def test_workers_that_hold_the_interpreter_die_with_their_parent(command, tmp_path):
    (tmp_path / "forking.py").write_text(FORKING)
    note = tmp_path / "pids"
    words = command(tmp_path / "run", "--max-tracks", 1, separators=[f"holds:note={note}"])
    process = subprocess.Popen(
        [*words, "--plugin", str(tmp_path / "forking.py")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (note.exists() and len(note.read_text().split()) == 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.kill()
    process.wait()
    pids = [int(p) for p in note.read_text().split()]
    deadline = time.monotonic() + 5
    while any(alive(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [p for p in pids if alive(p)]


def test_after_a_kill_the_tables_can_be_rebuilt_and_read(command, tmp_path):
    process = subprocess.Popen(command(tmp_path / "run"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(stamps(tmp_path / "run")) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    words = [sys.executable, "-m", "mss_bench"]
    rebuilt = finish([*words, "results", "rebuild", str(tmp_path / "run")])
    assert rebuilt.returncode == 1  # tables of what is there, which is not all
    assert len(mss_bench.load(tmp_path / "run").tracks) >= 3
    assert finish([*words, "report", str(tmp_path / "run"), "--format", "md"]).returncode == 0


def test_a_full_disk_at_the_start_is_told(command, small_disk):
    filler = os.open(small_disk / "filler", os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while os.write(filler, b"x" * 4096):
            pass
    os.close(filler)
    done = finish(command(small_disk / "run"))
    assert done.returncode == 2
    assert "No space left on device" in done.stderr


def test_a_second_interrupt_ends_the_run_at_once(command, tmp_path):
    words = command(tmp_path / "run", separators=["ignores_term"])
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "run").glob("cells/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    family = psutil.Process(process.pid).children(recursive=True)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - started < 5
    assert process.returncode == 130
    assert "Traceback" not in err
    psutil.wait_procs(family, timeout=5)
    assert not [p for p in family if alive(p.pid)]


def test_a_truncated_cell_file_is_computed_again_and_no_other(command, tmp_path):
    run = tmp_path / "run"
    words = command(run, separators=["slow"])
    assert finish(words).returncode == 0
    before, whole = tables(run), stamps(run)
    victim = sorted((run / "cells").glob("*.npz"))[3]
    victim.write_bytes(victim.read_bytes()[:-200])
    assert finish(words).returncode == 0
    assert tables(run) == before
    assert {n for n, stamp in stamps(run).items() if stamp != whole[n]} == {victim.name}


def test_what_a_plugin_prints_is_kept_in_bounds(command, tmp_path):
    assert finish(command(tmp_path / "run", "--max-tracks", 1, separators=["floods"])).returncode == 0
    logs = list((tmp_path / "run" / "logs").glob("worker-*.log"))
    assert sum(log.stat().st_size for log in logs) < len(logs) * (LOG_BYTES + 2**16)
    flooded = max(logs, key=lambda log: log.stat().st_size).read_text()
    assert flooded.startswith("first words")
    assert "output left out here" in flooded
    assert flooded.endswith("last words\n")
