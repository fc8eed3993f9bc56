"""Small sound files of every kind that is read, made here: what mutations and harnesses start from."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import archive_kit
import numpy as np
import video_kit
from dng_kit import dng
from heif_kit import Item, Layout, coded_map, main_item
from heif_kit import attach as attach_heif
from movie_kit import coded, depth_movie, muxed
from PIL import Image

import gpudepth
from gpudepth.containers import apple
from gpudepth.containers.dictionary import serialise as to_plist
from gpudepth.depth.calibration import Calibration
from gpudepth.depth.data import DepthData
from gpudepth.depth.pixel_format import FDEP, HDEP, HDIS
from gpudepth.formats.bytesource import ByteSource
from gpudepth.maps.netpbm import encode_pfm
from gpudepth.video.lerobot import LerobotWriter, Quantiser
from gpudepth.video.mp4at import writer as mp4at

Z = np.linspace(0.5, 8, 24 * 32, dtype=np.float32).reshape(24, 32)
CAMERA = Calibration(np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]]), 32, 24)
JOB = b"""source: {color: "photos/*.heic", depth: "depth/{stem}.png"}
encoding: {kind: gray, near: 0.5, far: 12.0, curve: depth, white: far}      # a comment
refine:
  fill: nearest
  resize: {long_side: 768}
  clamp: [0.1, 1e2]
output: {path: "out/{stem}.heic", profile: 'apple-depth'}
"""
MODEL = {
    "cameras.txt": b"# CAMERA_ID\n3 PINHOLE 640 480 500 510 320 240\n",
    "images.txt": b"# two lines\n5 1 0 0 0 0 0 3 3 a b c.jpg\n10 20 9 30 40 -1\n",
    "points3D.txt": b"# POINT3D_ID\n9 1 2 3 255 128 0 0.5 5 0\n"}
CALIB = (b"cam0=[3997.684 0 1176.728; 0 3997.684 1011.728; 0 0 1]\ncam1=[3997.684 0 1307.839; 0 3997.684 1011.728; 0 0 1]\n"
         b"doffs=131.111\nbaseline=193.001\nwidth=32\nheight=24\nndisp=280\n")


def _saved(write: Callable[[Path], Any], suffix: str) -> bytes:
    """What something writes to a path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"seed{suffix}"
        write(path)
        return path.read_bytes()


def _encoded(image: Any, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind, **options)
    return out.getvalue()


def _depth(fmt: Any = HDIS, calibration: Calibration | None = CAMERA) -> DepthData:
    return DepthData(Z, FDEP, calibration=calibration, accuracy="absolute").to(fmt)


def _attached(photo: bytes, suffix: str, **options: Any) -> bytes:
    def write(path: Path) -> None:
        bare = path.with_name(f"bare{suffix}")
        bare.write_bytes(photo)
        depth = _depth(calibration=CAMERA if suffix != ".dng" else None)
        gpudepth.attach(bare, depth, path, fit="stretch", backend="numpy", **options)

    return _saved(write, suffix)


def photo(width: int = 64, height: int = 48) -> bytes:
    about = Image.Exif()
    about[0x0112] = 6
    about.get_ifd(0x8769)[0xA405] = 26
    return _encoded(archive_kit.pixels(width, height), "JPEG", exif=about)


def _heif() -> bytes:
    """All that is parsed: picture, depth with SEI and XMP, Exif, idat, groups."""
    layout = Layout([main_item(), Item(2, "Exif", b"\0\0\0\x06Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", hidden=True),
                     Item(5, "mime", b"text", method=1, content_type=b"text/plain")],
                    references=[("cdsc", 2, [1])], groups=[("altr", 9, [1])])
    return attach_heif(layout.build(), coded_map(32, 24))


def _movie() -> bytes:
    return depth_movie({"count": 2}, stream=coded(2, bframes=0), edits=[(40, 0)], references={"auxl": [1]})


def _mp4at() -> bytes:
    out = io.BytesIO()
    with ByteSource(muxed(2, container="mp4")) as source:
        mp4at.write(source, ((Fraction(n, 30), _depth(HDEP)) for n in range(2)), out, (0.5, 8.0))
    return out.getvalue()


def _lerobot() -> bytes:
    out = io.BytesIO()
    with LerobotWriter(out, Quantiser()) as video:
        for n in range(2):
            video.write(DepthData(np.tile(Z, (3, 3)), FDEP), Fraction(n, 30))
    return out.getvalue()


