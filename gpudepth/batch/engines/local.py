"""The local engine: shards one after the other, each with this machine's workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ...compute.threads import available_cores
from ...errors import Interrupted
from . import Needs

if TYPE_CHECKING:
    from ..shards import ShardResult, ShardTask


class Local:
    def __init__(self) -> None:
        self.auto_workers = available_cores()

    def map_shards(self, work: Callable[[ShardTask], ShardResult], shards: Sequence[ShardTask], needs: Needs,
                   beat: Callable[[], None]) -> Iterator[ShardResult]:
        for shard in shards:
            result = work(shard)
            if result.interrupted:      # it was this process that was to end
                raise Interrupted(result.interrupted)
            yield result
            beat()
