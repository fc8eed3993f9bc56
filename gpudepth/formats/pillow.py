"""Opens pictures with Pillow, but only given formats, with this package's limits and errors.

Pillow supports some fifty formats, including programs (EPS) and stubs; only the requested ones are tried here. Its
parsers react to damage with arbitrary exceptions and warnings.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import BinaryIO

from PIL import Image, ImageFile

from ..errors import FileError, GpudepthError, LimitError, MalformedError, TruncatedError, UnsupportedError

_PLUGINS = {"PNG": "Png", "TIFF": "Tiff", "BMP": "Bmp", "JPEG": "Jpeg", "WEBP": "WebP", "GIF": "Gif", "PPM": "Ppm",
            "JPEG2000": "Jpeg2K"}


def open_picture(stream: BinaryIO, formats: tuple[str, ...]) -> ImageFile.ImageFile | None:
    """Open a picture of one of these formats like Image.open, but without its limit on pixels; None for other formats.

    Call it inside `decoding`: it reads the header, which may be damaged.
    """
    prefix = stream.read(16)
    for name in formats:
        importlib.import_module(f"PIL.{_PLUGINS[name]}ImagePlugin")     # registers the format
        factory, accept = Image.OPEN[name]
        if accept is None or accept(prefix) is True:
            stream.seek(0)
            return factory(stream, "")
    return None


class _Quiet:
    """Silences Pillow's warnings about damaged files, which become errors or do not matter.

    `warnings.catch_warnings` alone is not thread-safe: here the first thread to enter changes the filters, and the last
    one to leave restores them.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.|gpudepth\.formats\.pillow")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._saved.__exit__(None, None, None)


_QUIET = _Quiet()


@contextmanager
def decoding(where: str, problem: str = "the picture cannot be decoded") -> Iterator[None]:
    """Convert any error of a decoder to one of this package. Only Pillow's code may run inside.

    Raises TruncatedError, UnsupportedError, LimitError, FileError for errors of the disk, MalformedError for others.
    """
    try:
        with _QUIET:
            yield
    except GpudepthError:
        raise
    except MemoryError as error:
        raise LimitError("the picture does not fit into memory", where=where) from error
    except Image.DecompressionBombError as error:
        raise LimitError("the picture is larger than Pillow decodes in this format", where=where,
                         hint="save it as PNG or .npy") from error
    except Exception as error:      # parsers of damaged files raise anything: SyntaxError, KeyError, struct.error …
        if isinstance(error, OSError) and error.errno is not None:
            raise FileError(f"the file cannot be read: {error.strerror}", where=where) from error
        text = str(error) or type(error).__name__
        if "unknown pixel mode" in text:
            raise UnsupportedError("Pillow does not support this kind of pixels", where=where,
                                   hint="save it as .npy, as float32 TIFF or as 16-bit PNG") from error
        short = isinstance(error, EOFError) or any(word in text.lower() for word in ("truncated", "not enough", "eof"))
        raise (TruncatedError if short else MalformedError)(f"{problem}: {text}", where=where) from error
