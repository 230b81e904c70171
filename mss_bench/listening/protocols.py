"""Protocols of listening tests: the questions, their scales, and what a trial holds.

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
    question : str
        As the listener reads it.
    anchors : tuple of str
        Names of `mss_bench.listening.stimuli.ANCHORS` that belong to the task.
    labels : tuple of str
        Bands of a continuous scale or grades of a labelled one, from the lowest up; empty where one signal is chosen.
    low, high : float
        Ends of the scale.
    hidden_reference : bool
    """

    name: str
    question: str
    anchors: tuple[str, ...] = ()
    labels: tuple[str, ...] = ("bad", "poor", "fair", "good", "excellent")
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

    @property
    def instructions(self) -> str:
        """Return what listeners are told where a test says nothing of its own; BS.1534 asks for it."""
        return _INSTRUCTIONS[self.kind]


_INSTRUCTIONS = {
    Kind.MULTI: (
        "On each page you hear several sounds and compare them with a reference. Give each a grade from 0 to 100: the "
        "words beside the scale say what a grade means, and every number between them may be used.\n\n"
        "One of the sounds is the reference itself. You do not know which; the one that you take for it gets 100. "
        "Listen to all sounds as often as you like before you grade them, and change grades until you are content."
    ),
    Kind.PREFERENCE: (
        "On each page you hear two sounds, A and B, as often as you like, and say which you prefer. "
        "There is no right answer."
    ),
    Kind.VOTES: (
        "On each page you hear several sounds, as often as you like, and choose the one that you find best. "
        "There is no right answer. Where you cannot decide, choose one of those that you like best."
    ),
    Kind.ABX: (
        "On each page you hear three sounds. X is the same as A or the same as B: say which. "
        "Some differences are very small; where you hear none, guess."
    ),
    Kind.SINGLE: (
        "On each page you hear one sound to its end, and say in one of five grades how good it is. "
        "Use the whole scale over the test."
    ),
    Kind.DEGRADATION: (
        "On each page you hear a sound, and then the same sound after it was processed. "
        "Say in one of five grades how annoying you find what was lost, if you hear that anything was."
    ),
}

_SIMILAR = "Rate the quality of each sound compared to the reference: every difference from it counts."
_ANNOYANCE = ("very annoying", "annoying", "slightly annoying", "perceptible but not annoying", "imperceptible")
_Emiya = partial(Task, anchors=("distorted_target", "interference", "artifacts"))
_Choice = partial(Task, labels=(), high=1.0, hidden_reference=False)
_Grade = partial(Task, low=1.0, high=5.0)

PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol(
            "mushra", "MUSHRA", Kind.MULTI, (Task("quality", _SIMILAR, ("lowpass_3500", "lowpass_7000")),),
            reference=True, source="ITU-R BS.1534-3",
        ),
        Protocol(
            "peass", "PEASS, four tasks", Kind.MULTI,
            (
                _Emiya("global_quality", "Rate the global quality compared to the reference."),
                _Emiya("target_preservation", "Rate how well the target source of the reference is preserved."),
                _Emiya("interference_suppression", "Rate how well the other sources are suppressed."),
                _Emiya("artifact_absence", "Rate the absence of additional artificial noises."),
            ),
            reference=True, seconds=10.0, source="Emiya et al. 2011",
        ),
        Protocol(
            "two_attributes", "Sound quality and interference", Kind.MULTI,
            (
                Task("sound_quality", "Rate the sound quality of the target: how free of distortion and artificial "
                     "noises is it? Take no notice of other sounds.", ("quality",)),
                Task("interference", "Rate how much of the other sounds is heard beside the target. "
                     "Take no notice of the quality.", ("mixture",),
                     labels=("very much", "much", "some", "little", "nothing")),
            ),
            reference=True, source="Ward et al. 2018",
        ),
        Protocol(
            "remix", "Remix", Kind.MULTI,
            (Task("quality", "Rate each remix compared to the reference remix: sound and balance both count.",
                  ("mixture",)),),
            reference=True, source="Wierstorf et al. 2017",
        ),
        Protocol(
            "preference", "Preference", Kind.PREFERENCE,
            (_Choice("preference", "Which of the two do you prefer?"),), reference=False, max_signals=2,
        ),
        Protocol(
            "votes", "Pick the best", Kind.VOTES, (_Choice("best", "Which of these sounds is the best?"),),
            reference=False,
        ),
        Protocol(
            "abx", "ABX", Kind.ABX, (_Choice("identity", "Is X the same as A or as B?"),),
            reference=False, max_signals=3,
        ),
        Protocol(
            "acr", "Absolute category rating", Kind.SINGLE, (_Grade("quality", "How good is the sound?"),),
            reference=False, max_signals=1, source="ITU-T P.800",
        ),
        Protocol(
            "dcr", "Degradation category rating", Kind.DEGRADATION,
            (_Grade("degradation", "How annoying is what the second sound lost?", labels=_ANNOYANCE),),
            reference=True, max_signals=2, source="ITU-T P.800",
        ),
    )
}  # fmt: skip
"""Every protocol by name."""
