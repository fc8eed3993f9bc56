"""Draws contact sheets of many files or of the frames of a clip, with one file in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..errors import GpudepthError, NoDepthError
from ..limits import DEFAULT, Limits
from ..video.frames import ClipFrame, frames
from .canvas import BAD, FAINT, PAPER, depth_picture, metres, write
from .depth_view import DepthView, load
from .preview import GAP, score

FRAMES = 24         # largest number of frames of a clip; a long clip shows at least half as many
LINES = 40          # height in pixels of the text below each picture


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet with its text.

    Attributes:
        name: The first line of the text.
        picture: The picture, or None if it could not be drawn.
        caption: The second line of the text.
    """

    name: str
    picture: Image.Image | None
    caption: str


def contact_sheet(files: Sequence[Path], columns: int = 0, long_side: int = 200,
                  limits: Limits = DEFAULT) -> Image.Image:
    """Draw picture and depth of many files; the reason stands in place of those that cannot be drawn.

    Raises:
        LimitError: If the sheet exceeds the limit for pictures.
    """
    return _sheet((_of_file(path, long_side, limits) for path in files), len(files), columns,
                  (2 * long_side, long_side), limits)


def clip_sheet(path: Path, columns: int = 0, long_side: int = 200, limits: Limits = DEFAULT) -> Image.Image:
    """Draw the depth of evenly spaced frames of a clip.

    Raises:
        NoDepthError: If the clip holds no depth.
        FileError: If the clip cannot be read, or the sheet exceeds the limit for pictures.
    """
    cells, stride, number = list[Cell](), 1, 0
    for frame in frames(path, limits=limits):
        number += 1
        if frame.index % stride:
            continue
        cells.append(_of_frame(frame, long_side))
        if len(cells) > FRAMES:     # the number of frames is known only at the end
            cells, stride = cells[::2], stride * 2
    if not cells:
        raise NoDepthError("the clip holds no frame", where=path)
    return _sheet(iter(cells), len(cells), columns or min(4, len(cells)), (long_side, long_side), limits)


def _of_frame(frame: ClipFrame, long_side: int) -> Cell:
    view = DepthView("", frame.data.displayed())
    width, height = view.fitted(long_side)
    return Cell(f"frame {frame.index}, {float(frame.seconds):.2f} s", depth_picture(view, width, height), reach(view))


def _of_file(path: Path, long_side: int, limits: Limits) -> Cell:
    try:
        view = load(path, long_side, limits)
    except GpudepthError as error:
        return Cell(path.name, None, str(error).replace(f"{error.where}: ", ""))
    width, height = view.fitted(long_side)
    pair = Image.new("RGB", (2 * width, height), PAPER)
    if view.picture is not None:
        pair.paste(Image.fromarray(view.picture).resize((width, height)), (0, 0))
    pair.paste(depth_picture(view, width, height), (width, 0))
    agreement = score(view)
    edges = "" if agreement is None or agreement.score is None else f"; edges {agreement.score:.2f}"
    return Cell(path.name, pair, f"{view.data.width}×{view.data.height}, {reach(view)}{edges}")


def reach(view: DepthView) -> str:
    """Return the distances at the ends of the colours, such as `0.52 m to 11.9 m`."""
    lo, hi = view.span
    return " to ".join(metres(1 / v if v > 0 else float("inf")) for v in (hi, lo))


def _sheet(cells: Iterator[Cell], count: int, columns: int, size: tuple[int, int], limits: Limits) -> Image.Image:
    columns = columns or max(1, min(4, round(count**0.5)))
    wide, tall = size[0] + GAP, size[1] + LINES
    rows = -(-count // columns)
    limits.check_picture(columns * wide, rows * tall, 3, where="the contact sheet")
    canvas = Image.new("RGB", (columns * wide + GAP, rows * tall + GAP), PAPER)
    for i, cell in enumerate(cells):
        x, y = GAP + i % columns * wide, GAP + i // columns * tall
        if cell.picture is not None:
            canvas.paste(cell.picture, (x, y))
        write(canvas, (x, y + size[1] + 2), cell.name, size=12, width=size[0])
        colour = BAD if cell.picture is None else FAINT
        write(canvas, (x, y + size[1] + 17), cell.caption, colour, size=11, width=size[0])
    return canvas
