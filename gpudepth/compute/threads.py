"""Work on a map piece by piece: pieces that fit the cache, in bands for the threads.

numpy's ufuncs and `take` release the GIL, so threads help. The result of a piece never depends on its neighbours, so
the number of threads changes no bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path, PurePosixPath
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
    from concurrent.futures import ThreadPoolExecutor  # late: not every map has several pieces

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
    starts = range(0, length, step)
    if threads > 1 and len(starts) > 1:
        return parallel_map(lambda scratch, i: stage(scratch, *(a[i:i + step] for a in arrays)), starts, threads)
    scratch, results = Scratch(), []
    with np.errstate(all="ignore"):
        for i in starts:
            results.append(stage(scratch, *(a[i:i + step] for a in arrays)))
    return results


GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return the number of processors that this process may use; a part of one counts as one."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([seen, *map(int, quotas())]))


def quotas(groups: Path = GROUPS, own: Path = OWN) -> Iterator[float]:
    """Yield the processors that the control groups of this process, and those above them, allow.

    Version 2 stores the quota in `cpu.max`, version 1 in `cpu.cfs_quota_us` and `cpu.cfs_period_us` of the controller
    `cpu`. A group without a quota yields nothing.

    Source:
        "Control Group v2" and "CFS Bandwidth Control" in the documentation of the Linux kernel.
    """
    for line in _text(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for folder in _from_the_root(groups / "cpu" if controllers else groups, path):
            text = _text(folder / "cpu.max") if not controllers else " ".join(
                _text(folder / name) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
            with suppress(ValueError, ZeroDivisionError):       # "max", or no such file
                quota, period = map(int, text.split())
                if quota > 0:
                    yield quota / period


def _from_the_root(root: Path, path: str) -> Iterator[Path]:
    """Yield the folders of a group and of those above it; in a container the root may stand for the group itself."""
    yield root
    folder = root
    for part in PurePosixPath(path).parts[1:]:
        folder /= part
        yield folder


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
