"""Every built-in method keeps its declarations, and the suite catches those that do not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from mss_bench.core.parameters import param, parameters
from mss_bench.core.spec import needs_parameters
from mss_bench.core.tracks import Stems
from mss_bench.errors import AudioError
from mss_bench.separators import Separator, separators
from mss_bench.separators.contract import check_separator

# Those that need a folder, a model or a program to be named are held to the contract in tests of their own.
BUILT_IN = [
    name
    for name in separators.names()
    if separators.origin(name) == "mss_bench" and not needs_parameters(separators.load(name))
]
FEW: dict[str, dict[str, Any]] = {  # what a method promises, its first updates have to keep
    "projet": {"restarts": 1, "iterations": 5},
    "common_fate": {"restarts": 1, "iterations": 10},
    "kam": {"iterations": 2},
    "nmf": {"iterations": 20},
    "nmf_multichannel": {"iterations": 20},
}
SECONDS = 0.5  # of each signal, of which a method separates more than ten
FORMS = ["0.1 s", "mono", "6 channels", "22050 Hz", "48000 Hz", "96000 Hz"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_methods_keep_their_declarations(name: str) -> None:
    results = check_separator(separators.load(name)(**FEW.get(name, {})), seconds=SECONDS)
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []
    assert len(results) == 15


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("repet", {"min_period": 0.1, "max_period": 0.3}),
        ("repet_sim", {"min_gap": 0.05}),
        ("hpss", {"kernel_size": 31, "power": 1.0, "n_fft": 2048, "hop": 512}),
        ("ibm", {"exponent": 2.0}),
        ("irm", {"exponent": 1.0}),
    ],
)
def test_other_parameters_keep_the_declarations_too(name: str, parameters: dict[str, Any]) -> None:
    results = check_separator(separators.load(name)(**parameters), seconds=SECONDS)
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_methods_say_who_thought_of_them_and_when_they_work(name: str) -> None:
    cls = separators.load(name)
    assert cls.name == name
    assert cls.assumption.endswith("."), f"{name}: the assumption is a sentence with a full stop"
    assert re.search(r"\b(19|20)\d\d\b", cls.citation), f"{name}: no year in the citation {cls.citation!r}"
    assert all(parameter.doc for parameter in parameters(cls).values())


class _Declares(Separator):
    """Half the mixture for each of two targets, with every declaration: the subclasses break one each."""

    name = "halves"
    target_sets = (("vocals", "accompaniment"),)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True

    def separate(self, mixture: Any, sample_rate: int, *, targets: Any, rng: Any, references: Any = None) -> Stems:
        return {"vocals": mixture / 2, "accompaniment": mixture / 2}


class _WrongName(_Declares):
    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        return {"vocals": mixture, "piano": mixture}


class _WrongShape(_Declares):
    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        return {"vocals": mixture[:, :-1], "accompaniment": mixture}


class _NaN(_Declares):
    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        return {"vocals": mixture / np.float32(0.0), "accompaniment": mixture}


class _WritesIntoInput(_Declares):
    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        mixture *= 0.5
        return {"vocals": mixture.copy(), "accompaniment": mixture.copy()}


class _Random(_Declares):
    state = np.random.default_rng(0)

    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        vocals = mixture * self.state.random()
        return {"vocals": vocals, "accompaniment": mixture - vocals}


class _DrawsUnsaid(_Declares):
    def separate(self, mixture: Any, *args: Any, rng: Any, **kwargs: Any) -> Stems:
        share = np.float32(rng.random())
        return {"vocals": share * mixture, "accompaniment": (1 - share) * mixture}


class _LosesSome(_Declares):
    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        return {"vocals": 0.5 * mixture, "accompaniment": 0.499 * mixture}


class _Compresses(_Declares):
    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        vocals = np.tanh(mixture)
        return {"vocals": vocals, "accompaniment": mixture - vocals}


class _PrefersLeft(_Declares):
    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        vocals = mixture.copy()
        vocals[1:] = 0
        return {"vocals": vocals, "accompaniment": mixture - vocals}


class _Hums(_Declares):
    scale_equivariant = False

    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        vocals = mixture + np.float32(0.01)
        return {"vocals": vocals, "accompaniment": mixture - vocals}


class _NeedsASecond(_Declares):
    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        if mixture.shape[1] < 22050:
            raise ValueError("negative dimensions are not allowed")
        return {"vocals": mixture / 2, "accompaniment": mixture / 2}


class _RefusesWhatItDeclares(_Declares):
    channels = (1, 2)

    def separate(self, mixture: Any, *args: Any, **kwargs: Any) -> Stems:
        if len(mixture) != 2:
            raise AudioError("only stereo")
        return {"vocals": mixture / 2, "accompaniment": mixture / 2}


class _BareParameter(_Declares):
    def __init__(self, gain=1.0) -> None:  # type: ignore[no-untyped-def]
        self.gain = gain


@pytest.mark.parametrize(
    ("broken", "check", "detail"),
    [
        (_WrongName, "names and shapes", "missing: ['accompaniment'], not asked for: ['piano']"),
        (_WrongShape, "names and shapes", "vocals has the shape (2, 44099); expected the mixture's, (2, 44100)"),
        (_WritesIntoInput, "input unchanged", "wrote into its input: mixture"),
        (_Random, "deterministic", "two runs with one seed differ in vocals, accompaniment"),
        (_DrawsUnsaid, "deterministic", "another seed gives another vocals, accompaniment; a method that draws"),
        (_LosesSome, "adds up", "vocals + accompaniment differs from the mixture: -60.0 dB"),
        (_Compresses, "gain", "vocals is not 10 times"),
        (_PrefersLeft, "channel swap", "vocals does not swap"),
        (_Hums, "silence", "vocals of a silent mixture has a peak of 0.01"),
        (_NeedsASecond, "0.1 s", "raised ValueError: negative dimensions"),
        (_RefusesWhatItDeclares, "mono", "refused, although declared: only stereo"),
        (_BareParameter, "parameters", "'gain' lacks an annotation"),
    ],
)
def test_a_broken_promise_is_found_and_explained(broken: type[Separator], check: str, detail: str) -> None:
    failed = {r.name: r.detail for r in check_separator(broken(), seconds=1.0) if not r.passed}
    assert detail in failed[check]


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_samples_that_are_no_numbers_are_found() -> None:
    (only,) = check_separator(_NaN())
    assert not only.passed
    assert "vocals holds" in only.detail
    assert "NaN or infinite" in only.detail


def test_what_keeps_its_promises_passes_and_what_is_not_declared_is_not_asked() -> None:
    assert all(r.passed for r in check_separator(_Declares()))

    class Modest(_LosesSome):
        adds_up = False

    details = {r.name: r.detail for r in check_separator(Modest())}
    assert details["adds up"] == "not declared"


def test_a_separator_that_cannot_load_is_one_failure() -> None:
    class Missing(_Declares):
        def load(self, device: str = "cpu") -> None:
            raise AudioError("weights.pt does not exist")

    (only,) = check_separator(Missing())
    assert (only.passed, only.detail) == (False, "weights.pt does not exist")


def test_targets_of_its_own_are_asked_for() -> None:
    class Guitars(Separator):
        name = "guitars"
        target_sets = (("guitar", "piano"),)

        def separate(self, mixture: Any, sample_rate: int, *, targets: Any, **kwargs: Any) -> Stems:
            assert {"guitar", "piano"} <= set(targets.stems)
            return {"guitar": mixture, "piano": mixture}

    assert all(r.passed for r in check_separator(Guitars()))


class _WrongDefault(_Declares):
    gain: float = param(-1.0, above=0, doc="Factor.")


class _NamesInOneText(_Declares):
    target_sets = ("vocals", "accompaniment")  # type: ignore[assignment]


class _NameOfAFile(_Declares):
    target_sets = (("vocals", "a/b"),)


class _ChannelsAsText(_Declares):
    channels = ("stereo",)  # type: ignore[assignment]


class _FactAsText(_Declares):
    deterministic = "yes"  # type: ignore[assignment]


class _TrainedOnText(_Declares):
    trained_on = "musdb18/train"  # type: ignore[assignment]


class _NameInTwo(_Declares):
    name = "halves,thirds"


@pytest.mark.parametrize(
    ("broken", "detail"),
    [
        (_WrongDefault, "the default is refused by its own declaration: gain is -1.0, expected a number above 0"),
        (_NamesInOneText, "target_sets has 'vocals'; expected a tuple of names"),
        (_NameOfAFile, "'a/b' cannot name a target"),
        (_ChannelsAsText, "channels are ('stereo',); expected a tuple of whole numbers"),
        (_FactAsText, "deterministic is 'yes'; expected True or False"),
        (_TrainedOnText, "trained_on is 'musdb18/train'; expected a tuple of names"),
        (_NameInTwo, "the name 'halves,thirds' cannot be written name:key=value"),
    ],
)
def test_declarations_that_cannot_be_true_are_found(broken: type[Separator], detail: str) -> None:
    failed = [result.detail for result in check_separator(broken(), seconds=0.2) if not result.passed]
    assert len(failed) == 1
    assert detail in failed[0]
