"""Implements `--preset auto`: finds the preset of a map from its content, its name or the files beside it.

A rule returns the preset, its parameters and the reason, or None. If no rule applies, nothing is guessed and the error
names the presets that write such files. Parameters that relative models leave open are never filled in.

calib.txt of Middlebury is the camera of a stereo pair:

    cam0=[3997.684 0 1176.728; 0 3997.684 1011.728; 0 0 1]     pixels
    doffs=131.111                                              pixels, between the principal points
    baseline=193.001                                           millimetres
    width=2964, height=1988, and more, each on a line of its own

Source: vision.middlebury.edu, stereo data 2014: Z = baseline · f / (d + doffs).
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..containers import registry
from ..errors import FileError, MalformedError, RangeError, UsageError
from ..formats.bytesource import ByteSource, Input, VirtualFile, as_file, as_path
from ..limits import DEFAULT, Limits
from . import arrays, exr, hdf5
from .netpbm import read_size
from .presets import PRESETS
from .reader import format_of

HEAD = 256


@dataclass(frozen=True)
class Recognised:
    """The preset of a map.

    Attributes:
        preset: Its name; None for a file that holds depth together with its encoding.
        why: The reason, for people.
        parameters: Parameters of the preset.
    """

    preset: str | None
    why: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Png:
    width: int
    height: int
    bits: int
    gray: bool


class _Evidence:
    """Facts about a map, each determined when the first rule asks for it."""

    def __init__(self, file: Input, limits: Limits) -> None:
        self.file, self.limits = file, limits
        self.path = file.path if isinstance(file, VirtualFile) else file.absolute()
        self.name = self.path.name
        self.folders = [folder.casefold() for folder in self.path.parts[:-1]]
        with ByteSource(file, limits) as source:
            self.head = source.read(0, min(HEAD, source.size))
        self.format = format_of(self.head)

    def there(self, *names: str, up: int = 0) -> bool:
        """Return whether all these files are beside the map or `up` folders above; False inside archives."""
        folder = self.path.parents[up] if up < len(self.path.parents) else self.path.parent
        return not isinstance(self.file, VirtualFile) and all((folder / name).is_file() for name in names)

    def inside(self, *folders: str) -> bool:
        """Return whether the map is in folders of these names, in this order, the last one its own."""
        return self.folders[-len(folders):] == [folder.casefold() for folder in folders]

    @cached_property
    def png(self) -> _Png | None:
        if self.head[:8] != b"\x89PNG\r\n\x1a\n" or len(self.head) < 26:
            return None
        width, height = (int.from_bytes(self.head[at : at + 4], "big") for at in (16, 20))
        return _Png(width, height, self.head[24], self.head[25] == 0)

    @property
    def deep(self) -> bool:
        """Return whether the file is a PNG of 16-bit gray."""
        return self.png is not None and self.png.gray and self.png.bits == 16

    @cached_property
    def npy(self) -> arrays.Header | None:
        if self.format != "npy":
            return None
        try:
            file = as_file(self.file, self.limits)
            if isinstance(file, Path):
                with file.open("rb") as stream:
                    return arrays.read_header(stream, str(self.file))
            return arrays.read_header(file, str(self.file))
        except (FileError, OSError):
            return None

    @cached_property
    def npz(self) -> frozenset[str]:
        """Return the keys of an .npz."""
        if self.format != "npz":
            return frozenset()
        try:
            with zipfile.ZipFile(as_file(self.file, self.limits)) as archive:
                return frozenset(name.removesuffix(".npy") for name in archive.namelist()[:1000])
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            return frozenset()

    @cached_property
    def sets(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return the data sets of an HDF5 file, each with its type of number and shape."""
        if self.format not in ("hdf5", "mat"):
            return {}
        try:
            return hdf5.list_sets(self.file, self.limits)
        except FileError:
            return {}

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Return the channels of an OpenEXR file."""
        if self.format != "exr":
            return ()
        try:
            with as_path(self.file, self.limits) as name:
                return exr.list_channels(name)
        except FileError:
            return ()

    @cached_property
    def calib(self) -> Calib | None:
        found = neighbours(self.file) if self.head[:2] == b"Pf" else ()
        return read_calib(found[0]) if found else None


def neighbours(file: Input) -> tuple[Path, ...]:
    """Return the files beside a map that determine what its values mean, which are inputs as well.

    These are Middlebury's calib.txt, or an …_calib.txt whose name begins like that of the map.
    """
    if isinstance(file, VirtualFile) or file.suffix.lower() != ".pfm":
        return ()
    names = [file.with_name("calib.txt"), *sorted(file.parent.glob("*_calib.txt"))]
    return tuple(path for path in names if path.is_file()
                 and file.name.startswith(path.name.removesuffix("calib.txt")))[:1]


Rule = Callable[[_Evidence], Recognised | None]


def recognise(file: Input, limits: Limits = DEFAULT) -> Recognised:
    """Find the preset of a map.

    Args:
        file: The map.
        limits: What the file may ask for.

    Returns:
        The preset and the reason.

    Raises:
        UsageError: It is not certain; the hint names the presets that write such files.
        FileError: The file cannot be read.
    """
    evidence = _Evidence(file, limits)
    for rule in _RULES:
        found = rule(evidence)
        if found is not None:
            return found
    raise UsageError("the preset cannot be determined from the file", where=str(file), hint=(
        f"name it: {', '.join(candidates(evidence))}; gpudepth presets explains them"))


def candidates(evidence: _Evidence) -> list[str]:
    """Return the presets that write files of the map's kind."""
    if evidence.png is not None and not evidence.deep:
        return ["midas", "depth-anything-v2"]
    kinds = {b"Pf": "PFM", b"P5": "PGM", b"\x93N": ".npy", b"PK": ".npz", b"\x89H": "HDF5", b"MA": "MAT",
             b"v/": "OpenEXR", b"\x89P": "PNG", b"\xff\xd8": "JPEG"}
    kind = kinds.get(evidence.head[:2], "rows")
    return [p.name for p in PRESETS if re.search(rf"{re.escape(kind)}\b", p.files)]


