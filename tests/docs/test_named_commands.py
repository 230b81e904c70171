"""Commands and options that documents, docstrings, messages and pages name are there, and can be pasted."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from mss_bench.cli.main import VERBS
from mss_bench.cli.options import Parser
from mss_bench.core.parameters import parameters
from mss_bench.datasets.catalog import load_catalog
from mss_bench.errors import MssBenchError, explained, explanation
from mss_bench.listening.design import Loudness
from mss_bench.listening.ratings import usual_centre
from mss_bench.metrics import metrics
from mss_bench.report.options import Statistics
from mss_bench.stats.signed_rank import EXACT, FEWEST
from mss_bench.stats.verdicts import tracks_for_pairs

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = [path for path in sorted((ROOT / "mss_bench").rglob("*.py")) if "mss-bench " in path.read_text("utf-8")]
TEMPLATES = [path for kind in ("j2", "html", "yaml") for path in sorted((ROOT / "mss_bench").rglob(f"*.{kind}"))]

# A command ends with its code span, its sentence or its line; "mss-bench VERB" stands for any.
COMMAND = re.compile(r"mss-bench ([a-z](?:[^\n`\"'\]<;:]|:(?!\s))*)")
QUOTED = "\N{WHITE SQUARE}"  # stands for what is filled in and quoted
BARE = "\N{BLACK SQUARE}"  # ... and is not


@cache
def options() -> dict[str, set[str]]:
    """Return the options of every command by its words."""
    found: dict[str, set[str]] = {}

    def collect(words: str, parser: argparse.ArgumentParser) -> None:
        found[words] = set(parser._option_string_actions)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, below in action.choices.items():
                    collect(f"{words} {name}", below)

    for verb in VERBS:
        parser = Parser(prog="mss-bench")
        importlib.import_module(f"mss_bench.cli.{verb}").configure(parser)
        collect(verb, parser)
    return found


def problem(command: str) -> str:
    """Return what is wrong with the words after ``mss-bench``; empty where nothing is."""
    words = command.split()
    known = options()
    name = next((n for k in (3, 2, 1) if (n := " ".join(words[:k])) in known), None)
    if name is None:
        return f"no verb {words[0]!r}"
    further = {key for key in known if key.startswith(f"{name} ")}
    typed = next(iter(words[len(name.split()) :]), "")
    if further and re.fullmatch(r"[a-z-]{2,}", typed) and name != "metrics":
        return f"{name} has no action {typed!r}"
    rest = re.findall(r"(?<![^\s(|])(--?[a-z][\w-]*)", command)
    # A verb that is named alone stands for all of its actions.
    there = known[name].union(*(known[key] for key in further))
    return ", ".join(f"{name} has no option {word}" for word in rest if word not in there)


def commands(text: str) -> list[str]:
    text = re.sub(r"\\\n\s*", "", text)
    return [found for found in COMMAND.findall(text) if not re.match(r"(is|has|of|as|or|and|with)\b", found)]


def strings(path: Path) -> Iterator[str]:
    """Yield the texts of a module, what is filled in marked by whether it is quoted for a shell."""
    inner: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(part) for part in node.values}
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else QUOTED if _quotes(part) else BARE
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.value


def _quotes(part: ast.expr) -> bool:
    names = [getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(part)]
    return bool({"quote", "join", *WORDS} & set(names))


WORDS = {"code", "between", "aggregation", "options", "quoted"}
"""What is a word of the package's own, or was quoted before."""


@pytest.mark.parametrize("path", [*DOCUMENTS, *TEMPLATES, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_named_exist(path: Path) -> None:
    texts = strings(path) if path.suffix == ".py" else [path.read_text(encoding="utf-8")]
    named = [command for text in texts for command in commands(text)]
    assert [f"mss-bench {command}: {wrong}" for command in named if (wrong := problem(command))] == []
    assert [command for command in named if BARE in command] == [], "quote what is filled in: shlex.quote"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_options_that_are_named_exist(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    spans = [
        span for span in re.findall(r"`([^`\n]+)`", text) if not re.match(r"(pip|python|git|sphinx|cmake)\b", span)
    ]
    named = {word for span in spans for word in re.findall(r"(?<!\S)--[a-z][\w-]+", span)}
    assert named - OF_OTHERS - set().union(*options().values()) == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_command_lines_are_taken_as_they_stand(path: Path) -> None:
    """Their values and choices, too, of commands that nothing executes: they need weights, listeners or a cluster."""
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE):
        for line in re.split(r"\n|&&|;|\|", block.replace("\\\n", " ")):
            words = line.split("#")[0].strip().startswith("mss-bench ") and shlex.split(line, comments=True)
            if words and words[1] in VERBS and "$" not in line:
                parser = Parser(prog=f"mss-bench {words[1]}")
                importlib.import_module(f"mss_bench.cli.{words[1]}").configure(parser)
                parser.parse_args(words[2:])  # which raises for what is wrong


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_data_sets_that_are_named_are_in_the_catalog(path: Path) -> None:
    named = re.findall(r"(?:--dataset|datasets (?:show|check)) ([a-z]\w[\w-]*)", path.read_text(encoding="utf-8"))
    assert {*named} - {*load_catalog(), "random_mix", "table", "mine"} == set()  # documents declare `mine` themselves


OF_OTHERS = {"--no-deps", "--is-wav", "--musdb", "--strict", "--jbos", "--extras", "--python"}
"""Options of pip, mss-museval, mypy and tests/release/check.py, and one that stands for a mistake."""


def test_every_error_is_explained_with_causes_and_remedies() -> None:
    public = [cls for name in dir(importlib.import_module("mss_bench.errors")) if isinstance(cls := getattr(
        importlib.import_module("mss_bench.errors"), name), type) and issubclass(cls, MssBenchError)]  # fmt: skip
    assert {cls.code for cls in public} == set(explained())
    assert all("code" in vars(cls) for cls in public)  # none shares that of another by oversight
    for code, cls in explained().items():
        assert re.fullmatch("[a-z-]+", code)
        assert code not in VERBS  # `mss-bench help` takes either
        if cls is not MssBenchError:
            assert "Typical causes:" in explanation(cls), code
            assert "What to do:" in explanation(cls), code


STATED = {
    "listening.md": {
        "`loudness: {mode: match}` (the default)": lambda: Loudness().mode == "match",
        "`--centre mean` gives mean opinion scores (the default on scales other than 0 to 100)": lambda: (
            usual_centre((0, 100)) == "median" and usual_centre((1, 5)) == "mean"
        ),
    },
    "explanation/silence.md": {
        "| `joint` (default) |": lambda: parameters(metrics.load("bss_eval"))["silence"].default == "joint"
    },
    "explanation/significance.md": {
        "Wilcoxon's signed-rank test": lambda: Statistics().posthoc == "wilcoxon",
        "exact up to 50 songs": lambda: EXACT == 50,
        "below six there is no test": lambda: FEWEST == 6,
        "(12 methods need 12 songs)": lambda: tracks_for_pairs(12, "wilcoxon", "holm", 0.05) == 12,
    },
}
"""What documents say of defaults and limits, and whether the code has them."""


@pytest.mark.parametrize("document", STATED)
def test_defaults_that_are_stated_are_those_of_the_code(document: str) -> None:
    text = " ".join((ROOT / "docs" / document).read_text(encoding="utf-8").split())
    for said, holds in STATED[document].items():
        assert said in text
        assert holds(), said
