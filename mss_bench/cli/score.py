"""``mss-bench score``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.cli.arguments import add_dataset, add_execution, add_plugins, metric_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mss_bench.core.tracks import Track
    from mss_bench.datasets.catalog import Dataset
    from mss_bench.running.options import RunOptions
    from mss_bench.separators.estimates import Estimates

__all__ = ["configure", "execute"]

_EXAMPLES = """
examples:
  mss-bench score my_estimates --dataset musdb18hq --root DIR
  mss-bench score separated/htdemucs --references DIR --name HTDemucs
  mss-bench score stems --references DIR --pattern "{track}_{target}.wav" --museval-json out
"""

_DOCTOR_SECONDS = 60.0  # a fault that lasts shows itself within the first minute


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument("estimates", metavar="ESTIMATES", help="folder of the estimates")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--dataset", metavar="NAME", help="the data set that was separated")
    where.add_argument("--references", metavar="DIR", help="folder of references: <track>/<stem>.wav, or <stem>.wav")
    parser.add_argument("--pattern", help='how paths name tracks and targets, e.g. "{track}/{target}.wav"')
    parser.add_argument("--name", help="what the tables call the method (default: the folder's name)")
    parser.add_argument("--partial", action="store_true", help="leave out tracks that have no estimate")
    parser.add_argument("--no-doctor", action="store_true", help="do not look for lag, polarity, gain, swapped stems")
    parser.add_argument("--museval-json", metavar="DIR", help="also write museval's JSON, one file a track")
    add_dataset(parser)
    add_execution(parser)
    add_plugins(parser)


def execute(args: argparse.Namespace) -> int:
    """Pair, examine, score."""
    from mss_bench.cli.run import finish
    from mss_bench.errors import ConfigError
    from mss_bench.running.start import prepare
    from mss_bench.separators.estimates import Estimates

    folder = Path(args.estimates)
    name = args.name or folder.resolve().name.replace(":", "_").strip(". ") or "estimates"
    if args.museval_json and args.metrics and "bss_eval" not in " ".join(args.metrics):
        raise ConfigError("--museval-json holds BSS Eval scores; add bss_eval to --metrics")
    dataset, tracks = _references(args)
    separator = Estimates(dir=str(folder), pattern=args.pattern)
    pairing = separator.pairing([t.id for t in tracks], dataset.targets, tuple(t.id for t in _all_tracks(dataset)))
    pairing.check()
    if not args.quiet:
        print(pairing.table() + "\n")
    absent = {t.name for t in pairing.unpaired_tracks}
    if absent and not args.partial:
        raise ConfigError(
            f"{len(absent)} of {len(tracks)} tracks have no estimate ({', '.join(sorted(absent)[:5])}"
            f"{', ...' if len(absent) > 5 else ''}); add them, choose tracks with --tracks or --max-tracks, or pass "
            "--partial to score the others alone"
        )
    tracks = [t for t in tracks if t.name not in absent]
    if not args.no_doctor:
        _examine(separator, tracks, dataset)
    prepared = prepare(_options(args, dataset, name, [t.name for t in tracks]))
    status = finish(prepared, quiet=args.quiet)
    if args.museval_json:
        _write_museval(prepared.folder, name, Path(args.museval_json))
    return status


def _options(args: argparse.Namespace, dataset: Dataset, name: str, tracks: list[str]) -> RunOptions:
    """The run that scores these tracks' estimates under a name."""
    from mss_bench.running.options import RunOptions

    spec = {"name": "estimates", "dir": str(Path(args.estimates).resolve()), "as": name}
    same = (
        "subset", "duration", "jobs", "timeout", "seed", "save_estimates", "media", "rehash", "memory_limit",
        "retries", "fail_fast",
    )  # fmt: skip
    return RunOptions(
        dataset={"name": "references", "dir": str(dataset.root)} if args.references else args.dataset,
        root=args.root,
        catalogs=tuple(args.catalogs or ()),
        separators=(spec | ({"pattern": args.pattern} if args.pattern else {}),),
        metrics=tuple(metric_list(args.metrics) or ()),
        tracks=tuple(tracks),
        out=args.out or Path("runs") / f"{dataset.name}-{name}",
        plugins=tuple(args.plugins),
        **{key: getattr(args, key) for key in same if getattr(args, key) is not None},
    )


def _references(args: argparse.Namespace) -> tuple[Dataset, list[Track]]:
    from mss_bench.core.spec import Spec
    from mss_bench.datasets.catalog import get
    from mss_bench.datasets.references import from_references

    if args.references:
        dataset = from_references(args.references)
    else:
        spec = Spec.parse(args.dataset)
        dataset = get(spec.name, args.catalogs or (), args.root, **spec.params)
    return dataset, dataset.tracks(args.subset, args.tracks, args.max_tracks, args.duration)


def _all_tracks(dataset: Dataset) -> list[Track]:
    """Every track of the subsets that are there: an estimate of one that is not asked for is no stray file."""
    subsets: list[str | None] = [s for s in dataset.subsets if dataset.root is None or dataset.folder(s).is_dir()]
    return [t for s in subsets or [None] for t in dataset.tracks(s)]


def _examine(separator: Estimates, tracks: Sequence[Track], dataset: Dataset) -> None:
    """Print what the estimate doctor finds; a file that cannot be read is left to the run, whose cell says so."""
    import numpy as np

    from mss_bench.errors import MssBenchError
    from mss_bench.separators.estimates.doctor import examine

    found = []
    for track in tracks:
        part = track.excerpt(min(_DOCTOR_SECONDS, track.duration or _DOCTOR_SECONDS))
        separator.track, separator.duration = part.id, part.duration
        try:
            audio = part.load()
            estimates = separator.separate(
                audio.mixture, audio.sample_rate, targets=dataset.targets, rng=np.random.default_rng(0)
            )
        except MssBenchError as error:
            print(f"warning: {error}", file=sys.stderr)
            continue
        if len({e.shape for e in estimates.values()}) == 1:
            estimates = dataset.targets.resolve(estimates)
        references = {
            target: sum((audio.references[s] for s in parts[1:]), audio.references[parts[0]])
            for target, parts in dataset.targets.items()
        }
        found += examine(estimates, references, audio.mixture, audio.sample_rate, track.name)
    for finding in found:
        print(finding, file=sys.stderr)
    if any(f.severity == "error" for f in found):
        print("The scores of these estimates say little before that is mended.\n", file=sys.stderr)


def _write_museval(run: Path, name: str, out: Path) -> None:
    from mss_bench.api import load
    from mss_bench.compat.museval_json import export_run

    frames = load(run).frames
    written = export_run(frames[frames.separator == name], out)
    print(f"{len(written)} museval JSON files in {out}")
