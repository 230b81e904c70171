"""The GPUs of this machine, counted without the libraries that compute on them."""

from __future__ import annotations

import ctypes
import re

from mss_bench.errors import ConfigError

__all__ = ["check_device", "cuda_devices", "cuda_memory"]


def check_device(device: str) -> str:
    """Refuse a text that does not name a device.

    Raises
    ------
    ConfigError
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ConfigError(f"device={device!r}; expected auto, cpu, cuda or cuda:n")
    return device


def cuda_devices() -> int:
    """Return how many CUDA devices the driver lets this process see; 0 where there is no driver.

    ``CUDA_VISIBLE_DEVICES`` counts. Importing torch for this would take seconds and hundreds of MiB.
    """
    driver, count = _driver(), ctypes.c_int()
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def cuda_memory(number: int) -> float:
    """Return the memory of a CUDA device in GiB; 0 where the driver does not tell."""
    driver, device, size = _driver(), ctypes.c_int(), ctypes.c_size_t()
    if driver is None or driver.cuDeviceGet(ctypes.byref(device), number):
        return 0.0
    return 0.0 if driver.cuDeviceTotalMem_v2(ctypes.byref(size), device) else size.value / 2**30


def _driver() -> ctypes.CDLL | None:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return None if driver.cuInit(0) else driver
