"""Pictures through Pillow: formats that are named, limits of ours and not its own, and errors of ours.

Pillow knows some fifty formats, among them programs (EPS) and stubs; only what is asked for is tried here. Its parsers
answer damage with whatever comes up, and with warnings.
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
    """What Image.open does for these formats, less its limit on pixels; None for a file of another one.

    To be called inside of `decoding`: only the header is read, and that may be damaged.
    """
    prefix = stream.read(16)
    for name in formats:
        importlib.import_module(f"PIL.{_PLUGINS[name]}ImagePlugin")     # which registers it
        factory, accept = Image.OPEN[name]
        if accept is None or accept(prefix) is True:
            stream.seek(0)
            return factory(stream, "")
    return None


class _Quiet:
    """Silences what Pillow remarks on damaged files (it comes to the user as an error, or not at all).

    `warnings.catch_warnings` alone is not safe in threads: here the first to enter changes the filters, and the last to
    leave puts them back.
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
def decoding(where: str, says: str = "cannot be decoded") -> Iterator[None]:
    """Turn whatever a decoder raises into one error of ours. Only Pillow's code may run inside.

    Raises TruncatedError, UnsupportedError, LimitError, FileError for the disk's errors, MalformedError for the rest.
    """
    try:
        with _QUIET:
            yield
    except GpudepthError:
        raise
    except MemoryError as error:
        raise LimitError("does not fit into memory", where=where) from error
    except Image.DecompressionBombError as error:
        raise LimitError("is larger than Pillow decodes in this format", where=where,
                         hint="save it as PNG or .npy") from error
    except Exception as error:      # parsers of damaged files raise anything: SyntaxError, KeyError, struct.error …
        if isinstance(error, OSError) and error.errno is not None:
            raise FileError(f"cannot be read: {error.strerror}", where=where) from error
        text = str(error) or type(error).__name__
        if "unknown pixel mode" in text:
            raise UnsupportedError("has pixels of a kind that Pillow does not decode", where=where,
                                   hint="save it as .npy, as float32 TIFF or as 16-bit PNG") from error
        short = isinstance(error, EOFError) or any(word in text.lower() for word in ("truncated", "not enough", "eof"))
        raise (TruncatedError if short else MalformedError)(f"{says}: {text}", where=where) from error
