"""The ear model of PEAQ against values derived by hand from the standard's formulas."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.metrics.perceptual.peaq import bounds, detection, ear, modulation


def test_outer_and_middle_ear_at_1_and_3_3_kilohertz():
    # -2.184 + 6.5 e^(-0.6 2.3^2) - 0.001 and -2.184 3.3^-0.8 + 6.5 - 0.001 3.3^3.6
    weight = ear.ear_weighting(np.array([0.0, 1000.0, 3300.0]))
    assert weight[0] == 0
    np.testing.assert_allclose(10 * np.log10(weight[1:]), [-1.9131, 5.5861], atol=1e-4)


def test_bands_are_those_of_the_standard():
    found = ear.bands()
    assert len(found.lower) == len(found.centre) == len(found.upper) == 109
    # from the standard's table, which rounds in the last digits
    np.testing.assert_allclose(found.lower[[0, 1, 25, 60, 108]], [80, 103.445, 779.647, 3098.350, 17385.420], atol=3e-3)
    np.testing.assert_allclose(found.centre[[0, 40, 108]], [91.708, 1493.237, 17690.045], atol=3e-3)
    np.testing.assert_allclose(found.upper[:-1], found.lower[1:])
    assert found.upper[-1] == pytest.approx(18000)


def test_internal_noise_at_1_kilohertz_is_1_456_decibels():
    assert 10 * np.log10(ear.internal_noise(np.array([1000.0]))[0]) == pytest.approx(1.456)


def test_a_full_scale_sine_is_heard_at_92_decibels():
    sine = np.sin(2 * np.pi * 1019.5 * np.arange(ear.FRAME) / ear.RATE)
    spectrum = np.fft.rfft(sine * ear.FULL_SCALE * ear.frame_window())
    assert 20 * np.log10(np.abs(spectrum).max()) == pytest.approx(92, abs=0.01)


def test_time_constants():
    # lowest band: tau = 8 ms + 100 / 91.708 x 22 ms = 31.989 ms, a = e^(-1 / (46.875 x 0.031989))
    assert ear.decay(0.008, 0.030)[0] == pytest.approx(0.51330, abs=1e-5)
    # highest band: tau = 8 ms + 100 / 17690.045 x 42 ms = 8.23742 ms
    assert ear.decay(0.008, 0.050)[-1] == pytest.approx(0.07503, abs=1e-5)


def spread_slowly(power):
    """The standard's sum, band by band."""
    n, step = 109, 0.25
    centre = ear.bands().centre

    def raw(power):
        total = np.zeros(n)
        for i in range(n):
            upper = 10 ** ((-2.4 - 23 / centre[i]) * step) * power[i] ** (0.2 * step)
            lower = 10 ** (-2.7 * step)
            shares = np.array([lower ** (i - k) if k <= i else upper ** (k - i) for k in range(n)])
            total += (power[i] * shares / shares.sum()) ** 0.4
        return total**2.5

    return raw(power) / raw(np.ones(n))


def test_spreading_is_the_standard_s_sum():
    power = 10 ** np.random.default_rng(0).uniform(0, 9, 109)
    np.testing.assert_allclose(ear.spread(power[:, None].copy())[:, 0], spread_slowly(power), rtol=1e-10)


def test_spreading_keeps_an_even_spectrum_and_grows_upwards_with_level():
    np.testing.assert_allclose(ear.spread(np.ones((109, 1))), 1)
    single = np.zeros((109, 2))
    single[40] = [1.0, 1e6]
    out = ear.spread(single)
    rise = out[:, 1] / out[:, 0]
    assert rise[41] / rise[40] == pytest.approx(1e6**0.05)  # a_U goes with E^0.05 a band
    assert rise[39] / rise[40] == pytest.approx(1)  # a_L does not


def test_smearing_is_an_exponential_that_starts_at_once():
    patterns = np.zeros((1, 109, 3))
    patterns[:, :, 0] = 1
    kept = ear.decay(0.008, 0.030)
    expected = np.stack([np.ones(109), kept * (1 - kept), kept**2 * (1 - kept)], axis=1)
    np.testing.assert_allclose(ear.smear(patterns)[0], expected)


def test_excitation_of_a_tone_is_strongest_in_its_band_and_silence_is_the_ear_s_noise():
    tone = 0.1 * np.sin(2 * np.pi * 1493.237 * np.arange(4096) / ear.RATE)
    patterns = ear.excitation(np.stack([tone, np.zeros(4096)]), 3)
    assert patterns.shape == (2, 109, 3)
    assert patterns[0, :, 0].argmax() == 40
    noise = ear.spread((1e-12 + ear.internal_noise(ear.bands().centre))[:, None])
    np.testing.assert_allclose(patterns[1], np.repeat(noise, 3, axis=1))


