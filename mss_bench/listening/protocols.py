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

from mss_bench.errors import UnknownNameError

__all__ = ["PROTOCOLS", "Kind", "Protocol", "Task", "protocol"]


class Kind(StrEnum):
    """What a trial looks like."""

    MULTI = "multi"
    """Sliders, one a signal, beside an open reference."""
    PREFERENCE = "preference"
    """A or B; which is better?"""
    ABX = "abx"
    """Is X the same as A or as B?"""
    SINGLE = "single"
    """One signal alone, on labelled grades."""
    DEGRADATION = "degradation"
    """The reference, then one signal, on labelled grades."""


@dataclass(frozen=True)
class Task:
    """One question.

    Parameters
    ----------
    name : str
        As in tables.
    question : str
        As the listener reads it.
    low, high : float
        Ends of the scale.
    labels : tuple of str
        Of a continuous scale its bands from the lowest up; of a labelled one its grades from `low` up; of pairs empty.
    anchors : tuple of str
        Names of `mss_bench.listening.anchors` that belong to the task.
    hidden_reference : bool
    """

    name: str
    question: str
    low: float = 0.0
    high: float = 100.0
    labels: tuple[str, ...] = ("bad", "poor", "fair", "good", "excellent")
    anchors: tuple[str, ...] = ()
    hidden_reference: bool = False


@dataclass(frozen=True)
class Protocol:
    """A way of asking.

    Parameters
    ----------
    name, title : str
    kind : Kind
    tasks : tuple of Task
        Asked in this order, one attribute a trial.
    reference : bool
        Whether the listener hears the open reference.
    max_signals : int
        Signals in a trial, hidden reference and anchors included, open reference too.
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
    max_signals: int = 12
    seconds: float = 12.0
    source: str = ""


_SIMILAR = "How similar is each sound to the reference? Rate all of its qualities together."
_GRADES = ("bad", "poor", "fair", "good", "excellent")
_ANNOYANCE = (
    "very annoying", "annoying", "slightly annoying", "perceptible but not annoying", "imperceptible",
)  # fmt: skip
_EMIYA = ("distorted_target", "interference", "artifacts")

PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol(
            "mushra", "MUSHRA", Kind.MULTI,
            (Task("quality", _SIMILAR, anchors=("lowpass_3500", "lowpass_7000"), hidden_reference=True),),
            reference=True, source="ITU-R BS.1534-3",
        ),
        Protocol(
            "peass", "PEASS, four tasks", Kind.MULTI,
            (
                Task("global_quality", "Rate the global quality compared to the reference.",
                     anchors=_EMIYA, hidden_reference=True),
                Task("target_preservation", "Rate how well the target source of the reference is preserved.",
                     anchors=_EMIYA, hidden_reference=True),
                Task("interference_suppression", "Rate how well the other sources are suppressed.",
                     anchors=_EMIYA, hidden_reference=True),
                Task("artifact_absence", "Rate the absence of additional artificial noises.",
                     anchors=_EMIYA, hidden_reference=True),
            ),
            reference=True, seconds=10.0, source="Emiya et al. 2011",
        ),
        Protocol(
            "two_attributes", "Sound quality and interference", Kind.MULTI,
            (
                Task("sound_quality", "Rate the sound quality of the target: how free of distortion and artificial "
                     "noises is it? Take no notice of other sounds.",
                     anchors=("quality",), hidden_reference=True),
                Task("interference", "Rate how much of the other sounds is heard beside the target. "
                     "Take no notice of the quality.", labels=("very much", "much", "some", "little", "nothing"),
                     anchors=("mixture",), hidden_reference=True),
            ),
            reference=True, source="Ward et al. 2018",
        ),
        Protocol(
            "remix", "Remix", Kind.MULTI,
            (Task("quality", "How similar is each remix to the reference remix, in sound quality and in balance?",
                  anchors=("mixture",), hidden_reference=True),),
            reference=True, source="Wierstorf et al. 2017",
        ),
        Protocol(
            "preference", "Preference", Kind.PREFERENCE,
            (Task("preference", "Which of the two do you prefer?", low=0.0, high=1.0, labels=()),),
            reference=False, max_signals=2,
        ),
        Protocol(
            "abx", "ABX", Kind.ABX,
            (Task("identity", "Is X the same as A or as B?", low=0.0, high=1.0, labels=()),),
            reference=False, max_signals=3,
        ),
        Protocol(
            "acr", "Absolute category rating", Kind.SINGLE,
            (Task("quality", "How good is the sound?", low=1.0, high=5.0, labels=_GRADES, hidden_reference=True),),
            reference=False, max_signals=1, source="ITU-T P.800",
        ),
        Protocol(
            "dcr", "Degradation category rating", Kind.DEGRADATION,
            (Task("degradation", "How degraded is the second sound compared to the first?", low=1.0, high=5.0,
                  labels=_ANNOYANCE, hidden_reference=True),),
            reference=True, max_signals=2, source="ITU-T P.800",
        ),
    )
}  # fmt: skip
"""Every protocol by name."""


def protocol(name: str) -> Protocol:
    """A protocol by name.

    Raises
    ------
    UnknownNameError
    """
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol of listening tests", name, PROTOCOLS)
    return PROTOCOLS[name]
