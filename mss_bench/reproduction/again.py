"""Compute a bundle's numbers again and compare: from its recipe, or from estimates that somebody has."""

from __future__ import annotations

import copy
import hashlib
import random
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mss_bench.core.config import load_yaml
from mss_bench.core.spec import Spec
from mss_bench.core.text import harmless
from mss_bench.errors import ConfigError, MssBenchError, RunError
from mss_bench.leaderboards.add import entries_of_run
from mss_bench.leaderboards.board import Board, Entry
from mss_bench.leaderboards.bundle import Bundle
from mss_bench.leaderboards.verify import agreeing
from mss_bench.reproduction.recipe import FILES, paths_of
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "Request", "computed_again", "reproduce", "scored_again"]

COLUMNS = ("method", "track", "target", "metric", "was", "now", "difference", "same")
"""Columns of the comparison: a row a value of a song."""

TOLERANCE = 1e-2
"""Greatest difference by default, in the metric's unit: on another processor sums are rounded otherwise."""

_RUNS_CODE = ("command", "external")  # separators that start a program of the submitter's choice


@dataclass(frozen=True)
class Request:
    """What of a bundle is computed again, and with what.

    Parameters
    ----------
    dataset : str
        In the place of the recipe's; empty for that.
    root : Path or None
    catalogs : tuple of Path
    weights : Path or None
        Folder of the weights that the bundle names by their checksums.
    sample : int
        Songs, drawn by `seed`; 0 for all.
    trust : bool
        Whether code of the bundle may be executed: plugins, commands.
    out : Path or None
        Run folder that is kept.
    jobs : int or None
    """

    dataset: str = ""
    root: Path | None = None
    catalogs: tuple[Path, ...] = ()
    weights: Path | None = None
    sample: int = 0
    seed: int = 0
    trust: bool = False
    out: Path | None = None
    jobs: int | None = None
    tolerance: float = TOLERANCE


def reproduce(bundle: Bundle, board: Board, entries: Sequence[Entry], request: Request) -> pd.DataFrame:
    """Run a bundle's recipe and compare each value of a song.

    Parameters
    ----------
    bundle : Bundle
    board : Board
        Whose metrics and songs count.
    entries : sequence of Entry
        What the bundle says.
    request : Request

    Returns
    -------
    DataFrame
        Columns of `COLUMNS`.

    Raises
    ------
    MssBenchError
        There is no recipe, it would execute code, or data or weights are not here.
    """
    if "recipe.yaml" not in bundle.files:
        raise ConfigError(
            f"{bundle.path} has no recipe: its numbers are a table's; with the estimates at hand, score them again: "
            "mss-bench leaderboard check --estimates DIR --dataset NAME"
        )
    with bundle.unpacked() as folder:
        options = _options(bundle, folder, request)
        return computed_again(options, board, entries, request)


def scored_again(
    bundle: Bundle, board: Board, entry: Entry, estimates: Path, request: Request
) -> pd.DataFrame:  # fmt: skip
    """Score estimates of an entry's songs again and compare.

    Parameters
    ----------
    bundle : Bundle
    board : Board
    entry : Entry
    estimates : Path
        Folder of the method's estimates.
    request : Request
        Names the data set.

    Raises
    ------
    MssBenchError
        The data set or the estimates are not here, or the board's metrics cannot be computed.
    """
    if not request.dataset:
        raise ConfigError("--estimates needs the references: name the data set with --dataset, and --root")
    written = bundle.run.get("options", {})
    metrics = written.get("metrics") or [metric_of(board)]
    spec = {"name": "estimates", "dir": str(estimates.resolve()), "as": entry.method}
    options = RunOptions(
        dataset=request.dataset, root=request.root, catalogs=request.catalogs, separators=[spec], metrics=metrics,
        subset=board.subset or None, jobs=request.jobs, out=request.out, seed=int(written.get("seed") or 0),
        fit=tuple(written.get("fit") or ()),
    )  # fmt: skip
    return computed_again(options, board, [entry], request, _paired(options, estimates))


def computed_again(
    options: RunOptions, board: Board, entries: Sequence[Entry], request: Request, songs: Sequence[str] | None = None
) -> pd.DataFrame:
    """Run, and return the values of entries then and now.

    Parameters
    ----------
    options : RunOptions
    board : Board
    entries : sequence of Entry
    request : Request
    songs : sequence of str, optional
        Those that can be computed (default: all of the board that the data set has).
    """
    import pandas as pd

    from mss_bench.api import load
    from mss_bench.running.start import prepare, start

    dataset = options.open_dataset()
    there = [track.name for track in dataset.tracks(options.subset, options.tracks, options.max_tracks)]
    known = [name for name in there if name in board.tracks and (songs is None or name in songs)]
    if not known:
        raise RunError(f"data set {dataset.name} has none of the board's songs, e.g. {board.tracks[0]!r}")
    if request.sample:
        drawn = random.Random(request.seed).sample(known, min(request.sample, len(known)))
        known = [name for name in known if name in drawn]
    with ExitStack() as stack:
        out = request.out or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "run"
        prepared = prepare(options.with_values(out=out, tracks=tuple(known), max_tracks=None))
        if start(prepared, quiet=True).interrupted:
            raise KeyboardInterrupt
        results = load(out)
        own = copy.copy(board)
        # Of some of the songs, and perhaps under another name of the data set: the numbers say whether it is the same.
        own.revision, own.dataset = "", str(results.run["dataset"]["name"])
        own.subset = str(results.tracks["subset"].iloc[0])
        made = {entry.method: entry.table for entry in entries_of_run(own, results.tracks, results.run)}
        failures = results.failures
    parts = []
    for entry in entries:
        if entry.method not in made:
            reason = f": {failures['reason'].iloc[0]}" if len(failures) else ""
            raise RunError(f"nothing of {entry.method!r} could be computed again{reason}")
        parts.append(_compared(entry, made[entry.method], known, request.tolerance))
    return pd.concat(parts, ignore_index=True)


