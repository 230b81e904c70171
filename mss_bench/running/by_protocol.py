"""Run by a scoring protocol: spell its options out, refuse what lacks something, say what differs.

A run that differs from its protocol in anything that changes a number goes on, and says in what; its tables do not
carry the name then (`mss_bench.report.protocols`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mss_bench.core import audio
from mss_bench.core.checks import CheckResult
from mss_bench.core.ffmpeg import duration
from mss_bench.core.spec import Spec, build
from mss_bench.core.text import counted, shortened
from mss_bench.core.tracks import TargetGroup, Track
from mss_bench.datasets import Dataset
from mss_bench.errors import AudioError, ConfigError, MssBenchError, UnknownNameError
from mss_bench.metrics import metrics
from mss_bench.protocols import Protocol, get_protocols, other_tracks

if TYPE_CHECKING:
    from mss_bench.running.options import RunOptions
    from mss_bench.running.start import PreparedRun

__all__ = [
    "check_dataset", "check_metrics", "described", "differences", "lacking", "not_served", "notices", "refuse_lacking",
    "with_protocols",
]  # fmt: skip


def with_protocols(options: RunOptions) -> tuple[RunOptions, list[Protocol]]:
    """Return options in which those of their protocols stand in the place of what was left out, and the protocols.

    Metrics that were asked for are scored beside those of the protocols. Of ``all`` protocols those remain that the
    data set serves.

    Raises
    ------
    ConfigError
        Protocols of several data sets, and none was asked for; or the data set serves none.
    """
    protocols = get_protocols(options.protocols, options.protocol_files)
    if "all" in options.protocols:
        dataset = options.open_dataset()
        protocols = [protocol for protocol in protocols if not lacking(protocol, dataset)]
        if not protocols:
            raise ConfigError(f"data set {dataset.name} ({', '.join(dataset.targets)}) serves none of the protocols")
    if not protocols:
        return options, []
    changes: dict[str, Any] = {}
    if options.dataset is None and "all" not in options.protocols:
        changes["dataset"] = _usual_dataset(protocols)
    metrics = [metric for protocol in protocols for metric in protocol.metrics]
    changes["metrics"] = tuple(dict.fromkeys([*metrics, *map(_hashable, options.metrics)]))
    for name in ("missing_stems", "subset", "fit"):
        values = {getattr(protocol, name) for protocol in protocols}
        if not getattr(options, name) and len(values) == 1:
            changes[name] = values.pop()
    own = options.with_values(**changes)
    if options.subset is None and own.subset is not None and own.subset not in own.open_dataset().subsets:
        own = own.with_values(subset=None)  # of another data set than the protocol's
    return own, protocols


def _hashable(metric: Any) -> Any:
    return metric if isinstance(metric, str) else str(Spec.parse(metric))


def _usual_dataset(protocols: Sequence[Protocol]) -> str:
    usual = list(dict.fromkeys(name for protocol in protocols for name in protocol.datasets[:1]))
    if len(usual) == 1:
        return usual[0]
    names = ", ".join(protocol.name for protocol in protocols)
    of = f"of the data sets {', '.join(usual)}" if usual else "of no data set in the catalog"
    raise ConfigError(f"--protocol {names}: {of}; choose one with --dataset")


def check_metrics(protocol: Protocol) -> None:
    """Refuse a protocol whose metrics are not there, or report none of its quantities.

    Raises
    ------
    ConfigError
    """
    try:
        families = [build(metrics, Spec.parse(spec))[0] for spec in protocol.metrics]
    except MssBenchError as error:
        raise ConfigError(f"protocol {protocol.name}: metrics: {error}") from error
    known = [quantity.name for family in families for quantity in family.quantities]
    if unknown := [name for name in protocol.quantities if name not in known]:
        raise ConfigError(
            f"protocol {protocol.name}: quantities: {UnknownNameError('quantity of its metrics', unknown[0], known)}"
        )


def group_of(protocol: Protocol, target: str, dataset: Dataset) -> TargetGroup | None:
    """Return the data set's group in which a protocol scores a target; None where it has none."""
    holding = [group for group in dataset.groups if target in group.targets]
    if protocol.groups:
        members = next(set(group) for group in protocol.groups.values() if target in group)
        return next((group for group in holding if set(group.targets) == members), None)
    return max(holding, key=lambda group: len(group.targets), default=None)


def lacking(protocol: Protocol, dataset: Dataset) -> str:
    """Return what a data set lacks of a protocol's targets and groups, in words; empty where it has them all."""
    absent = [target for target in protocol.targets if target not in dataset.targets]
    if absent:
        return ", ".join(absent)
    lost = [target for target in protocol.targets if group_of(protocol, target, dataset) is None]
    if lost:
        members = next(group for group in protocol.groups.values() if lost[0] in group)
        return f"a group of targets that are {', '.join(members)} and no others"
    return ""


