"""Names with parameters: ``hpss:kernel_size=31,power=2``.

One form for separators, metrics and data sets on the command line; in YAML and Python the same is a mapping
``{name: hpss, kernel_size: 31}``. The reserved parameter ``as`` gives an alias that tables show instead of the name;
several checkpoints of one model under one alias are told apart by ``replicate=1``, ``replicate=2`` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from mss_bench.core.parameters import REQUIRED, default_values, located, parameters, takes_further
from mss_bench.errors import ConfigError, MssBenchError, UnknownNameError
from mss_bench.registry import Registry

__all__ = ["Spec", "build", "format_params", "needs_parameters"]

T = TypeVar("T")


@dataclass(frozen=True)
class Spec:
    """A registered name with parameters.

    Parameters
    ----------
    name : str
    params : dict
        Parameters as given.
    alias : str
        What tables call it; empty for the name.
    replicate : int
        Number of this checkpoint among several that are one row; 0 for one that stands alone.
    """

    name: str
    params: dict[str, Any] = field(default_factory=dict)
    alias: str = ""
    replicate: int = 0

    @classmethod
    def parse(cls, value: str | Mapping[str, Any] | Spec) -> Spec:
        """Read the text or the mapping form.

        Raises
        ------
        ConfigError
            When it is neither, or a parameter has no value or stands twice.
        """
        if isinstance(value, Spec):
            return value
        from mss_bench.core.config import parse_scalar, plain_name  # here: workers are sent specs, and need no YAML

        if isinstance(value, Mapping):
            params = dict(value)
            name = params.pop("name", None)
            if not isinstance(name, str) or not name:
                message = f"{dict(value)!r} has no name; expected a mapping like {{name: hpss, power: 2}}"
                raise ConfigError(located(value, "", message))
        elif isinstance(value, str):
            name, colon, rest = value.partition(":")
            params = {}
            for part in rest.split(",") if colon else []:
                key, equals, text = part.partition("=")
                if not (key and equals):
                    raise ConfigError(f"{value!r}: {part!r} is not key=value; expected name:key=value,key=value")
                if key in params:
                    raise ConfigError(f"{value!r} gives {key} twice")
                params[key] = parse_scalar(text)
        else:
            raise ConfigError(f"{value!r} is not a name; expected text like hpss:power=2 or a mapping with a name")
        alias = params.pop("as", "")
        if not isinstance(alias, str):
            raise ConfigError(f"{value!r}: as={alias!r} is not a name; quote it")
        if alias:
            plain_name(alias, "separator (as=)")
        replicate = params.pop("replicate", None)
        if replicate is not None and not (type(replicate) is int and replicate > 0 and alias):
            raise ConfigError(
                f"{value!r}: replicate={replicate!r} numbers the checkpoints of one row; expected as=NAME beside it, "
                "and a whole number from 1 on"
            )
        return cls(name, params, alias, replicate or 0)

    def plain(self) -> str | dict[str, Any]:
        """Return the shorter of the two forms that reads back whatever the values are."""
        return {"name": self.name} | self.params | self._reserved if self.params or self.alias else self.name

    @property
    def _reserved(self) -> dict[str, Any]:
        alias = {"as": self.alias} if self.alias else {}
        return alias | ({"replicate": self.replicate} if self.replicate else {})

    def __str__(self) -> str:
        params = format_params(self.params | self._reserved)
        return f"{self.name}:{params}" if params else self.name


def format_params(params: Mapping[str, Any]) -> str:
    """Return parameters as ``key=value,key=value``, in the order given."""
    return ",".join(f"{key}={_format_value(value)}" for key, value in params.items())


def _format_value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        value += 0.0  # no negative zero, which would read back as 0
    return format(value, "g") if isinstance(value, float) and float(format(value, "g")) == value else str(value)


def needs_parameters(cls: type) -> bool:
    """Return whether the name of a class alone makes no instance: it needs a parameter, or one of several."""
    if any(p.required for p in parameters(cls).values()):
        return True
    try:
        cls()
    except ConfigError:
        return True
    return False


def build(registry: Registry[T], spec: Spec) -> tuple[T, dict[str, Any]]:
    """Make an instance of a spec.

    Returns
    -------
    instance : T
    changed : dict
        Parameters that differ from the defaults, in the constructor's order: what tables show and keys hold.

    Raises
    ------
    UnknownNameError
        Unknown name or parameter.
    ConfigError
        A value of the wrong type or outside its range, or a parameter without default that is not given.
    """
    if spec.name not in registry and re.search("[,;=]", spec.name):  # what is meant is more than a name
        raise ConfigError(
            f"{spec.name!r} is not the name of a {registry.kind}; expected name:key=value,key=value, and of several "
            "a list: a,b on the command line, [a, b] in YAML and Python"
        )
    spec = replace(spec, name=registry.canonical(spec.name))
    cls = registry.load(spec.name)
    known = parameters(cls)
    further = [key for key in spec.params if key not in known]
    if further and not takes_further(cls):
        raise UnknownNameError(f"parameter of {registry.kind} {spec.name}", further[0], known)
    given = {key: p.convert(spec.params[key], spec.name) for key, p in known.items() if key in spec.params}
    given |= {key: spec.params[key] for key in further}
    defaults = default_values(cls, given)
    values = defaults | given
    for key in known:
        if values[key] is REQUIRED:
            raise ConfigError(f"{registry.kind} {spec.name} needs {key}; write {spec.name}:{key}=VALUE")
    try:
        instance = cls(**given)
    except MssBenchError as error:
        # What a part of it has checked, an STFT for one, does not know whose parameter it was.
        if type(error) is ConfigError and not str(error).startswith((spec.name, registry.kind)):
            raise ConfigError(f"{spec.name}: {error}") from error
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{registry.kind} {spec} cannot be made: {error}") from error
    # By repr: 1 and True are equal and yet two values, and NaN is not equal to itself.
    changed = {k: v for k, v in values.items() if k in given and (k in further or repr(v) != repr(defaults[k]))}
    return instance, changed
