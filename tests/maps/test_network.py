"""Networks: what onnxruntime gives is what the same network gives by hand; what is no depth network is refused."""

from __future__ import annotations

import contextlib
from pathlib import Path

import network_kit as kit
import numpy as np
import pytest

from gpudepth.errors import (
    BackendError,
    GpudepthError,
    LimitError,
    MalformedError,
    MissingInputError,
    UnsupportedError,
    UsageError,
)
from gpudepth.limits import Limits
from gpudepth.maps.network import MEAN, STD, Network, Session

RNG = np.random.default_rng(0)


def picture(width: int = 40, height: int = 24) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def session(path: Path, **options: object) -> Session:
    return Session(Network(path, **options), threads=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{}, {"channels_last": True}, {"rank": 3}, {"half": True}, {"size": (40, 24)},
                                     {"batch": 1}, {"batch": 3}, {"batch": 1, "rank": 2}, {"metric": True}])
def test_as_by_hand(tmp_path: Path, options: dict) -> None:
    ready = session(kit.write(tmp_path / "m.onnx", **options))
    pixels = [ready.picture_input.normalised(picture()) for _ in range(1 if options.get("rank") == 2 else 4)]
    wanted = [(kit.metric_by_hand if options.get("metric") else kit.by_hand)(p) for p in pixels]
    for out, hand in zip(ready.run(pixels), wanted, strict=True):
        assert out.dtype == np.float32
        assert out.shape == (24, 40)
        assert np.abs(out - hand).max() < (0.03 if options.get("half") else 1e-4)


def test_normalisation(tmp_path: Path) -> None:
    path, shown = kit.write(tmp_path / "m.onnx"), picture()
    assert np.allclose(session(path).picture_input.normalised(shown), (shown / 255 - np.array(MEAN)) / np.array(STD), atol=1e-6)
    own = session(path, mean=(0.5,) * 3, std=(0.5,) * 3, colors="bgr").picture_input.normalised(shown)
    assert np.allclose(own, (shown[..., ::-1] / 255 - 0.5) / 0.5, atol=1e-6)
    bytes_ = session(path, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)).picture_input.normalised(shown)
    assert np.allclose(bytes_, session(path).picture_input.normalised(shown), atol=1e-4)


