"""Compiles our kernels for a GPU by calling NVRTC directly, with our own flags.

CuPy adds -ftz=true to everything it compiles, and its cache does not notice changes in included files. The flags here
forbid fused multiply-adds, flushing to zero and approximate division. Cubins are cached under a hash of all source
text, the flags, the version of NVRTC and the architecture. This needs neither a driver nor CuPy.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import BackendError
from ..resources import folder

FLAGS = ("--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true")
DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
INSTALL = "run pip install 'gpudepth[gpu]', which includes nvidia-cuda-nvrtc-cu12, or install any CUDA toolkit"


class Nvrtc:
    """The NVRTC library.

    Args:
        path: Its file; without one, the installed library that fits the driver best.

    Raises:
        BackendError: None is installed that fits.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path, self.lib = _load([path] if path else _candidates())
        self.lib.nvrtcGetErrorString.restype = ctypes.c_char_p
        self.version = _version_of(self.lib)

    def architectures(self) -> tuple[int, ...]:
        """Return the architectures that it compiles for; 80 stands for sm_80."""
        number = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(number))
        found = (ctypes.c_int * number.value)()
        self._call("nvrtcGetSupportedArchs", found)
        return tuple(found)

    def compile(self, module: str, target: str, flags: tuple[str, ...] = FLAGS) -> bytes:
        """Compile kernels/MODULE.cu to a cubin for a target like "sm_80" or to PTX for one like "compute_80".

        Raises:
            BackendError: The kernel does not compile; the message holds the log of NVRTC.
        """
        sources = texts()
        headers = [name for name in sources if name.endswith(".cuh")]
        program = ctypes.c_void_p()
        name = f"{module}.cu"
        self._call("nvrtcCreateProgram", ctypes.byref(program), sources[name].encode(), name.encode(),
                   ctypes.c_int(len(headers)), _strings([sources[h] for h in headers]), _strings(headers))
        try:
            options = [*flags, f"--gpu-architecture={target}"]
            failed = self.lib.nvrtcCompileProgram(program, ctypes.c_int(len(options)), _strings(options))
            if failed:
                log = self._get(program, "ProgramLog").rstrip(b"\0").decode(errors="replace").strip()
                raise BackendError(f"NVRTC cannot compile kernels/{module}.cu for {target}:\n{log[:2000]}")
            return self._get(program, "CUBIN" if target.startswith("sm_") else "PTX")
        finally:
            self.lib.nvrtcDestroyProgram(ctypes.byref(program))

    def _get(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, buffer)
        return buffer.raw

    def _call(self, name: str, *args: Any) -> None:
        code = getattr(self.lib, name)(*args)
        if code:
            raise BackendError(f"{name} failed: {self.lib.nvrtcGetErrorString(code).decode()}")


@lru_cache(maxsize=1)
def nvrtc() -> Nvrtc:
    """Return the library, which is loaded once."""
    return Nvrtc()


def cubin(module: str, capability: int) -> Path:
    """Return the file with a module's machine code for a compute capability, compiled the first time.

    For a device that NVRTC does not know, the file holds PTX for the nearest older one, which the driver compiles.
    Without NVRTC, a file that was cached earlier is used.

    Args:
        module: The name of the file in kernels/ without its suffix.
        capability: The compute capability times ten: 80 stands for 8.0.

    Raises:
        BackendError: NVRTC is not installed, or cannot compile the kernel for this device.
    """
    found = sorted(cache_folder().glob(f"{module}-{capability}-{_sources_hash()}-*"), key=lambda p: p.stat().st_mtime)
    try:
        library = nvrtc()
    except BackendError:
        driver = driver_version()
        fit = [path for path in found if driver is None or int(path.stem.rpartition("-")[2].split(".")[0]) <= driver[0]]
        if fit:
            return fit[-1]
        raise
    known = library.architectures()
    older = [k for k in known if k <= capability]
    if not older:
        raise BackendError(f"NVRTC {library.version[0]}.{library.version[1]} does not know compute capability "
                           f"{capability // 10}.{capability % 10}", hint="install an older CUDA toolkit")
    target = f"sm_{capability}" if capability in known else f"compute_{max(older)}"
    version = f"{library.version[0]}.{library.version[1]}"
    suffix = "cubin" if target.startswith("sm_") else "ptx"
    path = cache_folder() / f"{module}-{capability}-{_sources_hash()}-{version}.{suffix}"
    if not path.exists():
        code = library.compile(module, target)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_bytes(code)
        draft.replace(path)
    return path


