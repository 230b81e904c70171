"""Parameters that are declared once: what follows from a declaration."""

import inspect
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from mss_bench.core.config import parse_yaml
from mss_bench.core.parameters import MappingError, Parameterized, param, parameters, takes_further
from mss_bench.core.spec import Spec, build
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.metrics import metrics
from mss_bench.registry import Registry
from mss_bench.running.options import RunOptions


class Frames(Parameterized):
    """Cut a signal into frames.

    References
    ----------
    .. [1] A paper.
    """

    size: int = param(5, at_least=1, odd=True, unit="samples", doc="Length of a frame.")
    window: str = param("hann", choices=("hann", "hamming"), doc="Shape of a frame.")
    overlap: float = param(0.5, at_least=0, below=1, doc="Share that neighbours have in common.")

    def setup(self) -> None:
        if self.window == "hamming" and self.size < 3:
            self.refuse("size", "at least 3 with a Hamming window")
        self.hop = round(self.size * (1 - self.overlap))


class Long(Frames):
    """Cut a signal into long frames."""

    size = 99
    border: int | None = param(None, at_least=0, doc="Samples to throw away at both ends.")


class Entry(Parameterized):
    """Describe a file."""

    path: Path = param(doc="Where it lies.")
    names: tuple[str, ...] = param((), doc="What it is called.")
    frames: Frames | None = param(None, doc="How it is cut.")
    shares: dict[str, float] = param({}, doc="Weight of each name.")
    kind: Literal["a", "b"] = param("a", doc="What it is.")
    anything: Any = param(0, doc="Whatever it is.")


def test_a_constructor_follows_with_its_signature():
    assert (Frames().size, Frames(size=7).size, Frames(size=7).hop) == (5, 7, 4)
    assert str(inspect.signature(Frames)) == "(*, size: int = 5, window: str = 'hann', overlap: float = 0.5)"
    assert repr(Frames(size=7)) == "Frames(size=7)"
    assert Frames(size=7).with_values(overlap=0).values() == {"size": 7, "window": "hann", "overlap": 0.0}


def test_a_subclass_adds_its_own_and_changes_defaults():
    assert list(parameters(Long)) == ["size", "border", "window", "overlap"]
    assert (Long().size, Long(size=3).size, Frames().size) == (99, 3, 5)
    with pytest.raises(ConfigError, match="size is 4, expected an odd number"):
        Long(size=4)