def _embedded(e: _Evidence) -> Recognised | None:
    with ByteSource(e.file, e.limits) as source:
        container = registry.find(source)
        if container is None:
            return None
        try:
            data = container.read(source)
        except RangeError:
            return None
    return Recognised(None, f"a {container.name.upper()} file that holds depth and its range") if data else None


def _by_content(e: _Evidence) -> Recognised | None:
    if e.format == "lzfse":
        return Recognised("record3d", "LZFSE data, as in a Record3D capture")
    if e.format == "dpt":
        return Recognised("sintel", "begins with PIEH, as Sintel's .dpt does")
    if e.format == "colmap":
        return Recognised("colmap", "begins with width&height&channels&")
    if {"depth", "focallength_px"} <= e.npz:
        return Recognised("depth-pro", "keys depth and focallength_px")
    if "depths" in e.npz:
        return Recognised("video-depth-anything", "key depths")
    blender = [name for name in e.channels if re.search(r"\.Depth\.Z$", name)]
    return Recognised("blender-exr", f"channel {blender[0]}") if blender else None


def _hdf5(e: _Evidence) -> Recognised | None:
    if {"depths", "images"} <= e.sets.keys() and e.format == "mat":
        return Recognised("nyu", "MAT v7.3 with depths and images")
    if e.sets.get("dataset") == ("float16", (768, 1024)) and "depth_meters" in e.name:
        return Recognised("hypersim", "float16 data set of 1024×768, depth_meters in its name")
    return None


