"""Base of the writers of depth video: an encoder and a muxer of FFmpeg (PyAV), opened with the first frame."""

from __future__ import annotations

from fractions import Fraction
from types import TracebackType
from typing import Any, BinaryIO, Self

from ..depth.data import DepthData
from ..errors import UnsupportedError, UsageError


class FrameWriter:
    """Writes video frames to a binary file. It is a context manager; a video without frames is a UsageError at its end.

    Attributes:
        format: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the pixel format.
        tick: Unit of time in seconds.
        codec_label: Name of the codec in messages.
        options: Options of the encoder.
    """

    format: str
    codec: str
    pixel_format: str
    tick: Fraction
    codec_label: str
    options: dict[str, str]

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._container is not None:
            if kind is None:
                for packet in self._stream.encode(None):
                    self._container.mux(packet)
            self._container.close()
        elif kind is None:
            raise UsageError("a video needs at least one frame")

    def _open(self, frame: DepthData) -> None:
        """Open the video with the size of its first frame."""
        import av

        self._container = av.open(self.file, "w", format=self.format)
        stream = self._stream = self._container.add_stream(self.codec, rate=30, options=self.options)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, self.pixel_format
        stream.time_base = stream.codec_context.time_base = self.tick

    def _put(self, pixels: Any, tick: int) -> None:
        """Write (H, W) values of the pixel format, shown from a tick on. Raises UnsupportedError."""
        import av
        import av.error

        picture = av.VideoFrame.from_ndarray(pixels, format=self.pixel_format)
        picture.pts, picture.time_base = tick, self.tick
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except av.error.FFmpegError as error:
            height, width = pixels.shape
            raise UnsupportedError(
                f"{self.codec_label} cannot encode frames of {width}×{height}: {error.strerror}") from None
