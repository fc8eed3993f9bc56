"""The environment of a process that sees a GPU: the stand-in for CuPy, and a driver library that can be loaded."""

from __future__ import annotations

import json
import os
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

from kernel_kit import host

from gpudepth.compute.nvrtc import cache_folder

HERE = Path(__file__).parent


@lru_cache(maxsize=1)
def driver_folder() -> Path:
    """A folder with an empty libcuda.so.1, which the first step of the probe loads."""
    host()      # g++, or a skip
    folder = cache_folder() / "stand-in"
    folder.mkdir(exist_ok=True)
    library = folder / "libcuda.so.1"
    if not library.exists():
        draft = folder / f".{os.getpid()}"
        subprocess.run(["g++", "-shared", "-fPIC", "-x", "c++", "/dev/null", "-o", str(draft)], check=True)
        draft.replace(library)
    return folder


def environment(**faults: Any) -> dict[str, str]:
    """The environment of a process with a GPU that has these `cupy_on_cpu.Faults`."""
    paths = [str(HERE / "stand_in"), str(HERE), os.environ.get("PYTHONPATH", "")]
    libraries = [str(driver_folder()), os.environ.get("LD_LIBRARY_PATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "GPUDEPTH_BACKEND": "",
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)), "GPUDEPTH_STAND_IN": json.dumps(faults)}
