"""Bulk arithmetic on maps: one interface, and back ends that agree bit for bit.

`backend()` returns the back end to use. `gpudepth.depth.numeric` defines the numbers; this package computes the same
numbers faster.
"""

from __future__ import annotations

import logging
import os
from importlib import import_module

from ..errors import UsageError
from .interface import Backend, Filled, Span

__all__ = ["Backend", "Filled", "Span", "backend"]

NAMES = ("auto", "numpy", "cupy")


def backend(name: str = "auto", *, threads: int = 1) -> Backend:
    """Return the back end called `name`; every back end produces the same bits.

    Args:
        name: "auto" takes the value of GPUDEPTH_BACKEND if it is set; otherwise the GPU for the calls that gain from it
            and numpy for the rest. If no GPU can be used, the logger "gpudepth" warns once and names the reason.
            "numpy" computes on the CPU, on `threads` threads that share one map.
            "cupy" computes on an NVIDIA GPU.
            "module:function" calls a function that returns a back end.
        threads: The number of threads of the back end "numpy".

    Returns:
        The back end. It holds no state of a map and may serve any number of them.

    Raises:
        BackendError: The back end cannot be used on this machine.
        UsageError: The name is unknown, or `threads` is below 1.
    """
    from .cpu import NumpyBackend

    if name == "auto":
        name = os.environ.get("GPUDEPTH_BACKEND") or "auto"
    if ":" in name:
        module, _, function = name.partition(":")
        made: Backend = getattr(import_module(module), function)()
        return made
    if name not in NAMES:
        raise UsageError(f"the back end {name!r} is unknown", hint="choose one of " + ", ".join(NAMES))
    numpy = NumpyBackend(threads)
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
        probe.fallback(f"{missing.name}: {missing.message}")
    else:   # without CuPy the user did not ask for a GPU, so this is no warning
        logging.getLogger(__name__).info("numpy: %s: %s", missing.name, missing.message)
    return numpy
