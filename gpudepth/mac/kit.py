"""Writes the kit for a Mac, test files in each container and profile with a probe, and reads what the probe reports."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .. import api
from ..containers import registry
from ..containers.rules import Checklist, Rule, Verdicts
from ..demo.fixtures import Kit, write_kit
from ..demo.pattern import Truth
from ..depth.data import TYPE_DEPTH, TYPE_DISPARITY, DepthData
from ..depth.pixel_format import HDEP, HDIS, NATIVE, Quantity
from ..errors import FileError, GpudepthError, MalformedError, UnsupportedError, UsageError, missing_file
from ..formats.hevc.effort import Effort

PROBE = Path(__file__).with_name("probe.swift")

README = """\
gpudepth Mac kit: what does Apple software find in these files?

    swift probe.swift > report.json

prints what ImageIO and AVFoundation find in each file. Send report.json back, or compare it with the files:

    gpudepth check --apple-report report.json

good/, none/, odd/, bad/      the kit of `gpudepth demo --fixtures`; expected.json has the expected results
profiles/<container>/         a map in each profile, and with each further layout
efforts/                      a lossless HEVC map of each effort; fast is uncompressed (I_PCM)
dictionaries/                 ImageIO's auxiliary data dictionary as property lists

The files of this kit are dedicated to the public domain (CC0 1.0). No rights reserved.
"""


def write_mac_kit(folder: Path) -> str:
    """Write the kit, overwriting an older one, and return a summary. Raises OutputError."""
    summary, kit = write_kit(folder), Kit(folder)
    profiles, efforts = _profiles(kit), _efforts(kit)
    dictionaries = _dictionaries(kit)
    kit.write(PROBE.name, PROBE.read_bytes())
    kit.write("README.txt", README.encode())
    return (f"{summary}; {profiles} files with profiles, {efforts} with efforts, {dictionaries} property lists, "
            f"{PROBE.name}")


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


def _efforts(kit: Kit) -> int:
    photo, efforts = kit.folder / "none/heif/focal_o6.heic", get_args(Effort)
    for effort in efforts:
        api.attach(photo, Truth.of(HDIS, 6).data(), kit.path(f"efforts/{effort}.heic"), effort=effort)
    return len(efforts)


def _dictionaries(kit: Kit) -> int:
    from ..attachment.export import save

    for fmt in NATIVE:
        data = Truth.of(fmt, 6).data()
        save(data, kit.path(f"dictionaries/{fmt}.plist"), data.quantity)
    return len(NATIVE)


SUFFIXES = (".heic", ".heif", ".jpg", ".jpeg", ".dng", ".plist", ".bplist")
RELATIVE = 1e-3  # tolerance for calibrations, which the report prints with six decimals
MAX_REPORT = 64 << 20


class _ReportModel(BaseModel):
    """The base of the report's objects; an unknown key means a report of another version."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CalibrationReport(_ReportModel):
    """Values of AVCameraCalibrationData, with matrices by columns."""

    intrinsic_matrix: list[float] = Field(min_length=9, max_length=9)
    reference_width: float
    reference_height: float
    extrinsic_matrix: list[float] = Field(min_length=12, max_length=12)
    pixel_size: float


class DepthReport(_ReportModel):
    """Values of AVDepthData; sha256 is that of the map's rows in its native format, without padding."""

    pixel_format: str
    width: int
    height: int
    accuracy: Literal["relative", "absolute"]
    quality: Literal["high", "low"]
    filtered: bool
    calibration: CalibrationReport | None = None
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    not_finite: int
    sha256: str


class AuxiliaryReport(_ReportModel):
    """Values of CGImageSourceCopyAuxiliaryDataInfoAtIndex, and of the AVDepthData made from them."""

    type: str
    pixel_format: str | None = None
    width: int | None = None
    height: int | None = None
    bytes_per_row: int | None = None
    metadata: list[str] = Field(default_factory=list)
    depth_data: DepthReport | None = None
    error: str | None = None


class FileReport(_ReportModel):
    """One file; `file` is relative to the folder that the probe examined."""

    file: str
    sha256: str
    type: str | None = None
    images: int = 0
    width: int | None = None
    height: int | None = None
    orientation: int | None = None
    auxiliary: list[AuxiliaryReport] = Field(default_factory=list)
    error: str | None = None


class AppleReport(_ReportModel):
    """The complete report."""

    schema_: Literal["gpudepth-apple-report"] = Field(alias="schema")
    version: Literal[1]
    system: str
    architecture: str
    files: list[FileReport]


