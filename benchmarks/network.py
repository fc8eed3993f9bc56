"""Measures photos a second with a depth network: one process that does everything, and two readers with one session.

    python -m benchmarks.network

The network has one thread in both, and about as many convolutions as take as long as decoding a photo. The session of
the two readers runs in the process that owns it. Rounds alternate; the rates are those of all photos but the first two
of each worker, which load modules and the network.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from gpudepth.attachment.estimate import Estimator
from gpudepth.attachment.photo import file_guide
from gpudepth.batch.devices.owners import Owners
from gpudepth.batch.work_item import ItemWorker, PhotoItem, Task
from gpudepth.batch.workers import WorkerContext, run_tasks
from gpudepth.depth.encoding import Relative
from gpudepth.limits import DEFAULT
from gpudepth.maps.network import Network, Session
from gpudepth.settings.settings import Settings

from .measure import Row, table

PHOTOS, ROUNDS, SIDE = 40, 3, 256


def network(path: Path, layers: int) -> Path:
    """Write a network of `layers` convolutions of 16 channels at 256×256."""
    rng = np.random.default_rng(0)
    weights = [numpy_helper.from_array((rng.standard_normal((16, 3 if n == 0 else 16, 3, 3)) / 12).astype(np.float32),
                                       f"w{n}") for n in range(layers)]
    weights.append(numpy_helper.from_array(np.full((1, 16, 1, 1), 0.1, np.float32), "last"))
    names = ["picture", *(f"c{n}" for n in range(layers))]
    nodes = [helper.make_node("Conv", [names[n], f"w{n}"], [names[n + 1]], pads=[1, 1, 1, 1]) for n in range(layers)]
    nodes.append(helper.make_node("Conv", [names[-1], "last"], ["map"]))
    graph = helper.make_graph(
        nodes, "depth", [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 1, SIDE, SIDE])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def seconds_of(photo: Path, model: Path) -> tuple[float, float]:
    """Return the processor seconds of decoding a photo and of running the network on it."""
    session = Session(Network(model), threads=1)
    picture = session.picture_input.normalised(file_guide(photo, "display", DEFAULT).at(SIDE, SIDE))
    out = []
    for work in (lambda: file_guide(photo, "display", DEFAULT).at(SIDE, SIDE), lambda: session.run([picture])):
        times = []
        for _ in range(5):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        out.append(min(times))
    return out[0], out[1]


def tasks(base: Path, settings: Settings) -> Iterator[Task]:
    for n in range(PHOTOS):
        photo = base / f"{n}.jpg"
        item = PhotoItem(photo.name, photo, photo, base / "out" / photo.name, photo.name)
        yield Task(item, settings, "numpy", "bench")


def alone(base: Path, settings: Settings) -> float:
    """Return photos a second of one process that decodes, runs the network, encodes and writes."""
    work = ItemWorker()
    work.estimator = Estimator(Session(settings.network, threads=1))    # type: ignore[arg-type]
    ends = []
    for task in tasks(base, settings):
        work(task, WorkerContext())
        ends.append(time.perf_counter())
    return (len(ends) - 3) / (ends[-1] - ends[2])


def readers(base: Path, settings: Settings) -> float:
    """Return photos a second of two readers and one session."""
    owners = Owners.start("numpy", network=settings.network, threads=1)
    try:
        ends = []
        for done in run_tasks(ItemWorker(owners.links), tasks(base, settings), 2):
            assert done.error is None, done.error
            ends.append(time.perf_counter())
    finally:
        owners.stop()
    return (len(ends) - 5) / (ends[-1] - ends[4])


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="gpudepth-bench-") as name:
        base = Path(name)
        rng = np.random.default_rng(0)
        picture = Image.fromarray(rng.integers(0, 256, (300, 400, 3), np.uint8)).resize((4000, 3000))
        picture.save(base / "0.jpg", quality=92)
        for n in range(1, PHOTOS):
            (base / f"{n}.jpg").write_bytes((base / "0.jpg").read_bytes())
        decode, one = seconds_of(base / "0.jpg", network(base / "one.onnx", 4))
        layers = max(1, round(4 * decode / one))
        model = network(base / "model.onnx", layers)
        decode, run = seconds_of(base / "0.jpg", model)
        settings = Settings(encoding=Relative(0.5, 10), network=Network(model), pixel_format="hdis")
        rates = [(alone(base, settings), readers(base, settings)) for _ in range(ROUNDS)]
    first, second = (statistics.median(r) for r in zip(*rates, strict=True))
    ratio = statistics.median(b / a for a, b in rates)
    return [Row("decode a photo of 12 MP", decode * 1000, "ms CPU", "", True),
            Row("run the network on it", run * 1000, "ms CPU", "", True),
            Row("one process that does everything", first, "photos/s", "", True),
            Row("two readers and one session", second, "photos/s", "", True),
            Row("… against one process", ratio, "×", "≥ 1.6", ratio >= 1.6)]


def main() -> None:
    print(table(rows()))


if __name__ == "__main__":
    main()
