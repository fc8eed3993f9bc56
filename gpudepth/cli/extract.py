"""gpudepth extract"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import NoDepthError, PartialRunError, UsageError
from . import options as o

if TYPE_CHECKING:
    from ..depth.data import DepthData
    from ..pipeline.reconstruction import Reconstruction

File = Annotated[Path, typer.Argument(help="A photo or clip that holds depth; or a folder of photos, with --as.",
                                      show_default=False)]
Layout = Annotated[str | None, typer.Option("--as", show_default=False, metavar="LAYOUT",
                                            help="Write a data set into the folder -o, as png16, npz, exr, tum, "
                                                 "kitti, nerfstudio, colmap or ply (points in colour).")]
Aux = Annotated[str, typer.Option("--aux", metavar="none|all|KIND,…",
                                  help="Of photos: write the auxiliary images, too, upright PNGs: matte (portrait "
                                       "effects), skin, hair, teeth, glasses, sky, gainmap, confidence.")]
Target = Annotated[Path, typer.Option("-o", "--output", show_default=False,
                                      help=".npy, .npz (describes itself), .pfm, .tiff, .exr: float32; .png: mm; "
                                           ".plist, .bplist (binary): ImageIO's dictionary; .hdis, .fdis, .hdep, "
                                           ".fdep: bare rows and a .json.")]
What = Annotated[str | None, typer.Option(show_default=False, help="depth (metres) or disparity (1/metres). [default: "
                                                                   "depth; for .plist what the photo holds]")]


AlignTo = Annotated[Path | None, typer.Option("--align-to", show_default=False, metavar="MODEL",
                                              help="Of photos: fit scale and shift to the points of a COLMAP model "
                                                   "(cameras, images, points3D; .bin or .txt). Values are then in its "
                                                   "units, NOT metres, unless --align-scale is given.")]
AlignScale = Annotated[float | None, typer.Option("--align-scale", show_default=False,
                                                  help="Metres of one unit of that model.")]
Frames = Annotated[str | None, typer.Option(metavar="A:B", show_default=False,
                                            help="Of a clip: from A, counted from 0, to before B.")]
Stride = Annotated[int, typer.Option(help="Of a clip: every n-th frame.")]
SideCar = Annotated[bool, typer.Option("--side-car", help="Write the 8-bit gray picture (white = near) that some "
                                                          "programs want beside a photo: photo_depth.png.")]


def extract(file: File, output: Target, values: What = None, coded: o.Coded = False, side_car: SideCar = False,
            layout: Layout = None, aux: Aux = "none", align_to: AlignTo = None, align_scale: AlignScale = None,
            frames: Frames = None, stride: Stride = 1, as_json: o.Json = False) -> None:
    """Take the depth out of a photo, float32 metres as the photo is displayed; out of a folder, as a data set; or out
    of a clip (Apple's Cinematic movies, depth video), frame by frame with frames.csv.

    Exit code 3: some photos of a folder failed, the others are written.

    \b
    gpudepth extract IMG_0001.HEIC -o depth.npy
    gpudepth extract IMG_0001.HEIC --values disparity --coded -o disparity.npy
    gpudepth extract IMG_0001.HEIC -o depth.plist
    gpudepth extract IMG_0001.HEIC --side-car -o IMG_0001_depth.png
    gpudepth extract photos/ --as png16 --aux all -o dataset/
    gpudepth extract photos/ --as npz --align-to colmap/sparse/0 -o dataset/
    gpudepth extract clip.MOV -o depth/%06d.npy --frames 0:100 --stride 10
    gpudepth extract clip.MOV -o depth.mkv
    """
    from ..pipeline import auxiliary
    from ..pipeline.reconstruction import Reconstruction

    wanted = auxiliary.parse(aux)
    if align_to is None and align_scale is not None:
        raise UsageError("--align-scale speaks of --align-to, which is not there")
    model = Reconstruction(align_to, align_scale) if align_to else None
    if layout is not None or file.is_dir():
        _data_set(file, layout, output, wanted, model, as_json=as_json)
        return
    from ..pipeline import clip

    if clip.is_clip(file):
        if side_car:
            raise UsageError("--side-car is of photos", where=file)
        if wanted or model is not None:
            raise UsageError("--aux and --align-to are of photos", where=file)
        quantity = o.choice("values", values or "depth", ("depth", "disparity"))
        number = clip.save_frames(file, output, quantity, clip.Choice.parse(frames, stride), coded=coded)
        print(f"{number} frames", file=sys.stderr)
        print(output)
        return
    if frames is not None or stride != 1:
        raise UsageError("--frames and --stride speak of clips", where=file)
    if model is not None and coded:
        raise UsageError("--align-to gives maps as they are displayed: leave --coded out")
    data = _photo(file, model, coded=coded)
    from ..pipeline.export import save, save_side_car

    if data is None:
        raise NoDepthError("holds no depth", where=file, hint="gpudepth inspect shows what it does hold")
    default = str(data.quantity) if output.suffix.lower() in (".plist", ".bplist") else "depth"
    quantity = o.choice("values", values or default, ("depth", "disparity"))
    if side_car:
        save_side_car(data, output)
    else:
        save(data, output, quantity)
    lo, hi = data.range()
    print(f"{data.width}×{data.height}, {data.quantity} {lo:.4g} to {hi:.4g} {data.quantity.unit}, {data.accuracy}",
          file=sys.stderr)
    saved = auxiliary.save(file, output.parent, output.stem, wanted)
    for error in saved.failed:
        print(f"error: {error}", file=sys.stderr)
    for path in (output, *(output.with_name(r["file"]) for r in saved.records)):
        print(path)
    if saved.failed:
        raise PartialRunError(f"{len(saved.failed)} auxiliary images failed", where=file)


def _photo(file: Path, model: Reconstruction | None, *, coded: bool) -> DepthData | None:
    """The depth of a photo, aligned where there is a model; what it is worth is said."""
    if model is None:
        from ..api import read

        return read(file, orientation="coded" if coded else "display")
    from ..pipeline.dataset import aligned, read_photo

    photo = read_photo(file)
    if photo is None:
        return None
    photo = aligned(photo, model)
    print(f"{photo.fit}\nthe depth is {photo.worth}", file=sys.stderr)
    return photo.depth


def _data_set(source: Path, layout: str | None, out: Path, aux: frozenset[str], model: Reconstruction | None, *,
              as_json: bool) -> None:
    from ..pipeline.dataset import write
    from ..pipeline.layouts import LAYOUTS

    if layout is None:
        raise UsageError("is a folder: --as says what to write of it", where=source, hint="--as " + ", ".join(LAYOUTS))
    written = write(source, layout, out, aux=aux, reconstruction=model)
    for record in written.records:
        if as_json:
            print(json.dumps(record))
    for path, error in (*written.failed, *written.lacking):
        print(f"error: {path}: {error}" if str(path) not in str(error) else f"error: {error}", file=sys.stderr)
    for line in written.lines():
        print(line, file=sys.stderr)
    if not as_json:
        print(written.out)
    if written.failed:
        raise PartialRunError(f"{len(written.failed)} of {len(written.failed) + len(written.records)} photos failed",
                              where=source)
    if written.lacking:
        raise PartialRunError(f"{len(written.lacking)} auxiliary images failed", where=source)
