"""Which signals meet in which trial, and who hears what in which order.

A trial is planned in words, by `Condition` (``"system:hpss"``, ``"anchor:lowpass_3500"``, ``"reference"``); the pack
turns them into blinded files.

Each listener has a configuration of their own. Which items it has is the design's, by the seed; in which order they and
their signals come is the blinding's, by its secret, as who knew an order would know what is what. Items follow a
Williams square [1]_: over its rows every item stands equally often at every place and follows every other item equally
often, so that neither tiredness nor the item before favours any. Where a session is too short for all items, each
listener gets an incomplete block of them: over the listeners every item occurs equally often (within one), and pairs of
items as nearly equally often as a greedy choice can make them. The signals of a trial are shuffled.

References
----------
.. [1] E. J. Williams, "Experimental designs balanced for the estimation of residual effects of treatments", Australian
   Journal of Scientific Research A 2, 1949.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import ConfigError
from mss_bench.listening.blinding import Blinding
from mss_bench.listening.design import TestDesign
from mss_bench.listening.excerpts import Excerpt
from mss_bench.listening.pack_format import Step, Trial
from mss_bench.listening.protocols import Kind, Task
from mss_bench.listening.ratings import Role

__all__ = ["Condition", "PlannedTrial", "blocks", "configurations", "plan_trials", "williams"]


@dataclass(frozen=True)
class Condition:
    """One signal of a trial: the method's label, the anchor's name, or ``"reference"``, and what it is there for."""

    name: str
    role: Role


_REFERENCE = Condition("reference", Role.REFERENCE)


@dataclass(frozen=True)
class PlannedTrial:
    """A trial before it has files.

    Parameters
    ----------
    excerpt : Excerpt
    task : Task
    conditions : tuple of Condition
        What is rated; in an ABX trial A, B and X, which is one of the two again.
    reference, mixture : bool
        Whether they can be listened to beside.
    remix_db : float, optional
        Gain of the target in a remix test.
    """

    excerpt: Excerpt
    task: Task
    conditions: tuple[Condition, ...]
    reference: bool
    mixture: bool
    remix_db: float | None = None

    @property
    def name(self) -> str:
        """Return what tells the trial from all others."""
        what = "+".join(f"{c.role}:{c.name}" for c in self.conditions)
        gain = [] if self.remix_db is None else [f"remix_db={self.remix_db}"]
        return "|".join([self.excerpt.item, self.task.name, what, *gain])

    @property
    def item(self) -> str:
        """Return the item, which a remix gain makes another one."""
        return self.excerpt.item if self.remix_db is None else f"{self.excerpt.item} {self.remix_db:+g} dB"


def plan_trials(
    design: TestDesign, systems: Sequence[str], excerpts: Sequence[Excerpt], blinding: Blinding
) -> list[PlannedTrial]:
    """Plan the trials of a test.

    Parameters
    ----------
    design : TestDesign
    systems : sequence of str
        Labels of the methods.
    excerpts : sequence of Excerpt
    blinding : Blinding
        Throws the coins of ABX.

    Returns
    -------
    list of PlannedTrial

    Raises
    ------
    ConfigError
        Too few systems to compare, or more signals in a trial than the protocol allows.
    """
    procedure, remix = design.procedure, design.protocol == "remix"
    needed = 2 if procedure.kind in (Kind.PREFERENCE, Kind.VOTES) else 1
    if len(systems) < needed:
        raise ConfigError(f"{procedure.title} compares at least {needed} systems, got {len(systems)}")
    mixture = procedure.kind is Kind.MULTI and not remix
    hidden = _hidden_x(systems, excerpts, blinding) if procedure.kind is Kind.ABX else {}
    planned = [
        PlannedTrial(excerpt, task, conditions, procedure.reference, mixture, gain)
        for excerpt in excerpts
        for task in procedure.tasks
        for conditions in _conditions(design, task, systems, [hidden.get((excerpt.item, name), "") for name in systems])
        for gain in (design.remix_db if remix else (None,))
    ]
    signals = max(len(t.conditions) + t.reference for t in planned)
    if signals > procedure.max_signals:
        raise ConfigError(
            f"a trial would have {signals} signals with its open reference, {procedure.title} allows "
            f"{procedure.max_signals}: test fewer systems (now {len(systems)}) or anchors"
        )
    return planned


def _conditions(
    design: TestDesign, task: Task, systems: Sequence[str], x: Sequence[str]
) -> list[tuple[Condition, ...]]:
    tested = [Condition(name, Role.TEST) for name in systems]
    hidden = [_REFERENCE] if task.hidden_reference else []
    match design.procedure.kind:
        case Kind.PREFERENCE:
            return list(combinations(tested, 2))
        case Kind.VOTES:
            return [tuple(tested)]
        case Kind.ABX:
            return [(a, _REFERENCE, a if a.name == same else _REFERENCE) for a, same in zip(tested, x, strict=True)]
        case Kind.MULTI:
            anchors = task.anchors if design.anchors is None else design.anchors
            return [(*tested, *hidden, *(Condition(name, Role.ANCHOR) for name in anchors))]
        case _:
            return [(condition,) for condition in [*tested, *hidden]]


def _hidden_x(systems: Sequence[str], excerpts: Sequence[Excerpt], blinding: Blinding) -> dict[tuple[str, str], str]:
    """Return what X equals for each item and system: the system in half of a system's items, and of all, within one."""
    rng = blinding.rng("x of abx")
    first = rng.permutation(len(systems)) + rng.integers(2)
    return {
        (excerpt.item, name): name if coin else _REFERENCE.name
        for name, begin in zip(systems, first, strict=True)
        for excerpt, coin in zip(excerpts, rng.permutation((np.arange(len(excerpts)) + begin) % 2), strict=True)
    }