def refuse_lacking(options: RunOptions, protocol: Protocol, dataset: Dataset, tracks: Sequence[Track]) -> None:
    """Refuse a data set that lacks targets of a protocol, or is its own and lacks tracks.

    A part of the tracks that was chosen is no fault: the tables then say that they are not all.

    Raises
    ------
    ConfigError
    """
    if lacks := lacking(protocol, dataset):
        raise ConfigError(f"data set {dataset.name} lacks what protocol {protocol.name} asks for: {lacks}")
    chosen = options.tracks or options.max_tracks or options.without_errata
    # Who asks for every protocol wants to know what a number would be called, whatever data there are.
    own = dataset.name in protocol.datasets and options.subset == protocol.subset and "all" not in options.protocols
    missing = [name for name in protocol.tracks if name not in {track.name for track in tracks}]
    if missing and own and not chosen:
        raise ConfigError(
            f"data set {dataset.name} in {dataset.root} lacks {len(missing)} of the {len(protocol.tracks)} tracks of "
            f"protocol {protocol.name}: {shortened(missing)}; add them, or choose tracks with --tracks or "
            "--max-tracks, whose tables do not carry the name of the protocol"
        )
    incomplete = _incomplete(protocol, tracks)
    by_rule = options.missing_stems in (None, protocol.missing_stems)  # another rule takes the name, and may go on
    if incomplete and not missing and own and by_rule:
        raise ConfigError(
            f"data set {dataset.name} in {dataset.root} lacks files of {len(incomplete)} of the {len(tracks)} tracks "
            f"that protocol {protocol.name} asks for: {shortened(incomplete)}; add them, or choose other tracks with "
            "--tracks, whose tables do not carry the name of the protocol"
        )


def _incomplete(protocol: Protocol, tracks: Sequence[Track]) -> list[str]:
    """Return the tracks of a protocol of which files are not there, each with what it lacks."""
    said = []
    for track in (track for track in tracks if track.name in protocol.tracks):
        named = {"mixture": track.mixture, **track.stems} if track.reader is None else {}
        lost = [name for name, files in named.items() if any(not file.is_file() for file in files)]
        lost += [stem for stem in track.absent if stem not in lost]
        said += [f"{track.name} ({', '.join(lost)})"] if lost else []
    return said


def _too_short(protocol: Protocol, tracks: Sequence[Track]) -> list[str]:
    """Return the tracks that are shorter than any of a protocol's, each with its length; unreadable ones are not."""
    said = []
    for track in tracks if protocol.shortest else ():
        for file in [file for file in track.files() if file.is_file()][:1]:
            try:
                # A container of stems holds several streams, of one length.
                seconds = audio.info(file).seconds if track.reader is None else duration(file)
            except AudioError:
                continue  # it is told where the track is read
            said += [f"{track.name} ({seconds:.3g} s)"] if seconds < protocol.shortest else []
    return said


def _shorter(tracks: Sequence[str]) -> str:
    return f"{counted(len(tracks), 'track')} {'is' if len(tracks) == 1 else 'are'} shorter"


def differences(options: RunOptions, protocol: Protocol, dataset: Dataset, tracks: Sequence[Track]) -> list[str]:
    """Return in what a run differs from a protocol, each in words, but for which tracks it has."""
    subsets = dataset.subset_names(options.subset)
    stemless = any(not files for track in tracks if track.reader is None for files in track.stems.values())
    short = _too_short(protocol, tracks)
    made_alike = [how for how in options.fit if how not in protocol.fit]
    differs = {
        f"the data set is {dataset.name}, not {' or '.join(protocol.datasets)}": (
            protocol.datasets and dataset.name not in protocol.datasets
        ),
        f"the subset is {', '.join(subsets) or 'none'}, not {protocol.subset}": (
            protocol.subset and subsets != [protocol.subset]
        ),
        f"{_shorter(short)} than {protocol.shortest:g} s, as no song of the protocol is: {shortened(short)}": short,
        f"only the first {options.duration} s of each track are scored": options.duration is not None,
        f"stems that a song lacks: {dataset.missing_stems}, not {protocol.missing_stems}": (
            stemless and dataset.missing_stems != protocol.missing_stems
        ),
        f"files are made alike: {', '.join(made_alike)}": made_alike,
        f"perturbed: {', '.join(map(str, options.perturbations))}": options.perturbations,
    }
    return [text for text, holds in differs.items() if holds]


def not_served(options: RunOptions, dataset: Dataset) -> dict[Protocol, str]:
    """Return the protocols that a data set does not serve, with what it lacks of what they ask for."""
    every = get_protocols(["all"], options.protocol_files)
    return {protocol: lacks for protocol in every if (lacks := lacking(protocol, dataset))}


