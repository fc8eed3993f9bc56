"""One function of bytes for each parser of ours: it may raise errors of `gpudepth.errors`, and nothing else.

`HARNESSES` names them; `run.py` gives them to atheris, the tests their seeds and some mutations. Where a parser takes
several calls, each is made, whatever the one before said.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gpudepth.containers import apple, dictionary, registry
from gpudepth.containers.base import CodedMap, Placement
from gpudepth.datasets import colmap
from gpudepth.depth.data import Storage
from gpudepth.depth.pixel_format import HDIS, stored
from gpudepth.errors import GpudepthError
from gpudepth.formats import exif, jpeg, mpf, rdf, tiff, xmp
from gpudepth.formats.archive import read_index
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.hevc import nal
from gpudepth.formats.hevc.depth_sei import DepthRepresentation
from gpudepth.formats.hevc.parameter_sets import Configuration, ProfileTierLevel, SequenceParameters
from gpudepth.formats.isobmff.box import walk
from gpudepth.formats.isobmff.meta import Meta
from gpudepth.formats.quicktime import metadata as quicktime_metadata
from gpudepth.formats.quicktime import movie as quicktime
from gpudepth.formats.quicktime.brands import is_movie
from gpudepth.limits import Limits
from gpudepth.maps import arrays, netpbm, recognise
from gpudepth.pairing import by_time, csv, manifest, templates
from gpudepth.settings import strict_yaml
from gpudepth.settings.job import load_job
from gpudepth.video import checks, lerobot, matroska
from gpudepth.video.sniff import is_clip

Harness = Callable[[bytes], None]
HARNESSES: dict[str, tuple[Harness, tuple[str, ...]]] = {}
"""Name → the function, and which seeds of the tests are for it: the ends of their names."""

# small ones, so that memory and time tell of a parser and not of a large picture
LIMITS = Limits(max_pixels=1 << 20, max_decoded_bytes=8 << 20, max_file=4 << 20, max_xmp=1 << 20, max_samples=10_000,
                max_members=10_000)


def harness(*seeds: str) -> Callable[[Harness], Harness]:
    def register(function: Harness) -> Harness:
        HARNESSES[function.__name__] = function, seeds
        return function

    return register


def each(data: bytes, calls: Iterable[Callable[[ByteSource], Any]]) -> None:
    """Every call on a source of its own; errors of ours are an answer."""
    for call in calls:
        with contextlib.suppress(GpudepthError), ByteSource(data, LIMITS) as source:
            call(source)


@cache
def _folder() -> Path:
    """For parsers that take paths; in memory where there is such a place."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="gpudepth-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _container(name: str) -> Harness:
    """Everything that a container does with a file, attach and remove as far as the bytes they would write."""
    coded = CodedMap((np.arange(32 * 24) % 256).astype(np.uint8).reshape(24, 32), Storage(stored(8), 0.5, 2.25), HDIS)

    def function(data: bytes) -> None:
        container: Any = next(c for c in registry.containers() if c.name == name)
        calls = [container.picture, container.read, container.inspect, lambda s: container.remove(s).splice.to_bytes(),
                 lambda s: container.attach(s, coded, Placement(replace=True)).splice.to_bytes()]
        for optional in ("check", "donor"):
            if hasattr(container, optional):
                calls.append(getattr(container, optional))
        if hasattr(container, "auxiliary_images"):
            calls.append(lambda s: [image.decode() for image in container.auxiliary_images(s)[:2]])
        each(data, calls)

    return function


HARNESSES |= {"heif": (_container("heif"), (".heic",)), "jpeg_file": (_container("jpeg"), (".jpg",)),
              "dng": (_container("dng"), (".dng", ".tiff")), "dictionary": (_container("dictionary"), (".plist",))}


@harness(".heic", ".mov", ".mp4")
def isobmff(data: bytes) -> None:
    each(data, [lambda s: [list(walk(s, b.payload, b.end, b.path, LIMITS)) for b in walk(s, 0, s.size, "", LIMITS)],
                lambda s: Meta.parse(data, "meta", LIMITS).serialise(),
                lambda s: quicktime_metadata.Metadata.parse(data, "meta", LIMITS).serialise()])


@harness(".jpg")
def jpeg_segments(data: bytes) -> None:
    each(data, [jpeg.parse, lambda s: jpeg.parse(s, whole=False), lambda s: jpeg.parse(s).xmp()])


@harness("both.jpg", "depth.jpg")
def mpf_index(data: bytes) -> None:
    at = data.find(b"MPF\0")
    payload = data[at:] if at >= 0 else b"MPF\0" + data
    each(data, [lambda s: mpf.serialise(mpf.parse(payload, limits=LIMITS)), lambda s: mpf.with_count(payload, 5)])


@harness(".xmp", ".jpg")
def packets(data: bytes) -> None:
    at = data.find(b"<x:xmpmeta")
    text = data[max(at, 0) :]
    each(data, [lambda s: apple.parse(xmp.parse(text, limits=LIMITS)), lambda s: rdf.parse(text, limits=LIMITS)])


@harness(".jpg")
def exif_block(data: bytes) -> None:
    at = data.find(b"Exif\0\0")
    block = data[at + 6 :] if at >= 0 else data
    each(data, [lambda s: exif.parse(block), lambda s: exif.with_custom_rendered(block, 8),
                lambda s: exif.with_orientation(block, 6), lambda s: exif.parse_item(data)])


@harness(".tiff", ".dng")
def tiff_directories(data: bytes) -> None:
    def read(source: ByteSource) -> None:
        found = tiff.Tiff(source)
        for ifd in found.walk():
            for entry in ifd.entries[:200]:
                for read in (found.raw, found.integers, found.integer, found.rational, found.text):
                    with contextlib.suppress(GpudepthError):
                        read(ifd, entry.tag)

    each(data, [read])


