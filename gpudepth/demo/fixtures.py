"""Writes a kit of small test files for app developers, with the result that a reader should get from each.

    good/<container>/    maps in each native format and orientation, and with some other settings
    none/<container>/    the same photos without depth
    odd/, bad/           HEIF files with one defect, which can (odd) or cannot (bad) be read
    dictionary/          ImageIO's auxiliary data dictionary of a map in each native format
    expected.json        for each file: the picture, the map and points to compare, or the error

The expected results come from the definition of the maps (`pattern`), never from reading the files. The files have the
same bytes in each run.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import api
from ..attachment.output import atomic
from ..containers import registry
from ..containers.base import Container
from ..containers.dng.dng import Dng
from ..containers.heif.heif import Heif
from ..containers.jpeg.jpeg import Jpeg
from ..depth.data import DATA, DATA_DESCRIPTION, TYPE_DEPTH, TYPE_DISPARITY
from ..depth.pixel_format import FDEP, FDIS, HDEP, HDIS, NATIVE, PixelFormat, Quantity, stored
from ..errors import NoDepthError, OutputError, UnsupportedError, UsageError
from . import pattern
from .broken import bad, odd
from .pattern import Truth
from .photos import photo

ORIENTATIONS = range(1, 9)
FOCAL_35MM = 28
ROW_ALIGNMENT = 64              # bytes; Core Video pads rows to this
LOSSY_CODES = 8                 # tolerance for a lossy map in codes
JPEG_CODES = 2                  # tolerance for a map in a JPEG of quality 100 in codes
RGB_TOLERANCE = 24              # tolerance for a picture after HEVC and a colour conversion

README = """\
gpudepth test kit: small photos with depth maps, and the result that a reader should get from each.

1. expected.json lists the files. "picture" and "depth" are as displayed, after the file's rotation and mirroring.
2. Every picture shows the letter F, upright, between corners that are red (top left), green (top right), blue
   (bottom left) and yellow (bottom right). If yours looks different, the orientation was not applied.
   picture.pixels lists some pixels, with the tolerance rgb_tolerance.
3. Compare the map at depth.points: x to the right, y down, from the upper left pixel of the displayed map.
   Compare "disparity" (1/m) if depth.quantity is disparity, otherwise "metres". depth.tolerance is the value of one
   stored code (of several codes for a lossy map). metres null means infinitely far.
4. Swift: CGImageSourceCopyAuxiliaryDataInfoAtIndex with kCGImageAuxiliaryDataTypeDisparity (or …Depth), then
   AVDepthData(fromDictionaryRepresentation:) and applyingExifOrientation(depth.orientation); read depthDataMap.
   Kotlin, JS, C++: heif_image_handle_get_depth_image_handle of libheif, or your own reader, gives codes;
   value = min + code / (largest code of stored_format) * (max - min).
5. none/ holds no depth: show the photo. odd/ is unusual but readable. bad/ must give an error in your app, never a
   crash; "error" and "exit_code" are those of `gpudepth extract`. Photos in bad/ may be shown without depth.
