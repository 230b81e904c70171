"""Examine references and finished estimates for faults before a run scores anything.

Excerpts of a few references and the first minute of every estimate are examined, which is enough for faults that last.
Findings are printed beside the scores. An estimate that is another target than its name says stops the run with a
question, since the answer decides what is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from mss_bench.core.findings import Finding, lines
from mss_bench.core.spec import build
from mss_bench.core.stem_map import MapLine, StemMap
from mss_bench.core.tracks import Stems, Targets, Track, TrackAudio
from mss_bench.datasets import Dataset
from mss_bench.datasets.consistency import compare_with_mixture, implausible
from mss_bench.errors import ConfigError, MssBenchError
from mss_bench.perturbations.track import PerturbedTrack
from mss_bench.running.planned import PlannedCell
from mss_bench.separators import Separator, separators
from mss_bench.separators.estimates.aligned import Aligned
from mss_bench.separators.estimates.doctor import examine
from mss_bench.separators.estimates.names import other_target

__all__ = ["examine_estimates", "examine_references", "examine_run", "misnamed"]

_SECONDS = 60.0
_REFERENCE_TRACKS, _REFERENCE_SECONDS = 3, 30.0
_SURE = 0.95
"""From this correlation with another target's reference on, one song is enough to call an estimate misnamed."""


def examine_run(dataset: Dataset, cells: Sequence[PlannedCell]) -> list[str]:
    """Examine the references and the finished estimates of a run, and return the findings as lines.

    Parameters
    ----------
    dataset : Dataset
    cells : sequence of PlannedCell
        Those of the run.

    Raises
    ------
    ConfigError
        An estimate is another target than its name says, and no map says what it is.
    """
    tracks = list({cell.track.id: cell.track for cell in cells}.values())
    told = [f"{line} (references)" for line in lines(*examine_references(dataset, tracks))]
    methods: dict[str, list[PlannedCell]] = {}
    for cell in cells:
        if cell.method.name == "estimates" and not cell.skip:
            methods.setdefault(cell.label, []).append(cell)
    for label, of_method in methods.items():
        findings = examine_estimates(of_method)
        open_questions = [f for f in findings if f.code == "target" and f.severity == "error"]
        if open_questions:
            raise ConfigError(_question(label, of_method[0], open_questions))
        text = lines([f for f in findings if f.code != "absent"], len(of_method))
        told += [line if len(methods) == 1 else f"{line} ({label})" for line in text]
        if any(f.severity == "error" for f in findings):
            told.append(
                f"The scores of {label} mean little until this is fixed; the documentation says what each finding means"
            )
    return told


def examine_references(dataset: Dataset, tracks: Sequence[Track]) -> tuple[list[Finding], int]:
    """Examine excerpts of a few tracks' references; ``mss-bench datasets check`` examines all tracks whole.

    Returns
    -------
    findings : list of Finding
    n_tracks : int
        How many tracks were examined.
    """
    if not dataset.has_root or not tracks:  # made by the package
        return [], 0
    chosen = [tracks[i] for i in dict.fromkeys(np.linspace(0, len(tracks) - 1, _REFERENCE_TRACKS).astype(int))]
    findings: list[Finding] = []
    for track in chosen:
        if isinstance(track, PerturbedTrack):  # what was done to it on purpose is no fault
            track = track.clean()
        try:
            audio = track.excerpt(min(_REFERENCE_SECONDS, track.duration or _REFERENCE_SECONDS), track.start).load()
        except MssBenchError:  # the cells of the track report it
            continue
        found = implausible(audio.references, audio.sample_rate)
        if track.mixture and not track.stem_map:
            stems = {name: stem for name, stem in audio.references.items() if name not in track.absent}
            found += compare_with_mixture(stems, audio.mixture, audio.sample_rate)
        findings += [replace(f, track=track.name, subset=track.id.subset) for f in found if f.severity != "note"]
    return findings, len(chosen)


def examine_estimates(cells: Sequence[PlannedCell]) -> list[Finding]:
    """Examine the finished estimates of one method; a file that cannot be read is left to its cell to report."""
    separator: Separator = build(separators, cells[0].method)[0]
    targets = _with_accompaniment(cells[0].targets)
    findings: list[Finding] = []
    for cell in cells:
        track = cell.track.excerpt(min(_SECONDS, cell.track.duration or _SECONDS), cell.track.start)
        separator.track, separator.tracks = track.id, cell.all_tracks
        separator.start, separator.duration = track.start, track.duration
        try:
            audio = track.load()
            delivered = separator.separate(
                audio.mixture, audio.sample_rate, targets=cell.targets, rng=np.random.default_rng(0)
            )
        except MssBenchError:
            continue
        there = targets.without(track.absent)
        references = {t: reduce(np.add, [audio.references[s] for s in parts]) for t, parts in there.items()}
        estimates = _scored(cell, delivered, audio)
        found = examine(estimates, references, audio.mixture, audio.sample_rate, track.name, there)
        findings += [replace(f, subset=track.id.subset) for f in found]
    return _judged(findings, len(cells), separator.stem_map)


