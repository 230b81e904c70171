"""The headphone check: which of three tones is the quietest?

One of three 200 Hz tones is 6 dB softer, and another has its right channel inverted. Over loudspeakers that one nearly
cancels and seems the quietest; over headphones it does not. The server chooses the order and marks the answers.

References
----------
.. [1] K. J. P. Woods, M. H. Siegel, J. Traer and J. H. McDermott, "Headphone screening to facilitate web-based auditory
   experiments", Attention, Perception, & Psychophysics 79, 2017.
"""

from __future__ import annotations

import hashlib
import io
import wave
from typing import Any

import numpy as np

from mss_bench.listening.server.answers import RequestError
from mss_bench.listening.server.store import Listener

__all__ = ["ATTEMPTS", "NEEDED", "ROUNDS", "orders", "passed", "tones"]

ROUNDS = 6
NEEDED = 5
"""Right answers; by chance 1.8 % of listeners have as many."""
ATTEMPTS = 2

_RATE = 44100
_KINDS = ("same", "antiphase", "quiet")


def orders(listener: Listener) -> list[list[str]]:
    """What stands where, in each round: ``"same"``, ``"antiphase"``, ``"quiet"``; new for each attempt."""
    seed = hashlib.sha256(f"{listener.token}|{listener.attempts}".encode()).digest()
    rng = np.random.default_rng(np.frombuffer(seed, dtype=np.uint32))
    return [[_KINDS[k] for k in rng.permutation(3)] for _ in range(ROUNDS)]


def passed(listener: Listener, answers: Any) -> bool:
    """Whether the places that were named are those of the quiet tones.

    Raises
    ------
    RequestError
        Not one place from 0 to 2 for each round.
    """
    plain = isinstance(answers, list) and all(type(a) is int and 0 <= a <= 2 for a in answers)
    if not plain or len(answers) != ROUNDS:
        raise RequestError(f"answers must be {ROUNDS} numbers from 0 to 2")
    right = sum(order[place] == "quiet" for order, place in zip(orders(listener), answers, strict=True))
    return bool(right >= NEEDED)


def tones(order: list[str]) -> bytes:
    """A WAV file, 16 bit stereo: three tones of one second with 100 ms raised-cosine ramps, half a second apart."""
    time = np.arange(_RATE) / _RATE
    ramp = np.minimum(1.0, np.minimum(time, time[-1] - time) / 0.1)
    tone = 0.2 * np.sin(2 * np.pi * 200 * time) * 0.5 * (1 - np.cos(np.pi * ramp))
    pause = np.zeros((_RATE // 2, 2))
    parts = []
    for kind in order:
        gains = {"same": (1.0, 1.0), "antiphase": (1.0, -1.0), "quiet": (0.5, 0.5)}[kind]
        parts += [tone[:, None] * gains, pause]
    found = io.BytesIO()
    with wave.open(found, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(np.rint(32767 * np.concatenate(parts[:-1])).astype("<i2").tobytes())
    return found.getvalue()
