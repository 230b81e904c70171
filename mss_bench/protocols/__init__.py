"""Scoring protocols: what a published number is of, under a name and a version.

Two papers' "SDR" are often two numbers: of another test set, definition, aggregation or rule for silence. A protocol
names all of it. ``protocols.yaml`` beside this file holds those of publications; a user's file of the same form adds
to them. What a run does with one is in `mss_bench.running.by_protocol`, what its tables show in
`mss_bench.report.protocols`: both read what is declared here.

A *scoring* protocol says how estimates are scored; how listeners rate them is said by a *listening* protocol
(`mss_bench.listening.protocols`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from mss_bench.core.config import ConfigMap, load_yaml
from mss_bench.core.parameters import Parameterized, param
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.stats.choices import AGGREGATIONS

__all__ = ["SHIPPED", "Beside", "Protocol", "get_protocol", "get_protocols", "load_protocols", "other_tracks"]

SHIPPED = Path(__file__).with_name("protocols.yaml")
"""The file that comes with the package."""

_LISTS = "track_lists"


class Beside(Parameterized):
    """Published rows that a number by a protocol may stand beside: all of a board, or those of some definitions."""

    name = "published rows"

    board: str = param(doc="Name of the board: its folder in leaderboards/.")
    test_set: str = param("", doc="Test set, as rows of a literature board have it.")
    metric: str = param("", doc="Metric, likewise.")
    aggregation: tuple[str, ...] = param((), doc="Aggregations, likewise.")


class Protocol(Parameterized):
    """A scoring protocol: everything that decides what a number is.

    Attributes
    ----------
    name : str
        With its version: ``sisec18@1``. A rule that changes makes a new version.
    tracks : tuple of str
        The names of all tracks; empty where the publication does not fix them.
    """

    name: str = ""
    tracks: tuple[str, ...] = ()

    title: str = param(doc="What it is called in words.")
    definition: str = param(doc="What the number is, in a few words.")
    datasets: tuple[str, ...] = param(
        (), doc="Data sets of the catalog that it is of, the usual one first (default: any that has its tracks)."
    )
    subset: str | None = param(None, doc="Subset of the data set.")
    track_list: str = param("", doc="Its tracks: a name in track_lists.")
    shortest: float = param(
        0.0, at_least=0, unit="s", doc="Length that every track of it has at least, well below the shortest: tells "
        "songs from excerpts of the same names.",
    )  # fmt: skip
    targets: tuple[str, ...] = param(doc="Targets, in the order of the tables.")
    groups: dict[str, tuple[str, ...]] = param(
        {}, doc="Targets that are scored together; a target is read from the first group that has it (default: the "
        "data set's group with most stems).",
    )  # fmt: skip
    metrics: tuple[str, ...] = param(doc="Metrics with their presets, as in bss_eval:preset=museval.")
    quantities: tuple[str, ...] = param(doc="Quantities of these metrics that are published, the usual one first.")
    aggregation: str = param(choices=tuple(AGGREGATIONS), doc="How frames and tracks are aggregated.")
    mean: bool = param(True, doc="Whether the mean over the targets is published, too.")
    missing_stems: str = param(
        "error", choices=("leave_out", "silent", "error"), doc="What a song without a stem means."
    )
    fit: tuple[str, ...] = param(
        (), choices=("trim", "pad", "resample", "channels"), doc="What is done to estimates that differ from the song."
    )
    silence: str = param(doc="What becomes of silent frames, references and estimates, in words.")
    length: str = param(doc="What becomes of estimates of another length, in words.")
    channels: str = param(doc="How channels are treated, in words.")
    complete: str = param(doc="What a method needs for a number by this protocol, in words.")
    published: tuple[str, ...] = param(doc="Where such numbers were published.")
    beside: tuple[Beside, ...] = param((), doc="Published rows that a number may stand beside.")

    @classmethod
    def label(cls) -> str:
        """Return what messages call it."""
        return "a protocol"

    def setup(self) -> None:
        for name in ("targets", "metrics", "quantities", "published"):
            if not getattr(self, name):
                self.refuse(name, "at least one")
        lacking = [t for t in self.targets if self.groups and not any(t in group for group in self.groups.values())]
        if lacking:
            self.refuse("targets", f"targets of its groups; {lacking[0]!r} is in none of {', '.join(self.groups)}")

    @property
    def short(self) -> str:
        """Return the name without the version."""
        return self.name.partition("@")[0]


def other_tracks(expected: Collection[str], names: Collection[str]) -> str:
    """Return how the tracks of a table differ from those of a protocol, in words; empty where they do not."""
    there = len({*names} & {*expected})
    beyond = len({*names}) - there
    further = f" and {beyond} other{'s'[: beyond != 1]}" if beyond else ""
    differs = expected and {*names} != {*expected}
    return f"it has {there} of the {len(expected)} tracks{further}" if differs else ""


def load_protocols(files: Iterable[str | Path] = ()) -> dict[str, Protocol]:
    """Return every protocol of the shipped file and of further files, which add to it.

    Raises
    ------
    ConfigError
        With file and line: keys that are unknown, missing or wrong; a name without a version; one that is taken, since
        a name means one thing; a list of tracks that is not there.
    """
    protocols: dict[str, Protocol] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for path in (SHIPPED, *map(Path, files)):
        entries = load_yaml(path)
        if not entries.keys() - {_LISTS}:
            raise ConfigError(f"{path} holds no protocol; expected NAME@1 with its rules, as in {SHIPPED}")
        lists |= _track_lists(entries)
        for name, entry in entries.items():
            if name == _LISTS:
                continue
            if name in protocols:
                entries.fail(f"protocol {name!r} is there already; give another name, or the next version", name)
            protocols[name] = _declared(name, entry, entries, lists)
    return protocols


def _track_lists(entries: ConfigMap) -> dict[str, tuple[str, ...]]:
    lists = entries.get(_LISTS, {})
    if not isinstance(lists, Mapping):
        entries.fail(f"{_LISTS} is {lists!r}, expected a mapping of names to lists of tracks", _LISTS)
    for name, tracks in lists.items():
        if not isinstance(tracks, list) or not tracks or len(set(map(str, tracks))) < len(tracks):
            entries.fail(f"{_LISTS}: {name} is no list of names, each once", _LISTS)
    return {name: tuple(map(str, tracks)) for name, tracks in lists.items()}


def _declared(name: str, entry: Any, entries: ConfigMap, lists: Mapping[str, tuple[str, ...]]) -> Protocol:
    short, _, version = name.partition("@")
    if not (short and version.isdecimal() and int(version) > 0):
        entries.fail(f"protocol {name!r} has no version, which is a whole number from 1; expected NAME@1", name)
    if not isinstance(entry, ConfigMap):
        entries.fail(f"protocol {name!r} is {entry!r}, expected a mapping", name)
    protocol = Protocol.from_mapping(entry, f"protocol {name!r}")
    protocol.name = name
    if protocol.track_list:
        if protocol.track_list not in lists:
            entry.fail(str(UnknownNameError("list of tracks", protocol.track_list, lists)), "track_list")
        protocol.tracks = lists[protocol.track_list]
    return protocol


def get_protocol(name: str, files: Iterable[str | Path] = ()) -> Protocol:
    """Return a protocol by its name; without a version the latest.

    Raises
    ------
    UnknownNameError
        There is no such protocol.
    ConfigError
        There is no such version of it.
    """
    known = load_protocols(files)
    if name in known:
        return known[name]
    short, _, version = name.partition("@")
    versions = {int(each.partition("@")[2]): each for each in known if each.partition("@")[0] == short}
    if not versions:
        raise UnknownNameError("protocol", name, known)
    if version:
        there = ", ".join(versions[number] for number in sorted(versions))
        raise ConfigError(f"protocol {short!r} has no version {version!r}; known: {there}")
    return known[versions[max(versions)]]


def get_protocols(names: Iterable[str], files: Iterable[str | Path] = ()) -> list[Protocol]:
    """Return protocols by their names, each once; ``all`` stands for every one."""
    files = tuple(files)
    chosen: dict[str, Protocol] = {}
    for name in names:
        each = load_protocols(files).values() if name == "all" else [get_protocol(name, files)]
        chosen |= {protocol.name: protocol for protocol in each}
    return list(chosen.values())
