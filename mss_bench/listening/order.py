"""Who hears what, in which order: Williams squares, balanced incomplete blocks, replicates.

Each listener has a configuration of their own, determined by (seed, listener) alone. Items follow a Williams square
[1]_: over its rows every item stands equally often at every place and follows every other item equally often, so that
neither tiredness nor the item before favours any. Where a session is too short for all items, each listener gets an
incomplete block of them: over the listeners every item occurs equally often (within one), and pairs of items as nearly
equally often as a greedy choice can make them. The signals of a trial are shuffled.

References
----------
.. [1] E. J. Williams, "Experimental designs balanced for the estimation of residual effects of treatments", Australian
   Journal of Scientific Research A 2, 1949.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import ConfigError
from mss_bench.listening.pack_format import Step, Trial
from mss_bench.listening.protocols import Kind

__all__ = ["blocks", "configurations", "williams"]


def williams(n: int) -> NDArray[np.intp]:
    """A Williams design for `n` treatments.

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
    """Blocks of items, one a listener.

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
    found = []
    for _ in range(listeners):
        block: list[int] = []
        for _ in range(size):
            free = np.setdiff1d(np.arange(items), block)
            # occurrences first, so that they stay within one of each other; then meetings; then chance
            cost = np.stack([rng.random(len(free)), met[free][:, block].sum(axis=1), heard[free]])
            block.append(int(free[np.lexsort(cost)[0]]))
            heard[block[-1]] += 1
        met[np.array(block)[:, None], block] += 1
        found.append(sorted(block))
    return found


def configurations(
    trials: Sequence[Trial], items: Sequence[str], tasks: Sequence[str], *, listeners: int, most: int, replicates: int,
    seed: int, balance_tasks: bool,
) -> list[list[Step]]:  # fmt: skip
    """An order of trials for each listener.

    Parameters
    ----------
    trials : sequence of Trial
        All of the test.
    items : sequence of str
        The item of each trial. A listener hears an item in all of its trials or in none.
    tasks : sequence of str
        In the order in which they are asked.
    listeners : int
    most : int
        Trials of one listener, without replicates.
    replicates : int
        Trials of each listener that come a second time, later on.
    seed : int
    balance_tasks : bool
        Whether the tasks' order, too, follows a Williams square; otherwise they are asked as given.

    Returns
    -------
    list of list of Step

    Raises
    ------
    ConfigError
        `most` is less than the trials of one item, or there are fewer trials than replicates.
    """
    names = list(dict.fromkeys(items))
    each = max(sum(item == name for item in items) for name in names)
    size = min(len(names), most // each)
    if size < 1:
        raise ConfigError(f"trials: {most} is less than the {each} trials of one item; raise it")
    if replicates > size * each:
        raise ConfigError(f"replicates: {replicates} of a session of {size * each} trials; expected at most as many")
    chosen = blocks(len(names), size, listeners, np.random.default_rng([seed, 0]))
    item_rows, task_rows = williams(size), williams(len(tasks))
    found = []
    for listener in range(listeners):
        rng = np.random.default_rng(np.random.SeedSequence([seed, 1, listener]))
        order_of_tasks = [tasks[k] for k in task_rows[listener % len(task_rows)]] if balance_tasks else list(tasks)
        steps: list[Step] = []
        for number, task in enumerate(order_of_tasks):
            row = item_rows[(listener + number) % len(item_rows)]
            for place in row:
                name = names[chosen[listener][place]]
                own = [t for t, item in zip(trials, items, strict=True) if item == name and t.task == task]
                steps += [Step(own[k].id, _shuffled(own[k], rng)) for k in rng.permutation(len(own))]
        found.append(_with_replicates(steps, {t.id: t for t in trials}, replicates, rng))
    return found


def _shuffled(trial: Trial, rng: np.random.Generator) -> list[int]:
    """The order of the signals; the X of an ABX trial stays the last."""
    fixed = 1 if trial.kind == Kind.ABX else 0
    movable = len(trial.stimuli) - fixed
    return [*map(int, rng.permutation(movable)), *range(movable, len(trial.stimuli))]


def _with_replicates(
    steps: list[Step], trials: dict[str, Trial], replicates: int, rng: np.random.Generator
) -> list[Step]:
    """The steps, and some of the first half's again at places of the second half, never next to the original."""
    if not replicates:
        return steps
    half = max(replicates, (len(steps) + 1) // 2)
    for first in rng.permutation(half)[:replicates]:
        again = Step(steps[first].trial, _shuffled(trials[steps[first].trial], rng), replicate=True)
        earliest = min(max(half, int(first) + 2), len(steps))
        steps = [*steps]
        steps.insert(int(rng.integers(earliest, len(steps) + 1)), again)
    return steps
