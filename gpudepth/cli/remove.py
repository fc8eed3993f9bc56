"""gpudepth remove"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from . import options as o
from .command import Argument

File = Annotated[Path, Argument(help="A photo that holds depth.")]


def remove(file: File, output: o.Out = None, in_place: o.InPlace = False) -> None:
    """Remove the depth from a photo, with its metadata and its bytes; everything else stays the same.

    \b
    gpudepth remove out.heic -o plain.heic
    """
    from .. import api

    print(api.remove(file, o.target(file, output, in_place=in_place)))
