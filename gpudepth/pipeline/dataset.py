"""A folder of depth photos → the layout of a data set: colour and depth upright, cameras, and what the depth is worth.

    png16        color/NAME.jpg  depth/NAME.png: millimetres, 0 = no value
    npz, exr     color/NAME.jpg  depth/NAME.npz (describes itself), .exr (float channel Z)
    tum          rgb/T.png  depth/T.png (value / 5000)  rgb.txt  depth.txt
    kitti        image_02/data/N.png  proj_depth/groundtruth/image_02/N.png (value / 256)
    nerfstudio   images/NAME.jpg  depths/NAME.png (millimetres)  transforms.json, without poses: nobody knows them
    colmap       images/NAME.jpg  cameras.txt  stereo/depth_maps/NAME.jpg.geometric.bin
    ply          NAME.ply: points in colour, x right, y down, z forward, metres

Every layout comes with dataset.json: a record for each photo with sizes, intrinsics of colour and of depth, the range,
how many pixels have no value, and whether the depth is metres.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..containers import registry
from ..containers.dictionary import Dictionary
from ..depth.calibration import Calibration
from ..depth.data import DepthData
from ..errors import GpudepthError, MissingInputError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from ..sources.pairs import natural_key
from .export import encode, picture
from .guide import Guide
from .output import atomic

WORTH = {"absolute": "metres, as the file says",
         "relative": "NOT metric: right up to scale and shift, whatever the unit says"}
MAX_NAMES = 5


@dataclass(frozen=True)
class Photo:
    """One photo, upright. camera: of the colour picture, or None; number: its place in the set."""

    path: Path
    name: str
    number: int
    depth: DepthData
    guide: Guide
    width: int
    height: int
    camera: Calibration | None

    def colour(self, width: int = 0, height: int = 0) -> NDArray[np.uint8]:
        return self.guide.at(width or self.width, height or self.height)

    def camera_of(self, width: int, height: int) -> Calibration:
        """Raises UnsupportedError for a photo that says nothing of its camera."""
        if self.camera is None:
            raise UnsupportedError("says nothing of its camera: neither a calibration nor a 35 mm focal length",
                                   where=self.path, hint="png16, npz, exr, tum and kitti need none")
        return self.camera.scaled(width, height)


@dataclass
class Written:
    """What became of a folder. records: of dataset.json; failed: file and why; without: files that hold no depth."""

    out: Path
    records: list[dict[str, Any]] = field(default_factory=list)
    failed: list[tuple[Path, GpudepthError]] = field(default_factory=list)
    without: list[Path] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        said = [f"{len(self.records)} photos written"]
        for accuracy, worth in WORTH.items():
            number = sum(r["accuracy"] == accuracy for r in self.records)
            if number:
                said.append(f"the depth of {number} is {worth}")
        if self.without:
            names = ", ".join(p.name for p in self.without[:MAX_NAMES])
            said.append(f"{len(self.without)} hold no depth: {names}{'…' * (len(self.without) > MAX_NAMES)}")
        lost = sum(r["out_of_range"] for r in self.records)
        if lost:
            said.append(f"{lost:,} pixels lie beyond what the layout can hold, and are left out")
        return said


def write(folder: str | Path, kind: str, out: str | Path, *, limits: Limits = DEFAULT) -> Written:
    """Write the depth photos of a folder as a data set of that kind. A photo that fails leaves the others alone.

    Raises UsageError for an unknown kind, MissingInputError for a folder that is not there or holds no depth photos,
    OutputError.
    """
    folder, out = Path(folder), Path(out)
    layout = LAYOUTS.get(kind)
    if layout is None:
        raise UsageError(f"unknown layout {kind!r}", hint="one of " + ", ".join(LAYOUTS))
    if not folder.is_dir():
        raise MissingInputError("is no folder", where=folder)
    written = Written(out)
    suffixes = {s for c in registry.containers() if not isinstance(c, Dictionary) for s in c.suffixes}
    files = sorted((p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.is_file()), key=natural_key)
    taken: set[str] = set()
    for path in files:
        try:
            photo = _read(path, len(written.records), taken, limits)
            if photo is None:
                written.without.append(path)
                continue
            record = _record(photo)
            record |= layout(photo, out)
            taken.add(photo.name)
            written.records.append(record)
        except GpudepthError as error:
            if error.exit_code == 74:       # the disk is full for the next one, too
                raise
            written.failed.append((path, error))
    if not written.records and not written.failed:
        raise MissingInputError("holds no photo with depth", where=folder,
                                hint=f"{len(files)} files could hold some; gpudepth inspect shows what they hold")
    if kind in _INDEXES:
        for name, text in _INDEXES[kind](written.records):
            _put(out / name, text.encode())
    _put(out / "dataset.json", (json.dumps({"layout": kind, "photos": written.records}, indent=1) + "\n").encode())
    return written


def _read(path: Path, number: int, taken: set[str], limits: Limits) -> Photo | None:
    with ByteSource(path, limits) as source:
        container = registry.require(source)
        data, picture = container.read(source), container.picture(source)
    if data is None:
        return None
    shown = data.displayed()
    camera = shown.calibration
    if camera is None and picture.focal35:
        camera = Calibration.from_focal35(picture.focal35, picture.width, picture.height)
    camera = camera.scaled(picture.width, picture.height) if camera else None
    name = path.stem if path.stem not in taken else path.name
    return Photo(path, name, number, shown, Guide(path, "display", limits), picture.width, picture.height, camera)


def _record(photo: Photo) -> dict[str, Any]:
    metres = photo.depth.depth()
    finite = metres[np.isfinite(metres)]
    record: dict[str, Any] = {
        "name": photo.name, "source": photo.path.name, "width": photo.width, "height": photo.height,
        "depth_width": photo.depth.width, "depth_height": photo.depth.height, "accuracy": photo.depth.accuracy,
        "depth_is": WORTH[photo.depth.accuracy], "near": float(finite.min()) if finite.size else None,
        "far": float(finite.max()) if finite.size else None, "without_value": int(metres.size - finite.size),
        "out_of_range": 0}
    if photo.camera is not None:
        record["intrinsics"] = _intrinsics(photo.camera)
        record["depth_intrinsics"] = _intrinsics(photo.camera.scaled(photo.depth.width, photo.depth.height))
    return record


def _intrinsics(camera: Calibration) -> dict[str, float]:
    (fx, fy), (cx, cy) = camera.focal, camera.center
    return {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy}


def _put(path: Path, blob: bytes) -> None:
    with atomic(path, make_folder=True) as file:
        file.write(blob)


def _codes(photo: Photo, per_metre: float) -> tuple[bytes, int]:
    """A 16-bit PNG of depth · per_metre, 0 for no value; and how many pixels were too far for it."""
    metres = photo.depth.depth().astype(np.float64)
    scaled = np.rint(np.where(np.isfinite(metres), metres, 0) * per_metre)
    far = (scaled > 65535) | np.isposinf(metres)
    return picture(np.where(far, 0, scaled).astype(np.uint16), "PNG"), int(far.sum())


def _colour(photo: Photo, out: Path, record: dict[str, Any]) -> dict[str, Any]:
    kind = "JPEG" if record["color"].endswith(".jpg") else "PNG"
    _put(out / record["color"], picture(photo.colour(), kind))
    return record


def _coded(photo: Photo, out: Path, record: dict[str, Any], per_metre: float, unit: str) -> dict[str, Any]:
    """Colour, and depth as a 16-bit PNG."""
    blob, far = _codes(photo, per_metre)
    _put(out / record["depth"], blob)
    return _colour(photo, out, record) | {"unit": unit, "out_of_range": far}


def _png16(photo: Photo, out: Path) -> dict[str, Any]:
    return _coded(photo, out, {"color": f"color/{photo.name}.jpg", "depth": f"depth/{photo.name}.png"}, 1000, "mm")


def _floats(suffix: str) -> Callable[[Photo, Path], dict[str, Any]]:
    """Depth as `extract` writes it."""
    def write_one(photo: Photo, out: Path) -> dict[str, Any]:
        record = {"color": f"color/{photo.name}.jpg", "depth": f"depth/{photo.name}{suffix}"}
        _put(out / record["depth"], encode(photo.depth, "depth", Path(record["depth"])))
        return _colour(photo, out, record) | {"unit": "m"}

    return write_one


def _tum(photo: Photo, out: Path) -> dict[str, Any]:
    stamp = f"{photo.number:d}.000000"      # stills have no common clock: a second apart
    return _coded(photo, out, {"color": f"rgb/{stamp}.png", "depth": f"depth/{stamp}.png"}, 5000, "m/5000")


def _kitti(photo: Photo, out: Path) -> dict[str, Any]:
    name = f"{photo.number:010d}.png"
    return _coded(photo, out, {"color": f"image_02/data/{name}", "depth": f"proj_depth/groundtruth/image_02/{name}"},
                  256, "m/256")


def _nerfstudio(photo: Photo, out: Path) -> dict[str, Any]:
    photo.camera_of(photo.width, photo.height)
    return _coded(photo, out, {"color": f"images/{photo.name}.jpg", "depth": f"depths/{photo.name}.png"}, 1000, "mm")


def _colmap(photo: Photo, out: Path) -> dict[str, Any]:
    photo.camera_of(photo.width, photo.height)
    name = f"{photo.name}.jpg"
    record = {"color": f"images/{name}", "depth": f"stereo/depth_maps/{name}.geometric.bin"}
    metres = photo.depth.depth()
    rows = np.where(np.isfinite(metres), metres, 0).astype("<f4").tobytes()
    _put(out / record["depth"], f"{photo.depth.width}&{photo.depth.height}&1&".encode() + rows)
    return _colour(photo, out, record) | {"unit": "m"}


_POINT = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])


def _ply(photo: Photo, out: Path) -> dict[str, Any]:
    _put(out / f"{photo.name}.ply", point_cloud(photo.depth, photo.camera_of(photo.depth.width, photo.depth.height),
                                                photo.colour(photo.depth.width, photo.depth.height)))
    return {"points": f"{photo.name}.ply", "unit": "m"}


def point_cloud(depth: DepthData, camera: Calibration, colour: NDArray[np.uint8]) -> bytes:
    """A binary PLY of every pixel that has a value: x right, y down, z forward, metres; colours (H, W, 3) uint8."""
    z = depth.depth()
    there = np.isfinite(z) & (z > 0)
    y, x = np.nonzero(there)
    (fx, fy), (cx, cy), z = camera.focal, camera.center, z[there]
    points = np.zeros(len(z), _POINT)
    # the middle of the first pixel is at ½, ½
    points["xyz"] = np.stack([(x + 0.5 - cx) / fx * z, (y + 0.5 - cy) / fy * z, z], -1)
    points["rgb"] = colour[there]
    fields = [*(f"property float {n}" for n in "xyz"), *(f"property uchar {n}" for n in ("red", "green", "blue"))]
    head = ["ply", "format binary_little_endian 1.0", f"comment depth is {WORTH[depth.accuracy]}",
            f"element vertex {len(points)}", *fields, "end_header", ""]
    return "\n".join(head).encode("ascii") + points.tobytes()


def _tum_index(records: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for what, name in (("color", "rgb.txt"), ("depth", "depth.txt")):
        rows = [f"{Path(r[what]).stem} {r[what]}" for r in records]
        yield name, "\n".join([f"# {what}; stills, a second apart", "# timestamp filename", *rows, ""])


def _nerfstudio_index(records: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    frames = [{"file_path": r["color"], "depth_file_path": r["depth"], "w": r["width"], "h": r["height"],
               **r["intrinsics"]} for r in records]
    yield "transforms.json", json.dumps({"camera_model": "OPENCV", "frames": frames}, indent=1) + "\n"


def _colmap_index(records: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    rows = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]: one for each photo, in the order of dataset.json"]
    for number, r in enumerate(records, start=1):
        k = r["intrinsics"]
        rows.append(f"{number} PINHOLE {r['width']} {r['height']} {k['fl_x']:.9g} {k['fl_y']:.9g} {k['cx']:.9g} "
                    f"{k['cy']:.9g}")
    yield "cameras.txt", "\n".join([*rows, ""])


LAYOUTS: dict[str, Callable[[Photo, Path], dict[str, Any]]] = {
    "png16": _png16, "npz": _floats(".npz"), "exr": _floats(".exr"), "tum": _tum, "kitti": _kitti,
    "nerfstudio": _nerfstudio, "colmap": _colmap, "ply": _ply}
_INDEXES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "tum": _tum_index, "nerfstudio": _nerfstudio_index, "colmap": _colmap_index}
