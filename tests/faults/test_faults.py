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

KILLS = int(os.environ.get("MSS_BENCH_KILLS", "3"))  # .ci/run asks for 50
PATIENCE = 300  # seconds: what a machine under load may take; nothing that works takes so long
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
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
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


@pytest.fixture(scope="module")
def command(tmp_path_factory, write_song, catalog_text):
    """Words of a run on four short songs, which no test here changes."""
    folder = tmp_path_factory.mktemp("songs")
    for i in range(4):
        write_song(folder / "tiny" / "test" / f"Song {i}", seed=i, seconds=0.5)
    (folder / "catalog.yaml").write_text(catalog_text.format(root=folder / "tiny"))
    (folder / "faulty.py").write_text(FAULTY)

    def words(out, *more, separators=("slow", "slow:gain=0.5", "slow:gain=0.2")):
        chosen = [w for s in separators for w in ("-s", s)]
        return [
            sys.executable, "-m", "mss_bench", "run", "--datasets", str(folder / "catalog.yaml"), "--dataset", "tiny",
            *chosen, "-m", "usdr", "--plugin", str(folder / "faulty.py"), "-o", str(out), "-j", "2", *map(str, more),
        ]  # fmt: skip

    return words


@pytest.fixture(scope="module")
def undisturbed(command, tmp_path_factory):
    """The folder of a run to which nothing happened."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    assert finish(command(run)).returncode == 0
    return run


def finish(words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def tables(run):
    return {name: (run / f"{name}.parquet").read_bytes() for name in ("tracks", "frames", "failures")}


def cells(run):
    """Files of cells, none that is being written."""
    return list((run / "cells").glob("[!.]*.npz"))


def stamps(run):
    """When each finished cell was written."""
    read = {f: read_cell(run, f.stem) for f in cells(run)}
    return {f.name: f.stat().st_mtime_ns for f, cell in read.items() if cell is not None and cell.ok}


def workers(process):
    """Those that a run has started; git, which it asks for the commit, is none."""
    with contextlib.suppress(psutil.Error):
        return [child for child in psutil.Process(process.pid).children() if child.name().startswith("python")]
    return []


def wait_until(true, process=None):
    """Until something is so, or a process has ended in which it would have become so."""
    deadline = time.monotonic() + PATIENCE
    while not true() and (process is None or process.poll() is None):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_kill_9_at_random_moments_loses_only_what_was_running(command, undisturbed, tmp_path):
    """Of a worker or of the parent; resumed until whole, the tables are those of an undisturbed run."""
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
        moments = {
            "start": lambda: True,
            "worker": lambda: workers(process),  # noqa: B023 (asked at once)
            "cell": lambda: any(f.name not in before for f in cells(run)),  # noqa: B023
        }
        wait_until(moments[rng.choice(["start", "worker", "cell", "cell"])], process)
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
        process.wait(timeout=PATIENCE)
        if victim == parent:
            psutil.wait_procs(family, timeout=PATIENCE)
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
    ("options", "expected"),
    [
        (
            ["--memory-limit", 900, "--retries", 1],
            {
                "eats": ("out_of_memory", "more than the limit of 900 MiB"),
                "eats_elsewhere": ("out_of_memory", "more than the limit of 900 MiB"),
                "no_memory": ("out_of_memory", "cannot allocate 9 TiB"),
                "no_gpu_memory": ("out_of_memory", "CUDA out of memory"),
                "segfaults": ("crashed", "was killed by SIGSEGV, 2 times"),
            },
        ),
        # A limit that the others keep on a busy machine, too.
        (["--timeout", 8], {"ignores_term": ("timeout", "took longer than 8 s and was killed")}),
    ],
)
def test_a_plugin_that_misbehaves_costs_its_own_cell(command, tmp_path, options, expected):
    words = command(tmp_path / "run", "--max-tracks", 1, *options, separators=[*expected, "slow"])
    assert finish(words).returncode == 1
    results = mss_bench.load(tmp_path / "run")
    assert (results.tracks.query("separator == 'slow'").status == "ok").all()
    failures = results.failures.set_index("separator")
    assert {name: failures.status[name] for name in failures.index} == {
        n: status for n, (status, _) in expected.items()
    }
    for name, (_, reason) in expected.items():
        assert reason in failures.reason[name]


def test_two_parents_at_once_exclude_each_other(command, tmp_path):
    sign = tmp_path / "sign"
    words = command(tmp_path / "run", separators=[f"waits:sign={sign}"])
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: cells(tmp_path / "run"))
    second = finish(words)
    assert second.returncode == 2
    assert f"another process (pid {first.pid} on" in second.stderr
    sign.touch()
    assert first.wait(timeout=PATIENCE) == 0


def test_fail_fast_stops_and_goes_on_later(command, tmp_path):
    done = finish(command(tmp_path / "run", "--fail-fast", "-j", 1, separators=["no_memory", "slow"]))
    assert done.returncode == 1
    assert "stopped at the first failure" in done.stderr
    assert len(mss_bench.load(tmp_path / "run").failures) == 1


def interrupted(words, ready, times=1):
    """Interrupt a run once it is ready; return the processes that it had, when it has ended as it should."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(ready, process)
    family = psutil.Process(process.pid).children(recursive=True)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in err
    return family


def test_an_interrupted_run_leaves_no_process_though_none_would_end_by_itself(command, tmp_path):
    note = tmp_path / "pids"
    words = command(tmp_path / "run", "--max-tracks", 1, separators=[f"forks:note={note}"])
    family = interrupted(words, lambda: note.exists() and note.read_text().count("\n") == 2)
    assert {int(line) for line in note.read_text().split()} <= {p.pid for p in family}  # in sessions of their own too
    assert not [p for p in family if alive(p.pid)]


def test_a_second_interrupt_ends_the_run_at_once(command, tmp_path):
    family = interrupted(command(tmp_path / "run", separators=["ignores_term"]), lambda: cells(tmp_path / "run"), 2)
    psutil.wait_procs(family, timeout=PATIENCE)
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


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(command, undisturbed, small_disk):
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (2**21 - 50_000))
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
    wait_until(lambda: note.exists() and len(note.read_text().split()) == 2)
    process.kill()
    process.wait()
    pids = [int(p) for p in note.read_text().split()]
    wait_until(lambda: not any(alive(p) for p in pids))


def test_a_killed_run_can_be_rebuilt_and_read_and_goes_on(command, tmp_path):
    """Its lock ends with it."""
    run = tmp_path / "run"
    process = subprocess.Popen(command(run), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(stamps(run)) >= 3)
    process.kill()
    process.wait()
    words = [sys.executable, "-m", "mss_bench"]
    rebuilt = finish([*words, "results", "rebuild", str(run)])
    assert rebuilt.returncode == 1  # tables of what is there, which is not all
    assert len(mss_bench.load(run).tracks) >= 3
    assert finish([*words, "report", str(run), "--format", "md"]).returncode == 0
    assert finish(command(run)).returncode == 0


def test_a_full_disk_at_the_start_is_told(command, small_disk):
    filler = os.open(small_disk / "filler", os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while os.write(filler, b"x" * 4096):
            pass
    os.close(filler)
    done = finish(command(small_disk / "run"))
    assert done.returncode == 2
    assert "No space left on device" in done.stderr


def test_a_truncated_cell_file_is_computed_again_and_no_other(command, undisturbed, tmp_path):
    run = shutil.copytree(undisturbed, tmp_path / "run")
    words = command(run)
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
