"""A typed registry: names to classes that are imported only when they are used.

Built-ins are registered by ``"module:object"`` strings, third parties by an entry-point group, a user's own file by
`Registry.add_file`. Two different objects under one name are refused with both origins named.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, NoReturn, TypeVar, cast

from mss_bench.errors import ConfigError, UnknownNameError

__all__ = ["Registry", "import_file", "resolve"]

T = TypeVar("T")


@dataclass(frozen=True)
class _Entry(Generic[T]):
    target: str | type[T]
    origin: str


class Registry(Generic[T]):
    """Names to classes of one kind.

    Parameters
    ----------
    kind : str
        What the names stand for, in the singular, as errors print it.
    base : str
        ``"module:object"`` of the base class; everything registered derives from it.
    builtins : dict of str to str
        Name to ``"module:object"``.
    group : str
        Entry-point group in which installed packages announce theirs.
    named_by : str
        Class attribute that names the classes of a user's file.

    Attributes
    ----------
    problems : list of str
        Installed packages' entries that clash or cannot be imported; they do not stop anything else.
    """

    def __init__(self, kind: str, base: str, builtins: dict[str, str], group: str, named_by: str = "name") -> None:
        self.kind, self.group, self._base, self._named_by = kind, group, base, named_by
        self._entries: dict[str, _Entry[T]] = {n: _Entry(t, "mss_bench") for n, t in builtins.items()}
        self._entry_points_read = False
        self.problems: list[str] = []
        self._from_files: set[str] = set()

    def names(self) -> list[str]:
        """Return all names, in the order of registration."""
        self._read_entry_points()
        return list(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def canonical(self, name: str) -> str:
        """Return the registered name that a name stands for; here it is that name itself."""
        return name

    def origin(self, name: str) -> str:
        """Return who registered the name: ``"mss_bench"``, a package or a file."""
        self._read_entry_points()
        return self._entry(name).origin

    def add(self, name: str, target: str | type[T], origin: str) -> None:
        """Register a class or a ``"module:object"`` string.

        Raises
        ------
        ConfigError
            When the name is taken by something else.
        """
        known = self._entries.get(name)
        if known is not None and known.origin != origin:
            raise ConfigError(
                f"{self.kind} {name!r} of {origin} is already registered by {known.origin}; rename one of them"
            )
        self._entries[name] = _Entry(target, origin)

    def add_file(self, path: str | Path) -> list[str]:
        """Register every class of a Python file that derives from the base and has a ``name`` of its own.

        Returns
        -------
        list of str
            The names found, which may be empty: a file can hold plugins of another kind.
        """
        module = import_file(path)
        base = resolve(self._base)
        found = []
        for obj in vars(module).values():
            if inspect.isclass(obj) and issubclass(obj, base) and obj.__module__ == module.__name__:
                name = vars(obj).get(self._named_by)
                if isinstance(name, str) and name and not inspect.isabstract(obj):
                    self.add(name, cast("type[T]", obj), str(Path(path).resolve()))
                    self._from_files.add(name)
                    found.append(name)
        return found

    def use_files(self, paths: Iterable[str | Path]) -> list[str]:
        """Register the classes of these files and forget those of files that were used before.

        Returns
        -------
        list of str
            The names found.
        """
        self._entries = {n: e for n, e in self._entries.items() if n not in self._from_files}
        self._from_files = set()
        return [name for path in paths for name in self.add_file(path)]

    def load(self, name: str) -> type[T]:
        """Return the class registered under a name, importing it on first use.

        Raises
        ------
        UnknownNameError
            When nothing has that name.
        ConfigError
            When the class cannot be imported or is of another kind.
        """
        self._read_entry_points()
        entry = self._entry(name)
        if isinstance(entry.target, str):
            try:
                cls = resolve(entry.target)
            except Exception as error:  # another package's code: whatever is wrong with it, this name cannot be used
                raise ConfigError(
                    f"{self.kind} {name!r} of {entry.origin} cannot be imported from {entry.target}: "
                    f"{type(error).__name__}: {error}"
                ) from error
        else:
            cls = entry.target
        base = resolve(self._base)
        if not (inspect.isclass(cls) and issubclass(cls, base)):
            raise ConfigError(f"{self.kind} {name!r} of {entry.origin} is {cls!r}, expected a subclass of {self._base}")
        return cast("type[T]", cls)

    def load_all(self) -> dict[str, type[T]]:
        """Return every class that can be imported; what is wrong with the others is added to `problems`."""
        found = {}
        for name in self.names():
            try:
                found[name] = self.load(name)
            except ConfigError as error:
                if str(error) not in self.problems:
                    self.problems.append(str(error))
        return found

    def _entry(self, name: str) -> _Entry[T]:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._entries) from None

    def _read_entry_points(self) -> None:
        if self._entry_points_read:
            return
        self._entry_points_read = True
        for point in entry_points(group=self.group):
            origin = point.dist.name if point.dist is not None else point.value
            try:
                self.add(point.name, point.value, origin)
            except ConfigError as error:
                self.problems.append(str(error))


def resolve(target: str) -> Any:
    """Return the object that ``"module:object"`` names, importing its module."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


@contextlib.contextmanager
def _no_exit() -> Iterator[None]:
    """Let a file that would end this process at once, and with it the command, fail instead."""
    exits = os._exit

    def refuse(status: int) -> NoReturn:
        raise SystemExit(f"it calls os._exit({status})")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = exits


def import_file(path: str | Path) -> ModuleType:
    """Import a Python file as a module of its own, anew whenever its content has changed.

    Raises
    ------
    ConfigError
        When the file is missing or fails to import.
    """
    file = Path(path).resolve()
    try:
        content = file.read_bytes()
    except OSError as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise ConfigError(f"plugin file {path} {what}; expected a Python file") from None
    # The content is part of the name: a file that was edited is imported anew, and classes of its former content, which
    # may still be in use, keep their module.
    identity = hashlib.sha256(str(file).encode(errors="surrogateescape") + b"\0" + content).hexdigest()[:16]
    name = f"mss_bench_plugin_{identity}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"plugin file {path} is not a Python file (expected a name that ends in .py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses and pickle look for the module of a class there
    try:
        # Compiled here: a cached byte code of the same second would be taken for the new content.
        code = compile(content, str(file), "exec")
        with _no_exit():
            exec(code, module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin that calls sys.exit must not end the command
        del sys.modules[name]
        raise ConfigError(f"plugin file {path} cannot be imported: {type(error).__name__}: {error}") from error
    return module