@pytest.mark.parametrize("colors", ["rgb", "bgr"])
def test_networks_that_take_bytes_get_bytes(tmp_path: Path, colors: str) -> None:
    """They normalise themselves: the mean of 0…255 comes out, weighted so that the order of the channels shows."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Cast", ["picture"], ["f"], to=TensorProto.FLOAT), helper.make_node("Mul", ["f", "w"], ["m"]),
             helper.make_node("ReduceSum", ["m", "axes"], ["map"], keepdims=0)]
    weights = np.array([1, 2, 4], np.float32)
    held = [numpy_helper.from_array(weights[None, :, None, None], "w"), numpy_helper.from_array(np.array([1]), "axes")]
    graph = helper.make_graph(nodes, "depth", [helper.make_tensor_value_info("picture", TensorProto.UINT8, ["n", 3, "h", "w2"])],
                              [helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", "h", "w2"])], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "m.onnx")
    ready, shown = session(tmp_path / "m.onnx", colors=colors), picture()
    [out] = ready.run([ready.picture_input.normalised(shown)])
    order = shown if colors == "rgb" else shown[..., ::-1]
    assert np.array_equal(out, (order * weights).sum(-1))


def test_sizes(tmp_path: Path) -> None:
    free, fixed = kit.write(tmp_path / "free.onnx"), kit.write(tmp_path / "fixed.onnx", size=(64, 32))
    box = session(free).picture_input.letterbox((4032, 3024))
    assert (box.width, box.height) == (518, 392)
    box = session(free, size=(256, 256)).picture_input.letterbox((4032, 3024))
    assert (box.width, box.height, box.inner_height) == (256, 256, 192)
    box = session(fixed).picture_input.letterbox((100, 100))
    assert (box.width, box.height, box.x, box.inner_width) == (64, 32, 16, 32)
    with pytest.raises(UsageError, match="only takes"):
        session(fixed, size=(100, 100))
    with pytest.raises(UsageError, match="one has a fixed size"):
        session(fixed, fit="aspect")


def test_several_outputs(tmp_path: Path) -> None:
    path = kit.write(tmp_path / "m.onnx", extra=True)
    with pytest.raises(UnsupportedError, match=r"output mean is float32 \(\); a map is \(N, H, W\)"):
        session(path).run([np.zeros((24, 40, 3), np.float32)])
    assert session(path, output="map").run([np.zeros((24, 40, 3), np.float32)])[0].shape == (24, 40)
    with pytest.raises(UsageError, match="has no output") as error:
        session(path, output="depth")
    assert "mean, map" in str(error.value.hint)


def test_what_is_no_network(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "junk.onnx").write_bytes(b"\x08\x07 no model at all" * 20)
    good = kit.write(tmp_path / "good.onnx").read_bytes()
    (tmp_path / "short.onnx").write_bytes(good[: len(good) // 2])
    for name in ("empty", "junk", "short"):
        with pytest.raises(MalformedError, match=r"empty|cannot load"):
            session(tmp_path / f"{name}.onnx")
    with pytest.raises(MissingInputError):
        session(tmp_path / "none.onnx")
    with pytest.raises(GpudepthError, match=r"folder|regular"):
        session(tmp_path)
    with pytest.raises(LimitError):
        Session(Network(tmp_path / "good.onnx"), limits=Limits(max_file=100))
    value = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value("x", TensorProto.FLOAT, [1, 4])],
                              [value("y", TensorProto.FLOAT, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "vector.onnx")
    with pytest.raises(UnsupportedError, match="takes one picture"):
        session(tmp_path / "vector.onnx")


def test_bits_of_good_files(tmp_path: Path) -> None:
    """Damage ends in typed errors, or in a map."""
    good = kit.write(tmp_path / "m.onnx").read_bytes()
    for n in range(120):
        broken = bytearray(good)
        for _ in range(3):
            broken[RNG.integers(len(broken))] = RNG.integers(256)
        (tmp_path / f"{n}.onnx").write_bytes(broken)
        with contextlib.suppress(GpudepthError):
            session(tmp_path / f"{n}.onnx").run([np.zeros((24, 40, 3), np.float32)])


def test_devices(tmp_path: Path) -> None:
    path = kit.write(tmp_path / "m.onnx")
    assert session(path).session.get_providers() == session(path, device="cpu").session.get_providers() == ["CPUExecutionProvider"]
    with pytest.raises(BackendError, match="CUDA"):
        session(path, device="cuda")


@pytest.mark.parametrize("options", [{"fit": "tight"}, {"size": (0, 5)}, {"size": (9999, 5)}, {"std": (0, 1, 1)}, {"batch": 0}, {"multiple": 0}])
def test_bad_settings(options: dict) -> None:
    with pytest.raises(UsageError):
        Network(Path("m.onnx"), **options)


def test_digest(tmp_path: Path) -> None:
    path = kit.write(tmp_path / "m.onnx")
    first = Network(path).digest()
    assert Network(path, batch=8, device="cpu").digest() == first       # these change no map
    assert Network(path, mean=(0.5,) * 3).digest() != first
    kit.write(path, metric=True)
    assert Network(path).digest() != first


def test_weights_of_their_own_are_in_the_digest(tmp_path: Path) -> None:
    """Files of models beyond 2 GB hold the graph alone."""
    path = kit.write(tmp_path / "m.onnx")
    digests = [Network(path).digest()]
    for name in ("m.onnx_data", "m.onnx_data_1", "m.onnx.data"):
        for content in (b"0", b"1"):
            (tmp_path / name).write_bytes(content)
            digests.append(Network(path).digest())
    assert len(set(digests)) == 7
    (tmp_path / "other.onnx_data").write_bytes(b"2")
    assert Network(path).digest() == digests[-1]
