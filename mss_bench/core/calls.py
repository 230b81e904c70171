"""Calls that name a wrong keyword as every other wrong input is named."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from mss_bench.errors import ConfigError, UnknownNameError

__all__ = ["checked_call"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def checked_call(owner: str, *options: type) -> Callable[[_Function], _Function]:
    """Let a function refuse calls that do not fit it with a `ConfigError` instead of a ``TypeError``.

    Parameters
    ----------
    owner : str
        What messages call the function: ``results.plot.box``.
    *options : type
        Each a ``TypedDict`` of which the function takes the keywords as ``**options``.
    """

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)
        plain = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD and p.name != "self"]
        known = [*plain, *(name for each in options for name in each.__annotations__)]

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

        return cast("_Function", checked)

    return decorate
