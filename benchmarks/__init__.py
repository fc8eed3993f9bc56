"""What the stages cost, beside what they could cost at best: `python -m benchmarks.conversion` and so on."""
