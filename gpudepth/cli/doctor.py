"""gpudepth doctor"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..errors import GpudepthError
from . import options as o

Finding = tuple[str, bool | None, str]      # what, whether it works (None: was not tried), what was found


def doctor(as_json: o.Json = False) -> None:
    """What works on this machine: packages, codecs, and the six steps to a GPU. Nothing is sent anywhere.

    numpy does everything, with the same results, where a GPU cannot be used; the line "back end" says what is taken.

    \b
    gpudepth doctor
    gpudepth doctor --json
    """
    logging.getLogger("gpudepth").setLevel(logging.ERROR)   # what is said of a GPU is said below
    rooms = {"packages": _packages(), "codecs": _codecs(), "gpu": _gpu()}
    if as_json:
        print(json.dumps({room: [{"name": n, "ok": ok, "said": said} for n, ok, said in found]
                          for room, found in rooms.items()}))
        return
    for room, found in rooms.items():
        print(room)
        for name, ok, said in found:
            print(f"  {'-' if ok is None else 'ok' if ok else 'no':2}  {name:18} {said}")


def _packages() -> list[Finding]:
    found: list[Finding] = [("python", True, f"{platform.python_version()}, {platform.system()} {platform.machine()}")]
    for name in ("gpudepth", "numpy", "pillow", "pillow-heif", "av", "imagecodecs", "cupy-cuda12x", "cupy-cuda13x",
                 "cupy"):
        try:
            found.append((name, True, version(name)))
        except PackageNotFoundError:
            if not name.startswith("cupy"):
                found.append((name, None if name == "imagecodecs" else False, "not installed"))
    return found


def _codecs() -> list[Finding]:
    """Tried with sixteen pixels, not asked for by name."""
    import numpy as np

    from ..containers.dng import codec as dng
    from ..containers.heif.photo import encode_pixels
    from ..formats.hevc.codec import encode_monochrome

    codes = np.zeros((16, 16), np.uint8)

    def photo() -> str:
        import pillow_heif
        from PIL import Image

        encode_pixels(Image.new("RGB", (64, 64)), quality=50)
        return f"libheif {pillow_heif.libheif_info()['libheif']}"

    def hevc() -> str:
        import av

        for bits in (8, 10, 12):
            encode_monochrome(codes.astype(np.uint8 if bits == 8 else np.uint16), bits)
        return f"libx265 in FFmpeg {av.ffmpeg_version_info}, 8, 10 and 12 bits"

    return [_try("HEVC depth", hevc), _try("HEVC photos", photo),
            _try("DNG: lossless JPEG", lambda: str(len(dng.encode(codes, "ljpeg", "<").data)) + " bytes of 256"),
            _try("DNG: JPEG XL", lambda: str(len(dng.encode(codes, "jpegxl", "<").data)) + " bytes of 256")]


def _gpu() -> list[Finding]:
    from ..compute import backend, probe
    from ..compute.hostcc import compiler

    found: list[Finding] = [(s.name, s.ok, s.said) for s in probe.steps()]
    try:
        found.append(("hostcc", True, f"{compiler()} (GPUDEPTH_BACKEND=hostcc runs the kernels on the CPU, for tests)"))
    except GpudepthError as error:
        found.append(("hostcc", None, error.message))
    usable = probe.failed() is None
    try:
        taken: Finding = ("back end", True, backend().name + (": the GPU where the trip pays" if usable else ""))
    except GpudepthError as error:
        taken = ("back end", False, str(error))
    return [*found, taken]


def _try(name: str, trial: Callable[[], Any]) -> Finding:
    try:
        return name, True, trial()
    except GpudepthError as error:
        return name, False, str(error)
    except Exception as error:  # a broken package may raise anything, and this is where one wants to read of it
        return name, False, f"{type(error).__name__}: {error}"
