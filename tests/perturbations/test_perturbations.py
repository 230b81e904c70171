"""What each perturbation does to a song, and that all keep their declarations."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from mss_bench.core.spec import Spec
from mss_bench.core.tracks import TrackAudio
from mss_bench.dsp.loudness import integrated_loudness
from mss_bench.errors import AudioError, ConfigError, UnknownNameError
from mss_bench.perturbations import Perturbation, perturbations
from mss_bench.perturbations.contract import check_perturbation
from mss_bench.perturbations.track import Chain

OURS = [name for name in perturbations.names() if perturbations.origin(name) == "mss_bench"]
RATE = 44100


def song(seconds: float = 1.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Stems of noise below 6 kHz, as loud as music."""
    from scipy.signal import butter, sosfilt

    sos = butter(4, 6000, fs=RATE, output="sos")
    noise = np.random.default_rng(seed).standard_normal((3, 2, round(seconds * RATE)))
    stems = (0.1 * sosfilt(sos, noise)).astype(np.float32)
    return dict(zip(("vocals", "drums", "bass"), stems, strict=True))


def changed(*specs: str, seed: int = 0, name: str = "Song A", stems: dict[str, np.ndarray] | None = None) -> TrackAudio:
    stems = stems or song()
    audio = TrackAudio(stems, np.sum([*stems.values()], axis=0), RATE)
    return Chain(tuple(map(Spec.parse, specs)), seed).apply(audio, name)


MIXTURE = np.sum([*song().values()], axis=0)


def level(array: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(array, dtype=np.float64))))


# The contract starts ffmpeg some fifty times; mss-bench perturbations check aac.
@pytest.mark.parametrize("name", [name for name in OURS if name != "aac"])
def test_built_in_perturbations_keep_their_declarations(name):
    cls = perturbations.load(name)
    results = check_perturbation(cls(), seconds=0.5)
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []
    assert len(results) == 16
    assert not cls.ladder or len(cls.ladder) >= 3


class _Faulty(Perturbation):
    """A fault in each of its variants."""

    name = "faulty"

    def prepare(self, signal, sample_rate, rng):
        return lambda array: array + 0.01


