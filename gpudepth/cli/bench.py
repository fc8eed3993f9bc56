"""gpudepth bench"""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from . import options as o

if TYPE_CHECKING:
    from ..compute.kernels import KernelBackend
    from ..compute.stages import Device, Timing

Megapixels = Annotated[float, typer.Option(help="Size of the maps, 4 to 3.")]
Seconds = Annotated[float, typer.Option(help="For each stage, at least; each runs once.")]
Only = Annotated[str | None, typer.Option(help="Stages whose name holds this.", show_default=False)]
MOST = 200.0


def bench(megapixels: Megapixels = 12.2, seconds: Seconds = 0.2, only: Only = None, backend: o.Backend = "auto",
          as_json: o.Json = False) -> None:
    """Measure what every operation takes on this machine: numpy on one thread, and a GPU where one can be used.

    "copies" is the time against copying as many bytes, on the same memory: no stage can be much below 1. On a GPU,
    "there" is with maps that lie on it already, "trip" with maps that are copied there and back: what a GPU is worth
    for a photo on the disk. --backend numpy leaves the GPU out, --backend cupy insists on it.

    \b
    gpudepth bench
    gpudepth bench --megapixels 2 --only upsample
    """
    from ..compute.cpu import NumpyBackend
    from ..compute.stages import HOST, measure, stages

    logging.getLogger("gpudepth").setLevel(logging.ERROR)   # the last line says it
    if not 0.0001 <= megapixels <= MOST or not 0 <= seconds <= 600:
        raise UsageError(f"{megapixels:g} megapixels for {seconds:g} s",
                         hint=f"up to {MOST:g} megapixels, up to 600 s a stage")
    numpy, gpu = NumpyBackend(), _gpu(backend)
    columns: list[tuple[str, Any, Device]] = [("numpy", numpy, HOST)]
    if gpu is not None:
        there, trip = _devices(gpu)
        columns += [(f"{gpu.name}, there", gpu, there), (f"{gpu.name}, trip", gpu, trip)]
    found: dict[str, dict[str, Timing]] = {}
    for name, engine, device in columns:
        for stage in stages(engine, megapixels, device):
            if only is not None and only not in stage.name:
                continue
            if sys.stderr.isatty():
                print(f"\r{name}: {stage.name:50}", end="", file=sys.stderr, flush=True)
            found.setdefault(stage.name, {})[name] = measure(stage, seconds, device)
    if sys.stderr.isatty():
        print(f"\r{'':78}\r", end="", file=sys.stderr)
    if not found:
        raise UsageError(f"no stage is called {only!r}", hint="gpudepth bench lists them all; a part of a name will do")
    names = [name for name, _, _ in columns]
    if as_json:
        for stage_name, timings in found.items():
            print(json.dumps({"stage": stage_name} | {n: asdict(t) for n, t in timings.items()}))
        return
    print(f"{megapixels:g} megapixels, one thread; least of the rounds in {seconds:g} s")
    print(f"{'stage':42}" + "".join(f"{n + ' ms':>18}{'copies':>8}" for n in names))
    for stage_name, timings in found.items():
        print(f"{stage_name:42}" + "".join(f"{timings[n].ms:18.2f}{timings[n].copies:8.1f}" for n in names))
    if gpu is None:
        print("GPU: not measured, gpudepth doctor says why")


def _gpu(backend: str) -> KernelBackend | None:
    from ..compute import backend as make_backend
    from ..compute import probe
    from ..compute.kernels import KernelBackend

    chosen = make_backend(backend)
    if isinstance(chosen, KernelBackend):
        return chosen
    return probe.kernels() if chosen.name == "auto" and probe.failed() is None else None


def _devices(gpu: KernelBackend) -> tuple[Device, Device]:
    """With maps that lie on it, and with maps that do not."""
    from ..compute.stages import Device

    def wait() -> None:
        gpu.device.mark(None).synchronize()

    return (Device(gpu.device.array, wait, time.perf_counter),
            Device(lambda values: values, wait, time.perf_counter))
