"""The file of a test is read strictly."""

from __future__ import annotations

import pytest

from mss_bench.errors import ConfigError
from mss_bench.listening.design import read_design
from mss_bench.listening.protocols import PROTOCOLS

WHOLE = """
name: demo_vocals
protocol: remix
run: runs/demo
target: vocals
systems: [repet_sim, "irm:exponent=1"]
excerpts: {count: 4, seconds: 7.5}
anchors: [lowpass_3500]
remix_db: [6, -6]
loudness: {lufs: -23, mode: preserve}
listeners: 12
trials: 20
replicates: 2
seed: 7
"""


def _read(tmp_path, text: str):
    path = tmp_path / "test.yaml"
    path.write_text(text)
    return read_design(path)


def test_a_whole_file(tmp_path) -> None:
    design = _read(tmp_path, WHOLE)
    assert design.procedure is PROTOCOLS["remix"]
    assert design.run == tmp_path / "runs/demo"
    assert design.systems == ("repet_sim", "irm:exponent=1")
    assert (design.excerpts.count, design.excerpts.seconds, design.excerpts.rule) == (4, 7.5, "active")
    assert design.remix_db == (6.0, -6.0)
    assert (design.loudness.lufs, design.loudness.mode) == (-23.0, "preserve")
    assert (design.listeners, design.trials, design.replicates, design.seed) == (12, 20, 2, 7)


def test_given_excerpts_and_no_anchors(tmp_path) -> None:
    head = "name: t\nprotocol: mushra\nrun: r\ntarget: vocals\nanchors: []\n"
    text = head + "excerpts: {rule: given, given: {Song A: 31.5}}\n"
    design = _read(tmp_path, text)
    assert design.excerpts.given == {"Song A": 31.5}
    assert design.excerpts.count == 1
    assert design.anchors == ()
    with pytest.raises(ConfigError, match=r"test.yaml:6: given: Song A starts at -1 s; expected 0 or more"):
        _read(tmp_path, text.replace("31.5", "-1"))


WRONG = {
    "protocol: mushrra": (3, "protocol is 'mushrra', expected mushra, peass"),
    "targett: vocals": (5, "a listening test has no key 'targett'; did you mean 'target'?"),
    "target: [vocals, drums]": (5, "target is ['vocals', 'drums'], expected text"),
    "run:": (4, "run is not given, expected a path"),
    "name: ../up": (2, "name: '../up' cannot name a listening test"),
    "systems: [irm, irm]": (6, "systems is 'irm', 'irm', expected each name once"),
    "excerpts: 4": (7, "excerpts is 4, expected a mapping"),
    "excerpts: {count: 0}": (7, "count is 0, expected a whole number from 1 to 1000"),
    "excerpts: {counts: 4}": (7, "excerpts has no key 'counts'; did you mean 'count'?"),
    "excerpts: {seconds: 30}": (7, "seconds of excerpts is 30; Remix takes 1 to 12 s"),
    "excerpts: {seconds: .nan}": (7, "seconds is '.nan', expected a number"),
    "excerpts: {rule: given}": (7, "rule: given and the mapping given"),
    "excerpts: {rule: given, given: [Song A]}": (7, "given is ['Song A'], expected a mapping"),
    "anchors: [lowpass_350]": (8, "anchors is ['lowpass_350'], expected a list of lowpass_3500, lowpass_7000"),
    "anchors: [mixture, mixture]": (8, "anchors is 'mixture', 'mixture', expected each name once"),
    "remix_db: [6, loud]": (9, "remix_db is [6, 'loud'], expected a list of numbers from -40 to 40 (in dB)"),
    "remix_db: []": (9, "remix_db is empty, expected at least one gain"),
    "loudness: {mode: louder}": (10, "mode is 'louder', expected match or preserve"),
    "loudness: {lufs: 3}": (10, "lufs is 3, expected a number from -60 to -10 (in LUFS)"),
    "listeners: many": (11, "listeners is 'many', expected a whole number from 1 to 10000"),
    "trials: 7_0": (12, "trials is '7_0', expected a whole number from 1 to 1000"),
    "replicates: -2": (13, "replicates is -2, expected a whole number from 0 to 100"),
    "seed: 1.5": (14, "seed is 1.5, expected a whole number from 0"),
    "seed: 7\nseed: 8": (15, "key 'seed' stands here a second time; see line 14"),
    "trials:\t20": (12, "not valid YAML: found character '\\t'"),
}
"""What takes the place of the line with this key, or the second key: the line that is named, and how it goes on."""


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_said_with_its_key_and_line(tmp_path, line: str) -> None:
    number, message = WRONG[line]
    key = line.partition(":")[0].replace("targett", "target")
    lines = [line if old.startswith(f"{key}:") else old for old in WHOLE.splitlines()]
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, "\n".join(lines))
    assert f"test.yaml:{number}: {message}" in str(caught.value)


def test_what_is_missing_or_does_not_go_together_is_said(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"test.yaml:2: target is missing in a listening test"):
        _read(tmp_path, WHOLE.replace("target: vocals\n", ""))
    with pytest.raises(ConfigError, match=r"test.yaml:9: remix_db belongs to the protocol remix, this is mushra"):
        _read(tmp_path, WHOLE.replace("protocol: remix", "protocol: mushra"))
    votes = WHOLE.replace("protocol: remix", "protocol: votes").replace("remix_db: [6, -6]\n", "")
    with pytest.raises(ConfigError, match=r"test.yaml:8: anchors stand among sliders, and the protocol votes has none"):
        _read(tmp_path, votes)
