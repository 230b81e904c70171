"""References that depend on one another are said on the rows: copies, sums and filterings, exact and rounded."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from mss_bench.compat import museval
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.metrics.bss_eval.v3 import BSSEvalV3Sources
from mss_bench.metrics.bss_eval.v4 import BSSEval

RATE = 8000


def float32(samples):
    return samples.astype(np.float32).astype(np.float64)


def sixteen_bits(samples):
    return np.round(samples * 32768) / 32768


def panned(a, b, c, stored):
    return np.stack([a[0], stored(0.7 * a[0])]), b, c


def mono(a, b, c, stored):
    return tuple(np.stack([x[0], x[0]]) for x in (a, b, c))


def half(a, b, c, stored):
    return np.stack([a[0], 0.5 * a[0]]), b, c


def scaled(a, b, c, stored):
    return a, stored(0.7 * a), c


def twice(a, b, c, stored):
    return a, a, c


def summed(a, b, c, stored):
    return a, b, stored(a + b)


def filtered(a, b, c, stored):
    return a, b, stored(lfilter([0.5, 0.3, 0.1], 1, a, axis=1))


def three(stored):
    noise = 0.02 * np.random.default_rng(0).standard_normal((3, 2, RATE))
    return [stored(x) for x in lfilter([1], [1, -0.9], noise, axis=-1)]


@pytest.mark.parametrize(
    ("change", "stored", "isr", "sir", "sar"),
    [
        (panned, float32, "a", "a", "a"),
        (scaled, float32, "", "a+b", "a+b"),
        (summed, float32, "", "a+b+c", "a+b+c"),
        (filtered, float32, "", "a+c", "a+c"),
        (twice, float32, "", "a+b", ""),  # exact: SIR alone, which cannot tell the two apart
        (mono, float32, "", "", ""),
        (half, float32, "", "", ""),
        (summed, np.float64, "", "", ""),
        (panned, sixteen_bits, "", "", ""),  # much above rounding: a signal like any other
        (filtered, sixteen_bits, "", "", ""),
    ],
)
def test_what_depends_on_what_is_flagged_with_its_names(change, stored, isr, sir, sar):
    references = dict(zip("abc", change(*three(stored), stored), strict=True))
    noise = 0.01 * np.random.default_rng(1).standard_normal((3, 2, RATE))
    estimates = {t: s + n for (t, s), n in zip(references.items(), noise, strict=True)}
    track = TrackAudio(references, sum(references.values()), RATE)
    metric = BSSEval(filter_length=24)
    rows = metric.score(metric.prepare(track, TargetGroup("all", ("a", "b", "c"))), estimates)
    flags = {
        row.quantity: next((f.partition(":")[2] for f in row.flags if f.startswith("dependent_references:")), "")
        for row in rows
        if row.target == "a"
    }
    assert flags == {"SDR": "", "ISR": isr, "SIR": sir, "SAR": sar}
    sources = BSSEvalV3Sources(filter_length=24)
    rows = sources.score(sources.prepare(track, TargetGroup("all", ("a", "b", "c"))), estimates)
    assert {r.quantity: any("dependent" in f for f in r.flags) for r in rows if r.target == "a"} == {
        "SDR": bool(isr or sar), "SIR": bool(sir), "SAR": bool(sar),
    }  # fmt: skip


@pytest.mark.parametrize(("change", "named"), [(panned, "source 0 are"), (summed, "source 0, source 1, source 2 are")])
def test_the_drop_in_warns_of_them(change, named):
    references = np.stack(change(*three(float32), float32)).swapaxes(1, 2)
    estimates = references + 0.01 * np.random.default_rng(1).standard_normal(references.shape)
    with pytest.warns(museval.IllConditionedWarning, match=f"references of {named}, but for rounding"):
        museval.bss_eval(references, estimates, RATE, RATE, filters_len=24)
