"""The catalog: entries of ``datasets.yaml`` made into data sets, strictly."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mss_bench.core.config import ConfigMap, load_yaml, plain_name
from mss_bench.core.parameters import Parameter, parameters
from mss_bench.datasets import Dataset, layouts
from mss_bench.datasets.references import from_references
from mss_bench.errors import ConfigError, UnknownNameError

__all__ = ["default_file", "get_dataset", "load_catalog"]

_DIR = Parameter("dir", str | Path, expects="a folder: references:dir=DIR")


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
    """Return one data set by name; ``references`` with the option ``dir`` is a bare folder of stems.

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
    if name == "references":
        return from_references(_folder_of_references(root, options))
    entries = _entries(files)
    if name not in entries:
        raise UnknownNameError("data set", name, entries)
    dataset = _declared(name, *entries[name], options)
    if root is not None:
        if not dataset.has_root:
            raise ConfigError(f"data set {name!r} lies in no folder of yours, got the root {root}; leave the root out")
        dataset.root, dataset.root_hint = Path(root), ""
    return dataset


def _folder_of_references(root: str | Path | None, options: Mapping[str, Any]) -> str | Path:
    """Return ``dir`` of bare references; the root serves as well."""
    for key in options:
        if key != "dir":
            raise UnknownNameError("option of data set references", key, ["dir"])
    if "dir" in options and root is not None:
        raise ConfigError(f"references has dir={options['dir']} and the root {root}; expected one of them")
    if "dir" not in options and root is None:
        raise ConfigError(f"references needs dir, expected {_DIR.expected}")
    folder: str | Path = _DIR.convert(options.get("dir", root), "references")
    return folder


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
