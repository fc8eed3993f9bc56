"""Maps as programs hold them: DLPack, Pillow, dictionaries of pipelines, tensors that want gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from gpudepth.errors import UsageError
from gpudepth.maps.tensors import as_map, is_map

VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)


class Shared:
    """Hands its memory out by DLPack and by nothing else, as arrays of other libraries do."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __array__(self, *args: Any) -> Any:
        raise AssertionError("a copy was made")


class Tensor(Shared):
    """Behaves as torch's: one that wants a gradient, or is bfloat16, hands nothing out."""

    def __init__(self, values: np.ndarray, *, gradient: bool = False, kind: str = "torch.float32") -> None:
        super().__init__(values)
        self.gradient, self.dtype = gradient, kind

    def __dlpack__(self, **options: Any) -> Any:
        if self.gradient:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        if self.dtype == "torch.bfloat16":
            raise BufferError("bfloat16 has no place in numpy")
        return self.values.__dlpack__()

    def detach(self) -> Tensor:
        return Tensor(self.values, kind=self.dtype)

    def float(self) -> Tensor:
        return Tensor(self.values)


@pytest.mark.parametrize("values", [
    VALUES, VALUES[None], VALUES[None, None], VALUES[..., None], VALUES[None, :, :, None], np.asfortranarray(VALUES), VALUES[::-1][::-1],
    Shared(VALUES), Shared(VALUES[None]), Tensor(VALUES, gradient=True), Tensor(VALUES, kind="torch.bfloat16"),
    Tensor(VALUES[None], gradient=True, kind="torch.bfloat16"), Image.fromarray(VALUES),
    {"predicted_depth": Tensor(VALUES[None]), "depth": Image.new("L", (4, 3))}, {"depth": VALUES}])
def test_floats(values: Any) -> None:
    assert is_map(values)
    out = as_map(values)
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert np.array_equal(out, VALUES)


def test_shared_memory_is_not_copied() -> None:
    out = as_map(Shared(VALUES))
    assert np.shares_memory(out, VALUES)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float64])
def test_kinds(dtype: Any) -> None:
    assert as_map(VALUES.astype(dtype)).dtype == dtype
    if dtype in (np.uint8, np.uint16):
        assert as_map(Image.fromarray(VALUES.astype(dtype))).dtype == dtype


def test_maps_of_one_row() -> None:
    assert as_map(np.zeros((1, 7))).shape == (1, 7)
    assert as_map(np.zeros((1, 1, 7))).shape == (1, 7)
    assert as_map(np.zeros((7, 1))).shape == (7, 1)


@pytest.mark.parametrize(("values", "said"), [
    (np.zeros((2, 3, 4)), "(2, 3, 4)"), (np.zeros((3, 4, 3)), "(3, 4, 3)"), (np.zeros(5), "(5,)"), (np.zeros((0, 4)), "(0, 4)"),
    (np.zeros((3, 4), "U3"), "<U3"), (np.zeros((3, 4), complex), "complex"), ({"image": VALUES}, "holds image"), ({}, "nothing"),
    (Image.new("RGB", (4, 3)), "mode RGB"), (np.array([["a"]]), "U1")])
def test_what_is_no_map(values: Any, said: str) -> None:
    with pytest.raises(UsageError) as error:
        as_map(values)
    assert said in str(error.value)


class OnGpu:
    """In a GPU's memory, as DLPack says it: 2 is kDLCUDA. Nothing is copied to look at its shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **options: Any) -> Any:
        raise AssertionError("it was copied to the host")

    def __getitem__(self, key: Any) -> OnGpu:
        return OnGpu(self.shape[1:] if key == 0 else self.shape[:-1])


@pytest.mark.parametrize("shape", [(3, 4), (1, 3, 4), (1, 1, 3, 4), (1, 3, 4, 1)])
def test_what_lies_on_a_gpu_stays_there(shape: tuple[int, ...]) -> None:
    out = as_map(OnGpu(shape))
    assert isinstance(out, OnGpu)
    assert out.shape == (3, 4)


def test_paths_are_no_maps() -> None:
    from pathlib import Path

    assert not any(map(is_map, ("x.png", Path("x.png"), None, 5)))


def test_what_is_masked_has_no_value() -> None:
    """As rasterio and netCDF4 hand maps out: a number lies there all the same."""
    mask = VALUES == 5
    found = as_map(np.ma.masked_array(VALUES, mask))
    assert type(found) is np.ndarray
    assert np.isnan(found[mask]).all() and np.array_equal(found[~mask], VALUES[~mask])
    codes = VALUES.astype(np.uint16)
    assert np.array_equal(as_map(np.ma.masked_array(codes)), codes)
    with pytest.raises(UsageError, match="masked map holds uint16"):
        as_map(np.ma.masked_array(codes, mask))
