"""Reads, describes and checks files that hold depth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..attachment.inspection import Inspection, check_file
from ..attachment.photo import read_depth
from ..containers import registry
from ..containers.rules import Verdicts
from ..depth.data import DepthData
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from ..settings.values import Orientation
from ..video.sniff import is_clip


def read(path: str | Path, *, orientation: Orientation = "display", limits: Limits = DEFAULT) -> DepthData | None:
    """Read the depth of a photo.

    Args:
        path: A HEIC, AVIF, JPEG (Apple's layout, GDepth, Dynamic Depth) or DNG file, or an ImageIO dictionary.
        orientation: "display" gives the map as the photo is shown. "coded" gives it as its pixels are stored;
            `DepthData.orientation` then holds the Exif orientation that turns it upright.
        limits: The limits for the file, checked before anything is decoded.

    Returns:
        The map (H, W), float16 or float32, in metres or 1/metres; None if the photo holds no depth.

    Raises:
        MissingInputError: If the file does not exist.
        FileError: If the file is damaged, not supported, or exceeds a limit.

    Source: ISO/IEC 23008-12 (HEIF), Apple's AVDepthData and ImageIO, Google's depth map metadata, Adobe's DNG 1.7.
    """
    return read_depth(path, orientation, limits)


def inspect(path: str | Path, *, limits: Limits = DEFAULT) -> Inspection:
    """Describe the picture, the depth and the other auxiliary images of a file.

    Args:
        path: A photo, as in `read`.
        limits: The limits for the file.

    Returns:
        A record with sizes in pixels and ranges in metres, 1/metres and codes; `to_dict()` makes JSON of it.

    Raises:
        MissingInputError: If the file does not exist.
        UnsupportedError: If the format of the file cannot hold depth.
        FileError: If the file is damaged or exceeds a limit.

    Source: The sources of `read`.
    """
    with ByteSource(path, limits) as source:
        return Inspection.of(registry.require(source).inspect(source), str(path))


def check(path: str | Path, *, profile: str | None = None, limits: Limits = DEFAULT) -> Verdicts:
    """Check a file against the rules of its container and of a profile.

    A damaged file, a file without depth, and a file that cannot hold depth do not raise an error; their verdicts do
    not conform.

    Args:
        path: A photo or a clip.
        profile: The name of the layout that the file should have. The default checks only the rules that all profiles
            of the container share.
        limits: The limits for the file.

    Returns:
        The findings, one for each rule.

    Raises:
        MissingInputError: If the file does not exist.
        UsageError: If the container does not have the profile.

    Source: Each finding names the source of its rule.
    """
    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        if not is_clip(source):
            limits.check("max_file", source.size, where=str(path))
        return check_file(source, profile)
