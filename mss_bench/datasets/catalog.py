"""The catalog: entries of ``datasets.yaml`` made into data sets, strictly."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mss_bench.core.config import ConfigMap, load_yaml, plain_name
from mss_bench.core.parameters import Parameter, parameters
from mss_bench.datasets import Dataset, layouts
from mss_bench.datasets.references import from_references
from mss_bench.datasets.table import from_table
from mss_bench.errors import ConfigError, UnknownNameError

__all__ = ["default_file", "get_dataset", "load_catalog"]

_FIT = ("trim", "mono", "resample")
_BARE: dict[str, tuple[Callable[..., Dataset], str, tuple[str, ...]]] = {
    "references": (from_references, "dir", ("map", *_FIT)),
    "table": (from_table, "file", ("map", *_FIT, "missing_stems", "complete")),
}
"""Data sets that need no entry: what makes them, the option that says where they lie, and other options."""


def default_file() -> Path:
    """Return the ``datasets.yaml`` that ships with the package (in a checkout, the one at its top)."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "datasets.yaml"
    return shipped if shipped.is_file() else package.parent / "datasets.yaml"


def load_catalog(files: Iterable[str | Path] = ()) -> dict[str, Dataset]:
    """Return every data set of the shipped file and of further ones, which add or override.

    Raises
    ------
    ConfigError
        With file and line: unknown or duplicate keys, wrong types, patterns that leave the data set's folder.
    """
    return {name: _declared(name, entry, file, {}) for name, (entry, file) in _entries(files).items()}


def get_dataset(
    name: str, files: Iterable[str | Path] = (), /, root: str | Path | None = None, **options: Any
) -> Dataset:
    """Return one data set by name.

    ``references`` with the option ``dir`` is a bare folder of stems, ``table`` with ``file`` a CSV file with a row for
    each audio file (`mss_bench.datasets.table`).

    Parameters
    ----------
    name : str
    files : iterable of path
        Further catalogs.
    root : path, optional
        Instead of the declared one.
    **options
        Keys of its entry with other values, those of its layout included: ``n_songs`` of the demo.

    Raises
    ------
    UnknownNameError
    ConfigError
        An option of the wrong type, or a root for a data set that has none.
    """
    entries = _entries(files)
    if name in _BARE and name not in entries:
        make, key, _ = _BARE[name]
        return make(_place_of(name, key, root, options), **options)
    if name not in entries:
        raise UnknownNameError("data set", name, entries)
    dataset = _declared(name, *entries[name], options)
    if root is not None:
        if not dataset.has_root:
            raise ConfigError(f"data set {name!r} lies in no folder of yours, got the root {root}; leave the root out")
        dataset.root, dataset.root_hint = Path(root), ""
    return dataset


def _place_of(name: str, key: str, root: str | Path | None, options: dict[str, Any]) -> str | Path:
    """Take the folder or file of a data set without an entry from its options; the root serves as well."""
    known = [key, *_BARE[name][2]]
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of data set {name}", option, known)
    if key in options and root is not None:
        raise ConfigError(f"{name} has {key}={options[key]} and the root {root}; expected one of them")
    parameter = Parameter(key, str | Path, expects=f"a path: {name}:{key}=PATH")
    if key not in options and root is None:
        raise ConfigError(f"{name} needs {key}, expected {parameter.expected}")
    place: str | Path = parameter.convert(options.pop(key, root), name)
    for option in options:
        parameters(Dataset)[option].convert(options[option], f"data set {name}")
    return place


def _entries(files: Iterable[str | Path]) -> dict[str, tuple[Any, Path]]:
    """Return each entry with the file that holds it; later files win."""
    paths = [default_file(), *map(Path, files)]
    return {name: (entry, path) for path in paths for name, entry in load_yaml(path).items()}


def _declared(name: str, entry: Any, file: Path, options: Mapping[str, Any]) -> Dataset:
    if not isinstance(entry, ConfigMap):
        raise ConfigError(f"{file}: data set {name!r} is {entry!r}, expected a mapping (layout, root, stems, ...)")
    layout = entry.get("layout")
    if layout is None:
        for typed in difflib.get_close_matches("layout", entry, n=1):
            entry.fail(str(UnknownNameError(f"key of data set {name!r}", typed, ["layout"])), typed)
        entry.fail(f"data set {name!r} has no layout; expected one of {', '.join(layouts.names())}")
    try:
        plain_name(name, "data set")
        cls = layouts.load(str(layout))
    except ConfigError as error:
        entry.fail(str(error), "layout" if str(layout) not in layouts else None)
    known = parameters(cls)
    for key in options:
        if key not in known:
            raise UnknownNameError(f"option of data set {name}", key, known)
        known[key].convert(options[key], f"data set {name}")  # here, as the file is not where it was written
    keys = {key: value for key, value in entry.items() if key != "layout"}
    own = ConfigMap(keys | dict(options), entry.source, entry.line, entry.lines)
    return cls.declared(name, own, file.resolve().parent)
