"""Build the package, look into what was built, install it into fresh environments and use it there.

::

    pip install build twine
    python tests/release/check.py                  # wheel and sdist, and the package without extras: some minutes
    python tests/release/check.py --extras            # each extra alone, all together; rows of README.md here
    python tests/release/check.py --extras onnx stats # these alone
    python tests/release/check.py --python python3.12 python3.13   # other interpreters, without extras

Environments are made by uv where it is installed, else by venv and pip.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("README.md")
AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".mp4", ".aiff")
LARGEST = {".whl": 5.0, ".gz": 6.0}  # MB
NEEDED = ("py.typed", "datasets.yaml", "leaderboards/boards/sisec18/board.yaml", "separators/costs.csv")

RUN = "run --max-tracks 1 --duration 2 -m usdr -q -o runs/{}"
BARE = (
    "--version", "help audio", "separators list", "metrics show SDR", "datasets show demo", f"{RUN} -s hpss,irm",
    "report runs/{} --format md,csv", "protocols reproduce gensvs@1", "init {root}/songs -o run.yaml",
)  # fmt: skip
# Of each extra: commands that need it, and modules that it brings.
USES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "dask": ((f"{RUN} -s hpss --scheduler local:1",), ("distributed",)),
    "demucs": ((), ("demucs.htdemucs", "torch")),
    "docs": ((), ("sphinx", "myst_nb", "pydata_sphinx_theme")),
    "listen": ((), ("flask", "waitress", "mss_bench.listening.server.run")),
    "msst": ((), ("pymss_core", "torch")),
    "onnx": ((f"{RUN} -s demo_net",), ("onnxruntime",)),
    "openunmix": ((), ("openunmix", "torchaudio")),
    "peass": ((), ("peass",)),
    "pitch": ((), ("librosa", "swift_f0")),
    "stats": ((), ("statsmodels.api",)),
    "torch": ((), ("torch",)),
    "train": ((), ("torch", "onnx")),
    "visqol": ((), ("visqol",)),
    "zimtohrli": ((), ("zimtohrli",)),
    "test": ((), ("pytest", "hypothesis", "playwright")),
    "dev": ((), ("mypy", "ruff")),
}


def build(folder: Path) -> list[Path]:
    """Build sdist and wheel, the wheel from the sdist, and have twine check what an index would show."""
    subprocess.run([sys.executable, "-m", "build", "-o", folder, ROOT], check=True, stdout=subprocess.DEVNULL)
    built = sorted(folder.glob("mss_bench-*"))
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *built], check=True)
    return built


def names(file: Path) -> list[str]:
    """Return the names of the files in a wheel or sdist."""
    if file.suffix == ".whl":
        return zipfile.ZipFile(file).namelist()
    with tarfile.open(file) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


def problems(file: Path) -> Iterator[str]:
    """Yield what is wrong with the contents of a wheel or sdist."""
    inside, size = names(file), file.stat().st_size / 1e6
    print(f"{file.name}: {len(inside)} files, {size:.1f} MB")
    if size > LARGEST[file.suffix]:
        yield f"{file.name} has {size:.1f} MB, expected at most {LARGEST[file.suffix]}"
    yield from (f"{file.name} has audio: {name}" for name in inside if name.endswith(AUDIO))
    yield from (f"{file.name} has {name}" for name in inside if name.startswith(("tests/", "reports/", ".ci")))
    yield from (f"{file.name} has {name}, which is not under MIT" for name in inside if "moisesdb-" in name)
    if file.suffix == ".whl":
        tops = {name.partition("/")[0] for name in inside}
        yield from (f"{file.name} installs {top}" for top in tops if not top.startswith("mss_bench"))
        yield from (f"{file.name} lacks {name}" for name in NEEDED if f"mss_bench/{name}" not in inside)


class Environment:
    """A fresh virtual environment with the wheel.

    Parameters
    ----------
    folder : Path
        Where it is made.
    wheel : Path
    extras : iterable of str
    python : str
        The interpreter that it has.
    """

    def __init__(self, folder: Path, wheel: Path, extras: Iterable[str] = (), python: str = sys.executable) -> None:
        self.root = folder
        wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
        self.python, uv = folder / "venv" / "bin" / "python", shutil.which("uv")
        if uv:
            subprocess.run([uv, "venv", "-q", "-p", python, folder / "venv"], check=True)
            install = [uv, "pip", "install", "-q", "-p", self.python, "--index-strategy", "unsafe-best-match"]
            # pip reads these from its own settings.
            settings = ("find-links", "extra-index-url")
            options = [word for name in settings for place in _of_pip(name) for word in (f"--{name}", place)]
            subprocess.run([*install, *options, wanted], check=True)
        else:
            subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
            subprocess.run([self.python, "-m", "pip", "install", "-q", wanted], check=True)

    def use(self, name: str, commands: Iterable[str], modules: Iterable[str] = ()) -> None:
        """Execute commands of mss-bench and import modules.

        Raises
        ------
        CalledProcessError
            One of them failed.
        """
        clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        clean["MSS_BENCH_CACHE"] = str(self.root.parent / "cache")
        place = {"cwd": self.root, "env": clean, "check": True, "stdout": subprocess.DEVNULL}
        for command in commands:
            words = command.replace("{root}", str(self.root)).replace("{}", name).split()
            subprocess.run([self.python.with_name("mss-bench"), *words], **place)
        for module in modules:
            subprocess.run([self.python, "-c", f"import {module}"], **place)

    def version(self) -> str:
        """Return the version of Python."""
        done = subprocess.run([self.python, "-c", "import platform; print(platform.python_version())"],
                              capture_output=True, text=True, check=True)  # fmt: skip
        return done.stdout.strip()

    def megabytes(self) -> float:
        """Return what is installed, in MB."""
        return sum(file.stat().st_size for file in (self.root / "venv").rglob("*") if file.is_file()) / 1e6


def _of_pip(name: str) -> list[str]:
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    lines = [line.partition("=")[2].strip("'\"") for line in done.stdout.splitlines() if f".{name}=" in line]
    return [place for line in lines for place in line.replace("\\n", " ").split()]


def write_songs(folder: Path) -> None:
    """Write a song with its stems, for `init`."""
    import wave

    for stem in ("vocals", "bass", "drums", "other"):
        path = folder / "songs" / "Song" / f"{stem}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(44100)
            file.writeframes(bytes(2 * 44100))


def tried(work: Path, wheel: Path, extras: tuple[str, ...], python: str) -> str:
    """Install and use the wheel with extras, and return the row of the table."""
    label = ", ".join(extras) or "none"
    name = "_".join(extras)[:20] or "bare"
    folder = Path(tempfile.mkdtemp(dir=work, prefix=f"{name}-"))
    write_songs(folder)
    commands = BARE + tuple(c for extra in extras for c in USES[extra][0])
    modules = [module for extra in extras for module in USES[extra][1]]
    version, size = "-", 0.0
    try:
        environment = Environment(folder, wheel, extras, python)
        version, size = environment.version(), environment.megabytes()
        environment.use(name, commands, modules)
        outcome = "works"
    except subprocess.CalledProcessError as error:
        outcome = f"FAILED: {' '.join(map(str, error.cmd))[-120:]}"
    shutil.rmtree(folder)
    print(f"{version}  {label}: {outcome}", flush=True)
    return f"| {version} | {label} | {size:.0f} | {outcome} |"


def write_rows(rows: Iterable[str]) -> None:
    """Write rows into the table, in the place of earlier ones of the same interpreter and extras."""
    text, _, table = TABLE.read_text().partition("\n| Python")
    merged = {_tried_what(row): row for row in [*table.splitlines()[2:], *rows]}
    head = ["| Python | extras | MB installed | outcome |", "|:--|:--|--:|:--|"]
    TABLE.write_text("\n".join([text, *head, *sorted(merged.values())]) + "\n")


def _tried_what(row: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in row.split("|")[1:3])


def main() -> int:
    """Check what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--extras", nargs="*", choices=USES, help="these alone; unnamed: each, and all together")
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters (default: this one)")
    args = parser.parse_args()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(declared) == set(USES), "an extra without a use here"
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        built = build(work / "dist")
        wrong = [problem for file in built for problem in problems(file)]
        print("\n".join(wrong))
        (wheel,) = (file for file in built if file.suffix == ".whl")
        sets: list[tuple[str, ...]] = [()]
        if args.extras is not None:
            sets += [(extra,) for extra in args.extras or USES] + [tuple(USES)] * (not args.extras)
        rows = [tried(work, wheel, extras, python) for python in args.python for extras in sets]
    if args.extras is not None or len(args.python) > 1:
        write_rows(rows)
    return 1 if wrong or any("FAILED" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
