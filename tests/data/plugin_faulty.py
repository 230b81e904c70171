"""Separators and a metric that misbehave in every way a run has to survive; loaded with --plugin."""

import os
import time
import warnings

import numpy as np

from mss_bench import Metric, Quantity, Score, Separator


class _Faulty(Separator):
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        return self.act(mixture, targets, rng)


def _stems(mixture, targets):
    return {stem: mixture / len(targets.stems) for stem in targets.stems}


class Raises(_Faulty):
    name = "raises"

    def act(self, mixture, targets, rng):
        raise ValueError("boom")


class ReturnsNaN(_Faulty):
    name = "returns_nan"

    def act(self, mixture, targets, rng):
        stems = _stems(mixture, targets)
        stems["drums"] = stems["drums"].copy()
        stems["drums"][1, 7] = np.nan
        return stems


class WrongLength(_Faulty):
    name = "wrong_length"

    def __init__(self, extra: int = 5000) -> None:
        self.extra = extra

    def act(self, mixture, targets, rng):
        longer = np.pad(mixture, ((0, 0), (0, max(self.extra, 0))))[:, : mixture.shape[1] + self.extra]
        return _stems(longer, targets)


class WrongTarget(_Faulty):
    name = "wrong_target"

    def act(self, mixture, targets, rng):
        return {"vox": mixture}


class Dies(_Faulty):
    name = "dies"

    def act(self, mixture, targets, rng):
        print("last words", flush=True)
        os._exit(3)


class Hangs(_Faulty):
    name = "hangs"

    def act(self, mixture, targets, rng):
        time.sleep(600)


class NeedsWhatIsAbsent(_Faulty):
    name = "needs_absent"

    def act(self, mixture, targets, rng):
        import a_package_that_does_not_exist  # noqa: F401


class OtherTargets(_Faulty):
    name = "other_targets"
    target_sets = (("piano", "rest"),)

    def act(self, mixture, targets, rng):
        return {}


class Noisy(_Faulty):
    """Random, but by the generator it is given."""

    name = "noisy"

    def __init__(self, gain: float = 0.1) -> None:
        self.gain = gain

    def act(self, mixture, targets, rng):
        warnings.warn("a warning of the plugin", UserWarning, stacklevel=1)
        print("chatter on standard output")
        return {s: m + self.gain * rng.standard_normal(m.shape) for s, m in _stems(mixture, targets).items()}


class BrokenMetric(Metric):
    name = "broken_metric"
    quantities = (Quantity("Broken", "dB", True, "raises on every track"),)

    def prepare(self, track, group):
        return None

    def score(self, state, estimates):
        raise RuntimeError("metric broke")


class PeakMetric(Metric):
    name = "peak"
    quantities = (Quantity("Peak", "", False, "largest magnitude of the estimate"),)

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def prepare(self, track, group):
        return None

    def score(self, state, estimates):
        return [Score(t, "Peak", np.array([self.factor * np.abs(e).max()])) for t, e in estimates.items()]
