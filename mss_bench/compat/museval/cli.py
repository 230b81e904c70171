"""museval's two commands, ``museval`` and ``bsseval``, as ``mss-museval`` and ``mss-bsseval``, with their arguments.

Exit status: 0 done; 2 wrong use or input, told in one line; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mss_bench.compat.museval import MusevalError, eval_dir, evaluated_tracks
from mss_bench.core.text import harmless
from mss_bench.errors import MissingDependencyError, MssBenchError

__all__ = ["bsseval", "museval"]


def museval(inargs: Sequence[str] | None = None) -> int:
    """Evaluate a folder of estimates of MUSDB18, track by track; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="mss-museval",
        description="Evaluate estimates of MUSDB18 as museval does: one JSON file a track, scores as they come.",
    )
    parser.add_argument("estimates_dir", help="folder with SUBSET/TRACK/TARGET.wav")
    parser.add_argument("-o", metavar="DIR", help="folder for SUBSET/TRACK.json (default: the estimates' folder)")
    parser.add_argument("--musdb", metavar="DIR", help="folder of MUSDB18 (default: $MUSDB_PATH)")
    parser.add_argument("--is-wav", action="store_true", help="MUSDB18 as WAV files (MUSDB18-HQ) instead of stems")
    arguments = parser.parse_args(inargs)

    def evaluate() -> None:
        dataset = _musdb(arguments.musdb, arguments.is_wav)
        for store in evaluated_tracks(dataset, arguments.estimates_dir, arguments.o or arguments.estimates_dir):
            print(f"{harmless(store.track_name)}\n{store}", flush=True)

    return _status(parser.prog, evaluate)


def bsseval(inargs: Sequence[str] | None = None) -> int:
    """Evaluate one folder of WAV files against another; return the exit status."""
    from mss_bench import __version__

    parser = argparse.ArgumentParser(
        prog="mss-bsseval", description="Evaluate a folder of WAV files against references of the same names."
    )
    parser.add_argument("reference_dir", help="folder with the references")
    parser.add_argument("estimates_dir", help="folder with estimates of the same names")
    parser.add_argument("-o", metavar="DIR", help="folder for the JSON file (default: the estimates' folder)")
    parser.add_argument("--win", type=float, default=1.0, metavar="SECONDS", help="window (default: 1)")
    parser.add_argument("--hop", type=float, default=1.0, metavar="SECONDS", help="hop (default: 1)")
    parser.add_argument("-m", choices=("v4", "v3"), default="v4", help="version of BSS Eval (default: v4)")
    parser.add_argument("--version", "-v", action="version", version=f"%(prog)s {__version__}")
    arguments = parser.parse_args(inargs)

    def evaluate() -> None:
        folders = (arguments.reference_dir, arguments.estimates_dir, arguments.o or arguments.estimates_dir)
        print(eval_dir(*folders, mode=arguments.m, win=arguments.win, hop=arguments.hop), end="")

    return _status(parser.prog, evaluate)


def _status(program: str, work: Callable[[], None]) -> int:
    try:
        work()
    except MssBenchError as error:
        print(f"{program}: {harmless(str(error))} [mss-bench help {error.code}]", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130
    return 0


def _musdb(root: str | None, is_wav: bool) -> Any:
    if root is not None and not Path(root).is_dir():
        raise MusevalError(f"--musdb {root} is not a folder; expected MUSDB18 with its folders train and test")
    try:
        import musdb

        dataset = musdb.DB(root=root, is_wav=is_wav)
    except ImportError as error:
        raise MissingDependencyError("the package musdb", "mss-museval", "pip install musdb") from error
    except RuntimeError as error:  # no ffmpeg, or no folder given
        raise MusevalError(f"MUSDB18 cannot be opened: {error}; name its folder with --musdb") from error
    if not len(dataset):
        other = "without --is-wav if it holds .stem.mp4 files" if is_wav else "with --is-wav if it holds WAV files"
        raise MusevalError(f"{dataset.root} holds no track of MUSDB18; try {other}")
    return dataset


if __name__ == "__main__":
    sys.exit(museval())
