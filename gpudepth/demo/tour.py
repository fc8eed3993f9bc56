"""Runs the demo: renders photos, attaches maps, reads them back, and compares them with the exact depth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import api, resources
from ..depth.data import DepthData
from ..errors import NoDepthError, OutputError, PartialRunError
from .scene import Sample, write_set

CHECKOUT_FOLDER = "../demo-out/"  # the folder of the photos in configs/demo.yaml, for a run in a checkout


def tour(folder: Path) -> Iterator[str]:
    """Run the demo and yield lines to print. Raises PartialRunError if an item failed."""
    yield f"rendering 12 photos with exact depth into {folder}"
    samples = write_set(folder)
    job = folder / "demo.yaml"
    try:
        job.write_text(resources.text("configs", "demo.yaml").replace(CHECKOUT_FOLDER, ""), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the job cannot be written: {error.strerror}", where=job) from None
    summary = api.run(job)
    failed = [row for row in summary.rows if row.status != "ok"]
    for sample in samples:
        if not any(row.key.endswith(sample.photo.name) for row in failed):
            yield compare(sample, folder / "heic" / f"{sample.stem}.heic")
    if failed:
        raise PartialRunError("; ".join(f"{row.key}: {row.message}" for row in failed), where=job)
    yield f"{summary.describe()}; look at {folder / 'heic'}, or try:"
    yield f"  gpudepth inspect {folder / 'heic' / 'demo_01.heic'}"
    yield f"  gpudepth run {job} --set map.pixel_format=hdep --set output.path=hdep/{{stem}}.heic"


def compare(sample: Sample, result: Path) -> str:
    """Return a line such as `demo_01.jpg stored as Exif 6 + demo_01.png -> demo_01.heic: 1.31 to 10.9 m; …`."""
    data = api.read(result)
    if data is None or data.storage is None:
        raise NoDepthError("the written file holds no depth", where=result)
    truth = np.load(sample.truth)
    error = data.depth() - truth
    near, far = float(truth.min()), float(truth.max())
    return (f"{sample.photo.name} stored as Exif {sample.orientation} + {sample.depth.name} -> "
            f"{result.name}: {near:.2f} to {far:.2f} m; read back upright {data.width}×{data.height}, "
            f"off by {_rms(error):.3f} m rms, {steps(data, truth):.2f} stored steps at most")


def steps(data: DepthData, truth: NDArray[np.float32]) -> float:
    """Return the largest difference in stored steps; rounding to integers costs half a step."""
    if data.storage is None or not data.storage.hi > data.storage.lo:
        return 0.0
    exact = 1 / truth if data.quantity == "disparity" else truth
    step = (data.storage.hi - data.storage.lo) / (data.storage.format.max_code or 1)
    return float(np.abs(data.values(data.quantity) - exact).max() / step)


def _rms(error: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(error, dtype=np.float64))))
