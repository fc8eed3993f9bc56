"""Parses and writes moov/meta with handler 'mdta': keys and values (QuickTime File Format, "Metadata").

    meta | hdlr 'mdta' | keys  version, count, then size 'mdta' name for each key
                       | ilst  size, number of the key from 1, then 'data': type, locale, value

QuickTime's meta is a plain box, ISO's is a full one. Both are read; a new one is plain, as media3 writes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import MalformedError, UnsupportedError
from ...limits import DEFAULT, Limits
from ..bytesource import ByteSource
from ..isobmff.box import Box, Cursor, make, make_full
from ..isobmff.items import children
from .movie import children as child_boxes

TEXT, UINT8, UINT64, RESERVED = 1, 75, 78, 0       # type indicators
MDTA = b"mdta"
MAX_KEYS = 1 << 12
MAX_META = 1 << 20


@dataclass(frozen=True)
class Value:
    """One value.

    Attributes:
        type: Its type indicator.
        data: Its bytes.
    """

    type: int
    data: bytes


@dataclass(frozen=True)
class Metadata:
    """Keys and values.

    Attributes:
        values: The last value of each key.
        head: Bytes of meta before its children (version and flags of a full box).
        keys: Namespace and name of each key.
        items: The ilst boxes as found, so that adding a value changes nothing else.
        other: Children that are neither keys nor ilst, as found.
    """

    values: dict[str, Value]
    head: bytes = b""
    keys: tuple[tuple[bytes, bytes], ...] = ()
    items: tuple[bytes, ...] = ()
    other: tuple[bytes, ...] = ()

    @classmethod
    def parse(cls, payload: bytes, path: str = "moov/meta", limits: Limits = DEFAULT) -> Metadata:
        """Parse the payload of a meta box. Raises MalformedError, and UnsupportedError for handlers other than mdta."""
        head = b"" if payload[4:8] == b"hdlr" else payload[:4]
        found = children(payload, len(head), path, limits)
        handler = next((body[8:12] for kind, _, body, _ in found if kind == "hdlr"), b"")
        if handler != MDTA:
            raise UnsupportedError(f"the handler is {handler!r}, not 'mdta'", where=f"{path}/hdlr")
        boxes = {kind: (body, where) for kind, _, body, where in found}
        keys = _keys(*boxes["keys"]) if "keys" in boxes else []
        items = children(boxes["ilst"][0], 0, boxes["ilst"][1], limits) if "ilst" in boxes else []
        values = {}
        for kind, _, body, _ in items:
            number = int.from_bytes(kind.encode("latin-1"), "big")
            if not 1 <= number <= len(keys):
                raise MalformedError(f"a value has key {number}, but there are {len(keys)} keys", where=f"{path}/ilst")
            namespace, name = keys[number - 1]
            value = _value(body, f"{path}/ilst[{number}]", limits)
            if namespace == MDTA and value is not None:
                values[name.decode("utf-8", "replace")] = value
        other = tuple(raw for kind, raw, _, _ in found if kind not in ("keys", "ilst"))
        return cls(values, head, tuple(keys), tuple(raw for _, raw, _, _ in items), other)

    def adding(self, values: dict[str, Value]) -> Metadata:
        """Return the metadata with these values, which replace those of the same keys."""
        names = {n.encode() for n in values}
        numbers = [n for n, (namespace, name) in enumerate(self.keys, 1) if namespace == MDTA and name in names]
        items = tuple(raw for raw in self.items if int.from_bytes(raw[4:8], "big") not in numbers)
        keys = list(self.keys)
        for name, value in values.items():
            key = (MDTA, name.encode())
            if key not in keys:
                keys.append(key)
            data = make("data", value.type.to_bytes(4, "big") + bytes(4) + value.data)
            number = (keys.index(key) + 1).to_bytes(4, "big").decode("latin-1")
            items += (make(number, data),)
        return Metadata(self.values | values, self.head, tuple(keys), items, self.other or (_HDLR,))

    def serialise(self) -> bytes:
        """Return the meta box."""
        keys = make_full("keys", 0, 0, len(self.keys).to_bytes(4, "big")
                         + b"".join(make(space.decode("latin-1"), name) for space, name in self.keys))
        return make("meta", self.head + b"".join(self.other) + keys + make("ilst", b"".join(self.items)))


def metadata_of(source: ByteSource, moov: Box) -> Metadata:
    """Return moov/meta; empty when it is missing or has another handler. Raises MalformedError."""
    box = child_boxes(source, moov, source.limits).get("meta")
    if box is None:
        return Metadata({})
    if box.end - box.payload > MAX_META:
        raise MalformedError(f"the box has {box.end - box.payload:,} bytes", where=box.path)
    try:
        return Metadata.parse(source.read(box.payload, box.end - box.payload, "meta"), box.path, source.limits)
    except UnsupportedError:
        return Metadata({})


def uint64(value: int) -> Value:
    return Value(UINT64, value.to_bytes(8, "big"))


def uint(value: Value | None, length: int) -> int | None:
    """Return an unsigned number of `length` bytes, or None for anything else."""
    return None if value is None or len(value.data) != length else int.from_bytes(value.data, "big")


# version and flags, pre_defined, handler, reserved, an empty name
_HDLR = make_full("hdlr", 0, 0, bytes(4) + MDTA + bytes(12) + b"\0")


def _value(payload: bytes, path: str, limits: Limits) -> Value | None:
    """Return the last value of an item, or None without any."""
    value = None
    for kind, _, body, where in children(payload, 0, path, limits):
        if kind == "data":
            c = Cursor(body, where)
            about = c.uint(4)
            c.take(4)
            value = Value(about, c.rest())
    return value


def _keys(body: bytes, where: str) -> list[tuple[bytes, bytes]]:
    c = Cursor(body, where)
    c.full()
    count = c.count(c.uint(4), 8)
    if count > MAX_KEYS:
        raise MalformedError(f"there are {count:,} keys", where=where)
    out = []
    for _ in range(count):
        size, namespace = c.uint(4), c.take(4)
        out.append((namespace, c.take(size - 8)))
    return out
