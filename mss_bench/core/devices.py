"""The GPUs of this machine, counted without the libraries that compute on them."""

from __future__ import annotations

import ctypes

__all__ = ["cuda_devices"]


def cuda_devices() -> int:
    """Return how many CUDA devices the driver lets this process see; 0 where there is no driver.

    ``CUDA_VISIBLE_DEVICES`` counts. Importing torch for this would take seconds and hundreds of MiB.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value
