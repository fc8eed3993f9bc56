"""Keeps the ledger of a run whose outputs are in an object store: a local file that is written to the store in parts.

Objects cannot be appended to. Every few hundred rows, and at the end, new rows become a part of their own,
`gpudepth-ledger/<shard>-<run>-<number>.jsonl`; a killed run repeats at most the rows after its last part. Parts of all
runs are read at the start, except those of other shards of the same division. There are no locks.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass

from ..errors import GpudepthError, MissingInputError
from ..pairing.stores import list_objects, put_bytes, read_all
from .ledger import Ledger, Row
from .shards import Shard
from .work_item import in_shard

_NAME = re.compile(r"(all|(\d+)-of-(\d+))-(\d{8}T\d{6}-[0-9a-f]{8})-(\d+)\.jsonl")


@dataclass
class PartLedger(Ledger):
    """A ledger that is written to an object store in parts.

    Attributes:
        path: The local file.
        folder: URL of the folder of parts.
        shard: The shard.
        every: Rows per part.
    """


    folder: str = ""
    shard: Shard | None = None
    every: int = 500
    _run: str = ""
    _number: int = 0
    _rows: int = 0
    _sent: int = 0

    def _load(self) -> None:
        self._run = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
        self.rows.update(read_parts(self.folder, self.shard))

    def add(self, row: Row) -> None:
        """See `Ledger`."""
        super().add(row)
        self._rows += 1
        if self._rows >= self.every:
            self.flush()

    def flush(self) -> None:
        """Write new rows as a part. Raises OutputError, AccessError."""
        data = os.pread(self._handle, self.size - self._sent, self._sent)
        if data:
            shard = "all" if self.shard is None else f"{self.shard[0]}-of-{self.shard[1]}"
            put_bytes(f"{self.folder}/{shard}-{self._run}-{self._number:06}.jsonl", data)
            self._number, self._rows, self._sent = self._number + 1, 0, self._sent + len(data)

    def __exit__(self, *error: object) -> None:
        try:
            if self._handle >= 0 and self._run:
                # the error that ended the run is raised, not a failure of the store that follows it
                with suppress(GpudepthError) if any(error) else nullcontext():
                    self.flush()
        finally:
            super().__exit__(*error)


def read_parts(folder: str, shard: Shard | None = None) -> dict[str, Row]:
    """Return the last row of each key from all parts that may hold rows of the shard."""
    found = []
    with suppress(MissingInputError):
        for part in list_objects(folder):
            name = _NAME.fullmatch(part.name)
            if name is None or (shard and name[2] and int(name[3]) == shard[1] and int(name[2]) != shard[0]):
                continue
            found.append((name[4], int(name[5]), part))
    rows: dict[str, Row] = {}
    for data in read_all([part for _, _, part in sorted(found, key=lambda one: one[:2])]):
        for line in data.splitlines():
            with suppress(ValueError, TypeError, AttributeError, RecursionError):     # not a row
                row = Row.from_json(line.decode())
                if in_shard(row.key, shard):
                    rows[row.key] = row
    return rows


def shards_of(folder: str) -> list[str]:
    """Return the shards that have parts; `all` stands for whole runs."""
    names = {match[1] for part in list_objects(folder) if (match := _NAME.fullmatch(part.name))}
    return sorted(name.replace("-of-", "/") for name in names)
