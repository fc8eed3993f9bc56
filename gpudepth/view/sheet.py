"""Contact sheets: many files, or the frames of a clip, small and side by side. One is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..errors import GpudepthError, NoDepthError
from ..limits import DEFAULT, Limits
from ..video import frames as clip
from .canvas import BAD, FAINT, PAPER, depth_picture, metres, write
from .depth_view import DepthView, load
from .preview import GAP, score

FRAMES = 24         # of a clip, at most; half as many at least
LINES = 40          # pixels under each pair


@dataclass(frozen=True)
class Cell:
    """picture: what there is to see, or None where it failed; said: of it."""

    name: str
    picture: Image.Image | None
    said: str


def contact_sheet(files: Sequence[Path], columns: int = 0, long_side: int = 200,
                  limits: Limits = DEFAULT) -> Image.Image:
    """Pairs of picture and depth of many files; those that cannot be shown say why. Raises LimitError."""
    return _sheet((_of_file(path, long_side, limits) for path in files), len(files), columns,
                  (2 * long_side, long_side), limits)


def clip_sheet(path: Path, columns: int = 0, long_side: int = 200, limits: Limits = DEFAULT) -> Image.Image:
    """Depth of frames of a clip, evenly. Raises what reading it raises, NoDepthError, LimitError."""
    cells, stride, number = list[Cell](), 1, 0
    for frame in clip.frames(path, limits=limits):
        number += 1
        if frame.index % stride:
            continue
        cells.append(_of_frame(frame, long_side))
        if len(cells) > FRAMES:     # how many there are is known at the end
            cells, stride = cells[::2], stride * 2
    if not cells:
        raise NoDepthError("holds no frame", where=path)
    return _sheet(iter(cells), len(cells), columns or min(4, len(cells)), (long_side, long_side), limits)


def _of_frame(frame: clip.ClipFrame, long_side: int) -> Cell:
    shown = DepthView("", frame.data.displayed())
    width, height = shown.fitted(long_side)
    return Cell(f"frame {frame.index}, {float(frame.seconds):.2f} s", depth_picture(shown, width, height), reach(shown))


def _of_file(path: Path, long_side: int, limits: Limits) -> Cell:
    try:
        shown = load(path, long_side, limits)
    except GpudepthError as error:
        return Cell(path.name, None, str(error).replace(f"{error.where}: ", ""))
    width, height = shown.fitted(long_side)
    pair = Image.new("RGB", (2 * width, height), PAPER)
    if shown.picture is not None:
        pair.paste(Image.fromarray(shown.picture).resize((width, height)), (0, 0))
    pair.paste(depth_picture(shown, width, height), (width, 0))
    found = score(shown)
    edges = "" if found is None or found.score is None else f"; edges {found.score:.2f}"
    return Cell(path.name, pair, f"{shown.data.width}×{shown.data.height}, {reach(shown)}{edges}")


def reach(shown: DepthView) -> str:
    """`0.52 m to 11.9 m`: what the colours reach over."""
    lo, hi = shown.span
    return " to ".join(metres(1 / v if v > 0 else float("inf")) for v in (hi, lo))


def _sheet(cells: Iterator[Cell], count: int, columns: int, room: tuple[int, int], limits: Limits) -> Image.Image:
    columns = columns or max(1, min(4, round(count**0.5)))
    wide, tall = room[0] + GAP, room[1] + LINES
    rows = -(-count // columns)
    limits.check_picture(columns * wide, rows * tall, 3, where="the contact sheet")
    canvas = Image.new("RGB", (columns * wide + GAP, rows * tall + GAP), PAPER)
    for i, cell in enumerate(cells):
        x, y = GAP + i % columns * wide, GAP + i // columns * tall
        if cell.picture is not None:
            canvas.paste(cell.picture, (x, y))
        write(canvas, (x, y + room[1] + 2), cell.name, size=12, width=room[0])
        write(canvas, (x, y + room[1] + 17), cell.said, BAD if cell.picture is None else FAINT, size=11, width=room[0])
    return canvas
