"""gpudepth mac-kit"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="Folder to fill.", show_default=False)]


def mac_kit(folder: Folder) -> None:
    """Write files in every container and profile, and a script that prints what Apple software on a Mac finds in them.

    \b
    gpudepth mac-kit kit
    swift probe.swift > report.json              on the Mac, in that folder
    gpudepth check --apple-report report.json    here again
    """
    from ..mac.kit import write_mac_kit

    print(write_mac_kit(folder))
