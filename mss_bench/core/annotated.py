"""Declared parameters written down for people and editors: a YAML file with comments, and its JSON schema."""

from __future__ import annotations

import textwrap
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from mss_bench.core.parameters import Parameter, Parameterized, parameters

__all__ = ["annotated_yaml", "json_schema"]

_WIDTH = 110


def annotated_yaml(instance: Parameterized) -> str:
    """Return the parameters of an instance as YAML, each below what it does.

    Those that have their default are comments themselves, so that the file says what was chosen.

    Parameters
    ----------
    instance : Parameterized
    """
    blocks = []
    for parameter in parameters(type(instance)).values():
        value = getattr(instance, parameter.name)
        lead = "# " if value == parameter.default else ""
        doc = textwrap.wrap(" ".join(parameter.doc.split()), _WIDTH, initial_indent="# ", subsequent_indent="# ")
        blocks.append("\n".join([*doc, f"{lead}{parameter.name}: {_in_yaml(value)}".rstrip()]))
    return "\n\n".join(blocks) + "\n"


def _in_yaml(value: Any) -> str:
    if value is None:
        return ""
    text = yaml.safe_dump(_plain(value), default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _plain(value: Any) -> Any:
    """Return a value as YAML has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def json_schema(cls: type, title: str) -> dict[str, Any]:
    """Return the JSON schema of a file whose keys are the parameters of a class, for editors that complete and check.

    Parameters
    ----------
    cls : type
        Declares the parameters.
    title : str
        What the file is called.
    """
    declared = parameters(cls)
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _schema(parameter) for name, parameter in declared.items()},
    }
    required = [name for name, parameter in declared.items() if parameter.required]
    return schema | ({"required": required} if required else {})


def _schema(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": " ".join(parameter.doc.split())}
    kinds = [_kind(kind, parameter) for kind in _alternatives(parameter.kind)]
    if all(kinds):  # a class of its own may be written in any of several forms
        schema |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return schema


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string", type(None): "null"}


def _kind(kind: Any, parameter: Parameter) -> dict[str, Any]:
    """Return the schema of one of the types that a value may have; empty where anything may stand."""
    origin = typing.get_origin(kind)
    if origin is tuple:  # of one value, the list may be left out
        each = [_kind(alternative, parameter) for alternative in _alternatives(typing.get_args(kind)[0])]
        return {"anyOf": [{"type": "array", "items": each[0] if len(each) == 1 else {"anyOf": each}}, *each]}
    if origin is Literal:
        return {"enum": list(typing.get_args(kind))}
    if kind is Mapping or origin in (dict, Mapping) or getattr(origin, "__origin__", origin) is Mapping:
        return {"type": "object"}
    if kind not in _JSON_TYPES:
        return {"type": "object"} if isinstance(kind, type) and issubclass(kind, Mapping) else {}
    schema: dict[str, Any] = {"type": _JSON_TYPES[kind]}
    if kind is str and parameter.words:
        return schema | {"enum": list(parameter.words)}
    if kind in (int, float):
        bounds = {
            "minimum": parameter.at_least, "exclusiveMinimum": parameter.above,
            "maximum": parameter.at_most, "exclusiveMaximum": parameter.below,
        }  # fmt: skip
        schema |= {name: bound for name, bound in bounds.items() if bound is not None}
    return schema
