"""The texts of the listeners' pages: whole in every language that comes along, and read strictly from a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mss_bench.listening
from mss_bench.errors import ConfigError
from mss_bench.listening.catalogue import LANGUAGES, Catalogue, read_catalogue
from mss_bench.listening.protocols import PROTOCOLS

PACKAGE = Path(mss_bench.listening.__file__).parent


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_that_comes_along_has_every_text(language: str) -> None:
    catalogue = read_catalogue(language)
    assert catalogue.language == language
    assert catalogue.in_english == ""
    for protocol in PROTOCOLS.values():
        assert catalogue.text(f"instructions.{protocol.kind}")
        for task in protocol.tasks:
            assert catalogue.text(f"questions.{protocol.name}.{task.name}")
            assert not task.scale or len(catalogue.words(f"scales.{task.scale}")) == 5


def test_every_text_has_its_place_and_every_place_its_text() -> None:
    sources = [*PACKAGE.glob("server/**/*.js"), *PACKAGE.glob("server/templates/*"), *PACKAGE.rglob("*.py")]
    code = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    asked = set(re.findall(r"(?:text|words|next)\(\W*\"([a-z_]+\.[a-z_]+)\"", code))
    texts = Catalogue().texts
    assert asked <= texts.keys()
    assert len(asked) > 60
    put_together = re.compile(r"(instructions|questions|scales|questionnaire|message|player\.loop)[._].*")
    assert [key for key in texts if f'"{key}"' not in code and not put_together.fullmatch(key)] == []


def _file(folder: Path, text: str) -> str:
    (folder / "eo.yaml").write_text(text, encoding="utf-8")
    return str(folder / "eo.yaml")


def test_what_a_file_lacks_is_english_and_said(tmp_path, write_design) -> None:
    (tmp_path / "eo.yaml").write_text("language: eo\ntrial:\n  training: Ekzerco\n  heading: '{number}-a de {count}'\n")
    catalogue = write_design("language: eo.yaml\n").catalogue
    assert catalogue.text("trial.heading", number=2, count=5) == "2-a de 5"
    assert catalogue.text("test.next") == "Next"
    assert catalogue.in_english.startswith(
        f"{len(Catalogue().texts) - 2} texts have no translation and stay in English"
    )
    assert "trial.training," not in catalogue.in_english


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("language: eo\ntrial:\n  headin: x\n", "eo.yaml:3: the catalogue has no key 'trial.headin'; did you mean"),
        ("language: eo\ntrial:\n  heading: '{numbr}'\n", "eo.yaml:3: trial.heading: the words in braces must be"),
        ("language: eo\nscales:\n  quality: [a, b]\n", "eo.yaml:3: scales.quality is ['a', 'b'], expected a list"),
        ("language: eo\ntrial:\n  training: ''\n", "eo.yaml:3: trial.training is '', expected text"),
        ("language: eo\ntrial:\n  training: [a]\n", "eo.yaml:3: trial.training is ['a'], expected text"),
        ("language: Esperanto!\n", "eo.yaml:1: language is 'Esperanto!', expected a tag of BCP 47, e.g. fr or pt-BR"),
        ("trial:\n  training: a\n", "eo.yaml:1: language is '', expected a tag of BCP 47"),
        ("language: ar\ndirection: left\n", "eo.yaml:2: direction is 'left', expected ltr or rtl"),
        ("language: eo\ntrial: a\n", "eo.yaml:2: the catalogue has no key 'trial'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_catalogue(_file(tmp_path, text))
    assert message in str(caught.value)


def test_a_language_that_is_none_is_refused_at_its_key(write_design) -> None:
    with pytest.raises(ConfigError, match=r"yaml:7: language is '.*fr', expected de, en or a YAML file"):
        write_design("language: fr\n")
