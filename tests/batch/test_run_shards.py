from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth.batch.shards import check, shard_ledgers, shard_name, shard_path
from gpudepth.errors import UsageError


def test_ledgers_beside_the_whole_run_s(tmp_path: Path) -> None:
    whole = tmp_path / "out" / "ledger.jsonl"
    assert shard_ledgers(whole) == {}
    whole.parent.mkdir()
    names = {(i, n): shard_path(whole, (i, n)) for i, n in [(10, 12), (2, 12), (0, 4)]}
    for path in (*names.values(), whole, *(whole.with_name(n) for n in ("ledger.4-of-4.jsonl", "ledger.1-of-4.txt",
                                                                        "xledger.0-of-4.jsonl"))):
        path.touch()
    assert list(shard_ledgers(whole).items()) == [(shard, names[shard]) for shard in [(0, 4), (2, 12), (10, 12)]]
    assert names[2, 12].name == "ledger.2-of-12.jsonl"


@pytest.mark.parametrize("shard", [(-1, 4), (4, 4), (0, 0)])
def test_shards_count_from_0(shard: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=f"shard {shard_name(shard)}: shards are numbered from 0"):
        check(shard)
