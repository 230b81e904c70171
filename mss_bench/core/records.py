"""Plain data of JSON to typed records: every value is checked against the declared type, in this one place.

A file that another program wrote, or that was damaged, may hold text where a number belongs. Nothing is converted but
what JSON cannot tell apart: an integer is a float too, and a list stands for a tuple.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable
from typing import Any, Literal, NotRequired, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

__all__ = ["built"]

T = TypeVar("T")
_Where = str | None
"""What a value is called in errors; None while nothing has gone wrong yet, and no name is put together."""
_Reader = Callable[[Any, _Where], Any]

_KINDS = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def built(kind: type[T], value: Any, where: str = "") -> T:
    """Return plain data as a value of a declared type.

    Parameters
    ----------
    kind : type
        A dataclass, a ``TypedDict`` (further keys stay), or any of ``str``, ``bool``, ``int``, ``float``, ``Any``,
        ``Literal``, and ``dict``, ``list``, ``tuple`` and unions of these.
    value : Any
        What a JSON file holds.
    where : str
        What the value is called in errors.

    Raises
    ------
    ValueError
        It names the first place whose type is another: ``cells[3].track.name is a list, expected text``.

    >>> built(dict[str, list[float]], {"gains": [1, 0.5]})
    {'gains': [1.0, 0.5]}
    """
    declared: Any = kind
    reader = _reader(declared)
    try:
        result: T = reader(value, None)
    except ValueError:  # once more, to say where
        result = reader(value, where)
    return result


@functools.cache
def _reader(kind: Any) -> _Reader:
    """Return a function that checks values against a type; types are taken apart once."""
    if kind is Any:
        return lambda value, where: value
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is NotRequired:
        return _reader(arguments[0])
    if origin is Literal:
        return functools.partial(_chosen, arguments)
    if origin in (Union, types.UnionType):
        return functools.partial(_one_of, [_reader(choice) for choice in arguments])
    if origin is dict:
        return functools.partial(_mapping, _reader(arguments[1]))
    if origin in (list, tuple):
        return functools.partial(_list, origin, _reader(arguments[0]))
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        needed = {f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING}
        exact = {name: hint for name, hint in hints.items() if hint in _KINDS}
        return functools.partial(_record, kind, {name: _reader(hint) for name, hint in hints.items()}, needed, exact)
    if is_typeddict(kind):
        hints = get_type_hints(kind, include_extras=True)
        # Not from __required_keys__: where annotations are text, Python does not see NotRequired in them.
        needed = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
        return functools.partial(_keys, {name: _reader(hint) for name, hint in hints.items()}, needed)
    return functools.partial(_plain, kind)


def _plain(kind: type, value: Any, where: _Where) -> Any:
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{where} is a whole number that is too large") from None
    if isinstance(value, kind) and not (kind in (int, float) and isinstance(value, bool)):
        return value
    raise _wrong(value, where, _KINDS.get(kind, "null" if kind is type(None) else kind.__name__))


def _chosen(choices: tuple[Any, ...], value: Any, where: _Where) -> Any:
    if type(value) in map(type, choices) and value in choices:
        return value
    raise ValueError(f"{where or 'the content'} is {value!r:.40}, expected {' or '.join(map(str, choices))}")


def _one_of(readers: list[_Reader], value: Any, where: _Where) -> Any:
    problems = []
    for reader in readers:
        try:
            return reader(value, where)
        except ValueError as error:
            problems.append(error)
    raise problems[0]


def _mapping(reader: _Reader, value: Any, where: _Where) -> dict[str, Any]:
    if type(value) is not dict:
        raise _wrong(value, where, "a mapping")
    if where is None:
        return {key: reader(each, None) for key, each in value.items()}
    return {key: reader(each, _at(where, key)) for key, each in value.items()}


def _list(kind: type, reader: _Reader, value: Any, where: _Where) -> Any:
    if type(value) not in (list, tuple):
        raise _wrong(value, where, "a list")
    if where is None:
        return kind([reader(each, None) for each in value])
    return kind(reader(each, f"{where}[{i}]") for i, each in enumerate(value))


def _keys(readers: dict[str, _Reader], needed: set[str], value: Any, where: _Where) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(value, where, "a mapping")
    if absent := [name for name in readers if name in needed and name not in value]:
        raise ValueError(f"{', '.join(absent)} of {where or 'the content'} missing")
    if where is None:
        return value | {name: reader(value[name], None) for name, reader in readers.items() if name in value}
    return value | {name: reader(value[name], _at(where, name)) for name, reader in readers.items() if name in value}


def _record(
    kind: Any, readers: dict[str, _Reader], needed: set[str], exact: dict[str, type], value: Any, where: _Where
) -> Any:
    if isinstance(value, kind):
        return value
    if where is None and type(value) is dict and needed <= value.keys() <= readers.keys():  # the short way, mostly
        known = exact.get
        return kind(
            **{name: each if type(each) is known(name) else readers[name](each, None) for name, each in value.items()}
        )
    read = _keys(readers, needed, value, where)
    if unknown := [str(name) for name in read if name not in readers]:
        raise ValueError(f"{where or 'the content'} has {', '.join(unknown)[:80]}, which nothing is known of")
    return kind(**read)


def _at(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _wrong(value: Any, where: _Where, expected: str) -> ValueError:
    given = "null" if value is None else _KINDS.get(type(value), type(value).__name__)
    return ValueError(f"{where or 'the content'} is {given}, expected {expected}")
