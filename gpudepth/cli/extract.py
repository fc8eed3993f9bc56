"""gpudepth extract"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import NoDepthError
from . import options as o

File = Annotated[Path, typer.Argument(help="A photo that holds depth.", show_default=False)]
Target = Annotated[Path, typer.Option("-o", "--output", show_default=False,
                                      help=".npy, .npz (describes itself), .pfm, .tiff: float32; .png: millimetres; "
                                           ".plist, .bplist (binary): ImageIO's dictionary; .hdis, .fdis, .hdep, "
                                           ".fdep: bare rows and a .json.")]
What = Annotated[str | None, typer.Option(show_default=False, help="depth (metres) or disparity (1/metres). [default: "
                                                                   "depth; for .plist what the photo holds]")]


SideCar = Annotated[bool, typer.Option("--side-car", help="Write the 8-bit gray picture (white = near) that some "
                                                          "programs want beside a photo: photo_depth.png.")]


def extract(file: File, output: Target, values: What = None, coded: o.Coded = False, side_car: SideCar = False) -> None:
    """Take the depth out of a photo: float32 metres, as the photo is displayed.

    \b
    gpudepth extract IMG_0001.HEIC -o depth.npy
    gpudepth extract IMG_0001.HEIC --values disparity --coded -o disparity.npy
    gpudepth extract IMG_0001.HEIC -o depth.plist
    gpudepth extract IMG_0001.HEIC --side-car -o IMG_0001_depth.png
    """
    from ..api import read
    from ..pipeline.export import save, save_side_car

    data = read(file, orientation="coded" if coded else "display")
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
    print(output)
