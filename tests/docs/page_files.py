"""Every file that the commands of the pages name, small: photos of 128×96, maps of 64×48, clips of 12 frames."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from typing import Any

import network_kit
import numpy as np
import OpenEXR
import video_kit
from photo_kit import heic, plain
from PIL import Image

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.demo.photos import dng

CONFIGS = Path(__file__).parents[2] / "configs"
WIDTH, HEIGHT = 64, 48
# nothing that we write lends what Portrait mode renders with; the second is made with the first
REAL = {"portrait.heic": "heic/iphone13pro_portrait.heic", "edit.heic": ""}


def metres(width: int = WIDTH, height: int = HEIGHT) -> Any:
    """(H, W) float32, from 0.6 to 9 m, no two pixels alike."""
    y, x = np.mgrid[:height, :width]
    return (0.6 + 8.4 * (x * 3 + y * 2) / (3 * (width - 1) + 2 * (height - 1))).astype(np.float32)


def make(base: Path) -> None:
    """All of them, in `base`."""
    _photos(base)
    _maps(base)
    _pairs(base)
    _clips(base)
    _folders(base)
    _jobs(base)
    samples = Path(os.environ.get("GPUDEPTH_SAMPLES", "/nowhere"))
    for name, real in REAL.items():
        if (samples / real).is_file():
            shutil.copyfile(samples / real, base / name)


def done(*arguments: str | Path) -> None:
    """A command that files are made with."""
    assert run_command([str(a) for a in arguments]) == 0


def _photos(base: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26       # FocalLengthIn35mmFilm
    for name in ("photo.heic", "edited.heic"):
        heic(base / name, exif_block=exif.tobytes())
    for name in ("photo.jpg", "export.jpg", "color.png", "kitti_color.png", "tum_color.png", "im0.png"):
        plain(base / name, focal35=26)
    (base / "photo.dng").write_bytes(dng(np.asarray(Image.open(base / "color.png"))))
    for name in ("IMG_0001.HEIC", "IMG_0002.HEIC", "out.heic"):
        gpudepth.attach(base / "photo.heic", metres(), base / name, accuracy="absolute", calibration="exif")
    for name, profile in (("android.jpg", "gdepth"), ("iphone.jpg", "apple-depth"), ("out.jpg", "apple-depth")):
        gpudepth.attach(base / "photo.jpg", metres(), base / name, profile=profile, accuracy="absolute", calibration="exif")
    gpudepth.attach(base / "photo.dng", metres(), base / "out.dng")
    codes = np.rint(255 * (1 - metres() / 9.5)).astype(np.uint8)
    (base / "galaxy.jpg").write_bytes((base / "photo.jpg").read_bytes() + _edof(codes))
    network_kit.write(base / "model.onnx")


def _edof(codes: Any) -> bytes:
    """A trailer of Huawei's."""
    head = bytearray(68)
    head[:4] = b"edof"
    head[16:20] = struct.pack("<HH", codes.shape[1], codes.shape[0])
    return b"something before\0" + bytes(head[:4]) + b"\0" + bytes(head[5:]) + codes.tobytes()


def _image(path: Path, values: Any, dtype: Any = np.uint16) -> None:
    Image.fromarray(np.rint(values).astype(dtype)).save(path)


def _maps(base: Path) -> None:
    near = 1 / metres()
    relative = (near - near.min()) / (near.max() - near.min())
    _image(base / "depth.png", (metres() - 0.5) / 11.5 * 65535)
    _image(base / "gray.png", relative * 255, np.uint8)
    _image(base / "lidar.png", metres() * 1000)
    _image(base / "midas.png", relative * 65535)
    _image(base / "anything.png", relative * 255, np.uint8)
    np.save(base / "depth.npy", metres())
    np.save(base / "metric.npy", metres())
    np.savez(base / "depth_pro.npz", depth=metres(), focallength_px=np.float32(100))
    metres(256, 192).astype("<f2").tofile(base / "dump.raw")
    colour = np.asarray(Image.open(base / "color.png"), np.float32) / 255
    channels = {"R": colour[..., 0], "G": colour[..., 1], "B": colour[..., 2], "Z": metres(128, 96)}
    for name in ("render.exr", "r.exr"):
        OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage},
                     {k: np.ascontiguousarray(v) for k, v in channels.items()}).write(str(base / name))


def _pairs(base: Path) -> None:
    holes = metres(128, 96)
    holes[::7, ::5] = 0
    for name in ("kitti.png", "kitti_depth.png"):
        _image(base / name, holes * 256)
    _image(base / "tum_depth.png", holes * 5000)
    _image(base / "kitti_disparity.png", np.where(holes > 0, 721.5 * 0.54 / np.where(holes > 0, holes, 1) * 64, 0))
    (base / "calib.txt").write_text("cam0=[200 0 64; 0 200 48; 0 0 1]\ndoffs=3\nbaseline=200\nwidth=128\nheight=96\n")
    disparity = (200 * 0.2 / metres(128, 96) - 3).astype("<f4")
    disparity[::9, ::4] = np.inf
    (base / "disp0.pfm").write_bytes(b"Pf\n128 96\n-1\n" + np.flipud(disparity).tobytes())


