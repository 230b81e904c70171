"""A network that turns sound into embeddings, from a local ONNX file."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats
from mss_bench.dsp.onnx import onnx_session
from mss_bench.errors import ConfigError, MissingDependencyError

__all__ = ["EmbeddingNetwork"]

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_BATCH = 8


class EmbeddingNetwork:
    """A loaded network.

    It has one input ``(batch, samples)`` or ``(batch, 1, samples)`` of mono sound and one output
    ``(batch, dimensions)`` or ``(batch, frames, dimensions)``, of 16, 32 or 64 bits. An ONNX file is data, not code.

    Parameters
    ----------
    path : Path
    user : str
        Who asks, for errors.

    Raises
    ------
    MissingDependencyError
        ONNX Runtime is not installed.
    ConfigError
        The file is missing or no such network.
    """

    def __init__(self, path: Path, user: str) -> None:
        if find_spec("onnxruntime") is None:
            raise MissingDependencyError("onnxruntime", f"the metric {user}", "pip install 'mss-bench[onnx]'")
        onnxruntime = import_module("onnxruntime")
        try:
            self._session = onnx_session(onnxruntime, path)
        except OSError as error:
            raise ConfigError(f"{user}: model {path} cannot be read: {error.strerror}; expected an ONNX file") from None
        except ConfigError as error:
            raise ConfigError(f"{user}: model {error}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        axes = len(inputs[0].shape) if inputs else 0
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type not in _TYPES or axes not in (2, 3):
            described = ", ".join(f"{node.name} {node.type} {node.shape}" for node in (*inputs, *outputs))
            raise ConfigError(
                f"{user}: model {path} has {described}; expected one input (batch, samples) or (batch, 1, samples) of "
                "floats and one output"
            )
        self._path, self._user, self._input = path, user, inputs[0]

    def embed(self, windows: NDArray[Any]) -> Floats:
        """Compute the embeddings of windows of sound.

        Parameters
        ----------
        windows : (n, samples)

        Returns
        -------
        (n, dimensions), or (n * frames, dimensions), float64

        Raises
        ------
        ConfigError
            The network takes another length, or returns something else.
        """
        kind, single = _TYPES[self._input.type], self._input.shape[0] == 1
        step, embeddings = 1 if single else _BATCH, []
        for start in range(0, len(windows), step):
            batch = np.ascontiguousarray(windows[start : start + step], dtype=kind)
            if len(self._input.shape) == 3:
                batch = batch[:, None]
            try:
                out = np.asarray(self._session.run(None, {self._input.name: batch})[0], dtype=np.float64)
            except Exception as error:
                raise ConfigError(
                    f"{self._user}: model {self._path} takes {tuple(self._input.shape)} and was given {batch.shape}; "
                    "set window and sample_rate to what it was made for"
                ) from error
            if out.ndim not in (2, 3) or len(out) != len(batch):
                raise ConfigError(
                    f"{self._user}: model {self._path} returns {out.shape} for {len(batch)} windows, expected (batch, "
                    "dimensions) or (batch, frames, dimensions)"
                )
            embeddings.append(out.reshape(-1, out.shape[-1]))
        return np.concatenate(embeddings)
