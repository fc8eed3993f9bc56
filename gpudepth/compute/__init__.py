"""Bulk arithmetic on maps: one interface, and back ends that agree bit for bit.

`backend()` gives the one to use. What the numbers mean is `gpudepth.depth.numeric`; this room only makes them fast.
"""

from __future__ import annotations

from ..errors import BackendError, UsageError
from .interface import Backend, Filled, Span

__all__ = ["Backend", "Filled", "Span", "backend"]


def backend(name: str = "auto", *, threads: int = 1) -> Backend:
    """The back end called `name`: "auto" or "numpy".

    threads   threads that share one map; every number gives the same bits.

    Raises BackendError for "cupy", UsageError for any other name or for threads < 1.
    """
    if name in ("auto", "numpy"):
        from .cpu import NumpyBackend

        return NumpyBackend(threads)
    if name == "cupy":
        raise BackendError("the back end 'cupy' is not part of this version, which computes with numpy",
                           hint="use auto or numpy; the results are the same")
    raise UsageError(f"unknown back end {name!r}", hint="one of auto, numpy")
