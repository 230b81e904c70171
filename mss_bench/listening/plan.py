"""What a test asks of its listeners, before anything is made."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from mss_bench.core.text import columns
from mss_bench.listening.blinding import Blinding, new_secret
from mss_bench.listening.design import TestDesign
from mss_bench.listening.pack import choose
from mss_bench.listening.pack_format import HEARD, Trial, trial_seconds
from mss_bench.listening.trials import configurations, plan_trials
from mss_bench.running.audio import RunAudio

__all__ = ["describe_plan", "listeners_by_difference"]

_DIFFERENCES = (5.0, 8.0, 10.0, 15.0)  # points of a scale of 100, on which a band of MUSHRA's has 20
_LEVEL = 0.05  # of the two-sided test


def listeners_by_difference(sd: float = 20.0, power: float = 0.8) -> dict[float, int]:
    """Return how many listeners find some paired differences: ``n = ((z_(1-a/2) + z_power) sd / difference)^2``.

    Parameters
    ----------
    sd : float
        Standard deviation of the paired differences, in points of the scale. In published tests of music separation
        it is 18 to 21 points.
    power : float
        Wanted probability of finding the difference, above the level of the test.
    """
    from scipy.stats import norm

    z = norm.ppf(1 - _LEVEL / 2) + norm.ppf(power)
    return {difference: math.ceil((z * sd / difference) ** 2) for difference in _DIFFERENCES}


def describe_plan(design: TestDesign, *, power: float = 0.8, sd: float = 20.0) -> str:
    """Describe trials, minutes for a listener, and the number of listeners, in words.

    Raises
    ------
    MssBenchError
        As `mss_bench.listening.pack.make_pack`, where the design does not fit its run.
    """
    with tempfile.TemporaryDirectory() as work:
        systems, excerpts, _ = choose(design, RunAudio(design.run, Path(work)))
    blinding = Blinding(new_secret(), design.name)  # any: what is told here is the same for each
    planned = plan_trials(design, systems, excerpts, blinding)
    trials = {}
    for number, plan in enumerate(planned):  # as the pack will have them, without files
        reference = "reference" if plan.reference else ""
        files = [""] * len(plan.conditions)
        trials[str(number)] = Trial(
            str(number), str(design.procedure.kind), plan.task.name, "", plan.excerpt.seconds, files, reference
        )
    orders = configurations(design, list(trials.values()), [plan.item for plan in planned], blinding)
    minutes = max(sum(trial_seconds(trials[step.trial]) for step in steps) / 60 for steps in orders)
    facts = [
        ("items", str(len({plan.item for plan in planned}))),
        ("trials", f"{len(planned)}, of which a listener is asked {len(orders[0])} (replicates included)"),
        ("signals in a trial", str(max(len(plan.conditions) for plan in planned))),
        ("minutes for a listener", f"about {minutes:.0f}, each signal heard {HEARD:g} times"),
        ("systems", ", ".join(systems)),
    ]
    needed = listeners_by_difference(sd, power)
    return "\n".join([
        f"{design.name}: {design.procedure.title}, {design.target}, {len(systems)} systems",
        "",
        columns(facts),
        "",
        columns([(e.track, f"{e.start:.1f} s", e.note) for e in excerpts], ("excerpt", "start", "remark")),
        "",
        f"Listeners for a difference to be found with {100 * power:.0f} % (paired, sd {sd:g} points, 5 % level):",
        columns([(f"{difference:g} points", str(n)) for difference, n in needed.items()]),
    ])  # fmt: skip
