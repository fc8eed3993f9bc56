"""Every operation of a back end on a 12-megapixel map: its time, and what that is in copies of the same bytes.

    python -m benchmarks.stages

The stages and how they are timed are `gpudepth.compute.stages`; here they only become a table. One thread, whose own
time is counted; the least of the rounds that fit a second, or the one round of what takes longer.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.interface import Backend
from gpudepth.compute.stages import HOST, Device, Stage, Timing, measure, stages

MEGAPIXELS = 4032 * 3024 / 1e6
SECONDS = 1.0       # of each stage


@dataclass(frozen=True)
class Row:
    """A stage, without what holds its maps in memory, and its timing."""

    name: str
    pixels: int
    bytes: int
    timing: Timing


def rows(backend: Backend, device: Device = HOST, seconds: float = SECONDS) -> list[Row]:
    """Measure all of a back end's stages."""
    def row(stage: Stage) -> Row:
        return Row(stage.name, stage.pixels, stage.bytes, measure(stage, seconds, device))

    return [row(stage) for stage in stages(backend, MEGAPIXELS, device)]


def table(measured: list[Row], gpu: list[Row] | None = None) -> str:
    """The rows as a markdown table; `gpu` are the same stages on one."""
    lines = ["| stage, one thread, 4032×3024 or as named | B/px | ms | GB/s | copies | ns/px | GPU, ms |",
             "|---|--:|--:|--:|--:|--:|--:|"]
    for i, r in enumerate(measured):
        t, other = r.timing, "not measured" if gpu is None else f"{gpu[i].timing.ms:.3f}"
        lines.append(f"| {r.name} | {r.bytes / r.pixels:.2g} | {_three(t.ms)} | {_three(t.gb_per_s)} | "
                     f"{_three(t.copies)} | {_three(1e6 * t.ms / r.pixels)} | {other} |")
    return "\n".join(lines)


def _three(value: float) -> str:
    """Three digits, never as a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    print(table(rows(NumpyBackend())))
