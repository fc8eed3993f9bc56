"""Property lists: XML or binary, read strictly (plistlib does the work)."""

from __future__ import annotations

import plistlib
from typing import Any
from xml.parsers.expat import ExpatError

from ..errors import MalformedError
from ..limits import DEFAULT, Limits

BINARY = b"bplist00"


def sniff(head: bytes) -> bool:
    """Could a file that starts so be a property list?"""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(BINARY) or text.startswith((b"<?xml", b"<!DOCTYPE plist", b"<plist"))


def parse(data: bytes, where: str = "plist", limits: Limits = DEFAULT) -> Any:
    """The objects. Raises MalformedError, LimitError."""
    limits.check("max_decoded_bytes", len(data), where=where)
    if not data.startswith(BINARY) and b"<!ENTITY" in data:
        raise MalformedError("declares an entity, which property lists never do", where=where)
    try:
        return plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError, LookupError, OverflowError,
            RecursionError, AttributeError, MemoryError, UnicodeError) as error:
        raise MalformedError(f"is no property list: {error or type(error).__name__}", where=where) from None


def serialise(objects: Any, *, binary: bool = False) -> bytes:
    """XML, which people can read, or binary, which is a quarter smaller. Keys keep their order."""
    return plistlib.dumps(objects, fmt=plistlib.FMT_BINARY if binary else plistlib.FMT_XML, sort_keys=False)
