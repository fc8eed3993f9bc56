"""Every reader of the package, as a function of a file that may be anything, and the sound files it is used with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpudepth import api
from gpudepth.attachment.clips import attach as clip_attach
from gpudepth.attachment.inspection import Inspection
from gpudepth.attachment.photo import file_guide
from gpudepth.compute import backend
from gpudepth.containers import registry
from gpudepth.datasets import auxiliary, colmap
from gpudepth.datasets.dataset import read_photo
from gpudepth.depth.encoding import Gray
from gpudepth.errors import GpudepthError
from gpudepth.formats import rdf, xmp
from gpudepth.formats.archive import read_index
from gpudepth.formats.bytesource import ByteSource
from gpudepth.maps import reader as map_reader
from gpudepth.maps import recognise, scene_linear, stacks
from gpudepth.maps.raw import RawLayout
from gpudepth.pairing import by_time, captures, csv, manifest
from gpudepth.settings.job import load_job
from gpudepth.settings.settings import Settings
from gpudepth.video import frames as clip
from gpudepth.video.reader import read_video
from gpudepth.video.sniff import is_clip_file

FRAMES = 3


@dataclass(frozen=True)
class Kit:
    """A sound photo and map that the file under test is used with, and an empty folder for outputs."""

    photo: Path
    depth: Path
    out: Path


Reader = Callable[[Path, Kit], object]


def _photo_suffix(file: Path) -> str:
    known = [s for c in registry.containers() if c.name != "dictionary" for s in c.suffixes]
    return file.suffix.lower() if file.suffix.lower() in known else ".heic"


def _each(frames: Iterable[object]) -> int:
    count = 0
    for count, _ in enumerate(frames, 1):
        if count == FRAMES:
            break
    return count


def _attach_as_photo(file: Path, kit: Kit) -> object:
    out = kit.out / f"out{_photo_suffix(file)}"
    return api.attach(file, kit.depth, out, near=0.5, far=12.0, replace_depth=True, fit="stretch")


def _develop(file: Path, kit: Kit) -> object:
    shown = scene_linear.displayed(file, "srgb")
    return shown if isinstance(shown, Path) else shown.read()


def _attach_guided(file: Path, kit: Kit) -> object:
    return np.asarray(file_guide(file, "display", Settings().limits).at(64, 48))


def _attach_as_map(file: Path, kit: Kit) -> object:
    return api.attach(kit.photo, file, kit.out / "out.jpg", near=0.5, far=12.0, fit="stretch", fill="nearest")


def _attach_knowing(file: Path, kit: Kit) -> object:
    """Without a word of what values mean: containers of depth, and preset auto."""
    return api.attach(kit.photo, file, kit.out / "out.jpg", preset="auto", fit="stretch", fill="nearest")


def _attach_trusting(file: Path, kit: Kit) -> object:
    return api.attach(kit.photo, kit.depth, kit.out / "out.jpg", near=0.5, far=12.0, confidence=file, fit="stretch",
                      fill="nearest")


def _aligned(file: Path, kit: Kit) -> object:
    return api.attach(kit.photo, kit.depth, kit.out / "out.jpg", align_to=file, fit="stretch", fill="nearest")


def _convert(file: Path, kit: Kit) -> object:
    return api.convert(file, kit.out / "out.npy", encoding=Gray(0.5, 12.0))


def _to_dictionary(file: Path, kit: Kit) -> object:
    return api.convert(file, kit.out / "out.plist")


def _to_android(file: Path, kit: Kit) -> object:
    return api.convert(file, kit.out / "out.jpg", profile="gdepth")


def _extract(file: Path, kit: Kit) -> object:
    photo = read_photo(file)
    made = auxiliary.encode(photo) if photo else None
    return made, auxiliary.save(file, kit.out, "out", auxiliary.ALL)


def _inspect(file: Path, kit: Kit) -> object:
    if is_clip_file(file):
        return clip.about(file)
    return Inspection.to_dict(api.inspect(file)), api.inspect(file).lines()


def _frames(file: Path, kit: Kit) -> object:
    return _each(clip.frames(file))


def _video(file: Path, kit: Kit) -> object:
    return _each(read_video(file).frames())


def _clip(video: Path, depth: Path, kit: Kit) -> object:
    settings = Settings(encoding=Gray(0.5, 12.0), fit="stretch", fill="nearest")
    return clip_attach.attach_clip(video, depth, kit.out / "%06d.jpg", settings, backend("numpy"),
                                   options={"frames": f"0:{FRAMES}"})


def _attach_clip(file: Path, kit: Kit) -> object:
    return _clip(file, kit.out.parent / "depth.npz", kit)


def _attach_depth_clip(file: Path, kit: Kit) -> object:
    return _clip(kit.out.parent / "colour.mp4", file, kit)


def _attach_own_clip(file: Path, kit: Kit) -> object:
    return _clip(file, file, kit)


def _archive(file: Path, kit: Kit) -> object:
    index = read_index(file)
    errors = []
    for member in (*index.members, *index.unsafe)[:50]:
        for read in (recognise.recognise, map_reader.read_map):
            try:
                read(member)
            except GpudepthError as error:
                errors.append(str(error))
    return errors, captures.find_in_captures(file.parent, file.name)


def _list(file: Path, kit: Kit) -> object:
    """The same bytes as every kind of list."""
    errors = []
    for name, find in (("l.csv", csv.find_listed), ("l.jsonl", csv.find_listed),
                       ("l.json", manifest.find_in_transforms),
                       ("l.txt", lambda base, text: by_time.find_by_time(base, text, text))):
        (kit.out.parent / name).unlink(missing_ok=True)
        (kit.out.parent / name).symlink_to(file.absolute())
        try:
            find(kit.out.parent, name)
        except GpudepthError as error:
            errors.append(str(error))
    return errors


def _model(file: Path, kit: Kit) -> object:
    """The same bytes as each file of a COLMAP model, text and binary, and as Middlebury's calibration."""
    errors = []
    for suffix in (".txt", ".bin"):
        folder = Path(tempfile.mkdtemp(dir=kit.out.parent))
        for name in ("cameras", "images", "points3D"):
            (folder / f"{name}{suffix}").symlink_to(file.absolute())
        try:
            colmap.read(folder)
        except GpudepthError as error:
            errors.append(str(error))
    return errors, recognise.read_calib(file)


