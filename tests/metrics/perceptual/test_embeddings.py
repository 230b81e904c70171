"""Distances of embeddings, on made-up ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mss_bench.errors import AudioError
from mss_bench.metrics.perceptual.embeddings import (
    embedding_mse,
    frechet_distance,
    kernel_distance,
    neighbours,
    read_embeddings,
)
from mss_bench.registry import import_file

DATA = Path(__file__).parents[2] / "data"
make = import_file(DATA / "make_set_distances.py")


def test_a_shift_costs_its_square_and_equal_sets_nothing():
    frames = np.random.default_rng(0).standard_normal((500, 8))
    assert frechet_distance(frames, frames) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(frames, frames + np.arange(8)) == pytest.approx(np.sum(np.arange(8) ** 2))


def test_commuting_covariances_cost_the_square_of_the_difference_of_their_roots():
    frames = np.random.default_rng(0).standard_normal((200, 4))
    frames -= frames.mean(axis=0)
    frames = frames @ np.linalg.inv(np.linalg.cholesky(np.cov(frames, rowvar=False))).T  # covariance 1
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4))).Q
    one, other = np.array([1.0, 2.0, 3.0, 0.5]), np.array([2.0, 2.0, 1.0, 0.0])
    distance = frechet_distance(frames * one @ rotation, frames * other @ rotation)
    assert distance == pytest.approx(np.sum((one - other) ** 2))


def test_fewer_frames_than_dimensions_stay_real():
    rng = np.random.default_rng(3)
    assert frechet_distance(rng.standard_normal((3, 128)), rng.standard_normal((4, 128))) > 0


def test_mean_squared_error():
    frames = np.zeros((10, 4))
    assert embedding_mse(frames, frames + 0.5) == 0.25


def test_folders_are_read_in_order_of_names(tmp_path):
    for name, value in (("b", 2.0), ("a", 1.0)):
        np.save(tmp_path / f"{name}.npy", np.full((2, 3), value, dtype=np.float32))
    found = read_embeddings(tmp_path)
    assert list(found) == ["a", "b"]
    assert found["b"].dtype == np.float64


def test_wrong_input_is_refused(tmp_path):
    good = np.zeros((4, 3))
    for arrays, message in (
        ((good[0], good), r"expected an array \(frames, dimensions\)"),
        ((good, good[:, :2]), "3 and 2 dimensions"),
        ((good[:1], good), "references hold 1 frame"),
        ((good, good + np.nan), "NaN or infinite"),
        ((good.astype(int), good), "of int64, expected float32"),
    ):
        with pytest.raises(AudioError, match=message):
            frechet_distance(*arrays)
    with pytest.raises(AudioError, match="the same frames"):
        embedding_mse(good, good[:2])
    with pytest.raises(AudioError, match="there are no embeddings"):
        read_embeddings(tmp_path / "nowhere")
    (tmp_path / "bad.npy").write_bytes(b"no array")
    with pytest.raises(AudioError, match=r"bad\.npy cannot be read"):
        read_embeddings(tmp_path)
    np.save(tmp_path / "bad.npy", good)
    np.save(tmp_path / "other.npy", good[:, :2])
    with pytest.raises(AudioError, match=r"have \[2, 3\] dimensions"):
        read_embeddings(tmp_path)


@pytest.mark.parametrize("pair", make.sets())
def test_distances_of_sets_are_those_of_the_packages_that_define_them(pair):
    references, estimates = make.sets()[pair]
    theirs = json.loads((DATA / "set_distances.json").read_text())["values"][pair]
    assert kernel_distance(references, estimates) == pytest.approx(theirs.pop("KAD"), rel=1e-5)
    assert frechet_distance(references, estimates) == pytest.approx(theirs.pop("FAD"), rel=1e-6)
    assert neighbours(references, estimates)._asdict() == pytest.approx(theirs)


def test_the_kernel_distance_of_two_sets_of_one_distribution_is_0_on_average():
    rng = np.random.default_rng(0)
    draws = [kernel_distance(rng.standard_normal((40, 3)), rng.standard_normal((40, 3))) for _ in range(50)]
    assert abs(np.mean(draws)) < 0.4
    assert kernel_distance(rng.standard_normal((40, 3)), rng.standard_normal((40, 3)) + 100) > 30


def test_sets_in_another_place_share_no_neighbours_and_one_set_all():
    a = np.random.default_rng(0).standard_normal((50, 3))
    assert neighbours(a, a + 100) == (0, 0, 0, 0)
    same = neighbours(a, a.copy())
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)


@pytest.mark.parametrize(
    ("function", "frames", "error"),
    [
        (kernel_distance, 1, "estimates hold 1 frame, expected at least 2 for a kernel distance"),
        (neighbours, 5, "estimates hold 5 frames, expected at least 6 for 5 neighbours"),
    ],
)
def test_sets_that_are_too_small_are_refused(function, frames, error):
    a = np.random.default_rng(0).standard_normal((50, 3))
    with pytest.raises(AudioError, match=error):
        function(a, a[:frames])


def test_references_that_are_all_alike_have_no_kernel():
    with pytest.raises(AudioError, match="half of the references' frames are the same"):
        kernel_distance(np.ones((9, 2)), np.random.default_rng(0).standard_normal((9, 2)))
