"""Decides once for a run whether its maps are computed on a GPU or by numpy.

Converting and quantising take milliseconds beside decoding and encoding, so those jobs run on the CPU and no process
imports CuPy. Refining takes seconds for large maps: numpy is measured at a small size, then one item of the run's size
makes a trip to the device, and the GPU is taken if the whole run gains more than it costs to start.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from ..attachment.photo import read_picture
from ..compute import Backend, backend, probe
from ..compute.cpu import NumpyBackend
from ..compute.stages import sampled, scene
from ..compute.threads import available_cores
from ..depth.pixel_format import L008, Quantity
from ..errors import GpudepthError
from ..formats.bytesource import Input
from ..maps.reader import read_map
from ..pairing.clips import Footage
from ..settings.job import Job
from ..settings.settings import Settings
from ..video.reader import read_video
from .devices.owners import Owners
from .devices.remote import RemoteBackend
from .plan import Plan
from .tars import Tar
from .work_item import ClipItem, PhotoItem, WorkItem
from .workers import WorkerContext, run_tasks

Size = tuple[int, int]

SAMPLES = 5             # items that are looked at until one can be read
LEAST_GAIN = 5.0        # seconds of numpy in a run, below which no GPU is started
MEASURED = (144, 192)   # rows and columns of the maps on which numpy is measured
FACTOR = 2              # of a guide's side to that of the map in this measurement


@dataclass(frozen=True)
class Choice:
    """Where a run computes.

    Attributes:
        name: The name of the back end.
        owners: The processes that own devices; None if each worker computes by numpy.
        line: What was decided and why, for people; empty if there was nothing to decide.
    """

    name: str
    owners: Owners | None = None
    line: str = ""


@dataclass(frozen=True)
class Sizes:
    """What an item has to compute.

    Attributes:
        map: Width and height of its maps.
        maps: Their number.
    """

    map: Size
    maps: int = 1


@dataclass(frozen=True)
class SizeProbe:
    """The task of a worker: to find the sizes of one item's maps."""

    item: WorkItem
    settings: Settings