def _stack(file: Path, kit: Kit) -> object:
    return _each(stacks.read_stack(file).frames(range(FRAMES)))


def _packet(file: Path, kit: Kit) -> object:
    """The same bytes as an XMP packet, for both parsers."""
    data, errors = file.read_bytes(), []
    for parse in (xmp.parse, rdf.parse):
        try:
            parse(data, str(file))
        except GpudepthError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return None


def _remove(file: Path, kit: Kit) -> object:
    return api.remove(file, kit.out / f"out{file.suffix}")


READERS: dict[str, Reader] = {
    "read": lambda file, kit: api.read(file),
    "inspect": _inspect,
    "check": lambda file, kit: api.check(file).to_dict(),
    "attach photo": _attach_as_photo,
    "guide": _attach_guided,
    "develop": _develop,
    "attach map": _attach_as_map,
    "attach auto": _attach_knowing,
    "confidence": _attach_trusting,
    "align": _aligned,
    "donor": lambda file, kit: registry.donor(file),
    "remove": _remove,
    "convert": _convert,
    "dictionary": _to_dictionary,
    "android": _to_android,
    "extract": _extract,
    "map": lambda file, kit: map_reader.read_map(file),
    "rows": lambda file, kit: map_reader.read_map(file, rows=RawLayout(64, 48, "float32")),
    "stack": _stack,
    "frames": _frames,
    "video": _video,
    "attach clip": _attach_clip,
    "depth clip": _attach_depth_clip,
    "own clip": _attach_own_clip,
    "archive": _archive,
    "lists": _list,
    "model": _model,
    "packet": _packet,
    "job": lambda file, kit: load_job(file),
}


def make_kit(folder: Path) -> Kit:
    """A JPEG, a 16-bit map and a clip's maps, and the folder for outputs."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    kit = Kit(folder / "photo.jpg", folder / "depth.png", folder / "out")
    ramp = np.linspace(1, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    Image.fromarray(ramp).save(kit.depth)
    Image.new("RGB", (64, 48), (90, 120, 60)).save(kit.photo)
    metres = np.linspace(0.1, 1, 64 * 48, dtype=np.float32).reshape(48, 64)
    np.savez(folder / "depth.npz", depths=np.stack([metres] * 3))
    _film(folder / "colour.mp4")
    kit.out.mkdir(exist_ok=True)
    return kit


def _film(path: Path) -> None:
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(FRAMES):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode(None))


def warm(kit: Kit) -> None:
    """Load the libraries once, before processes are forked."""
    import contextlib

    import av  # noqa: F401
    import h5py  # noqa: F401
    import OpenEXR  # noqa: F401
    import pillow_heif  # noqa: F401

    with contextlib.suppress(GpudepthError), ByteSource(kit.photo) as source:
        registry.find(source)
    map_reader.read_map(kit.depth)
