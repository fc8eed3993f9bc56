"""Runs shards on Ray: one core task each, which is retried up to three times when its worker is killed.

RAY_ADDRESS names the cluster ("auto" is the one that this machine belongs to); without it, one is started on this
machine, on loopback, and stopped afterwards. Ray Data is not used, because it retries a block without end if one of its
items kills the worker each time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")   # otherwise Ray reports usage to its makers

import ray
from ray.exceptions import RayError

from ...errors import GpudepthError, Interrupted
from . import POLL_SECONDS, RETRIES, Needs

if TYPE_CHECKING:
    from ..shards import ShardResult, ShardTask

STORE_BYTES = 100 << 20      # of Ray's object store; results are small


class OnRay:
    """See `Engine`."""

    auto_workers = 1

    def map_shards(self, work: Callable[[ShardTask], ShardResult], shards: Sequence[ShardTask], needs: Needs,
                   on_poll: Callable[[], None]) -> Iterator[ShardResult]:
        ours = not ray.is_initialized()
        with contextlib.ExitStack() as stack:
            signals = stack.enter_context(_Signals())
            if ours:
                stack.callback(ray.shutdown)
                _connect()
            signals.take()
            remote = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus, max_retries=RETRIES)(work)
            pending = {remote.remote(shard): shard for shard in shards}
            stack.callback(_cancel, pending)
            while pending:
                ready, _ = ray.wait(list(pending), timeout=POLL_SECONDS)
                signals.raise_if_received()
                on_poll()
                for reference in ready:
                    shard = pending.pop(reference)
                    try:
                        result: ShardResult = ray.get(reference)
                    except RayError as error:
                        result = shard.lost(f"{type(error).__name__}: {str(error).splitlines()[0]}")
                    yield result


def _connect() -> None:
    address = os.environ.get("RAY_ADDRESS")
    if address:
        try:
            ray.init(log_to_driver=False)
        except (OSError, RuntimeError) as error:    # ConnectionError, or what its compiled code raises instead
            raise GpudepthError(f"no Ray cluster answers at {address}: {type(error).__name__}",
                                hint="check RAY_ADDRESS; without it, a cluster is started here") from None
    else:
        ray.init(address="local", include_dashboard=False, object_store_memory=STORE_BYTES, log_to_driver=False,
                 logging_level=logging.ERROR)


def _cancel(pending: dict[Any, ShardTask]) -> None:
    for reference in pending:
        ray.cancel(reference)


class _Signals:
    """Records SIGINT and SIGTERM while Ray runs, in the main thread.

    Ray's compiled code does not survive an exception in a handler, and its own handler of SIGTERM ends the process with
    status 1. A second signal ends the process at once.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.before: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            self.before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
        self.take()
        return self

    def take(self) -> None:
        """Install the handler; again after Ray has installed its own."""
        for signum in self.before:
            signal.signal(signum, self._note)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.received.append(signum)
        for one in self.before:
            signal.signal(one, signal.SIG_DFL)

    def raise_if_received(self) -> None:
        """Raise Interrupted if a signal was received."""
        if self.received:
            raise Interrupted(self.received[0])

    def __exit__(self, *error: object) -> None:
        for signum, handler in self.before.items():
            signal.signal(signum, handler)
