"""Parameters that are checked against each other."""

import re

import pytest

from mss_bench.core.config import parse_yaml
from mss_bench.core.parameters import MappingError, Parameterized, check, param
from mss_bench.errors import ConfigError


class Window(Parameterized):
    length: int = param(at_least=1, doc="Length.")
    hop: int = param(1, at_least=1, doc="Step.")
    word: str = param("hann", doc="Shape.")
    form: str = param("long", choices=("long", "short"), doc="Of the words.")

    @check("hop", "length")
    def _hop_fits(self) -> None:
        if self.hop > self.length:
            self.refuse("hop", f"at most length={self.length}")

    @check("word")
    def _word_is_short(self) -> None:
        if len(self.word) > 5:
            raise ConfigError(f"{self.word!r} is too long")


class Derived(Window):
    length = 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("length: 2\nword: rectangle\nhop: 3\n", ["f.yaml:3: hop is 3, expected at most length=2", "f.yaml:2: 'rec"]),
        ("hop: 3\nword: rectangle\nlength: 0\n", ["f.yaml:3: length is 0", "f.yaml:2: 'rectangle' is too long"]),
        ("hop: 3\n", ["f.yaml:1: length is missing in a window"]),
    ],
)
def test_in_a_file_each_check_speaks_at_its_line_beside_what_is_wrong_alone(text, told):
    with pytest.raises(MappingError) as raised:
        Window.from_mapping(parse_yaml(text, "f.yaml"), "a window")
    assert [p.startswith(t) for p, t in zip(raised.value.problems, told, strict=True)] == [True] * len(told)


def test_a_word_that_is_right_by_itself_is_not_suggested():
    class Strict(Window):
        @check("form")
        def _form_fits(self) -> None:
            self.refuse("form", "short here")

    with pytest.raises(ConfigError, match=r"form is 'long', expected short here$"):
        Strict(length=2)


def test_a_constructor_refuses_what_does_not_fit():
    with pytest.raises(ConfigError, match=re.escape("Derived: hop is 3, expected at most length=2")):
        Derived(hop=3)
    assert Derived().hop == 1
