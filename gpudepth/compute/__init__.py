"""Bulk arithmetic on maps: one interface, and back ends that agree bit for bit.

`backend()` returns the back end to use. `gpudepth.depth.numeric` defines the numbers; this package computes the same
numbers faster.
"""

from __future__ import annotations

import os
from importlib import import_module

from ..errors import UsageError
from .interface import Backend, Filled, Span, on_gpu

__all__ = ["Backend", "Filled", "Span", "backend"]

NAMES = ("auto", "numpy", "cupy")


def backend(name: str = "auto", *, threads: int = 1, values: object = None) -> Backend:
    """Return the back end called `name`; every back end produces the same bits.

    Args:
        name: "auto" takes the value of GPUDEPTH_BACKEND if it is set. Otherwise it is the GPU for `values` that are on
            one, and numpy for all others: starting a GPU takes longer than a photo. Runs choose for all of their items.
            "numpy" computes on the CPU, on `threads` threads that share one map.
            "cupy" computes on an NVIDIA GPU.
            "module:function" calls a function that returns a back end.
        threads: The number of threads of the back end "numpy".
        values: The map that is to be processed, if it is an array.

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
    if name == "numpy" or (name == "auto" and not on_gpu(values)):
        return NumpyBackend(threads)
    from . import probe

    return probe.kernels()
