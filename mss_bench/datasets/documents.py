"""Read the metadata of a data set: JSON and YAML files, and the items of a path in them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mss_bench.core.config import load_yaml
from mss_bench.core.files import read_json
from mss_bench.errors import ConfigError, DatasetError

__all__ = ["items", "listed_names", "read_document"]


def read_document(file: Path) -> Any:
    """Read a JSON file, or a YAML file by this package's strict rules.

    Raises
    ------
    DatasetError
        It cannot be read; the message names file and place.
    """
    try:
        stat = file.stat()
        return _parsed(file, stat.st_mtime_ns, stat.st_size)
    except ConfigError as error:
        raise DatasetError(str(error)) from error
    except json.JSONDecodeError as error:
        raise DatasetError(f"{file}:{error.lineno}: not valid JSON: {error.msg}") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error


@functools.lru_cache(maxsize=4096)
def _parsed(file: Path, *stamp: int) -> Any:
    """Parse a file once while its stamp stays: strict YAML takes 10 ms, and a data set has a thousand files."""
    if file.suffix.lower() != ".json":
        return load_yaml(file)
    return read_json(file)


def items(document: Any, path: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the values at a path such as ``stems[].tracks[]`` or ``songs[].song_name``.

    Parameters
    ----------
    document : object
    path : str
        Names divided by dots; ``[]`` means every item of the list, or value of the mapping, that stands there.

    Yields
    ------
    value : object
    fields : dict
        Fields of the mappings around it, the nearest first, and ``key``: what the item is called in its mapping, or its
        number in its list.

    Raises
    ------
    DatasetError
        There is no such path; the message names the part that is missing.
    """
    yield from _items(document, path.split("."), {})


def _items(value: Any, steps: list[str], fields: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    if not steps:
        yield value, fields
        return
    name, every = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    if name:
        if not isinstance(value, Mapping) or name not in value:
            there = f"; there is {', '.join(map(str, value))}" if isinstance(value, Mapping) else ""
            raise DatasetError(f"no {name!r} in it{there}")
        fields = fields | _plain(value)
        value = value[name]
    if not every:
        yield from _items(value, steps[1:], fields)
        return
    if not isinstance(value, Mapping | list):
        raise DatasetError(f"{name or 'it'} is {value!r:.60}, expected a list or a mapping")
    for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from _items(each, steps[1:], fields | {"key": key})


def _plain(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a mapping that hold no mappings."""
    return {name: value for name, value in mapping.items() if not isinstance(value, Mapping)}


def listed_names(file: Path, path: str = "") -> list[str]:
    """Return the names that a file lists: its lines, or the values at a path of a JSON or YAML file.

    Raises
    ------
    DatasetError
        The file cannot be read, or there is no such path.
    """
    try:
        if path:
            return [str(value) for value, _ in items(read_document(file), path)]
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except DatasetError as error:
        raise DatasetError(f"{file}: {error}" if str(file) not in str(error) else str(error)) from error