def _owners(name: str, plan: Plan, *, required: bool = False) -> Owners:
    """Start owners of the devices, which load the network as well if there is one."""
    return Owners.start(name, plan.job.run.device_numbers, required=required, network=plan.settings.network,
                        threads=max(1, available_cores() // 2), limits=plan.settings.limits)


def named_backend(job: Job) -> str:
    """Return the back end that a job or GPUDEPTH_BACKEND names, or "auto"."""
    return os.environ.get(probe.VARIABLE) or "auto" if job.run.backend == "auto" else job.run.backend


def choose_named(plan: Plan) -> Choice | None:
    """Return the back end that a job or GPUDEPTH_BACKEND names, with the owners of its devices; None for auto.

    numpy needs no owner, except of a network that several workers share.

    Raises:
        BackendError: It cannot be used.
    """
    job = plan.job
    name = named_backend(job)
    if name == "numpy":
        return _on_numpy(plan)
    if name != "auto":
        required = job.run.backend != "auto" or name == "cupy"
        if name == "cupy":
            probe.check_early()
        if not hasattr(os, "memfd_create"):     # each worker has the back end itself
            return Choice(backend(name).name)
        return Choice(name, _owners(name, plan, required=required))
    return None


def _on_numpy(plan: Plan, line: str = "") -> Choice:
    shared = plan.settings.network is not None and plan.job.processes > 1 and hasattr(os, "memfd_create")
    return Choice("numpy", _owners("numpy", plan) if shared else None, line)


def choose(plan: Plan) -> Choice:
    """Decide for a run with the back end auto; start the owners of its devices if it is the GPU."""
    missing = probe.failed_early()
    operations = heavy_operations(plan.settings)
    if missing is not None:
        if operations and missing.name == "device":     # CuPy is installed, so a GPU was expected
            probe.fallback(f"{missing.name}: {missing.message}")
        return _on_numpy(plan)
    if not operations:
        return _on_numpy(plan, "numpy computes: converting takes less time than copying maps to a GPU")
    found = _sizes(plan)
    if found is None:
        return _on_numpy(plan, "numpy computes: the first photos cannot be read, so that their sizes are unknown")
    size, what = found.map, f"{' and '.join(operations)}, maps of {found.map[0]}×{found.map[1]}"
    count = found.maps * sum(len(item.items) if isinstance(item, Tar) else 1 for item in plan.items)
    numpy_seconds = _estimate(plan.settings, size)
    if numpy_seconds * count < LEAST_GAIN:
        return _on_numpy(plan, f"numpy computes: it needs about {numpy_seconds * count:.2g} s in the whole run "
                               f"({what}), less than a GPU takes to start")
    started, owners = time.monotonic(), None
    try:
        owners = _owners("cupy", plan)
        device_seconds = _trip(RemoteBackend(owners.links[0]), plan.settings, size)
    except GpudepthError as error:
        if owners is not None:
            owners.stop()
        probe.fallback(error.message)
        return _on_numpy(plan)
    start = time.monotonic() - started
    gain = (numpy_seconds - device_seconds) * count
    line = f"a map takes about {numpy_seconds:.2g} s on numpy and {device_seconds:.2g} s on the GPU ({what})"
    if gain < start:
        owners.stop()
        return _on_numpy(plan, f"numpy computes: {line}")
    return Choice("cupy", owners, f"{', '.join(link.device for link in owners.links)}: {line}")


def heavy_operations(settings: Settings) -> list[str]:
    """Return the operations of a recipe that numpy needs long for, in words."""
    found = []
    if settings.smooth is not None:
        found.append(f"{settings.smooth.method} smoothing")
    if settings.resize is not None and settings.resize.method == "guided":
        found.append("guided upsampling")
    if settings.fill == "inpaint":
        found.append("inpainting")
    elif settings.fill == "nearest":
        found.append("filling from the nearest pixel")
    if settings.temporal is not None:
        found.append("smoothing over time")
    return found


def probe_sizes(task: SizeProbe, _: WorkerContext) -> Sizes:
    """Return the sizes of an item. Raises what reading them raises."""
    item, limits = task.item, task.settings.limits
    if isinstance(item, ClipItem):
        video = read_video(item.video.path, limits=limits)
        size = video.width, video.height
        if item.depth is not None:
            with contextlib.suppress(GpudepthError):        # a kind that only the clip's own reader opens
                size = _footage_size(item.depth, task.settings)
        return Sizes(size, len(video.times))
    assert isinstance(item, PhotoItem)
    if task.settings.network is not None:
        return Sizes(read_picture(item.photo, limits).size(display=True))
    return Sizes(_map_size(item.depth, task.settings))


def _map_size(path: Input, settings: Settings) -> Size:
    source = read_map(path, limits=settings.limits, key=settings.key, rows=settings.rows)
    return source.codes.shape[1], source.codes.shape[0]


def _footage_size(depth: Footage, settings: Settings) -> Size:
    if depth.sequence:
        return _map_size(depth.path, settings)
    video = read_video(depth.path, limits=settings.limits)
    return video.width, video.height


def _sizes(plan: Plan) -> Sizes | None:
    """Return the sizes of the first item whose files can be read, of a few."""
    photos = [one for item in plan.items[:SAMPLES] for one in (item.items if isinstance(item, Tar) else (item,))]
    items = [item for item in photos[:SAMPLES] if isinstance(item, PhotoItem | ClipItem)]
    results = run_tasks(probe_sizes, [SizeProbe(item, plan.settings) for item in items], 1, 60)
    with contextlib.closing(results):  # type: ignore[type-var]
        for done in results:
            if done.error is None:
                sizes: Sizes = done.result
                return sizes
    return None


def _estimate(settings: Settings, map_size: Size) -> float:
    """Return the seconds that numpy needs for an item, from a measurement at a small size."""
    rows, columns = MEASURED
    small = replace(settings, resize=settings.resize and replace(
        settings.resize, width=FACTOR * columns, height=FACTOR * rows, long_side=0))
    run = _recipe(NumpyBackend(), small, (columns, rows))
    run()       # tables are made once per run
    start = time.thread_time()
    run()
    spent = time.thread_time() - start
    there = prod(_target(small, (columns, rows)))
    return spent * prod(_target(settings, map_size)) / there


def _trip(device: Backend, settings: Settings, map_size: Size) -> float:
    """Return the seconds that an item of this size takes on a device, copies included."""
    run = _recipe(device, settings, map_size)
    run()       # kernels are compiled once
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _target(settings: Settings, size: Size) -> Size:
    return size if settings.resize is None else settings.resize.target(*size)


def _recipe(engine: Backend, settings: Settings, size: Size) -> Callable[[], object]:
    """Return a function that refines a synthetic map of a size as the settings say, and returns its codes."""
    width, height = _target(settings, size)
    gray, picture = scene(max(height, size[1]), max(width, size[0]), np.random.default_rng(0))
    values = 1 / (np.float32(0.5) + sampled(gray, size[1], size[0]))
    if settings.fill is not None:
        values[::7, ::5] = np.nan
    guides = {shape: sampled(picture, shape[1], shape[0]) for shape in (size, (width, height))}

    def run() -> object:
        there: Any = engine.put(values)
        if settings.smooth is not None:
            there = engine.median(there, settings.smooth.size) if settings.smooth.method == "median" else (
                engine.bilateral(there, settings.smooth.size, engine.put(guides[size])))
        if settings.resize is not None:
            there = engine.upsample(there, engine.put(guides[width, height])) if (
                settings.resize.method == "guided") else engine.resize(there, width, height, settings.resize.method)
        if settings.fill == "inpaint":
            there = engine.inpaint(there, engine.put(guides[width, height]))[0]
        elif settings.fill is not None:
            there = engine.fill(there, settings.fill, Quantity.DISPARITY)[0]
        if settings.temporal is not None:
            picture = engine.put(guides[width, height])
            there = engine.blend(there, there, picture, picture, 0.3)
        return engine.host(engine.quantise(there, 0.1, 2.0, L008))

    return run
