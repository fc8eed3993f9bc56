"""gpudepth convert"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from . import options as o
from .command import Argument, Option
from .output import print_outcome

Source = Annotated[Path, Argument(help=(
    "A photo that holds depth, a dictionary, or a map with options for its values."))]
PixelFormat = Annotated[str | None, Option("--format", show_default=False, help=(
    "Pixel format: hdis, fdis, hdep or fdep. [default: that of the source]"))]


@o.with_settings("pixel_format", "align_to", "align_scale", "align_in", "confidence", "confidence_highest",
                 "confidence_least", "color_transform", "turn", "replace_depth")
def convert(
    source: Source, output: o.Out = None, pixel_format: PixelFormat = None, *, given: dict[str, Any],
    coded: o.Coded = False, backend: o.Backend = "auto", in_place: o.InPlace = False, as_json: o.Json = False,
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
    settings = o.settings(given if pixel_format is None else {**given, "pixel_format": pixel_format}, coded=coded)
    from ..attachment.convert import convert as run

    target = o.target(source, output, in_place=in_place)
    outcome = run(source, target, settings, o.engine(backend),
                  pixel_format=settings.pixel_format if pixel_format else None)
    print_outcome(outcome, given["fill"], as_json=as_json)