@lru_cache(maxsize=1)
def texts() -> dict[str, str]:
    """Return the text of all kernel files by name."""
    return {p.name: p.read_text(encoding="utf-8") for p in sorted(folder("kernels").iterdir())
            if p.suffix in (".cu", ".cuh")}


def _sources_hash() -> str:
    """Return a hash of everything that decides the result, except the device and the version of NVRTC."""
    parts = [part for pair in texts().items() for part in pair]
    return hashlib.sha256("\0".join([*parts, *FLAGS]).encode()).hexdigest()[:20]


def _strings(items: list[str]) -> Any:
    return (ctypes.c_char_p * len(items))(*(i.encode() for i in items))


def _load(candidates: Iterable[str]) -> tuple[str, Any]:
    """Load the newest library that the driver can take the results of; without a driver, the newest of all."""
    driver, tried = driver_version(), list[str]()
    for candidate in by_fitness(candidates, driver):
        try:
            _load_builtins(Path(candidate))
            library = ctypes.CDLL(candidate)
        except OSError as error:
            tried.append(str(error))
            continue
        major = _version_of(library)[0]
        if driver is None or major <= driver[0]:
            return candidate, library
        tried.append(f"{candidate} is for CUDA {major}, but the driver is for CUDA {driver[0]}.{driver[1]}")
    raise BackendError("NVRTC, which compiles the kernels, is not installed"
                       + (f": {tried[0]}" if tried else ""), hint=INSTALL)


def by_fitness(candidates: Iterable[str], driver: tuple[int, int] | None) -> list[str]:
    """Sort libraries so that those come first whose major version the driver supports, the newest of them first.

    A library that names no version, as the system's may, comes between those that fit and those that do not.
    """
    def fitness(path: str) -> tuple[int, int]:
        found = re.search(r"nvrtc(?:64_|\.so\.)(\d+)", Path(path).name)
        major = int(found[1]) if found else 0
        major //= 10 if major >= 100 else 1         # nvrtc64_120_0.dll
        fits = driver is None or major <= driver[0]
        return (1 if not major else 2 if fits else 0), major

    return sorted(dict.fromkeys(candidates), key=fitness, reverse=True)


def _load_builtins(library: Path) -> None:
    """Load what a compilation opens by its name alone, which the system finds only if it is loaded already."""
    for path in sorted(library.parent.glob("libnvrtc-builtins.so.*")) if library.is_absolute() else []:
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def _version_of(library: Any) -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    if library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)):
        raise BackendError("nvrtcVersion failed")
    return major.value, minor.value


@lru_cache(maxsize=1)
def driver_version() -> tuple[int, int] | None:
    """Return the version of CUDA that the driver supports, such as (12, 9); None without a driver."""
    try:
        found = ctypes.c_int()
        failed = ctypes.CDLL(DRIVER).cuDriverGetVersion(ctypes.byref(found))
    except (OSError, AttributeError):
        return None
    return None if failed else (found.value // 1000, found.value % 1000 // 10)


def _candidates() -> list[str]:
    """List the places where libnvrtc may be: pip's packages, a toolkit named by the environment, the system."""
    found: list[str] = []
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec else []:
        found += [str(p) for p in sorted(Path(root).glob("*/lib/libnvrtc.so.*"))]
        found += [str(p) for p in sorted(Path(root).glob("*/bin/**/nvrtc64_*.dll")) if "builtins" not in p.name]
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if os.environ.get(variable):
            found += [str(p) for p in sorted(Path(os.environ[variable]).glob("lib64/libnvrtc.so*"))]
    system = ctypes.util.find_library("nvrtc")
    return [*found, system] if system else found


@lru_cache(maxsize=4)
def _folder(wanted: str) -> Path:
    for candidate in (wanted, str(Path(tempfile.gettempdir()) / f"gpudepth-{_user()}")):
        path = Path(candidate)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            own = not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()  # others could change its files
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError:
            continue
        if own:
            return path
    return Path(tempfile.mkdtemp(prefix="gpudepth-"))


def cache_folder() -> Path:
    """Return a folder that exists, belongs to this user and can be written."""
    named = os.environ.get("GPUDEPTH_CACHE")
    if not named:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
        named = str(Path(base) / "gpudepth")
    return _folder(named)


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
