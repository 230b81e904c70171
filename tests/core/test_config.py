import os
import re

import pytest

from mss_bench.core.config import load_yaml, parse_scalar, parse_yaml
from mss_bench.errors import ConfigError


def test_duplicate_keys_are_refused_with_both_lines():
    with pytest.raises(ConfigError, match=r"f.yaml:3: key 'a' stands here a second time; see line 1"):
        parse_yaml("a: 1\nb: 2\na: 3\n", "f.yaml")


def test_aliases_are_refused():
    with pytest.raises(ConfigError, match=r"f.yaml:2: YAML aliases are not allowed"):
        parse_yaml("a: &x [1]\nb: *x\n", "f.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10:30", "10:30"), ("no", "no"), ("on", "on"), ("true", True), ("False", False), ("null", None), ("~", None),
        ("12", 12), ("-3", -3), ("012", "012"), ("1.5", 1.5), (".5", 0.5), ("1e-5", 1e-5), ("-2E3", -2000.0),
        ("1_000", "1_000"),
        ("hann", "hann"), ("2018-01-01", "2018-01-01"),
    ],
)  # fmt: skip
def test_scalars_mean_what_they_look_like(text, value):
    for found in (parse_yaml(f"a: {text}", "f")["a"], parse_scalar(text)):
        assert found == value
        assert isinstance(found, type(value))
        assert isinstance(found, bool) == isinstance(value, bool)


def test_syntax_errors_have_a_line():
    with pytest.raises(ConfigError, match=r"f.yaml:2: not valid YAML"):
        parse_yaml("a: [1, 2\nb: }", "f.yaml")


@pytest.mark.parametrize(
    ("text", "kind"), [("- a\n- b", "a list"), ("just text", "text"), ("true", "true or false"), ("1.5", "a number")]
)
def test_the_top_level_is_a_mapping(text, kind):
    with pytest.raises(ConfigError, match=f"holds {kind}, expected a mapping"):
        parse_yaml(text, "f.yaml")


def test_tags_build_nothing():
    with pytest.raises(ConfigError, match="not valid YAML"):
        parse_yaml("a: !!python/object/apply:os.system ['true']", "f.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent.yaml cannot be read"):
        load_yaml(tmp_path / "absent.yaml")


def test_a_file_that_is_nested_too_deeply_is_refused():
    with pytest.raises(ConfigError, match=r"deep.yaml: nested too deeply"):
        parse_yaml("[" * 3000, "deep.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "1" * 5000, "1111111111... is a number of 5000 digits, expected at most 100"),
        ("a: 1e999", "1e999 is larger than any number that can be held"),
        ("a: " + "[" * 100_000, "nested too deeply"),
        ("a: !!int abc", "the tag !!int is not allowed"),
        ("a: !!timestamp abc", "the tag !!timestamp is not allowed"),
        ("a: !!str [1]", "the tag !!str is not allowed"),
        ('a: "\\ud800"', "holds half of a character"),
        ('a: "\\U00110000"', "not valid YAML"),
        ("a: \0", "a control character; write it as an escape"),
    ],
)
def test_what_python_would_answer_in_its_own_words_is_one_line(text, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        parse_yaml(text, "f.yaml")


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match="cannot be read: it is a pipe or a device"):
        load_yaml(tmp_path / "pipe.yaml")
