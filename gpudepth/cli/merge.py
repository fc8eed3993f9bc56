"""gpudepth merge"""

from __future__ import annotations

import json
import sys

from ..errors import PartialRunError
from . import options as o
from .output import print_message

SHOWN = 20


def merge(job: o.JobFile, settings: o.Set = None, plan: o.PlanFile = None, as_json: o.Json = False) -> None:
    """Merge the ledgers of a job's shards into one, and show which items are done, failed and missing.

    The command fails while a shard runs. Exit code 3: some items are not done; --json lists all of them.

    \b
    gpudepth merge job.yaml
    gpudepth merge job.yaml --plan plan.jsonl
    """
    from ..batch.merge import merge as merge_ledgers

    merged = merge_ledgers(job, settings=settings, plan_file=plan)
    if as_json:
        print(json.dumps(merged.to_dict()))
    else:
        for left in merged.left[:SHOWN]:
            print_message(f"{left.state}: {left.key}" + (f": {left.message}" if left.message else ""))
        if len(merged.left) > SHOWN:
            print(f"and {len(merged.left) - SHOWN} more; --json lists all of them", file=sys.stderr)
        print(merged.to_dict()["ledger"])
    print(merged.describe(), file=sys.stderr)
    if merged.left:
        raise PartialRunError(f"{len(merged.left)} of {merged.done + len(merged.left)} items are not done", where=job,
                              hint="run their shards again to process only these items")
