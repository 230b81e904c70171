"""Distances of sets: all estimates of a method pooled, against all references, by the embeddings of a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import is_floor
from mss_bench.core.streams import tell
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.metrics.perceptual.embedding_distances import FAD
from mss_bench.metrics.perceptual.embedding_network import EmbeddingNetwork
from mss_bench.metrics.perceptual.embeddings import frechet_distance, kernel_distance, neighbours
from mss_bench.running.audio import RunAudio

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "set_distances"]

COLUMNS = (
    "target", "separator", "FAD", "KAD", "precision", "recall", "density", "coverage", "n_tracks", "n_frames",
)  # fmt: skip
"""Columns of the table of set distances; ``n_frames`` are those of the estimates."""


def set_distances(run: Path, network: FAD, methods: Sequence[str] = (), targets: Sequence[str] = ()) -> pd.DataFrame:
    """Return the Frechet and kernel distances and the neighbourhoods of every method and target of a run.

    Estimates that the run did not keep are made again, which takes as long as it took then.

    Parameters
    ----------
    run : Path
    network : FAD
        The network with its windows; as the metric is written.
    methods, targets : sequence of str
        Only these; by default all but the floor, and all stems of the data set.

    Returns
    -------
    DataFrame
        Columns of `COLUMNS`, a row a target and method that has an estimate on every track that has the target.

    Raises
    ------
    UnknownNameError
        The data set has no such target.
    RunError
        There is no such run, or a method fails; or nothing can be compared.
    """
    import pandas as pd

    rows = []
    with TemporaryDirectory() as work:
        audio, model = RunAudio(run, Path(work)), EmbeddingNetwork(network.files()[0], network.name)
        for target in targets:
            if target not in audio.dataset.targets:
                raise UnknownNameError("target", target, audio.dataset.targets)
        chosen = list(methods) or [label for label in audio.labels() if not is_floor(label)]
        tracks = audio.tracks()
        audio.prepare(chosen, tracks)
        for target in targets or audio.dataset.targets.stems:
            pooled, own = _references(audio, network, model, target)
            for method in [m for m in chosen if m in audio.methods(target)]:
                estimates = [
                    network.embed(model, audio.estimate(method, track, target).target, track.sample_rate)
                    for track in tracks
                    if track.id in own
                ]
                frames = np.concatenate(estimates)
                values = frechet_distance(pooled, frames), kernel_distance(pooled, frames)
                rows.append((target, method, *values, *neighbours(pooled, frames), len(own), len(frames)))
    if not rows:
        raise RunError(f"{run} has no estimates of {', '.join(targets or audio.dataset.targets.stems)} to compare")
    if (fewest := min(row[-1] for row in rows)) < 10 * pooled.shape[1]:
        tell(
            f"note: {fewest} frames of {pooled.shape[1]} dimensions are few: FAD is biased upwards, and values compare "
            "only where sets are of one size"
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _references(audio: RunAudio, network: FAD, model: EmbeddingNetwork, target: str) -> tuple[Floats, set[object]]:
    """Return the embeddings of all references of a target that sound, and which tracks they are of."""
    pooled, own = [], set[object]()
    for track in audio.tracks():
        stems = track.load().references
        reference = reduce(np.add, [stems[stem] for stem in audio.dataset.targets[target]])
        if reference.any():
            pooled.append(network.embed(model, reference, track.sample_rate))
            own.add(track.id)
    if not pooled:
        raise RunError(f"no track of the run has {target}")
    return np.concatenate(pooled), own