def metric_of(board: Board) -> str:
    """Return the metric whose quantities and convention a board has, as a run takes it.

    Raises
    ------
    ConfigError
        There is none.
    """
    from mss_bench.core.spec import build
    from mss_bench.metrics import metrics

    family = metrics.canonical(board.rank_metric)
    if family in metrics:
        cls = metrics.load(family)
        for text in (family, *(f"{family}:preset={name}" for name in cls.presets)):
            if build(metrics, Spec.parse(text))[0].preset == board.preset:
                return text
    raise ConfigError(f"the board's {board.rank_metric} is of {board.preset!r}, which no metric here computes")


def _options(bundle: Bundle, folder: Path, request: Request) -> RunOptions:
    """Return the options of a recipe, with what is here in the place of what it names."""
    written = load_yaml(folder / "recipe.yaml")
    options = RunOptions.from_mapping(written, "a recipe")
    specs = [Spec.parse(each) for each in options.separators]
    runs_code = [f"plugin {path}" for path in options.plugins]
    runs_code += [f"separator {spec.name}" for spec in specs if spec.name in _RUNS_CODE]
    if runs_code and not request.trust:
        raise ConfigError(
            f"{bundle.path} would execute code of its own here ({harmless(', '.join(map(str, runs_code)))}); read it, "
            "then give --trust"
        )
    _fetch_weights(bundle, folder, request.weights)
    inside = {name: tuple(_inside(bundle, folder, str(path)) for path in getattr(options, name)) for name in FILES}
    if runs_code:
        from mss_bench.separators import separators

        for plugin in inside["plugins"]:
            separators.add_file(plugin)
    changes: dict[str, Any] = dict(inside)
    changes["catalogs"] = (*inside["catalogs"], *request.catalogs)
    changes["separators"] = [_here(bundle, folder, spec) for spec in specs]
    if request.dataset:
        changes["dataset"] = request.dataset
    return options.with_values(**changes, root=request.root, jobs=request.jobs, out=None)


def _here(bundle: Bundle, folder: Path, spec: Spec) -> Any:
    """Return a separator of a recipe with its files in the unpacked bundle."""
    if spec.name == "estimates":
        raise ConfigError(
            f"{bundle.path}: the numbers of {spec.alias or spec.name} are of finished estimates; score these again: "
            "mss-bench leaderboard check --estimates DIR --dataset NAME"
        )
    placed = {
        name: str(_inside(bundle, folder, str(spec.params[name])))
        for name in paths_of(spec)
        if name not in ("command", "python")
    }
    return Spec(spec.name, spec.params | placed, spec.alias, spec.replicate).plain()


def _inside(bundle: Bundle, folder: Path, name: str) -> Path:
    """Return a file that a recipe names, which must be one of the bundle's."""
    plain = PurePosixPath(name)
    if plain.is_absolute() or ".." in plain.parts or not (folder / plain).is_file():
        raise ConfigError(f"{bundle.path}: recipe.yaml names {harmless(name)!r}, which is not in the bundle")
    return folder / plain


def _fetch_weights(bundle: Bundle, folder: Path, weights: Path | None) -> None:
    """Put the weights where the recipe looks for them; refuse what is missing or other."""
    for name, checksum in dict(bundle.facts.get("weights") or {}).items():
        place = PurePosixPath(str(name))
        if place.is_absolute() or ".." in place.parts or place.parts[:1] != ("method",):
            raise ConfigError(f"{bundle.path}: weights {harmless(str(name))!r} leave the bundle")
        file = weights / place.name if weights is not None else None
        if file is None or not file.is_file():
            where = f"{weights} has no such file" if weights else "name the folder that has it with --weights"
            raise RunError(f"{bundle.path} needs the weights {place.name} (SHA-256 {str(checksum)[:12]}...); {where}")
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != checksum:
            raise RunError(f"{file} are other weights: SHA-256 {found[:12]}..., expected {str(checksum)[:12]}...")
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).symlink_to(file.resolve())


def _paired(options: RunOptions, estimates: Path) -> list[str]:
    """Return the songs that estimates are there of."""
    from mss_bench.separators.estimates import Estimates

    dataset = options.open_dataset()
    tracks = dataset.tracks(options.subset)
    pairing = Estimates(dir=str(estimates), fit=options.fit).pairing(
        [track.id for track in tracks], dataset.targets, tuple(dataset.every_track(tracks))
    )
    try:
        pairing.check()
    except MssBenchError as error:
        raise RunError(f"{estimates}: {error}") from error
    absent = {track.name for track in pairing.unpaired_tracks}
    return [track.name for track in tracks if track.name not in absent]


def _compared(entry: Entry, now: pd.DataFrame, songs: Sequence[str], tolerance: float) -> pd.DataFrame:
    """Return an entry's values beside new ones; what is there only once is not the same."""
    keys = ["track", "target", "metric"]
    was = entry.table[entry.table["track"].isin(songs)].drop_duplicates(keys)
    both = was[[*keys, "value"]].merge(now[[*keys, "value"]], on=keys, how="left", suffixes=("_was", "_now"))
    before, after = both["value_was"].to_numpy(float), both["value_now"].to_numpy(float)
    table = both[keys].assign(method=entry.method, was=before, now=after, difference=after - before)
    return table.assign(same=agreeing(before, after, tolerance))[[*COLUMNS]]
