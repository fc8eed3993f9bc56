"""gpudepth reads and writes depth maps in photos, on platforms other than Apple's.

    import gpudepth
    gpudepth.attach("photo.heic", "depth.png", "out.heic", near=0.5, far=12)
    metres = gpudepth.read("out.heic").depth()

The names in `__all__` are the public interface. Their modules are imported on first use.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from .api import attach, check, convert, from_model, inspect, read, remove, run
    from .depth.calibration import Calibration
    from .depth.data import DepthData
    from .errors import GpudepthError

_HOMES = {
    "attach": "api", "check": "api", "convert": "api", "from_model": "api",
    "inspect": "api", "read": "api", "remove": "api", "run": "api",
    "DepthData": "depth.data", "Calibration": "depth.calibration", "GpudepthError": "errors",
}

__all__ = ["Calibration", "DepthData", "GpudepthError", "__version__", "attach", "check", "convert", "from_model",
           "inspect", "read", "remove", "run"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'gpudepth' has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{home}", __name__), name)
    data = importlib.import_module(".depth.data", __name__).DepthData
    data.drawn = _drawn     # set here so that gpudepth.depth does not import the drawing code
    return found


class _Renamed:
    """Finds modules by their names of version 0.1."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if not name.startswith(("gpudepth.sources", "gpudepth.pipeline", "gpudepth.containers.", "gpudepth.formats.")):
            return None
        from .deprecated import find_spec

        return find_spec(name)


sys.meta_path.append(_Renamed)


def _drawn(data: DepthData) -> bytes:
    """Return the PNG file that notebooks show."""
    from .view.preview import png

    return png(data)


def __dir__() -> list[str]:
    return sorted(__all__)
