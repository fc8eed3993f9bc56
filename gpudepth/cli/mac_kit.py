"""gpudepth mac-kit"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from .command import Argument

Folder = Annotated[Path, Argument(help="Folder for the files.")]


def mac_kit(folder: Folder) -> None:
    """Write test files in each container and profile, and a script that shows what Apple software finds in them.

    \b
    gpudepth mac-kit kit
    swift probe.swift > report.json              on the Mac, in that folder
    gpudepth check --apple-report report.json    back on this machine
    """
    from ..mac.kit import write_mac_kit

    print(write_mac_kit(folder))
