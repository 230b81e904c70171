"""What is missing on this machine, found before the first cell is computed and not by every cell for itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec

from mss_bench.core.devices import check_device, cuda_devices, cuda_memory
from mss_bench.core.spec import build
from mss_bench.errors import ConfigError, MissingDependencyError
from mss_bench.metrics import metrics
from mss_bench.running.messages import Task
from mss_bench.separators import Separator, separators
from mss_bench.separators.deep.examine import require_loadable
from mss_bench.separators.deep.model import Model, TrainedModel

__all__ = ["refuse_unready"]

_PACKAGES = {
    "onnx": ("onnxruntime",), "pt2": ("torch",), "openunmix": ("torch", "openunmix"), "demucs": ("torch", "demucs"),
    "msst": ("torch", "pymss_core"),
}  # fmt: skip


def refuse_unready(tasks: Sequence[Task], jobs: int) -> list[str]:
    """Refuse tasks whose methods and metrics need a package or a GPU that is not here, or a model that does not load.

    Parameters
    ----------
    tasks : sequence of Task
    jobs : int
        Workers, of which each loads a method for itself.

    Returns
    -------
    list of str
        What a user should know of GPUs that workers share.

    Raises
    ------
    MissingDependencyError
        An extra is not installed; with how to install it.
    ConfigError
        A GPU is asked for that is not there; weights that are missing, altered or not of their configuration.
    """
    notices, unsure = [], []
    for spec, device in {(str(t.cell.method), t.device): (t.cell.method, t.device) for t in tasks}.values():
        instance = build(separators, spec)[0]
        _refuse_packages(instance, str(spec))
        if isinstance(instance, TrainedModel):
            instance.described.require_weights()
            if instance.described.self_described and isinstance(instance, Model):
                unsure.append(spec)
        # Who has no `load` of its own has no use for a device either.
        if isinstance(instance, TrainedModel) or type(instance).load is not Separator.load:
            number = _gpu(getattr(instance, "device", "") or device, str(spec), instance)
            if number is not None and min(jobs, len(tasks)) > 1:
                notices.append(
                    f"{spec.alias or spec.name}: {min(jobs, len(tasks))} workers share cuda:{number} with "
                    f"{cuda_memory(number):.1f} GiB, and each loads the model for itself; lower --jobs where that is "
                    "too much"
                )
    if unsure:
        require_loadable(unsure)
    for spec in {str(score.metric): score.metric for task in tasks for score in task.scores}.values():
        metric = build(metrics, spec)[0]
        if not metric.available():
            needs = metric.package or metric.module
            raise MissingDependencyError(needs, f"the metric {metric.name}", metric.install_command())
    return notices


def _refuse_packages(separator: Separator, name: str) -> None:
    kind = separator.described.kind if isinstance(separator, TrainedModel) else ""
    absent = [package for package in _PACKAGES.get(kind, ()) if find_spec(package) is None]
    if absent or not separator.available():
        extra = separator.extra or {"pt2": "torch"}.get(kind, kind)
        install = f"pip install 'mss-bench[{extra}]'" if extra else "its own instructions"
        raise MissingDependencyError(f"the package {', '.join(absent) or extra}", f"separator {name}", install)


def _gpu(device: str, name: str, separator: Separator) -> int | None:
    """Return the number of the GPU that is asked for by name, which must be there; None for another device."""
    if isinstance(separator, TrainedModel):
        check_device(device)
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        return None
    count, number = cuda_devices(), int(match[1] or 0)
    if number >= count:
        seen = f"{count} CUDA device(s)" if count else "no CUDA device"
        raise ConfigError(f"separator {name}: device={device}, but this machine has {seen}; choose cpu or auto")
    return number
