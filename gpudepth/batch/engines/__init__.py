"""Engines: where the shards of a run are done. A task is one shard, and every engine does it with the same code.

What an engine adds is machines, and that a shard whose worker was killed is begun again; nothing is lost by it, for
the shard's ledger knows what was done. Engines share no pixels and no rows: all machines see the same folders.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...errors import UsageError
from ..shards import ShardResult, ShardTask

RETRIES = 3
POLL_SECONDS = 1.0

_ENGINES = {"local": "Local", "ray": "OnRay", "dask": "OnDask"}
NAMES = tuple(_ENGINES)


@dataclass(frozen=True)
class Needs:
    """What a shard takes: cores, and devices."""

    cpus: int = 1
    gpus: int = 0


class Engine(Protocol):
    """One method does it all. auto_workers: processes of a shard where `run.workers` is auto."""

    auto_workers: int

    def map_shards(self, work: Callable[[ShardTask], ShardResult], shards: Sequence[ShardTask], needs: Needs,
                   beat: Callable[[], None]) -> Iterator[ShardResult]:
        """Results as they come, one for each shard. `work` raises nothing; a shard whose worker died too often, or
        could not be begun, is a result with an error. beat: called now and then while nothing comes."""


def engine(name: str) -> Engine:
    """Raises UsageError for an unknown one, and where its package is missing."""
    if name not in _ENGINES:
        raise UsageError(f"unknown engine {name!r}", hint="one of " + ", ".join(NAMES))
    try:
        made: Engine = getattr(importlib.import_module(f"{__name__}.{name}"), _ENGINES[name])()
    except ImportError as error:
        raise UsageError(f"the engine {name} is not installed: {error}",
                         hint=f"pip install 'gpudepth[{name}]'") from None
    return made