@harness(".plist")
def property_list(data: bytes) -> None:
    each(data, [lambda s: dictionary.parse_plist(data, limits=LIMITS)])


@harness(".mov", ".mp4")
def movie(data: bytes) -> None:
    def read(source: ByteSource) -> None:
        quicktime_metadata.metadata_of(source, quicktime.find_moov(source))
        for track in quicktime.read(source).tracks[:20]:
            table = track.samples
            for name in ("sizes", "offsets", "presentation_times", "durations", "sync", "descriptions"):
                with contextlib.suppress(GpudepthError):
                    getattr(table, name)

    each(data, [is_movie, read, is_clip, checks.check])


@harness(".mkv")
def depth_video(data: bytes) -> None:
    each(data, [checks.check, lambda s: matroska.whole(data)])
    text = data.decode("latin-1")
    version, names = matroska.VERSION, ("DEPTH_FORMAT", "DEPTH_ACCURACY", "DEPTH_CALIBRATION")
    tags = {"GPUDEPTH": version, **dict(zip(names, text.split("\0"), strict=False))}
    sound = {"GPUDEPTH": version, "DEPTH_FORMAT": "hdis", "DEPTH_ACCURACY": "relative", "DEPTH_CALIBRATION": text}
    each(data, [lambda s: matroska.meaning(tags, "tags"), lambda s: matroska.meaning(sound, "tags")])


@harness(".heic", ".mov")
def hevc(data: bytes) -> None:
    at = data.find(b"hvcC")
    payload = data[at + 4 : at + 4 + max(0, int.from_bytes(data[at - 4 : at], "big") - 8)] if at >= 4 else data
    sei = data[data.find(b"auxid:2\0") + 8 :] if b"auxid:2\0" in data else data
    each(data, [lambda s: Configuration.parse(payload, limits=LIMITS).sequence(),
                lambda s: Configuration.parse(payload, limits=LIMITS).serialise(),
                lambda s: SequenceParameters.parse(data),
                lambda s: ProfileTierLevel.of(data) if data and nal.nal_type(data) in (32, 33) else None,
                lambda s: DepthRepresentation.parse(sei[:200]).serialise(),
                lambda s: nal.split_lengths(data, 4, limits=LIMITS), lambda s: nal.split_annex_b(data)])


@harness(".yaml")
def yaml(data: bytes) -> None:
    each(data, [lambda s: strict_yaml.parse(data.decode("utf-8", "surrogateescape")),
                lambda s: load_job(_file("job.yaml", data))])


@harness(".pfm", ".pgm", ".npy", ".npz")
def headers(data: bytes) -> None:
    size = len(data)
    each(data, [lambda s: netpbm.read_pfm(io.BytesIO(data), size, where="x", limits=LIMITS),
                lambda s: netpbm.read_size(data[:64]),
                lambda s: netpbm.read_pgm(io.BytesIO(data), size, where="x", limits=LIMITS),
                lambda s: arrays.read_npy(io.BytesIO(data), size, where="x", limits=LIMITS),
                lambda s: arrays.read_npz(io.BytesIO(data), key=None, where="x", limits=LIMITS)])


@harness(".csv", ".jsonl", ".json", "times.txt")
def lists(data: bytes) -> None:
    for name in ("l.csv", "l.jsonl", "l.json", "l.txt"):
        _file(name, data)
    base = _folder()
    each(data, [lambda s: csv.find_listed(base, "l.csv"), lambda s: csv.find_listed(base, "l.jsonl"),
                lambda s: manifest.find_in_transforms(base, "l.json"),
                lambda s: by_time.find_by_time(base, "l.txt", "l.txt")])


@harness("cameras.txt", "images.txt", "points3D.txt", "recognise.txt")
def models(data: bytes) -> None:
    for suffix in (".txt", ".bin"):
        folder = _folder() / f"model{suffix}"
        folder.mkdir(exist_ok=True)
        for name in ("cameras", "images", "points3D"):
            (folder / f"{name}{suffix}").write_bytes(data)
    each(data, [lambda s: colmap.read(_folder() / "model.txt", LIMITS),
                lambda s: colmap.read(_folder() / "model.bin", LIMITS),
                lambda s: recognise.read_calib(_file("recognise.txt", data))])


@harness(".json")
def depth_codes(data: bytes) -> None:
    _file("depth.json", data)
    (_folder() / "meta").mkdir(exist_ok=True)
    _file("meta/info.json", data)
    each(data, [lambda s: lerobot.of_video(_folder() / "depth.mp4"),
                lambda s: lerobot.of_video(_folder() / "videos/d/a.mp4")])


@harness(".zip", ".tar", ".r3d")
def archives(data: bytes) -> None:
    limits = replace(LIMITS, max_archive=4 << 20)

    def read(source: ByteSource) -> None:
        for member in read_index(_file("a.zip", data), limits).members[:20]:
            with contextlib.suppress(GpudepthError):
                member.read(limits)

    each(data, [read])


@harness(".yaml", ".txt")
def templates_and_names(data: bytes) -> None:
    text, _, name = data.decode("utf-8", "surrogateescape").partition("\n")

    def match(source: ByteSource) -> None:
        found = templates.Template(text[:200])
        fields = found.match(name[:200])
        if fields is not None and not found.any_suffix:
            found.format(fields)

    each(data, [match, lambda s: list(templates.search_names([name[:200], "a/b/c.png"], text[:200], glob=True))])


@harness(".heic", ".jpg", ".npy", ".png", ".exr", ".npz")
def kinds(data: bytes) -> None:
    each(data, [lambda s: recognise.recognise(_file("a.bin", data))])
