"""Makes the input files of `baseline`: most without gpudepth, some copied from samples, and a few with gpudepth."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import onnx
import pillow_heif
from onnx import TensorProto, helper, numpy_helper
from PIL import Image


class Ended(Protocol):
    """The end of a command."""

    @property
    def returncode(self) -> int | str: ...

    @property
    def stderr(self) -> str: ...


Run = Callable[[Sequence[str], Path], Ended]

WIDTH, HEIGHT = 128, 96         # of photos
MAP_WIDTH, MAP_HEIGHT = 64, 48
FRAMES = 12

SAMPLES = {
    "iphone13.heic": "heic/iphone13pro_portrait.heic",
    "iphone14.heic": "heic/iphone14pro_front_rotated_mirrored_no_depth.heic",
    "spatial.heic": "heic/visionpro_spatial.heic",
    "article.heic": "heic/article_output.heic",
    "article_color.png": "heic/article_input_color.png",
    "article_gray.png": "heic/article_input_gray.png",
    "iphone7.jpg": "jpeg/iphone7plus_portrait.jpg",
    "mini.jpg": "jpeg/iphone13mini_gainmap_no_depth.jpg",
    "android.jpg": "jpeg/android_gdepth.jpg",
    "photo.dng": "dng/linearraw_200x200_no_depth.dng",
    "kitti_disparity.png": "depth/kitti2015_disp_occ_0_000046_10.png",
    "kitti.png": "depth/kitti2015_image_2_000046_10.png",
    "middlebury/calib.txt": "depth/middlebury2014_MotorcycleQ_calib.txt",
    "middlebury/disp0.pfm": "depth/middlebury2014_MotorcycleQ_disp0GT.pfm",
    "middlebury/im0.png": "depth/middlebury2014_MotorcycleQ_im0.png",
    "tum.png": "depth/tum_rgbd_1_color.png",
    "tum_depth.png": "depth/tum_rgbd_1_depth.png",
    "arkit.jpg": "depth/arkit_lidar_color_promptda.jpg",
    "arkit_depth.png": "depth/arkit_lidar_depth_promptda.png",
    "hypersim.hdf5": "depth/hypersim_ai_037_002_frame.0000.depth_meters.hdf5",
    "halves.exr": "depth/openexr_AllHalfValues.exr",
    "street.mp4": "video/street_walk_color.mp4",
}

# files made with the gpudepth under test; their differences show as differences of inputs
MADE = [
    "attach photo.heic depth.npy --metric --calibration exif --accuracy absolute -o apple.heic",
    "attach turned.heic depth.npy --metric --fit stretch -o turned_depth.heic",
    "attach photo.jpg depth.npy --metric --calibration exif -o apple.jpg",
    "attach photo.jpg depth.npy --metric --profile gdepth -o gdepth.jpg",
    "attach photo.jpg depth.npy --metric --profile dynamic-depth -o dynamic.jpg",
    "attach photo.dng square.npy --metric -o depth.dng",
    "attach clip.mp4 gray.mkv --scale mm -o with.mov",
    "attach clip.mp4 gray.mkv --scale mm -o with.mp4",
    "extract with.mov -o depth.mkv",
    "extract apple.heic -o depth.plist",
    "convert depth.npy --metric -o depth.fdep",
]

JOBS = {
    "gray": "source: {color: 'c/*', depth: 'd/{stem}.png'}\nencoding: {near: 0.5, far: 10, white: near}\n"
            "refine: {clamp: [0.6, 9], fill: nearest, smooth: median3, resize: {long_side: 40}}\n"
            "map: {pixel_format: hdep, accuracy: absolute, calibration: exif}\n"
            "output: {path: 'out/{stem}.heic', transcode: true, quality: 80}\nrun: {workers: 1}\n",
    "two_workers": "source: {color: 'c/*', depth: 'd/{stem}.png'}\nencoding: {near: 0.5, far: 10}\n"
                   "output: {path: 'out/{stem}.heic', transcode: true}\nrun: {workers: 2, ledger: logs/l.jsonl}\n",
    "preset": "source: {color: 'c/*.jpg', depth: 'mm/{stem}.png'}\nencoding: {preset: arkitscenes}\n"
              "refine: {fit: crop, fill: inpaint, resize: {width: 48, height: 36, method: bilinear}}\n"
              "map: {jpeg_quality: 90, quality: low, filtered: false}\n"
              "output: {path: 'out/{stem}.jpg', also: [gdepth], trailer: drop, turn: 90}\nrun: {workers: 1}\n",
    "align": "source: {color: 'c/*.jpg', depth: 'relative/{stem}.png'}\nencoding: {preset: midas}\n"
             "refine: {align: {to: 'mm/{stem}.png', scale: mm}, confidence: {path: 'conf/{stem}.png', highest: 2}}\n"
             "output: {path: 'out/{stem}.jpg', profile: gdepth}\nrun: {workers: 1}\n",
    "by_index": "source: {color: 'c/*.heic', depth: 'd/*.png', match: index, depth_stride: 2}\n"
                "encoding: {disparity: [1.2, 0.1]}\nmap: {pixel_format: fdis, bits: 10}\n"
                "output: {path: 'out/{stem}.heic'}\nrun: {workers: 1}\n",
    "by_time": "source: {color: rgb.txt, depth: depth.txt, match: time, tolerance: 0.02, allow_missing: true}\n"
               "encoding: {kind: depth, scale: mm}\nrefine: {fill: far}\noutput: {path: 'out/{stem}.jpg'}\n"
               "run: {workers: 1}\n",
    "pairs": "source: {pairs: pairs.csv}\nencoding: {kind: depth, scale: 0.001}\noutput: {path: 'out/{id}.jpg'}\n"
             "run: {workers: 1}\n",
    "archive": "source: {archive: '*.zip', color: 'c/*.jpg', depth: 'mm/{stem}.png'}\nencoding: {preset: arkitscenes}\n"
               "output: {path: 'out/{archive}/{stem}.jpg'}\nrun: {workers: 1}\n",
    "shards": "source: {shards: 'set-*.tar', color: [jpg], depth: [depth.png]}\nencoding: {kind: depth, scale: mm}\n"
              "output: {path: 'out/{shard}/{key}.jpg'}\nrun: {workers: 1}\n",
    "tars": "source: {color: 'c/*.jpg', depth: 'mm/{stem}.png'}\nencoding: {kind: depth, scale: mm}\n"
            "output: {path: 'out/{tar}.tar/{stem}.jpg', tars: 2}\nrun: {workers: 1}\n",
    "maps": "source: {color: 'c/*.jpg', depth: 'mm/{stem}.png'}\nencoding: {kind: depth, scale: mm}\n"
            "output: {path: 'out/{stem}.npy', orientation: coded}\nrun: {workers: 1}\n",
    "network": "source: {color: 'c/*.jpg', depth: {kind: onnx, model: model.onnx, size: [56, 42], fit: stretch}}\n"
               "encoding: {preset: midas, near: 0.5, far: 12}\noutput: {path: 'out/{stem}.jpg'}\nrun: {workers: 1}\n",
    "clip": "source: {video: clip.mp4, depth: gray.mkv, clip: {frames: '2:10', stride: 3, match: index}}\n"
            "encoding: {kind: depth, scale: mm}\noutput: {path: 'out/{frame}.heic', quality: 70}\nrun: {workers: 1}\n",
    "embedded": "source: {color: 'photos/*', depth: 'photos/{stem}.heic', allow_missing: true}\n"
                "output: {path: 'out/{stem}.heic', replace_depth: true, transcode: true}\nrun: {workers: 1}\n",
    "failing": "source: {color: 'bad/*', depth: 'mm/{stem}.png'}\nencoding: {kind: depth, scale: mm}\n"
               "output: {path: 'out/{stem}.jpg'}\nrun: {workers: 1}\n",
    "missing": "source: {color: 'c/*', depth: 'nowhere/{stem}.png'}\nencoding: {near: 1, far: 2}\n"
               "output: {path: 'out/{stem}.heic'}\n",
    "mistakes": "source: {color: 'c/*', dept: 'd/{stem}.png'}\nencoding: {near: 5, far: 2}\n"
                "output: {path: 'out/{stem}.heic'}\nrefine: {fill: sideways}\nrun: {workers: -1}\n",
}


def metres(width: int = MAP_WIDTH, height: int = MAP_HEIGHT, shift: float = 0.0) -> Any:
    """Return (H, W) float32, 0.6 to 9 m, with a different value in each pixel."""
    y, x = np.mgrid[:height, :width]
    return (0.6 + shift + 8.4 * (x * 3 + y * 2) / (3 * (width - 1) + 2 * (height - 1))).astype(np.float32)


def picture(number: int = 0, width: int = WIDTH, height: int = HEIGHT) -> Any:
    """Return (H, W, 3) uint8 with edges, different for each number."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x * 255 // width, y * 255 // height, (x + y + 9 * number) % 256], -1).astype(np.uint8)
    rgb[height // 4 : height // 2, 8 + 4 * number : 40 + 4 * number] = 230
    return rgb


def _exif(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0xA405] = 26       # FocalLengthIn35mmFilm
    return exif.tobytes()


def _photo(path: Path, number: int = 0, orientation: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    image = Image.fromarray(picture(number, *size))
    if path.suffix == ".heic":
        pillow_heif.from_pillow(image).save(path, quality=70, exif=_exif(orientation))
    else:
        image.save(path, exif=_exif(orientation))


def _codes(path: Path, values: Any, dtype: Any = np.uint16) -> None:
    Image.fromarray(np.rint(values).astype(dtype)).save(path)


def make_inputs(base: Path, samples: Path, run: Run) -> None:
    """Fill a folder with all inputs.

    Args:
        base: An empty folder.
        samples: The folder with other people's files.
        run: Runs gpudepth with these words in a folder.

    Raises:
        FileNotFoundError: A sample is missing.
        RuntimeError: gpudepth failed to make an input.
    """
    for name, sample in SAMPLES.items():
        (base / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(samples / sample, base / name)
    shutil.copytree(samples / "repro", base / "repro", copy_function=shutil.copyfile)
    for name in ("photo.heic", "photo.jpg", "photo.png", "photo.tif", "photo.webp"):
        _photo(base / name)
    for name in ("turned.heic", "turned.jpg"):
        _photo(base / name, orientation=6)
    _maps(base)
    _network(base / "model.onnx", metric=False)
    _network(base / "metric.onnx", metric=True)
    _clips(base)
    for line in MADE:
        done = run(line.split(), base)
        if done.returncode:
            raise RuntimeError(f"{line}\n{done.stderr}")
    photos = base / "photos"
    photos.mkdir()
    for name, source in (("a.heic", "apple.heic"), ("b.jpg", "apple.jpg"), ("c.jpg", "gdepth.jpg")):
        shutil.copyfile(base / source, photos / name)
    _colmap(base / "colmap", ["a.heic", "b.jpg", "c.jpg"])
    _jobs(base)


def _maps(base: Path) -> None:
    depth, near = metres(), 1 / metres()
    relative = (near - near.min()) / (near.max() - near.min())
    holes = depth.copy()
    holes[::7, ::5] = 0
    _codes(base / "gray.png", (depth - 0.5) / 11.5 * 255, np.uint8)
    _codes(base / "gray16.png", (depth - 0.5) / 11.5 * 65535)
    _codes(base / "gray16.tiff", (depth - 0.5) / 11.5 * 65535)
    _codes(base / "mm.png", depth * 1000)
    _codes(base / "holes.png", holes * 1000)
    _codes(base / "midas.png", relative * 65535)
    _codes(base / "sparse.png", np.where(np.arange(depth.size).reshape(depth.shape) % 37 == 0, depth * 1000, 0))
    _codes(base / "conf.png", np.arange(depth.size).reshape(depth.shape) % 3, np.uint8)
    _codes(base / "wide.png", metres(96, 48) * 1000)
    _codes(base / "tall.png", metres(48, 64) * 1000)
    np.save(base / "depth.npy", depth)
    np.save(base / "square.npy", metres(50, 50))
    np.save(base / "disparity.npy", near)
    np.save(base / "holes.npy", np.where(holes > 0, holes, np.nan).astype(np.float32))
    np.save(base / "negative.npy", depth - 2)
    np.savez(base / "two.npz", depth=depth, other=depth + 1)
    np.savez(base / "clip_depths.npz", depths=np.stack([near + n / 100 for n in range(FRAMES)]))
    (base / "depth.pfm").write_bytes(b"Pf\n64 48\n-1\n" + np.flipud(depth).astype("<f4").tobytes())
    (base / "mm.pgm").write_bytes(b"P5\n64 48\n65535\n" + np.rint(depth * 1000).astype(">u2").tobytes())
    depth.astype("<f2").tofile(base / "dump.raw")
    depth.astype(">f4").tofile(base / "big.raw")


def _network(path: Path, *, metric: bool) -> None:
    """Write a network that is a convolution over the colours; a metric one returns 1 to 5 m."""
    kernel = np.array([0.7, -0.4, 0.2], np.float32)[None, :, None, None] * np.full((1, 1, 3, 3), 1 / 9, np.float32)
    constants = {"w": kernel, "five": np.float32(5), "four": np.float32(4), "one": np.float32(1)}
    nodes = [helper.make_node("Conv", ["picture", "w"], ["c"], pads=[1, 1, 1, 1])]
    if metric:
        nodes += [helper.make_node("Sigmoid", ["c"], ["s"]), helper.make_node("Mul", ["s", "four"], ["m"]),
                  helper.make_node("Add", ["m", "one"], ["map"])]
    else:
        nodes.append(helper.make_node("Add", ["c", "five"], ["map"]))
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes, "depth", [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, [None] * 4)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _video(path: Path, codec: str, pix_fmt: str, source: str, frames: Sequence[Any]) -> None:
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        stream = out.add_stream(codec, rate=30, options={"threads": "1", "flags": "+bitexact"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        for number, values in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), format=source)
            frame.pts, frame.time_base = number, Fraction(1, 30)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _clips(base: Path) -> None:
    pictures = [picture(n) for n in range(FRAMES)]
    for name in ("clip.mp4", "clip.mov"):
        _video(base / name, "libx264", "yuv420p", "rgb24", pictures)
    codes = [np.rint(metres(shift=n / 50) * 1000).astype(np.uint16) for n in range(FRAMES)]
    _video(base / "gray.mkv", "ffv1", "gray16le", "gray16le", codes)
    gray = np.rint(metres(WIDTH, HEIGHT) * 25).astype(np.uint8)
    _video(base / "sbs.mp4", "libx264", "yuv420p", "rgb24",
           [np.concatenate([p, np.stack([gray] * 3, -1)], 1) for p in pictures])


def _colmap(folder: Path, names: Sequence[str]) -> None:
    """Write a sparse model of these photos, with points on their surface."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    depth, focal, points = metres(), 100.0, []
    for _ in range(200):
        x, y = int(rng.integers(0, MAP_WIDTH)), int(rng.integers(0, MAP_HEIGHT))
        z = float(depth[y, x])
        points.append((((x + 0.5) * 2 - 64) / focal * z, ((y + 0.5) * 2 - 48) / focal * z, z))
    (folder / "cameras.txt").write_text(f"1 PINHOLE {WIDTH} {HEIGHT} {focal} {focal} 64 48\n")
    (folder / "points3D.txt").write_text("".join(f"{n} {x} {y} {z} 0 0 0 0\n" for n, (x, y, z) in enumerate(points)))
    seen = " ".join(f"0 0 {n}" for n in range(len(points)))
    (folder / "images.txt").write_text(
        "".join(f"{n} 1 0 0 0 0 0 0 1 {name}\n{seen}\n" for n, name in enumerate(names, 1)))


def _jobs(base: Path) -> None:
    """Write the files that the jobs name, and a folder for init."""
    jobs = base / "jobs"
    for name in ("c", "d", "mm", "relative", "conf", "bad"):
        (jobs / name).mkdir(parents=True)
    for n in range(6):
        _photo(jobs / "c" / f"{n}.{'heic' if n % 2 else 'jpg'}", n)
        depth = metres(shift=n / 20)
        _codes(jobs / "d" / f"{n}.png", (depth - 0.5) / 11.5 * 65535)
        _codes(jobs / "mm" / f"{n}.png", depth * 1000)
        _codes(jobs / "relative" / f"{n}.png", (1 / depth - 0.1) * 30000)
        shutil.copyfile(base / "conf.png", jobs / "conf" / f"{n}.png")
    shutil.copyfile(jobs / "c" / "0.jpg", jobs / "bad" / "0.jpg")
    (jobs / "bad" / "2.jpg").write_bytes((jobs / "c" / "2.jpg").read_bytes()[:100])
    for name in ("clip.mp4", "gray.mkv", "model.onnx"):
        shutil.copyfile(base / name, jobs / name)
    shutil.copytree(base / "photos", jobs / "photos", copy_function=shutil.copyfile)
    (jobs / "rgb.txt").write_text("# color\n1.000 c/0.jpg\n1.033 c/2.jpg\n2.000 c/4.jpg\n")
    (jobs / "depth.txt").write_text("# depth\n1.005 mm/0.png\n1.040 mm/2.png\n")
    (jobs / "pairs.csv").write_text("id,color,depth,out\nfirst,c/0.jpg,mm/0.png,\nsecond,c/2.jpg,mm/2.png,x/two.jpg\n")
    with zipfile.ZipFile(jobs / "scene.zip", "w") as archive:
        for name in ("c/0.jpg", "mm/0.png", "c/2.jpg", "mm/2.png"):
            archive.writestr(zipfile.ZipInfo(name), (jobs / name).read_bytes())
    with tarfile.open(jobs / "set-000.tar", "w") as tar:
        for name, source in (("a.jpg", "c/0.jpg"), ("a.depth.png", "mm/0.png"),
                             ("b.jpg", "c/2.jpg"), ("b.depth.png", "mm/2.png")):
            data, info = (jobs / source).read_bytes(), tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    for name, text in JOBS.items():
        (jobs / f"{name}.yaml").write_text(text)
    found = base / "found"
    (found / "depth").mkdir(parents=True)
    for n in range(3):
        shutil.copyfile(jobs / "c" / f"{2 * n}.jpg", found / f"{n}.jpg")
        shutil.copyfile(jobs / "mm" / f"{2 * n}.png", found / "depth" / f"{n}.png")
    (base / "not.json").write_text(json.dumps({"nothing": 1}))
    (base / "broken.heic").write_bytes((base / "apple.heic").read_bytes()[:300])
    (base / "empty.jpg").write_bytes(b"")