def _clips(base: Path) -> None:
    video_kit.colour(base / "clip.mov")
    video_kit.colour(base / "colour.mp4")
    video_kit.depth(base / "depth.mkv")
    done("attach", base / "clip.mov", base / "depth.mkv", "-o", base / "clip.MOV")
    done("attach", base / "colour.mp4", base / "depth.mkv", "-o", base / "clip.mp4")
    np.savez(base / "clip_depths.npz", depths=np.stack([1 / metres() + n / 100 for n in range(12)]))

    def both(number: int) -> Any:
        gray = np.asarray(Image.fromarray(np.rint(metres() * 25).astype(np.uint8)).resize((128, 96)))
        return np.concatenate([video_kit.picture(number), np.stack([gray] * 3, -1)], 1)

    video_kit.colour(base / "sbs.mp4", width=256, frame=both)


def _folders(base: Path) -> None:
    photos = base / "photos"
    photos.mkdir()
    names = ["IMG_0001.HEIC", "IMG_0002.HEIC", "c.jpg"]
    for name, source in zip(names, ("IMG_0001.HEIC", "IMG_0002.HEIC", "iphone.jpg"), strict=True):
        shutil.copyfile(base / source, photos / name)
    _colmap(base / "colmap" / "sparse" / "0", names)
    (base / "out").mkdir()
    shutil.copyfile(base / "out.jpg", base / "out" / "a.jpg")
    folder = base / "folder"
    (folder / "depth").mkdir(parents=True)
    for n in range(2):
        shutil.copyfile(base / "photo.heic", folder / f"{n}.heic")
        shutil.copyfile(base / "anything.png", folder / "depth" / f"{n}.png")


def _colmap(folder: Path, names: list[str]) -> None:
    """A sparse model of these photos, with points on their very surface."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    points, focal, depth = [], 100.0, metres()
    for _ in range(200):
        x, y = int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT))
        z = float(depth[y, x])
        points.append((((x + 0.5) * 2 - 64) / focal * z, ((y + 0.5) * 2 - 48) / focal * z, z))
    (folder / "cameras.txt").write_text(f"1 PINHOLE 128 96 {focal} {focal} 64 48\n")
    (folder / "points3D.txt").write_text("".join(f"{n} {x} {y} {z} 0 0 0 0\n" for n, (x, y, z) in enumerate(points)))
    seen = " ".join(f"0 0 {n}" for n in range(len(points)))
    (folder / "images.txt").write_text("".join(f"{n} 1 0 0 0 0 0 0 1 {name}\n{seen}\n" for n, name in enumerate(names, 1)))


def _jobs(base: Path) -> None:
    """job.yaml over c/ and d/; TUM's folder; the demo's, as `gpudepth demo` leaves it, with two photos."""
    for name in ("c", "d", "configs", "tum/rgb", "tum/depth", "demo-out/photos", "demo-out/depth"):
        (base / name).mkdir(parents=True)
    for n in range(4):
        shutil.copyfile(base / "photo.jpg", base / f"c/{n}.jpg")
        shutil.copyfile(base / "depth.png", base / f"d/{n}.png")
    (base / "job.yaml").write_text('source: {color: "c/*.jpg", depth: "d/{stem}.png"}\nencoding: {near: 0.5, far: 10}\n'
                                   'output: {path: "made/{stem}.jpg"}\nrun: {workers: 1}\n')
    for config in CONFIGS.glob("*.yaml"):
        shutil.copyfile(config, base / "configs" / config.name)
    for n in (1, 2):
        shutil.copyfile(base / "photo.heic", base / f"demo-out/photos/demo_0{n}.heic")
        shutil.copyfile(base / "depth.png", base / f"demo-out/depth/demo_0{n}.png")
        plain(base / f"tum/rgb/{n}.png")
        shutil.copyfile(base / "tum_depth.png", base / f"tum/depth/{n}.png")
    done("run", base / "configs" / "demo.yaml", "-q")
    (base / "tum/rgb.txt").write_text("# color\n1.000 rgb/1.png\n1.033 rgb/2.png\n")
    (base / "tum/depth.txt").write_text("# depth\n1.005 depth/1.png\n1.040 depth/2.png\n")
    (base / "tum/job.yaml").write_text(
        "source: {color: rgb.txt, depth: depth.txt, match: time, tolerance: 0.02, allow_missing: true}\n"
        "encoding: {preset: tum-rgbd}\nrefine: {clamp: [0.4, 8], fill: nearest}\nmap: {accuracy: absolute}\n"
        'output: {path: "heic/{stem}.heic"}\n')