def _middlebury(e: _Evidence) -> Recognised | None:
    calib = e.calib
    if calib is None or calib.size != read_size(e.head):
        return None
    return Recognised("middlebury", f"{calib.path.name} of the same size: {calib}",
                      {"focal_px": calib.focal_px, "baseline_m": calib.baseline_m, "doffs": calib.doffs})


def _npy(e: _Evidence) -> Recognised | None:
    if e.npy is None or e.npy.dtype.kind != "f":
        return None
    if e.name.endswith("_raw_depth_meter.npy"):
        return Recognised("depth-anything-v2-metric", "floats, its name ends in _raw_depth_meter")
    if e.name.endswith("_depth.npy") and e.there(e.name.replace("_depth.npy", "_depth_mask.npy")):
        return Recognised("diode", "floats with a _depth_mask.npy beside them")
    if e.inside("depth_npy") and e.name.endswith("_depth.npy") and e.npy.dtype.itemsize == 4:
        return Recognised("marigold", "in a folder depth_npy, its name ends in _depth")
    return None


@dataclass(frozen=True)
class _PathRule:
    """A rule about PNG files of 16-bit gray.

    Attributes:
        preset: The preset.
        why: The reason; {} stands for the name of the map's folder.
        path: Pattern of the path, in which folders are in lower case.
        above: Files that are in the folder above the map's.
        size: (width, height) of the map, or None.
    """

    preset: str
    why: str
    path: str
    above: tuple[str, ...] = ()
    size: tuple[int, int] | None = None


_PATHS = (
    _PathRule("arkitscenes", "16 bits, in lowres_depth, video and time as its name",
              r".*/lowres_depth/[0-9]+_[0-9]+\.[0-9]+\.png"),
    _PathRule("polycam", "16 bits, in keyframes/depth", r".*/keyframes/depth/[0-9]+\.png"),
    _PathRule("stray-scanner", "16 bits, camera_matrix.csv and odometry.csv in the folder above", r".*/depth/[^/]*",
              above=("camera_matrix.csv", "odometry.csv")),
    _PathRule("tum-rgbd", "16 bits, depth.txt and rgb.txt in the folder above", r".*/depth/[^/]*",
              above=("depth.txt", "rgb.txt")),
    _PathRule("tum-rgbd", "16 bits of 640×480, a time as its name", r".*/[0-9]{10}\.[0-9]{4,6}\.png", size=(640, 480)),
    _PathRule("7scenes", "16 bits of 640×480, named frame-N.depth", r".*/frame-[0-9]{6}\.depth\.png", size=(640, 480)),
    _PathRule("kitti-depth", "16 bits, in proj_depth", r"(?=.*/proj_depth/)(?=.*/(groundtruth|velodyne_raw)/).*"),
    _PathRule("kitti-disparity", "16 bits, in {}", r".*/disp_(occ|noc)(_0)?/[^/]*"),
    _PathRule("vkitti2", "16 bits, in frames/depth/Camera", r".*/frames/(.*/)?camera_[01]/depth_[0-9]{5}\.png"))


def _by_path(e: _Evidence) -> Recognised | None:
    if not e.deep or e.png is None:
        return None
    path, size = "/".join([*e.folders, e.name]), (e.png.width, e.png.height)
    for rule in _PATHS:
        if re.fullmatch(rule.path, path, re.DOTALL) and rule.size in (None, size) and (
                not rule.above or e.there(*rule.above, up=1)):
            return Recognised(rule.preset, rule.why.format(e.path.parent.name))
    return None


def _replica(e: _Evidence) -> Recognised | None:
    frame = e.name.replace("depth", "frame").replace(".png", ".jpg")
    if e.deep and re.fullmatch(r"depth[0-9]{6}\.png", e.name) and e.inside("results") and e.there(frame):
        return Recognised("replica", f"16 bits, in results, {frame} beside it")
    return None


_RULES: tuple[Rule, ...] = (_by_content, _hdf5, _middlebury, _npy, _by_path, _replica, _embedded)


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
