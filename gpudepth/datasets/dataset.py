"""A folder of depth photos → a data set: colour and depth upright, cameras, mattes, and what the depth is worth.

Every layout comes with dataset.json: a record for each photo with sizes, intrinsics of colour and of depth, the range,
how many pixels have no value and what stands for it, the auxiliary images, and whether the depth is metres; and with
README.txt, which says the same to people.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..attachment.guide import Guide
from ..containers import registry
from ..containers.dictionary import Dictionary
from ..depth.calibration import Calibration
from ..errors import GpudepthError, MissingInputError, NoDepthError, UsageError, missing_file
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from ..pairing.pairs import natural_key
from . import auxiliary
from .layouts import INDEXES, LAYOUTS, put
from .photo import Photo
from .reconstruction import Reconstruction

AUXILIARY = "auxiliary"     # the folder of mattes and gain maps
MAX_NAMES = 5


@dataclass
class Written:
    """What became of the photos. records: of dataset.json; failed: file and why; without: files that hold no depth;
    lacking: a photo that was written, and why an auxiliary image of it could not be."""

    out: Path
    records: list[dict[str, Any]] = field(default_factory=list)
    failed: list[tuple[Path, GpudepthError]] = field(default_factory=list)
    without: list[Path] = field(default_factory=list)
    lacking: list[tuple[Path, GpudepthError]] = field(default_factory=list)

    def worth(self) -> list[str]:
        """What the depth of how many photos is."""
        counts = Counter(r["depth_is"] for r in self.records)
        return [f"the depth of {number} is {worth}" for worth, number in sorted(counts.items())]

    def lines(self) -> list[str]:
        """For people."""
        said = [f"{len(self.records)} photos written", *self.worth()]
        images = Counter(a["name"] for r in self.records for a in r.get("auxiliary", ()))
        if images:
            said.append("auxiliary images: " + ", ".join(f"{number} {name}" for name, number in sorted(images.items())))
        if self.without:
            names = ", ".join(p.name for p in self.without[:MAX_NAMES])
            said.append(f"{len(self.without)} hold no depth: {names}{'…' * (len(self.without) > MAX_NAMES)}")
        fits = [r["aligned"] for r in self.records if "aligned" in r]
        if fits:
            worst = max(f["median_error"] for f in fits)
            said.append(f"{len(fits)} aligned by {min(f['points_used'] for f in fits):,} points or more, off by "
                        f"{worst:.2%} (median) or less")
        lost = sum(r["out_of_range"] for r in self.records)
        if lost:
            said.append(f"{lost:,} pixels lie beyond what the layout can hold, and are left out")
        return said


def write(source: str | Path, kind: str, out: str | Path, *, aux: frozenset[str] = auxiliary.NONE,
          reconstruction: Reconstruction | None = None, limits: Limits = DEFAULT) -> Written:
    """Write the depth photos of a folder, or one photo, as a data set of that kind. A photo that fails leaves the
    others alone. aux: the auxiliary images that are written, too; reconstruction: what every map is aligned to.

    Raises UsageError for an unknown kind, MissingInputError for what is not there or a folder without depth photos,
    NoDepthError for a photo without, OutputError.
    """
    source, out = Path(source), Path(out)
    layout = LAYOUTS.get(kind)
    if layout is None:
        raise UsageError(f"unknown layout {kind!r}", hint="one of " + ", ".join(LAYOUTS))
    written, files = Written(out), photos_in(source)
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
            if error.exit_code == 74:       # the disk is full for the next one, too
                raise
            written.failed.append((path, error))
    _check_some(source, written, len(files))
    if kind in INDEXES:
        for name, text in INDEXES[kind](written.records):
            put(out / name, text.encode())
    about = {"layout": kind, "depth_is": written.worth(), "photos": written.records}
    put(out / "dataset.json", (json.dumps(about, indent=1) + "\n").encode())
    put(out / "README.txt", _readme(kind, written).encode())
    return written


def photos_in(source: Path) -> list[Path]:
    """The files of a folder that could hold depth, by their suffixes, in natural order; a file itself.

    Raises MissingInputError.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise missing_file(source, "no such file or folder")
    suffixes = {s for c in registry.containers() if not isinstance(c, Dictionary) for s in c.suffixes}
    return sorted((p for p in source.iterdir() if p.suffix.lower() in suffixes and p.is_file()), key=natural_key)


def _check_some(source: Path, written: Written, files: int) -> None:
    if written.records or (written.failed and source.is_dir()):
        return
    if source.is_dir():
        raise MissingInputError("holds no photo with depth", where=source,
                                hint=f"{files} files could hold some; gpudepth inspect shows what they hold")
    if written.failed:      # one photo: its error is the command's
        raise written.failed[0][1]
    raise NoDepthError("holds no depth", where=source, hint="gpudepth inspect shows what it does hold")


def _readme(kind: str, written: Written) -> str:
    """What somebody who is given the folder has to know."""
    worth = [f"  {line[0].upper()}{line[1:]}." for line in written.worth()]
    holes = sorted({str(r["no_value"]) for r in written.records if "no_value" in r})
    units = sorted({r["unit"] for r in written.records})
    return "\n".join([
        f"Depth of {len(written.records)} photos, written by gpudepth as {kind!r}.",
        "Depth is the distance along the optical axis.", "", "WHAT THE DEPTH IS WORTH", *worth,
        "  Each photo's own words are in dataset.json: accuracy, depth_is.", "",
        f"Unit of the values: {', '.join(units) or 'none'}; in name only, where the depth is NOT metric.",
        f"Without a value: {', '.join(holes) or 'left out'}.",
        "Pictures are upright. Intrinsics are pixels of the picture (intrinsics) and of the map (depth_intrinsics);",
        "the middle of the first pixel is at 0.5, 0.5; camera_from says where they come from.", ""])


def aligned(photo: Photo, reconstruction: Reconstruction) -> Photo:
    """The photo with its depth fitted to the points of a reconstruction. Raises as `Reconstruction.fit` does."""
    fit = reconstruction.fit(photo.path, photo.depth, photo.width, photo.height)
    return replace(photo, depth=fit.data, fit=fit)


def read_photo(path: Path, limits: Limits = DEFAULT, number: int = 0, taken: frozenset[str] = frozenset()
               ) -> Photo | None:
    """A photo as it goes into a data set, under a name that is not taken; None when it holds no depth.

    Raises FileError and its kin.
    """
    with ByteSource(path, limits) as source:
        container = registry.require(source)
        data, picture = container.read(source), container.picture(source)
    if data is None:
        return None
    shown = data.displayed()
    camera, camera_from = shown.calibration, "the calibration beside the depth"
    if camera is None and picture.focal35:
        camera_from = "the 35 mm focal length in Exif: the principal point is assumed in the middle"
        camera = Calibration.from_focal35(picture.focal35, picture.width, picture.height)
    camera = camera.scaled(picture.width, picture.height) if camera else None
    name = path.stem if path.stem not in taken else path.name
    return Photo(path, name, number, shown, Guide(path, "display", limits), picture.width, picture.height, camera,
                 camera_from)


def _record(photo: Photo) -> dict[str, Any]:
    metres = photo.depth.depth()
    finite = metres[np.isfinite(metres)]
    record: dict[str, Any] = {
        "name": photo.name, "source": photo.path.name, "width": photo.width, "height": photo.height,
        "depth_width": photo.depth.width, "depth_height": photo.depth.height, "accuracy": photo.depth.accuracy,
        "depth_is": photo.worth, "near": float(finite.min()) if finite.size else None,
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


