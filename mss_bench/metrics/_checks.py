"""What every metric of waveforms asks of its input, checked in one place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError, ConfigError

__all__ = ["checked_references", "first_bad_sample", "scorable_estimates"]


def checked_references(track: TrackAudio, group: TargetGroup) -> dict[str, NDArray[np.floating]]:
    """The references of a group, in its order.

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
    expected = next(iter(references.values())).shape
    for target, array in references.items():
        name = f"reference {target!r}"
        _check_array(array, name)
        _check_shape(array, expected, name, f"as in reference {group.targets[0]!r}")
        if (problem := first_bad_sample(array)) is not None:
            raise AudioError(f"{name} holds {problem}; expected numbers")
    return references


def scorable_estimates(
    references: Mapping[str, NDArray[np.floating]], estimates: Mapping[str, NDArray[np.floating]]
) -> tuple[list[str], dict[str, str]]:
    """Which delivered estimates can be scored, in the group's order, and why the others cannot.

    A NaN spoils the estimate that holds it and no other.

    Returns
    -------
    usable : list of str
    spoiled : dict of str to str
        Target to reason.

    Raises
    ------
    AudioError
        No estimate, an estimate of no target of the group, of integers, or of another shape than its reference.
    """
    unknown = [t for t in estimates if t not in references]
    if unknown or not estimates:
        raise AudioError(f"estimates of {unknown or 'nothing'} were given, expected some of {list(references)}")
    usable, spoiled = [], {}
    for target, reference in references.items():
        if target not in estimates:
            continue
        name = f"estimate {target!r}"
        _check_array(estimates[target], name)
        _check_shape(estimates[target], reference.shape, name, "as in its reference")
        if (problem := first_bad_sample(estimates[target])) is None:
            usable.append(target)
        else:
            spoiled[target] = f"{name} holds {problem}"
    return usable, spoiled


def first_bad_sample(array: NDArray[np.floating]) -> str | None:
    """Where the first NaN or infinite sample lies, in words; None where there is none."""
    for channel, samples in enumerate(array):
        with np.errstate(over="ignore", invalid="ignore"):
            energy = np.dot(samples, samples)  # not finite if a sample is not: one fast pass over good audio
        if not np.isfinite(energy) and not (finite := np.isfinite(samples)).all():
            sample = int(np.argmin(finite))
            return f"{samples[sample]} at channel {channel}, sample {sample}"
    return None


def _check_array(array: NDArray[np.floating], name: str) -> None:
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise AudioError(
            f"{name} is of {found}, expected an array of float32 or float64; divide integers by their full scale first"
        )
    if array.ndim != 2:
        raise AudioError(f"{name} has shape {array.shape}, expected (channels, samples)")
    if 0 in array.shape:
        raise AudioError(f"{name} has {array.shape[0]} channels and {array.shape[1]} samples, expected at least one")


def _check_shape(array: NDArray[np.floating], expected: tuple[int, ...], name: str, whose: str) -> None:
    if array.shape != expected:
        raise AudioError(
            f"{name} has {array.shape[0]} channels and {array.shape[1]} samples, expected {expected[0]} and "
            f"{expected[1]} {whose}"
        )
