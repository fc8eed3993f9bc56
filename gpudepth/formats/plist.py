"""Reads and writes property lists, XML or binary, with plistlib."""

from __future__ import annotations

import plistlib
from typing import Any
from xml.parsers.expat import ExpatError

from ..errors import MalformedError
from ..limits import DEFAULT, Limits

BINARY = b"bplist00"


def sniff(head: bytes) -> bool:
    """Return whether a file that starts with these bytes may be a property list."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(BINARY) or text.startswith((b"<?xml", b"<!DOCTYPE plist", b"<plist"))


def parse(data: bytes, where: str = "plist", limits: Limits = DEFAULT) -> Any:
    """Parse a property list. Raises MalformedError, LimitError."""
    limits.check("max_decoded_bytes", len(data), where=where)
    if not data.startswith(BINARY) and b"<!ENTITY" in data:
        raise MalformedError("the property list declares an entity, which is not allowed", where=where)
    try:
        return plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError, LookupError, OverflowError,
            RecursionError, AttributeError, MemoryError, UnicodeError) as error:
        raise MalformedError(f"not a property list: {error or type(error).__name__}", where=where) from None


def serialise(objects: Any, *, binary: bool = False) -> bytes:
    """Write XML, which people can read, or binary, which is a quarter smaller. Keys keep their order."""
    return plistlib.dumps(objects, fmt=plistlib.FMT_BINARY if binary else plistlib.FMT_XML, sort_keys=False)
