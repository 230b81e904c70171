"""Findings of the doctors: what is wrong with audio, or worth knowing, before a number is computed from it.

The doctor of data sets (`mss_bench.datasets.doctor`) looks at references and mixtures, that of estimates
(`mss_bench.separators.estimates.doctor`) at what a method delivered. ``docs/doctor.md`` has an example of each kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["KINDS", "Finding", "Severity", "lines"]

Severity = Literal["error", "warning", "note"]

KINDS: dict[str, str] = {
    # of a file alone
    "unreadable": "a file is missing, damaged or truncated, has another sample rate, or holds NaN",
    "shape": "another length or number of channels than the mixture or the other stems",
    "silent": "no sound, throughout or in one channel",
    "clipping": "samples at full scale",
    "offset": "a constant offset from zero (DC)",
    "leftover": "audio that nothing reads, or a pattern that fits no file",
    "duplicate": "the same content under two names",
    "absent": "a stem that a track does not have",
    "erratum": "what is known to be wrong with a recording",
    # of stems against the mixture, and of estimates against references
    "gain": "a level that is not the reference's",
    "polarity": "the opposite sign",
    "mono": "both channels folded into one",
    "swapped_channels": "left and right exchanged",
    "lag": "a constant delay",
    "drift": "a delay that grows: another clock",
    "swapped_names": "names exchanged",
    "sum": "how far the mixture is from the sum of its stems",
    "implausible": "references that do not sound like what they are named after",
    # of estimates
    "nan": "samples that are no numbers",
    "channels": "another number of channels than the reference",
    "rate": "a length that is that of another sample rate",
    "length": "a length beyond what is trimmed or padded",
    "mixture": "the mixture in the place of a stem",
    "target": "the sound of another target than the name says",
}
"""Every kind of finding, by its code."""

_NAMED_TRACKS = 3


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Parameters
    ----------
    severity : {"error", "warning", "note"}
        ``error``: numbers would be wrong, or there would be none. ``warning``: they may well be.
    part : str
        The stem, target or file; empty for what concerns several.
    code : str
        One of `KINDS`.
    message : str
        What was found, with the numbers that show it, what was expected and what to do.
    track, subset : str
    value : float
        The fault's size: samples of lag, dB of gain, ppm of drift, share of clipped samples; NaN where it has none.
    meant : str
        The target that it fits, of kind ``target``.
    made_of : tuple of str
        The parts that sum to `meant`, where it is not the part alone.
    """

    severity: Severity
    part: str
    code: str
    message: str
    track: str = ""
    subset: str = ""
    value: float = math.nan
    meant: str = ""
    made_of: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """Return the part, which for estimates is a target."""
        return self.part

    def __str__(self) -> str:
        return f"{self.severity}: {': '.join(p for p in (self.track, self.part, self.message) if p)}"


def lines(findings: Iterable[Finding], n_tracks: int) -> list[str]:
    """Return findings as text, errors first; what many tracks share is one line with an example.

    Parameters
    ----------
    findings : iterable of Finding
    n_tracks : int
        How many tracks were looked at.
    """
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.part, finding.code), []).append(finding)
    text: list[str] = []
    for (severity, part, _), group in sorted(groups.items(), key=lambda item: _RANK[item[0][0]]):
        if len(group) < _NAMED_TRACKS:
            text += map(str, group)
            continue
        # The typical size of the fault says more than that of the first track.
        example = sorted(group, key=lambda f: (math.isnan(f.value), f.value))[len(group) // 2]
        names = ", ".join(f.track for f in group[:_NAMED_TRACKS]) + (", ..." if len(group) > _NAMED_TRACKS else "")
        where = f"{len(group)} of {n_tracks} tracks ({names})"
        text.append(f"{severity}: {part or 'all'}: on {where}; {example.track}: {example.message}")
    return text


_RANK = {"error": 0, "warning": 1, "note": 2}