def load(path: str | Path) -> AppleReport:
    """Read a report.

    Raises:
        MissingInputError: If the file does not exist.
        FileError: If the file cannot be read, or is not a report.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_REPORT:
            raise MalformedError(f"{path.stat().st_size:,} bytes are too long for a report", where=path)
        return AppleReport.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise missing_file(path) from None
    except OSError as error:
        raise FileError(f"the report cannot be read: {error.strerror}", where=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(p) for p in first["loc"])
        raise MalformedError(f"the file is not a report of probe.swift: {place and place + ': '}{first['msg']}",
                             where=path, hint="swift probe.swift FOLDER > report.json") from None


APPLE = "the report"
SAME = Rule("same-file", "the file is the one that the probe saw", "SHA-256")
OPENED = Rule("opened", "ImageIO opens the file", APPLE)
FOUND = Rule("found", "ImageIO finds depth of our quantity, and no other", APPLE)
NOTHING = Rule("found-nothing", "where we find no depth, ImageIO finds none", APPLE)
TAKEN = Rule("avdepthdata", "AVDepthData takes it", APPLE)
FORMAT = Rule("pixel-format", "its pixel format is our native format", APPLE)
SIZE = Rule("size", "its size is ours", APPLE)
ABOUT = Rule("metadata", "accuracy, quality and filtered are ours", APPLE)
CALIBRATED = Rule("calibration", "its calibration is ours", APPLE)
VALUES = Rule("values", "minimum, maximum and mean are ours within a stored code", APPLE)
EXACT = Rule("bit-equal", "every value is ours, bit for bit", APPLE, must=())


def compare(report: AppleReport, folder: Path) -> list[Verdicts]:
    """Compare each file of a report with what gpudepth reads; files that are not in `folder` break the first rule."""
    return [_compare(entry, folder) for entry in report.files]


def _compare(entry: FileReport, folder: Path) -> Verdicts:
    path, out = folder / entry.file, Checklist()
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        out.test(SAME, False, entry.file, f"the file is not in {folder}")
        return Verdicts(entry.file, "unknown", None, tuple(out.findings))
    same = hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256
    if out.test(SAME, same, entry.file, "the file has changed since"):
        try:
            data = api.read(path, orientation="coded")
        except GpudepthError:
            data = None  # a broken file of the kit holds no depth
        if data is None:
            depth = [a.type for a in entry.auxiliary if a.type in (TYPE_DEPTH, TYPE_DISPARITY)]
            out.test(NOTHING, not depth, entry.file, ", ".join(depth))
        else:
            _compare_depth(out, entry, data)
    return Verdicts(entry.file, entry.type or "unknown", None, tuple(out.findings))


def _compare_depth(out: Checklist, entry: FileReport, data: DepthData) -> None:
    if not out.test(OPENED, entry.error is None, entry.file, entry.error or ""):
        return
    wanted = TYPE_DISPARITY if data.quantity is Quantity.DISPARITY else TYPE_DEPTH
    found = {a.type: a for a in entry.auxiliary if a.type in (TYPE_DEPTH, TYPE_DISPARITY)}
    if not out.test(FOUND, set(found) == {wanted}, entry.file, f"{', '.join(found) or 'nothing'}, not {wanted}"):
        return
    theirs = found[wanted].depth_data
    if not out.test(TAKEN, theirs is not None, entry.file, found[wanted].error or "no reason given") or theirs is None:
        return
    out.test(FORMAT, theirs.pixel_format == data.pixel_format.name, entry.file,
             f"{theirs.pixel_format}, not {data.pixel_format}")
    out.test(SIZE, (theirs.width, theirs.height) == (data.width, data.height), entry.file,
             f"{theirs.width}×{theirs.height}, not {data.width}×{data.height}")
    reported, ours = ((d.accuracy, d.quality, d.filtered) for d in (theirs, data))
    out.test(ABOUT, reported == ours, entry.file, f"{reported}, not {ours}")
    out.test(CALIBRATED, _same_calibration(theirs.calibration, data), entry.file, _calibrations(theirs, data))
    values = data.map[np.isfinite(data.map)].astype(np.float64)
    expected = (values.min(), values.max(), values.mean())
    numbers = (theirs.minimum, theirs.maximum, theirs.mean)
    step = _step(data)
    good = all(n is not None and abs(n - e) <= step for n, e in zip(numbers, expected, strict=True))
    out.test(VALUES, good and theirs.not_finite == data.map.size - values.size, entry.file,
             f"{numbers}, {theirs.not_finite} not finite; not {expected}")
    rows = np.ascontiguousarray(data.map, data.pixel_format.dtype.newbyteorder("<")).tobytes()
    out.test(EXACT, hashlib.sha256(rows).hexdigest() == theirs.sha256, entry.file, "values are rounded differently")


def _step(data: DepthData) -> float:
    """Return the value of one stored code, or the rounding of a half float if that is larger."""
    lo, hi = data.range()
    storage = data.storage
    top = storage.format.max_code if storage is not None else None
    return max((hi - lo) / top if top else 0.0, max(abs(lo), abs(hi)) * 2.0**-10)


def _same_calibration(theirs: CalibrationReport | None, data: DepthData) -> bool:
    ours = data.calibration
    if theirs is None or ours is None:
        return theirs is None and ours is None
    pairs: list[tuple[Any, Any]] = [
        (theirs.intrinsic_matrix, ours.intrinsics.T.ravel()), (theirs.extrinsic_matrix, ours.extrinsics.T.ravel()),
        ((theirs.reference_width, theirs.reference_height), (ours.reference_width, ours.reference_height))]
    return all(np.allclose(a, b, rtol=RELATIVE, atol=1e-6) for a, b in pairs)


def _calibrations(theirs: DepthReport, data: DepthData) -> str:
    """Describe how the calibrations differ."""
    reported, ours = ("present" if c is not None else "missing" for c in (theirs.calibration, data.calibration))
    return f"it is {reported}, ours is {ours}" if reported != ours else f"{theirs.calibration} differs from ours"
