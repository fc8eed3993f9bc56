"""gpudepth extract"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..errors import NoDepthError, PartialRunError, UsageError
from ..limits import DEFAULT
from . import options as o
from .command import Argument, Option
from .output import print_message

if TYPE_CHECKING:
    from ..datasets.photo import DepthPhoto
    from ..datasets.reconstruction import Reconstruction
    from ..errors import GpudepthError
    from ..video.choice import Choice

File = Annotated[Path, Argument(help=(
    "A photo or clip that holds depth; with --as also a folder of photos."))]
Layout = Annotated[str | None, Option("--as", show_default=False, metavar="LAYOUT", help=(
    "Write a data set into the folder -o: png16, npz, exr, tum, kitti, nerfstudio, colmap, ply (points in colour) "
    "or exr-layers (one file per photo, as --layers); for a clip lerobot: -o depth.mp4 and a .json."))]
Layers = Annotated[bool, Option("--layers", help=(
    "Write the photo to -o photo.exr: linear colour, Z, validity and mattes at the size of the picture."))]
Aux = Annotated[str, Option("--aux", metavar="none|all|KIND,…", help=(
    "For photos: also write the auxiliary images as upright PNGs: matte (portrait effects), skin, hair, teeth, "
    "glasses, sky, gainmap, confidence."))]
Target = Annotated[Path, Option("-o", "--output", show_default=False, help=(
    ".npy, .npz (with metadata), .pfm, .tiff, .exr: float32; .png: mm; .plist, .bplist (binary): ImageIO's "
    "dictionary; .hdis, .fdis, .hdep, .fdep: rows without a header, and a .json; .ply: points in colour."))]
What = Annotated[str | None, Option(show_default=False, help=(
    "depth (metres) or disparity (1/metres). [default: depth; for .plist that of the photo]"))]
AlignTo = Annotated[Path | None, Option("--align-to", show_default=False, metavar="MODEL", help=(
    "For photos: fit scale and shift to the points of a COLMAP model (cameras, images, points3D; .bin or .txt). The "
    "values are then in its units, NOT metres, unless --align-scale is given."))]
AlignScale = Annotated[float | None, Option("--align-scale", show_default=False, help=(
    "Length of one unit of that model in metres."))]
DepthRange = Annotated[str | None, Option("--depth-range", metavar="MIN,MAX", show_default=False, help=(
    "For --as lerobot: the range of its codes in metres. [default: 0.01,10]"))]
SideCar = Annotated[bool, Option("--side-car", help=(
    "Write the 8-bit gray picture (white = near) that some programs want beside a photo: photo_depth.png."))]


def extract(file: File, output: Target, values: What = None, coded: o.Coded = False, side_car: SideCar = False,
            layout: Layout = None, layers: Layers = False, aux: Aux = "none", align_to: AlignTo = None,
            align_scale: AlignScale = None, depth_range: DepthRange = None,
            frames: o.Frames = None, stride: o.Stride = 1, as_json: o.Json = False) -> None:
    """Extract depth from photos, folders of photos and clips.

    A photo gives float32 metres, oriented as it is displayed. A folder becomes a data set. A clip (Apple's Cinematic
    movies, Android's MP4-AT, LeRobot's and our depth video) is written frame by frame, with frames.csv.

    Exit code 3: some photos of a folder failed and the others are written.

    \b
    gpudepth extract IMG_0001.HEIC -o depth.npy
    gpudepth extract IMG_0001.HEIC --values disparity --coded -o disparity.npy
    gpudepth extract IMG_0001.HEIC -o depth.plist
    gpudepth extract IMG_0001.HEIC --side-car -o IMG_0001_depth.png
    gpudepth extract IMG_0001.HEIC --layers -o photo.exr
    gpudepth extract IMG_0001.HEIC -o cloud.ply
    gpudepth extract photos/ --as png16 --aux all -o dataset/
    gpudepth extract photos/ --as npz --align-to colmap/sparse/0 -o dataset/
    gpudepth extract clip.MOV -o depth/%06d.npy --frames 0:100 --stride 10
    gpudepth extract clip.MOV -o depth.mkv
    gpudepth extract clip.MOV --as lerobot -o depth.mp4
    """
    from ..video.choice import Choice
    from ..video.sniff import is_clip_file

    wanted, model, choice = _kinds(aux), _model(align_to, align_scale), Choice.parse(frames, stride)
    disparity, some_frames = values == "disparity", frames is not None or stride != 1
    if layout == "lerobot":
        _refuse("a LeRobot clip", values=disparity, side_car=side_car, layers=layers, aux=wanted, align_to=model)
        _lerobot(file, output, depth_range, choice, coded=coded)
        return
    if depth_range is not None:
        raise UsageError("--depth-range requires --as lerobot")
    if layout is not None or file.is_dir():
        _refuse("a data set", values=disparity, coded=coded, side_car=side_car, layers=layers, frames=some_frames)
        _data_set(file, layout, output, wanted, model, as_json=as_json)
        return
    if is_clip_file(file):
        _refuse("a clip", side_car=side_car, layers=layers, aux=wanted, align_to=model)
        _clip(file, output, o.choice("values", values or "depth", ("depth", "disparity")), choice, coded=coded)
        return
    _refuse("a photo", frames=some_frames)
    if layers:
        _refuse("an OpenEXR file of layers", coded=coded)
        _layers(file, output, model)
    elif output.suffix.lower() == ".ply":
        _refuse("a point cloud", values=disparity, coded=coded, side_car=side_car, aux=wanted)
        _points(file, output, model)
    else:
        _refuse("a map aligned to a model", coded=coded and model is not None)
        _map(file, output, values, wanted, model, coded=coded, side_car=side_car)


def _refuse(output: str, **given: object) -> None:
    """Raise UsageError if any of the given options is set, because this kind of output does not take them."""
    odd = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if odd:
        raise UsageError(f"{' and '.join(odd)} cannot be used for {output}")


def _clip(file: Path, output: Path, quantity: str, choice: Choice, *, coded: bool) -> None:
    from ..attachment.clips.files import save_frames

    number = save_frames(file, output, quantity, choice, coded=coded)
    print(f"{number} frames", file=sys.stderr)
    print(output)


def _lerobot(file: Path, output: Path, depth_range: str | None, choice: Choice, *, coded: bool) -> None:
    from ..attachment.clips.files import save_lerobot
    from ..video.lerobot import Quantiser

    quantiser = Quantiser(*o.pair("depth-range", depth_range)) if depth_range else Quantiser()
    number, notes = save_lerobot(file, output, quantiser, choice, coded=coded)
    for note in notes:
        print_message(f"warning: {note}")
    print(f"{number} frames, {quantiser.depth_min:g} to {quantiser.depth_max:g} m", file=sys.stderr)
    print(output)


def _model(align_to: Path | None, align_scale: float | None) -> Reconstruction | None:
    if align_to is None:
        if align_scale is not None:
            raise UsageError("‹align_scale› requires ‹align_to›")
        return None
    from ..datasets.reconstruction import Reconstruction

    return Reconstruction(align_to, align_scale)


def _kinds(aux: str) -> frozenset[str]:
    """Return the auxiliary images that --aux names. Raises UsageError."""
    if aux == "none":
        return frozenset()
    from ..datasets import auxiliary

    return auxiliary.parse(aux)


def _map(file: Path, output: Path, values: str | None, aux: frozenset[str], model: Reconstruction | None, *,
         coded: bool, side_car: bool) -> None:
    """Write the depth of a photo, and its auxiliary images beside it."""
    from ..attachment.export import save, save_side_car
    from ..attachment.photo import read_depth

    data = _photo(file, model).depth if model else read_depth(file, "coded" if coded else "display", DEFAULT)
    if data is None:
        raise _no_depth(file)
    default = str(data.quantity) if output.suffix.lower() in (".plist", ".bplist") else "depth"
    quantity = o.choice("values", values or default, ("depth", "disparity"))
    if side_car:
        save_side_car(data, output)
    else:
        save(data, output, quantity)
    lo, hi = data.range()
    print(f"{data.width}×{data.height}, {data.quantity} {lo:.4g} to {hi:.4g} {data.quantity.unit}, {data.accuracy}",
          file=sys.stderr)
    paths, failed = [output], []
    if aux:
        from ..datasets import auxiliary

        saved = auxiliary.save(file, output.parent, output.stem, aux)
        paths, failed = [output, *(output.with_name(record["file"]) for record in saved.records)], saved.failed
    for path in paths:
        print(path)
    _report_failed(file, failed)


def _photo(file: Path, model: Reconstruction | None) -> DepthPhoto:
    """Read a photo for a data set, align it to the model if there is one, and print how accurate its depth is."""
    from ..datasets.dataset import aligned, read_photo

    photo = read_photo(file)
    if photo is None:
        raise _no_depth(file)
    if model is not None:
        photo = aligned(photo, model)
        print_message(str(photo.fit))
    print_message(f"the depth is {photo.depth_is}")
    return photo


def _layers(file: Path, output: Path, model: Reconstruction | None) -> None:
    from ..attachment.output import atomic
    from ..datasets import auxiliary

    if output.suffix.lower() != ".exr":
        raise UsageError("--layers writes an .exr file", where=output, hint="-o photo.exr")
    blob, names, failed = auxiliary.encode(_photo(file, model))
    with atomic(output) as target:
        target.write(blob)
    print(f"layers: {', '.join(names)}", file=sys.stderr)
    print(output)
    _report_failed(file, failed)


def _points(file: Path, output: Path, model: Reconstruction | None) -> None:
    from ..attachment.output import atomic
    from ..datasets.layouts import points_of

    blob = points_of(_photo(file, model))
    with atomic(output) as target:
        target.write(blob)
    print(output)


def _no_depth(file: Path) -> NoDepthError:
    return NoDepthError("the file holds no depth", where=file, hint="gpudepth inspect shows what the file holds")


def _report_failed(file: Path, failed: Sequence[GpudepthError]) -> None:
    """Print why auxiliary images could not be read, and raise PartialRunError if there are any."""
    for error in failed:
        print_message(f"error: {error}")
    if failed:
        raise PartialRunError(f"{len(failed)} auxiliary images failed", where=file)


def _data_set(source: Path, layout: str | None, out: Path, aux: frozenset[str], model: Reconstruction | None, *,
              as_json: bool) -> None:
    import json

    from ..datasets.dataset import write
    from ..datasets.layouts import LAYOUTS

    if layout is None:
        raise UsageError("a folder requires --as LAYOUT", where=source, hint="--as " + ", ".join(LAYOUTS))
    written = write(source, layout, out, aux=aux, reconstruction=model)
    for record in written.records:
        if as_json:
            print(json.dumps(record))
    for path, error in (*written.failed, *written.lacking):
        print_message(f"error: {path}: {error}" if str(path) not in str(error) else f"error: {error}")
    for line in written.lines():
        print_message(line)
    if not as_json:
        print(written.out)
    if written.failed:
        raise PartialRunError(f"{len(written.failed)} of {len(written.failed) + len(written.records)} photos failed",
                              where=source)
    if written.lacking:
        raise PartialRunError(f"{len(written.lacking)} auxiliary images failed", where=source)
