"""Defines the layouts of data sets: the files of each photo, and the index files that readers expect.

    png16        color/NAME.jpg  depth/NAME.png: millimetres, 0 = no value  validity/NAME.png
    npz, exr     color/NAME.jpg  depth/NAME.npz (with metadata), .exr (float channel Z)  validity/NAME.png
    tum          rgb/T.png  depth/T.png (value / 5000)  rgb.txt  depth.txt
    kitti        image_02/data/N.png  proj_depth/groundtruth/image_02/N.png (value / 256)
    nerfstudio   images/NAME.jpg  depths/NAME.png (millimetres)  transforms.json, without poses, which are unknown
    colmap       images/NAME.jpg  cameras.txt  stereo/depth_maps/NAME.jpg.geometric.bin
    ply          NAME.ply: points in colour; x right, y down, z forward, in metres
    exr-layers   NAME.exr: colour in linear light, Z, validity and mattes in one file (`layers`)

A function of LAYOUTS writes one photo and returns the part of its record about the files: their names, the `unit` of
one step or value, `no_value` (the code for no value), `out_of_range` (pixels), and `lacking` (errors of missing parts).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attachment.export import encode, picture
from ..attachment.output import atomic
from ..depth.calibration import Calibration
from ..depth.data import DepthData
from . import auxiliary
from .photo import DepthPhoto


def put(path: Path, blob: bytes) -> None:
    with atomic(path, make_folder=True) as file:
        file.write(blob)


def _put_all(out: Path, record: dict[str, Any], **blobs: bytes) -> None:
    """Write the files that a record names; all of them are encoded by now, so a photo that fails leaves no file."""
    for key, blob in blobs.items():
        put(out / record[key], blob)


def _codes(photo: DepthPhoto, per_metre: float) -> tuple[NDArray[np.uint16], int]:
    """Return depth · per_metre with 0 for no value, and the number of pixels too far or too near for a code."""
    metres = photo.depth.depth().astype(np.float64)
    there = np.isfinite(metres)
    scaled = np.rint(np.where(there, metres, 0) * per_metre)
    lost = (scaled > 65535) | np.isposinf(metres) | (there & (scaled < 1))
    return np.where(lost, 0, scaled).astype(np.uint16), int(lost.sum())


def _colour(photo: DepthPhoto, name: str) -> bytes:
    return picture(photo.colour(), "JPEG" if name.endswith(".jpg") else "PNG")


def _mask(there: NDArray[np.bool_]) -> bytes:
    return picture(there.astype(np.uint8) * np.uint8(255), "PNG")


def _coded(photo: DepthPhoto, out: Path, record: dict[str, Any], per_metre: int) -> dict[str, Any]:
    """Write colour, and depth as a 16-bit PNG."""
    codes, lost = _codes(photo, per_metre)
    blobs = {"color": _colour(photo, record["color"]), "depth": picture(codes, "PNG")}
    if "validity" in record:
        blobs["validity"] = _mask(codes > 0)
    _put_all(out, record, **blobs)
    return record | {"unit": photo.unit(per_metre), "no_value": 0, "out_of_range": lost}


def _png16(photo: DepthPhoto, out: Path) -> dict[str, Any]:
    record = {"color": f"color/{photo.name}.jpg", "depth": f"depth/{photo.name}.png",
              "validity": f"validity/{photo.name}.png"}
    return _coded(photo, out, record, 1000)


def _floats(suffix: str) -> Callable[[DepthPhoto, Path], dict[str, Any]]:
    """Return the layout with depth in the format of a suffix, as `extract` writes it."""
    def write_one(photo: DepthPhoto, out: Path) -> dict[str, Any]:
        record = {"color": f"color/{photo.name}.jpg", "depth": f"depth/{photo.name}{suffix}",
                  "validity": f"validity/{photo.name}.png"}
        depth = encode(photo.depth, "depth", Path(record["depth"]))
        _put_all(out, record, color=_colour(photo, record["color"]), depth=depth,
                 validity=_mask(np.isfinite(photo.depth.depth())))
        return record | {"unit": photo.unit(), "no_value": "NaN"}

    return write_one


def _tum(photo: DepthPhoto, out: Path) -> dict[str, Any]:
    stamp = f"{photo.number:d}.000000"      # photos have no common clock; they are listed one second apart
    return _coded(photo, out, {"color": f"rgb/{stamp}.png", "depth": f"depth/{stamp}.png"}, 5000)


def _kitti(photo: DepthPhoto, out: Path) -> dict[str, Any]:
    name = f"{photo.number:010d}.png"
    return _coded(photo, out, {"color": f"image_02/data/{name}", "depth": f"proj_depth/groundtruth/image_02/{name}"},
                  256)


def _nerfstudio(photo: DepthPhoto, out: Path) -> dict[str, Any]:
    photo.camera_of(photo.width, photo.height)
    return _coded(photo, out, {"color": f"images/{photo.name}.jpg", "depth": f"depths/{photo.name}.png"}, 1000)


def _colmap(photo: DepthPhoto, out: Path) -> dict[str, Any]:
    photo.camera_of(photo.width, photo.height)
    name = f"{photo.name}.jpg"
    record = {"color": f"images/{name}", "depth": f"stereo/depth_maps/{name}.geometric.bin"}
    metres = photo.depth.depth()
    rows = np.where(np.isfinite(metres), metres, 0).astype("<f4").tobytes()
    _put_all(out, record, color=_colour(photo, name),
             depth=f"{photo.depth.width}&{photo.depth.height}&1&".encode() + rows)
    return record | {"unit": photo.unit(), "no_value": 0}


_POINT = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])


def points_of(photo: DepthPhoto) -> bytes:
    """Return the point cloud of a photo. Raises UnsupportedError if its camera is unknown, or if it is a raw photo."""
    size = photo.depth.width, photo.depth.height
    return point_cloud(photo.depth, photo.camera_of(*size), photo.colour(*size), photo.depth_is)


def _ply(photo: DepthPhoto, out: Path) -> dict[str, Any]:
    put(out / f"{photo.name}.ply", points_of(photo))
    return {"points": f"{photo.name}.ply", "unit": photo.unit()}


def point_cloud(depth: DepthData, camera: Calibration, colour: NDArray[np.uint8], depth_is: str) -> bytes:
    """Return a binary PLY file with a point for each pixel with a value: x right, y down, z forward, in metres.

    Args:
        depth: The map (H, W).
        camera: Its camera.
        colour: (H, W, 3) uint8.
        depth_is: The unit and accuracy in words, for a comment.
    """
    z = depth.depth()
    there = np.isfinite(z) & (z > 0)
    y, x = np.nonzero(there)
    (fx, fy), (cx, cy), z = camera.focal, camera.center, z[there]
    points = np.zeros(len(z), _POINT)
    # the centre of the first pixel is at ½, ½
    points["xyz"] = np.stack([(x + 0.5 - cx) / fx * z, (y + 0.5 - cy) / fy * z, z], -1)
    points["rgb"] = colour[there]
    fields = [*(f"property float {n}" for n in "xyz"), *(f"property uchar {n}" for n in ("red", "green", "blue"))]
    head = ["ply", "format binary_little_endian 1.0", f"comment depth is {depth_is}",
            f"element vertex {len(points)}", *fields, "end_header", ""]
    return "\n".join(head).encode("ascii") + points.tobytes()


def _layers(photo: DepthPhoto, out: Path) -> dict[str, Any]:
    blob, names, failed = auxiliary.encode(photo)
    put(out / f"{photo.name}.exr", blob)
    return {"exr": f"{photo.name}.exr", "layers": names, "unit": photo.unit(), "no_value": "NaN", "lacking": failed}


def _tum_index(records: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for what, name in (("color", "rgb.txt"), ("depth", "depth.txt")):
        rows = [f"{Path(r[what]).stem} {r[what]}" for r in records]
        yield name, "\n".join([f"# {what}; photos, one second apart", "# timestamp filename", *rows, ""])


def _nerfstudio_index(records: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    frames = [{"file_path": r["color"], "depth_file_path": r["depth"], "w": r["width"], "h": r["height"],
               **r["intrinsics"]} for r in records]
    yield "transforms.json", json.dumps({"camera_model": "OPENCV", "frames": frames}, indent=1) + "\n"


def _colmap_index(records: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    rows = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]; one camera per photo, in the order of dataset.json"]
    for number, r in enumerate(records, start=1):
        k = r["intrinsics"]
        rows.append(f"{number} PINHOLE {r['width']} {r['height']} {k['fl_x']:.9g} {k['fl_y']:.9g} {k['cx']:.9g} "
                    f"{k['cy']:.9g}")
    yield "cameras.txt", "\n".join([*rows, ""])


LAYOUTS: dict[str, Callable[[DepthPhoto, Path], dict[str, Any]]] = {
    "png16": _png16, "npz": _floats(".npz"), "exr": _floats(".exr"), "tum": _tum, "kitti": _kitti,
    "nerfstudio": _nerfstudio, "colmap": _colmap, "ply": _ply,
    "exr-layers": _layers}
INDEXES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "tum": _tum_index, "nerfstudio": _nerfstudio_index, "colmap": _colmap_index}
