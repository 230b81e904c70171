"""From a run to a pack: excerpts, stimuli, blinding, orders, verification, in one call.

A pack is written beside its place and moved there when it is whole and verified: there is no half a pack. The same
design, run and seed give the same bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench import __version__
from mss_bench.core import audio
from mss_bench.core.tracks import Track
from mss_bench.errors import AudioError, ConfigError
from mss_bench.listening.anchors import PARAMETERS, make_anchor
from mss_bench.listening.design import TestDesign
from mss_bench.listening.excerpts import Excerpt, active_excerpt, disagreeing_excerpts
from mss_bench.listening.order import configurations
from mss_bench.listening.pack_format import Pack, PackTask, Signal, Trial, key_folder
from mss_bench.listening.protocols import Kind
from mss_bench.listening.ratings import Role
from mss_bench.listening.stimuli import FADE, SAMPLE_RATE, Stimulus, cut, flat_tops, headroom, level
from mss_bench.listening.trials import PlannedTrial, plan_trials
from mss_bench.listening.verification import THREADS, verify_pack
from mss_bench.running.audio import RunAudio

__all__ = ["choose", "make_pack"]

Say = Callable[[str], None]


@dataclass
class _Item:
    """An item's signals, by name: methods' labels, anchors' names, ``reference``, ``mixture``.

    `sources` are the files that each was made of and their SHA-256; an anchor's are those of the reference.
    """

    signals: dict[str, Stimulus]
    sources: dict[str, dict[str, str]]


@dataclass
class _Cuts:
    """Excerpts of a track before their gain: signals by name, everything else of each system, where it has that."""

    signals: dict[str, NDArray[np.float32]]
    rest: dict[str, NDArray[np.float32]]
    sources: dict[str, dict[str, str]]


def make_pack(design: TestDesign, out: Path, *, jobs: int | None = None, say: Say = print) -> Path:
    """Make the pack of a test.

    Parameters
    ----------
    design : TestDesign
    out : Path
        Folder in which the pack gets a folder of its name, and its key one beside it.
    jobs : int, optional
        Worker processes for estimates that the run did not keep.
    say : callable
        Told what happens.

    Returns
    -------
    Path
        The pack.

    Raises
    ------
    ConfigError
        The pack exists, or the design does not fit the run.
    AudioError
        A signal that cannot be used: silent, misaligned, too short; named with its item.
    """
    pack_folder = out / design.name
    for folder in (pack_folder, key_folder(pack_folder)):
        if folder.exists():
            raise ConfigError(f"{folder} exists already; remove it or choose another --out or name")
    work = out / f".{design.name}.partial"
    shutil.rmtree(work, ignore_errors=True)
    try:
        source = RunAudio(design.run, work / "run")
        systems, excerpts, tracks = choose(design, source)
        planned = plan_trials(design, systems, excerpts)
        say(f"{len(planned)} trials of {len(excerpts)} items: {', '.join(systems)}")
        source.prepare(systems, tracks, jobs)
        items: dict[str, _Item] = {}
        say(f"rendering {', '.join(e.item for e in excerpts)}")
        with ThreadPoolExecutor(THREADS) as pool:  # reading, hashing and filtering leave the interpreter alone
            for one in pool.map(lambda t, e: _render(design, source, t, e, systems, planned), tracks, excerpts):
                items |= one
        _write(design, work / design.name, planned, items, excerpts, say)
        say("verifying what was written")
        verify_pack(work / design.name)
        out.mkdir(parents=True, exist_ok=True)
        key_folder(work / design.name).rename(key_folder(pack_folder))
        (work / design.name).rename(pack_folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return pack_folder


def choose(design: TestDesign, source: RunAudio) -> tuple[list[str], list[Excerpt], list[Track]]:
    """Systems, excerpts and their tracks, after the design's rule.

    Raises
    ------
    ConfigError
        A system, a track or a target that the run does not have, or fewer tracks than items.
    """
    known = source.methods(design.target)
    if not known:
        raise ConfigError(
            f"{design.run} has no scores for {design.target!r}; its targets: {', '.join(source.dataset.targets)}"
        )
    for name in design.systems:
        if name not in known:
            raise ConfigError(f"{design.run} has no {name!r} with {design.target}; it has {', '.join(known)}")
    systems = list(design.systems) or known
    tracks = {t.name: t for t in source.tracks()}
    rule, count, seconds = design.excerpts.rule, design.excerpts.count, design.excerpts.seconds
    if rule == "given":
        found = [Excerpt(name, start, seconds, np.nan) for name, start in design.excerpts.given.items()]
    elif rule == "disagree":
        frames = source.results.frames
        label = frames["separator"] + frames["params"].map(lambda p: f":{p}" if p else "")
        found = disagreeing_excerpts(frames.assign(method=label), design.target, systems, seconds)
    else:
        # a fair choice of tracks, not the loudest
        names = np.random.default_rng([design.seed, 2]).permutation(sorted(tracks)).tolist()
        found = []
        with ThreadPoolExecutor(THREADS) as pool:
            while names and (missing := count - sum(not e.note for e in found)):
                found += pool.map(lambda name: _active(design, tracks[name]), names[:missing])
                names = names[missing:]
        found.sort(key=lambda e: bool(e.note))  # stable: those without a remark first
    if len(found) < count:
        raise ConfigError(f"excerpts: {count} items were asked for, {design.run} has {len(found)} tracks for them")
    for excerpt in found[:count]:
        if excerpt.track not in tracks:
            raise ConfigError(f"{design.run} has no track {excerpt.track!r}; it has {', '.join(sorted(tracks))}")
    return systems, found[:count], [tracks[e.track] for e in found[:count]]


def _active(design: TestDesign, track: Track) -> Excerpt:
    """The excerpt of a track, whatever other tracks there are."""
    loaded = track.load()
    rng = np.random.default_rng([design.seed, 3, *track.name.encode()])
    return active_excerpt(track.name, loaded.references, loaded.sample_rate, design.excerpts.seconds, rng)


def _render(
    design: TestDesign, source: RunAudio, track: Track, excerpt: Excerpt, systems: Sequence[str],
    planned: Sequence[PlannedTrial],
) -> dict[str, _Item]:  # fmt: skip
    """Every signal of an excerpt, for each item made of it (a remix test makes several)."""
    cuts = _cut(design, source, track, excerpt, systems)
    anchors = list(dict.fromkeys(c.name for t in planned for c in t.conditions if c.role is Role.ANCHOR))
    own = {trial.item: trial.details for trial in planned if trial.excerpt.item == excerpt.item}
    return {item: _level(design, cuts, details, anchors, item) for item, details in own.items()}


def _cut(design: TestDesign, source: RunAudio, track: Track, excerpt: Excerpt, systems: Sequence[str]) -> _Cuts:
    loaded = source.load(track)
    reference = np.sum([loaded.references[s] for s in source.dataset.targets[design.target]], axis=0)

    def part(signal: NDArray[Any]) -> NDArray[np.float32]:
        return cut(signal, track.sample_rate, excerpt.start, excerpt.seconds)

    files = {f"{f.parent.name}/{f.name}": audio.hash_file(f) for f in track.files()}
    found = _Cuts(
        {"reference": part(reference), "mixture": part(loaded.mixture)}, {}, {"reference": files, "mixture": files}
    )
    first = round(excerpt.start * track.sample_rate)
    inside = slice(first, first + round(excerpt.seconds * track.sample_rate))
    of_song = max(flat_tops(s[:, inside]) for s in (reference, loaded.mixture))
    for name in systems:
        estimate = source.estimate(name, track, design.target, rest=design.protocol.name == "remix")
        clipped = flat_tops(estimate.target[:, inside])
        if clipped > of_song:
            raise AudioError(
                f"{name} is clipped in {excerpt.item}: {clipped} samples stay at full scale, {of_song} of the song do; "
                "choose another excerpt, leave it out of systems, or keep its estimates as float"
            )
        found.signals[name], found.sources[name] = part(estimate.target), estimate.sources
        if estimate.rest is not None:
            found.rest[name] = part(estimate.rest)
    return found


def _level(design: TestDesign, cuts: _Cuts, details: dict[str, Any], anchors: Sequence[str], item: str) -> _Item:
    signals: dict[str, NDArray[Any]] = dict(cuts.signals)
    mixture = signals["mixture"]
    if "remix_db" in details:
        # The target at another gain, and beside it what the system itself takes for the rest: without that, all that
        # it left in the mixture.
        gain = 10 ** (details["remix_db"] / 20)
        signals = {n: gain * s + cuts.rest.get(n, mixture - s) for n, s in signals.items()} | {"mixture": mixture}
    rng = np.random.default_rng([design.seed, *item.encode()])
    for name in anchors:
        if name != "mixture":
            signals[name] = make_anchor(name, signals["reference"], signals["mixture"], SAMPLE_RATE, rng)
    try:
        levelled = level(signals, "reference", ["mixture"], design.loudness.lufs, design.loudness.mode)
    except Exception as error:
        raise type(error)(f"{item}: {error}") from error
    return _Item(levelled, cuts.sources)


def _write(
    design: TestDesign, folder: Path, planned: Sequence[PlannedTrial], items: dict[str, _Item],
    excerpts: Sequence[Excerpt], say: Say,
) -> None:  # fmt: skip
    """Files, ``pack.json``, and beside them the key and the manifest."""
    common = headroom(s.peak for item in items.values() for s in item.signals.values())
    key: dict[str, Signal] = {}
    facts: dict[str, dict[str, Any]] = {}

    def file(trial: str, name: str, role: str, place: str, plan: PlannedTrial) -> str:
        stimulus = items[plan.item].signals[name]
        path = f"audio/{_blind(design, f'{trial}|{place}')}.wav"
        audio.write(folder / path, stimulus.samples * np.float32(10 ** (common / 20)), SAMPLE_RATE, "PCM_24")
        key[path] = Signal(trial, plan.item, design.target, plan.task.name, name, role, plan.details)
        facts[path] = {
            "sha256": audio.hash_file(folder / path), "gain_db": stimulus.gain_db + common,
            "lufs": stimulus.lufs + common, "true_peak_dbtp": stimulus.peak + common,
            "sources": items[plan.item].sources.get(name, items[plan.item].sources["reference"]),
        }  # fmt: skip
        return path

    trials, of = [], []
    for number, plan in enumerate([*planned, planned[0]]):  # the training page: the first trial under other names
        name = _blind(design, f"{plan.name}|{number}")
        shown = sorted(range(len(plan.conditions)), key=lambda k: _blind(design, f"{name}|shown|{k}"))
        if design.protocol.kind is Kind.ABX:
            shown = [0, 1, 2]  # X is the last; the order of A and B is each listener's
        conditions = [plan.conditions[k] for k in shown]
        title = f"Item {1 + list(items).index(plan.item)}" if number < len(planned) else "Training"
        trials.append(
            Trial(
                name, str(design.protocol.kind), plan.task.name,
                title, plan.excerpt.seconds,
                [file(name, c.name, c.role, f"{k}|{c.role}:{c.name}", plan) for k, c in enumerate(conditions)],
                file(name, "reference", "", "open reference", plan) if plan.reference else "",
                file(name, "mixture", "", "mixture", plan) if plan.mixture else "",
            )
        )  # fmt: skip
        of.append(plan.item)
    tasks = [PackTask(t.name, t.question, t.low, t.high, list(t.labels)) for t in design.protocol.tasks]
    rated = len(planned)
    level_file = trials[0].reference or trials[0].stimuli[0]
    Pack(
        design.name, design.title or "Listening test", design.instructions, design.protocol.name, SAMPLE_RATE,
        tasks, trials,
        configurations(
            trials[:rated], of[:rated], [t.name for t in tasks], listeners=design.listeners, most=design.trials,
            replicates=design.replicates, seed=design.seed, balance_tasks=design.protocol.name != "peass",
        ),
        training=trials[rated].id, level=level_file,
    ).write(folder)  # fmt: skip
    hidden = key_folder(folder)
    hidden.mkdir()
    _json(hidden / "key.json", {path: asdict(signal) for path, signal in key.items()})
    _json(hidden / "manifest.json", _manifest(design, excerpts, common, facts))
    say(f"{len(key)} files" + (f", all {common:.1f} dB lower for a true peak of -1 dBTP" if common else ""))


def _manifest(
    design: TestDesign, excerpts: Sequence[Excerpt], common: float, facts: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    described = asdict(design) | {"protocol": design.protocol.name, "run": design.run.name}
    return {
        "mss_bench": __version__, "design": described, "sample_rate": SAMPLE_RATE, "resampler": "soxr VHQ",
        "loudness": "ITU-R BS.1770-4", "common_gain_db": common, "fade_s": FADE, "anchors": PARAMETERS,
        "excerpts": [asdict(e) | {"criterion": None if np.isnan(e.criterion) else e.criterion} for e in excerpts],
        "files": facts,
    }  # fmt: skip


def _blind(design: TestDesign, text: str) -> str:
    secret = f"{design.name}|{design.seed}".encode()
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()[:12]


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
