"""The draw of a random method follows from seed, song and separator alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.core.tracks import Targets
from mss_bench.errors import ConfigError
from mss_bench.running.separation import song_name
from mss_bench.separators import separators
from mss_bench.separators.nmf import NMF

DRAWS = """
from mss_bench import Separator, param
class Draws(Separator):
    {comment}
    name = "draws"
    random = True
    gain: float = param(0.0, doc="Unrelated to the draw.")
    mask: str = param("soft", choices=("soft", "binary"), doc="Likewise.")
    def separate(self, mixture, sample_rate, *, targets, rng, **_):
        return {{stem: mixture * rng.random() for stem in targets.stems}}
class Other(Draws):
    name = "other"
"""
GOLDEN = 3669881974646106303


def _usdr(results):
    table = results.tracks.query("separator != 'mixture' and target == 'vocals' and group == 'vocals_acc'")
    return table.set_index(["separator", "params", "track"]).value.sort_index()


def test_comment_parameter_filter_and_groups_leave_the_draw_alone(tiny: Path, tmp_path: Path) -> None:
    def run(name: str, comment: str = "", catalog: Path = tiny):
        file = tmp_path / "draws.py"
        file.write_text(DRAWS.format(comment=comment))
        methods = ["draws", "draws:gain=1", "draws:mask=binary", "other"]
        return _usdr(
            mss_bench.run(
                "tiny", methods, ["usdr"], catalogs=[str(catalog)], plugins=[str(file)], out=tmp_path / name,
                quiet=True, jobs=1,
            )
        )  # fmt: skip

    first = run("first")
    for song in first.index.unique("track"):
        same = first.xs(song, level="track")["draws"]
        assert len(same) == 3
        assert same.nunique() == 1
        assert first["other", "", song] != same.iloc[0]  # another separator draws for itself
    assert first["draws", ""].nunique() == 2  # so does another song
    regrouped = tmp_path / "regrouped.yaml"
    regrouped.write_text(tiny.read_text().replace("    4stem: [vocals, drums, bass, other]\n", ""))
    np.testing.assert_array_equal(first, run("second", "# a comment", regrouped))


def test_run_and_separate_draw_alike(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    method = "nmf:iterations=2,components=5,n_fft=1024,hop=512"
    results = mss_bench.run(
        "tiny", [method], ["usdr"], catalogs=[str(tiny)], out=tmp_path / "run", quiet=True, seed=3,
        save_estimates=True, max_tracks=1, jobs=1,
    )  # fmt: skip
    (vocals,) = (results.path / "estimates").rglob("nmf*/**/vocals.wav")
    mixture = next((tmp_path / "tiny" / "test" / "Song A").glob("mixture.*"))
    in_python = mss_bench.separate(mixture, method, seed=3)["vocals"]
    np.testing.assert_array_equal(in_python, audio.read(vocals))
    array = audio.read(mixture)
    named = mss_bench.separate(array, method, 8000, seed=3, song="Song A")["vocals"]
    np.testing.assert_array_equal(named, in_python)
    assert not np.array_equal(mss_bench.separate(array, method, 8000, seed=3)["vocals"], in_python)
    assert main(["separate", str(mixture), "-s", method, "--seed", "3", "-o", str(tmp_path / "out"), "-q"]) == 0
    (written,) = (tmp_path / "out").rglob("vocals.wav")
    np.testing.assert_array_equal(audio.read(written), in_python)


@pytest.mark.parametrize(
    ("file", "name"),
    [("A song.flac", "A song"), ("b/A song.stem.mp4", "A song"), ("A song/mixture.wav", "A song"), ("x/mix.wav", "x")],
)
def test_a_song_is_called_alike_from_its_file_and_in_a_data_set(file: str, name: str) -> None:
    assert song_name(Path(file)) == name


def test_the_generator_is_the_same_on_every_machine() -> None:
    draws = [NMF(components=k).generator(7, "A song").integers(1 << 62) for k in (2, 3)]
    assert draws == [GOLDEN, GOLDEN]
    others = [NMF().generator(7, "B").integers(1 << 62), NMF().generator(8, "A song").integers(1 << 62)]
    others.append(separators.load("projet")().generator(7, "A song").integers(1 << 62))
    assert len({GOLDEN, *others}) == 4


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "x"])
def test_seeds_out_of_range_are_refused(seed: object) -> None:
    with pytest.raises(ConfigError, match=r"seed is .*, expected a whole number from 0 to 4294967295"):
        mss_bench.separate(np.zeros((2, 800), dtype=np.float32), "nmf", 8000, seed=seed)  # type: ignore[arg-type]


@pytest.mark.slow
def test_filters_differ_by_what_they_do_and_not_by_the_draw(excerpt: Path) -> None:
    (song,) = (excerpt / "train").iterdir()
    stems = {name: audio.read(song / f"{name}.wav").astype(np.float64) for name in ("vocals", "drums", "bass", "other")}
    mixture, targets = audio.read(song / "mixture.wav"), Targets(tuple(stems))
    means = {}
    for mask in ("soft", "wiener"):
        usdr = []
        for seed in range(6):
            found = NMF(mask=mask).separate(mixture, 44100, targets=targets, rng=np.random.default_rng(seed))
            usdr += [10 * np.log10(np.sum(s**2) / np.sum((s - found[n]) ** 2)) for n, s in stems.items()]
        means[mask] = np.mean(usdr)
    assert means["soft"] == pytest.approx(-0.79, abs=0.1)
    assert means["wiener"] == pytest.approx(-1.30, abs=0.1)