def _exr(path: Path) -> None:
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Z": Z, "R": Z.astype(np.float16), "G": Z.astype(np.float16), "B": Z.astype(np.float16)}).write(str(path))


def _hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("depth", data=Z, chunks=(8, 8), compression="gzip")
        file.create_dataset("other", data=np.arange(5))


def _npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def _tiff(image: Any, **options: Any) -> bytes:
    return _encoded(image, "TIFF", **options)


@cache
def seeds() -> dict[str, bytes]:
    """Name → bytes. The names' suffixes are what users would call such files."""
    gray = (Z * 8000).astype(np.uint16)
    jpeg = photo()
    return {
        "depth.heic": _heif(),
        "bare.heic": Layout([main_item()]).build(),
        "depth.jpg": _attached(jpeg, ".jpg"),
        "both.jpg": _attached(jpeg, ".jpg", also=("gdepth",)),
        "android.jpg": _attached(jpeg, ".jpg", profile="gdepth"),
        "dynamic.jpg": _attached(jpeg, ".jpg", profile="dynamic-depth"),
        "bare.jpg": jpeg,
        "depth.dng": _attached(dng("<", size=(40, 30)), ".dng"),
        "big.dng": _attached(dng(">", big=True, size=(40, 30)), ".dng", bits=8, compression="none"),
        "depth.plist": to_plist(_depth()),
        "binary.plist": to_plist(_depth(), binary=True),
        "depth.mov": _movie(),
        "auxiliary.mp4": _mp4at(),
        "lerobot.mp4": _lerobot(),
        "depth.mkv": _saved(lambda path: video_kit.depth(path, 2), ".mkv"),
        "colour.mp4": _saved(lambda path: video_kit.colour(path, 3, width=64, height=48), ".mp4"),
        "gray.mkv": _saved(lambda path: video_kit.gray(path, [gray, gray]), ".mkv"),
        "depth.npy": archive_kit.npy(Z),
        "depth.npz": _npz(depth=Z, focallength_px=np.float32(30)),
        "stack.npz": _npz(depths=np.stack([Z, Z, Z])),
        "depth.pfm": encode_pfm(Z),
        "depth.pgm": b"P5\n# mm\n32 24\n65535\n" + gray.astype(">u2").tobytes(),
        "text.pgm": b"P2\n4 2\n255\n" + b" ".join(b"%d" % n for n in range(8)),
        "depth.png": _encoded(gray, "PNG"),
        "colour.png": _encoded(archive_kit.pixels(32, 24), "PNG"),
        "palette.png": _encoded(archive_kit.pixels(32, 24).quantize(8), "PNG"),
        "depth.tiff": _tiff(gray),
        "float.tiff": _tiff(Z),
        "packed.tiff": _tiff(gray, compression="tiff_adobe_deflate"),
        "depth.bmp": _encoded((Z * 30).astype(np.uint8), "BMP"),
        "depth.webp": _encoded((Z * 30).astype(np.uint8), "WEBP", lossless=True),
        "depth.exr": _saved(_exr, ".exr"),
        "depth.h5": _saved(_hdf5, ".h5"),
        "depth.dpt": b"PIEH" + np.array([32, 24], "<i4").tobytes() + Z.astype("<f4").tobytes(),
        "depth.bin": b"32&24&1&" + Z.astype("<f4").tobytes(),
        "rows.raw": Z.tobytes(),
        "scene.zip": _saved(lambda p: archive_kit.zipped(p, {"rgb/1.jpg": jpeg, "depth/1.png": archive_kit.depth()}), ".zip"),
        "scene.tar": _saved(lambda p: archive_kit.tar(p, {"rgb/1.jpg": jpeg, "depth/1.png": archive_kit.depth()}), ".tar"),
        "scene.r3d": _saved(lambda p: archive_kit.capture(p, frames=1), ".r3d"),
        "packet.xmp": apple.serialise(coded_map(calibration=CAMERA), "apple-depth"),
        "job.yaml": JOB,
        "calib.txt": CALIB,
        **MODEL,
        "pairs.csv": b"color,depth,id\ndepth.jpg,depth.png,1\n",
        "pairs.jsonl": b'{"color": "depth.jpg", "depth": "depth.png"}\n',
        "transforms.json": json.dumps({"frames": [{"file_path": "a.jpg", "depth_file_path": "a.png"}]}).encode(),
        "times.txt": b"# time path\n1305031102.175304 depth.jpg\n1305031102.211214 depth.png\n",
    }


def write(folder: Path) -> list[Path]:
    """All of them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (folder / name).write_bytes(data)
    return sorted(folder / name for name in seeds())
