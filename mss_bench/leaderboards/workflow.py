"""GitHub Actions for a repository with boards: one checks what strangers submit, another one comments on it."""

from __future__ import annotations

import json
from pathlib import Path

from mss_bench.core.files import write_atomic
from mss_bench.core.text import harmless
from mss_bench.errors import ConfigError

__all__ = ["WORKFLOWS", "write_workflows"]

WORKFLOWS = ("leaderboard-check.yml", "leaderboard-comment.yml")
"""Their names; the second has the right to comment, and for that reason sees no file of a pull request."""


def write_workflows(repository: Path, install: str, *, replace: bool = False) -> list[Path]:
    """Write both workflows into ``.github/workflows`` of a repository.

    Parameters
    ----------
    repository : Path
    install : str
        What ``pip install`` gets there, e.g. ``mss-bench==0.1.0``.
    replace : bool
        Whether files of the same names are replaced.

    Raises
    ------
    ConfigError
        The folder is not there, or has a workflow of the name with other content.
    """
    if not repository.is_dir():
        raise ConfigError(f"{repository} is no folder; name the top folder of the repository")
    if install != harmless(install, keep="") or not install.strip() or install.startswith("-"):
        raise ConfigError(f"--install is {install!r}, expected what pip installs, e.g. mss-bench==0.1.0")
    texts = {}
    for name in WORKFLOWS:
        text = (Path(__file__).with_name("workflows") / name).read_text(encoding="utf-8")
        path = repository / ".github" / "workflows" / name
        texts[path] = text.replace('"@INSTALL@"', json.dumps(install))
        if path.is_file() and not replace and path.read_text(encoding="utf-8") != texts[path]:
            raise ConfigError(f"{path} is there with other content; give --replace to have it written anew")
    return [write_atomic(path, text) for path, text in texts.items()]
