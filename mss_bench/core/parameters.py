"""Parameters, declared once.

A parameter is written in the body of a class, with its type, default, range, unit and a sentence about it::

    class LowPass(Separator):
        cutoff: float = param(150.0, above=0, unit="Hz", doc="Cutoff of the filter.")

Everything else follows from that line: the constructor ``LowPass(cutoff=200.0)`` and its checks, the form
``low_pass:cutoff=200`` of the command line, the mapping ``{name: low_pass, cutoff: 200}`` of YAML and Python, the error
messages, ``mss-bench separators show low_pass``, the options of a verb, and the section *Parameters* of the docstring.
`Separator`, `Metric`, the options of a run and the contents of configuration files are all such classes.

The standard library's dataclasses have no ranges, units, conversion or YAML lines. Of the libraries that have some of
these, importing took (best of three, a machine of two cores) pydantic 82 ms, attrs with cattrs 40 ms and msgspec 26 ms,
where ``import mss_bench`` may take 50 ms in all. msgspec would fit, but its messages name a type where a user needs the
range, its unit and the line of the file, so that each would have to be written again here.
"""

from __future__ import annotations

import copy
import inspect
import math
import numbers
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from mss_bench.errors import ConfigError, UnknownNameError, nearest, unknown

__all__ = [
    "REQUIRED",
    "MappingError",
    "Parameter",
    "Parameterized",
    "RefusedError",
    "check",
    "declare_preset",
    "default_values",
    "located",
    "param",
    "parameters",
    "takes_further",
]

_Method = TypeVar("_Method", bound=Callable[[Any], None])


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()
"""The default of a parameter that has none."""


_INFINITE = {"inf": math.inf, "-inf": -math.inf, ".inf": math.inf, "-.inf": -math.inf}
"""Infinite numbers as a command line and YAML write them."""


class RefusedError(ConfigError):
    """A value of one parameter that does not fit the others.

    Attributes
    ----------
    parameter : str
        Its name, by which `Parameterized.from_mapping` finds its line.
    """

    def __init__(self, parameter: str, message: str) -> None:
        self.parameter = parameter
        super().__init__(message)


