"""Multiplicative updates of non-negative factors."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.dsp.nmf import DIVERGENCES, Factors, Penalties, divergence, factorise, normalised, random_factors


def _data(channels: int = 1, frames: int = 70, bins: int = 33, rank: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    q, h, w = (rng.random(shape) ** 2 for shape in ((channels, rank), (frames, rank), (rank, bins)))
    return normalised(np.einsum("ck,tk,kf->ctf", q, h, w) + 0.01 * rng.random((channels, frames, bins)), 1)


def _copy(factors: Factors) -> Factors:
    return Factors(factors.w.copy(), factors.h.copy(), factors.q.copy())


@pytest.mark.parametrize("beta", [2, 1])
def test_updates_are_those_of_scikit_learn(beta: int) -> None:
    from sklearn.decomposition import non_negative_factorization

    v, rng = _data(), np.random.default_rng(1)
    factors = random_factors(v, 4, rng)
    w, h, _ = non_negative_factorization(
        v[0].astype(np.float64), W=factors.h.astype(np.float64), H=factors.w.astype(np.float64), n_components=4,
        init="custom", solver="mu", beta_loss=beta, tol=0, max_iter=30,
    )  # fmt: skip
    factorise(v, factors, beta, 30)
    level = h.mean(axis=1)
    np.testing.assert_allclose(factors.w, h / level[:, None], rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(factors.h, w * level, rtol=2e-3, atol=1e-4)


def test_a_step_for_itakura_saito_is_the_square_of_scikit_learns() -> None:
    from sklearn.decomposition import non_negative_factorization

    v = _data()
    factors = random_factors(v, 4, np.random.default_rng(1))
    before = factors.h.copy()
    rows, _, _ = non_negative_factorization(
        v[0].T.astype(np.float64), H=factors.h.T.astype(np.float64), W=factors.w.T.astype(np.float64), n_components=4,
        init="custom", solver="mu", beta_loss=0, tol=0, max_iter=1,
    )  # fmt: skip
    spectra = factors.w.copy()
    factorise(v, factors, 0, 1, fixed=("h", "q"))  # scikit-learn's first factor is the spectra here
    np.testing.assert_allclose(factors.w / spectra, (rows.T / spectra) ** 2, rtol=1e-3)
    np.testing.assert_array_equal(factors.h, before)


@pytest.mark.parametrize("penalties", [Penalties(continuity=2.0), Penalties(sparseness=3.0), Penalties(1.0, 1.0)])
def test_penalties_have_the_gradient_of_their_cost(penalties: Penalties) -> None:
    h = np.random.default_rng(0).random((7, 3)) + 0.1
    top, bottom = penalties.gradient(h)
    assert (top >= 0).all()
    assert (bottom >= 0).all()
    step = 1e-6
    for place in np.ndindex(h.shape):
        moved = [h.copy(), h.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        slope = (penalties.cost(moved[0]) - penalties.cost(moved[1])) / (2 * step)
        assert bottom[place] - top[place] == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_penalties_make_activations_steady_or_sparse() -> None:
    v = _data()

    def activations(penalties: Penalties | None) -> np.ndarray:
        factors = random_factors(v, 4, np.random.default_rng(1))
        factorise(v, factors, 1, 60, penalties=penalties)
        return factors.h

    plain = activations(None)
    for penalties in (Penalties(continuity=1.0), Penalties(sparseness=1.0)):
        assert penalties.cost(activations(penalties)) < 0.9 * penalties.cost(plain)


@pytest.mark.parametrize("beta", DIVERGENCES.values())
@pytest.mark.parametrize("fixed", [("q",), ()])
def test_no_update_makes_the_model_worse(beta: int, fixed: tuple[str, ...]) -> None:
    v = _data(channels=2)
    factors = random_factors(v, 5, np.random.default_rng(2))
    factors.q[:] += np.random.default_rng(3).random(factors.q.shape, dtype=np.float32)
    found = [divergence(v, factors, beta)]
    for _ in range(40):
        factorise(v, factors, beta, 1, fixed)
        found.append(divergence(v, factors, beta))
    assert np.all(np.diff(found) <= 1e-6 * found[0])
    assert found[-1] < (0.9 if fixed else 0.05) * found[0]  # the gains that are fixed here are wrong ones


@pytest.mark.parametrize("beta", DIVERGENCES.values())
def test_known_spectra_give_the_activations_back(beta: int) -> None:
    rng = np.random.default_rng(0)
    w, h = (rng.random(shape, dtype=np.float32) ** 3 for shape in ((3, 40), (50, 3)))
    v = np.maximum(h @ w, 1e-7)[None]
    factors = Factors(w.copy(), np.ones_like(h), np.ones((3, 1), dtype=np.float32))
    factorise(v, factors, beta, 500, fixed=("w", "q"))
    np.testing.assert_array_equal(factors.w, w)
    np.testing.assert_allclose(factors.h, h, atol=0.02)


def test_blocks_of_frames_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    v = _data(channels=2)
    start = random_factors(v, 3, np.random.default_rng(0))
    for beta in DIVERGENCES.values():
        whole, parts = _copy(start), _copy(start)
        factorise(v, whole, beta, 5, fixed=())
        with monkeypatch.context() as patch:
            patch.setattr("mss_bench.dsp.nmf._BLOCK", 33 * 16)
            factorise(v, parts, beta, 5, fixed=())
        for name in ("w", "h", "q"):
            np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-3, atol=1e-6)


def test_what_is_factorised_does_not_depend_on_the_level() -> None:
    x = np.random.default_rng(0).standard_normal((1, 5, 7)) + 1j
    for beta in (0, 1):
        np.testing.assert_allclose(normalised(1e-9 * x, beta), normalised(x, beta), rtol=1e-4)
        assert normalised(x, beta).mean() == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_array_equal(normalised(0 * x, 0), 1.0)


@pytest.mark.parametrize("beta", DIVERGENCES.values())
def test_more_components_than_the_data_have_stay_finite(beta: int) -> None:
    v = np.full((1, 20, 15), 1e-7, dtype=np.float32)
    v[:, :3, :2] = 1e4
    factors = random_factors(v, 30, np.random.default_rng(0))
    factorise(v, factors, beta, 300)
    assert all(np.isfinite(f).all() for f in (factors.w, factors.h))
    np.testing.assert_allclose(factors.model()[:, :3, :2], 1e4, rtol=0.01 if beta else 0.6)


def test_the_model_of_some_components_is_their_share() -> None:
    v = _data(channels=2)
    factors = random_factors(v, 4, np.random.default_rng(0))
    parts = factors.model(slice(0, 2)) + factors.model(np.array([2, 3]))
    np.testing.assert_allclose(parts, factors.model(), rtol=1e-5)


@pytest.mark.parametrize("beta", [0, 1, 2])
def test_what_is_not_known_plays_no_part_and_is_predicted(beta: int) -> None:
    rng = np.random.default_rng(0)
    true = ((0.1 + rng.random((80, 2))) @ (0.1 + rng.random((2, 40))))[None].astype(np.float32)
    known = rng.random(true.shape) > 0.2
    models = []
    for wrong in (0.5, 50.0):
        factors = random_factors(true, 2, np.random.default_rng(1))
        factorise(np.where(known, true, np.float32(wrong)), factors, beta, 300, known=known)
        models.append(factors.model())
    np.testing.assert_array_equal(*models)
    assert np.abs(models[0] / true - 1)[~known].max() < 0.1
