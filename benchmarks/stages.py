"""Measures each operation of a back end on a 12-megapixel map, in time and in copies of the same bytes.

    python -m benchmarks.stages

`gpudepth.compute.stages` defines the stages and their timing; this module makes a table of them. Times are the CPU
time of one thread, the least of the rounds that fit into a second, or a single longer round.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.interface import Backend
from gpudepth.compute.stages import HOST, Device, Stage, Timing, measure, stages

MEGAPIXELS = 4032 * 3024 / 1e6
SECONDS = 1.0       # for each stage


@dataclass(frozen=True)
class Row:
    """A stage without its maps, and its timing."""

    name: str
    pixels: int
    bytes: int
    timing: Timing


def rows(backend: Backend, device: Device = HOST, seconds: float = SECONDS) -> list[Row]:
    """Measure all stages of a back end."""
    def row(stage: Stage) -> Row:
        return Row(stage.name, stage.pixels, stage.bytes, measure(stage, seconds, device))

    return [row(stage) for stage in stages(backend, MEGAPIXELS, device)]


def table(measured: list[Row], gpu: list[Row] | None = None) -> str:
    """Return the rows as a Markdown table; `gpu` are the same stages on a GPU."""
    lines = ["| stage, one thread, 4032×3024 or as named | B/px | ms | GB/s | copies | ns/px | GPU, ms |",
             "|---|--:|--:|--:|--:|--:|--:|"]
    for i, r in enumerate(measured):
        t, other = r.timing, "not measured" if gpu is None else f"{gpu[i].timing.ms:.3f}"
        lines.append(f"| {r.name} | {r.bytes / r.pixels:.2g} | {_three(t.ms)} | {_three(t.gb_per_s)} | "
                     f"{_three(t.copies)} | {_three(1e6 * t.ms / r.pixels)} | {other} |")
    return "\n".join(lines)


def _three(value: float) -> str:
    """Return a number with three digits and without a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    print(table(rows(NumpyBackend())))
