from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mss_bench.core.spec import Spec, build, format_params
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.registry import Registry
from mss_bench.separators import Separator


class Sample(Separator):
    """A separator with a parameter of every type."""

    name = "sample"

    def __init__(self, *, size: int = 3, power: float = 2.0, mode: Literal["a", "b"] = "a", soft: bool = True,
                 cut: float | None = None) -> None:  # fmt: skip
        if size < 1:
            raise ValueError("size must be positive")
        self.values = (size, power, mode, soft, cut)

    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        return {}


@pytest.fixture
def registry():
    made = Registry("separator", "mss_bench.separators.base:Separator", {}, "mss_bench.none")
    made.add("sample", Sample, "the tests")
    return made


def test_text_and_mapping_are_one_form(registry):
    text = Spec.parse("sample:size=5,power=1,soft=false,as=Five")
    mapping = Spec.parse({"name": "sample", "size": 5, "power": 1, "soft": False, "as": "Five"})
    assert text == mapping
    assert Spec.parse(str(text)) == text
    instance, changed = build(registry, text)
    assert instance.values == (5, 1.0, "a", False, None)
    assert changed == {"size": 5, "power": 1.0, "soft": False}


def test_defaults_written_out_change_nothing(registry):
    assert build(registry, Spec.parse("sample:size=3,power=2"))[1] == build(registry, Spec("sample"))[1] == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample:siez=5", "separator sample has no parameter 'siez'; did you mean 'size'"),
        ("sampel", "unknown separator 'sampel'; did you mean 'sample'"),
        ("sample:size=2.5", "sample: size is 2.5, expected a whole number"),
        ("sample:size=true", "size is True, expected a whole number"),
        ("sample:mode=c", "mode is 'c', expected a or b"),
        ("sample:soft=1", "soft is 1, expected true or false"),
        ("sample:power=high", "power is 'high', expected a number"),
        ("sample:cut=low", "cut is 'low', expected a number"),
        ("sample:size=0", "size must be positive"),
        ("sample:size", "'size' is not key=value"),
        ("sample:size=1,size=2", "gives size twice"),
    ],
)
def test_wrong_values_say_what_was_expected(registry, text, message):
    with pytest.raises(ConfigError) as error:
        build(registry, Spec.parse(text))
    assert message in str(error.value)


def test_a_mapping_needs_a_name():
    with pytest.raises(ConfigError, match="has no name"):
        Spec.parse({"size": 3})


@given(
    st.dictionaries(
        st.text("abcdefg_", min_size=1, max_size=8).filter(lambda key: key not in ("as", "name")),
        st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
        max_size=5,
    )
)
def test_what_is_printed_parses_back(params):
    spec = Spec("x", params)
    back = Spec.parse(str(spec))
    assert back.params == params
    assert format_params(back.params) == format_params(params)


def test_taken_names_are_refused_with_both_origins(registry):
    class Other(Sample):
        name = "sample"

    with pytest.raises(ConfigError, match="of elsewhere is already registered by the tests"):
        registry.add("sample", Other, "elsewhere")


def test_a_class_of_another_kind_is_refused():
    registry = Registry("separator", "mss_bench.separators.base:Separator", {"x": "pathlib:Path"}, "mss_bench.none")
    with pytest.raises(ConfigError, match=r"expected a subclass of mss_bench.separators.base:Separator"):
        registry.load("x")


def test_plugin_files_fail_clearly(registry, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import a_package_that_does_not_exist")
    with pytest.raises(ConfigError, match=r"broken.py cannot be imported: ModuleNotFoundError"):
        registry.add_file(broken)
    with pytest.raises(ConfigError, match=r"absent.py does not exist"):
        registry.add_file(tmp_path / "absent.py")


def test_unknown_names_without_a_near_one_list_all(registry):
    with pytest.raises(UnknownNameError, match="known: sample"):
        registry.load("zzzzzz")


def test_a_class_that_hands_parameters_on_takes_any():
    class HandsOn:
        def __init__(self, script: str, gain: float = 1.0, **options: object) -> None:
            self.options = options

    registry = Registry("thing", "builtins:object", {}, "mss_bench.none")
    registry.add("hands_on", HandsOn, "here")
    made, changed = build(registry, Spec.parse("hands_on:script=a.py,stems=4,mode=fast"))
    assert made.options == {"stems": 4, "mode": "fast"}
    assert changed == {"script": "a.py", "stems": 4, "mode": "fast"}


def test_what_runs_without_being_named_can_be_built_from_its_name() -> None:
    from mss_bench.running.options import default_separators
    from mss_bench.separators import separators

    specs = default_separators(slow=True)
    assert len(specs) > 20
    for spec in specs:
        build(separators, spec)
