"""What a test asks of its listeners, before anything is made."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mss_bench.core.text import columns
from mss_bench.listening.blinding import Blinding, new_secret
from mss_bench.listening.design import TestDesign
from mss_bench.listening.needed import SD, answers_by_share, listeners_in_words
from mss_bench.listening.pack import choose
from mss_bench.listening.pack_format import HEARD, Trial, trial_seconds
from mss_bench.listening.protocols import CHOICES, Kind
from mss_bench.listening.trials import configurations, plan_trials
from mss_bench.running.audio import RunAudio

__all__ = ["describe_plan"]


def describe_plan(design: TestDesign, *, power: float = 0.8, sd: float | None = None) -> str:
    """Describe trials, minutes for a listener, and the number of listeners, in words.

    Raises
    ------
    MssBenchError
        As `mss_bench.listening.pack.make_pack`, where the design does not fit its run.
    """
    with tempfile.TemporaryDirectory() as work:
        source = RunAudio(design.run, Path(work))
        systems, excerpts, tracks = choose(design, source)
        source.missing(systems, tracks)  # what cannot be packed is told before listeners are sought
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
    first = design.procedure.tasks[0]
    kind = design.procedure.kind
    if kind in CHOICES:
        about = {
            Kind.PREFERENCE: "Answers about a pair of systems",
            Kind.VOTES: "Votes",
            Kind.ABX: "Answers about a system",
        }
        needed = answers_by_share(kind, power, choices=len(systems) if kind is Kind.VOTES else 2)
        told = f"{about[kind]} for a share to be told from guessing with {100 * power:.0f} % (5 % level):"
    else:
        needed = listeners_in_words(sd, (first.low, first.high), power)
        spread = SD * (first.high - first.low) if sd is None else sd
        told = f"Listeners for a difference to be found with {100 * power:.0f} % (paired, sd {spread:g}, 5 % level):"
    english = design.catalogue.in_english
    return "\n".join([
        f"{design.name}: {design.procedure.title}, {design.target}, {len(systems)} systems",
        "",
        columns(facts),
        "",
        columns([(e.track, f"{e.start:.1f} s", e.note) for e in excerpts], ("excerpt", "start", "remark")),
        "",
        told,
        columns([(what, str(n)) for what, n in needed.items()]),
        *(["", english] if english else []),
    ])  # fmt: skip