def test_frames_do_not_depend_on_how_many_are_computed_at_once():
    signal = np.random.default_rng(0).standard_normal((1, 300 * ear.HOP))
    whole = ear.excitation(signal, 299)
    np.testing.assert_allclose(ear.excitation(signal[:, 270 * ear.HOP :], 20), whole[:, :, 270:290], rtol=1e-12)


def test_modulation_of_a_steady_excitation():
    power, kept = 1e5, ear.decay(0.008, 0.050)
    found = modulation.modulation(np.full((1, 109, 12), power))
    loudness = power**0.3
    envelope = loudness * (1 - kept**11)  # after 11 frames
    rate = (1 - kept) * 46.875 * loudness * kept**10  # the jump of the first frame, faded
    np.testing.assert_allclose(found.envelope[0, :, 10], envelope)
    np.testing.assert_allclose(found.depth[0, :, 10], rate / (1 + envelope / 0.3), atol=1e-12)


def test_average_difference_is_in_percent_and_weighted_in_time():
    reference = np.random.default_rng(0).uniform(0, 2, (2, 109, 2))
    change = np.array([0.5, 0.1]) * np.array([[[1.0]], [[2.0]]])  # 50 and 10 %, twice that in the other channel
    weight = np.array([[3.0, 1.0], [3.0, 1.0]])
    found = modulation.average_difference(reference, weight, reference - change * (1 + reference))
    assert found == pytest.approx((40 + 80) / 2)


def test_weight_of_a_frame():
    envelope = np.full((1, 109, 1), 100.0)
    least = 100 * ear.internal_noise(ear.bands().centre) ** 0.3
    assert modulation.Modulation(envelope, envelope).weight[0, 0] == pytest.approx((100 / (100 + least)).sum())


def test_step_size_at_60_decibels():
    # -0.198719 + 3.301182 - 3.687768 + 1.092144 + 0.001168 + 5.95072 (6.39468 / 60)^1.71332
    np.testing.assert_allclose(detection.step_size(np.array([60.0, 0.0, -5.0])), [0.63643, 1e30, 1e30], atol=1e-5)


def test_an_addition_of_one_step_is_detected_half_of_the_time():
    step = detection.step_size(np.array([60.0]))[0]
    test = np.full((1, 1, 2), 60.0)
    probability, steps = detection.detection(test - np.array([step, 2.0]), test)
    np.testing.assert_allclose(probability, [0.5, 1 - 0.5 ** ((2 / step) ** 6)])
    np.testing.assert_allclose(steps, [0, 2 / step])  # whole dB count


def test_a_loss_is_judged_at_the_level_between_and_with_the_fourth_power():
    step = detection.step_size(np.array([0.3 * 60.0 + 0.7 * 59.5]))[0]
    probability, _ = detection.detection(np.full((1, 1, 1), 60.0), np.full((1, 1, 1), 59.5))
    np.testing.assert_allclose(probability, 1 - 0.5 ** ((0.5 / step) ** 4))


def test_the_channel_that_is_heard_best_counts_and_bands_add_up():
    reference = np.full((2, 2, 1), 60.0)
    test = reference + np.array([[[2.0], [0.0]], [[0.0], [1.0]]])
    steps = [detection.step_size(np.array([level]))[0] for level in (62.0, 61.0)]
    probability, total = detection.detection(reference, test)
    missed = 0.5 ** ((2 / steps[0]) ** 6) * 0.5 ** ((1 / steps[1]) ** 6)
    np.testing.assert_allclose(probability, 1 - missed)
    np.testing.assert_allclose(total, 2 / steps[0] + 1 / steps[1])


@pytest.mark.parametrize(
    ("probability", "steps", "expected"),
    [
        ([0.9, 0.6, 0.5], [100.0, 300.0, 7000.0], np.log10(200)),
        ([0.2, 0.5], [10.0, 10.0], 0.0),
        ([0.9, 0.9], [0.0, 0.0], -0.5),
    ],
)
def test_average_distorted_block(probability, steps, expected):
    assert detection.average_distorted_block(np.array(probability), np.array(steps)) == pytest.approx(expected)


def test_bounds_are_where_five_samples_exceed_200_units():
    signal = np.zeros((2, 60 * 1024))
    signal[1, 5000:40000] = 0.01  # one sample has 327 units
    found = bounds.bounds(signal)
    assert (found.first, found.stop, found.settled) == (4, (40000 + 4 - 1024) // 1024 + 1, 24)
    assert bounds.bounds(np.full((1, 5000), 40 / 32768)) is None
    assert bounds.bounds(np.full((1, 5000), 41 / 32768)).first == 0
    assert bounds.bounds(np.ones((1, 4))) is None


def test_bounds_are_the_same_wherever_the_pieces_end():
    for at in (65534, 65536, 65537):
        signal = np.zeros((1, 140000))
        signal[0, at : at + 2048] = 0.5
        assert bounds.bounds(signal) == bounds.bounds(np.concatenate([signal, np.zeros((1, 1))], axis=1))
        assert bounds.bounds(signal).first == (at - 4) // 1024
