"""The contract suite, which checks whether a perturbation does what it declares.

One function, `check_perturbation`, for built-ins and for plugins alike. It sends made-up songs through the perturbation
(stereo, mono, other rates, silent, very short) and looks at what comes out. A song that it cannot take is to be refused
by an `MssBenchError`; any other exception is a defect.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from mss_bench.core.checks import BrokenPromise, CheckResult, check_facts, check_parameters, run_check
from mss_bench.core.parameters import parameters
from mss_bench.core.tracks import Audio
from mss_bench.errors import ConfigError, MssBenchError
from mss_bench.perturbations.base import Perturbation

__all__ = ["check_perturbation"]

_ADDS_UP_DB = -60.0
_NEAR = 50
"""Samples to either side among which the delay is looked for."""


def check_perturbation(
    perturbation: Perturbation, *, seconds: float = 1.0, sample_rate: int = 44100, seed: int = 0
) -> list[CheckResult]:
    """Check a perturbation against its declarations.

    Parameters
    ----------
    perturbation : Perturbation
        An instance, with the parameters that are to be checked.
    seconds : float
        Length of the songs.
    sample_rate : int
        Hz.
    seed : int
        Of the made-up songs.

    Returns
    -------
    list of CheckResult
        In a fixed order. Where the declarations or the first result are wrong, there is that one alone.
    """
    declared = run_check("declarations", lambda: _check_declarations(perturbation))
    if not declared.passed:
        return [declared]
    stems = _song(sample_rate, seconds, seed)
    mixture = stems.sum(axis=0)
    check_form = partial(_check_form, perturbation)
    first = run_check("shape", lambda: check_form(mixture, sample_rate))
    if not first.passed:
        return [declared, first]
    checks: dict[str, Callable[[], str]] = {
        "parameters": lambda: check_parameters(type(perturbation)),
        "ladder": lambda: _check_ladder(perturbation, mixture, sample_rate),
        "input unchanged, deterministic": lambda: _check_again(perturbation, mixture, sample_rate),
        "delay": lambda: _check_delay(perturbation, mixture, sample_rate),
        "references alike": lambda: _check_alike(perturbation, stems, sample_rate),
        "mono": lambda: check_form(mixture[:1], sample_rate),
        "silence": lambda: check_form(np.zeros_like(mixture), sample_rate),
        "silent end": lambda: check_form(mixture * (np.arange(mixture.shape[1]) < sample_rate // 2), sample_rate),
        "0.1 s": lambda: check_form(mixture[:, : sample_rate // 10], sample_rate),
        "1 sample": lambda: check_form(mixture[:, :1], sample_rate),
        "beyond full scale": lambda: check_form(20 * mixture, sample_rate),
    }
    for rate in (16000, 48000, 96000):
        checks[f"{rate} Hz"] = partial(check_form, mixture, rate)
    return [declared, first, *(run_check(name, check) for name, check in checks.items())]


def _check_declarations(perturbation: Perturbation) -> str:
    check_facts(perturbation, {"name": str, "version": str, "strength": str})
    check_facts(perturbation, dict.fromkeys(("alike", "keeps_time", "keeps_length"), bool))
    cls = type(perturbation)
    if not (cls.name and cls.version and cls.__doc__):
        raise BrokenPromise("name, version or docstring is empty")
    if reason := perturbation.missing():
        raise BrokenPromise(f"it cannot be used here: {reason}")
    if bool(cls.strength) != bool(cls.ladder):
        raise BrokenPromise(f"strength is {cls.strength!r} and ladder {cls.ladder}; expected both or neither")
    if cls.strength and cls.strength not in parameters(cls):
        raise BrokenPromise(f"strength names {cls.strength!r}, which is no parameter")
    steps = np.diff(np.asarray(cls.ladder, dtype=float))
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise BrokenPromise(f"the ladder {cls.ladder} goes up and down; expected mild to severe")
    for value in cls.ladder:
        try:
            parameters(cls)[cls.strength].convert(value)
        except ConfigError as error:
            raise BrokenPromise(f"the ladder has a value that is refused: {error}") from error
    return f"{cls.strength} {', '.join(map(str, cls.ladder))}".strip() or "of one strength"


def _transformed(perturbation: Perturbation, signal: Audio, rate: int) -> Audio:
    transform = perturbation.prepare(signal, rate, perturbation.generator(0, "song"))
    return np.asarray(transform(signal), dtype=np.float32)


def _check_form(perturbation: Perturbation, signal: Audio, rate: int) -> str:
    """Check that a song comes out whole, or is refused in so many words."""
    try:
        out = _transformed(perturbation, signal, rate)
    except MssBenchError as error:
        return f"refused: {error}"
    kept = out.shape == signal.shape or (not perturbation.keeps_length and out.shape[0] == signal.shape[0])
    if not kept:
        raise BrokenPromise(f"{signal.shape} becomes {out.shape}; expected the same (or keeps_length = False)")
    if not np.isfinite(out).all():
        raise BrokenPromise("NaN or infinite samples come out")
    return f"{out.shape[0]} channel(s), {out.shape[1]} samples"


def _check_ladder(perturbation: Perturbation, signal: Audio, rate: int) -> str:
    """Check that every strength does something, and none the same as another."""
    cls = type(perturbation)
    outs = [_transformed(cls(**{cls.strength: value}), signal, rate) for value in cls.ladder]
    outs = outs or [_transformed(perturbation, signal, rate)]
    for i, out in enumerate(outs):
        for other, what in [(signal, "what goes in"), *((o, "another strength") for o in outs[:i])]:
            if out.shape == other.shape and np.array_equal(out, other):
                raise BrokenPromise(f"strength {i + 1} gives the same as {what}")
    return f"{len(outs)} different"


def _check_again(perturbation: Perturbation, signal: Audio, rate: int) -> str:
    before = signal.copy()
    first, again = (_transformed(perturbation, signal, rate) for _ in range(2))
    if not np.array_equal(signal, before):
        raise BrokenPromise("prepare() or its transform wrote into its input")
    if first.tobytes() != again.tobytes():
        raise BrokenPromise("the same seed gives something else the second time; draw from rng alone")
    return "the same bytes twice"


def _check_delay(perturbation: Perturbation, signal: Audio, rate: int) -> str:
    """Check that what keeps the time has no delay, by cross-correlation."""
    if not perturbation.keeps_time:
        return "moves on purpose"
    out = _transformed(perturbation, signal, rate).sum(axis=0, dtype=np.float64)
    before = signal.sum(axis=0, dtype=np.float64)
    size = 2 * max(len(out), len(before))
    correlation = np.fft.irfft(np.conj(np.fft.rfft(before, size)) * np.fft.rfft(out, size), size)
    near = np.abs(np.concatenate([correlation[-_NEAR:], correlation[: _NEAR + 1]]))
    delay = int(near.argmax()) - _NEAR
    if delay:
        raise BrokenPromise(f"it delays by {delay} samples; expected none (or keeps_time = False)")
    return "none"


def _check_alike(perturbation: Perturbation, stems: Audio, rate: int) -> str:
    """Check that what becomes of the stems adds up to what becomes of their sum."""
    if not perturbation.alike:
        return "references stay clean"
    mixture = stems.sum(axis=0)
    transform = perturbation.prepare(mixture, rate, perturbation.generator(0, "song"))
    whole = np.asarray(transform(mixture), dtype=np.float64)
    parts = np.sum([np.asarray(transform(stem), dtype=np.float64) for stem in stems], axis=0)
    left = 10 * np.log10(max(float(np.square(parts - whole).sum() / np.square(whole).sum()), 1e-20))
    if left > _ADDS_UP_DB:
        raise BrokenPromise(f"the changed stems differ from the changed mixture by {left:.0f} dB; expected below -60")
    return f"{left:.0f} dB"


def _song(sample_rate: int, seconds: float, seed: int) -> Audio:
    """Make stems ``(2, 2, samples)``: noise as coloured as music is, that comes and goes."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * sample_rate)
    spectrum = np.fft.rfft(rng.standard_normal((2, 2, samples)))
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(1, spectrum.shape[-1] + 1)), samples)
    swing = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * np.arange(samples) / sample_rate + np.array([0, 2])[:, None, None])
    song = pink * swing
    return np.asarray(0.3 * song / np.abs(song).max(), dtype=np.float32)
