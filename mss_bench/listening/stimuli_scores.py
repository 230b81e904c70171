"""Metrics of the stimuli of a listening test: one value a rated signal, from a folder of audio files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.core import audio
from mss_bench.core.arrays import Samples
from mss_bench.core.spec import Spec, build
from mss_bench.errors import AudioError, ConfigError
from mss_bench.evaluation import evaluate
from mss_bench.listening.metric_table import MetricTable
from mss_bench.metrics import metrics as registry

if TYPE_CHECKING:
    from mss_bench.listening.arena import RatingSet

__all__ = ["score_stimuli"]


def score_stimuli(
    specs: Sequence[str], folder: Path, own: RatingSet, signals: Collection[tuple[str, str]],
    say: Callable[[str], None] = lambda _: None,
) -> MetricTable:  # fmt: skip
    """Compute metrics of every signal that was rated.

    Parameters
    ----------
    specs : sequence of str
        Metrics such as ``si_sdr`` or ``bss_eval:filter_length=1``, or Python files with metrics of one's own.
    folder : Path
        The stimuli.
    own : RatingSet
        Says where in it a signal, its reference and the mixture lie.
    signals : collection of (str, str)
        Items with systems.
    say : callable
        Told of each item that is done.

    Returns
    -------
    MetricTable
        A column a quantity, under its name and the metric's: ``SI-SDR (si_sdr)``.

    Raises
    ------
    MssBenchError
        No reference is declared, a file is missing or cannot be scored, a metric does not exist.
    """
    import pandas as pd

    names = [name for spec in specs for name in _registered(spec)]
    lower: set[str] = set()
    for name in names:
        metric = build(registry, Spec.parse(name))[0]
        lower |= {f"{q.name} ({name})" for q in metric.quantities if not q.higher_is_better}
    if not own.reference:
        raise ConfigError(
            f"{own.title}: it is not known where its references lie; say it with --reference, e.g. "
            "--reference 'target/target_{item}.wav'"
        )
    by_item: dict[str, list[str]] = {}
    for item, system in signals:
        by_item.setdefault(item, []).append(system)
    _refuse_absent(folder, own, by_item)
    rows = {}
    for number, (item, systems) in enumerate(by_item.items(), 1):
        reference, rate = _read(folder, own.reference, item)
        mixture = _read(folder, own.mixture, item)[0] if own.mixture else None
        for system in systems:
            estimate, other_rate = _read(folder, own.audio, item, system)
            if other_rate != rate:
                raise AudioError(f"{system} of {item!r} has {other_rate} Hz, its reference {rate} Hz; resample one")
            rows[item, system] = _values(names, reference, estimate, rate, mixture, own.target or "target")
        say(f"{number} of {len(by_item)} items")
    values = pd.DataFrame.from_dict(rows, orient="index")
    values.index = pd.MultiIndex.from_tuples(list(rows), names=["item", "system"])
    return MetricTable(values, frozenset(lower & set(values.columns)), [f"Metrics: of the audio in {folder.name}."])


def _registered(spec: str) -> list[str]:
    if not spec.endswith(".py") or spec in registry:
        return [spec]
    names = registry.add_file(Path(spec))
    if not names:
        raise ConfigError(f"{spec} has no Metric class with a name of its own")
    return names


def _refuse_absent(folder: Path, own: RatingSet, by_item: dict[str, list[str]]) -> None:
    """Refuse a folder that lacks files before anything is computed: metrics may take hours."""
    paths = [_path(folder, own.audio, item, system) for item, systems in by_item.items() for system in systems]
    paths += [_path(folder, p, item) for p in (own.reference, own.mixture) if p for item in by_item]
    if absent := [path for path in paths if not path.is_file()]:
        raise AudioError(
            f"{folder} lacks {len(absent)} of {len(paths)} files, e.g. {absent[0]}; say where they lie with --pattern "
            "and --reference"
        )


def _path(folder: Path, pattern: str, item: str, system: str = "") -> Path:
    return folder / pattern.replace("{item}", item).replace("{system}", system)


def _read(folder: Path, pattern: str, item: str, system: str = "") -> tuple[Samples, int]:
    path = _path(folder, pattern, item, system)
    return audio.read(path, any_decoder=True), audio.info(path, any_decoder=True).sample_rate


def _values(
    names: Sequence[str], reference: Samples, estimate: Samples, rate: int, mixture: Samples | None, target: str
) -> dict[str, float]:
    references = {target: reference}
    if mixture is not None:  # what interferes, without which no metric can tell interference from artefacts
        audio.check_same_shape({"the reference": reference.shape, "the mixture": mixture.shape}, "a test of a metric")
        references["the rest"] = mixture - reference
    values: dict[str, float] = {}
    for name in names:
        scores = evaluate(references, {target: estimate}, rate, [name], mixture=mixture).aggregate
        values |= {f"{row['metric']} ({name})": float(row["value"]) for row in scores.to_dict("records")}
    return values
