"""What a test asks of its listeners, before anything is made."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from mss_bench.core.text import columns
from mss_bench.errors import ConfigError
from mss_bench.listening.design import TestDesign
from mss_bench.listening.order import configurations
from mss_bench.listening.pack import choose
from mss_bench.listening.pack_format import HEARD, Trial, trial_seconds
from mss_bench.listening.trials import PlannedTrial, plan_trials
from mss_bench.running.audio import RunAudio

__all__ = ["describe_plan", "listeners_needed"]

_DIFFERENCES = (5.0, 8.0, 10.0, 15.0)


def listeners_needed(difference: float, *, sd: float = 20.0, power: float = 0.8, level: float = 0.05) -> int:
    """Listeners for a paired difference to be found: ``n = ((z_(1-a/2) + z_power) sd / difference)^2``.

    Parameters
    ----------
    difference, sd : float
        True mean of the paired differences and their standard deviation, in points of the scale. In published tests
        of music separation the latter is 18 to 21 points.
    power, level : float
        Wanted probability of finding it, and of finding one that is not there.

    Raises
    ------
    ConfigError
        Numbers out of range.
    """
    from scipy.stats import norm

    if not (difference > 0 and sd > 0 and 0 < level < power < 1):
        raise ConfigError(f"difference={difference}, sd={sd}, power={power}, level={level}: expected positive numbers, "
                          "level below power, both below 1")  # fmt: skip
    return math.ceil(((norm.ppf(1 - level / 2) + norm.ppf(power)) * sd / difference) ** 2)


def describe_plan(design: TestDesign, *, power: float = 0.8, sd: float = 20.0) -> str:
    """Trials, minutes for a listener, and the number of listeners, in words.

    Raises
    ------
    MssBenchError
        As `mss_bench.listening.pack.make_pack`, where the design does not fit its run.
    """
    with tempfile.TemporaryDirectory() as work:
        systems, excerpts, _ = choose(design, RunAudio(design.run, Path(work)))
    planned = plan_trials(design, systems, excerpts)
    trials = [_as_trial(design, number, trial) for number, trial in enumerate(planned)]
    steps = configurations(
        trials, [t.item for t in planned], [t.name for t in design.protocol.tasks], listeners=design.listeners,
        most=design.trials, replicates=design.replicates, seed=design.seed, balance_tasks=False,
    )  # fmt: skip
    by_id = {t.id: p for t, p in zip(trials, planned, strict=True)}
    minutes = [sum(_seconds(by_id[s.trial]) for s in one) / 60 for one in steps]
    lines = [
        f"{design.name}: {design.protocol.title}, {design.target}, {len(systems)} systems",
        "",
        columns([
            ("items", str(len({t.item for t in planned}))),
            ("trials", f"{len(planned)}, of which a listener is asked {len(steps[0])} (replicates included)"),
            ("signals in a trial", str(max(len(t.conditions) for t in planned))),
            ("minutes for a listener", f"about {max(minutes):.0f}, each signal heard {HEARD:g} times"),
            ("systems", ", ".join(systems)),
        ]),
        "",
        columns([(e.track, f"{e.start:.1f} s", e.note) for e in excerpts], ("excerpt", "start", "remark")),
        "",
        f"Listeners for a difference to be found with {100 * power:.0f} % (paired, sd {sd:g} points, 5 % level):",
        columns([(f"{d:g} points", str(listeners_needed(d, sd=sd, power=power))) for d in _DIFFERENCES]),
    ]  # fmt: skip
    return "\n".join(lines)


def _as_trial(design: TestDesign, number: int, trial: PlannedTrial) -> Trial:
    files = [""] * len(trial.conditions)
    return Trial(f"{number:012x}", str(design.protocol.kind), trial.task.name, "", trial.excerpt.seconds, files)


def _seconds(trial: PlannedTrial) -> float:
    return trial_seconds(trial.excerpt.seconds, len(trial.conditions) + trial.reference)
