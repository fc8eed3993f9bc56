"""gpudepth bench"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from ..errors import UsageError
from . import options as o
from .command import Option

if TYPE_CHECKING:
    from ..compute.interface import Backend
    from ..compute.kernels import KernelBackend
    from ..compute.stages import Device, Timing

Megapixels = Annotated[float, Option(help="Size of the maps, which are 4:3.")]
Seconds = Annotated[float, Option(help="Least time for each stage; each runs at least once.")]
Only = Annotated[str | None, Option(show_default=False, help="Measure only stages whose name contains this.")]
MOST = 200.0


def bench(megapixels: Megapixels = 12.2, seconds: Seconds = 0.2, only: Only = None, backend: o.Backend = "auto",
          as_json: o.Json = False) -> None:
    """Measure how long each operation takes on this machine: numpy on one thread, and a GPU if one can be used.

    "copies" is the time divided by that of copying the same number of bytes in the same memory; no stage can be much
    below 1. On a GPU, "there" measures maps that are on the GPU, and "trip" maps that are copied to the GPU and back,
    as for a photo on the disk. --backend numpy excludes the GPU; --backend cupy requires it.

    \b
    gpudepth bench
    gpudepth bench --megapixels 2 --only upsample
    """
    logging.getLogger("gpudepth").setLevel(logging.ERROR)   # the last line replaces the warning about the GPU
    if not 0.0001 <= megapixels <= MOST or not 0 <= seconds <= 600:
        raise UsageError(f"{megapixels:g} megapixels for {seconds:g} s cannot be measured",
                         hint=f"up to {MOST:g} megapixels, up to 600 s a stage")
    gpu = _gpu(backend)
    columns = _columns(gpu)
    timings = _measured(columns, megapixels, seconds, only or "")
    if not timings:
        raise UsageError(f"no stage has {only!r} in its name", hint="gpudepth bench lists all stages")
    if as_json:
        for stage, row in timings.items():
            print(json.dumps({"stage": stage} | {name: asdict(timing) for name, timing in row.items()}))
        return
    print(f"{megapixels:g} megapixels, one thread; least of the rounds in {seconds:g} s")
    print(f"{'stage':42}" + "".join(f"{name + ' ms':>18}{'copies':>8}" for name, _, _ in columns))
    for stage, row in timings.items():
        print(f"{stage:42}" + "".join(f"{row[name].ms:18.2f}{row[name].copies:8.1f}" for name, _, _ in columns))
    print("copies: of as many bytes in memory of the same place, between buffers that exceed the caches")
    if gpu is None:
        print("GPU: not measured; gpudepth doctor shows the reason")
    else:
        print("there: maps that are on the GPU, in turns of at least 500 MB; trip: maps that are copied there and back")


Column = tuple[str, "Backend", "Device"]


def _columns(gpu: KernelBackend | None) -> list[Column]:
    """Return the name, back end and memory of each column."""
    from ..compute.cpu import NumpyBackend
    from ..compute.stages import BEYOND_DEVICE_CACHES, HOST, Device

    columns: list[Column] = [("numpy", NumpyBackend(), HOST)]
    if gpu is not None:
        wait = gpu.device.synchronize
        there = Device(gpu.device.array, wait, time.perf_counter, BEYOND_DEVICE_CACHES)
        columns += [(f"{gpu.name}, there", gpu, there),
                    (f"{gpu.name}, trip", gpu, Device(lambda values: values, wait, time.perf_counter))]
    return columns


def _measured(columns: Iterable[Column], megapixels: float, seconds: float, only: str) -> dict[str, dict[str, Timing]]:
    """Return the timings of the stages whose name contains `only`, by stage and column."""
    from ..compute.stages import measure, stages

    progress = sys.stderr.isatty()
    timings: dict[str, dict[str, Timing]] = {}
    for name, engine, device in columns:
        for stage in stages(engine, megapixels, device):
            if only in stage.name:
                if progress:
                    print(f"\r{name}: {stage.name:50}", end="", file=sys.stderr, flush=True)
                timings.setdefault(stage.name, {})[name] = measure(stage, seconds, device)
    if progress:
        print(f"\r{'':78}\r", end="", file=sys.stderr)
    return timings


def _gpu(backend: str) -> KernelBackend | None:
    from ..compute import backend as make_backend
    from ..compute import probe
    from ..compute.kernels import KernelBackend

    chosen = make_backend(backend)
    if isinstance(chosen, KernelBackend):
        return chosen
    usable = backend == "auto" and not os.environ.get(probe.VARIABLE) and probe.failed() is None
    return probe.kernels() if usable else None