def notices(options: RunOptions, protocols: Sequence[Protocol], dataset: Dataset, tracks: Sequence[Track]) -> list[str]:
    """Return what is to be known before a run of the protocols whose name no number of it will carry.

    Where all protocols are asked for, only the tracks that there are: in what else a run differs stands in the table
    that it ends with.
    """
    names = [track.name for track in tracks]
    differs = {}
    for protocol in protocols:
        others = other_tracks(protocol.tracks, names)
        differs[protocol] = [*differences(options, protocol, dataset, tracks), *([others] if others else [])]
    if "all" not in options.protocols:
        return [
            f"not by {protocol.name}, whose name the tables do not carry: {'; '.join(said)}"
            for protocol, said in differs.items()
            if said
        ]
    counts = [
        f"{p.name} ({len({*names} & {*p.tracks})} of its {len(p.tracks)} tracks)" if p.tracks else p.name
        for p, said in differs.items()
        if said
    ]
    without = [
        f"{protocol.name} is left out: the data lack {what}" for protocol, what in not_served(options, dataset).items()
    ]
    nameless = f"no number will carry the name of {', '.join(counts)}; the table at the end says why"
    return [*([nameless] if counts else []), *without]


def described(prepared: PreparedRun) -> list[dict[str, Any]]:
    """Return what ``run.json`` says of the protocols of a run: rules, quantities with presets, and what differs."""
    entries = []
    tracks = list({cell.track.id: cell.track for cell in prepared.plan.cells}.values())
    for protocol in prepared.protocols:
        chosen = [build(metrics, Spec.parse(spec))[0] for spec in protocol.metrics]
        presets = {quantity.name: metric.preset for metric in chosen for quantity in metric.quantities}
        groups = {target: group_of(protocol, target, prepared.dataset) for target in protocol.targets}
        entries.append({
            "name": protocol.name, "title": protocol.title, "definition": protocol.definition,
            "aggregation": protocol.aggregation, "mean": protocol.mean, "complete": protocol.complete,
            "tracks": list(protocol.tracks), "published": list(protocol.published),
            "beside": [rows.values() for rows in protocol.beside],
            "targets": {target: group.name for target, group in groups.items() if group},
            "quantities": {name: presets[name] for name in protocol.quantities},
            # Which tracks there are is read from the tables: later commands may add some.
            "differs": differences(prepared.options, protocol, prepared.dataset, tracks),
        })  # fmt: skip
    return entries


def check_dataset(protocol: Protocol, dataset: Dataset) -> list[CheckResult]:
    """Return whether a data set has what a protocol asks for, point by point."""
    try:
        check_metrics(protocol)
        results = [CheckResult("metrics", True, ", ".join(protocol.metrics))]
    except ConfigError as error:
        results = [CheckResult("metrics", False, str(error))]
    if protocol.datasets:
        known = dataset.name in protocol.datasets
        detail = "" if known else f"{dataset.name}, expected {' or '.join(protocol.datasets)}"
        results.append(CheckResult("data set", known, detail))
    lacks = lacking(protocol, dataset)
    results.append(CheckResult("targets", not lacks, f"lacks {lacks}" if lacks else ", ".join(protocol.targets)))
    if protocol.subset and protocol.subset not in dataset.subsets:
        others = f"there are {', '.join(dataset.subsets)}" if dataset.subsets else "the data set has none"
        return [*results, CheckResult("subset", False, f"no subset {protocol.subset!r}; {others}")]
    try:
        tracks = dataset.tracks(protocol.subset)
    except MssBenchError as error:
        return [*results, CheckResult("tracks", False, str(error))]
    names = [track.name for track in tracks]
    missing = [name for name in protocol.tracks if name not in names]
    further = [name for name in names if name not in protocol.tracks] if protocol.tracks else []
    said = [f"lacks {shortened(missing)}"] * bool(missing) + [f"also has {shortened(further)}"] * bool(further)
    count = f"{len(protocol.tracks) - len(missing)} of {len(protocol.tracks)}" if protocol.tracks else f"{len(names)}"
    results.append(CheckResult("tracks", not said, "; ".join([count, *said])))
    if protocol.tracks:
        incomplete = _incomplete(protocol, tracks)
        results.append(CheckResult("files", not incomplete, f"lacks {shortened(incomplete)}" if incomplete else ""))
    if protocol.shortest:
        short, least = _too_short(protocol, tracks), f"{protocol.shortest:g} s"
        detail = f"{_shorter(short)} than {least}: {shortened(short)}" if short else f"{least} or longer"
        results.append(CheckResult("lengths", not short, detail))
    return results
