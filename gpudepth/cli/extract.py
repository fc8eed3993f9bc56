"""gpudepth extract"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import NoDepthError, PartialRunError, UsageError
from . import options as o
from .output import print_message

if TYPE_CHECKING:
    from ..datasets.photo import Photo as DepthPhoto
    from ..datasets.reconstruction import Reconstruction
    from ..errors import GpudepthError
    from ..video.matching import Choice

File = Annotated[Path, typer.Argument(help="A photo or clip that holds depth; or a folder of photos, with --as.",
                                      show_default=False)]
Layout = Annotated[str | None, typer.Option("--as", show_default=False, metavar="LAYOUT",
                                            help="Write a data set into the folder -o, as png16, npz, exr, tum, "
                                                 "kitti, nerfstudio, colmap, ply (points in colour) "
                                                 "or exr-layers (a file a photo, as --layers); of a clip lerobot: "
                                                 "-o depth.mp4 and a .json.")]
Layers = Annotated[bool, typer.Option("--layers", help="Write -o photo.exr with the photo in it: linear colour, Z, "
                                                       "validity and mattes at the size of the picture.")]
Aux = Annotated[str, typer.Option("--aux", metavar="none|all|KIND,…",
                                  help="Of photos: write the auxiliary images, too, upright PNGs: matte (portrait "
                                       "effects), skin, hair, teeth, glasses, sky, gainmap, confidence.")]
Target = Annotated[Path, typer.Option("-o", "--output", show_default=False,
                                      help=".npy, .npz (describes itself), .pfm, .tiff, .exr: float32; .png: mm; "
                                           ".plist, .bplist (binary): ImageIO's dictionary; .hdis, .fdis, .hdep, "
                                           ".fdep: bare rows and a .json; .ply: points in colour.")]
What = Annotated[str | None, typer.Option(show_default=False, help="depth (metres) or disparity (1/metres). [default: "
                                                                   "depth; for .plist what the photo holds]")]


AlignTo = Annotated[Path | None, typer.Option("--align-to", show_default=False, metavar="MODEL",
                                              help="Of photos: fit scale and shift to the points of a COLMAP model "
                                                   "(cameras, images, points3D; .bin or .txt). Values are then in its "
                                                   "units, NOT metres, unless --align-scale is given.")]
AlignScale = Annotated[float | None, typer.Option("--align-scale", show_default=False,
                                                  help="Metres of one unit of that model.")]
DepthRange = Annotated[str | None, typer.Option("--depth-range", metavar="MIN,MAX", show_default=False,
                                                help="Of --as lerobot: metres that its codes reach from and to. "
                                                     "[default: 0.01,10]")]
Frames = Annotated[str | None, typer.Option(metavar="A:B", show_default=False,
                                            help="Of a clip: from A, counted from 0, to before B.")]
Stride = Annotated[int, typer.Option(help="Of a clip: every n-th frame.")]
SideCar = Annotated[bool, typer.Option("--side-car", help="Write the 8-bit gray picture (white = near) that some "
                                                          "programs want beside a photo: photo_depth.png.")]


def extract(file: File, output: Target, values: What = None, coded: o.Coded = False, side_car: SideCar = False,
            layout: Layout = None, layers: Layers = False, aux: Aux = "none", align_to: AlignTo = None,
            align_scale: AlignScale = None, depth_range: DepthRange = None,
            frames: Frames = None, stride: Stride = 1, as_json: o.Json = False) -> None:
    """Extract depth out of photos, folders of photos and clips.

    A photo gives float32 metres as it is displayed; a folder becomes a data set; a clip (Apple's Cinematic movies,
    Android's MP4-AT, LeRobot's and our depth video) is written frame by frame, with frames.csv.

    Exit code 3: some photos of a folder failed, the others are written.

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
    from ..datasets import auxiliary
    from ..video import frames as clip
    from ..video.matching import Choice

    wanted, model = auxiliary.parse(aux), _model(align_to, align_scale)
    if depth_range is not None and layout != "lerobot":
        raise UsageError("--depth-range speaks of --as lerobot, which is not there")
    if layout == "lerobot":
        if side_car or layers or wanted or model is not None or values == "disparity":
            raise UsageError("--as lerobot is depth alone, of a clip, in metres", where=file)
        _lerobot(file, output, depth_range, Choice.parse(frames, stride), coded=coded)
    elif layout is not None or file.is_dir():
        _data_set(file, layout, output, wanted, model, as_json=as_json)
    elif clip.is_clip(file):
        if side_car or layers or wanted or model is not None:
            raise UsageError("--side-car, --layers, --aux and --align-to are of photos", where=file)
        quantity = o.choice("values", values or "depth", ("depth", "disparity"))
        _clip(file, output, quantity, Choice.parse(frames, stride), coded=coded)
    elif frames is not None or stride != 1:
        raise UsageError("--frames and --stride speak of clips", where=file)
    elif coded and (model is not None or layers):
        raise UsageError("--align-to and --layers give maps as they are displayed: leave --coded out")
    elif layers:
        _layers(file, output, model)
    elif output.suffix.lower() == ".ply":
        if coded or side_car or wanted or values == "disparity":
            raise UsageError("points are upright, in metres, and alone", where=output)
        _points(file, output, model)
    else:
        _map(file, output, values, wanted, model, coded=coded, side_car=side_car)


