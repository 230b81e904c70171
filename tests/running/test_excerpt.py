"""The main job on real music, from WAV folders and from a stem file."""

import shutil

import numpy as np
import pytest

import mss_bench

SEPARATORS = ["irm:exponent=2", "mwf", "ibm", "repet", "repet_sim", "hpss"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("excerpt")


@pytest.fixture(scope="module")
def wav(test_data, folder):
    root = test_data / "musdb18_excerpt" / "hq"
    results = mss_bench.run("musdb18hq", SEPARATORS, root=root, out=folder / "wav", quiet=True, save_estimates=True)
    assert not len(results.failures)
    return results


def _sdr(results):
    table = results.tracks.query("metric == 'SDR' and group == '4stem'")
    label = table.separator + table.params.where(table.params == "", ":" + table.params)
    return table.assign(label=label).set_index(["label", "target"]).value


def test_a_stem_file_gives_the_same_scores(wav, test_data, folder):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    root = test_data / "musdb18_excerpt" / "stems"
    stems = mss_bench.run("musdb18", SEPARATORS, root=root, out=folder / "stems", quiet=True)
    one, two = _sdr(wav), _sdr(stems)
    assert list(one.index) == list(two.index)
    np.testing.assert_allclose(one, two, atol=0.01)


def test_oracles_beat_the_mixture_on_every_target_by_more_than_4_db(wav):
    sdr = _sdr(wav)
    for oracle in ("irm", "mwf", "ibm"):
        gain = sdr[oracle] - sdr["mixture"]
        assert len(gain) == 4
        assert gain.min() > 4, oracle


@pytest.mark.parametrize(("method", "stems"), [
    ("repet", ("vocals", "accompaniment")),
    ("repet_sim", ("vocals", "accompaniment")),
    ("hpss", ("drums", "bass", "other")),
])  # fmt: skip
def test_blind_methods_add_up_to_the_mixture(wav, excerpt, method, stems):
    from mss_bench.core import audio

    (song,) = (excerpt / "train").iterdir()
    mixture = audio.read(song / "mixture.wav").astype(np.float64)
    total = sum(audio.read(wav.path / "estimates" / method / "train" / song.name / f"{s}.wav") for s in stems)
    assert np.isfinite(total).all()
    residual = 10 * np.log10(np.sum((mixture - total) ** 2) / np.sum(mixture**2))
    assert residual < -80


def test_a_second_run_elsewhere_gives_the_same_bytes(wav, test_data, folder):
    root = test_data / "musdb18_excerpt" / "hq"
    again = mss_bench.run("musdb18hq", SEPARATORS, root=root, out=folder / "again", quiet=True, jobs=1)
    for name in ("tracks", "frames"):
        assert (again.path / f"{name}.parquet").read_bytes() == (wav.path / f"{name}.parquet").read_bytes()
