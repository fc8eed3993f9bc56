"""Writes the kit for a Mac: test files in each container and profile, and the probe."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

from .. import api
from ..containers import registry
from ..demo.fixtures import Kit, write_kit
from ..demo.pattern import Truth
from ..depth.pixel_format import HDEP, HDIS, NATIVE
from ..errors import UnsupportedError, UsageError

PROBE = Path(__file__).with_name("probe.swift")

README = """\
gpudepth Mac kit: what does Apple software find in these files?

    swift probe.swift > report.json

prints what ImageIO and AVFoundation find in each file. Send report.json back, or compare it with the files:

    gpudepth check --apple-report report.json

good/, none/, odd/, bad/      the kit of `gpudepth demo --fixtures`; expected.json has the expected results
profiles/<container>/         a map in each profile, and with each further layout
dictionaries/                 ImageIO's auxiliary data dictionary as property lists

The files of this kit are dedicated to the public domain (CC0 1.0). No rights reserved.
"""


def write_mac_kit(folder: Path) -> str:
    """Write the kit, overwriting an older one, and return a summary. Raises OutputError."""
    summary, kit = write_kit(folder), Kit(folder)
    profiles = _profiles(kit)
    dictionaries = _dictionaries(kit)
    kit.write(PROBE.name, PROBE.read_bytes())
    kit.write("README.txt", README.encode())
    return f"{summary}; {profiles} files with profiles, {dictionaries} property lists, {PROBE.name}"


def _profiles(kit: Kit) -> int:
    count = 0
    for container in registry.containers():
        without = kit.folder / "none" / container.name
        photos = (without / f"{name}_o6{container.suffixes[0]}" for name in ("focal", "photo"))
        photo = next((p for p in photos if p.is_file()), None)
        if photo is None:
            continue
        calibration: Literal["exif", "none"] = "exif" if photo.name.startswith("focal") else "none"
        cases: list[dict[str, Any]] = [{"profile": p} for p in container.profiles]
        cases += [{"profile": container.profiles[0], "also": (c,)} for c in container.companions]
        for case in cases:
            for fmt in (HDIS, HDEP):
                name = "_with_".join([case["profile"], *case.get("also", ())])
                out = kit.path(f"profiles/{container.name}/{name}_{fmt}{photo.suffix}")
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # a portrait without a donor is incomplete
                    try:
                        api.attach(photo, Truth.of(fmt, 6).data(), out, pixel_format=fmt, calibration=calibration,
                                   **case)
                    except (UsageError, UnsupportedError):  # Dynamic Depth takes only disparity
                        continue
                count += 1
    return count


def _dictionaries(kit: Kit) -> int:
    from ..attachment.export import save

    for fmt in NATIVE:
        data = Truth.of(fmt, 6).data()
        save(data, kit.path(f"dictionaries/{fmt}.plist"), data.quantity)
    return len(NATIVE)