def williams(n: int) -> NDArray[np.intp]:
    """Make a Williams design for `n` treatments.

    Parameters
    ----------
    n : int
        At least 1.

    Returns
    -------
    (n, n) or, for odd n above 1, (2 n, n) array
        A row for each listener.
    """
    first = np.empty(n, dtype=np.intp)
    first[0::2] = np.arange((n + 1) // 2)
    first[1::2] = np.arange(n - 1, (n - 1) // 2, -1)
    rows = (first + np.arange(n)[:, None]) % n
    return np.vstack([rows, rows[:, ::-1]]) if n % 2 and n > 1 else rows


def blocks(items: int, size: int, listeners: int, rng: np.random.Generator) -> list[list[int]]:
    """Make blocks of items, one for each listener.

    Built item by item: the one that so far was heard least, then the one that least met those already in the block.

    Parameters
    ----------
    items, size, listeners : int
        ``1 <= size <= items``.
    rng : numpy.random.Generator
        Breaks ties.

    Returns
    -------
    list of sorted lists
        The occurrences of any two items differ by at most 1.
    """
    heard = np.zeros(items, dtype=np.intp)
    met = np.zeros((items, items), dtype=np.intp)
    chosen = []
    for _ in range(listeners):
        block: list[int] = []
        for _ in range(size):
            free = np.setdiff1d(np.arange(items), block)
            # lexsort's last key counts first: occurrences, so that they stay within one of each other; then meetings
            cost = np.stack([rng.random(len(free)), met[free][:, block].sum(axis=1), heard[free]])
            block.append(int(free[np.lexsort(cost)[0]]))
            heard[block[-1]] += 1
        met[np.array(block)[:, None], block] += 1
        chosen.append(sorted(block))
    return chosen


def configurations(
    design: TestDesign, trials: Sequence[Trial], items: Sequence[str], blinding: Blinding
) -> list[list[Step]]:
    """Order the trials for each listener.

    Parameters
    ----------
    design : TestDesign
        Says how many listeners there are, how many trials each is asked, how many of them come a second time, and the
        tasks, whose order follows a Williams square, too (but PEASS', which are asked as given).
    trials : sequence of Trial
        All of the test.
    items : sequence of str
        The item of each trial. A listener hears an item in all of its trials or in none.
    blinding : Blinding
        Shuffles.

    Returns
    -------
    list of list of Step

    Raises
    ------
    ConfigError
        The design asks fewer trials than one item has, or repeats more than it asks.
    """
    names, tasks = list(dict.fromkeys(items)), [task.name for task in design.procedure.tasks]
    of_item = max(items.count(name) for name in names)
    size = min(len(names), design.trials // of_item)
    if size < 1:
        raise ConfigError(f"trials: {design.trials} is less than the {of_item} trials of one item; raise it")
    if design.replicates > size * of_item:
        raise ConfigError(
            f"replicates: {design.replicates} of a session of {size * of_item} trials; expected at most as many"
        )
    chosen = blocks(len(names), size, design.listeners, np.random.default_rng([design.seed, 0]))
    # A Williams square stays one under other names, and these are the secret's: anybody can make the square itself.
    item_rows, task_rows = blinding.rng("square").permutation(size)[williams(size)], williams(len(tasks))
    orders = []
    for listener in range(design.listeners):
        rng = blinding.rng("order", listener)
        row = task_rows[listener % len(task_rows)]  # a row each: balanced once their number is a multiple of the rows
        steps: list[Step] = []
        for number, task in enumerate(sorted(row) if design.protocol == "peass" else row):
            for place in item_rows[(listener + number) % len(item_rows)]:
                item = names[chosen[listener][place]]
                own = [t for t, of in zip(trials, items, strict=True) if of == item and t.task == tasks[task]]
                steps += [Step(own[k].id, _shuffled(own[k], rng)) for k in rng.permutation(len(own))]
        orders.append(_with_replicates(steps, {t.id: t for t in trials}, design.replicates, rng))
    return orders


def _shuffled(trial: Trial, rng: np.random.Generator) -> list[int]:
    """Order the signals of a trial; the X of an ABX trial stays the last."""
    movable = len(trial.stimuli) - (trial.kind == Kind.ABX)
    return [*map(int, rng.permutation(movable)), *range(movable, len(trial.stimuli))]


def _with_replicates(
    steps: list[Step], trials: dict[str, Trial], replicates: int, rng: np.random.Generator
) -> list[Step]:
    """Put some of the first half's steps again at places of the second half, never next to the original."""
    if not replicates:
        return steps
    # Of the first half, into the second: between the two there is time to forget the first answer.
    half = max(replicates, (len(steps) + 1) // 2)
    for first in rng.permutation(half)[:replicates]:
        again = Step(steps[first].trial, _shuffled(trials[steps[first].trial], rng), replicate=True)
        earliest = min(max(half, int(first) + 2), len(steps))
        steps = [*steps]
        steps.insert(int(rng.integers(earliest, len(steps) + 1)), again)
    return steps
