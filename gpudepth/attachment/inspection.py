"""Describes the depth of a file, for people and as JSON, and checks it against the rules of its container."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ..containers.base import Contents
from ..containers.registry import require
from ..containers.rules import PRESENT, STRUCTURE, Checklist, Checks, Verdicts
from ..depth.data import DepthData
from ..depth.pixel_format import metre_range
from ..errors import FileError, GpudepthError, UsageError
from ..formats.bytesource import ByteSource
from ..video.sniff import is_clip


@dataclass(frozen=True)
class Inspection:
    """The depth of a file.

    Attributes:
        file: Name of the file.
        container: Its container.
        width: Width of the picture as displayed.
        height: Height of the picture as displayed.
        depth: Its depth; None without depth.
        auxiliary: Its auxiliary images.
        warnings: Problems.
    """

    file: str
    container: str
    width: int
    height: int
    depth: dict[str, Any] | None
    auxiliary: list[dict[str, Any]]
    warnings: list[str]

    @classmethod
    def of(cls, contents: Contents, file: str) -> Inspection:
        return cls(file, contents.container, contents.picture.width, contents.picture.height,
                   _depth(contents.depth), [asdict(a) for a in contents.auxiliary], list(contents.warnings))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the description for people."""
        out = [f"{self.file}: {self.container}, {self.width}×{self.height}"]
        d = self.depth
        if d is None:
            out.append("  no depth")
        else:
            unit = "m" if d["quantity"] == "depth" else "1/m"
            out.append(f"  depth: {d['quantity']} {d['min']:.4g} to {d['max']:.4g} {unit} "
                       f"({_span(d['near'], d['far'])}), {d['width']}×{d['height']}, "
                       f"{d['native_format']} as {d['stored_format']}")
            out.append(f"         accuracy {d['accuracy']}, quality {d['quality']}, "
                       f"{'filtered' if d['filtered'] else 'not filtered'}")
            c = d["calibration"]
            if c is not None:
                out.append(f"         focal length {c['focal'][0]:.1f} px, centre {c['center'][0]:.1f}, "
                           f"{c['center'][1]:.1f} of {c['reference_width']:g}×{c['reference_height']:g}")
        out += [f"  auxiliary: {a['kind']} ({a['urn']}), {a['width']}×{a['height']}" for a in self.auxiliary]
        out += [f"  warning: {w}" for w in self.warnings]
        return out


def _span(near: float | None, far: float | None) -> str:
    return " to ".join("infinity" if v is None else f"{v:.3g} m" for v in (near, far))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _depth(data: DepthData | None) -> dict[str, Any] | None:
    """Return min and max in the native quantity, near and far in metres; infinity is None."""
    if data is None:
        return None
    shown = data.displayed()
    lo, hi = (shown.storage.lo, shown.storage.hi) if shown.storage else shown.range()
    metres = metre_range(lo, hi, shown.quantity)
    camera = shown.calibration
    return {
        "quantity": str(shown.quantity),
        "native_format": shown.pixel_format.name,
        "stored_format": shown.storage.format.name if shown.storage else shown.pixel_format.name,
        "width": shown.width, "height": shown.height,
        "min": lo, "max": hi, "near": _finite(metres[0]), "far": _finite(metres[1]),
        "accuracy": shown.accuracy, "quality": shown.quality, "filtered": shown.filtered,
        "orientation": data.orientation,
        "calibration": None if camera is None else {
            "focal": list(camera.focal), "center": list(camera.center),
            "reference_width": camera.reference_width, "reference_height": camera.reference_height,
            "pixel_size_mm": camera.pixel_size,
            "extrinsics": camera.extrinsics.tolist(),
            "distortion": list(camera.distortion), "inverse_distortion": list(camera.inverse_distortion),
            "distortion_center": list(camera.distortion_center) if camera.distortion_center else None,
        },
    }


def check_file(source: ByteSource, profile: str | None = None) -> Verdicts:
    """Check a photo or clip against the rules of its container; a file without a container breaks the first rule.

    Raises UsageError for a profile that the file cannot have.
    """
    if is_clip(source):
        from ..video import checks

        return checks.check(source, profile)
    if profile is not None:
        from ..video.checks import PROFILES

        if profile in PROFILES:
            raise UsageError(f"{profile!r} is a profile of clips", where=source.name)
    out = Checklist(profile, source.name)
    try:
        container = require(source)
    except FileError as error:
        out.broken(STRUCTURE, error, source.name)
        return Verdicts(source.name, "unknown", profile, tuple(out.findings))
    if isinstance(container, Checks):
        findings = container.check(source, profile)
    else:
        try:
            out.test(PRESENT, container.read(source) is not None, source.name, "it holds none")
        except GpudepthError as error:
            out.broken(STRUCTURE, error, source.name)
        findings = out.findings
    return Verdicts(source.name, container.name, profile, tuple(findings))
