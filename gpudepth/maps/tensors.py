"""Takes maps as programs hold them: arrays of any library, Pillow images, results of a transformers pipeline.

Arrays are taken by DLPack (https://dmlc.github.io/dlpack), without a copy if they are in host memory; arrays on a GPU
stay there. A batch of one is one map.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compute.interface import on_gpu
from ..errors import UsageError, listing

KEYS = ("predicted_depth", "depth")
"""Keys of the result of transformers' depth-estimation pipeline: the values, then the picture made from them."""
_CODES = {"L": np.uint8, "I;16": np.uint16, "F": np.float32}


def as_map(values: Any) -> Any:
    """Return a map as an array.

    Args:
        values: An array of numpy, torch, CuPy, JAX, TensorFlow…, (H, W), (1, H, W), (1, 1, H, W) or (1, H, W, 1); a
            Pillow image of mode "L", "I;16" or "F"; or a mapping that holds one of these as predicted_depth or depth.

    Returns:
        (H, W): a numpy array of uint8 or uint16 codes or floats, or an array on a GPU as it is. bfloat16 becomes
        float32, and masked values become NaN.

    Raises:
        UsageError: The value is not a map.
    """
    if isinstance(values, Mapping):
        key = next((k for k in KEYS if k in values), None)
        if key is None:
            raise UsageError(f"the mapping holds {listing(map(str, values), len(values))}; a map must be called "
                             + " or ".join(KEYS))
        values = values[key]
    if hasattr(values, "getbands"):
        return _picture(values)
    if on_gpu(values):
        return _alone(values)
    return _two(_host(values))


def is_map(values: object) -> bool:
    """Return whether this is a value for `as_map` rather than a path or depth data."""
    return (isinstance(values, Mapping | np.ndarray)
            or any(hasattr(values, name) for name in ("__dlpack__", "__array_interface__", "getbands", "detach")))


def _host(values: Any) -> NDArray[Any]:
    """Return the array in host memory, as numpy holds it."""
    if isinstance(values, np.ma.MaskedArray):
        return _unmasked(values)
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "detach"):       # torch does not export tensors that require a gradient
        values = values.detach()
    if "bfloat16" in str(getattr(values, "dtype", "")):
        values = values.float() if hasattr(values, "float") else values.astype("float32")   # numpy has none
    try:
        return np.from_dlpack(values) if hasattr(values, "__dlpack__") else np.asarray(values)
    except (BufferError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"the {type(values).__name__} cannot be read as an array: {error}") from None


def _unmasked(values: Any) -> NDArray[Any]:
    """Return the array with NaN for masked values."""
    if not np.ma.is_masked(values):
        return np.asarray(values.data)
    if values.dtype.kind != "f":
        raise UsageError(f"the masked map holds {values.dtype}, which has no value for masked pixels",
                         hint="use values.astype('float32'), or values.filled(CODE) and name the code as invalid")
    return np.asarray(values.filled(np.nan))


def _two(values: NDArray[Any]) -> NDArray[Any]:
    shape, values = values.shape, _alone(values)
    if values.ndim != 2 or 0 in values.shape:
        raise UsageError(f"a map is (height, width), not {shape}", hint="pass one of the batch: predictions[0]")
    if values.dtype.kind not in "fiu":
        raise UsageError(f"a map cannot hold {values.dtype}", hint="use integers, float16, float32 or float64")
    return np.ascontiguousarray(values)


def _alone(values: Any) -> Any:
    """Remove the batch and channel axes of a batch of one."""
    while len(values.shape) > 2 and values.shape[0] == 1:
        values = values[0]
    return values[..., 0] if len(values.shape) == 3 and values.shape[-1] == 1 else values


def _picture(image: Any) -> NDArray[Any]:
    if image.mode not in _CODES:
        raise UsageError(f"a picture of mode {image.mode} is not a map", hint='use Pillow\'s "L", "I;16" or "F"')
    return np.asarray(image).astype(_CODES[image.mode], copy=False)
