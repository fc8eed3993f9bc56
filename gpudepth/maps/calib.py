"""Reads Middlebury's calib.txt, the camera of a stereo pair.

    cam0=[3997.684 0 1176.728; 0 3997.684 1011.728; 0 0 1]     pixels
    doffs=131.111                                              pixels, between the principal points
    baseline=193.001                                           millimetres
    width=2964, height=1988, and more, each on a line of its own

Source: vision.middlebury.edu, stereo data 2014: Z = baseline · f / (d + doffs).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import FileError, MalformedError

_MOST = 1 << 16


@dataclass(frozen=True)
class Calib:
    """The camera of a stereo pair.

    Attributes:
        path: The file.
        focal_px: Focal length in pixels.
        baseline_m: Baseline in metres.
        doffs: Horizontal distance between the principal points in pixels.
        size: (width, height) of the pictures in pixels.
    """

    path: Path
    focal_px: float
    baseline_m: float
    doffs: float
    size: tuple[int, int]

    def __str__(self) -> str:
        return f"f = {self.focal_px:g} px, B = {self.baseline_m:g} m, doffs = {self.doffs:g} px"


def _shown(text: str | None) -> str:
    return repr(text) if text is None or len(text) <= 40 else f"{text[:40]!r}…"


def read_calib(path: Path) -> Calib:
    """Read a calibration.

    Args:
        path: The file.

    Raises:
        FileError: It cannot be read.
        MalformedError: A number is missing or invalid.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST).decode("utf-8", "replace")
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}", where=path) from None
    lines = (line.partition("=") for line in text.splitlines())
    values = {name.strip(): value.strip() for name, equals, value in lines if equals}

    def number(name: str, text: str | None = None) -> float:
        try:
            value = float(values[name] if text is None else text)
        except (KeyError, ValueError):
            raise MalformedError(f"{name} is {_shown(values.get(name))}, which is not a number", where=path) from None
        if not math.isfinite(value):
            raise MalformedError(f"{name} is {value}", where=path)
        return value

    focal = number("cam0", values.get("cam0", "").strip("[] ").split(" ", 1)[0])
    baseline = number("baseline")
    if focal <= 0 or baseline <= 0:
        raise MalformedError(f"focal length {focal:g} px and baseline {baseline:g} mm must be positive", where=path)
    return Calib(path, focal, baseline / 1000, number("doffs"), (int(number("width")), int(number("height"))))
