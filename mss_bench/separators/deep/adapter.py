"""What adapters have in common: their protocol, choosing a device, importing optional packages."""

from __future__ import annotations

import importlib
import re
from typing import Any, Protocol

from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import ConfigError, MissingDependencyError

__all__ = ["PRECISIONS", "Adapter", "check_device", "pickle_reason", "require_package", "torch_context", "torch_device"]

PRECISIONS = ("float32", "mixed")


class Adapter(Protocol):
    """A loaded model.

    Attributes
    ----------
    device : str
        Where it runs: ``cpu``, or ``cuda:0`` and what that is.
    """

    device: str

    def separate(self, mixture: Audio, seed: int) -> Stems:
        """Separate a ``(channels, samples)`` mixture of the model's rate and channels into stems of its shape."""


def check_device(device: str) -> str:
    """Refuse a text that does not name a device.

    Raises
    ------
    ConfigError
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ConfigError(f"device={device!r}; expected auto, cpu, cuda or cuda:n")
    return device


def require_package(module: str, kind: str) -> Any:
    """Import a package that a kind of model needs.

    Raises
    ------
    MissingDependencyError
        It is not installed, or cannot be imported; with the extra that brings it.
    """
    extra = "torch" if kind == "pt2" else kind  # the others are called as what they need
    install = f"pip install 'mss-bench[{extra}]'"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"the package {error.name}", f"a model of kind {kind}", install) from error
    except (ImportError, OSError, RuntimeError) as error:  # a compiled part of another build
        reason = f"{type(error).__name__}: {str(error).strip():.200}"
        what = f"the package {module} in working order (importing it fails with {reason})"
        raise MissingDependencyError(what, f"a model of kind {kind}", install) from error


def pickle_reason(error: Exception) -> str:
    """Return in few words what torch has refused to unpickle."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f"it names {named[1]}" if named else str(error).strip().partition("\n")[0][:200]


def torch_device(device: str, kind: str) -> tuple[Any, str]:
    """Return a torch device, and its name with that of the GPU.

    Raises
    ------
    ConfigError
        A GPU is asked for that torch does not see.
    """
    torch = require_package("torch", kind)
    check_device(device)
    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return torch.device("cpu"), "cpu"
    number = int(device.partition(":")[2] or 0)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= count:
        seen = f"{count} CUDA device(s)" if count else "no CUDA device"
        raise ConfigError(f"device={device}: torch {torch.__version__} sees {seen} here; choose device=cpu or auto")
    return torch.device("cuda", number), f"cuda:{number} ({torch.cuda.get_device_name(number)})"


def torch_context(device: Any, precision: str) -> Any:
    """Return a context without gradients and, for ``mixed``, with half of the bits where torch deems that safe."""
    import contextlib

    import torch

    stack = contextlib.ExitStack()
    stack.enter_context(torch.inference_mode())
    if precision == "mixed":
        # Autocast on a processor is made for bfloat16.
        kind = torch.float16 if device.type == "cuda" else torch.bfloat16
        stack.enter_context(torch.autocast(device.type, dtype=kind))
    return stack
