"""A second environment with NumPy 1, and what the tests of other interpreters and programs share."""

from __future__ import annotations

import fcntl
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import platformdirs
import psutil
import pytest


@pytest.fixture(scope="session")
def numpy1() -> str:
    """The interpreter of a virtual environment with NumPy 1 and nothing else, which is made once and kept.

    ``MSS_BENCH_TEST_NUMPY1`` names another.
    """
    if given := os.environ.get("MSS_BENCH_TEST_NUMPY1"):
        return given
    folder = Path(platformdirs.user_cache_dir("mss_bench")) / f"tests-numpy1-{platform.python_version()}"
    folder.mkdir(parents=True, exist_ok=True)
    python, done = folder / "bin" / "python", folder / "whole"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the suite runs in several processes
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
            (packages,) = folder.glob("lib/python3*/site-packages")
            words = ["-m", "pip", "install", "-q", "--only-binary=:all:", "--target", packages, "--upgrade", "numpy<2"]
            installed = subprocess.run([sys.executable, *words], capture_output=True, text=True)
            if installed.returncode:
                last = installed.stderr.strip().rpartition("\n")[2]
                pytest.skip(f"NumPy 1 cannot be installed for this Python: {last}; set MSS_BENCH_TEST_NUMPY1")
            done.touch()
    return str(python)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    """Write a file and tell its path."""

    def write(name: str, content: str, executable: bool = False) -> str:
        path = tmp_path / name
        path.write_text(content)
        path.chmod(0o755 if executable else 0o644)
        return str(path)

    return write


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a process runs."""

    def check(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return check
