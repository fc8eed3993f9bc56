"""Ray: one core task a shard, begun again up to three times when its worker is killed.

RAY_ADDRESS names the cluster ("auto": the one this machine belongs to); without it one is made on this machine, on
loopback, and ended afterwards. Not Ray Data: a block of many items retries for ever what kills its worker each time.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")   # it would report to its makers

import ray
from ray.exceptions import RayError

from . import POLL_SECONDS, RETRIES, Needs

if TYPE_CHECKING:
    from ..sharded import ShardResult, ShardTask

STORE_BYTES = 100 << 20      # Ray's store of objects; results are small


class OnRay:
    auto_workers = 1

    def map_shards(self, work: Callable[[ShardTask], ShardResult], shards: Sequence[ShardTask], needs: Needs,
                   beat: Callable[[], None]) -> Iterator[ShardResult]:
        ours = not ray.is_initialized()
        if ours:
            _connect()
        try:
            remote = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus, max_retries=RETRIES)(work)
            pending = {remote.remote(shard): shard for shard in shards}
            try:
                while pending:
                    ready, _ = ray.wait(list(pending), timeout=POLL_SECONDS)
                    beat()
                    for reference in ready:
                        shard = pending.pop(reference)
                        try:
                            result: ShardResult = ray.get(reference)
                        except RayError as error:
                            result = shard.lost(f"{type(error).__name__}: {str(error).splitlines()[0]}")
                        yield result
            finally:
                for reference in pending:
                    ray.cancel(reference)
        finally:
            if ours:
                ray.shutdown()


def _connect() -> None:
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    else:
        ray.init(address="local", include_dashboard=False, object_store_memory=STORE_BYTES, log_to_driver=False,
                 logging_level=logging.ERROR)
