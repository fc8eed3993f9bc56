"""The kernels on an NVIDIA GPU. Arrays, streams and launches are CuPy's; the machine code is ours (`compute.nvrtc`).

Arrays that are on the device already are used where they lie: CuPy's own, whatever has `__cuda_array_interface__`,
and whatever DLPack can hand over without a copy (a torch tensor). What becomes of them stays on the device, as CuPy's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendError
from .launch import MAX_ROWS
from .nvrtc import cubin

DLPACK_CUDA = (2, 13)   # kDLCUDA, kDLCUDAManaged
MAX_THREADS = 1024
ALIGNMENT = 16  # bytes: four floats


def on_gpu(values: Any) -> bool:
    """Is this an array in a GPU's memory? Of any library, and without importing one."""
    if isinstance(values, np.ndarray):
        return False
    # DLPack first: asked for CUDA's interface, a torch tensor that wants a gradient raises
    if hasattr(values, "__dlpack_device__"):
        return int(values.__dlpack_device__()[0]) in DLPACK_CUDA
    return hasattr(values, "__cuda_array_interface__")


def adopt(values: Any) -> Any:
    """An array that is on a GPU as a CuPy array, without a copy; by DLPack, which waits for the stream it was made on.

    Raises BackendError without CuPy, for an array on another device than CuPy's current one, and for one that its
    library does not hand out.
    """
    try:
        import cupy
    except ImportError as error:
        raise BackendError(f"CuPy is not installed: {error}", hint="pip install 'gpudepth[gpu]'") from None
    if not isinstance(values, cupy.ndarray):
        try:
            shared = hasattr(values, "__dlpack_device__")
            values = cupy.from_dlpack(values) if shared else cupy.asarray(values)
        except (RuntimeError, BufferError, TypeError, ValueError) as error:
            raise BackendError(f"the array on the GPU cannot be taken: {error}",
                               hint="of a torch tensor that wants a gradient, give tensor.detach()") from None
    current = cupy.cuda.Device().id
    if values.device.id != current:
        raise BackendError(f"the array lies on GPU {values.device.id}, and GPU {current} computes",
                           hint="copy it there, or choose with CUDA_VISIBLE_DEVICES or cupy.cuda.Device(…).use()")
    return values


class CudaDevice:
    """`compute.launch.Device` and `compute.ring.Lanes` on the current CUDA device. Raises BackendError without one."""

    name = "cupy"

    def __init__(self) -> None:
        try:
            import cupy
            import cupyx
        except ImportError as error:
            raise BackendError(f"CuPy is not installed: {error}", hint="pip install 'gpudepth[gpu]'") from None
        self.cupy, self.cupyx = cupy, cupyx
        try:
            self.capability = int(cupy.cuda.Device().compute_capability)
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise BackendError(f"no GPU: {error}") from None
        self._kernels: dict[tuple[str, str], Any] = {}

    def array(self, values: NDArray[Any]) -> Any:
        return self._room(lambda: self.cupy.array(values, order="C"), values.nbytes)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return self._room(lambda: self.cupy.empty(shape, dtype), int(np.prod(shape)) * np.dtype(dtype).itemsize)

    def host(self, values: Any) -> NDArray[Any]:
        result: NDArray[Any] = self.cupy.asnumpy(values)
        return result

    def owns(self, values: Any) -> bool:
        return on_gpu(values)

    def own(self, values: Any) -> Any:
        values = self.cupy.ascontiguousarray(adopt(values))
        # kernels load four pixels at once
        return values if values.data.ptr % ALIGNMENT == 0 else values.copy()

    def launch(self, module: str, kernel: str, grid: tuple[int, int], block: tuple[int, int], *args: Any) -> None:
        """On the current stream. Raises ValueError for a launch that no GPU takes."""
        if block[0] * block[1] > MAX_THREADS or grid[1] > MAX_ROWS or min(*grid, *block) < 1:
            raise ValueError(f"{kernel}: grid {grid} of blocks {block}")
        function = self._kernels.get((module, kernel))
        if function is None:
            built = self.cupy.RawModule(path=str(cubin(module, self.capability)))
            function = self._kernels[module, kernel] = built.get_function(kernel)
        # a null pointer is eight bytes of nothing
        function(grid, block, tuple(np.uintp(0) if a is None else a for a in args))

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Page-locked memory of the host: only from there do copies run beside other work."""
        memory: NDArray[Any] = self.cupyx.empty_pinned(shape, dtype)
        return memory

    def stream(self) -> Any:
        """What launches and copies inside `with` are queued on."""
        return self.cupy.cuda.Stream(non_blocking=True)

    def upload(self, source: NDArray[Any], to: Any, stream: Any) -> None:
        """Queue a copy from pinned memory."""
        to.set(source, stream=stream)

    def download(self, source: Any, to: NDArray[Any], stream: Any) -> None:
        """Queue a copy into pinned memory."""
        source.get(stream=stream, out=to, blocking=False)

    def mark(self, stream: Any) -> Any:
        """An event behind all that is queued there, on the current stream for None; its `synchronize` waits for it."""
        event = self.cupy.cuda.Event(disable_timing=True)
        event.record(stream if stream is not None else self.cupy.cuda.get_current_stream())
        return event

    def _room(self, allocate: Any, size: int) -> Any:
        """An allocation; what CuPy's pool holds back is given up before it fails."""
        full = self.cupy.cuda.memory.OutOfMemoryError
        try:
            return allocate()
        except full:
            self.cupy.get_default_memory_pool().free_all_blocks()
        try:
            return allocate()
        except full as error:
            raise BackendError(f"the GPU has no room for {size:,} bytes: {error}",
                               hint="--backend numpy, or fewer workers") from None
