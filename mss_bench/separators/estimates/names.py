"""Check whether estimates hold the targets that they are named after, or names were exchanged.

- *Exchanged names*: the estimates are assigned to the targets anew (Hungarian algorithm) by ``|rho|`` times their
  selectivity ``(a - b) / (a + b)`` with ``y = a s + b (x - s)``, which is 0 for every target of the mixture itself.
- *A sum without some stems*: an instrumental beside drums may be without them; what adds up to the mixture tells.
- *Another target*: ``y = sum_j c_j s_j`` over the stems, by least squares. The ``other`` of a model with two stems
  holds drums and bass as well, which no estimate of other does, however poor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.findings import Finding
from mss_bench.core.tracks import Audio, Targets
from mss_bench.dsp.alignment import correlation, dot
from mss_bench.separators.estimates.aligned import Aligned, shares

__all__ = ["ADDED_UP", "other_target", "swapped_names"]

_HELD = 0.5
"""Least share of a stem that an estimate must hold for the stem to count as a part of it."""
_BETTER_DB = 3.0
ADDED_UP = 1e-4  # -40 dB
_FAR_OFF = 1e-3  # -30 dB: what is lost is heard
_AUDIBLE = 1e-3  # of the mixture's energy: quieter stems say nothing


def swapped_names(aligned: Mapping[str, Aligned], references: Mapping[str, Audio]) -> list[Finding]:
    """Find estimates that fit other targets than those that they are named after."""
    from scipy.optimize import linear_sum_assignment

    names, targets = list(aligned), list(references)
    if not names or len(targets) < 2:
        return []
    table = np.array([[_fit(p, references[t]) for t in targets] for p in aligned.values()])
    best = dict(zip(names, (targets[j] for j in linear_sum_assignment(table, maximize=True)[1]), strict=True))
    own = {name: float(table[i, targets.index(name)]) for i, name in enumerate(names)}
    there = {name: float(table[i, targets.index(best[name])]) for i, name in enumerate(names)}
    # A swap is believed only if every estimate of the cycle fits its new target better.
    circle = {n for n in names if best[n] != n and there[n] >= 0.15 and there[n] - own[n] >= 0.3}
    while weak := {n for n in circle if best[n] not in circle}:
        circle -= weak
    findings = []
    for name, item in aligned.items():
        # A single exchange needs strong evidence, and more than a mixture dominated by the other target gives.
        reference = item.cut(references[best[name]])
        plain = best[name] != name and there[name] >= 0.5 and own[name] <= 0.0
        likeness = abs(correlation(item.y, reference))
        if name not in circle and not (plain and likeness >= 0.6 and likeness >= abs(correlation(item.x, reference))):
            continue
        fits = (
            f"it fits {best[name]} far better (correlation {likeness:.2f}) than its own target "
            f"({abs(correlation(item.y, item.s)):.2f})"
        )
        if name in circle:
            findings.append(Finding("error", name, "swapped_names", f"{fits}; are the names swapped? rename the files"))
        else:  # a blind method may have taken one stem for another
            message = f"{fits}; is it named after the wrong stem, or did the method take one for the other?"
            findings.append(Finding("warning", name, "swapped_names", message, value=likeness))
    return findings


def other_target(aligned: Mapping[str, Aligned], references: Mapping[str, Audio], targets: Targets) -> list[Finding]:
    """Find estimates that hold another target, of which their own is a part or which is a part of their own.

    Parameters
    ----------
    aligned : mapping of str to Aligned
    references : mapping of str to (channels, samples)
        Every target of the data set.
    targets : Targets
        Of the data set: which stems each target sums.
    """
    findings = []
    for name, item in aligned.items():
        parts = _Parts.of(item, references, targets)
        candidates = [t for t in targets if t != name and parts.fit(t, name)]
        if not candidates:
            continue
        best = max(candidates, key=parts.sdr)
        held = ", ".join(f"{share:.2f} of {stem}" for stem, share in zip(targets.stems, parts.held, strict=True))
        message = (
            f"it is {best} ({' + '.join(targets[best])}) rather than {name}: SDR {parts.sdr(best):.1f} dB against "
            f"{parts.sdr(name):.1f} dB, and it holds {held}"
        )
        value = parts.sdr(best) - parts.sdr(name)
        findings.append(Finding("error", name, "target", message, value=value, meant=best))
    return findings + [finding for target in targets for finding in _lacking(target, aligned, targets)]


def _lacking(target: str, aligned: Mapping[str, Aligned], targets: Targets) -> list[Finding]:
    """Find a sum that lacks stems delivered beside it: only with these does everything add up to the mixture."""
    parts = targets[target]
    beside = [stem for stem in targets.stems if stem not in parts]
    inside = [stem for stem in parts if stem in aligned]
    chosen = [aligned[name] for name in (target, *beside, *inside) if name in aligned]
    if len(parts) < 2 or len(chosen) <= len(beside) or len({(item.lag, item.y.shape) for item in chosen}) != 1:
        return []
    if target not in aligned or not all(stem in aligned for stem in beside):
        return []
    x = chosen[0].x
    rest = x - np.add.reduce([aligned[name].y for name in (target, *beside)])
    if dot(rest, rest) <= _FAR_OFF * dot(x, x):
        return []
    for lost in (some for n in range(1, len(inside) + 1) for some in combinations(inside, n)):
        error = rest - np.add.reduce([aligned[stem].y for stem in lost])
        if dot(error, error) < ADDED_UP * dot(x, x):
            whole = " + ".join([*beside, *lost, target])
            message = f"it lacks {' and '.join(lost)}, delivered beside it: {whole} add up to the mixture"
            return [Finding("error", target, "target", message, meant=target, made_of=(*lost, target))]
    return []


@dataclass(frozen=True)
class _Parts:
    """How much of each stem an estimate holds, by least squares."""

    targets: Targets
    gram: NDArray[np.float64]
    product: NDArray[np.float64]
    energy: float
    held: NDArray[np.float64]
    audible: NDArray[np.bool_]

    @classmethod
    def of(cls, item: Aligned, references: Mapping[str, Audio], targets: Targets) -> _Parts:
        """Measure an estimate."""
        stems = [item.cut(references[stem]) for stem in targets.stems]
        gram = np.array([[dot(a, b) for b in stems] for a in stems])
        product = np.array([dot(item.y, stem) for stem in stems])
        held = np.linalg.lstsq(gram, product, rcond=1e-6)[0]
        return cls(targets, gram, product, dot(item.y, item.y), held, np.diag(gram) > _AUDIBLE * dot(item.x, item.x))

    def sdr(self, target: str) -> float:
        """Return the SDR of the estimate as an estimate of a target."""
        ones = self._inside(target).astype(float)
        energy = float(ones @ self.gram @ ones)
        error = energy - 2 * float(ones @ self.product) + self.energy
        return 10 * math.log10(energy / max(error, 1e-12 * energy)) if energy > 0 else -math.inf

    def fit(self, target: str, name: str) -> bool:
        """Return whether the estimate holds all of a target, less of the rest, and fits it better than its own."""
        inside = self._inside(target)
        members, others = self.held[self.audible & inside], self.held[self.audible & ~inside]
        return (
            bool(set(self.targets[target]) & set(self.targets[name]))
            and len(members) == np.count_nonzero(inside)
            and float(members.min()) >= _HELD
            and (not len(others) or float(others.max()) < float(members.min()) - 0.1)
            and self.sdr(target) > 0
            and self.sdr(target) - self.sdr(name) >= _BETTER_DB
        )

    def _inside(self, target: str) -> NDArray[np.bool_]:
        return np.array([stem in self.targets[target] for stem in self.targets.stems])


def _fit(item: Aligned, reference: Audio) -> float:
    """Return correlation times selectivity: 1 for the target itself, 0 where it is held as the mixture holds it."""
    s = item.cut(reference)
    share, leak = shares(item.y, s, item.x)
    # Selectivity alone would take drums for the accompaniment: they are a part of it, without any vocals.
    return abs(correlation(item.y, s)) * (share - leak) / (share + leak) if share + leak > 0 else 0.0
