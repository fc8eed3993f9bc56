"""gpudepth doctor"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..errors import GpudepthError
from . import options as o

_EXTRAS = {"gpu": ("cupy-cuda12x", "cupy-cuda13x", "cupy"), "estimate": ("onnxruntime-gpu", "onnxruntime"),
           "dng": ("imagecodecs",), "exr": ("OpenEXR",), "hdf5": ("h5py",), "s3": ("s3fs",), "ray": ("ray",),
           "dask": ("distributed",)}
Finding = tuple[str, bool | None, str]      # name, whether it works (None: not tried), result


def doctor(as_json: o.Json = False) -> None:
    """Show what works on this machine: packages, codecs, and the six steps to a GPU.

    The command sends nothing. Its output names neither files nor people and can be pasted into a bug report.

    Without a GPU, numpy gives the same results; the line "back end" shows which one is used.

    \b
    gpudepth doctor
    gpudepth doctor --json
    """
    logging.getLogger("gpudepth").setLevel(logging.ERROR)   # the section "gpu" replaces the warnings
    sections = {"machine": _machine(), "packages": _packages(), "extras": _extras(), "codecs": _codecs(),
                "gpu": _gpu()}
    if as_json:
        print(json.dumps({section: [dict(zip(("name", "ok", "said"), finding, strict=True)) for finding in findings]
                          for section, findings in sections.items()}))
        return
    for section, findings in sections.items():
        print(section)
        for name, ok, result in findings:
            print(f"  {'-' if ok is None else 'ok' if ok else 'no':2}  {name:18} {result}")


def _machine() -> list[Finding]:
    from ..compute.threads import available_cores

    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    memory = "unknown memory"
    if hasattr(os, "sysconf") and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB of memory"
    return [("python", True, f"{platform.python_implementation()} {platform.python_version()}"),
            ("system", True, system),
            ("processors", True, f"{available_cores()} usable of {os.cpu_count()}, {memory}"),
            ("locale", True, f"{sys.getfilesystemencoding()} names, {sys.stdout.encoding} output")]


def _packages() -> list[Finding]:
    return [_installed(name, needed=True) for name in (
        "gpudepth", "numpy", "av", "pillow", "pillow-heif", "click", "pydantic", "PyYAML")]


def _extras() -> list[Finding]:
    """Return the findings on optional packages, by the name of the extra that installs them."""
    return [(f"gpudepth[{extra}]", ok, f"{name} {result}") for extra, names in _EXTRAS.items()
            for name, ok, result in [_first(names)]]


def _first(names: tuple[str, ...]) -> Finding:
    """Return the finding on the first package that is installed, or on the first package."""
    found = [_installed(name, needed=False) for name in names]
    return next((one for one in found if one[1]), found[0])


def _installed(name: str, *, needed: bool) -> Finding:
    try:
        return name, True, version(name)
    except PackageNotFoundError:
        return name, False if needed else None, "is not installed"


def _codecs() -> list[Finding]:
    """Encode a few pixels with each codec."""
    import numpy as np

    from ..containers.dng import codec
    from ..containers.heif.photo_encoder import encode_pixels
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
            _try("DNG: lossless JPEG", lambda: str(len(codec.encode(codes, "ljpeg", "<").data)) + " bytes of 256"),
            _try("DNG: JPEG XL", lambda: str(len(codec.encode(codes, "jpegxl", "<").data)) + " bytes of 256")]


def _gpu() -> list[Finding]:
    from ..compute import backend, probe

    found: list[Finding] = [(s.name, s.ok, s.message) for s in probe.steps()]
    usable = probe.failed() is None
    try:
        more = "; runs use the GPU where it is faster" if usable else ""
        taken: Finding = ("back end", True, backend().name + more)
    except GpudepthError as error:
        taken = ("back end", False, str(error))
    return [*found, taken]


def _try(name: str, trial: Callable[[], Any]) -> Finding:
    try:
        return name, True, trial()
    except GpudepthError as error:
        return name, False, str(error)
    except Exception as error:  # a broken package may raise anything; this command reports it
        return name, False, f"{type(error).__name__}: {error}"
