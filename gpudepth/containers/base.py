"""Defines the protocol that every container implements, and the records it uses.

Auxiliary images beside depth (mattes of people, hair, skin…, HDR gain map, confidence) have a short name each, with
which file names end, and a name in files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from numpy.typing import NDArray

from ..depth import orientation
from ..depth.calibration import Calibration
from ..depth.data import DepthData, Storage
from ..depth.pixel_format import PixelFormat
from ..errors import GpudepthError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource, Splice
from ..formats.hevc.effort import Effort

REPLACE = "‹replace_depth=True› replaces it"      # hint for photos that have depth
C2PA_BROKEN = "the file's C2PA provenance signature does not cover the change and will not verify"
PHOTO_QUALITY = 90      # of pictures that are encoded, libheif's 0–100


@dataclass(frozen=True)
class Donor:
    """What a Portrait photo provides for a map from another source.

    Attributes:
        rendering: Base64 of the blob that Photos reportedly needs (RenderingParameters).
        aperture: SimulatedAperture, as text in the file.
        custom_rendered: Exif CustomRendered.
        disparity: Range of its map in 1/metres.
    """

    rendering: str
    aperture: str | None = None
    custom_rendered: int | None = None
    disparity: tuple[float, float] | None = None


@dataclass(frozen=True)
class Placement:
    """How a map is put into a file.

    Attributes:
        profile: One of the container's `profiles`; None is the first.
        replace: Whether to replace existing depth.
        also: Further layouts to write beside it: gdepth and dynamic-depth in JPEG files.
        trailer: What to do with data after the last image of a JPEG file.
        donor: Portrait photo, for apple-portrait.
        turn: Exif orientation that is applied to picture and map in addition to the picture's own.
    """

    profile: str | None = None
    replace: bool = False
    also: tuple[str, ...] = ()
    trailer: Literal["keep", "drop", "refuse"] = "keep"
    donor: Donor | None = None
    turn: int = 1

    def refuse_turn(self, container: str) -> None:
        """Raise UnsupportedError for a turn, in containers that do not support one."""
        if self.turn != 1:
            raise UnsupportedError(f"a {container} file cannot be turned",
                                   hint="leave out ‹turn›; JPEG files, and pictures such as PNG, support it")

    def profile_of(self, container: Container) -> str:
        """Return the profile to write. Raises UsageError when the container does not have it or a companion."""
        profile = self.profile or container.profiles[0]
        if profile not in container.profiles:
            raise UsageError(f"a {container.name.upper()} file has no profile {profile!r}",
                             hint="use " + " or ".join(container.profiles))
        for name in self.also:
            if name not in container.companions:
                raise UsageError(f"{name!r} cannot be written into {container.name.upper()} files",
                                 hint=" or ".join(container.companions) or "leave out ‹also›")
        return profile


DEFAULT_PLACEMENT = Placement()


@dataclass(frozen=True)
class CodedMap:
    """A map ready to be stored.

    Attributes:
        codes: Integer codes (H, W) in the coded orientation of the picture.
        storage: Stored format and range.
        pixel_format: Native format.
        calibration: Calibration for the coded picture.
        accuracy: Whether values are metric.
        quality: Quality of the map.
        filtered: Whether holes are filled.
        crf: Rate factor of HEVC; None is lossless.
        effort: Effort of lossless HEVC.
        jpeg_quality: Quality of libjpeg; None uses Apple's table.
        compression: Name of a compression that the container knows; None is its default.
    """

    codes: NDArray[Any]
    storage: Storage
    pixel_format: PixelFormat
    calibration: Calibration | None = None
    accuracy: Literal["relative", "absolute"] = "relative"
    quality: Literal["high", "low"] = "high"
    filtered: bool = True
    crf: int | None = None
    effort: Effort = "balanced"
    jpeg_quality: int | None = None
    compression: str | None = None


@dataclass(frozen=True)
class Picture:
    """The primary picture of a file.

    Attributes:
        coded_width: Width in pixels before the orientation is applied.
        coded_height: Height in pixels before the orientation is applied.
        orientation: Exif orientation.
        focal35: Focal length, equivalent to 35 mm film, in millimetres.
    """

    coded_width: int
    coded_height: int
    orientation: int = 1
    focal35: float | None = None

    @property
    def width(self) -> int:
        return orientation.size(self.orientation, self.coded_width, self.coded_height)[0]

    @property
    def height(self) -> int:
        return orientation.size(self.orientation, self.coded_width, self.coded_height)[1]

    def size(self, *, display: bool) -> tuple[int, int]:
        """Return width and height in pixels: as displayed, or as coded."""
        return (self.width, self.height) if display else (self.coded_width, self.coded_height)


@dataclass(frozen=True)
class Auxiliary:
    """An auxiliary image.

    Attributes:
        kind: The kind in words.
        urn: URN or type in the file.
        width: Coded width in pixels.
        height: Coded height in pixels.
    """

    kind: str
    urn: str
    width: int
    height: int


@dataclass(frozen=True)
class Contents:
    """What `inspect` shows of a file.

    Attributes:
        container: Name of the container.
        picture: The primary picture.
        auxiliary: The auxiliary images.
        depth: The depth, or None.
        warnings: Problems.
    """

    container: str
    picture: Picture
    auxiliary: Sequence[Auxiliary] = ()
    depth: DepthData | None = None
    warnings: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Edit:
    """The result of an edit.

    Attributes:
        splice: What to write.
        warnings: What could not be preserved.
        changes: Which of the photo's own tags changed.
    """

    splice: Splice
    warnings: Sequence[str] = ()
    changes: Sequence[str] = ()


PROTOCOL = 2
"""Version of the protocol. A plug-in without one is taken for version 1, which has no capabilities."""


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
    """One file format. Every method raises errors of `gpudepth.errors` that name the place in the file.

    Attributes:
        name: Name of the container.
        suffixes: Suffixes of its files.
        bits: Bits of a stored value, the default first.
        profiles: Layouts that it writes, the default first.
        companions: Layouts that can be written beside a profile.
    """

    name: str
    suffixes: tuple[str, ...]
    bits: tuple[int, ...]
    profiles: tuple[str, ...]
    companions: tuple[str, ...]

    def sniff(self, head: bytes) -> bool:
        """Return whether a file that starts with these 32 bytes is of this format."""

    def storage(self, fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
        """Return how a map with values in [lo, hi] is stored; the range is rounded outward if needed.

        Args:
            fmt: Native format.
            lo: Smallest value.
            hi: Largest value.
            bits: Bits of a stored value; None is the default.
        """

    def picture(self, source: ByteSource) -> Picture:
        """Return the primary picture, reading only headers."""

    def read(self, source: ByteSource) -> DepthData | None:
        """Return the depth in coded orientation with `orientation` set, or None."""

    def inspect(self, source: ByteSource) -> Contents:
        """Describe the depth of a file."""

    def attach(self, source: ByteSource, coded: CodedMap, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
        """Add depth without changing the coded picture. Raises ExistingDepthError unless `placement.replace`."""

    def remove(self, source: ByteSource) -> Edit:
        """Remove depth, including its bytes and metadata. Raises NoDepthError for a file without depth."""


def read_or_note(read: Callable[[], DepthData | None], notes: list[str]) -> DepthData | None:
    """Return the depth; if it cannot be read, add the reason to the notes."""
    try:
        return read()
    except GpudepthError as error:
        notes.append(str(error))
        return None


@runtime_checkable
class Donates(Protocol):
    """A container whose photos can be donors."""

    def donor(self, source: ByteSource) -> Donor:
        """Return the donor. Raises NoDepthError without depth, UnsupportedError for other than Portrait photos."""


@dataclass(frozen=True)
class VendorMap:
    """A map in a vendor's trailer, which has no metres.

    Attributes:
        vendor: Name of the vendor's format.
        codes: (H, W) uint8 codes in coded orientation.
    """

    vendor: str
    codes: NDArray[Any]


@runtime_checkable
class HoldsCodes(Protocol):
    """A container whose files can hold a map without metres."""

    def codes(self, source: ByteSource) -> VendorMap | None:
        """Return the map, or None for a file without one."""


@runtime_checkable
class SharesItsHead(Protocol):
    """A container whose files start like those of other formats (DNG and TIFF), so that more must be read."""

    def recognises(self, source: ByteSource) -> bool:
        """Return whether a file that `sniff` accepted is of this format. Raises nothing."""


# short name → (kind in words, name in files of Apple software)
_APPLE = {
    "matte": ("portrait effects matte", "urn:com:apple:photo:2018:aux:portraiteffectsmatte"),
    "skin": ("semantic skin matte", "urn:com:apple:photo:2019:aux:semanticskinmatte"),
    "hair": ("semantic hair matte", "urn:com:apple:photo:2019:aux:semantichairmatte"),
    "teeth": ("semantic teeth matte", "urn:com:apple:photo:2019:aux:semanticteethmatte"),
    "glasses": ("semantic glasses matte", "urn:com:apple:photo:2020:aux:semanticglassesmatte"),
    "sky": ("semantic sky matte", "urn:com:apple:photo:2020:aux:semanticskymatte"),
    "gainmap": ("hdr gain map", "urn:com:apple:photo:2020:aux:hdrgainmap"),
}
CONFIDENCE = "confidence"
NAMES = (*_APPLE, CONFIDENCE)
KINDS = {urn: kind for kind, urn in _APPLE.values()}
GAIN_MAP_URN = _APPLE["gainmap"][1]
_NAME_OF = {kind: name for name, (kind, _) in _APPLE.items()} | {CONFIDENCE: CONFIDENCE}


@dataclass(frozen=True)
class AuxiliaryImage:
    """An auxiliary image of a photo.

    Attributes:
        name: One of NAMES.
        kind: The kind in words.
        urn: Name in the file.
        orientation: Exif orientation that turns the codes into display orientation.
        decode: Function that returns the stored codes, (H, W) uint8 or uint16 in coded orientation, and their bits. It
            raises FileError.
    """

    name: str
    kind: str
    urn: str
    orientation: int
    decode: Callable[[], tuple[NDArray[Any], int]]


@runtime_checkable
class HoldsAuxiliaries(Protocol):
    """A container whose files can hold auxiliary images."""

    def auxiliary_images(self, source: ByteSource) -> list[AuxiliaryImage]:
        """Return the images of a file in its order, not decoded yet; the source has to stay open."""


def name_of(kind: str) -> str | None:
    """Return the short name of a kind in words, or None for kinds that are not exported."""
    return _NAME_OF.get(kind)