@pytest.mark.parametrize(
    ("attributes", "check"),
    [
        ({"prepare": lambda self, *_: lambda array: np.roll(array, 3, axis=1)}, "delay"),
        ({"prepare": lambda self, *_: lambda array: array[:, 1:]}, "shape"),
        ({"prepare": lambda self, *_: lambda array: np.sqrt(array)}, "shape"),
        ({"prepare": lambda self, *_: lambda array: array + np.random.default_rng().random(array.shape)}, "again"),
        ({"prepare": lambda self, *_: lambda array: array}, "ladder"),
        ({"prepare": lambda self, *_: np.abs, "alike": True}, "alike"),
        ({"strength": "loud", "ladder": (1.0, 2.0)}, "declarations"),
        ({"strength": "stems", "ladder": (2.0, 1.0, 3.0)}, "declarations"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_the_contract_finds_faults(attributes, check):
    names = {"again": "input unchanged, deterministic", "alike": "references alike"}
    cls = type("Faulty", (_Faulty,), {"__doc__": "A fault.", **attributes})
    failed = [r.name for r in check_perturbation(cls(), seconds=0.2) if not r.passed]
    assert names.get(check, check) in failed


@pytest.mark.parametrize("codec", ["mp3:rate=64", "mp3:rate=192", "opus:rate=96", "vorbis:rate=96", "aac:rate=96"])
def test_codecs_stand_where_the_signal_stood(codec):
    """By cross-correlation of one second of noise, to the sample; and what they lose is less than what they keep."""
    if codec.startswith("aac") and not shutil.which("ffmpeg"):
        pytest.skip("no ffmpeg, which encodes AAC")
    coded = changed(codec).mixture
    size = 2 * MIXTURE.shape[1]
    spectra = np.fft.rfft(MIXTURE[0], size), np.fft.rfft(coded[0], size)
    assert np.fft.irfft(np.conj(spectra[0]) * spectra[1]).argmax() == 0
    assert -40 < level(coded - MIXTURE) - level(MIXTURE) < -3


def test_a_codec_loses_more_at_a_lower_rate():
    losses = [level(changed(f"mp3:rate={rate}").mixture - MIXTURE) for rate in (256, 128, 64)]
    assert losses == sorted(losses)


def test_what_lies_beyond_full_scale_is_not_clipped_by_a_codec():
    loud = {name: 30 * stem for name, stem in song().items()}
    ratio = changed("vorbis:rate=320", stems=loud).mixture / changed("vorbis:rate=320").mixture
    assert np.median(ratio) == pytest.approx(30, rel=0.05)


def test_levels_are_what_is_asked_for():
    assert level(changed("gain:db=-12").mixture) == pytest.approx(level(MIXTURE) - 12, abs=1e-4)
    assert level(changed("noise:snr=20").mixture - MIXTURE) == pytest.approx(level(MIXTURE) - 20, abs=0.1)
    assert np.abs(changed("clipping:db=6").mixture).max() == pytest.approx(np.abs(MIXTURE).max() / 10**0.3, rel=1e-5)
    assert level(changed("distortion:drive=24").mixture) == pytest.approx(level(MIXTURE), abs=1e-3)
    assert level(changed("compression:ratio=10").mixture) == pytest.approx(level(MIXTURE), abs=1e-3)
    np.testing.assert_array_equal(changed("polarity").mixture, -MIXTURE)
    mono = changed("mono").mixture
    np.testing.assert_array_equal(mono[0], mono[1])
    np.testing.assert_allclose(mono[0], MIXTURE.mean(axis=0), atol=1e-7)


def test_the_limiter_makes_it_loud_and_stays_below_its_ceiling():
    limited = changed("limiter:loudness=-6,ceiling=-1")
    assert np.abs(limited.mixture).max() <= 10 ** (-1 / 20) * (1 + 1e-6)
    assert integrated_loudness(limited.mixture, RATE) == pytest.approx(-6, abs=3)
    # The stems went through the gain of the mixture, so that they add up to the loud master.
    np.testing.assert_allclose(np.sum([*limited.references.values()], axis=0), limited.mixture, atol=1e-5)


def test_shifts_count_in_samples():
    for spec, samples in (("shift:ms=0.02", 1), ("shift:ms=10", 441)):
        shifted = changed(spec)
        np.testing.assert_array_equal(shifted.mixture[:, samples:], MIXTURE[:, :-samples])
        np.testing.assert_array_equal(shifted.references["bass"][:, samples:], song()["bass"][:, :-samples])
        assert not shifted.mixture[:, :samples].any()


def test_speed_moves_pitch_and_tempo():
    time = np.arange(RATE) / RATE
    tone = {"vocals": np.sin(2 * np.pi * 1000 * time)[None].astype(np.float32)}
    faster = changed("speed:percent=3", stems=tone)
    assert faster.mixture.shape[1] == pytest.approx(RATE / 1.03, abs=2)
    assert faster.references["vocals"].shape == faster.mixture.shape
    bins = np.abs(np.fft.rfft(faster.mixture[0]))
    assert bins.argmax() * RATE / faster.mixture.shape[1] == pytest.approx(1030, abs=2)


def test_bands_are_lost_where_it_is_said():
    impulse = np.zeros((1, RATE), dtype=np.float32)
    impulse[0, RATE // 2] = 1
    lost = changed("band_loss:above=8000,below=200", stems={"vocals": impulse})
    gain = 20 * np.log10(np.abs(np.fft.rfft(lost.mixture[0])) + 1e-12)
    assert gain[1000] == pytest.approx(0, abs=0.01)
    assert gain[[50, 16000]].max() < -90
    np.testing.assert_array_equal(lost.references["vocals"], impulse)
    narrow = changed("resampling:rate=22050", stems={"vocals": impulse})
    gain = 20 * np.log10(np.abs(np.fft.rfft(narrow.mixture[0])) + 1e-12)
    assert gain[5000] == pytest.approx(0, abs=0.01)
    assert gain[12000] < -90


def test_a_room_decays_as_long_as_it_is_said():
    impulse = np.zeros((1, 2 * RATE), dtype=np.float32)
    impulse[0, 0] = 1
    energy = np.square(changed("reverberation:seconds=0.8", stems={"vocals": impulse}).mixture[0], dtype=np.float64)
    assert energy[0] == pytest.approx(energy[1:].sum(), rel=1e-3)  # direct=0 dB
    decay = 10 * np.log10(energy[1:][::-1].cumsum()[::-1] + 1e-20)
    start, end = round(0.1 * RATE), round(0.5 * RATE)
    assert (decay[start] - decay[end]) / 0.4 * 0.8 == pytest.approx(60, abs=3)


@pytest.mark.parametrize("spec", ["mp3", "noise", "clipping", "band_loss", "distortion"])
def test_damage_leaves_the_references_clean(spec):
    for name, stem in changed(spec).references.items():
        np.testing.assert_array_equal(stem, song()[name])


def test_single_stems_are_changed_and_mixed_again():
    audio = changed("chorus:stems=vocals+bass", "distortion:stems=bass")
    np.testing.assert_array_equal(audio.references["drums"], song()["drums"])
    for name in ("vocals", "bass"):
        assert level(audio.references[name] - song()[name]) > -40
    np.testing.assert_allclose(np.sum([*audio.references.values()], axis=0), audio.mixture, atol=1e-6)


def test_draws_follow_seed_song_and_name_alone():
    def noise(spec: str, **given: object) -> np.ndarray:
        return changed(spec, **given).mixture - MIXTURE

    first = changed("noise:snr=20").mixture.tobytes()
    assert changed("noise:snr=20").mixture.tobytes() == first
    assert changed("noise:snr=20", seed=1).mixture.tobytes() != first
    assert changed("noise:snr=20", name="Song B").mixture.tobytes() != first
    # Strengths are compared under one draw; a second noise in a chain is another one.
    np.testing.assert_allclose(noise("noise:snr=0"), 10 * noise("noise:snr=20"), atol=1e-5)
    twice = changed("noise:snr=20", "noise:snr=20").mixture - changed("noise:snr=20").mixture
    assert abs(np.corrcoef(twice.ravel(), noise("noise:snr=20").ravel())[0, 1]) < 0.05


def test_nothing_given_is_written_to_and_times_that_no_longer_hold_are_left_out():
    stems = song()
    for stem in stems.values():
        stem.flags.writeable = False
    audio = TrackAudio(stems, MIXTURE, RATE, annotations="of the song")  # type: ignore[arg-type]
    for spec, there in (("limiter", True), ("speed", False), ("shift", False)):
        out = Chain((Spec(spec),)).apply(audio, "Song A")
        assert (out.annotations is not None) == there
        assert not out.mixture.flags.writeable
    assert dataclasses.asdict(audio)["sample_rate"] == RATE


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("mp33", UnknownNameError, "unknown perturbation 'mp33'; did you mean 'mp3'"),
        ("mp3:rat=64", UnknownNameError, "perturbation mp3 has no parameter 'rat'; did you mean 'rate'"),
        ("mp3:rate=100", ConfigError, "mp3: rate is 100, expected one that MPEG-1 Layer III has: 64, 80, 96, 112"),
        ("mp3:rate=8", ConfigError, "mp3: rate is 8, expected a whole number from 64 to 320"),
        ("speed:percent=0", ConfigError, "other than 0"),
        ("speed:stems=bass", ConfigError, "changes the length"),
        ("band_loss:above=500,below=600", ConfigError, "less than above, 500 Hz"),
        ("chorus:stems=vocal", UnknownNameError, "did you mean 'vocals'"),
    ],
)
def test_wrong_perturbations_are_refused_before_anything_runs(spec, error, message):
    with pytest.raises(error, match=message):
        Chain((Spec.parse(spec),)).check(("vocals", "bass"), 44100)


def test_a_codec_that_is_not_there_is_named(monkeypatch):
    from mss_bench.perturbations import codecs

    monkeypatch.setenv("PATH", "")
    codecs._missing_aac.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"perturbation aac: AAC needs ffmpeg.*install it"):
            Chain((Spec("aac"),)).check((), 44100)
    finally:
        codecs._missing_aac.cache_clear()


def test_three_channels_are_refused_by_a_codec():
    with pytest.raises(AudioError, match="mp3 takes one or two channels, got 3"):
        changed("mp3", stems={"vocals": np.zeros((3, 1000), dtype=np.float32)})


def test_a_soundfile_that_cannot_set_a_rate_is_named(monkeypatch):
    import soundfile

    from mss_bench.perturbations import codecs

    class Older:
        """As in soundfile 0.12."""

        def __init__(self, file, mode="r"):
            raise NotImplementedError

    monkeypatch.setattr(soundfile, "SoundFile", Older)
    codecs._missing_form.cache_clear()
    try:
        with pytest.raises(
            ConfigError, match=r"perturbation mp3: soundfile .* cannot set a rate; install soundfile 0.13"
        ):
            Chain((Spec("mp3"),)).check((), 44100)
    finally:
        codecs._missing_form.cache_clear()


def test_what_changes_nothing_or_leaves_nothing_is_refused():
    for spec, reason in (
        ("resampling:rate=44100", "rate of the songs"),
        ("band_loss:above=30000", "no band above 22050"),
    ):
        chain = Chain((Spec.parse(spec),))
        with pytest.raises(ConfigError, match=f"changes nothing: .*{reason}"):
            chain.check(("vocals",), 44100)
        chain.check(("vocals",), 96000)
    song = np.ones((2, 4000), np.float32)
    with pytest.raises(AudioError, match=r"shift:ms=9999 leaves nothing of a song of 0\.5 s"):
        Chain((Spec.parse("shift:ms=9999"),)).changed(song, {"vocals": song}, 8000, "song")