def test_the_docstring_gains_its_section_before_the_others():
    doc = inspect.getdoc(Frames)
    assert doc.index("Parameters\n----------") < doc.index("size : int, default 5") < doc.index("References")
    assert "    Length of a frame. (samples, at least 1)" in doc
    assert "window : {'hann', 'hamming'}, default 'hann'" in doc


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 4}, "Frames: size is 4, expected an odd number of at least 1 (in samples)"),
        ({"size": 1.5}, "size is 1.5, expected an odd number"),
        ({"size": True}, "size is True, expected an odd number"),
        ({"size": "5"}, "size is '5', expected an odd number"),
        ({"overlap": 1}, "overlap is 1, expected a number of at least 0 and below 1"),
        ({"overlap": float("nan")}, "overlap is nan, expected a number"),
        ({"window": "ham"}, "window is 'ham', expected hann or hamming; did you mean 'hamming'?"),
        ({"window": None}, "window is not given, expected hann or hamming"),
        ({"window": "hamming", "size": 1}, "size is 1, expected at least 3 with a Hamming window"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_expected(values, message):
    with pytest.raises(ConfigError) as error:
        Frames(**values)
    assert message in str(error.value)


def test_unknown_and_missing_parameters_are_named():
    with pytest.raises(UnknownNameError, match="Frames has no parameter 'siez'; did you mean 'size'"):
        Frames(siez=3)
    with pytest.raises(ConfigError, match="Entry needs path, expected a path"):
        Entry()


def test_values_are_converted_where_nothing_is_lost():
    entry = Entry(path="a/b", names="x", shares={"x": 1}, frames={"size": 3}, anything=[1])
    assert (entry.path, entry.names, entry.shares, entry.frames.size) == (Path("a/b"), ("x",), {"x": 1.0}, 3)
    assert Frames(size=5.0).size == 5
    assert isinstance(Frames(size=5.0).size, int)


def test_a_name_that_looks_like_a_number_stays_as_it_was_written():
    entry = Entry.from_mapping(parse_yaml("path: x\nnames: [1.10, 007, 1e3, 12]\n", "entry.yaml"), "an entry")
    assert entry.names == ("1.10", "007", "1e3", "12")
    with pytest.raises(ConfigError, match=r"entry.yaml:2: names is .*True.*, expected a list of text"):
        Entry.from_mapping(parse_yaml("path: x\nnames: [true]\n", "entry.yaml"), "an entry")
    shares = Entry.from_mapping(parse_yaml("path: x\nshares: {a: 1.50}\n", "entry.yaml"), "an entry").shares
    assert pickle.loads(pickle.dumps(shares)) == {"a": 1.5}


def test_a_mapping_of_a_file_is_read_with_all_that_is_wrong_and_its_lines():
    good = parse_yaml("path: x.wav\nnames: [a, b]\nframes:\n  size: 9\n", "entry.yaml")
    assert Entry.from_mapping(good, "an entry").frames.size == 9
    bad = parse_yaml("naems: a\nkind: c\nframes:\n  size: 2\n  windw: hann\n", "entry.yaml")
    with pytest.raises(MappingError) as error:
        Entry.from_mapping(bad, "an entry")
    assert sorted(error.value.problems) == [
        "entry.yaml:1: an entry has no key 'naems'; did you mean 'names'?",
        "entry.yaml:1: path is missing in an entry, expected a path",
        "entry.yaml:2: kind is 'c', expected a or b",
        "entry.yaml:4: size is 2, expected an odd number of at least 1 (in samples)",
        "entry.yaml:5: frames has no key 'windw'; did you mean 'window'?",
    ]


def test_a_class_with_a_constructor_of_its_own_has_the_parameters_of_its_signature():
    class Old(Parameterized):
        def __init__(self, path, gain: float = 1.0, **options: int) -> None:
            self.gain = gain

    assert parameters(Old)["gain"].convert(2) == 2.0
    assert parameters(Old)["path"].required
    assert takes_further(Old)


def test_further_parameters_are_kept_where_a_class_hands_them_on():
    class Hands(Parameterized):
        further_parameters = True
        script: str = param(doc="What is run.")

    assert Hands(script="x", level=3).further == {"level": 3}
    assert Hands(script="x", level=3).values() == {"script": "x", "level": 3}
    assert takes_further(Hands)


class Framed(Parameterized):
    n_fft: int = param(4096, at_least=2, doc="Length of the frames.")
    hop: int = param(1024, at_least=1, doc="Step from frame to frame.")


class Masked(Parameterized):
    mask: str = param("soft", choices=("soft", "binary"), doc="Filter.")
    power: float = param(1.0, above=0, doc="Exponent.")


def test_parameters_stand_in_the_order_of_the_body_and_then_of_the_bases():
    class Method(Masked, Framed):
        size: int = param(3, doc="Its own.")
        n_fft = 2048
        width: float = param(0.5, doc="Its own.")

    class Variant(Method):
        power = 2.0

    assert [*parameters(Method)] == ["size", "n_fft", "width", "mask", "power", "hop"]
    assert [*parameters(Variant)] == ["power", "size", "n_fft", "width", "mask", "hop"]
    assert Variant(width=1).values() == {
        "power": 2.0, "size": 3, "n_fft": 2048, "width": 1.0, "mask": "soft", "hop": 1024
    }  # fmt: skip
    assert parameters(Framed)["n_fft"].default == 4096


def test_of_several_bases_the_first_that_names_a_parameter_gives_its_default():
    class Coarse(Framed):
        hop = 2048

    class Segmented(Framed):
        length: float = param(10.0, doc="Its own.")

    class Both(Segmented, Coarse):
        pass

    assert Both().values() == {"length": 10.0, "hop": 2048, "n_fft": 4096}


class Filter(Parameterized):
    """A filter whose width depends on the style, unless it is given."""

    style: str = param("narrow", choices=("narrow", "wide"), doc="What the width defaults to.")
    width: float = param(1.0, above=0, doc="Its width.")
    level: float = param(-80.0, below=0, infinite=True, unit="dB", doc="What it lets through.")

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        return super().defaults(given) | ({"width": 9.0} if given.get("style") == "wide" else {})


def test_one_parameter_decides_what_another_defaults_to():
    assert (Filter().width, Filter(style="wide").width, Filter(style="wide", width=1).width) == (1.0, 9.0, 1.0)
    registry = Registry[Filter]("filter", f"{__name__}:Filter", {"filter": f"{__name__}:Filter"}, "none")
    instance, changed = build(registry, Spec.parse("filter:style=wide,width=1"))
    assert instance.width == changed["width"] == 1.0
    assert build(registry, Spec.parse("filter:style=wide"))[1] == {"style": "wide"}


def test_infinite_numbers_are_taken_where_they_are_meant():
    assert Filter(level=-math.inf).level == -math.inf
    for wrong in ({"width": math.inf}, {"level": math.inf}, {"level": math.nan}):
        with pytest.raises(ConfigError, match=r"Filter: (width|level) is (inf|nan), expected a number"):
            Filter(**wrong)


def test_a_class_without_parameters_and_one_with_a_constructor_of_its_own_have_their_own_signatures():
    class Plain(Parameterized):
        pass

    class Written(Framed):
        def __init__(self, size: int = 3) -> None:
            super().__init__(n_fft=size)

    assert str(inspect.signature(Plain)) == "()"
    assert str(inspect.signature(Written)).startswith("(size: ")
    assert [*parameters(Written)] == ["size"]


def test_infinite_numbers_can_be_written():
    assert Filter(level="-inf").level == Filter(level="-.inf").level == -math.inf
    with pytest.raises(ConfigError, match=r"level is 'inf', expected a number below 0 \(in dB\), or -inf"):
        Filter(level="inf")
    with pytest.raises(ConfigError, match=r"width is 'inf', expected a number above 0$"):
        Filter(width="inf")
    assert build(metrics, Spec.parse("bss_eval:window=inf,hop=inf"))[0].window == math.inf


def test_a_former_name_is_told_with_the_one_of_today():
    with pytest.raises(ConfigError, match=r"r\.yaml:2: a run file has no key 'datasets'; it is 'catalogs' now"):
        RunOptions.from_mapping(parse_yaml("jobs: 1\ndatasets: [a]\n", "r.yaml"), "a run file")
    with pytest.raises(ConfigError, match="run has no parameter 'datasets'; it is 'catalogs' now"):
        RunOptions(datasets=["a"])
