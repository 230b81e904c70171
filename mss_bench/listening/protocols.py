"""Protocols of listening tests: tasks, scales, and what a trial holds.

What listeners read of them is in `mss_bench.listening.catalogue`: ``questions.PROTOCOL.TASK``, ``scales.NAME`` and
``instructions.KIND``.

References
----------
.. [1] ITU-R BS.1534-3, "Method for the subjective assessment of intermediate quality level of audio systems", 2015.
.. [2] V. Emiya, E. Vincent, N. Harlander and V. Hohmann, "Subjective and objective quality assessment of audio source
   separation", IEEE Trans. Audio, Speech, and Language Processing 19(7), 2011.
.. [3] D. Ward, H. Wierstorf, R. Mason, E. Grais and M. Plumbley, "BSS Eval or PEASS? Predicting the perception of
   singing-voice separation", Proc. ICASSP, 2018.
.. [4] H. Wierstorf et al., "Perceptual evaluation of source separation for remixing music", Proc. AES Convention 143,
   2017.
.. [5] ITU-T P.800, "Methods for subjective determination of transmission quality", 1996.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial

__all__ = ["CHOICES", "MAX_SIGNALS", "PROTOCOLS", "Kind", "Protocol", "Task"]


MAX_SIGNALS = 12
"""Signals that a listener can compare in a trial, its open reference included: BS.1534-3 [1]_."""


class Kind(StrEnum):
    """What a trial looks like."""

    MULTI = "multi"
    """Sliders, one for each signal, beside an open reference."""
    PREFERENCE = "preference"
    """A or B: which is better?"""
    VOTES = "votes"
    """Which of several signals is the best?"""
    ABX = "abx"
    """Is X the same as A or as B?"""
    SINGLE = "single"
    """One signal alone, on labelled grades."""
    DEGRADATION = "degradation"
    """The reference, then one signal, on labelled grades."""


CHOICES = (Kind.PREFERENCE, Kind.VOTES, Kind.ABX)
"""Kinds of which one signal is chosen, and none is graded."""


@dataclass(frozen=True)
class Task:
    """One question.

    Parameters
    ----------
    name : str
        As in tables.
    anchors : tuple of str
        Names of `mss_bench.listening.stimuli.ANCHORS` that belong to the task.
    scale : str
        The catalogue's name of the words of its scale, which are bands of a continuous one or grades; empty
        where one signal is chosen.
    low, high : float
        Ends of the scale.
    hidden_reference : bool
    """

    name: str
    anchors: tuple[str, ...] = ()
    scale: str = "quality"
    low: float = 0.0
    high: float = 100.0
    hidden_reference: bool = True


@dataclass(frozen=True)
class Protocol:
    """A way of asking.

    Parameters
    ----------
    name, title : str
    kind : Kind
    tasks : tuple of Task
        Asked in this order, one attribute in a trial.
    reference : bool
        Whether the listener hears the open reference.
    max_signals : int
        Signals in a trial, counting hidden reference, anchors and open reference.
    seconds : float
        The longest excerpt.
    source : str
        Where it is laid down.
    """

    name: str
    title: str
    kind: Kind
    tasks: tuple[Task, ...]
    reference: bool
    max_signals: int = MAX_SIGNALS
    seconds: float = 12.0
    source: str = ""


_Emiya = partial(Task, anchors=("distorted_target", "interference", "artifacts"))
_Choice = partial(Task, scale="", high=1.0, hidden_reference=False)
_Grade = partial(Task, low=1.0, high=5.0)

PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol(
            "mushra", "MUSHRA", Kind.MULTI, (Task("quality", ("lowpass_3500", "lowpass_7000")),),
            reference=True, source="ITU-R BS.1534-3",
        ),
        Protocol(
            "peass", "PEASS, four tasks", Kind.MULTI,
            (
                _Emiya("global_quality"), _Emiya("target_preservation"), _Emiya("interference_suppression"),
                _Emiya("artifact_absence"),
            ),
            reference=True, seconds=10.0, source="Emiya et al. 2011",
        ),
        Protocol(
            "two_attributes", "Sound quality and interference", Kind.MULTI,
            (Task("sound_quality", ("quality",)), Task("interference", ("mixture",), scale="amount")),
            reference=True, source="Ward et al. 2018",
        ),
        Protocol(
            "remix", "Remix", Kind.MULTI, (Task("quality", ("mixture",)),), reference=True,
            source="Wierstorf et al. 2017",
        ),
        Protocol(
            "preference", "Preference", Kind.PREFERENCE, (_Choice("preference"),), reference=False, max_signals=2,
        ),
        Protocol(
            "votes", "Pick the best", Kind.VOTES, (_Choice("best"),), reference=False,
        ),
        Protocol(
            "abx", "ABX", Kind.ABX, (_Choice("identity"),), reference=False, max_signals=3,
        ),
        Protocol(
            "acr", "Absolute category rating", Kind.SINGLE, (_Grade("quality"),), reference=False, max_signals=1,
            source="ITU-T P.800",
        ),
        Protocol(
            "dcr", "Degradation category rating", Kind.DEGRADATION, (_Grade("degradation", scale="annoyance"),),
            reference=True, max_signals=2, source="ITU-T P.800",
        ),
    )
}  # fmt: skip
"""Every protocol by name."""