def _clip(file: Path, output: Path, quantity: str, choice: Choice, *, coded: bool) -> None:
    from ..attachment.clips.files import save_frames

    number = save_frames(file, output, quantity, choice, coded=coded)
    print(f"{number} frames", file=sys.stderr)
    print(output)


def _lerobot(file: Path, output: Path, depth_range: str | None, choice: Choice, *, coded: bool) -> None:
    from ..attachment.clips.files import save_lerobot
    from ..video.lerobot.metadata import Quantiser

    quantiser = Quantiser(*o.pair("depth-range", depth_range)) if depth_range else Quantiser()
    number, notes = save_lerobot(file, output, quantiser, choice, coded=coded)
    for note in notes:
        print_message(f"warning: {note}")
    print(f"{number} frames, {quantiser.depth_min:g} to {quantiser.depth_max:g} m", file=sys.stderr)
    print(output)


def _model(align_to: Path | None, align_scale: float | None) -> Reconstruction | None:
    from ..datasets.reconstruction import Reconstruction

    if align_to is None:
        if align_scale is not None:
            raise UsageError("--align-scale speaks of --align-to, which is not there")
        return None
    return Reconstruction(align_to, align_scale)


def _map(file: Path, output: Path, values: str | None, aux: frozenset[str], model: Reconstruction | None, *,
         coded: bool, side_car: bool) -> None:
    """The depth of a photo, and its auxiliary images beside it."""
    from ..api import read
    from ..attachment.export import save, save_side_car
    from ..datasets import auxiliary

    data = _photo(file, model).depth if model else read(file, orientation="coded" if coded else "display")
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
    saved = auxiliary.save(file, output.parent, output.stem, aux)
    for path in (output, *(output.with_name(r["file"]) for r in saved.records)):
        print(path)
    _tell_failed(file, saved.failed)


def _photo(file: Path, model: Reconstruction | None) -> DepthPhoto:
    """A photo as it goes into a data set, aligned where there is a model; what its depth is worth is said."""
    from ..datasets.dataset import aligned, read_photo

    photo = read_photo(file)
    if photo is None:
        raise _no_depth(file)
    if model is not None:
        photo = aligned(photo, model)
        print_message(str(photo.fit))
    print_message(f"the depth is {photo.worth}")
    return photo


def _layers(file: Path, output: Path, model: Reconstruction | None) -> None:
    from ..attachment.output import atomic
    from ..datasets import layers

    if output.suffix.lower() != ".exr":
        raise UsageError("--layers writes OpenEXR", where=output, hint="-o photo.exr")
    blob, names, failed = layers.encode(_photo(file, model))
    with atomic(output) as target:
        target.write(blob)
    print(f"layers: {', '.join(names)}", file=sys.stderr)
    print(output)
    _tell_failed(file, failed)


def _points(file: Path, output: Path, model: Reconstruction | None) -> None:
    from ..attachment.output import atomic
    from ..datasets.layouts import points_of

    blob = points_of(_photo(file, model))
    with atomic(output) as target:
        target.write(blob)
    print(output)


def _no_depth(file: Path) -> NoDepthError:
    return NoDepthError("holds no depth", where=file, hint="gpudepth inspect shows what it does hold")


def _tell_failed(file: Path, failed: Sequence[GpudepthError]) -> None:
    """Auxiliary images that could not be read are no reason to keep the rest back, and none to be silent."""
    for error in failed:
        print_message(f"error: {error}")
    if failed:
        raise PartialRunError(f"{len(failed)} auxiliary images failed", where=file)


def _data_set(source: Path, layout: str | None, out: Path, aux: frozenset[str], model: Reconstruction | None, *,
              as_json: bool) -> None:
    from ..datasets.dataset import write
    from ..datasets.layouts import LAYOUTS

    if layout is None:
        raise UsageError("is a folder: --as says what to write of it", where=source, hint="--as " + ", ".join(LAYOUTS))
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
