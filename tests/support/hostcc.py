"""The kernels on the CPU: `kernels/*.cu`, unchanged, built by a C++ compiler and launched as CUDA launches them.

It is slow; it lets tests check the bits of the GPU on any machine. GPUDEPTH_BACKEND=support.hostcc:backend selects it,
in worker processes as well, because they have the module search path of their parent.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpudepth.compute.kernels import KernelBackend
from gpudepth.compute.nvrtc import cache_folder
from gpudepth.errors import BackendError
from gpudepth.resources import folder

# These flags are the same for g++ and clang. -ffp-contract=off forbids fused multiply-adds.
FLAGS = ("-std=c++17", "-DGD_HOST", "-O2", "-ffp-contract=off", "-fno-fast-math", "-shared", "-fPIC")
HEADER = Path(__file__).with_name("host.h")
NAME = "support.hostcc:backend"
_LETTERS: dict[str, Any] = {"i": np.int32, "I": np.uint32, "f": np.float32}
MAX_THREADS, MAX_GRID = 1024, 65535
_LAUNCHING = threading.Lock()


def backend() -> KernelBackend:
    """Return the back end; raise BackendError without a compiler."""
    compiler()
    return KernelBackend(HostDevice())


class HostDevice:
    """Runs kernels on the CPU, on numpy arrays: `compute.launch.KernelDevice`.

    Args:
        schedule: The order in which threads run; see `host.h`.
        flags: Further flags for the compiler.
    """

    name = NAME

    def __init__(self, *, schedule: int = 0, flags: tuple[str, ...] = ()) -> None:
        self.schedule = schedule
        self.flags = flags

    def array(self, values: NDArray[Any]) -> Any:
        return _there(np.array(values, order="C"))

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return _there(np.empty(shape, dtype))

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return _there(np.zeros(shape, dtype))

    def host(self, values: Any) -> NDArray[Any]:
        copy: NDArray[Any] = values.view(np.ndarray).copy()
        return copy

    def owns(self, values: Any) -> bool:
        return isinstance(values, DeviceArray)

    def own(self, values: Any) -> Any:
        return values if values.flags.c_contiguous else _there(np.ascontiguousarray(values.view(np.ndarray)))

    def synchronize(self) -> None:
        """Return at once, because every call is done when it returns."""

    finish = synchronize

    def stream(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def lock_pages(self, memory: NDArray[Any]) -> Callable[[], None]:
        return lambda: None

    def upload(self, source: NDArray[Any]) -> Any:
        return self.array(source)

    def download(self, values: Any, to: NDArray[Any]) -> None:
        np.copyto(to, values.view(np.ndarray))

    def launch(self, module: str, kernel: str, grid: tuple[int, int], block: tuple[int, int], *args: Any) -> None:
        """Run a kernel.

        Raises:
            TypeError: The parameters of the kernel do not take these arguments.
            ValueError: No GPU takes such a launch.
            RuntimeError: Not all threads of a block reach a barrier.
        """
        library = build(module, self.flags)
        if block[0] * block[1] > MAX_THREADS or grid[1] > MAX_GRID or min(*grid, *block) < 1:
            raise ValueError(f"{kernel}: a grid {grid} of blocks {block} cannot be launched")
        pointers, keep = _arguments(library, kernel, args)
        run = getattr(library.loaded, f"gd_launch_{kernel}")
        sizes = [(ctypes.c_uint * 3)(*pair, 1) for pair in (grid, block)]
        with _LAUNCHING:        # threadIdx and its like are variables of the library
            wrong = run(*sizes, pointers, self.schedule, int(library.barriers))
        if wrong:
            raise RuntimeError(f"{kernel}: not all threads of a block reach a barrier")
        del keep


class DeviceArray(np.ndarray):
    """An array of a `HostDevice`: numpy's functions refuse it, as they refuse an array on a GPU."""

    __array_ufunc__ = None

    def __array_function__(self, *_: Any) -> Any:
        raise TypeError("this array is on a device")

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value.view(np.ndarray) if isinstance(value, DeviceArray) else value)


