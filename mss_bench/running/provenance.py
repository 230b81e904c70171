"""Record what is needed to reproduce a run: versions, machine, command, source revision."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

import mss_bench

__all__ = ["cores", "now", "provenance"]

_PACKAGES = (
    "numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "soundfile", "soxr", "joblib", "threadpoolctl", "museval",
    "mir_eval", "musdb", "librosa", "distributed", "statsmodels", "torch", "onnxruntime", "python-peass",
    "visqol-python", "zimtohrli", "pyclarity", "onnxruntime-gpu", "torchaudio", "demucs", "openunmix",
)  # fmt: skip


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def cores() -> int:
    """Return how many cores this process may use."""
    # A batch system gives a job some of the machine's cores; macOS does not tell which.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def provenance() -> dict[str, Any]:
    """Return versions, machine and source revision."""
    packages = {}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {
        "mss_bench": mss_bench.__version__,
        "revision": _revision(Path(mss_bench.__file__).resolve().parents[1]),
        "python": platform.python_version(),
        "packages": packages,
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "processor": _processor(),
            "cores": cores(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        },
        "command": shlex.join([Path(sys.argv[0]).name.replace("__main__.py", "mss-bench"), *sys.argv[1:]]),
    }


def _revision(checkout: Path) -> str:
    """Return the commit of the source tree, with ``-dirty`` where it is changed; empty for an installed package."""
    if not (checkout / ".git").exists():
        return ""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
        return done.stdout.strip()
    return ""


def _processor() -> str:
    # On Linux `platform` only knows the architecture.
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