def _scored(cell: PlannedCell, delivered: Stems, audio: TrackAudio) -> Stems:
    """Return estimates under the names that are scored."""
    if {estimate.shape for estimate in delivered.values()} != {audio.mixture.shape}:
        return {t: e for t, e in delivered.items() if t in cell.delivery.targets}  # they cannot be summed
    mapped = cell.delivery.stem_map.apply(delivered, audio.mixture, cell.targets)[0]
    return cell.delivery.scored(mapped, cell.targets)[0]


def _with_accompaniment(targets: Targets) -> Targets:
    """Return targets with the sum of all but the vocals, which two-stem models deliver, whether it is scored or not."""
    rest = tuple(stem for stem in targets.stems if stem != "vocals")
    known = {frozenset(parts) for parts in targets.values()}
    if len(rest) in (0, len(targets.stems)) or frozenset(rest) in known or "accompaniment" in targets:
        return targets
    derived = {t: parts for t, parts in targets.items() if t not in targets.stems}
    return Targets(targets.stems, derived | {"accompaniment": rest})


def misnamed(estimates: Stems, audio: TrackAudio, targets: Targets) -> dict[str, str]:
    """Return the estimates of a program or a model that are other targets than their names say, and what to do.

    They come song by song, after the run has begun, so that one song has to be enough: only what delivers none of the
    further stems that an estimate holds, as models with two stems do, is looked at.

    Parameters
    ----------
    estimates : dict of str to (channels, samples) float32
        As they are scored.
    audio : TrackAudio
        Its references are the stems.
    targets : Targets
        Those of the song.
    """
    targets = _with_accompaniment(targets)
    references = {t: reduce(np.add, [audio.references[s] for s in parts]) for t, parts in targets.items()}
    aligned = {t: Aligned(t, e, references[t], audio.mixture) for t, e in estimates.items() if t in references}
    told = {}
    for finding in other_target(aligned, references, targets):
        further = {stem for stem in targets[finding.meant] if stem not in targets[finding.part]}
        if finding.made_of or (further and not further & {*estimates}):
            line = StemMap((MapLine(finding.meant, finding.made_of or (finding.part,)),))
            told[finding.part] = f'{finding.message}; pass --map "{line}", or --map none if the name is right'
    return told


def _judged(findings: list[Finding], n_tracks: int, stem_map: StemMap) -> list[Finding]:
    """Return findings with names judged over all tracks: a wrong name is wrong in every song."""
    judged = []
    for finding in findings:
        if finding.code == "swapped_names" and finding.severity == "warning":
            alike = [f for f in findings if (f.code, f.part) == (finding.code, finding.part)]
            # Blind methods take one stem for another in some songs.
            if finding.value < _SURE and len(alike) < max(2, n_tracks / 2):
                continue
        if finding.code == "target":
            alike = [f for f in findings if (f.code, f.part, f.meant) == (finding.code, finding.part, finding.meant)]
            if len(alike) < n_tracks / 2:
                continue
            if stem_map.declined or finding.part in stem_map.targets:  # the user has said so
                finding = replace(finding, severity="warning")
        judged.append(finding)
    return judged


def _question(label: str, cell: PlannedCell, findings: Sequence[Finding]) -> str:
    """Return the question to the user where estimates are other targets than their names say."""
    asked = {f.part: f for f in findings}
    said = lines(findings, len(findings))
    scored = [f for f in asked.values() if f.meant in cell.targets]
    given = StemMap(tuple(MapLine(f.meant, f.made_of or (f.part,)) for f in scored))
    remedy = f'If so, pass --map "{given}"' if scored else "The data set scores no such target; choose one that does"
    two_stems = (
        " A model with two stems calls everything but the vocals other; the references' other is what is neither "
        "vocals, drums nor bass."
    )
    return "\n".join(
        [
            f"the names of {label} do not fit what is in the files; nothing was scored",
            *(f"  {line.partition(': ')[2]}" for line in said),
            f"{remedy}; if the names are right, --map none." + two_stems * any(f.part == "other" for f in findings),
        ]
    )