def _there(values: NDArray[Any]) -> DeviceArray:
    return values.view(DeviceArray)


class Library:
    """A module that was built.

    Args:
        path: The shared library.
        barriers: Whether the kernels contain barriers, so that the threads of a block have to take turns.
    """

    def __init__(self, path: Path, *, barriers: bool) -> None:
        self.path, self.barriers = path, barriers
        self.loaded = ctypes.CDLL(str(path))

    def signature(self, kernel: str) -> str:
        try:
            function = getattr(self.loaded, f"gd_signature_{kernel}")
        except AttributeError:
            raise TypeError(f"{self.path.name} has no kernel {kernel}") from None
        function.restype = ctypes.c_char_p
        return str(function().decode())


def _arguments(library: Library, kernel: str, args: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    """Return the pointers that a launch takes, and the objects that have to live as long as they do."""
    signature = library.signature(kernel)
    if len(args) != len(signature):
        raise TypeError(f"{kernel} takes {len(signature)} arguments, not {len(args)}")
    keep: list[Any] = []
    for number, (letter, value) in enumerate(zip(signature, args, strict=True)):
        if letter == "P":
            if value is not None and not isinstance(value, np.ndarray):
                raise TypeError(f"argument {number} of {kernel} must be a pointer, not {type(value).__name__}")
            keep.append(ctypes.c_void_p(None if value is None else value.ctypes.data))
        elif type(value) is not _LETTERS[letter]:
            raise TypeError(f"argument {number} of {kernel} must be {_LETTERS[letter].__name__}, "
                            f"not {type(value).__name__}")
        else:
            keep.append({"i": ctypes.c_int, "I": ctypes.c_uint, "f": ctypes.c_float}[letter](value))
    pointers = (ctypes.c_void_p * len(keep))(*(ctypes.addressof(k) for k in keep))
    return pointers, keep


def compiler() -> str:
    """Return the path of the compiler; raise BackendError if there is none."""
    found = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
    if found is None:
        raise BackendError("the kernels on the CPU need a C++ compiler, but none was found",
                           hint="install one by sudo apt-get install g++")
    return found


@lru_cache(maxsize=64)
def build(module: str, flags: tuple[str, ...] = ()) -> Library:
    """Build kernels/MODULE.cu for this machine; raise BackendError if the compiler rejects it."""
    where, cxx = folder("kernels"), compiler()
    texts = [path.read_text(encoding="utf-8") for path in (*sorted(where.glob("*.cu*")), HEADER)]
    key = hashlib.sha256("\0".join([*texts, cxx, _version(cxx), *FLAGS, *flags, module]).encode()).hexdigest()[:24]
    target = cache_folder() / f"{module}-{key}.so"
    source = (where / f"{module}.cu").read_text(encoding="utf-8")
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            draft = Path(name) / "module.cpp"
            text = f'#include "{HEADER}"\n#include "{module}.cu"\n'
            draft.write_text(text, encoding="utf-8")
            plain = _run([cxx, "-E", "-P", *FLAGS, *flags, f"-I{where}", str(draft)], module)
            names = re.findall(r'extern "C"\s+void\s+(\w+)\(', plain)
            draft.write_text(text + "".join(f"GD_EXPORT({n})\n" for n in names), encoding="utf-8")
            _run([cxx, *FLAGS, *flags, f"-I{where}", str(draft), "-o", f"{name}/module.so"], module)
            Path(f"{name}/module.so").replace(target)
    return Library(target, barriers="__syncthreads" in source)


@lru_cache(maxsize=8)
def _version(cxx: str) -> str:
    return subprocess.run([cxx, "--version"], capture_output=True, text=True, check=False).stdout


def _run(command: list[str], module: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendError(f"{Path(command[0]).name} cannot build kernels/{module}.cu:\n{done.stderr.strip()[:2000]}")
    return done.stdout
