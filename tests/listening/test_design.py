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
    with pytest.raises(ConfigError, match=r"test.yaml:6: Song A starts at -1 s; expected 0 or more"):
        _read(tmp_path, text.replace("31.5", "-1"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("protocol: remix", "protocol: mushrra"), "test.yaml:3: protocol is 'mushrra', expected mushra, peass"),
        (("protocol: remix", "protocol: mushrra"), "did you mean 'mushra'?"),
        (("target: vocals", "targett: vocals"), "test.yaml:5: a listening test has no key 'targett'"),
        (("target: vocals\n", ""), "target is missing"),
        (("mode: preserve", "mode: louder"), "test.yaml:10: mode is 'louder', expected match or preserve"),
        (("seconds: 7.5", "seconds: 30"), "test.yaml:7: seconds of excerpts is 30; Remix takes 1 to 12 s"),
        (("count: 4", "count: 0"), "count is 0, expected a whole number from 1 to 1000"),
        (("count: 4", "rule: given"), "rule: given and the mapping given"),
        (("seed: 7", "seed: -1"), "seed is -1"),
        (("[6, -6]", "[6, loud]"), "remix_db is [6, 'loud'], expected a list of numbers from -40 to 40 (in dB)"),
        (("[6, -6]", "[]"), "test.yaml:9: remix_db is empty, expected at least one gain"),
        (
            ("[lowpass_3500]", "[lowpass_350]"),
            "test.yaml:8: anchors is ['lowpass_350'], expected a list of lowpass_",
        ),
        (("[lowpass_3500]", "[lowpass_350]"), "did you mean 'lowpass_3500'?"),
        (("[lowpass_3500]", "[mixture, mixture]"), "expected each name once"),
        (
            ("protocol: remix", "protocol: mushra"),
            "test.yaml:9: remix_db belongs to the protocol remix, this",
        ),
        (("lufs: -23", "lufs: 3"), "lufs is 3, expected a number from -60 to -10 (in LUFS)"),
        (("listeners: 12", "listeners: many"), "listeners is 'many', expected a whole number"),
        (("name: demo_vocals", "name: ../up"), "cannot name a listening test"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, WHOLE.replace(*change))
    assert message in str(caught.value)