class MappingError(ConfigError):
    """A mapping of a configuration file with something wrong in it.

    Attributes
    ----------
    problems : tuple of str
        Everything that is wrong, one line each, with file and line.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class Parameter:
    """A parameter of a class.

    Parameters
    ----------
    name : str
        Its name in Python and YAML.
    kind : type or annotation
        What a value is: ``bool``, ``int``, ``float``, ``str``, ``Path``, a ``Literal``, a `Parameterized` class (a
        mapping in YAML), ``X | None``, ``tuple[X, ...]`` (a list, or one value), ``dict[str, X]``, a class with a
        classmethod ``from_parameter`` (which makes it of every form that it has). Of anything else only ``isinstance``
        is asked; ``Any`` takes every value.
    default : object
        `REQUIRED` where there is none.
    at_least, above, at_most, below : float, optional
        Bounds of a number, or of every number of a sequence.
    odd : bool
        Refuse even numbers.
    infinite : bool
        Accept an infinite number that lies within the bounds.
    choices : tuple of str, or callable
        The words that are allowed; a callable is asked when a value is checked.
    unit : str
        Unit of a number, e.g. ``"Hz"``.
    doc : str
        What it does, in a sentence or two.
    flag, short, metavar : str
        How a command line calls it where the name does not serve: ``"--separator"``, ``"-s"``, ``"SPEC"``.
    bare : object, optional
        What an option of the command line means that is given without a value.
    expects : str
        What a message says was expected, where the type and the bounds do not say it.
    """

    name: str = ""
    kind: Any = Any
    default: Any = REQUIRED
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    odd: bool = False
    infinite: bool = False
    choices: tuple[str, ...] | Callable[[], Sequence[str]] = ()
    unit: str = ""
    doc: str = ""
    flag: str = ""
    short: str = ""
    metavar: str = ""
    bare: Any = None
    expects: str = ""

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is REQUIRED

    @property
    def optional(self) -> bool:
        """Whether ``None`` is a value."""
        return type(None) in _alternatives(self.kind)

    @property
    def many(self) -> bool:
        """Whether the value is a tuple."""
        return any(typing.get_origin(kind) is tuple or kind is tuple for kind in _alternatives(self.kind))

    @property
    def words(self) -> tuple[str, ...]:
        """Return the allowed words; empty where any will do."""
        if callable(self.choices):
            return tuple(self.choices())
        literals = [c for kind in _alternatives(self.kind) for c in _literals(kind)]
        return tuple(self.choices) or tuple(map(str, literals))

    @property
    def expected(self) -> str:
        """Return what a value must be, in words: ``a whole number of at least 1``."""
        if self.expects:
            return self.expects
        if self.words and not self.many:
            return _either(self.words)
        kinds = [k for k in _alternatives(self.kind) if k is not type(None)]
        words = dict.fromkeys(_in_words(kind, self) for kind in kinds)  # int | float are one kind of number
        taken = [word for word in ("inf", "-inf") if self.infinite and self._within(_INFINITE[word])]
        shown = _either(list(words)) + "".join(f", or {word}" for word in taken)
        return shown + (" or none" if self.optional and self.default is not None else "")

    def convert(self, value: Any, owner: str = "") -> Any:
        """Return a value as Python, YAML or a command line gives it, made to fit where nothing is lost.

        Parameters
        ----------
        value : object
        owner : str
            What messages name before the parameter.

        Raises
        ------
        ConfigError
            A value of another type, out of the bounds or none of the choices.
        """
        number = _INFINITE.get(value, value) if self.infinite and isinstance(value, str) else value
        for kind in _alternatives(self.kind):
            converted = _fit(number, kind, self.name)
            if converted is not _MISFIT and self._within(converted):
                return converted
        raise ConfigError(self.refusal(value, owner))

    def refusal(self, value: Any, owner: str = "", expected: str = "") -> str:
        """Return the message that refuses a value."""
        start = f"{owner}: " if owner else ""
        unknown = next((v for v in value if v not in self.words), "") if isinstance(value, list | tuple) else value
        near = nearest(str(unknown), self.words)
        hint = f"; did you mean {near[0]!r}?" if near and near[0] != unknown else ""  # right, but not beside others
        return f"{start}{self.name} is {_shown(value)}, expected {expected or self.expected}{hint}"

    def _within(self, value: Any) -> bool:
        if isinstance(value, tuple):
            return all(map(self._within, value))
        if self.words and isinstance(value, str):
            return value in self.words
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        return (
            (math.isfinite(value) or (self.infinite and not math.isnan(value)))
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
            and (not self.odd or value % 2 == 1)
        )


def param(
    default: Any = REQUIRED,
    *,
    doc: str,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    odd: bool = False,
    infinite: bool = False,
    choices: Sequence[str] | Callable[[], Sequence[str]] = (),
    unit: str = "",
    flag: str = "",
    short: str = "",
    metavar: str = "",
    bare: Any = None,
    expects: str = "",
) -> Any:
    """Declare a parameter in the body of a class; the annotation beside it gives name and type.

    The arguments are those of `Parameter`.
    """
    fixed = choices if callable(choices) else tuple(choices)
    return Parameter(
        default=default, doc=doc, at_least=at_least, above=above, at_most=at_most, below=below, odd=odd,
        infinite=infinite, choices=fixed, unit=unit, flag=flag, short=short, metavar=metavar, bare=bare,
        expects=expects,
    )  # fmt: skip


def declare_preset(cls: Any, doc: str) -> None:
    """Declare the parameter `preset` of a class whose body has `presets`, names of sets of values, as if it said so."""
    if vars(cls).get("presets") and "preset" not in vars(cls):
        cls.__annotations__ = {**vars(cls).get("__annotations__", {}), "preset": str | None}
        cls.preset = param(None, choices=tuple(cls.presets), doc=doc)


def check(*names: str) -> Callable[[_Method], _Method]:
    """Mark a method that checks parameters against each other: it raises a `ConfigError` where they do not fit.

    It is called by the constructor before `Parameterized.setup`; in a configuration file, where everything wrong is
    said at once, also beside other parameters that are wrong.

    Parameters
    ----------
    *names : str
        The parameters that it looks at, each of which is right by itself when it is called; in a file the message
        stands at the line of the first.
    """

    def mark(method: _Method) -> _Method:
        method.looks_at = names  # type: ignore[attr-defined]
        return method

    return mark


class Parameterized:
    """Base of classes that declare their parameters with `param`.

    The constructor takes the parameters as keywords, converts and checks them, sets one attribute for each and calls
    `setup`. A subclass has the parameters that its body names, in that order, and then the others of its bases;
    ``n_fft = 2048`` in the body gives an inherited parameter another default. A subclass may write an ``__init__`` of
    its own instead, whose arguments are then its parameters, without ranges and help.
    """

    further_parameters: ClassVar[bool] = False
    """Whether parameters that are not declared are taken and kept in `further`, for something that knows them."""

    former_names: ClassVar[Mapping[str, str]] = {}
    """What parameters were called in earlier versions, with their names of today, for the message that refuses them."""

    _declared: ClassVar[dict[str, Parameter]] = {}
    _checks: ClassVar[dict[str, Callable[[Any], None]]] = {}
    _owner: str | None = None  # what messages name before a parameter, the label by default
    _bare_doc: ClassVar[str | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, value in list(vars(cls).items()):
            if isinstance(value, Parameter):
                setattr(cls, name, replace(value, name=name, kind=_annotation(cls, name)))
            elif holder := next((b for b in cls.__mro__[1:] if isinstance(vars(b).get(name), Parameter)), None):
                setattr(cls, name, replace(vars(holder)[name], default=value))
        # By now each class holds a Parameter for every one that its body names, in the order of the body.
        cls._declared = {}
        for holder in cls.__mro__:
            for name, value in vars(holder).items():
                if isinstance(value, Parameter):
                    cls._declared.setdefault(name, value)
        cls._checks = {
            name: value
            for holder in reversed(cls.__mro__)
            for name, value in vars(holder).items()
            if hasattr(value, "looks_at")
        }
        if "__init__" in vars(cls):  # whose signature that of a base would hide
            own = list(inspect.signature(cls.__init__).parameters.values())
            cls.__signature__ = inspect.Signature(own[1:])  # type: ignore[attr-defined]
        elif not _has_own_constructor(cls) and (cls._declared or not cls.further_parameters):
            keywords = [
                inspect.Parameter(p.name, inspect.Parameter.KEYWORD_ONLY, annotation=p.kind, default=_shown_default(p))
                for p in cls._declared.values()
            ]
            cls.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
        if cls.__doc__ and "__doc__" in vars(cls):
            cls._bare_doc = cls.__doc__
            cls.__doc__ = _with_parameters(inspect.cleandoc(cls.__doc__), list(cls._declared.values()))

    def __init__(self, **values: Any) -> None:
        owner = self.label()
        for name in values:
            if name not in self._declared and not self.further_parameters:
                raise self._unknown(f"parameter of {owner}", name)
        given = {n: p.convert(values.pop(n), owner) for n, p in self._declared.items() if n in values}
        complete = self.defaults(given) | given
        for name, value in complete.items():
            if value is REQUIRED:
                raise ConfigError(f"{owner} needs {name}, expected {self._declared[name].expected}")
        self.further: dict[str, Any] = values
        self.assign(complete)
        for method in self._checks.values():
            method(self)
        self.setup()

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what every parameter is where it is left out.

        A class in which one parameter decides what others default to overrides it.

        Parameters
        ----------
        given : mapping of str to value
            The parameters that are not left out.
        """
        return {name: parameter.default for name, parameter in cls._declared.items()}

    def assign(self, values: Mapping[str, Any]) -> None:
        """Set an attribute for every parameter."""
        for name, value in values.items():
            setattr(self, name, value)

    def setup(self) -> None:
        """Check parameters against each other and derive what they determine; called by the constructor."""

    @classmethod
    def label(cls) -> str:
        """Return what messages call an instance: its registered name, or that of the class."""
        name = getattr(cls, "name", "")
        return name if isinstance(name, str) and name else cls.__name__  # ``name`` may be a parameter, too

    @classmethod
    def _unknown(cls, kind: str, name: str) -> ConfigError:
        if name in cls.former_names:
            return ConfigError(f"{unknown(kind, name)}; it is {cls.former_names[name]!r} now")
        return UnknownNameError(kind, name, cls._declared)

    def refuse(self, name: str, expected: str) -> typing.NoReturn:
        """Raise the error that refuses the value of a parameter.

        Raises
        ------
        RefusedError
        """
        parameter = type(self)._declared[name]
        owner = self.label() if self._owner is None else self._owner
        raise RefusedError(name, parameter.refusal(getattr(self, name), owner, expected))

    def values(self) -> dict[str, Any]:
        """Return every parameter with its value, in the order of the declaration."""
        return {name: getattr(self, name) for name in self._declared} | self.further

    def with_values(self, **changes: Any) -> Self:
        """Return a copy with some parameters changed."""
        return type(self)(**(self.values() | changes))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], what: str = "") -> Self:
        """Make an instance of the mapping that a configuration file holds.

        Parameters
        ----------
        mapping : mapping
            A `ConfigMap` gives messages their file and line.
        what : str
            What messages call the mapping: ``"a run file"``.

        Raises
        ------
        MappingError
            Everything that is wrong with it.
        """
        what = what or cls.label()
        problems = []
        values = {}
        for name in mapping:
            if name not in cls._declared and not cls.further_parameters:
                problems.append(located(mapping, name, str(cls._unknown(f"key of {what}", name))))
        for name, parameter in cls._declared.items():
            if name in mapping:
                try:
                    values[name] = parameter.convert(mapping[name])
                except MappingError as error:  # of a mapping within this one, which knows its own lines
                    problems += error.problems
                except ConfigError as error:
                    problems.append(located(mapping, name, str(error)))
            elif parameter.required:
                problems.append(located(mapping, "", f"{name} is missing in {what}, expected {parameter.expected}"))
        draft = cls.__new__(cls)
        draft._owner = ""  # the line is enough
        complete = cls.defaults(values) | values
        draft.assign({n: v for n, v in complete.items() if v is not REQUIRED and (n in values or n not in mapping)})
        for method in cls._checks.values():
            looks_at: tuple[str, ...] = method.looks_at  # type: ignore[attr-defined]
            if all(name in vars(draft) for name in looks_at):
                try:
                    method(draft)
                except MappingError as error:
                    problems += error.problems
                except ConfigError as error:
                    problems.append(located(mapping, getattr(error, "parameter", looks_at[0]), str(error)))
        if not problems:
            further = {n: v for n, v in mapping.items() if n not in cls._declared}
            try:
                return cls(**values, **further)
            except MappingError as error:
                problems += error.problems
            except ConfigError as error:
                message = str(error).removeprefix(f"{cls.label()}: ")  # the line is enough
                problems.append(located(mapping, getattr(error, "parameter", ""), message))
        raise MappingError(problems)

    def __repr__(self) -> str:
        changed = (
            f"{n}={v!r}" for n, v in self.values().items() if n in self.further or v != self._declared[n].default
        )
        return f"{type(self).__name__}({', '.join(changed)})"


