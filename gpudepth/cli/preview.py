"""gpudepth preview"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..errors import MissingInputError, PartialRunError, UsageError
from .command import Argument, Option

if TYPE_CHECKING:
    from PIL.Image import Image

Files = Annotated[list[Path], Argument(help=(
    "Photos and clips that hold depth; with --sheet also folders."))]
Target = Annotated[Path | None, Option("-o", "--output", show_default=False, metavar="PNG|FOLDER", help=(
    "The file or folder to write. [default: NAME_preview.png beside each file]"))]
Sheet = Annotated[bool, Option("--sheet", help="Write one picture of all files to -o.")]
Size = Annotated[int, Option(show_default=False, help=(
    "Long side of each picture in pixels. [default: 640; for a sheet 200]"))]


def preview(files: Files, output: Target = None, sheet: Sheet = False, size: Size = 0) -> None:
    """Draw depth as a picture.

    The picture shows the photo, its depth in colors with a legend in metres, and the depth edges: green on edges of
    the picture, red elsewhere. Pixels without a value are hatched. A clip gives up to 24 frames.

    \b
    gpudepth preview out.heic
    gpudepth preview clip.MOV
    gpudepth preview IMG_0001.HEIC IMG_0002.HEIC -o previews/
    gpudepth preview demo-out/heic --sheet -o sheet.png
    """
    if not 0 <= size <= MOST:
        raise UsageError(f"--size must be 1 to {MOST} pixels, not {size}")
    if sheet:
        _sheet(files, output, size or 200)
        return
    targets = _targets(files, output)
    failed = sum(not _one(file, target, size or 640, alone=len(files) == 1) for file, target in targets)
    if failed:
        raise PartialRunError(f"{failed} of {len(files)} files could not be drawn")


MOST, CLIP = 4096, 320


def _targets(files: list[Path], output: Path | None) -> list[tuple[Path, Path]]:
    """Return each file and the picture to write for it. Raises UsageError."""
    if len(files) == 1 and files[0].is_dir():
        raise UsageError("a folder requires --sheet", where=files[0],
                         hint=f"gpudepth preview {files[0]} --sheet -o sheet.png")
    if output is None or output.suffix == "" or output.is_dir():
        return [(file, (output or file.parent) / f"{file.stem}_preview.png") for file in files]
    if len(files) > 1 or output.suffix.lower() != ".png":
        raise UsageError("-o must be a folder, or a .png file for a single input", where=output, hint="-o previews/")
    return [(files[0], output)]


def _one(file: Path, target: Path, size: int, *, alone: bool) -> bool:
    from ..errors import GpudepthError
    from ..video.sniff import is_clip_file
    from ..view.depth_view import load
    from ..view.preview import preview as picture
    from ..view.sheet import clip_sheet
    from .output import print_error

    try:
        image = clip_sheet(file, long_side=min(size, CLIP)) if is_clip_file(file) else picture(load(file, size), size)
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
        raise UsageError("--sheet requires an output in .png", hint="-o sheet.png")
    found: list[Path] = []
    for file in files:
        found += photos_in(file)
    if not found:
        raise MissingInputError("the folder holds no HEIC, JPEG or DNG file", where=files[0])
    _save(contact_sheet(found, long_side=size), output)


def _save(image: Image, target: Path) -> None:
    from ..attachment.output import atomic

    with atomic(target, make_folder=True) as stream:
        image.save(stream, "PNG")
    print(target)
