"""Metrics whose numbers differ carry different presets."""

from __future__ import annotations

import pytest

from mss_bench.core.spec import Spec, build
from mss_bench.metrics import metrics
from mss_bench.metrics.bss_eval import BSSEval
from mss_bench.metrics.energy import USDR
from mss_bench.metrics.scale_invariant import SISDR
from mss_bench.metrics.spectral import MRSTFT


@pytest.mark.parametrize(
    ("metric", "preset"),
    [
        (BSSEval(), "v4"),
        (BSSEval(silence="per_source"), "v4 silence=per_source"),
        (BSSEval(silence="channel_sum", references="delivered", perfect_frames="dropped"), "museval"),
        (BSSEval(preset="museval", silence="joint"), "museval silence=joint"),
        (BSSEval(window=2.0, hop=1.5), "v4 window=2.0 hop=1.5"),
        (USDR(), "default"),
        (USDR(delta=1e-8), "default delta=1e-08"),
        (USDR(delta=1e-8, silent_reference="scored"), "zfturbo"),
        (USDR(delta=0.5), "default delta=0.5"),
        (SISDR(), "default"),
        (SISDR(zero_mean=True), "default zero_mean=True"),
        (USDR(preset="demucs"), "demucs"),
        (USDR(preset="zfturbo", delta=1e-7), "demucs"),
        (USDR(precision="float32", silent_reference="scored"), "mdx21"),
        (USDR(preset="zfturbo", delta=0.5), "zfturbo delta=0.5"),
        (SISDR(preset="torchmetrics"), "torchmetrics"),
        (SISDR(preset="torchmetrics", zero_mean=True), "torchmetrics zero_mean=True"),
        (SISDR(zero_mean=True, eps=1e-8, eps_form="denominator", silent_reference="scored"), "auraloss"),
        (MRSTFT(n_ffts=[1024], hops=[256], windows=[1024]), "default n_ffts=(1024,) hops=(256,) windows=(1024,)"),
    ],
)
def test_preset(metric, preset):
    assert metric.preset == preset


@pytest.mark.parametrize("name", [name for name, cls in metrics.load_all().items() if cls.presets])
def test_presets_set_the_defaults_and_stand_in_the_column(name):
    cls = metrics.load(name)
    kind = name.removeprefix("bss_eval_v3_") if "v3" in name else ""  # images and sources both report an SDR
    for preset, changes in cls.presets.items():
        metric, changed = build(metrics, Spec.parse(f"{name}:preset={preset}"))
        assert metric.preset == f"{preset} {kind}".strip()
        assert metric.values() == cls.defaults({}) | changes | {"preset": preset}
        assert set(changed) <= {"preset"}
        written = {n: v for n, v in metric.values().items() if n != "preset"}
        same = build(metrics, Spec(name, written))[0].preset.removesuffix(f" {kind}")
        assert cls.defaults({"preset": same}) == cls.defaults({"preset": preset})
    assert metrics.load(name)().preset == f"{next(iter(cls.presets))} {kind}".strip()


def test_what_differs_from_a_preset_is_told_apart():
    """The preset's own value, written out, and another one that is the declared default are two things."""
    metric, changed = build(metrics, Spec.parse("usdr:preset=zfturbo,delta=1e-8"))
    assert (metric.delta, changed) == (1e-8, {"preset": "zfturbo"})
    metric, changed = build(metrics, Spec.parse("usdr:preset=zfturbo,delta=1e-7"))
    assert (metric.delta, changed) == (1e-7, {"preset": "zfturbo", "delta": 1e-7})
