"""What happens to a stem on its way into the mix: panning, reverberation, loudness, limiting, rounding to 16 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mss_bench.datasets.demo.dice import Dice
from mss_bench.datasets.demo.synth import SAMPLE_RATE, Signal, decay, one_pole, samples

__all__ = ["equalise", "limit", "loudness", "pan", "reverb_response", "reverberate", "saturate", "to_pcm"]


# Seconds: of the limiter.
_LOOK_AHEAD = 0.003
_RELEASE = 0.08


def pan(signal: Signal, position: float) -> Signal:
    """Pan at constant power: the gains' squares add up to 1.

    Parameters
    ----------
    signal : (samples,)
    position : float
        -1 (left) to 1 (right); 0 gives two channels that are equal to the last bit.

    Returns
    -------
    (2, samples)
    """
    if position == 0.0:
        return np.repeat((signal * float(np.sqrt(0.5)))[np.newaxis], 2, axis=0)
    angle = (position + 1.0) * np.pi / 4
    return np.stack([float(np.cos(angle)) * signal, float(np.sin(angle)) * signal])


def saturate(signal: Signal, drive: float) -> Signal:
    """Clip softly by a hyperbolic tangent of unit gain for small signals; it bends at the level 1 / `drive`."""
    return np.asarray(np.tanh(signal * drive) / drive)


def reverb_response(dice: Dice, seconds: float) -> Signal:
    """Return the impulse response of a room: a few early reflections, then noise that decays, faster when high.

    Parameters
    ----------
    seconds : float
        Reverberation time (60 dB).

    Returns
    -------
    (2, samples)
        Independent noise in each channel, whose energy is 1.
    """
    n = samples(seconds)
    responses = []
    for _ in range(2):
        noise = dice.noise(n)
        bright, dark = noise * decay(n, 0.45 * seconds), one_pole(noise, 4500.0) * decay(n, seconds)
        response = 0.5 * bright + 1.5 * dark
        response[: samples(0.012)] = 0.0
        for _ in range(6):
            response[samples(dice.uniform(0.006, 0.05))] += dice.uniform(-2.0, 2.0)
        responses.append(response / np.sqrt(np.sum(response * response)))
    return np.stack(responses)


def reverberate(signal: Signal, response: Signal, wet: float) -> Signal:
    """Add reverberation of the channels' mean.

    Parameters
    ----------
    signal : (2, samples)
    response : (1 or 2, taps)
        One channel keeps equal channels equal.
    wet : float
        Gain of the reverberated part.

    Returns
    -------
    (2, samples); the tail beyond the end is cut.
    """
    from scipy import fft

    n = signal.shape[-1]
    # Padded to the length of the whole convolution, so that nothing wraps around to the beginning.
    size = fft.next_fast_len(n + response.shape[-1], real=True)
    send = fft.rfft(0.5 * (signal[0] + signal[1]), size)
    room = fft.irfft(send * fft.rfft(response, size), size)[:, :n]
    return signal + wet * room


def equalise(signal: Signal, frequency: float, gain_db: float, q: float) -> Signal:
    """Apply a peaking filter (audio EQ cookbook) along the last axis."""
    from scipy.signal import lfilter

    amplitude = 10.0 ** (gain_db / 40.0)
    omega = 2.0 * np.pi * frequency / SAMPLE_RATE
    alpha = float(np.sin(omega)) / (2.0 * q)
    middle = -2.0 * float(np.cos(omega))
    b = [1.0 + alpha * amplitude, middle, 1.0 - alpha * amplitude]
    a = [1.0 + alpha / amplitude, middle, 1.0 - alpha / amplitude]
    return np.asarray(lfilter(b, a, signal, axis=-1), dtype=np.float64)


def loudness(signal: Signal) -> float:
    """Measure the active part's loudness in dB as ITU-R BS.1770 does: K-weighted, gated, 400 ms blocks.

    The weighting is a fixed approximation (a 1.7 kHz shelf and a 38 Hz high-pass) and the blocks do not overlap: this
    sets the levels of a mix and is no meter. Silence gives -inf.
    """
    from scipy.signal import lfilter

    # The shelf of K-weighting: +4 dB (a factor of 1.58) above 1.7 kHz.
    bright = signal + 0.58 * (signal - one_pole(signal, 1700.0))
    pole = float(np.exp(-2.0 * np.pi * 38.0 / SAMPLE_RATE))
    weighted = np.asarray(lfilter([1.0, -1.0], [1.0, -pole], bright, axis=-1))
    block = samples(0.4)
    count = signal.shape[-1] // block
    power = np.sum(weighted[:, : count * block].reshape(2, count, block) ** 2, axis=(0, 2)) / block
    # The absolute gate of -70 dB, then the relative one of -10 dB below the mean of what is left.
    power = power[power > 1e-7]
    if not len(power):
        return -np.inf
    power = power[power > 0.1 * power.mean()]
    return float(10.0 * np.log10(power.mean()))


def limit(signal: Signal, threshold: float) -> Signal:
    """Limit the peaks with look-ahead and without make-up gain, both channels alike.

    The gain falls along a straight line that ends where the peak begins and recovers exponentially.

    Parameters
    ----------
    signal : (2, samples)
    threshold : float
        No output sample is larger.
    """
    # Blocks of 0.7 ms are fine enough for a gain, and the loop over samples is one over blocks.
    step = 32
    n = signal.shape[-1]
    blocks = -(-n // step)
    peaks = np.zeros(blocks * step)
    peaks[:n] = np.max(np.abs(signal), axis=0)
    wanted = np.minimum(1.0, threshold / np.maximum(peaks.reshape(blocks, step).max(axis=1), 1e-9))
    ahead = max(1, round(_LOOK_AHEAD * SAMPLE_RATE / step))
    recovery = 1.0 - float(np.exp(-step / (_RELEASE * SAMPLE_RATE)))
    gains = wanted.copy()
    for lag in range(1, ahead + 1):  # a ramp down to each later block's gain
        gains[:-lag] = np.minimum(gains[:-lag], wanted[lag:] + (1.0 - wanted[lag:]) * (lag / (ahead + 1)))
    current = 1.0
    for block, gain in enumerate(gains.tolist()):
        current = min(gain, current + (1.0 - current) * recovery)
        gains[block] = current
    edges = np.minimum(np.append(gains, 1.0), np.append(1.0, gains))  # no edge of a block exceeds its gain
    smooth = np.interp(np.arange(n), np.arange(blocks + 1) * step, edges)
    return np.asarray(np.clip(signal * smooth, -threshold, threshold))


def to_pcm(signal: Signal) -> NDArray[np.int16]:
    """Round to 16 bits; a sample k is the number k / 32768."""
    return np.rint(signal * 32768.0).astype(np.int16)
