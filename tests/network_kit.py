"""Small depth networks as ONNX files, and the same evaluated by hand with numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

KERNEL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 16
CHANNELS = np.array([0.7, -0.4, 0.2], np.float32)
SCALE, SHIFT = np.float32(3), np.float32(5)


def weights() -> np.ndarray:
    return CHANNELS[None, :, None, None] * KERNEL[None, None]


def by_hand(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) normalised → (H, W): a 3×3 binomial over weighted channels, zeros beyond the border, scaled, shifted."""
    gray = (pixels.astype(np.float64) * CHANNELS).sum(-1)
    padded = np.pad(gray, 1)
    height, width = gray.shape
    out = sum(KERNEL[i, j] * padded[i : i + height, j : j + width] for i in range(3) for j in range(3))
    return out * SCALE + SHIFT


def write(path: Path, *, size: tuple[int, int] | None = None, batch: int | str = "n", half: bool = False,
          channels_last: bool = False, rank: int = 4, extra: bool = False, metric: bool = False) -> Path:
    """size: (width, height), any without. metric: its values are positive metres, 1 + 4 · sigmoid. extra: a first output
    that is no map."""
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    width, height = size or ("w", "h")
    dtype = np.float16 if half else np.float32
    nodes: list[Any] = []
    shape = [batch, height, width, 3] if channels_last else [batch, 3, height, width]
    start = "picture"
    if channels_last:
        nodes.append(helper.make_node("Transpose", [start], ["planes"], perm=[0, 3, 1, 2]))
        start = "planes"
    nodes += [helper.make_node("Conv", [start, "w"], ["c"], pads=[1, 1, 1, 1]),
              helper.make_node("Mul", ["c", "scale"], ["m"]), helper.make_node("Add", ["m", "shift"], ["map" if not metric and rank == 4 else "a"])]
    last = "a"
    if metric:
        nodes += [helper.make_node("Sigmoid", ["a"], ["s"]), helper.make_node("Mul", ["s", "four"], ["f"]),
                  helper.make_node("Add", ["f", "one"], ["map" if rank == 4 else "g"])]
        last = "g"
    if rank < 4:
        nodes.append(helper.make_node("Squeeze", [last, "axes"], ["map"]))
    axes = [1] if rank == 3 else [0, 1]
    constants = {"w": weights().astype(dtype), "scale": np.array(SCALE, dtype), "shift": np.array(SHIFT, dtype),
                 "four": np.array(4, dtype), "one": np.array(1, dtype), "axes": np.array(axes, np.int64)}
    outputs = [helper.make_tensor_value_info("map", kind, [None] * rank)]
    if extra:
        nodes.append(helper.make_node("ReduceMean", [start], ["mean"], keepdims=0))
        outputs.insert(0, helper.make_tensor_value_info("mean", kind, []))
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(nodes, "depth", [helper.make_tensor_value_info("picture", kind, shape)], outputs,
                              [numpy_helper.from_array(v, k) for k, v in constants.items() if k in used])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def metric_by_hand(pixels: np.ndarray) -> np.ndarray:
    return 1 + 4 / (1 + np.exp(-by_hand(pixels)))
