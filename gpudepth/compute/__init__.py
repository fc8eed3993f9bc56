"""Bulk arithmetic on maps: one interface, and back ends that agree bit for bit.

`backend()` gives the one to use. What the numbers mean is `gpudepth.depth.numeric`; this room only makes them fast.
"""

from __future__ import annotations

import logging
import os

from ..errors import UsageError
from .interface import Backend, Filled, Span

__all__ = ["Backend", "Filled", "Span", "backend"]

NAMES = ("auto", "numpy", "cupy", "hostcc")


def backend(name: str = "auto", *, threads: int = 1) -> Backend:
    """The back end called `name`; every one gives the same bits.

    auto     GPUDEPTH_BACKEND if that is set; else the GPU for what is worth the trip, numpy for the rest. Where a GPU
             cannot be used it says why, once, as a warning of the logger "gpudepth"
    numpy    on `threads` threads that share one map
    cupy     an NVIDIA GPU
    hostcc   the GPU's kernels built for the CPU by a C++ compiler: slow, and the same bits; for tests

    Raises BackendError for one that cannot be used, UsageError for any other name or for threads < 1.
    """
    from .cpu import NumpyBackend

    if name == "auto":
        name = os.environ.get("GPUDEPTH_BACKEND") or "auto"
    if name not in NAMES:
        raise UsageError(f"unknown back end {name!r}", hint="one of " + ", ".join(NAMES[:3]))
    numpy = NumpyBackend(threads)
    if name == "hostcc":
        from .hostcc import HostDevice, compiler
        from .kernels import KernelBackend

        compiler()
        return KernelBackend(HostDevice())
    if name == "numpy":
        return numpy
    from . import probe

    if name == "cupy":
        return probe.kernels()
    missing = probe.failed_early()
    if missing is None:
        from .auto import AutoBackend

        return AutoBackend(numpy)
    if missing.name == "device":
        from .auto import fallback

        fallback(f"{missing.name}: {missing.said}")
    else:   # without CuPy nobody asked for a GPU
        logging.getLogger(__name__).info("numpy: %s: %s", missing.name, missing.said)
    return numpy
