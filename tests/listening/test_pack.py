"""From a run to a pack that is blinded, levelled and verified."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.dsp.loudness import integrated_loudness
from mss_bench.errors import AudioError, ConfigError
from mss_bench.listening.needed import answers_by_share, listeners_by_difference, listeners_in_words
from mss_bench.listening.pack import make_pack
from mss_bench.listening.pack_format import key_folder, read_key, read_pack
from mss_bench.listening.plan import describe_plan
from mss_bench.listening.protocols import PROTOCOLS, Kind
from mss_bench.listening.verification import Reference, checklist, verify_pack

from .conftest import RATE

SMALL = "systems: [centre]\nexcerpts: {count: 1, seconds: 1}\nreplicates: 0\n"


def _make(write_design, folder, text: str = "", protocol: str = "mushra", **options):
    return make_pack(write_design(text, protocol, **options), folder, jobs=1, say=lambda _: None)


def test_nothing_that_is_served_tells_what_is_what(pack) -> None:
    key = read_key(pack)
    served = (pack / "pack.json").read_text() + " ".join(f.name for f in pack.rglob("*"))
    for signal in key.values():
        for secret in (signal.item.split(" @")[0], signal.system):
            if secret not in ("reference", "mixture"):
                assert secret not in served
    assert not (pack / "key.json").exists()
    # Where the test's file says nothing, listeners are told of the scale and of the hidden reference.
    assert "One of the sounds is the reference itself" in read_pack(pack).instructions
    assert {f"audio/{f.name}" for f in (pack / "audio").iterdir()} == set(key) == read_pack(pack).files()


def test_a_trial_holds_systems_hidden_reference_and_anchors(pack) -> None:
    key, read = read_key(pack), read_pack(pack)
    for trial in read.trials:
        systems = sorted(key[f].system for f in trial.stimuli)
        assert systems == ["centre", "hpss_vocals", "lowpass_3500", "lowpass_7000", "reference"]
        assert key[trial.reference].system == "reference"
        assert key[trial.mixture].system == "mixture"
        assert all(key[f].item == key[trial.reference].item for f in trial.stimuli)
    rated = {s.trial for s in read.configurations[0]}
    assert not set(read.training) & set(rated)
    assert len(rated) == 2
    assert len(read.configurations) == 5


def test_signals_are_level_aligned_and_equally_long(pack) -> None:
    key, read = read_key(pack), read_pack(pack)
    for trial in read.trials:
        reference = audio.read(pack / trial.reference, 48000)
        for file in trial.stimuli:
            samples = audio.read(pack / file, 48000)
            assert samples.shape == (2, 3 * 48000)
            assert integrated_loudness(samples, 48000) == pytest.approx(-24, abs=0.1)
            if key[file].role in ("test", "reference"):
                assert Reference(reference, 500).lag(samples) == 0
            if key[file].role == "reference":
                np.testing.assert_array_equal(samples, reference)


def test_the_key_tells_the_truth(pack, finished_run) -> None:
    # What the key calls centre is closest to what centre makes of that track.
    from mss_bench.core.tracks import Targets
    from mss_bench.separators.centre import Centre

    key, read = read_key(pack), read_pack(pack)
    songs = finished_run.parent / "songs"
    trial = read.trials[0]
    song, _, start = key[trial.reference].item.partition(" @")
    stems = {f.stem: audio.read(f, RATE) for f in (songs / song).glob("*.wav")}
    mixture = np.sum(list(stems.values()), axis=0)
    targets = Targets(("vocals", "drums", "bass", "other"), {"accompaniment": ("drums", "bass", "other")})
    made = Centre().separate(mixture, RATE, targets=targets, rng=np.random.default_rng(0))["vocals"]
    whole = audio.resample(made, RATE, 48000)[:, round(float(start) * 48000) :][:, : 3 * 48000]
    similar = {
        key[f].system: abs(np.corrcoef(audio.read(pack / f, 48000).ravel(), whole.ravel())[0, 1]) for f in trial.stimuli
    }
    assert max(similar, key=similar.get) == "centre"
    assert similar["centre"] > 0.99


def test_a_pack_made_again_with_its_key_has_the_same_bytes_and_without_it_no_name(write_design, tmp_path) -> None:
    one = _make(write_design, tmp_path / "a", f"{SMALL}seed: 3\n")
    key = key_folder(one)
    two = make_pack(write_design(f"{SMALL}seed: 3\n"), tmp_path / "b", key=key, jobs=1, say=lambda _: None)
    for first in [*sorted(one.rglob("*.*")), *sorted(key.rglob("*"))]:
        second = two.parent / first.relative_to(one.parent)
        assert first.read_bytes() == second.read_bytes(), first.name
    assert key.stat().st_mode & 0o777 == 0o700
    other = _make(write_design, tmp_path / "c", f"{SMALL}seed: 3\n")
    names = {f.stem for f in (one / "audio").iterdir()} | {t.id for t in read_pack(one).trials}
    assert names.isdisjoint({f.stem for f in (other / "audio").iterdir()} | {t.id for t in read_pack(other).trials})
    assert all(re.fullmatch("s[0-9a-f]{12}", name) for name in names)  # no reader takes one for a number
    (key / "secret").write_text("12")
    with pytest.raises(ConfigError, match="secret is no secret of a pack"):
        make_pack(write_design(SMALL), tmp_path / "d", key=key)


@pytest.mark.parametrize("protocol", ["abx", "acr", "preference"])
def test_the_place_in_the_pack_does_not_tell_what_is_what(protocol: str, write_design, tmp_path) -> None:
    # Whoever has the test's file knows in which order trials are planned; in the pack it is another for each secret.
    orders, firsts = set(), set()
    for number in range(3):
        (tmp_path / "secret").write_text(f"{number:064x}\n")
        design = write_design("excerpts: {count: 1, seconds: 1}\n", protocol)
        made = make_pack(design, tmp_path / str(number), key=tmp_path, jobs=1, say=lambda _: None)
        key, read = read_key(made), read_pack(made)
        orders.add(tuple(tuple(sorted(key[f].system for f in t.stimuli)) for t in read.rated))
        firsts |= {key[t.stimuli[0]].system for t in read.trials}
    assert len(orders) > 1
    assert len(firsts) > 1


def test_estimates_are_made_again_where_the_run_kept_none(finished_run, write_design, tmp_path) -> None:
    design = write_design(SMALL)
    kept = make_pack(design, tmp_path / "kept", jobs=1, say=lambda _: None)
    bare = tmp_path / "bare"
    shutil.copytree(finished_run, bare, ignore=shutil.ignore_patterns("estimates"))
    key = key_folder(kept)
    again = make_pack(design.with_values(run=bare), tmp_path / "again", key=key, jobs=1, say=lambda _: None)
    for file in (kept / "audio").iterdir():
        assert file.read_bytes() == (again / "audio" / file.name).read_bytes()
    assert not (bare / "estimates").exists()  # a run is read, never written to


@pytest.mark.parametrize("protocol", [p for p in PROTOCOLS if p != "mushra"])
def test_every_protocol_makes_a_verified_pack(protocol: str, protocol_pack) -> None:
    made = protocol_pack(protocol)
    read, key = read_pack(made), read_key(made)
    assert {t.name for t in PROTOCOLS[protocol].tasks} == {t.task for t in read.trials}
    for trial in read.trials:
        assert len(trial.stimuli) + bool(trial.reference) <= PROTOCOLS[protocol].max_signals
    if protocol == "preference":
        pairs = {frozenset(key[f].system for f in t.stimuli) for t in read.trials}
        assert len(pairs) == 3
    if protocol == "abx":
        for trial in read.trials:
            a, b, x = (audio.read(made / f, 48000) for f in trial.stimuli)
            assert np.array_equal(x, a) != np.array_equal(x, b)
    rated = {f for t in read.trials for f in t.stimuli}
    if protocol in ("remix", "two_attributes"):  # the mixture is rated, and as loud as everything that is
        loudness = [
            integrated_loudness(audio.read(made / f, 48000), 48000)
            for f in rated
            if key[f].system in ("mixture", "reference")
        ]
        assert np.ptp(loudness) < 0.05
    if protocol == "remix":
        assert {s.details["remix_db"] for s in key.values()} == {6.0, -6.0}
    assert "Checklist" in (key_folder(made) / "verification.md").read_text()


def test_the_checklist_says_what_was_measured(pack, write_design, tmp_path) -> None:
    def points(folder) -> dict[str, tuple[str, str]]:
        table = checklist(folder)
        return {row[0].text: (row[1].text, row[2].text) for group in table.groups for row in group}

    told = points(pack)
    assert told["excerpts of about 10 s, at most 12 s"] == ("no", "3 s")
    assert told["low anchor, 3.5 kHz"][0] == "yes"
    assert told["loudness of an item's rated signals aligned"] == ("yes", "within 0.00 LU")
    assert told["replicated trials"] == ("no", "0 for each listener")
    text = "excerpts: {count: 1, seconds: 1}\nremix_db: [6, -6]\nloudness: {mode: preserve}\nlisteners: 1\n"
    remix = points(_make(write_design, tmp_path, text, "remix"))
    assert remix["at least max(5, 1.5 x systems) items"] == ("no", "1 of 5")  # gains make no items
    met, found = remix["loudness of an item's rated signals aligned"]
    assert met == "no"
    assert "not aligned by choice" in found
    assert remix["replicated trials"] == ("yes", "1 for each listener")
    pairs = points(_make(write_design, tmp_path, "excerpts: {count: 1, seconds: 1}\n", "preference", name="two"))
    assert not [point for point in pairs if "anchor" in point or "hidden" in point]  # none belong there
    beside = next(note for note in checklist(pack).notes if "not rated" in note)
    assert re.search(r"\+\d\.\d to \+\d\.\d LU", beside)


def test_excerpts_where_metrics_disagree_and_given_ones(write_design, tmp_path) -> None:
    made = _make(write_design, tmp_path, "excerpts: {count: 2, seconds: 3, rule: disagree}\n", name="disagree")
    assert len({s.item for s in read_key(made).values()}) == 2
    given = _make(write_design, tmp_path, "excerpts: {seconds: 3, rule: given, given: {Song 1: 2.5}}\n", name="given")
    assert {s.item for s in read_key(given).values()} == {"Song 1 @2.5"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("systems: [centre, hpsss]\n", "has no 'hpsss' with vocals; it has centre, hpss_vocals, irm"),
        ("excerpts: {count: 9, seconds: 3}\n", "9 items were asked for, .* has 3 tracks"),
        ("excerpts: {seconds: 3, rule: given, given: {Song 7: 0}}\n", "has no track 'Song 7'"),
        (
            "excerpts: {seconds: 3, rule: given, given: {Song 1: 6}}\n",
            r"Song 1 @6\.0: .* ends at 9\.00 s, the track at 7\.00 s",
        ),
        ("trials: 1\nexcerpts: {count: 1, seconds: 3}\nreplicates: 3\n", "replicates: 3 of a session of 1 trials"),
    ],
)
def test_designs_that_do_not_fit_leave_nothing_behind(text: str, message: str, write_design, tmp_path) -> None:
    with pytest.raises((ConfigError, AudioError), match=message):
        _make(write_design, tmp_path / "out", text)
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_a_pack_is_never_overwritten(pack, write_design) -> None:
    with pytest.raises(ConfigError, match="exists already; remove it or choose another"):
        _make(write_design, pack.parent, name="heard")


def test_a_changed_file_is_found(pack, tmp_path) -> None:
    copy = tmp_path / pack.name
    shutil.copytree(pack, copy)
    shutil.copytree(key_folder(pack), key_folder(copy))
    verify_pack(copy)
    trial = read_pack(copy).trials[0]
    path = copy / trial.stimuli[0]
    audio.write(path, np.roll(audio.read(path, 48000), 40, axis=-1), 48000, "PCM_24")
    with pytest.raises(AudioError, match="was changed since it was written"):
        verify_pack(copy)
    path.unlink()
    with pytest.raises(ConfigError, match="is missing; make the pack again"):
        read_pack(copy)


def test_a_misaligned_estimate_is_found() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 48000))
    assert Reference(noise, 100).lag(np.roll(noise, 7, axis=-1)) == 7
    assert Reference(noise, 100).lag(noise + np.random.default_rng(1).standard_normal((2, 48000))) == 0


@pytest.mark.parametrize("damage", ["version", "escape", "order", "json"])
def test_a_damaged_pack_is_refused(damage: str, pack, tmp_path) -> None:
    copy = tmp_path / pack.name
    shutil.copytree(pack, copy)
    raw = json.loads((copy / "pack.json").read_text())
    if damage == "version":
        raw["version"] = 99
    elif damage == "escape":
        raw["trials"][0]["stimuli"][0] = "../secret.wav"
    elif damage == "order":
        raw["configurations"][0][0]["stimuli"] = [0, 0, 1]
    (copy / "pack.json").write_text("{" if damage == "json" else json.dumps(raw))
    with pytest.raises(ConfigError, match=r"pack\.json"):
        read_pack(copy)


def test_plan_says_what_a_listener_is_asked(write_design) -> None:
    text = describe_plan(write_design("systems: [centre, irm]\n"))
    assert "2 systems" in text
    assert "a listener is asked 3" in text  # two trials and a replicate
    assert "10 points  32" in text
    assert listeners_by_difference() == {5: 126, 8: 50, 10: 32, 15: 14}
    assert listeners_in_words(None, (1, 5))["0.4 of a scale from 1 to 5"] == 32  # the same share of another scale


def test_plan_speaks_the_units_of_its_protocol(write_design) -> None:
    from scipy.stats import binom

    acr = describe_plan(write_design("systems: [centre]\n", "acr"))
    assert re.search(r"0\.4 of a scale from 1 to 5 +32", acr)
    assert "points" not in acr
    abx = describe_plan(write_design("systems: [centre]\n", "abx"))
    n = answers_by_share(Kind.ABX)["75 % right"]
    assert re.search(rf"75 % right +{n}", abx)
    assert "points" not in abx
    needed = binom.isf(0.05, n, 0.5) + 1  # right answers for p below 5 %
    assert binom.sf(needed - 1, n, 0.75) == pytest.approx(0.8, abs=0.08)
