"""Options that follow from declared parameters."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from mss_bench.cli.listen import Serve
from mss_bench.cli.main import VERBS, main
from mss_bench.cli.options import Parser, add_options, given, split_list
from mss_bench.core.parameters import Parameterized, param
from mss_bench.errors import ConfigError


class Cooking(Parameterized):
    """What a cook asks."""

    dishes: tuple[str, ...] = param((), flag="dishes", metavar="DISH", doc="What is cooked.")
    max_time: float | None = param(None, above=0, unit="min", doc="Time there is (default: as long as it takes).")
    servings: int = param(2, at_least=1, short="-n", doc="How many eat.")
    heat: Literal["low", "high"] = param("low", doc="Flame.")
    spices: tuple[str, ...] = param(("salt",), metavar="NAME,...", doc="What goes in.")
    weights: tuple[float, ...] = param((), metavar="X,...", at_least=0, doc="Of the spices.")
    swaps: dict[str, str] = param({}, metavar="OLD=NEW,...", doc="What stands in for what.")
    out: Path = param(Path("plate"), short="-o", doc="Where it goes.")
    label: str = param("", doc="Sign beside it, 100 % paper (default: none).")
    vegan: bool = param(False, doc="Without animals.")
    taste: bool = param(True, doc="Serve untasted.")


def parse(*words: str) -> dict[str, Any]:
    parser = Parser(prog="cook")
    add_options(parser, Cooking)
    return given(parser.parse_args(words), Cooking)


def test_only_what_is_given_is_returned_and_of_its_type() -> None:
    assert parse() == {}
    words = "soup bread --max-time 90 -n 3 --heat high --spices pepper,mace --spices salt --weights 1,.5 -o d"
    words += " --swaps a=b,c=d"
    assert parse(*words.split(), "--label", "07", "--vegan", "--no-taste") == {
        "dishes": ("soup", "bread"), "max_time": 90.0, "servings": 3, "heat": "high",
        "spices": ("pepper", "mace", "salt"), "weights": (1.0, 0.5),
        "swaps": {"a": "b", "c": "d"}, "out": Path("d"), "label": "07",
        "vegan": True, "taste": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-n 0", "--servings is 0, expected a whole number of at least 1"),
        ("--servings many", "--servings is 'many', expected a whole number of at least 1"),
        ("--max-time=-1", "--max-time is -1, expected a number above 0 (in min) or none"),
        ("--heat hig", "--heat is 'hig', expected low or high; did you mean 'high'?"),
        ("--weights 1,-2", "--weights is [1, -2], expected a list of numbers of at least 0"),
        ("--out=", "--out is '', expected a path"),
        ("--swaps a=b,c", "--swaps 'a=b,c': 'c' is not name=value, or repeats a name"),
    ],
)
def test_values_are_refused_with_the_words_of_the_declaration(words: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(*words.split())
    assert str(caught.value).startswith(message.removesuffix(" or none"))


def test_help_names_unit_choices_and_default() -> None:
    parser = Parser(prog="cook")
    add_options(parser, Cooking, ["heat", "max_time", "spices", "label", "vegan", "servings"])
    text = " ".join(parser.format_help().split())
    for line in (
        "--heat HEAT Flame (low, high; default: low)",
        "--max-time X Time there is (min; default: as long as it takes)",
        "--spices NAME,... What goes in (repeatable; default: salt)",
        "--label LABEL Sign beside it, 100 % paper (default: none)",
        "--vegan Without animals (default: off)",
        "-n N, --servings N How many eat (default: 2)",
    ):
        assert line in text
    assert "--taste" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report", "runs/x", "--singel-file"], "unknown option --singel-file; did you mean --single-file?"),
        (["separate", "--separater", "hpss"], "unknown option --separater; did you mean --separator?"),
        (["datasets", "show", "demo", "--dir=x"], "unknown option --dir"),
        (["datasets", "list", "demo"], "unexpected argument 'demo'"),
    ],
)
def test_unknown_options_are_answered_with_the_verbs_own_usage(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    usage, last = capsys.readouterr().err.rstrip().rsplit("\n", 1)
    assert usage.startswith(f"usage: mss-bench {words[0]}")
    assert last.endswith(message)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("SDR", ["SDR"]),
        ("SDR, si_sdr", ["SDR", "si_sdr"]),
        ("hpss:power=2,mask=soft,irm,repet:high=1", ["hpss:power=2,mask=soft", "irm", "repet:high=1"]),
        ("hpss,power=2", ["hpss", "power=2"]),
        ("bss_eval:window=2;SI-SDR", ["bss_eval:window=2", "SI-SDR"]),
        (" ,", []),
    ],
)
def test_commas_divide_lists_but_not_the_parameters_of_a_name(text: str, items: list[str]) -> None:
    assert split_list(text) == items


def test_an_option_given_bare_leaves_the_argument_behind_it() -> None:
    parser = Parser(prog="serve")
    add_options(parser, Serve, ["open_places", "pack"])
    for words, places in (("--open d", 500), ("d --open", 500), ("--open 3 d", 3), ("--open=4 d", 4), ("d", None)):
        assert given(parser.parse_args(words.split()), Serve) == {"pack": Path("d")} | (
            {"open_places": places} if places else {}
        )


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mss-bench se", {"separate", "separators"}),
        ("mss-bench run --max", {"--max-tracks"}),
        ("mss-bench run -s repet_s", {"repet_segmented", "repet_sim"}),
        ("mss-bench run -s hpss -m SI-SD", {"SI-SDR"}),
        ("mss-bench score x --dataset mois", {"moisesdb", "moisesdb5", "moisesdb6"}),
        ("mss-bench separators show hps", {"hpss", "hpss_vocals"}),
        ("mss-bench separators check repet_s", {"repet_segmented", "repet_sim"}),
        ("mss-bench metrics show SI-SD", {"SI-SDR"}),
        ("mss-bench results export x --table f", {"frames", "failures"}),
    ],
)
def test_the_tab_key_completes_options_and_names(line: str, offered: set[str], tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    environment = {
        "_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9",
    }  # fmt: skip
    subprocess.run([sys.executable, "-m", "mss_bench"], env=os.environ | environment, check=True)
    assert {word.strip() for word in answer.read_text().split("\n")} - {""} == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_code_for_a_shell_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--completion", shell]) == 0
    assert "mss-bench" in capsys.readouterr().out


def _options(parser: argparse.ArgumentParser, verb: str) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _options(below, f"{verb} {name}")
        else:
            yield verb, action


def test_every_option_has_help_with_its_default_and_a_short_flag_means_the_same_everywhere() -> None:
    meanings: dict[str, set[str]] = {}
    for verb in VERBS:
        parser = Parser(prog=verb)
        importlib.import_module(f"mss_bench.cli.{verb}").configure(parser)
        for place, action in _options(parser, verb):
            assert action.help, (place, action.dest)
            if action.help != argparse.SUPPRESS:
                assert (
                    action.dest in ("help", "verbose")
                    or not action.option_strings
                    or re.search("default: |required", action.help)
                ), f"{place} {action.option_strings[-1]} says nothing of what happens without it: {action.help}"
                for flag in action.option_strings:
                    meanings.setdefault(flag, set()).add(action.dest)
    short = {flag: names for flag, names in meanings.items() if not flag.startswith("--")}
    assert short == {
        "-h": {"help"}, "-s": {"separators", "separator"}, "-m": {"metrics"}, "-o": {"out"}, "-j": {"jobs"},
        "-q": {"quiet"}, "-v": {"verbose"},
    }  # fmt: skip
