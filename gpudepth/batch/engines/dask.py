"""Runs shards on Dask: one task each, on another worker when its own is killed.

DASK_SCHEDULER_ADDRESS names the cluster; without it, one is started on this machine, on loopback, and stopped
afterwards.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, LocalCluster, wait

from ...compute.threads import available_cores
from ...errors import GpudepthError
from . import POLL_SECONDS, RETRIES, Needs

if TYPE_CHECKING:
    from ..shards import ShardResult, ShardTask


class OnDask:
    """See `Engine`."""

    auto_workers = 1

    def map_shards(self, work: Callable[[ShardTask], ShardResult], shards: Sequence[ShardTask], needs: Needs,
                   on_poll: Callable[[], None]) -> Iterator[ShardResult]:
        with contextlib.ExitStack() as stack:
            client = _connect(stack)
            resources = {"GPU": needs.gpus} if needs.gpus else None
            pending = {client.submit(_as_parent, work, shard, retries=RETRIES, pure=False, resources=resources): shard
                       for shard in shards}
            while pending:
                ready = _ready(list(pending))
                on_poll()
                for future in ready:
                    shard = pending.pop(future)
                    error = future.exception()
                    yield shard.lost(f"{type(error).__name__}: {error}") if error is not None else future.result()


def _connect(stack: contextlib.ExitStack) -> Any:
    address = dask.config.get("scheduler-address", None)
    if address is None:
        address = stack.enter_context(LocalCluster(
            n_workers=available_cores(), threads_per_worker=1, memory_limit=0, dashboard_address=":0",
            silence_logs=logging.ERROR))
    try:
        return stack.enter_context(Client(address))
    except OSError as error:
        raise GpudepthError(f"no Dask scheduler answers at {address}: {type(error).__name__}",
                            hint="check DASK_SCHEDULER_ADDRESS; without it, a cluster is started here") from None


def _ready(futures: list[Any]) -> list[Any]:
    """Return the finished ones, after a short wait."""
    with contextlib.suppress(TimeoutError):
        return list(wait(futures, timeout=POLL_SECONDS, return_when="FIRST_COMPLETED").done)
    return []


def _as_parent(work: Callable[[ShardTask], ShardResult], shard: ShardTask) -> ShardResult:
    """Run a shard in a Dask worker that may start processes.

    Dask's workers are daemons, which multiprocessing does not allow to have children. Ours end with their pipe, so that
    none outlives its parent: the mark is removed while shards run, of which a worker with threads runs several.
    multiprocessing has no public option for that.
    """
    with _Mark.lock:
        _Mark.shards += 1
        if _Mark.shards == 1:
            _Mark.before = _marks().get("daemon")
            _marks()["daemon"] = False
    try:
        return work(shard)
    finally:
        with _Mark.lock:
            _Mark.shards -= 1
            if not _Mark.shards:
                _marks()["daemon"] = _Mark.before


def _marks() -> dict[str, Any]:
    marks: dict[str, Any] = multiprocessing.current_process()._config      # type: ignore[attr-defined]
    return marks


class _Mark:
    """The number of shards that this process runs now, and its mark before the first."""

    lock = threading.Lock()
    shards = 0
    before: bool | None = None
