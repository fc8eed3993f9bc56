"""Many photos or clips: plans, runs, workers, ledgers, shards, object stores and engines."""
