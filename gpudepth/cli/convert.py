"""gpudepth convert"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from .output import print_outcome

Source = Annotated[Path, typer.Argument(show_default=False, help=(
    "A photo that holds depth, a dictionary, or a map with options for its values."))]
OwnFormat = Annotated[str | None, typer.Option("--format", show_default=False, help=(
    "Pixel format: hdis, fdis, hdep or fdep. [default: that of the source]"))]


def convert(
    source: Source, output: o.Out = None, pixel_format: OwnFormat = None, profile: o.Profile = None,
    also: o.Also = None,
    donor: o.DonorPhoto = None, trailer: o.Trailer = "keep", near: o.Near = None, far: o.Far = None,
    white: o.White = "far", curve: o.Curve = "depth", disparity_range: o.DisparityRange = None,
    metric: o.Metric = False, values: o.Values = None, scale: o.Scale = None, offset: o.Offset = 0.0,
    invalid: o.Invalid = None, preset: o.PresetName = None, focal_px: o.FocalPx = None, baseline_m: o.Baseline = None,
    doffs: o.Doffs = None, clamp: o.Clamp = None, resize: o.ResizeTo = None,
    resize_method: o.ResizeMethod = None, smooth: o.Smoothing = None, fill: o.Fill = None,
    shape: o.Shape = None, dtype: o.Dtype = None, bytes_per_row: o.RowBytes = None,
    coded: o.Coded = False, bits: o.Bits = None, crf: o.Crf = None, jpeg_quality: o.JpegQuality = None,
    compression: o.Compression = None, accuracy: o.Accuracy = None, transcode: o.Transcode = False,
    photo_quality: o.Quality = 90, key: o.Key = None, backend: o.Backend = "auto", in_place: o.InPlace = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Convert depth from one kind of file into another.

    From photo to photo, the picture is not re-encoded and the depth gets the layout --profile; codes and range are
    kept unless the container is lossy. --profile apple-portrait reduces larger maps to 768 pixels and keeps the
    rendering parameters of Portrait mode, which other profiles leave out. A .plist is ImageIO's dictionary (.bplist:
    binary). .hdis, .fdis, .hdep and .fdep are rows without a header, and a .json. .npy, .npz, .pfm, .tiff and .png
    hold metres, or the quantity of --format.

    \b
    gpudepth convert android.jpg -o apple.jpg --profile apple-depth
    gpudepth convert iphone.jpg -o android.jpg --profile gdepth
    gpudepth convert IMG_0001.HEIC -o depth.plist
    gpudepth convert depth.png --near 0.5 --far 12 -o depth.hdis
    """
    settings = o.settings(locals())
    from ..attachment.convert import convert as run

    target = o.target(source, output, in_place=in_place)
    outcome = run(source, target, settings, o.engine(backend),
                  pixel_format=settings.pixel_format if pixel_format else None)
    print_outcome(outcome, fill, as_json=as_json)
