"""Which signals meet in which trial.

A trial is described by *conditions*, in words (``"system:hpss"``, ``"anchor:lowpass_3500"``, ``"reference"``); the pack
turns them into blinded files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.listening.anchors import ANCHORS
from mss_bench.listening.design import TestDesign
from mss_bench.listening.excerpts import Excerpt
from mss_bench.listening.protocols import Kind, Task
from mss_bench.listening.ratings import Role

__all__ = ["Condition", "PlannedTrial", "plan_trials"]


@dataclass(frozen=True)
class Condition:
    """One signal of a trial.

    Parameters
    ----------
    name : str
        The method's label, the anchor's name, or ``"reference"``.
    role : Role
    """

    name: str
    role: Role


@dataclass(frozen=True)
class PlannedTrial:
    """A trial before it has files.

    Parameters
    ----------
    excerpt : Excerpt
    task : Task
    conditions : tuple of Condition
        What is rated; of an ABX trial A, B and X, which is one of the two again.
    reference, mixture : bool
        Whether they can be listened to beside.
    details : dict
        ``remix_db`` in a remix test.
    """

    excerpt: Excerpt
    task: Task
    conditions: tuple[Condition, ...]
    reference: bool
    mixture: bool
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What tells it from all others."""
        what = "+".join(f"{c.role}:{c.name}" for c in self.conditions)
        return "|".join([self.excerpt.item, self.task.name, what, *(f"{k}={v}" for k, v in self.details.items())])

    @property
    def item(self) -> str:
        """The item, which a remix gain makes another one."""
        gain = self.details.get("remix_db")
        return self.excerpt.item if gain is None else f"{self.excerpt.item} {gain:+g} dB"


_REFERENCE = Condition("reference", Role.REFERENCE)


def plan_trials(design: TestDesign, systems: Sequence[str], excerpts: Sequence[Excerpt]) -> list[PlannedTrial]:
    """The trials of a test.

    Parameters
    ----------
    design : TestDesign
    systems : sequence of str
        Labels of the methods.
    excerpts : sequence of Excerpt

    Returns
    -------
    list of PlannedTrial

    Raises
    ------
    ConfigError
        Too few systems to compare, or more signals in a trial than the protocol allows.
    UnknownNameError
        An anchor that does not exist.
    """
    for name in design.anchors or ():
        if name not in ANCHORS:
            raise UnknownNameError("anchor", name, ANCHORS)
    tested = [Condition(name, Role.TEST) for name in systems]
    kind = design.protocol.kind
    needed = 2 if kind is Kind.PREFERENCE else 1
    if len(tested) < needed:
        raise ConfigError(f"{design.protocol.title} compares at least {needed} systems, got {len(tested)}")
    mixture = kind is Kind.MULTI and design.protocol.name != "remix"
    found = [
        PlannedTrial(excerpt, task, conditions, design.protocol.reference, mixture, details)
        for excerpt in excerpts
        for task in design.protocol.tasks
        for conditions in _conditions(design, task, tested, excerpt)
        for details in _details(design)
    ]
    signals = max(len(t.conditions) + t.reference for t in found)
    if signals > design.protocol.max_signals:
        raise ConfigError(
            f"a trial would have {signals} signals with its open reference, {design.protocol.title} allows "
            f"{design.protocol.max_signals}: test fewer systems (now {len(tested)}) or anchors"
        )
    return found


def _conditions(
    design: TestDesign, task: Task, tested: Sequence[Condition], excerpt: Excerpt
) -> list[tuple[Condition, ...]]:
    kind = design.protocol.kind
    hidden = [_REFERENCE] if task.hidden_reference else []
    if kind is Kind.PREFERENCE:
        return list(combinations(tested, 2))
    if kind is Kind.ABX:
        # X is the system or the reference by a coin that the seed throws, for each item and system.
        coins = np.random.default_rng([design.seed, *excerpt.item.encode()]).integers(0, 2, len(tested))
        return [(one, _REFERENCE, (one, _REFERENCE)[coin]) for one, coin in zip(tested, coins, strict=True)]
    if kind is Kind.MULTI:
        anchors = task.anchors if design.anchors is None else design.anchors
        return [(*tested, *hidden, *(Condition(name, Role.ANCHOR) for name in anchors))]
    return [(one,) for one in [*tested, *hidden]]


def _details(design: TestDesign) -> list[dict[str, Any]]:
    return [{"remix_db": gain} for gain in design.remix_db] if design.protocol.name == "remix" else [{}]
