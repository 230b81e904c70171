"""``mss-bench metrics``."""

from __future__ import annotations

import argparse
import inspect
import shutil
import sys
import textwrap
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.cli.arguments import add_plugins, positive_int, positive_number

if TYPE_CHECKING:
    from mss_bench.compat.compare import Material
    from mss_bench.metrics import Metric

__all__ = ["configure", "execute"]

_LIST_HEAD = ("name", "reports", "what it is")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_plugins(actions.add_parser("list", help="every metric, with what it reports"))
    show = actions.add_parser("show", help="one metric: definition, range, cost, what it reacts to, caution")
    show.add_argument("name", metavar="NAME")
    add_plugins(show)
    compare = actions.add_parser("compare", help="our numbers beside those of every other implementation installed")
    compare.add_argument("--references", metavar="DIR", help="<track>/<stem>.wav or <stem>.wav (default: demo songs)")
    compare.add_argument("--estimates", metavar="DIR", help="estimates of these references, laid out alike")
    compare.add_argument(
        "-s",
        "--separator",
        metavar="SPEC",
        default="irm",
        help="what makes estimates where none are given (default: irm)",
    )
    compare.add_argument("--max-tracks", type=positive_int, metavar="N", default=1, help="only N tracks (default: 1)")
    compare.add_argument(
        "--duration", type=positive_number, metavar="S", default=6.0, help="seconds of each track (default: 6; others "
        "are slow)"
    )  # fmt: skip
    compare.add_argument(
        "--tool", dest="tools", action="append", metavar="NAME",
        help="museval, mir_eval, fast_bss_eval, torchmetrics or auraloss; repeatable (default: all that are installed)",
    )  # fmt: skip
    compare.add_argument("-o", "--out", metavar="FILE.md", help="write the report there, too")
    add_plugins(compare)


def execute(args: argparse.Namespace) -> int:
    """List, show or compare."""
    from mss_bench.core.parameters import parameters
    from mss_bench.core.spec import format_params
    from mss_bench.metrics import metrics
    from mss_bench.metrics.cards import card_lines, range_text
    from mss_bench.metrics.presets import PRESETS

    for plugin in args.plugins:
        metrics.add_file(plugin)
    if args.action == "list":
        _list(metrics.load_all())
        return 0
    if args.action == "compare":
        return _compare(args)
    cls = metrics.load(args.name)
    print(f"{args.name} (version {cls.version})")
    for q in cls.quantities:
        better = "higher is better" if q.higher_is_better else "lower is better"
        print(f"  {q.name} [{q.unit or 'no unit'}, {better}, {range_text(q)}]: {q.definition}")
    presets = PRESETS.get(args.name, {})
    found = {k: p.default for k, p in parameters(cls).items() if not (presets and p.default is None)}
    if found:
        print("  parameters (name=default): " + format_params(found))
    for preset, values in presets.items():
        print(f"  preset={preset}: {format_params(values)}" + " (default)" * (preset == next(iter(presets))))
    print(f"  {cls.citation}")
    width = max(60, min(120, shutil.get_terminal_size((100, 24)).columns))
    for line in card_lines(args.name, cls):
        print(textwrap.fill(line, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))
    print()
    print(inspect.getdoc(cls))
    return 0


def _list(classes: Mapping[str, type[Metric]]) -> None:
    """A line for each metric, no wider than the terminal."""
    from mss_bench.core.text import columns

    reported = {name: textwrap.wrap(", ".join(q.name for q in cls.quantities), 32) for name, cls in classes.items()}
    room = max(80, min(120, shutil.get_terminal_size((100, 24)).columns))
    room -= max(map(len, reported)) + max(len(line) for lines in reported.values() for line in lines) + 4
    rows = []
    for name, cls in classes.items():
        summary = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("``", "")
        lines = zip_longest([name], reported[name], textwrap.wrap(summary, room), fillvalue="")
        rows += [tuple(line) for line in lines]
    print(columns(rows, _LIST_HEAD))
    print("\nDefinitions, parameters, presets and references: mss-bench metrics show NAME")


def _compare(args: argparse.Namespace) -> int:
    from mss_bench.compat.compare import HEAD, compare, render, rows
    from mss_bench.compat.comparisons import TOOLS, installed
    from mss_bench.core.files import write_atomic
    from mss_bench.core.text import columns

    tools = args.tools or list(TOOLS)
    versions, missing = installed(tools)
    material = _material(args)
    found = compare(material, tools, say=lambda text: print(text, file=sys.stderr))
    print(columns(rows(found), HEAD))
    for tool, why in missing.items():
        print(f"not compared: {tool} ({why})")
    if args.out:
        write_atomic(Path(args.out), render(found, material, tools))
    return 0 if versions else 1


def _material(args: argparse.Namespace) -> list[Material]:
    """Tracks of a folder or of the demo, with estimates from a folder or from a separator."""
    import numpy as np

    from mss_bench.compat.compare import Material
    from mss_bench.core.spec import Spec, build
    from mss_bench.datasets.catalog import get
    from mss_bench.datasets.folder import from_references
    from mss_bench.errors import ConfigError
    from mss_bench.separators import separators

    if args.estimates and not args.references:
        raise ConfigError("--estimates was given without --references; name the folder of their references, too")
    dataset = from_references(args.references) if args.references else get("demo")
    spec = Spec("estimates", {"dir": args.estimates}) if args.estimates else Spec.parse(args.separator)
    separator, _, _ = build(separators, spec)
    tracks = dataset.tracks(max_tracks=args.max_tracks, duration=args.duration)
    separator.tracks = tuple(track.id for track in tracks)
    separator.load()
    found = []
    for track in tracks:
        separator.track, separator.duration = track.id, track.duration
        audio = track.load()
        known = audio.references if separator.needs_references else None
        estimates = separator.separate(
            audio.mixture, audio.sample_rate, targets=dataset.targets, rng=np.random.default_rng(0), references=known
        )
        references = {stem: audio.references[stem] for stem in dataset.targets.stems}
        chosen = {stem: estimates[stem] for stem in references if stem in estimates}
        found.append(Material(track.name, references, chosen, audio.sample_rate, str(args.estimates or spec)))
    separator.close()
    return found
