"""From a run to a pack: excerpts, stimuli, blinding, orders, verification, in one call.

A pack is written beside its place and moved there when it is whole and verified: there is no half a pack. The same
design, run and secret give the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench import __version__
from mss_bench.core import audio
from mss_bench.core.schema import method_label
from mss_bench.core.tracks import Track
from mss_bench.errors import AudioError, ConfigError
from mss_bench.listening.blinding import SECRET_FILE, Blinding, new_secret, read_secret
from mss_bench.listening.design import TestDesign
from mss_bench.listening.excerpts import Excerpt, active_excerpt, disagreeing_excerpts
from mss_bench.listening.pack_format import Pack, PackTask, Signal, Trial, key_folder, write_json
from mss_bench.listening.protocols import Kind
from mss_bench.listening.ratings import Role
from mss_bench.listening.stimuli import (
    ANCHOR_FACTS,
    FADE,
    MARGIN,
    SAMPLE_RATE,
    Stimulus,
    cut,
    flat_tops,
    headroom,
    level,
    make_anchor,
)
from mss_bench.listening.trials import PlannedTrial, configurations, plan_trials
from mss_bench.listening.verification import THREADS, verify_pack
from mss_bench.running.audio import RunAudio
from mss_bench.running.tables import read_table

__all__ = ["choose", "make_pack"]

Say = Callable[[str], None]
Sources = dict[str, dict[str, str]]
"""Files that a signal was made of and their SHA-256, by the signal's name; an anchor's are those of the reference."""

_BESIDE = "the mixture beside"  # of the player's button; the anchor ``mixture`` is another signal, at another level


@dataclass
class _Cuts:
    """Excerpts of a track before their gain: signals by name, everything else of each system, where it has that."""

    signals: dict[str, NDArray[np.float32]]
    rest: dict[str, NDArray[np.float32]]
    sources: Sources


@dataclass
class _Item:
    """The signals of an item by name: methods' labels, anchors' names, ``reference``, `_BESIDE`."""

    signals: dict[str, Stimulus]
    sources: Sources


def make_pack(
    design: TestDesign, out: Path, *, key: Path | None = None, jobs: int | None = None, say: Say = print
) -> Path:
    """Make the pack of a test.

    Parameters
    ----------
    design : TestDesign
    out : Path
        Folder in which the pack gets a folder of its name, and its key one beside it.
    key : Path, optional
        Key folder of a pack that was made before, to make it again with the same names and orders; by default a new
        secret is made.
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
    secret = read_secret(key) if key else new_secret()
    blinding = Blinding(secret, design.name)
    work = out / f".{design.name}.partial"
    shutil.rmtree(work, ignore_errors=True)
    try:
        source = RunAudio(design.run, work / "run")
        systems, excerpts, tracks = choose(design, source)
        planned = plan_trials(design, systems, excerpts, blinding)
        say(f"{len(planned)} trials of {len(excerpts)} items: {', '.join(systems)}")
        if english := design.catalogue.in_english:
            say(english)
        source.prepare(systems, tracks, jobs)
        say(f"rendering {', '.join(e.item for e in excerpts)}")
        render = partial(_render, design, source, systems, planned)
        with ThreadPoolExecutor(THREADS) as pool:  # reading, hashing and filtering leave the interpreter alone
            items = {name: item for made in pool.map(render, tracks, excerpts) for name, item in made.items()}
        n_files, gain = _write(design, work / design.name, planned, items, excerpts, secret)
        say(f"{n_files} files" + (f", all {gain:.1f} dB lower for a true peak of -1 dBTP" if gain else ""))
        say("verifying what was written")
        verify_pack(work / design.name)
        out.mkdir(parents=True, exist_ok=True)
        # The key first: a pack without it would be served for nothing.
        key_folder(work / design.name).rename(key_folder(pack_folder))
        (work / design.name).rename(pack_folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return pack_folder


def choose(design: TestDesign, source: RunAudio) -> tuple[list[str], list[Excerpt], list[Track]]:
    """Choose systems, excerpts and their tracks, after the design's rule.

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
    count, seconds = design.excerpts.count, design.excerpts.seconds
    if design.excerpts.rule == "given":
        excerpts = [Excerpt(name, start, seconds, np.nan) for name, start in design.excerpts.given.items()]
    elif design.excerpts.rule == "disagree":
        frames = read_table(source.run, "frames")
        labels = [method_label(*names) for names in zip(frames["separator"], frames["params"], strict=True)]
        excerpts = disagreeing_excerpts(frames.assign(separator=labels), design.target, systems, seconds)
    else:
        excerpts = _active(design, tracks, count)
    if len(excerpts) < count:
        raise ConfigError(f"excerpts: {count} items were asked for, {design.run} has {len(excerpts)} tracks for them")
    for excerpt in excerpts[:count]:
        if excerpt.track not in tracks:
            raise ConfigError(f"{design.run} has no track {excerpt.track!r}; it has {', '.join(sorted(tracks))}")
    return systems, excerpts[:count], [tracks[e.track] for e in excerpts[:count]]


def _active(design: TestDesign, tracks: dict[str, Track], count: int) -> list[Excerpt]:
    """Choose excerpts of tracks at random until enough have all sources at work; those come first."""

    def choose_in(name: str) -> Excerpt:
        loaded = tracks[name].load()
        rng = np.random.default_rng([design.seed, 3, *name.encode()])  # whatever other tracks there are
        return active_excerpt(name, loaded.references, loaded.sample_rate, design.excerpts.seconds, rng)

    names = np.random.default_rng([design.seed, 2]).permutation(sorted(tracks)).tolist()
    excerpts: list[Excerpt] = []
    with ThreadPoolExecutor(THREADS) as pool:
        while names and (missing := count - sum(not e.note for e in excerpts)):
            excerpts += pool.map(choose_in, names[:missing])
            names = names[missing:]
    return sorted(excerpts, key=lambda e: bool(e.note))  # stable: those without a remark first


def _render(
    design: TestDesign, source: RunAudio, systems: Sequence[str], planned: Sequence[PlannedTrial], track: Track,
    excerpt: Excerpt,
) -> dict[str, _Item]:  # fmt: skip
    """Make every signal of an excerpt, for each item made of it (a remix test makes several)."""
    cuts = _cut(design, source, track, excerpt, systems)
    own = {trial.item: trial.remix_db for trial in planned if trial.excerpt.item == excerpt.item}
    return {item: _level(design, cuts, remix_db, planned, item) for item, remix_db in own.items()}


def _cut(design: TestDesign, source: RunAudio, track: Track, excerpt: Excerpt, systems: Sequence[str]) -> _Cuts:
    rate = track.sample_rate
    first, length, margin = (round(s * rate) for s in (excerpt.start, excerpt.seconds, MARGIN))
    before = min(first, margin)
    # Of long songs only what is needed is read.
    start, duration = (first - before) / rate, (before + length + margin) / rate
    if track.duration is not None:
        duration = min(duration, track.duration - start)
    loaded = track.excerpt(duration, start).load()
    reference = np.sum([loaded.references[s] for s in source.dataset.targets[design.target]], axis=0)
    if (there := reference.shape[-1]) < before + length:
        raise AudioError(
            f"{excerpt.item}: the excerpt ends at {(first + length) / rate:.2f} s, the track at "
            f"{start + there / rate:.2f} s"
        )

    def part(signal: NDArray[Any]) -> NDArray[np.float32]:
        return cut(signal, rate, before / rate, excerpt.seconds)

    files = {f"{f.parent.name}/{f.name}": audio.hash_file(f) for f in track.files()}
    cuts = _Cuts(
        {"reference": part(reference), "mixture": part(loaded.mixture)}, {}, {"reference": files, "mixture": files}
    )
    inside = slice(before, before + length)
    # A song may be mastered hot; what a system clips beyond that would be graded as its artifacts.
    of_song = max(flat_tops(s[:, inside]) for s in (reference, loaded.mixture))
    for name in systems:
        rest = design.protocol == "remix"
        estimate = source.estimate(name, track, design.target, rest=rest, start=start, duration=duration)
        clipped = flat_tops(estimate.target[:, inside])
        if clipped > of_song:
            raise AudioError(
                f"{name} is clipped in {excerpt.item}: {clipped} samples stay at full scale, {of_song} of the song do; "
                "choose another excerpt, leave it out of systems, or keep its estimates as float"
            )
        cuts.signals[name], cuts.sources[name] = part(estimate.target), estimate.sources
        if estimate.rest is not None:
            cuts.rest[name] = part(estimate.rest)
    return cuts


def _level(
    design: TestDesign, cuts: _Cuts, remix_db: float | None, planned: Sequence[PlannedTrial], item: str
) -> _Item:
    signals: dict[str, NDArray[Any]] = dict(cuts.signals)
    mixture = signals.pop("mixture")
    if remix_db is not None:
        # The target at another gain, and beside it what the system itself takes for the rest: without that, all that
        # it left in the mixture.
        gain = 10 ** (remix_db / 20)
        signals = {n: gain * s + cuts.rest.get(n, mixture - s) for n, s in signals.items()}
    # By the item's name: an anchor is the same whatever else is in the test.
    rng = np.random.default_rng([design.seed, *item.encode()])
    for name in dict.fromkeys(c.name for t in planned for c in t.conditions if c.role is Role.ANCHOR):
        signals[name] = make_anchor(name, signals["reference"], mixture, SAMPLE_RATE, rng)
    if any(t.mixture for t in planned):
        signals[_BESIDE] = mixture
    try:
        # Nobody grades the mixture behind the button: it is as loud as it is around the target.
        levelled = level(signals, design.loudness.lufs, design.loudness.mode, with_reference=(_BESIDE,))
    except AudioError as error:
        raise AudioError(f"{item}: {error}") from error
    return _Item(levelled, cuts.sources)


@dataclass
class _Writer:
    """Writes the audio of a pack, and notes what each file is."""

    design: TestDesign
    folder: Path
    items: dict[str, _Item]
    blinding: Blinding
    common: float
    key: dict[str, Signal] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def trial(self, plan: PlannedTrial, name: str, title: str) -> Trial:
        """Write the files of a trial."""
        own = [(c, self.blinding.name(f"{name}|{k}|{c.role}:{c.name}")) for k, c in enumerate(plan.conditions)]
        kind = self.design.procedure.kind
        # Sorted by name, as the order must not tell what is what either; the X of an ABX trial is the last.
        movable = len(own) - (kind is Kind.ABX)
        own = [*sorted(own[:movable], key=lambda pair: pair[1]), *own[movable:]]
        stimuli = [self._file(plan, name, c.name, c.role, blinded) for c, blinded in own]
        beside = {
            what: self._file(plan, name, what, "", self.blinding.name(f"{name}|open {what}")) if there else ""
            for what, there in (("reference", plan.reference), ("mixture", plan.mixture))
        }
        return Trial(name, str(kind), plan.task.name, title, plan.excerpt.seconds, stimuli, **beside)

    def _file(self, plan: PlannedTrial, trial: str, system: str, role: str, blinded: str) -> str:
        item = self.items[plan.item]
        stimulus = item.signals[_BESIDE if system == "mixture" and not role else system]
        path = f"audio/{blinded}.wav"
        samples = stimulus.samples * np.float32(10 ** (self.common / 20))
        audio.write(self.folder / path, samples, SAMPLE_RATE, "PCM_24")
        details = {} if plan.remix_db is None else {"remix_db": plan.remix_db}
        self.key[path] = Signal(trial, plan.item, self.design.target, plan.task.name, system, role, details)
        self.facts[path] = {
            "sha256": audio.hash_file(self.folder / path), "gain_db": stimulus.gain_db + self.common,
            "lufs": stimulus.lufs + self.common,
            "sources": item.sources.get(system, item.sources["reference"]),
        }  # fmt: skip
        return path


def _write(
    design: TestDesign, folder: Path, planned: Sequence[PlannedTrial], items: dict[str, _Item],
    excerpts: Sequence[Excerpt], secret: bytes,
) -> tuple[int, float]:  # fmt: skip
    """Write audio, ``pack.json`` and the key folder; return the number of files and the pack's own gain in dB."""
    # One gain for all files: limiting single ones would change what is compared.
    common = headroom(s.peak for item in items.values() for s in item.signals.values())
    blinding = Blinding(secret, design.name)
    writer = _Writer(design, folder, items, blinding, common)
    texts = design.catalogue
    titles = {item: texts.text("export.item", number=number) for number, item in enumerate(items, 1)}
    # By name: as planned, the first trial of a preference test would be that of the first pair of systems.
    named = sorted((blinding.name(plan.name), plan) for plan in planned)
    rated = [writer.trial(plan, name, titles[plan.item]) for name, plan in named]
    firsts = [next(p for _, p in named if p.task is task) for task in design.procedure.tasks]
    training = [writer.trial(p, blinding.name(f"{p.name}|training"), texts.text("trial.training")) for p in firsts]
    asked = [(task, *design.asked(task)) for task in design.procedure.tasks]
    tasks = [PackTask(task.name, question, task.low, task.high, labels) for task, question, labels in asked]
    Pack(
        design.name, design.title or texts.text("test.title"),
        design.instructions or texts.text(f"instructions.{design.procedure.kind}"),
        design.protocol, SAMPLE_RATE, tasks,
        [*rated, *training], configurations(design, rated, [plan.item for _, plan in named], blinding),
        training=[trial.id for trial in training], level=rated[0].reference or rated[0].stimuli[0],
        catalogue=texts, questionnaire=design.questions(), look=design.look, consent=design.consent,
        contact=design.contact,
    ).write(folder)  # fmt: skip
    manifest = {
        "mss_bench": __version__, "design": design.described(), "sample_rate": SAMPLE_RATE, "resampler": "soxr VHQ",
        "loudness": "ITU-R BS.1770-4", "common_gain_db": common, "fade_s": FADE, "anchors": ANCHOR_FACTS,
        "excerpts": [asdict(e) | {"criterion": None if np.isnan(e.criterion) else e.criterion} for e in excerpts],
        "files": writer.facts,
    }  # fmt: skip
    key = key_folder(folder)
    key.mkdir(mode=0o700)
    (key / SECRET_FILE).write_text(secret.hex() + "\n", encoding="ascii")
    write_json(key / "key.json", {path: asdict(signal) for path, signal in writer.key.items()})
    write_json(key / "manifest.json", manifest)
    return len(writer.key), common
