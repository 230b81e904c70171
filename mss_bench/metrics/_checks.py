"""What every metric of waveforms asks of its input, checked in one place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mss_bench.core.arrays import Samples
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError, ConfigError

__all__ = ["check_mixture", "checked_references", "first_bad_sample", "spoiled_estimates", "too_short"]


def checked_references(track: TrackAudio, group: TargetGroup) -> dict[str, Samples]:
    """Return the references of a group, in its order.

    Returns
    -------
    dict of str to (channels, samples) float array
        The arrays as given, not copied.

    Raises
    ------
    ConfigError
        The sample rate is not positive, or the group is empty.
    AudioError
        A reference is missing, of integers, not of two axes, empty, of another shape than the first, or holds NaN or
        infinite samples.
    """
    if track.sample_rate <= 0:
        raise ConfigError(f"the sample rate is {track.sample_rate} Hz, expected a positive number")
    if not group.targets:
        raise ConfigError(f"target group {group.name!r} is empty, expected at least one target")
    missing = [t for t in group.targets if t not in track.references]
    if missing:
        raise AudioError(
            f"target group {group.name!r} needs references {list(group.targets)}; {missing} are missing, "
            f"given: {list(track.references)}"
        )
    references = {target: track.references[target] for target in group.targets}
    first = next(iter(references.values()))
    for target, array in references.items():
        name = f"reference {target!r}"
        _check_array(array, name)
        _check_shape(array, first.shape, name, f"as in reference {group.targets[0]!r}")
        if (problem := first_bad_sample(array)) is not None:
            raise AudioError(f"{name} holds {problem}; expected numbers")
    return references


def spoiled_estimates(references: Mapping[str, Samples], estimates: Mapping[str, Samples]) -> dict[str, str]:
    """Return why some of the estimates cannot be scored, by target in the order of the references.

    A NaN spoils the estimate that holds it and no other.

    Raises
    ------
    AudioError
        No estimate, an estimate of no target of the group, of integers, or of another shape than its reference.
    """
    unknown = [t for t in estimates if t not in references]
    if unknown or not estimates:
        raise AudioError(f"estimates of {unknown or 'nothing'} were given, expected some of {list(references)}")
    spoiled = {}
    for target in (t for t in references if t in estimates):
        name = f"estimate {target!r}"
        _check_array(estimates[target], name)
        _check_shape(estimates[target], references[target].shape, name, "as in its reference")
        if (problem := first_bad_sample(estimates[target])) is not None:
            spoiled[target] = f"{name} holds {problem}"
    return spoiled


def check_mixture(mixture: Samples | None, shape: tuple[int, ...], what: str) -> None:
    """Refuse a mixture that is missing, of another shape than the references, or not finite.

    Raises
    ------
    AudioError
    """
    if mixture is None or mixture.shape != shape:
        found = "none" if mixture is None else f"one of shape {mixture.shape}"
        raise AudioError(f"{what} is relative to the mixture: found {found}, expected one of shape {shape}")
    if (problem := first_bad_sample(mixture)) is not None:
        raise AudioError(f"the mixture holds {problem}; expected numbers")


def first_bad_sample(array: Samples) -> str | None:
    """Return where the first NaN or infinite sample lies, in words; None where there is none."""
    for channel, samples in enumerate(array):
        with np.errstate(over="ignore", invalid="ignore"):
            energy = np.dot(samples, samples)  # not finite if a sample is not: one fast pass over good audio
        if not np.isfinite(energy) and not (finite := np.isfinite(samples)).all():
            sample = int(np.argmin(finite))
            return f"{samples[sample]} at channel {channel}, sample {sample}"
    return None


def too_short(samples: int, least: int, purpose: str) -> str:
    """Return why so few samples have no value; empty where they suffice."""
    return f"{samples} samples are too few {purpose}: expected at least {least}" if samples < least else ""


def _check_array(array: Samples, name: str) -> None:
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise AudioError(
            f"{name} is of {kind}, expected an array of float32 or float64; divide integers by their full scale first"
        )
    if array.ndim != 2:
        raise AudioError(f"{name} has shape {array.shape}, expected (channels, samples)")
    if 0 in array.shape:
        raise AudioError(f"{name} has {array.shape[0]} channels and {array.shape[1]} samples, expected at least one")


def _check_shape(array: Samples, expected: tuple[int, ...], name: str, whose: str) -> None:
    if array.shape != expected:
        raise AudioError(
            f"{name} has {array.shape[0]} channels and {array.shape[1]} samples, expected {expected[0]} and "
            f"{expected[1]} {whose}"
        )
