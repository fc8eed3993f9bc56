"""The kit for a Mac: test files in every container and profile, and the probe."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

from .. import api
from ..attachment.output import atomic
from ..containers import registry
from ..demo.fixtures import write_kit
from ..demo.pattern import Truth
from ..depth.pixel_format import HDEP, HDIS, NATIVE
from ..errors import OutputError, UnsupportedError, UsageError

PROBE = Path(__file__).with_name("probe.swift")

README = """\
gpudepth Mac kit: what does Apple software make of these files?

    swift probe.swift > report.json

prints what ImageIO and AVFoundation find in each file here; send report.json back, or hold it against the files:

    gpudepth check --apple-report report.json

good/, none/, odd/, bad/      the kit of `gpudepth demo --fixtures`; expected.json says what a reader should get
profiles/<container>/         a map in every profile, and with every further layout beside it
dictionaries/                 ImageIO's auxiliary data dictionary as property lists

The files of this kit are dedicated to the public domain (CC0 1.0). No rights reserved.
"""


def write_mac_kit(folder: Path) -> str:
    """Write it; returns a line that says what it holds. Files of a former kit are written over. Raises OutputError."""
    said = write_kit(folder)
    profiles = _profiles(folder)
    dictionaries = _dictionaries(folder)
    _write(folder / PROBE.name, PROBE.read_bytes())
    _write(folder / "README.txt", README.encode())
    return f"{said}; {profiles} in every profile, {dictionaries} property lists, {PROBE.name}"


def _profiles(folder: Path) -> int:
    count = 0
    for container in registry.containers():
        photos = (folder / "none" / container.name / f"{name}_o6{container.suffixes[0]}" for name in ("focal", "photo"))
        photo = next((p for p in photos if p.is_file()), None)
        if photo is None:
            continue
        calibration: Literal["exif", "none"] = "exif" if photo.name.startswith("focal") else "none"
        cases: list[dict[str, Any]] = [{"profile": p} for p in container.profiles]
        cases += [{"profile": container.profiles[0], "also": (c,)} for c in container.companions]
        for case in cases:
            for fmt in (HDIS, HDEP):
                name = "_with_".join([case["profile"], *case.get("also", ())])
                out = folder / "profiles" / container.name / f"{name}_{fmt}{photo.suffix}"
                _folder(out.parent)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # what a portrait without a donor lacks
                    try:
                        api.attach(photo, Truth.of(fmt, 6).data(), out, pixel_format=fmt, calibration=calibration,
                                   **case)
                    except (UsageError, UnsupportedError):  # Dynamic Depth takes disparity alone
                        continue
                count += 1
    return count


def _dictionaries(folder: Path) -> int:
    from ..attachment.export import save

    _folder(folder / "dictionaries")
    for fmt in NATIVE:
        data = Truth.of(fmt, 6).data()
        save(data, folder / "dictionaries" / f"{fmt}.plist", data.quantity)
    return len(NATIVE)


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror or error}", where=path) from None


def _write(path: Path, data: bytes) -> None:
    with atomic(path) as file:
        file.write(data)
