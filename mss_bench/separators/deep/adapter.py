"""What adapters have in common: their protocol, choosing a device, importing optional packages."""

from __future__ import annotations

import contextlib
import errno
import importlib
import pickle
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.devices import check_device
from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import ConfigError, MissingDependencyError

__all__ = [
    "PRECISIONS",
    "Adapter",
    "Torch",
    "in_short",
    "load_checkpoint",
    "pickle_reason",
    "require_package",
]

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
        what = f"the package {module} in working order (importing it fails with {in_short(error)})"
        raise MissingDependencyError(what, f"a model of kind {kind}", install) from error


def in_short(error: BaseException) -> str:
    """Return the class of an error and what it says, in a line for the end of a message."""
    return f"{type(error).__name__}: {' '.join(str(error).split()):.300}"


def pickle_reason(error: Exception) -> str:
    """Return in few words what torch has refused to unpickle, without its advice to run it nevertheless."""
    if named := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it names {named[1]}"
    told = re.search(r"WeightsUnpickler error:\s*(.+)", str(error))
    return f"torch does not read it as data: {told[1]:.100}" if told else in_short(error)


def load_checkpoint(torch: Any, file: Path, holds: str, classes: Sequence[Any] = ()) -> Any:
    """Return what `torch.load` makes of a file that names nothing but tensors and the given classes.

    Raises
    ------
    ConfigError
        It names something else, whose code would run, is damaged or no checkpoint; `holds` says what was expected.
    """
    cause: Exception
    try:
        with torch.serialization.safe_globals([*classes]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)  # it is refused for it
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise ConfigError(f"{file} cannot be read: {error.strerror or error}") from error
        why, cause = "it was cut off", error  # torch seeks the end of the archive before the file's beginning
    except pickle.UnpicklingError as error:
        if not (why := _no_pickle(file)):
            more = "is a pickle of more" if "GLOBAL" in str(error) else "is damaged, or a pickle of more"
            raise ConfigError(
                f"{file} is refused: {holds}, this one {more}, which could run code when it is opened "
                f"({pickle_reason(error)}); nothing of it was executed. Get weights of tensors alone, or where you "
                "trust it, save its state_dict() anew"
            ) from error
        cause = error
    except (EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        if "allocate memory" in str(error):
            raise
        why = re.sub(r"^PytorchStreamReader failed reading ", "", " ".join(str(error).split())).partition(". ")[0]
        cut = not why or "central directory" in why
        why, cause = "it was cut off" if cut else why, error
    raise ConfigError(
        f"{file} is damaged or no checkpoint; {holds}: get it anew, or name another ({why:.200})"
    ) from cause


def _no_pickle(file: Path) -> str:
    """Return what a file is that is neither a pickle nor a zip archive of some; empty where it is one."""
    with file.open("rb") as opened:
        head = opened.read(3)
    if head[:1] == b"\x80" or head[:2] == b"PK" or head[:1] in (b"c", b"("):  # the last two: protocol 0
        return ""
    # Its version, then its producer, its graph or its operators.
    if file.suffix.lower() == ".onnx" or (head[:1] == b"\x08" and head[2:] in (b"\x12", b"\x3a", b"\x42")):
        return "it is an ONNX model, which a manifest of kind onnx describes"
    return "it is no file of torch.save"


class Torch:
    """PyTorch on one device and in one precision.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:n``.
    precision : str
        One of `PRECISIONS`.
    kind : str
        The kind of model that needs it.

    Attributes
    ----------
    library : module
    place : torch.device
    device : str
        The place, and the name of the GPU.

    Raises
    ------
    ConfigError
        A GPU is asked for that torch does not see.
    """

    def __init__(self, device: str, precision: str, kind: str) -> None:
        self.library = torch = require_package("torch", kind)
        self._mixed = precision == "mixed"
        check_device(device)
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if device == "cpu" or (device == "auto" and not count):
            self.place, self.device = torch.device("cpu"), "cpu"
            return
        number = int(device.partition(":")[2] or 0)
        if number >= count:
            seen = f"{count} CUDA device(s)" if count else "no CUDA device"
            raise ConfigError(f"device={device}: torch {torch.__version__} sees {seen} here; choose device=cpu or auto")
        self.place = torch.device("cuda", number)
        self.device = f"cuda:{number} ({torch.cuda.get_device_name(number)})"

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        """Compute without gradients and, for ``mixed``, with half of the bits where torch deems that safe."""
        torch = self.library
        # Autocast on a processor is made for bfloat16.
        half = torch.float16 if self.place.type == "cuda" else torch.bfloat16
        with torch.inference_mode(), torch.autocast(self.place.type, dtype=half, enabled=self._mixed):
            yield

    def call(self, module: Any, array: NDArray[Any]) -> NDArray[Any]:
        """Return what a module makes of an array, in float32.

        Raises
        ------
        TypeError
            It returns something else than a tensor.
        """
        with self.inference():
            output = module(self.library.from_numpy(np.ascontiguousarray(array)).to(self.place))
            if not isinstance(output, self.library.Tensor):
                raise TypeError(f"the model returns {type(output).__name__}, expected one tensor")
            return np.asarray(output.float().cpu().numpy())
