"""Finds out in six steps whether a GPU can be used; `gpudepth doctor` prints the steps.

    wanted       the value of GPUDEPTH_BACKEND
    cupy         CuPy can be imported
    device       there is a driver and a device
    capability   its compute capability is 5.0 or more
    kernels      NVRTC loads, or a cubin of these kernels is cached
    trial        64 pixels come out with the same bits as in numpy

The steps after a failed one are not tried. CuPy is not imported if no driver can be loaded: the driver takes
milliseconds to check, the import half a second.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..depth.numeric import Linear
from ..depth.pixel_format import HDIS
from ..errors import BackendError
from .cpu import NumpyBackend

if TYPE_CHECKING:
    from .cuda import CudaDevice
    from .kernels import KernelBackend

log = logging.getLogger(__name__)

VARIABLE = "GPUDEPTH_BACKEND"
UNUSABLE = "the back end cupy cannot be used: "
INSTALL = "pip install 'gpudepth[gpu]'"
LEAST = 50      # the lowest compute capability, times ten
DRIVERS = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}


@dataclass(frozen=True)
class Step:
    """One step of the probe.

    Attributes:
        name: The name of the step.
        ok: Whether it succeeded; None for a step that was not tried.
        message: What was found, or what is missing.
    """

    name: str
    ok: bool | None
    message: str = ""


class Missing(Exception):  # noqa: N818 - a finding of the probe, which users do not see as an error
    """Raised inside a step with the reason why it failed."""


def steps() -> list[Step]:
    """Return all six steps, which are tried once per process."""
    return list(_steps()[0])


def failed() -> Step | None:
    """Return the step that failed, or None if a GPU can be used."""
    return next((s for s in _steps()[0] if s.ok is False), None)


def failed_early() -> Step | None:
    """Return a step that fails already without importing CuPy; None does not mean that a GPU can be used."""
    for name, step in (("cupy", _installed), ("device", _driver)):
        try:
            step()
        except Missing as why:
            return Step(name, False, str(why))
    return None


def check_early() -> None:
    """Raise the BackendError of a step that fails already without importing CuPy."""
    if (step := failed_early()) is not None:
        raise _unusable(step.name, step.message)


def kernels() -> KernelBackend:
    """Return the back end on the GPU; raise BackendError with the step that failed."""
    step, found = failed(), _steps()[1]
    if step is not None or found is None:
        raise _unusable(step.name, step.message) if step else _unusable("trial", "failed")
    return found


def _unusable(name: str, message: str) -> BackendError:
    return BackendError(f"{UNUSABLE}{name}: {message}",
                        hint=(f"run {INSTALL}; " if name == "cupy" else "")
                        + "gpudepth doctor shows all steps; ‹backend=numpy› gives the same results")


@lru_cache(maxsize=1)
def _steps() -> tuple[tuple[Step, ...], KernelBackend | None]:
    done: list[Step] = []
    probe = _Probe()
    for name, step in (("wanted", _wanted), ("cupy", probe.cupy), ("device", probe.find_device),
                       ("capability", probe.capability), ("kernels", probe.kernels), ("trial", probe.trial)):
        done.append(_try(name, step, blocked=any(s.ok is False for s in done)))
    return tuple(done), probe.backend if done[-1].ok else None


def _try(name: str, step: Callable[[], str], *, blocked: bool) -> Step:
    if blocked:
        return Step(name, None, "not tried")
    try:
        return Step(name, True, step())
    except Missing as why:
        return Step(name, False, str(why))
    except BackendError as error:
        return Step(name, False, str(error))
    except Exception as error:  # a broken installation may raise anything, but numpy works without it
        return Step(name, False, f"{type(error).__name__}: {first_line(str(error))}")


def first_line(text: str) -> str:
    """Return the first line with text, because CuPy puts a frame around its messages."""
    return next((line.strip() for line in text.splitlines() if line.strip(" =")), "")


@lru_cache(maxsize=8)
def fallback(why: str) -> None:
    """Warn once per reason that numpy computes instead of a GPU."""
    log.warning("no GPU is used (%s): numpy computes instead, with the same results; %s=numpy silences this",
                first_line(why), VARIABLE)


def _wanted() -> str:
    name = os.environ.get(VARIABLE)
    return f"{VARIABLE} is {name}" if name else f"{VARIABLE} is not set, so auto applies"


def _installed() -> None:
    if "cupy" not in sys.modules and importlib.util.find_spec("cupy") is None:
        raise Missing(f"CuPy is not installed; run {INSTALL}")


def _driver() -> None:
    library = DRIVERS.get(sys.platform)
    if library is None:
        raise Missing(f"CUDA does not exist on {sys.platform}")
    try:
        ctypes.CDLL(library)
    except OSError:
        raise Missing(f"there is no NVIDIA driver: {library} cannot be loaded") from None


class _Probe:
    """The steps that pass on what they find: the device, then the back end."""

    device: CudaDevice
    backend: KernelBackend

    def cupy(self) -> str:
        _installed()
        import cupy

        found = getattr(cupy, "__version__", None)
        if found is None:
            raise Missing(f"the installation of CuPy is incomplete; run {INSTALL}")
        return f"CuPy {found}"

    def find_device(self) -> str:
        _driver()
        import cupy

        try:
            number = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise Missing(str(error)) from None
        if not number:
            raise Missing("the driver finds no device")
        from .cuda import CudaDevice

        self.device = CudaDevice()
        runtime = cupy.cuda.runtime
        about = runtime.getDeviceProperties(cupy.cuda.Device().id)
        driver = runtime.driverGetVersion()
        name = about["name"].decode(errors="replace")
        return f"{name}, {about['totalGlobalMem'] >> 20:,} MiB, driver for CUDA {driver // 1000}.{driver % 1000 // 10}"

    def capability(self) -> str:
        found = self.device.capability
        if found < LEAST:
            raise Missing(f"the compute capability {found // 10}.{found % 10} is below 5.0")
        return f"{found // 10}.{found % 10}"

    def kernels(self) -> str:
        from .nvrtc import cubin, nvrtc

        path = cubin("convert", self.device.capability)
        try:
            return "NVRTC {}.{}".format(*nvrtc().version)
        except BackendError:
            return f"NVRTC is not installed, but {path.name} is cached"

    def trial(self) -> str:
        from .kernels import KernelBackend

        self.backend = KernelBackend(self.device)
        codes = (np.arange(64, dtype=np.uint16) * 1040).reshape(8, 8)
        rule = Linear(65535, 1 / 12, 2.0)
        ours, theirs = self.backend.convert(codes, rule, HDIS), NumpyBackend().convert(codes, rule, HDIS)
        if (ours.view(np.uint16) != theirs.view(np.uint16)).any():
            raise Missing("64 pixels differ from those of numpy")
        return "64 pixels, the same bits as numpy"
