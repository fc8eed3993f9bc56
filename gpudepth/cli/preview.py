"""gpudepth preview"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import MissingInputError, PartialRunError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

Files = Annotated[list[Path], typer.Argument(help="Photos and clips that hold depth; with --sheet folders, too.",
                                             show_default=False)]
Target = Annotated[Path | None, typer.Option("-o", "--output", show_default=False, metavar="PNG|FOLDER",
                                             help="Where to write. [default: NAME_preview.png beside each file]")]
Sheet = Annotated[bool, typer.Option("--sheet", help="One picture of all of them, small, into -o.")]
Size = Annotated[int, typer.Option(help="Long side of each picture in it, pixels. [default: 640; of a sheet 200]",
                                   show_default=False)]


def preview(files: Files, output: Target = None, sheet: Sheet = False, size: Size = 0) -> None:
    """Draw depth as a picture.

    The picture shows the photo, depth in colors with a legend in metres, and whether depth edges sit on picture edges
    (green) or not (red). Pixels without a value are hatched. A clip gives up to 24 frames.

    \b
    gpudepth preview out.heic
    gpudepth preview clip.MOV
    gpudepth preview IMG_0001.HEIC IMG_0002.HEIC -o previews/
    gpudepth preview demo-out/heic --sheet -o sheet.png
    """
    if size < 0 or size > MOST:
        raise UsageError(f"--size {size}: 1 to {MOST} pixels")
    if sheet:
        _sheet(files, output, size or 200)
        return
    if len(files) == 1 and files[0].is_dir():
        raise UsageError("is a folder", where=files[0], hint=f"gpudepth preview {files[0]} --sheet -o sheet.png")
    into = output is not None and (output.suffix == "" or output.is_dir())
    if output is not None and not into and (len(files) > 1 or output.suffix.lower() != ".png"):
        raise UsageError("several files need a folder, and one a name in .png", where=output, hint="-o previews/")
    failed = 0
    for file in files:
        target = output if output is not None and not into else (
            output or file.parent) / f"{file.stem}_preview.png"
        failed += not _one(file, target, size or 640, alone=len(files) == 1)
    if failed:
        raise PartialRunError(f"{failed} of {len(files)} could not be shown")


MOST, CLIP = 4096, 320


def _one(file: Path, target: Path, size: int, *, alone: bool) -> bool:
    from ..errors import GpudepthError
    from ..video.frames import is_clip
    from ..view.depth_view import load
    from ..view.preview import preview as picture
    from ..view.sheet import clip_sheet
    from .output import print_error

    try:
        image = clip_sheet(file, long_side=min(size, CLIP)) if is_clip(file) else picture(load(file, size), size)
    except GpudepthError as error:
        if alone:
            raise
        print_error(error)
        return False
    _save(image, target)
    return True


def _sheet(files: list[Path], output: Path | None, size: int) -> None:
    from ..datasets.dataset import photos_in
    from ..view.sheet import contact_sheet

    if output is None or output.suffix.lower() != ".png":
        raise UsageError("a sheet needs a name in .png", hint="-o sheet.png")
    found: list[Path] = []
    for file in files:
        found += photos_in(file)
    if not found:
        raise MissingInputError("there is no HEIC, JPEG or DNG file in it", where=files[0])
    _save(contact_sheet(found, long_side=size), output)


def _save(image: Image, target: Path) -> None:
    from ..attachment.output import atomic

    with atomic(target, make_folder=True) as stream:
        image.save(stream, "PNG")
    print(target)
