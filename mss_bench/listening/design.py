"""The design of a test: one YAML file.

.. code-block:: yaml

    name: demo_vocals             # names the pack
    protocol: mushra              # mushra, peass, two_attributes, remix, preference, abx, acr, dcr
    run: runs/demo                # the finished run that the systems come from
    target: vocals
    systems: [repet_sim, hpss_vocals, irm]      # labels as in the run's tables; default: all that deliver the target
    excerpts:
      count: 6                    # items
      seconds: 8
      rule: active                # all sources active, or: disagree (metrics disagree most), given
      given: {"Song A": 31.5}     # start in seconds, for rule: given
    anchors: [lowpass_3500]       # default: those of the protocol's tasks
    remix_db: [6, -6]             # gains of the target, for protocol: remix
    loudness:
      lufs: -24                   # of every reference
      mode: match                 # match: each signal to its reference's loudness; preserve: the reference's gain
    listeners: 24                 # configurations that are prepared
    trials: 30                    # most that one listener is asked; balanced incomplete blocks beyond that
    replicates: 1                 # trials repeated for each listener
    seed: 0
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mss_bench.core.config import ConfigMap, load_yaml, plain_name
from mss_bench.errors import ConfigError
from mss_bench.listening.protocols import Kind, Protocol, protocol

__all__ = ["RULES", "Excerpts", "Loudness", "TestDesign", "read_design"]

RULES = ("active", "disagree", "given")
MODES = ("match", "preserve")
_KEYS = (
    "name", "protocol", "run", "target", "systems", "excerpts", "anchors", "remix_db", "loudness", "listeners",
    "trials", "replicates", "seed", "title", "instructions",
)  # fmt: skip


@dataclass(frozen=True)
class Excerpts:
    """Which parts of which tracks.

    Parameters
    ----------
    count : int
        Items; for ``given`` as many as are given.
    seconds : float
    rule : str
        One of `RULES`.
    given : dict of str to float
        Track name to start in seconds.
    """

    count: int = 6
    seconds: float = 8.0
    rule: str = "active"
    given: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Loudness:
    """How loud signals are made.

    Parameters
    ----------
    lufs : float
        Integrated loudness of every reference, BS.1770-4.
    mode : str
        ``match`` gives each signal its reference's loudness, ``preserve`` the reference's gain.
    """

    lufs: float = -24.0
    mode: str = "match"


@dataclass(frozen=True)
class TestDesign:
    """A test as its file describes it; the parameters are those of the file, see the module."""

    __test__ = False  # no test of pytest's

    name: str
    protocol: Protocol
    run: Path
    target: str
    systems: tuple[str, ...] = ()
    excerpts: Excerpts = field(default_factory=Excerpts)
    anchors: tuple[str, ...] | None = None
    remix_db: tuple[float, ...] = (6.0, 12.0, -6.0, -12.0)
    loudness: Loudness = field(default_factory=Loudness)
    listeners: int = 24
    trials: int = 30
    replicates: int = 1
    seed: int = 0
    title: str = ""
    instructions: str = ""


def read_design(path: str | Path) -> TestDesign:
    """Read a test's file.

    Raises
    ------
    ConfigError
        Unknown keys, wrong types, values out of range; with file and line.
    """
    raw = load_yaml(path)
    raw.only(_KEYS, "a listening test")
    for key in ("name", "protocol", "run", "target"):
        if key not in raw:
            raw.fail(f"{key} is missing; a test needs name, protocol, run and target")
    chosen = protocol(_text(raw, "protocol"))
    excerpts = _excerpts(raw, chosen)
    run = Path(_text(raw, "run"))
    anchors = raw.names("anchors") if raw.get("anchors") else () if "anchors" in raw else None
    return TestDesign(
        name=plain_name(_text(raw, "name"), "listening test"),
        protocol=chosen,
        run=run if run.is_absolute() else Path(path).parent / run,
        target=_text(raw, "target"),
        systems=raw.names("systems"),
        excerpts=excerpts,
        anchors=anchors,
        remix_db=_gains(raw, chosen),
        loudness=_loudness(raw),
        listeners=_whole(raw, "listeners", 24, 1, 10_000),
        trials=_whole(raw, "trials", 30, 1, 1000),
        replicates=_whole(raw, "replicates", 1 if chosen.kind is Kind.MULTI else 0, 0, 100),
        seed=_whole(raw, "seed", 0, 0, 2**63),
        title=raw.typed("title", str, "a text", ""),
        instructions=raw.typed("instructions", str, "a text", ""),
    )


def _excerpts(raw: ConfigMap, chosen: Protocol) -> Excerpts:
    given = raw.typed("excerpts", ConfigMap, "a mapping with count, seconds, rule, given", ConfigMap({}, "", 0, {}))
    given.only(("count", "seconds", "rule", "given"), "excerpts")
    rule = given.typed("rule", str, " or ".join(RULES), "active")
    if rule not in RULES:
        given.fail(f"rule is {rule!r}, expected {' or '.join(RULES)}", "rule")
    starts = given.typed("given", ConfigMap, "a mapping of track to start in seconds", ConfigMap({}, "", 0, {}))
    if (rule == "given") != bool(starts):
        given.fail("rule: given and the mapping given: {track: start} belong together", "given")
    for track in starts:
        if starts.typed(track, (int, float), "a start in seconds") < 0:
            starts.fail(f"{track} starts at {starts[track]} s; expected 0 or more", track)
    seconds = float(given.typed("seconds", (int, float), "a length in seconds", min(8.0, chosen.seconds)))
    if not 1.0 <= seconds <= chosen.seconds:
        given.fail(f"seconds is {seconds:g}; {chosen.title} takes 1 to {chosen.seconds:g} s", "seconds")
    count = _whole(given, "count", 6, 1, 1000)
    return Excerpts(len(starts) or count, seconds, rule, {k: float(v) for k, v in starts.items()})


def _loudness(raw: ConfigMap) -> Loudness:
    given = raw.typed("loudness", ConfigMap, "a mapping with lufs, mode", ConfigMap({}, "", 0, {}))
    given.only(("lufs", "mode"), "loudness")
    mode = given.typed("mode", str, " or ".join(MODES), "match")
    if mode not in MODES:
        given.fail(f"mode is {mode!r}, expected {' or '.join(MODES)}", "mode")
    lufs = float(given.typed("lufs", (int, float), "a loudness in LUFS", -24.0))
    if not -60.0 <= lufs <= -10.0:
        given.fail(f"lufs is {lufs:g}; expected -60 to -10", "lufs")
    return Loudness(lufs, mode)


def _gains(raw: ConfigMap, chosen: Protocol) -> tuple[float, ...]:
    given: Any = raw.get("remix_db", [6.0, 12.0, -6.0, -12.0])
    if "remix_db" in raw and chosen.name != "remix":
        raw.fail(f"remix_db belongs to the protocol remix, this is {chosen.name}", "remix_db")
    numbers = isinstance(given, list) and given and all(isinstance(g, (int, float)) and abs(g) <= 40 for g in given)
    if not numbers:
        raw.fail(f"remix_db is {given!r}, expected a list of gains in dB, -40 to 40", "remix_db")
    return tuple(float(g) for g in given)


def _text(raw: ConfigMap, key: str) -> str:
    value: str = raw.typed(key, str, "a text")
    if not value.strip():
        raw.fail(f"{key} is empty", key)
    return value


def _whole(raw: ConfigMap, key: str, default: int, low: int, high: int) -> int:
    value: int = raw.typed(key, int, f"a whole number from {low} to {high}", default)
    if not low <= value <= high:
        raise ConfigError(f"{raw.source}:{raw.lines.get(key, raw.line)}: {key} is {value}; expected {low} to {high}")
    return value
