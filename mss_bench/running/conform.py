"""Check what a separator returned against the contract, and bring it into the form that is scored.

This file can change scores, so its code is part of every estimate key (`mss_bench.running.keys.CONFORM`).
"""

from __future__ import annotations

import numpy as np

from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import Stems, Targets
from mss_bench.errors import InvalidOutputError

__all__ = ["LENGTH_TOLERANCE", "conform"]

LENGTH_TOLERANCE = 4096
"""An estimate may differ from the mixture by so many samples; it is trimmed or padded and flagged."""


def conform(
    estimates: object,
    mixture: np.ndarray,
    targets: Targets,
    declared: tuple[str, ...],
    stem_map: StemMap = StemMap(),  # noqa: B008 - it cannot be changed
) -> tuple[Stems, list[str], dict[str, str]]:
    """Check a separator's output against the contract, make it float32 of the mixture's shape, and map its names.

    A fault of one target, such as NaN, costs that target only.

    Parameters
    ----------
    estimates
        What `separate` returned.
    mixture : (channels, samples)
    targets : Targets
        Of the data set.
    declared : tuple of str
        Names that the method declares; those that are no targets of the data set may be parts of some.
    stem_map : StemMap

    Returns
    -------
    estimates : dict of str to (channels, samples) float32
        Targets, and stems that the data set does not have.
    flags : list of str
        ``"length:+12"`` where 12 samples too many were trimmed, ``"length:-12"`` where so many zeros were appended;
        ``"accompaniment_differs_from_sum:-12.3dB"`` where it was delivered beside stems that sum to something else.
    problems : dict of str to str
        Targets that cannot be scored: what they are and what was expected.

    Raises
    ------
    InvalidOutputError
        Where no target can be scored, or a target is returned that nobody asked for.
    """
    if not isinstance(estimates, dict) or not estimates:
        raise InvalidOutputError(f"returned {type(estimates).__name__}, expected a dict of target to array, not empty")
    known, flags, problems = {}, set(), {}
    for target, array in estimates.items():
        if target not in targets and target not in declared and target not in stem_map.sources:
            raise InvalidOutputError(f"returned the target {target!r}, expected some of {', '.join(targets)}")
        try:
            known[target], extra = _conform(target, np.asarray(array), mixture)
        except InvalidOutputError as error:
            problems[target] = str(error)
            continue
        if extra:
            flags.add(f"length:{extra:+d}")
    mapped, missing = stem_map.apply(known, mixture, targets)
    problems |= {target: "; ".join([reason, *problems.values()]) for target, reason in missing.items()}
    if problems and not any(target in targets for target in mapped):
        raise InvalidOutputError("; ".join(problems.values()))
    if not targets.resolve(mapped):
        raise InvalidOutputError(f"returned only {', '.join(estimates)}, expected some of {', '.join(targets)}")
    flags |= {f"{target}_differs_from_sum:{level:+.1f}dB" for target, level in targets.disagreements(mapped).items()}
    return mapped, sorted(flags), problems


def _conform(target: str, array: np.ndarray, mixture: np.ndarray) -> tuple[np.ndarray, int]:
    """Return an estimate as float32 of the mixture's shape, and by how many samples it was too long."""
    if array.dtype.kind != "f":
        raise InvalidOutputError(f"{target}: array of type {array.dtype}, expected floating point")
    if array.ndim != 2 or array.shape[0] != mixture.shape[0]:
        raise InvalidOutputError(
            f"{target}: shape {array.shape}, expected {mixture.shape} (channels, samples) as the mixture"
        )
    extra = array.shape[1] - mixture.shape[1]
    if abs(extra) > LENGTH_TOLERANCE:
        raise InvalidOutputError(
            f"{target}: {array.shape[1]} samples, expected {mixture.shape[1]}; at most {LENGTH_TOLERANCE} more or "
            "fewer are trimmed or padded (score --fit trim,pad: any number)"
        )
    if extra:
        array = array[:, : mixture.shape[1]] if extra > 0 else np.pad(array, ((0, 0), (0, -extra)))
    # What float32 cannot hold becomes infinite here and is found below.
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        channel, sample = np.argwhere(~np.isfinite(array))[0]
        raise InvalidOutputError(f"{target}: {array[channel, sample]} at channel {channel}, sample {sample}")
    return array, extra
