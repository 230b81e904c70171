"""What the verbs of registries share: plugins that add to them, and the check of what they hold."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mss_bench.cli.options import Action, print_checks
from mss_bench.errors import ConfigError
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.core.checks import CheckResult
    from mss_bench.registry import Registry

__all__ = ["OfRegistry"]


class OfRegistry(Action):
    """An action on what a registry holds."""

    registered: ClassVar[str]
    """Name of the package and of its registry, as ``metrics``."""

    plugins: tuple[Path, ...] = RunOptions.plugins

    @property
    def registry(self) -> Registry[Any]:
        """Return the registry, which is imported when it is used."""
        found: Registry[Any] = getattr(importlib.import_module(f"mss_bench.{self.registered}"), self.registered)
        return found

    def setup(self) -> None:
        for plugin in self.plugins:
            self.registry.add_file(plugin)

    def specs(self, spec: str) -> list[str]:
        """Return what is to be checked: a spec, or every class of a Python file.

        Raises
        ------
        ConfigError
            The file has none.
        """
        if not spec.endswith(".py") or spec in self.registry:
            return [spec]
        if found := self.registry.add_file(Path(spec)):
            return found
        kind = self.registry.kind
        raise ConfigError(f"{spec} has no {kind[0].upper()}{kind[1:]} class with a name of its own")

    def checked(self, specs: Iterable[str], check: Callable[[Any], Sequence[CheckResult]]) -> int:
        """Build each, print its checks and return the worst status."""
        from mss_bench.core.spec import Spec, build

        built = ((name, build(self.registry, Spec.parse(name))[0]) for name in specs)
        return max((print_checks(name, check(made)) for name, made in built), default=0)
