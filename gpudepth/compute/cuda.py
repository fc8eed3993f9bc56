"""The kernels on an NVIDIA GPU: CuPy provides arrays, streams and launches, `compute.nvrtc` the machine code.

Arrays that are on the device are used in place: CuPy's own, any with `__cuda_array_interface__`, and any that DLPack
hands over without a copy, such as a torch tensor. The results stay on the device, as CuPy arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendError, DeviceError, DeviceMemoryError
from .interface import on_gpu
from .launch import MAX_ROWS
from .nvrtc import cubin

MAX_THREADS = 1024
ALIGNMENT = 16  # bytes of four floats
SHARE = 0.9     # of the device's free memory, which leaves some to other programs and to what CUDA needs itself


def adopt(values: Any) -> Any:
    """Return an array that is on a GPU as a CuPy array, without a copy.

    DLPack waits for the stream on which the array was made.

    Raises:
        BackendError: CuPy is not installed, the array is on another device than CuPy's current one, or the library of
            the array does not hand it out.
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
            raise BackendError(f"the array on the GPU cannot be used: {error}",
                               hint="pass tensor.detach() for a torch tensor that requires a gradient") from None
    current = cupy.cuda.Device().id
    if values.device.id != current:
        raise BackendError(f"the array is on GPU {values.device.id}, but GPU {current} computes",
                           hint="copy it there, or select its GPU by CUDA_VISIBLE_DEVICES or cupy.cuda.Device(…).use()")
    return values


class CudaDevice:
    """Runs kernels on the current CUDA device: `compute.launch.KernelDevice`.

    Raises:
        BackendError: CuPy is not installed, or there is no device.
    """

    name = "cupy"

    def __init__(self) -> None:
        try:
            import cupy
        except ImportError as error:
            raise BackendError(f"CuPy is not installed: {error}", hint="pip install 'gpudepth[gpu]'") from None
        self.cupy = cupy
        runtime = cupy.cuda.runtime.CUDARuntimeError
        self.faults = runtime, cupy.cuda.driver.CUDADriverError
        try:
            self.number = int(cupy.cuda.Device().id)
            self.capability = int(cupy.cuda.Device().compute_capability)
        except runtime as error:
            raise BackendError(f"no GPU can be used: {error}") from None
        self._kernels: dict[tuple[str, str], Any] = {}

    def limit_memory(self) -> None:
        """Let CuPy's pool take most of the memory that is free now, and no more."""
        with self._typed():
            free, _ = self.cupy.cuda.runtime.memGetInfo()
            self.cupy.get_default_memory_pool().set_limit(size=int(free * SHARE))

    def array(self, values: NDArray[Any]) -> Any:
        return self._allocate(lambda: self.cupy.array(values, order="C"), values.nbytes)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return self._allocate(lambda: self.cupy.empty(shape, dtype), int(np.prod(shape)) * np.dtype(dtype).itemsize)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return self._allocate(lambda: self.cupy.zeros(shape, dtype), int(np.prod(shape)) * np.dtype(dtype).itemsize)

    def host(self, values: Any) -> NDArray[Any]:
        with self._typed():
            result: NDArray[Any] = self.cupy.asnumpy(values)
        return result

    def owns(self, values: Any) -> bool:
        return on_gpu(values)

    def own(self, values: Any) -> Any:
        with self._typed():
            values = self.cupy.ascontiguousarray(adopt(values))
            # The kernels load four pixels at once, so they need this alignment.
            return values if values.data.ptr % ALIGNMENT == 0 else values.copy()

    def launch(self, module: str, kernel: str, grid: tuple[int, int], block: tuple[int, int], *args: Any) -> None:
        """Launch a kernel on the current stream; raise ValueError for a launch that no GPU takes."""
        if block[0] * block[1] > MAX_THREADS or grid[1] > MAX_ROWS or min(*grid, *block) < 1:
            raise ValueError(f"{kernel}: a grid {grid} of blocks {block} cannot be launched")
        with self._typed():
            function = self._kernels.get((module, kernel))
            if function is None:
                built = self.cupy.RawModule(path=str(cubin(module, self.capability)))
                function = self._kernels[module, kernel] = built.get_function(kernel)
            # None stands for a null pointer, which is eight bytes of zeros.
            function(grid, block, tuple(np.uintp(0) if a is None else a for a in args))

    def synchronize(self) -> None:
        with self._typed():
            self.cupy.cuda.Device().synchronize()

    @contextmanager
    def stream(self) -> Iterator[Any]:
        with self._typed(), self.cupy.cuda.Device(self.number), self.cupy.cuda.Stream(non_blocking=True) as stream:
            yield stream

    def finish(self) -> None:
        with self._typed():
            self.cupy.cuda.get_current_stream().synchronize()

    def lock_pages(self, memory: NDArray[Any]) -> Callable[[], None]:
        """Lock the pages of host memory; only copies from and to such memory run beside other work."""
        address = memory.ctypes.data
        with self._typed():
            self.cupy.cuda.runtime.hostRegister(address, memory.nbytes, 0)

        def unlock() -> None:
            with self._typed():
                self.cupy.cuda.runtime.hostUnregister(address)

        return unlock

    def upload(self, source: NDArray[Any]) -> Any:
        values = self.empty(source.shape, source.dtype)
        with self._typed():
            values.set(source, stream=self.cupy.cuda.get_current_stream())
        return values

    def download(self, values: Any, to: NDArray[Any]) -> None:
        with self._typed():
            values.get(stream=self.cupy.cuda.get_current_stream(), out=to, blocking=False)

    def _allocate(self, allocate: Any, size: int) -> Any:
        """Allocate memory; if that fails, free what CuPy's pool holds and try again."""
        full = self.cupy.cuda.memory.OutOfMemoryError
        with self._typed():
            try:
                return allocate()
            except full:
                self.cupy.get_default_memory_pool().free_all_blocks()
            try:
                return allocate()
            except full as error:
                raise DeviceMemoryError(f"the memory of the GPU cannot hold another {size:,} bytes: {error}",
                                        hint="use ‹backend=numpy›, or fewer workers") from None

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """Convert errors of the driver. After most of them, this process cannot use the GPU any more."""
        try:
            yield
        except self.faults as error:
            raise DeviceError(f"the GPU failed: {error}", hint="‹backend=numpy› gives the same results") from None
