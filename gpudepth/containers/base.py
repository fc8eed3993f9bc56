"""What every container offers, and the records that go in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from numpy.typing import NDArray

from ..depth import orientation as exif
from ..depth.calibration import Calibration
from ..depth.data import DepthData, Storage
from ..depth.pixel_format import PixelFormat
from ..errors import UnsupportedError, UsageError
from ..formats.bytesource import ByteSource, Splice

REPLACE = "--replace-depth puts the new map there (output.replace_depth: true in a job)"      # of photos with depth


@dataclass(frozen=True)
class Donor:
    """What a photo of Portrait mode has beside its map, for a map that came another way.

    rendering         base64 of the blob that Photos is reported to need (RenderingParameters)
    aperture          SimulatedAperture, as the file prints it
    custom_rendered   of its Exif
    disparity         its map's range in 1/metres
    """

    rendering: str
    aperture: str | None = None
    custom_rendered: int | None = None
    disparity: tuple[float, float] | None = None


@dataclass(frozen=True)
class Placement:
    """How a map is put into a file.

    profile   one of the container's `profiles`; None is the first of them
    replace   put the map in the place of the depth that is there
    also      further layouts to write beside it: of a JPEG file gdepth, dynamic-depth
    trailer   what follows the last image of a JPEG file is kept at the end, dropped, or a reason to refuse
    donor     for apple-portrait
    turn      the Exif orientation that picture and map get on top of the picture's own
    """

    profile: str | None = None
    replace: bool = False
    also: tuple[str, ...] = ()
    trailer: Literal["keep", "drop", "refuse"] = "keep"
    donor: Donor | None = None
    turn: int = 1

    def refuse_turn(self, container: str) -> None:
        """For containers whose orientation is left as it is. Raises UnsupportedError."""
        if self.turn != 1:
            raise UnsupportedError(f"a {container} file is not turned: it knows how it is displayed",
                                   hint="leave the turn out; JPEG files, and PNG and the like, take one")

    def profile_of(self, container: Container) -> str:
        """The profile to write. Raises UsageError when the container has none of that name, or nothing to add."""
        profile = self.profile or container.profiles[0]
        if profile not in container.profiles:
            raise UsageError(f"a {container.name.upper()} file has no profile {profile!r}",
                             hint=" or ".join(container.profiles))
        for name in self.also:
            if name not in container.companions:
                raise UsageError(f"{name!r} is not written into {container.name.upper()} files",
                                 hint=" or ".join(container.companions) or "leave `also` out")
        return profile


DEFAULT_PLACEMENT = Placement()


@dataclass(frozen=True)
class CodedMap:
    """A map ready to be stored: integer codes (H, W) in the coded orientation of the picture, and their meaning.

    calibration is of the coded picture. crf: of HEVC; None stores the codes lossless. jpeg_quality: libjpeg's, None is
    Apple's table. compression: the container's own default, or the name of one it knows.
    """

    codes: NDArray[Any]
    storage: Storage
    pixel_format: PixelFormat
    calibration: Calibration | None = None
    accuracy: Literal["relative", "absolute"] = "relative"
    quality: Literal["high", "low"] = "high"
    filtered: bool = True
    crf: int | None = None
    jpeg_quality: int | None = None
    compression: str | None = None


@dataclass(frozen=True)
class Picture:
    """The primary picture of a file. coded_* is before, width × height after its orientation is applied."""

    coded_width: int
    coded_height: int
    orientation: int = 1
    focal35: float | None = None

    @property
    def width(self) -> int:
        return exif.size(self.orientation, self.coded_width, self.coded_height)[0]

    @property
    def height(self) -> int:
        return exif.size(self.orientation, self.coded_width, self.coded_height)[1]


@dataclass(frozen=True)
class Auxiliary:
    """One auxiliary image: its kind in words, the URN (or type) the file names, its coded size."""

    kind: str
    urn: str
    width: int
    height: int


@dataclass(frozen=True)
class Contents:
    """What `inspect` shows of a file."""

    container: str
    picture: Picture
    auxiliary: Sequence[Auxiliary] = ()
    depth: DepthData | None = None
    warnings: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Edit:
    """The outcome of an edit: what to write, what could not survive, and which of the photo's own tags changed."""

    splice: Splice
    warnings: Sequence[str] = ()
    changes: Sequence[str] = ()


PROTOCOL = 2
"""The version of the protocol. A plug-in that names none was written for version 1, which had no capabilities."""


@dataclass(frozen=True)
class Capabilities:
    """What the pipeline may do with files of a container.

    Attributes:
        decoder: What decodes the picture where a photo guides its map; None for pictures that cannot guide, or none.
        has_picture: A file holds a photo, and not a map alone.
        can_be_map: A file without depth may be a gray map itself.
        encodes: Pictures of formats that cannot hold depth are encoded into it.
        transcodes: Its photos may be re-encoded into the container that `encodes`, where that is asked for.
        takes_frames: Frames of clips can be written as its photos.
    """

    decoder: Literal["pillow", "libheif"] | None = None
    has_picture: bool = True
    can_be_map: bool = False
    encodes: bool = False
    transcodes: bool = False
    takes_frames: bool = False


def capabilities(container: Container) -> Capabilities:
    """Return what a container can do; a plug-in of version 1 can do what every container can."""
    return getattr(container, "capabilities", Capabilities())


class Container(Protocol):
    """One file format. Every method raises errors of `gpudepth.errors` that say where in the file.

    bits         of a stored value, the default first
    profiles     the layouts it is written in, the default first
    companions   layouts that can be written beside one of the profiles
    """

    name: str
    suffixes: tuple[str, ...]
    bits: tuple[int, ...]
    profiles: tuple[str, ...]
    companions: tuple[str, ...]

    def sniff(self, head: bytes) -> bool:
        """Is a file that starts with these 32 bytes one of ours?"""

    def storage(self, fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
        """How a map of a native format with values in [lo, hi] will be stored, the range rounded outward if need be.

        bits None: as many as the container stores unless asked otherwise.
        """

    def picture(self, source: ByteSource) -> Picture:
        """The primary picture; reads headers only."""

    def read(self, source: ByteSource) -> DepthData | None:
        """The depth in *coded* orientation with `orientation` set, or None."""

    def inspect(self, source: ByteSource) -> Contents:
        """Everything there is to say about a file's depth."""

    def attach(self, source: ByteSource, coded: CodedMap, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
        """Put depth in without touching the coded picture. ExistingDepthError unless `placement.replace`."""

    def remove(self, source: ByteSource) -> Edit:
        """Take depth out, its bytes and metadata too. NoDepthError when there is none."""


@runtime_checkable
class Donates(Protocol):
    """A container whose photos can be donors."""

    def donor(self, source: ByteSource) -> Donor:
        """Raises NoDepthError for a photo without depth, UnsupportedError for one that is no portrait."""


@dataclass(frozen=True)
class VendorMap:
    """(H, W) uint8 codes in coded orientation, as a vendor's program left them; nothing gives them metres."""

    vendor: str
    codes: NDArray[Any]


@runtime_checkable
class HoldsCodes(Protocol):
    """A container whose files can hold a map that has no metres."""

    def codes(self, source: ByteSource) -> VendorMap | None:
        """The map, or None when there is none."""


@runtime_checkable
class SharesItsHead(Protocol):
    """A container whose files start like others that are none (DNG and TIFF): the first bytes do not settle it."""

    def recognises(self, source: ByteSource) -> bool:
        """Is this file, which `sniff` let pass, one of ours? Raises nothing."""