6. dictionary/*.bin are rows of little-endian floats, each padded to BytesPerRow, and *.json describes them.

The files of this kit are dedicated to the public domain (CC0 1.0). No rights reserved.
"""


@dataclass(frozen=True)
class Variant:
    """One good file.

    Attributes:
        name: The beginning of the file name.
        says: The description in expected.json.
        truth: The map.
        orientation: The Exif orientation of the photo.
        photo: The kind of photo that the map is attached to.
        settings: The keywords of `attach`.
        metadata: The metadata to read back.
        slack: The tolerance in stored codes.
        native: The format to read back, if it differs from the map's.
    """

    name: str
    says: str
    truth: Truth
    orientation: int
    photo: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    slack: int = 1
    native: PixelFormat | None = None

    @property
    def photo_name(self) -> str:
        return f"{self.photo or 'photo'}_o{self.orientation}"


class Kit:
    """Writes files into a folder and collects their expected results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.expected: dict[str, dict[str, Any]] = {}

    def path(self, name: str) -> Path:
        """Return the path of a file of the kit, and create its folder."""
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"the folder cannot be created: {error.strerror or error}", where=path.parent) from None
        return path

    def write(self, name: str, data: bytes, expected: dict[str, Any] | None = None) -> None:
        with atomic(self.path(name)) as file:
            file.write(data)
        if expected is not None:
            self.expected[name] = expected


def write_kit(folder: Path) -> str:
    """Write the kit, overwriting an older one, and return a summary.

    Raises:
        OutputError: If the folder cannot be created or written.
    """
    kit = Kit(folder)
    for container in registry.containers():
        _photos(kit, container)
        _good(kit, container)
        if isinstance(container, Heif):
            _broken(kit, container)
    _dictionaries(kit)
    about = {"kit": "gpudepth test kit", "version": 1, "licence": "CC0-1.0", "rgb_tolerance": RGB_TOLERANCE}
    kit.write("expected.json", _json({**about, "files": kit.expected}))
    kit.write("README.txt", README.encode())
    count = {kind: sum(name.startswith(f"{kind}/") for name in kit.expected)
             for kind in ("good", "none", "odd", "bad", "dictionary")}
    return (f"{folder}: {count['good']} photos with depth, {count['none']} without, {count['odd']} odd, "
            f"{count['bad']} broken, {count['dictionary']} dictionaries; expected.json has the expected results")


def _photos(kit: Kit, container: Container) -> None:
    """Write the photos without depth, to which the maps of the good files are attached."""
    kinds: list[tuple[str, int, dict[str, Any]]] = [("photo", o, {}) for o in ORIENTATIONS]
    kinds += [("alpha", 1, {"alpha": True}), ("focal", 6, {"focal_35mm": FOCAL_35MM})]
    for name, orientation, extra in kinds:
        data = photo(container, orientation, **extra)
        if data is not None:
            kit.write(f"none/{container.name}/{name}_o{orientation}{container.suffixes[0]}", data, {
                "says": "A photo without depth.", "picture": _picture(orientation), "depth": None,
                "error": NoDepthError.__name__, "exit_code": NoDepthError.exit_code,
                "message_contains": "holds no depth", "inspect_exit_code": 0})


def _good(kit: Kit, container: Container) -> None:
    for variant in _all_formats():
        _attach(kit, container, variant)
    for variant in _specials():
        with contextlib.suppress(UnsupportedError, UsageError):     # not every container supports every variant
            _attach(kit, container, variant)


def _attach(kit: Kit, container: Container, variant: Variant) -> None:
    suffix = container.suffixes[0]
    source = f"none/{container.name}/{variant.photo_name}{suffix}"
    name = f"good/{container.name}/{variant.name}_o{variant.orientation}{suffix}"
    if source not in kit.expected:
        return
    # a profile writes its own metadata instead of the map's
    given = {} if "profile" in variant.settings else variant.metadata
    if isinstance(container, Jpeg | Dng) and "crf" in variant.settings:
        return
    if isinstance(container, Jpeg):  # JPEG has no lossless mode; this is its best quality
        variant = replace(variant, settings={**variant.settings, "jpeg_quality": 100}, slack=JPEG_CODES)
    if isinstance(container, Dng):  # DNG stores no quality, and distinguishes half and single floats by the bits
        given = {k: v for k, v in given.items() if k == "accuracy"}
        variant = replace(variant, metadata=given, native=_same_quantity(variant))
    api.attach(kit.folder / source, variant.truth.data(**given), kit.path(name), pixel_format=variant.truth.fmt,
               **{"bits": variant.truth.bits, **variant.settings})
    kit.expected[name] = _expected(variant)


def _same_quantity(variant: Variant) -> PixelFormat:
    """Return the format in which 8 or 16 bits of a DNG file are read."""
    eight = variant.settings.get("bits", variant.truth.bits) == 8
    if variant.truth.fmt.quantity is Quantity.DISPARITY:
        return HDIS if eight else FDIS
    return HDEP if eight else FDEP


def _all_formats() -> Iterator[Variant]:
    for fmt in NATIVE:
        for o in ORIENTATIONS:
            yield Variant(fmt.name, f"{fmt} in a photo stored with orientation {o}.", Truth.of(fmt, o), o)


def _specials() -> Iterator[Variant]:
    yield Variant("hdis_10bit", "10 bits a value.", Truth.of(HDIS, 6, 10), 6)
    # the range of a float32 map is widened to half floats; with this base both ends are half floats
    yield Variant("fdis_12bit", "12 bits a value.", Truth.of(FDIS, 6, 12, 0.25 + 1 / 1024), 6)
    yield Variant("article", "Metadata as ImageIO writes it for the map of Apple's article.", Truth.of(HDIS, 6), 6,
                  settings={"profile": "article"}, metadata={"quality": "low", "filtered": False})
    yield Variant("metadata", "Absolute accuracy, low quality, not filtered.", Truth.of(FDEP, 3), 3,
                  metadata={"accuracy": "absolute", "quality": "low", "filtered": False})
    yield Variant("calibrated", "With a calibration from the photo's focal length.", Truth.of(HDIS, 6), 6, "focal",
                  settings={"calibration": "exif"})
    yield Variant("alpha", "A photo with alpha beside its depth.", Truth.of(HDIS, 1), 1, "alpha")
    yield Variant("constant", "Every value is the same.", Truth.constant(HDIS, 1, 0.5), 1)
    yield Variant("infinity", "The upper left corner is infinitely far: disparity 0.", Truth.of(HDIS, 8, base=0.0), 8)
    yield Variant("hdis_16bit", "16 bits a value, as DNG has them.", Truth.of(HDIS, 6), 6, settings={"bits": 16})
    yield Variant("lossy", "The map is coded lossy.", Truth.of(HDIS, 1), 1, settings={"crf": 12}, slack=LOSSY_CODES)


def _expected(variant: Variant) -> dict[str, Any]:
    depth = variant.truth.expected(**variant.metadata, slack=variant.slack)
    if variant.native is not None:
        depth |= {"native_format": variant.native.name}
    if "bits" in variant.settings:
        depth |= {"stored_format": stored(variant.settings["bits"]).name}
    if variant.settings.get("calibration") == "exif":
        width, height = (pattern.ZOOM * side for side in pattern.displayed_size(variant.orientation))
        focal = FOCAL_35MM / 36 * max(width, height)
        depth["calibration"] = {"focal": [focal, focal], "center": [width / 2, height / 2],
                                "reference_width": width, "reference_height": height}
    return {"says": variant.says, "picture": _picture(variant.orientation),
            "depth": {**depth, "orientation": variant.orientation}}


def _picture(orientation: int) -> dict[str, Any]:
    width, height = (pattern.ZOOM * side for side in pattern.displayed_size(orientation))
    return {"width": width, "height": height, "orientation": orientation, "pixels": pattern.pixels(orientation)}


def _broken(kit: Kit, container: Container) -> None:
    base = Variant("hdis", "", Truth.of(HDIS, 6), 6)
    good = (kit.folder / f"good/{container.name}/{base.name}_o6{container.suffixes[0]}").read_bytes()
    for case in bad(good):
        kit.write(f"bad/{case.name}{container.suffixes[0]}", case.data, {
            "says": case.says, "error": case.error.__name__, "exit_code": case.error.exit_code,
            "message_contains": case.contains, "inspect_exit_code": case.inspect_code})
    for oddity in odd(good, base.truth):
        kit.write(f"odd/{oddity.name}{container.suffixes[0]}", oddity.data,
                  _expected(Variant(oddity.name, oddity.says, oddity.truth, base.orientation)))


def _dictionaries(kit: Kit) -> None:
    """Write dictionaries of upright maps 24 pixels wide, so that each row has padding."""
    for fmt in NATIVE:
        truth = Truth.of(fmt, 6)
        data = truth.data()
        tight = data.width * fmt.dtype.itemsize
        info = data.auxiliary_data_info(-(-tight // ROW_ALIGNMENT) * ROW_ALIGNMENT)
        kind = TYPE_DISPARITY if data.quantity is Quantity.DISPARITY else TYPE_DEPTH
        kit.write(f"dictionary/{fmt}.json", _json({"AuxiliaryDataType": kind, DATA: f"{fmt}.bin",
                                                   DATA_DESCRIPTION: info[DATA_DESCRIPTION]}))
        kit.write(f"dictionary/{fmt}.bin", info[DATA],
                  {"says": f"{kind} as {fmt}; {fmt}.json describes the rows.", "depth": truth.expected()})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
