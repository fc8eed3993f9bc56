"""Runs the shards of a run on this machine, on Ray or on Dask. A task is one shard, with the same code everywhere.

An engine provides machines, and starts a shard again whose worker was killed, which continues by its ledger. Engines
transfer neither pixels nor rows: all machines see the same folders.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...compute.threads import available_cores
from ...errors import Interrupted, UsageError
from ..shards import ShardResult, ShardTask

RETRIES = 3
POLL_SECONDS = 1.0

_ENGINES = {"ray": "OnRay", "dask": "OnDask"}
NAMES = ("local", *_ENGINES)


@dataclass(frozen=True)
class Needs:
    """The cores and GPUs that a shard needs."""

    cpus: int = 1
    gpus: int = 0


class Engine(Protocol):
    """Runs shards.

    Attributes:
        auto_workers: Number of processes of a shard where `run.workers` is auto.
    """

    auto_workers: int

    def map_shards(self, work: Callable[[ShardTask], ShardResult], shards: Sequence[ShardTask], needs: Needs,
                   on_poll: Callable[[], None]) -> Iterator[ShardResult]:
        """Yield one result for each shard as they end.

        Args:
            work: Runs a shard; it raises nothing. A shard whose worker was killed too often has a result with an error.
            shards: The shards.
            needs: What each needs.
            on_poll: Called now and then.
        """


class Local:
    """Runs shards one after the other on this machine."""

    def __init__(self) -> None:
        self.auto_workers = available_cores()

    def map_shards(self, work: Callable[[ShardTask], ShardResult], shards: Sequence[ShardTask], needs: Needs,
                   on_poll: Callable[[], None]) -> Iterator[ShardResult]:
        """See `Engine`."""
        for shard in shards:
            result = work(shard)
            if result.interrupted:      # the signal was meant for this process
                raise Interrupted(result.interrupted)
            yield result
            on_poll()


def engine(name: str) -> Engine:
    """Return an engine by name. Raises UsageError for an unknown name, or if its package is not installed."""
    if name == "local":
        return Local()
    if name not in _ENGINES:
        raise UsageError(f"unknown engine {name!r}", hint="use one of " + ", ".join(NAMES))
    try:
        made: Engine = getattr(importlib.import_module(f"{__name__}.{name}"), _ENGINES[name])()
    except ImportError as error:
        raise UsageError(f"the engine {name} is not installed: {error}",
                         hint=f"install it: pip install 'gpudepth[{name}]'") from None
    return made
