"""Work on a map piece by piece: pieces that fit the cache, in bands for the threads.

numpy's ufuncs and `take` release the GIL, so threads help. The result of a piece never depends on its neighbours, so
the number of threads changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

T = TypeVar("T")
J = TypeVar("J")

CHUNK = 1 << 15
"""Elements of a piece: large enough to hide numpy's microseconds per call, small enough for a core's cache."""


class Scratch:
    """The scratch buffers of one worker, kept from piece to piece so that they stay in the cache."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, np.dtype[Any]], NDArray[Any]] = {}

    def like(self, piece: NDArray[Any], dtype: DTypeLike, name: str) -> NDArray[Any]:
        """Return the uninitialised, contiguous buffer called `name` in the shape of `piece`."""
        key = (name, np.dtype(dtype))
        held = self._held.get(key)
        if held is None or held.size < piece.size:
            held = self._held[key] = np.empty(piece.size, dtype)
        return held[:piece.size].reshape(piece.shape)


def parallel_map(work: Callable[[Scratch, J], T], jobs: Sequence[J], threads: int) -> list[T]:
    """Return [work(scratch, job) for each job], computed by `threads` threads; the results keep the order of the jobs.

    Floating point warnings are off inside, because overflow and NaN are valid results.
    """
    def band(part: Sequence[J]) -> list[T]:
        scratch = Scratch()
        with np.errstate(all="ignore"):
            return [work(scratch, job) for job in part]

    workers = min(threads, len(jobs))
    if workers <= 1:
        return band(jobs)
    cuts = [len(jobs) * i // workers for i in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        done = pool.map(band, [jobs[a:b] for a, b in pairwise(cuts)])
        return [result for part in done for result in part]


def map_chunks(stage: Callable[..., T], *arrays: NDArray[Any], threads: int = 1, chunk: int = CHUNK) -> list[T]:
    """Run stage(scratch, *pieces) over arrays of one shape that are cut alike; return the results in order.

    Pieces are 1-D runs of `chunk` elements if every array is contiguous, else blocks of whole rows.
    """
    if not arrays[0].size:
        return []
    if all(a.flags.c_contiguous for a in arrays):
        arrays = tuple(a.reshape(-1) for a in arrays)
    length = len(arrays[0])
    step = max(1, chunk // (arrays[0].size // length))
    return parallel_map(lambda scratch, i: stage(scratch, *(a[i:i + step] for a in arrays)), range(0, length, step),
                        threads)