def parameters(cls: type) -> dict[str, Parameter]:
    """Return the parameters of a class in order, declared or read from the signature of its constructor."""
    if not _has_own_constructor(cls):
        declared: dict[str, Parameter] = getattr(cls, "_declared", {})
        return declared
    try:
        hints = typing.get_type_hints(vars(cls).get("__init__", object.__init__))
    except (NameError, TypeError):  # an annotation that cannot be resolved here: values are taken as given
        hints = {}
    arguments = [
        p for p in inspect.signature(cls).parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    return {
        p.name: Parameter(p.name, hints.get(p.name, Any), REQUIRED if p.default is p.empty else p.default)
        for p in arguments
    }


def default_values(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every parameter of a class is where it is left out; see `Parameterized.defaults`."""
    if not _has_own_constructor(cls) and issubclass(cls, Parameterized):
        return cls.defaults(given)
    return {name: parameter.default for name, parameter in parameters(cls).items()}


def takes_further(cls: type) -> bool:
    """Return whether a class takes parameters that it does not declare and hands them on."""
    if not _has_own_constructor(cls):
        return bool(getattr(cls, "further_parameters", False))
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls).parameters.values())


def _has_own_constructor(cls: type) -> bool:
    return getattr(cls, "__init__", None) is not Parameterized.__init__


_MISFIT: Any = object()


def _fit(value: Any, kind: Any, what: str) -> Any:
    """Return a value made to fit one kind, or `_MISFIT`; messages call a mapping `what`."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or isinstance(kind, str | typing.TypeVar):
        return value
    if hasattr(kind, "from_parameter"):  # a value with forms of its own, which refuses what is none of them
        return kind.from_parameter(value)
    if _literals(kind):
        return next((c for c in _literals(kind) if value == c or str(value) == str(c)), _MISFIT)
    if kind is type(None):
        return None if value is None else _MISFIT
    if kind is bool:
        return value if isinstance(value, bool) else _MISFIT
    if kind in (int, float):
        return _number(value, kind)
    if kind is str:  # a name may look like a number, and then is what was written, which 1.10 and 1e3 are not as floats
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if isinstance(value, str) else getattr(value, "written", str(value)) if number else _MISFIT
    if kind is Path:
        return Path(value) if isinstance(value, str | Path) and str(value) else _MISFIT
    if origin is tuple or kind is tuple:
        listed = [value] if isinstance(value, str | Mapping | Path) or not isinstance(value, Sequence) else list(value)
        items = [_fit_any(each, inner[0] if inner else Any, what) for each in listed]
        return _MISFIT if any(item is _MISFIT for item in items) else tuple(items)
    if origin in (dict, Mapping) or kind in (dict, Mapping):
        if not isinstance(value, Mapping):
            return _MISFIT
        items_of = {key: _fit_any(each, inner[1] if inner else Any, f"{what} {key}") for key, each in value.items()}
        if any(item is _MISFIT for item in items_of.values()):
            return _MISFIT
        if not isinstance(value, dict):
            return items_of
        fitted = copy.copy(value)  # of the same class, so that a `ConfigMap` keeps its lines
        fitted.update(items_of)
        return fitted
    if isinstance(kind, type) and issubclass(kind, Parameterized) and isinstance(value, Mapping):
        return kind.from_mapping(value, what)
    expected = origin or kind
    return value if isinstance(expected, type) and isinstance(value, expected) else _MISFIT


def _fit_any(value: Any, kind: Any, what: str) -> Any:
    return next((f for k in _alternatives(kind) if (f := _fit(value, k, what)) is not _MISFIT), _MISFIT)


def _number(value: Any, kind: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return _MISFIT
    if kind is float:
        return float(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    return int(float(value)) if float(value).is_integer() else _MISFIT


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


def _literals(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()


def _in_words(kind: Any, parameter: Parameter) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in (int, float):
        name = "an odd number" if parameter.odd else "a whole number" if kind is int else "a number"
        return " ".join(filter(None, [name, _bounds(parameter), f"(in {parameter.unit})" if parameter.unit else ""]))
    if origin is tuple or kind is tuple:
        items = parameter.words
        each = _either(items) if items else _in_words(inner[0], parameter) if inner else ""
        several = re.sub(r"^an? ((?:whole |odd )?number|path|mapping)", r"\1s", each)
        return f"a list of {several}" if several else "a list"
    if (isinstance(kind, type) and issubclass(kind, Parameterized)) or origin in (dict, Mapping):
        return "a mapping of keys to values"
    names = {bool: "true or false", str: "text", Path: "a path"}
    return names.get(kind) or str(getattr(kind, "__name__", kind))


def _bounds(parameter: Parameter) -> str:
    bounds = {
        "above": parameter.above, "of at least": parameter.at_least,
        "below": parameter.below, "at most": parameter.at_most,
    }  # fmt: skip
    shown = {
        word: f"{bound:g}" if abs(bound) < 1e6 else f"{bound}" for word, bound in bounds.items() if bound is not None
    }
    given = [f"{word} {bound}" for word, bound in shown.items()]
    if "of at least" in shown and "at most" in shown:
        return f"from {shown['of at least']} to {shown['at most']}"
    return " and ".join(given)


def _shown(value: Any) -> str:
    """Return a value for a message: nobody types ``None``, or a list as ``(0.0,)``."""
    if value is None:
        return "not given"
    if isinstance(value, tuple):
        return ", ".join(f"{v:g}" if isinstance(v, float) else repr(v) for v in value) or "empty"
    return repr(value)


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}" if words else "a value"


def located(mapping: Mapping[str, Any], key: str, message: str) -> str:
    """Return a message behind the file and line of a key, where the mapping knows them."""
    if not hasattr(mapping, "source"):
        return message
    return f"{mapping.source}:{mapping.lines.get(key, mapping.line)}: {message}"  # type: ignore[attr-defined]


def _annotation(cls: type, name: str) -> Any:
    """Return the annotation of a name in a class body, evaluated; a string where that fails."""
    annotation = inspect.get_annotations(cls).get(name, Any)
    if not isinstance(annotation, str):
        return annotation
    module = sys.modules.get(cls.__module__)
    try:
        return eval(annotation, dict(vars(module)) if module else {}, dict(vars(cls)))
    except NameError as error:
        raise TypeError(f"{cls.__name__}.{name}: the annotation {annotation!r} cannot be resolved: {error}") from error


def _shown_default(parameter: Parameter) -> Any:
    return inspect.Parameter.empty if parameter.required else parameter.default


def _with_parameters(doc: str, declared: Sequence[Parameter]) -> str:
    """Return a docstring with a section on the parameters, before its other sections."""
    if not declared or "\nParameters\n---" in doc:
        return doc
    section = ["Parameters", "----------"]
    for p in declared:
        kind = p.kind if isinstance(p.kind, str) else getattr(p.kind, "__name__", str(p.kind)).replace("typing.", "")
        shown = "{" + ", ".join(map(repr, p.words)) + "}" if p.words else kind
        section.append(f"{p.name} : {shown}" + ("" if p.required else f", default {p.default!r}"))
        facts = ", ".join(filter(None, [p.unit, _bounds(p).removeprefix("of ")]))
        text = p.doc + (f" ({facts})" if facts else "")
        section += textwrap.wrap(text, 116, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    lines = doc.splitlines()
    headed = (i for i in range(len(lines) - 1) if lines[i] and lines[i + 1].startswith("---"))
    cut = next(headed, len(lines))
    return "\n".join([*lines[:cut], *([""] if cut == len(lines) else []), *section, "", *lines[cut:]]).rstrip()
