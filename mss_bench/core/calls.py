"""Calls that name a wrong keyword as every other wrong input is named, and signatures that show all keywords."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar, cast

from mss_bench.core.parameters import Parameterized, parameters
from mss_bench.errors import ConfigError, UnknownNameError

__all__ = ["checked_call"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def checked_call(owner: str, *options: type) -> Callable[[_Function], _Function]:
    """Let a function refuse calls that do not fit it with a `ConfigError` instead of a ``TypeError``.

    Its signature shows the keywords of ``**options`` by name, for help and completion.

    Parameters
    ----------
    owner : str
        What messages call the function: ``results.plot.box``.
    *options : type
        Each a ``TypedDict``, or a class that declares parameters, whose keywords the function takes as ``**options``.
    """

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)
        plain = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD and p.name != "self"]
        further = {name: keyword for each in options for name, keyword in _keywords(each) if name not in plain}
        known = [*plain, *further]

        @wraps(function)
        def checked(*args: Any, **keywords: Any) -> Any:
            for name in keywords:
                if name not in known:
                    raise UnknownNameError(f"option of {owner}", name, known)
            try:
                signature.bind(*args, **keywords)
            except TypeError as error:
                raise ConfigError(f"{owner}: {error}; it takes {', '.join(plain)}") from None
            return function(*args, **keywords)

        fixed = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        shown = signature.replace(parameters=[*fixed, *further.values()])
        checked.__signature__ = shown  # type: ignore[attr-defined]
        return cast("_Function", checked)

    return decorate


def _keywords(options: type) -> Iterator[tuple[str, inspect.Parameter]]:
    if issubclass(options, Parameterized):
        for name, each in parameters(options).items():
            yield name, inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=each.default)
    else:  # whose defaults are those of the functions that they are handed on to
        for name, kind in options.__annotations__.items():
            yield name, inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=..., annotation=kind)
