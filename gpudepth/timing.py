"""Measures how long the stages of one item take."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping

STAGES = ("fetch", "estimate", "read", "refine", "encode", "write", "hash", "put")
"""Names of stages.

    estimate    run a depth network
    read        decode and convert a map
    refine      change the values of a map
    encode      make codes, container data, and photos that have to be encoded
    write       write to the disk
    hash        hash inputs and outputs for the ledger
    fetch, put  read from and write to an object store
"""


class StageTimes:
    """Seconds by stage, measured on one thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._nested = 0.0      # seconds of stages inside the one that runs

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage, without the time of stages inside the block."""
        outer, self._nested, start = self._nested, 0.0, time.perf_counter()
        try:
            yield
        finally:
            whole = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + whole - self._nested
            self._nested = outer + whole

    def add(self, more: Mapping[str, float]) -> None:
        """Add seconds by stage."""
        for name, seconds in more.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def rounded(self) -> dict[str, float]:
        """Return the seconds to a tenth of a millisecond, as ledgers hold them, without stages that took less."""
        return {name: round(seconds, 4) for name, seconds in self.seconds.items() if seconds >= 5e-5}
