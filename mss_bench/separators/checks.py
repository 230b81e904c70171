"""Checks that the built-in methods share: ranges of parameters and channels of the mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mss_bench.core.tracks import Audio
from mss_bench.errors import AudioError, ConfigError
from mss_bench.separators.base import Separator

__all__ = ["require_channels", "require_choice", "require_number", "require_whole"]


def require_number(
    separator: Separator, parameter: str, value: Any, *, above: float | None = None, low: float = -np.inf,
    high: float = np.inf, unit: str = "",
) -> None:  # fmt: skip
    """Refuse what is not a finite number within ``low <= value <= high`` (and ``> above``).

    Raises
    ------
    ConfigError
        It names the separator, the parameter, the value and what was expected.
    """
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (number and np.isfinite(value) and low <= value <= high and (above is None or value > above)):
        limits = [f"above {above:g}" if above is not None else f"at least {low:g}" if low > -np.inf else ""]
        limits.append(f"at most {high:g}" if high < np.inf else "")
        _refuse(separator, parameter, value, f"a number {' and '.join(filter(None, limits))} {unit}".rstrip())


def require_whole(
    separator: Separator, parameter: str, value: Any, *, low: int, high: int | None = None, odd: bool = False
) -> None:
    """Refuse what is not a whole number from `low` to `high`, or where asked an even one.

    Raises
    ------
    ConfigError
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not (whole and value >= low and (high is None or value <= high) and (value % 2 or not odd)):
        limit = f"at least {low}" if high is None else f"{low} to {high}"
        _refuse(separator, parameter, value, f"{'an odd' if odd else 'a whole'} number, {limit}")


def require_choice(separator: Separator, parameter: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is not one of some words.

    Raises
    ------
    ConfigError
    """
    if value not in choices:
        _refuse(separator, parameter, value, " or ".join(choices))


def require_channels(separator: Separator, mixture: Audio) -> None:
    """Refuse a mixture whose channel count the separator does not declare.

    Raises
    ------
    AudioError
    """
    if separator.channels and len(mixture) not in separator.channels:
        wanted = " or ".join(map(str, separator.channels))
        raise AudioError(
            f"{separator.name}: the mixture has {len(mixture)} channel{'s' * (len(mixture) != 1)}, expected {wanted}; "
            f"leave this separator out for such a data set"
        )


def _refuse(separator: Separator, parameter: str, value: Any, expected: str) -> None:
    raise ConfigError(f"{separator.name}: {parameter}={value!r}; expected {expected}")
