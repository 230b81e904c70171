"""``mss-bench score``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.cli.options import Parser, Shared, add_options, parsed
from mss_bench.cli.run import add_run_options, finish, print_families
from mss_bench.core.parameters import Parameterized, param
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.running.start import PreparedRun

__all__ = ["configure", "execute"]

_EXAMPLES = """
examples:
  mss-bench score my_estimates --dataset musdb18hq --root DIR
  mss-bench score separated/htdemucs --references DIR --name HTDemucs
  mss-bench score separated/htdemucs_6s --dataset musdb18hq --map "other=guitar+piano+other"
  mss-bench score separated/htdemucs --dataset musdb18hq --root DIR --protocol all
  mss-bench score stems --references DIR --pattern "{track}_{target}.wav" --museval-json out
"""

_ELSEWHERE = {
    "--perturb": "the estimates were made of the mixtures as they are; mss-bench run --perturb SPEC -s SEPARATOR "
    "separates and scores changed ones, programs and commands, too (mss-bench separators list)",
}


class Command(Parameterized):
    """Options of the verb itself, beside those of the run that scores."""

    estimates: Path = param(flag="ESTIMATES", metavar="ESTIMATES", doc="Folder of the estimates.")
    references: Path | None = param(
        None,
        metavar="DIR",
        doc="Folder of references, <track>/<stem>.wav or <stem>.wav, instead of a data set (required: this or "
        "--dataset).",
    )
    pattern: str = param(
        "", doc='How paths name tracks and targets, e.g. "{track}/{target}.wav" (default: recognised).'
    )
    name: str = param("", doc="Name of the estimates in tables (default: the folder's name).")
    partial: bool = param(False, doc="Leave out tracks that have no estimate.")
    museval_json: Path | None = param(
        None, metavar="DIR", doc="Also write museval's JSON there, one file a track (default: none)."
    )

    def setup(self) -> None:
        self.name = self.name or self.estimates.resolve().name.replace(":", "_").strip(". ") or "estimates"


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.epilog = _EXAMPLES
    parser.elsewhere = _ELSEWHERE
    add_options(parser, Command, ["estimates"])
    where = parser.add_mutually_exclusive_group(required=True)
    add_options(
        where,
        RunOptions,
        ["dataset"],
        dataset={"doc": "Data set that was separated (required: this or --references)."},
    )
    add_options(where, Command, ["references"])
    out = {"doc": "Run folder (default: runs/<data set>-<name>)."}
    add_options(parser, RunOptions, ["protocols", "map", "fit", "metrics", "out"], out=out)
    add_options(parser, Command, ["pattern", "name", "partial", "museval_json"])
    add_options(parser, Shared, ["quiet"])
    add_run_options(parser)


def execute(args: argparse.Namespace) -> int:
    """Pair the files, examine the estimates and score them."""
    from mss_bench.errors import ConfigError
    from mss_bench.leaderboards.beside import boards_folder, is_here
    from mss_bench.leaderboards.board import read_board
    from mss_bench.running.by_protocol import refuse_lacking, with_protocols
    from mss_bench.running.start import prepare
    from mss_bench.separators.estimates import Estimates

    command = parsed(args, Command)
    options = parsed(args, RunOptions)
    if command.references:
        options = options.with_values(dataset={"name": "references", "dir": str(command.references.absolute())})
    every = "all" in options.protocols
    options, protocols = with_protocols(options)
    for rows in (rows for protocol in protocols if every for rows in protocol.beside if is_here(rows)):
        read_board(boards_folder() / rows.board)  # what cannot be read is told before anything is scored
    if command.museval_json and "bss_eval" not in {spec.name for spec in options.metric_specs()}:
        raise ConfigError("--museval-json holds BSS Eval scores; add bss_eval to --metrics")
    quiet = "quiet" in args
    dataset = options.open_dataset()
    tracks = dataset.tracks(
        options.subset, options.tracks, options.max_tracks, options.duration, without_errata=options.without_errata
    )
    for protocol in protocols:
        refuse_lacking(options, protocol, dataset, tracks)  # while it is known which tracks were chosen
    options.map.check_targets(dataset.targets)
    separator = Estimates(dir=str(command.estimates), pattern=command.pattern or None, map=options.map, fit=options.fit)
    pairing = separator.pairing([t.id for t in tracks], dataset.targets, tuple(dataset.every_track(tracks)))
    pairing.check()
    options.map.check_delivered(pairing.delivered, dataset.targets.stems)
    if not quiet:
        print(pairing.table() + (f"\nmap: {options.map}" if str(options.map) else "") + "\n")
    absent = {t.name for t in pairing.unpaired_tracks}
    if absent and not command.partial:
        raise ConfigError(
            f"{len(absent)} of {len(tracks)} tracks have no estimate ({', '.join(sorted(absent)[:5])}"
            f"{', ...' if len(absent) > 5 else ''}); add them, choose tracks with --tracks or --max-tracks, or pass "
            "--partial to score the others alone"
        )
    tracks = [t for t in tracks if t.name not in absent]
    spec: dict[str, Any] = {"name": "estimates", "dir": str(command.estimates.resolve()), "as": command.name}
    if command.pattern:
        spec["pattern"] = command.pattern
    prepared = prepare(
        options.with_values(
            separators=[spec],
            tracks=[t.name for t in tracks],
            max_tracks=None,
            out=options.out or Path("runs") / f"{dataset.name}-{command.name}",
        )
    )
    _check_scored(prepared, command.name)
    _tell_replaced(prepared, command.name)
    print_families(args)
    status = finish(prepared, quiet=quiet)
    if command.museval_json:
        _write_museval(prepared.folder, command.name, command.museval_json)
    return status


def _check_scored(prepared: PreparedRun, name: str) -> None:
    """Refuse a run that would score the floor alone."""
    from mss_bench.errors import ConfigError

    reasons = [cell.skip for cell in prepared.plan.cells if cell.separator == name]
    if reasons and all(reasons):
        raise ConfigError(f"{name}: {reasons[0]}; nothing would be scored; --map says what names mean (TARGET=NAME)")


def _tell_replaced(prepared: PreparedRun, name: str) -> None:
    """Say that a run has scores of other estimates under the same name, which these replace."""
    from mss_bench.core.streams import tell
    from mss_bench.running.record import label_of
    from mss_bench.running.store import read_plan

    if not (prepared.folder / "plan.json").is_file():
        return
    own = {cell.track.name: cell.estimate_key for cell in prepared.plan.cells if cell.separator == name}
    before = [c for c in read_plan(prepared.folder)["cells"] if label_of(c) == name]
    if any(own.get(c["track"]["name"], c["estimate_key"]) != c["estimate_key"] for c in before):
        tell(
            f"note: {prepared.folder} had {name!r} of other estimates, or of these before they changed; these take "
            "their place, and --name gives them a row of their own"
        )


def _write_museval(run: Path, name: str, out: Path) -> None:
    from mss_bench.api import load
    from mss_bench.compat.museval_json import export_run

    frames = load(run).frames
    written = export_run(frames[frames.separator == name], out)
    print(f"{len(written)} museval JSON files in {out}")
