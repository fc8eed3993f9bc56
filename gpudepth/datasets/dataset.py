"""Writes a folder of depth photos as a data set: upright colour and depth, cameras, and mattes.

Each layout includes dataset.json and README.txt. dataset.json has a record for each photo: sizes, intrinsics of colour
and of depth, the range, the number of pixels without a value and the code for them, the auxiliary images, and whether
the depth is in metres. README.txt summarises them for people.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..attachment.photo import file_guide
from ..containers import registry
from ..containers.dictionary import Dictionary
from ..depth.calibration import Calibration
from ..errors import GpudepthError, MissingInputError, NoDepthError, OutputError, UsageError, missing_file
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from ..pairing.pairs import natural_key
from . import auxiliary
from .layouts import INDEXES, LAYOUTS, put
from .photo import DepthPhoto
from .reconstruction import Reconstruction

AUXILIARY = "auxiliary"     # the folder for mattes and gain maps
MAX_NAMES = 5


@dataclass
class ExportResult:
    """What was written, and what was not.

    Attributes:
        out: The folder of the data set.
        records: The records of dataset.json.
        failed: The photos that could not be written, with their errors.
        without: The photos without depth.
        lacking: Photos that were written without one of their auxiliary images, with its error.
    """

    out: Path
    records: list[dict[str, Any]] = field(default_factory=list)
    failed: list[tuple[Path, GpudepthError]] = field(default_factory=list)
    without: list[Path] = field(default_factory=list)
    lacking: list[tuple[Path, GpudepthError]] = field(default_factory=list)

    def depth_is(self) -> list[str]:
        """Return a line on the units and accuracy of the depth for each kind of photo."""
        counts = Counter(r["depth_is"] for r in self.records)
        return [f"the depth of {photos(number)} is {words}" for words, number in sorted(counts.items())]

    def lines(self) -> list[str]:
        """Return a summary for people."""
        lines = [f"{photos(len(self.records))} written", *self.depth_is()]
        images = Counter(a["name"] for r in self.records for a in r.get("auxiliary", ()))
        if images:
            lines.append("auxiliary images: " + ", ".join(f"{n} {name}" for name, n in sorted(images.items())))
        if self.without:
            names = ", ".join(p.name for p in self.without[:MAX_NAMES])
            verb = "holds" if len(self.without) == 1 else "hold"
            lines.append(f"{photos(len(self.without))} {verb} no depth: {names}"
                         + "…" * (len(self.without) > MAX_NAMES))
        fits = [r["aligned"] for r in self.records if "aligned" in r]
        if fits:
            worst = max(f["median_error"] for f in fits)
            points = min(f["points_used"] for f in fits)
            lines.append(f"{photos(len(fits))} aligned to {points:,} points or more, median error {worst:.2%} or less")
        lost = sum(r["out_of_range"] for r in self.records)
        if lost:
            lines.append(f"{lost:,} pixels are outside the range of the layout and have no value")
        return lines


def photos(number: int) -> str:
    """Return `1 photo`, `12 photos`."""
    return f"{number} photo{'s' * (number != 1)}"


def write(source: str | Path, kind: str, out: str | Path, *, aux: frozenset[str] = auxiliary.NONE,
          reconstruction: Reconstruction | None = None, limits: Limits = DEFAULT) -> ExportResult:
    """Write the depth photos of a folder, or one photo, as a data set; a photo that fails does not affect the others.

    Args:
        source: The folder, or the photo.
        kind: The layout, a key of LAYOUTS.
        out: The folder to write.
        aux: The auxiliary images to write as well.
        reconstruction: The model that each map is aligned to.
        limits: The limits for the photos.

    Raises:
        UsageError: If the layout is unknown.
        MissingInputError: If the source does not exist, or the folder holds no photo with depth.
        NoDepthError: If the source is a photo without depth.
        OutputError: If a file cannot be written.
    """
    source, out = Path(source), Path(out)
    layout = LAYOUTS.get(kind)
    if layout is None:
        raise UsageError(f"unknown layout {kind!r}", hint="one of " + ", ".join(LAYOUTS))
    written, files = ExportResult(out), photos_in(source)
    taken: set[str] = set()
    for path in files:
        try:
            photo = read_photo(path, limits, len(written.records), frozenset(taken))
            if photo is None:
                written.without.append(path)
                continue
            if reconstruction is not None:
                photo = aligned(photo, reconstruction)
            record = _record(photo)
            record |= layout(photo, out)
            written.lacking += [(path, error) for error in record.pop("lacking", ())]
            if aux:
                saved = auxiliary.save(path, out / AUXILIARY, photo.name, aux, limits)
                written.lacking += [(path, error) for error in saved.failed]
                record["auxiliary"] = [a | {"file": f"{AUXILIARY}/{a['file']}"} for a in saved.records]
            taken.add(photo.name)
            written.records.append(record)
        except GpudepthError as error:
            if isinstance(error, OutputError):      # the next photo would fail as well
                raise
            written.failed.append((path, error))
    _check_some(source, written, len(files))
    if kind in INDEXES:
        for name, text in INDEXES[kind](written.records):
            put(out / name, text.encode())
    about = {"layout": kind, "depth_is": written.depth_is(), "photos": written.records}
    put(out / "dataset.json", (json.dumps(about, indent=1) + "\n").encode())
    put(out / "README.txt", _readme(kind, written).encode())
    return written


def photos_in(source: Path) -> list[Path]:
    """Return the files of a folder whose formats can hold depth, in natural order; or the source if it is a file.

    Raises MissingInputError.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise missing_file(source, "the file or folder does not exist")
    suffixes = {s for c in registry.containers() if not isinstance(c, Dictionary) for s in c.suffixes}
    return sorted((p for p in source.iterdir() if p.suffix.lower() in suffixes and p.is_file()), key=natural_key)


