"""Sessions of ONNX Runtime that read no file but those that are given."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mss_bench.errors import ConfigError

__all__ = ["onnx_session"]

_CPU: tuple[str, dict[str, int]] = ("CPUExecutionProvider", {})


def onnx_session(
    runtime: Any, model: Path, external: Mapping[str, bytes] | None = None, provider: tuple[str, dict[str, int]] = _CPU
) -> Any:
    """Load a model whose weights are in its own file, or in others that are given beside it.

    Parameters
    ----------
    runtime : module
        ``onnxruntime``.
    model : Path
    external : mapping of str to bytes, optional
        Content of each further file, by its path below the model's folder.
    provider : tuple
        What it runs on, and the options of that.

    Raises
    ------
    OSError
        The model cannot be read.
    ConfigError
        It is no model that this ONNX Runtime takes, or its weights are in a file that is not given.
    """
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors; its warnings are about optimisations that it does not make
    # As many threads as whoever started this process allows; ONNX Runtime itself does not look.
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
    options.inter_op_num_threads = 1
    external = external or {}
    if external and not hasattr(options, "add_external_initializers_from_files_in_memory"):
        raise ConfigError(
            f"{model}: weights beside the model file need a newer ONNX Runtime than {runtime.__version__}; update it, "
            "or save the model as one file"
        )
    if external:
        contents = list(external.values())
        options.add_external_initializers_from_files_in_memory([*external], contents, [len(c) for c in contents])
    content = model.read_bytes()
    # A model in memory has no folder: what it names beside itself would be sought in the current one.
    with tempfile.TemporaryDirectory() as empty:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", empty)
        try:
            return runtime.InferenceSession(content, options, providers=[provider])
        except Exception as error:  # its exceptions have no base but this
            text = " ".join(str(error).replace(empty, str(model.parent)).split())
            hint = "; every file of weights must be named beside the model" if "External data" in text else ""
            raise ConfigError(
                f"{model} cannot be loaded by ONNX Runtime: {type(error).__name__}: {text:.300}{hint}"
            ) from error
