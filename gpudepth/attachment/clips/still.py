"""Encodes a frame of a video as a photo, once: JPEG by libjpeg (Pillow), HEIC by libx265.

Pixels keep the orientation of the stored video; its rotation becomes the photo's orientation. A HEIC gets the planes
unchanged, with the video's own code points; a JPEG is full-range BT.601, as in JFIF, in the video's primaries.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from ...containers.heif import photo_encoder
from ...errors import UnsupportedError
from ...formats.hevc.codec import PIXELS, Colour, IntraEncoder
from ...formats.hevc.effort import Effort

# swscale's flags: bilinear chroma, rounded, with equal results on every processor
_EXACT = 2 | 0x2000 | 0x40000 | 0x80000
_UNSPECIFIED = 2    # in every table of H.273
_HD = 720           # a video without code points is taken for BT.709 from this number of rows, for BT.601 below
# Presets of x265. With a fixed quantiser those between "ultrafast" and "slow" do not make smaller files.
_PRESETS: dict[Effort, str] = {"small": "slow", "balanced": "ultrafast", "fast": "ultrafast"}
_HDR = {16: "PQ", 18: "HLG"}
_WIDE = {9: "BT.2020", 11: "P3", 12: "P3"}


@dataclass
class StillEncoder:
    """Encodes frames.

    Attributes:
        quality: 0 to 100, as for any photo that is encoded; -1 is the best.
        effort: Effort of HEIC files.
        reuse: As in `IntraEncoder`.
    """


    quality: int = 90
    effort: Effort = "balanced"
    reuse: bool = False
    _hevc: IntraEncoder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        best = self.quality < 0
        # libheif's rule for x265: half of the difference to 100
        quantiser = 0 if best else min(51, (100 - self.quality + 1) // 2)
        self._hevc = IntraEncoder(quantiser, _PRESETS[self.effort], self.reuse)

    def encode(self, frame: Any, suffix: str, orientation: int = 1) -> bytes:
        """Return an av.VideoFrame as a file with a suffix and an Exif orientation. Raises UnsupportedError."""
        if suffix.lower() in (".heic", ".heif", ".hif"):
            return self._heic(frame, orientation)
        return self._jpeg(frame, orientation)

    def _heic(self, frame: Any, orientation: int) -> bytes:
        colour = colour_of(frame)
        bits = 10 if frame.format.components[0].bits > 8 else 8
        if frame.format.name.startswith("yuvj") or colour.full_range:
            colour = Colour(colour.primaries, colour.transfer, colour.matrix, full_range=True)
        picture = frame
        if frame.format.name != PIXELS[bits]:
            if frame.format.is_rgb:
                colour = Colour(colour.primaries, colour.transfer, 6 if frame.height < _HD else 1)
                picture = frame.reformat(format=PIXELS[bits], dst_colorspace=5 if frame.height < _HD else 1)
            elif frame.format.name == "yuvj420p":
                picture = frame.reformat(format="yuv420p", src_color_range="JPEG", dst_color_range="JPEG")
            else:
                picture = frame.reformat(format=PIXELS[bits])
        hvcc, data = self._hevc.encode(picture, colour)
        return photo_encoder.heic(hvcc, data, frame.width, frame.height, colour, bits=bits, orientation=orientation)

    def _jpeg(self, frame: Any, orientation: int) -> bytes:
        from PIL import Image

        pixels = Image.fromarray(rgb(frame))
        about = Image.Exif()
        if orientation != 1:
            about[0x0112] = orientation
        buffer = io.BytesIO()
        pixels.save(buffer, "JPEG", quality=100 if self.quality < 0 else max(1, self.quality),
                    **({"exif": about} if orientation != 1 else {}))
        return buffer.getvalue()


def rgb(frame: Any) -> Any:
    """Return a frame as (H, W, 3) uint8 in stored orientation, in the video's primaries. Raises UnsupportedError."""
    colour = colour_of(frame)
    try:
        if not frame.format.is_rgb:
            frame.colorspace = colour.matrix
        return frame.to_ndarray(format="rgb24", interpolation=_EXACT)
    except (ValueError, OSError) as error:
        raise UnsupportedError(f"the pixel format {frame.format.name} cannot be converted to RGB: {error}") from None


def colour_of(frame: Any) -> Colour:
    """Return the code points of a frame; unspecified ones are BT.709 for HD and BT.601 for smaller frames."""
    usual = 1 if frame.height >= _HD else 6
    primaries, transfer, matrix = (usual if int(v) in (0, _UNSPECIFIED) else int(v) for v in (
        frame.color_primaries, frame.color_trc, frame.colorspace))
    return Colour(primaries, transfer, matrix, full_range=int(frame.color_range) == 2)


def warnings_of(frame: Any, suffix: str) -> list[str]:
    """Return warnings about what a photo with a suffix does not keep of the frame."""
    if suffix.lower() not in (".jpg", ".jpeg", ".jpe"):
        return []
    colour, out = colour_of(frame), []
    if colour.transfer in _HDR:
        out.append(f"the video is HDR ({_HDR[colour.transfer]}), and its 8-bit JPEGs look flat; "
                   "an output.path that ends in .heic preserves HDR")
    elif colour.primaries in _WIDE:
        out.append(f"the video's primaries are {_WIDE[colour.primaries]}, which its JPEGs do not record; "
                   "an output.path that ends in .heic does")
    return out