def _check_some(source: Path, written: ExportResult, files: int) -> None:
    if written.records or (written.failed and source.is_dir()):
        return
    if source.is_dir():
        raise MissingInputError("the folder holds no photo with depth", where=source,
                                hint=f"gpudepth inspect shows what its {files} photos hold")
    if written.failed:      # a single photo: the command fails with its error
        raise written.failed[0][1]
    raise NoDepthError("the file holds no depth", where=source, hint="gpudepth inspect shows what the file holds")


def _readme(kind: str, written: ExportResult) -> str:
    """Return the README.txt of the data set."""
    depth_is = [f"  {line[0].upper()}{line[1:]}." for line in written.depth_is()]
    holes = sorted({str(r["no_value"]) for r in written.records if "no_value" in r})
    units = sorted({r["unit"] for r in written.records})
    return "\n".join([
        f"Depth of {photos(len(written.records))}, written by gpudepth in the layout {kind!r}.",
        "Depth is the distance along the optical axis.", "", "ACCURACY OF THE DEPTH", *depth_is,
        "  dataset.json has the accuracy of each photo: accuracy, depth_is.", "",
        f"Unit of the values: {', '.join(units) or 'none'}; nominal if the depth is NOT metric.",
        f"Pixels without a value: {', '.join(holes) or 'left out'}.",
        "Pictures are upright. Intrinsics are in pixels of the picture (intrinsics) and of the map (depth_intrinsics).",
        "The centre of the first pixel is at 0.5, 0.5. camera_from names the source of the intrinsics.", ""])


def aligned(photo: DepthPhoto, reconstruction: Reconstruction) -> DepthPhoto:
    """Return the photo with its depth fitted to a reconstruction. Raises the errors of `Reconstruction.fit`."""
    fit = reconstruction.fit(photo.path, photo.depth, photo.width, photo.height)
    return replace(photo, depth=fit.data, fit=fit)


def read_photo(path: Path, limits: Limits = DEFAULT, number: int = 0, taken: frozenset[str] = frozenset()
               ) -> DepthPhoto | None:
    """Read a photo for a data set, under a name that is not taken; return None if it holds no depth.

    Raises FileError.
    """
    with ByteSource(path, limits) as source:
        container = registry.require(source)
        data, picture = container.read(source), container.picture(source)
    if data is None:
        return None
    shown = data.displayed()
    camera, camera_from = shown.calibration, "the calibration stored with the depth"
    if camera is None and picture.focal35:
        camera_from = "the 35 mm focal length in Exif; the principal point is assumed in the centre"
        camera = Calibration.from_focal35(picture.focal35, picture.width, picture.height)
    camera = camera.scaled(picture.width, picture.height) if camera else None
    name = path.stem if path.stem not in taken else path.name
    return DepthPhoto(path, name, number, shown, file_guide(path, "display", limits), picture.width, picture.height,
                      camera, camera_from, limits=limits)


def _record(photo: DepthPhoto) -> dict[str, Any]:
    metres = photo.depth.depth()
    finite = metres[np.isfinite(metres)]
    record: dict[str, Any] = {
        "name": photo.name, "source": photo.path.name, "width": photo.width, "height": photo.height,
        "depth_width": photo.depth.width, "depth_height": photo.depth.height, "accuracy": photo.depth.accuracy,
        "depth_is": photo.depth_is, "near": float(finite.min()) if finite.size else None,
        "far": float(finite.max()) if finite.size else None, "without_value": int(metres.size - finite.size),
        "out_of_range": 0}
    if photo.fit is not None:
        record["aligned"] = photo.fit.record()
    if photo.camera is not None:
        record["camera_from"] = photo.camera_from
        record["intrinsics"] = _intrinsics(photo.camera)
        record["depth_intrinsics"] = _intrinsics(photo.camera.scaled(photo.depth.width, photo.depth.height))
    return record


def _intrinsics(camera: Calibration) -> dict[str, float]:
    (fx, fy), (cx, cy) = camera.focal, camera.center
    return {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy}


