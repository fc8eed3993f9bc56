"""Measures stages against the least time they could take: `python -m benchmarks.conversion` and so on."""
