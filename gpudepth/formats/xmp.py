"""Reads simple properties and arrays of XMP packets strictly, and writes packets in Apple's form.

Apple's depth packets have no xpacket wrapper, an indentation of three spaces, every property as an element, and the
namespaces on rdf:Description in the order of their first use. A packet in that form is rewritten byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError

from ..errors import LimitError, MalformedError
from ..limits import DEFAULT, Limits

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
META = "adobe:ns:meta/"
XML = "http://www.w3.org/XML/1998/namespace"
TOOLKIT = "XMP Core 6.0.0"
MAX_URI = 200   # characters; a parser puts the namespace's URI before each name in it
CHUNK = 1 << 18
# The second half is optional, so that a run of letters is never examined twice.
_LONG_URI = re.compile(rb"xmlns[^=<>\"']*+(=\s*+(?:\"[^\"]{%d}|'[^']{%d}))?" % (MAX_URI + 1, MAX_URI + 1))
_VALUE = re.compile(rb"=\s*+[\"']")
_ARRAYS = {f"{{{RDF}}}{kind}" for kind in ("Seq", "Bag", "Alt")}

Value = str | tuple[str, ...]


@dataclass(frozen=True)
class Property:
    """A simple property (str) or an array (tuple of str); other kinds are not kept.

    Attributes:
        namespace: URI of its namespace.
        name: Its name.
        value: Its value.
    """

    namespace: str
    name: str
    value: Value


@dataclass(frozen=True)
class Packet:
    """The content of a packet.

    Attributes:
        properties: Properties in document order.
        toolkit: The toolkit that wrote it (x:xmptk).
    """

    properties: tuple[Property, ...]
    toolkit: str = TOOLKIT

    def get(self, namespace: str, name: str) -> Value | None:
        return next((p.value for p in self.properties if p.namespace == namespace and p.name == name), None)

    def text(self, namespace: str, name: str) -> str | None:
        """Return a simple property, or None when it is missing or an array."""
        value = self.get(namespace, name)
        return value if isinstance(value, str) else None

    def has(self, namespace: str) -> bool:
        return any(p.namespace == namespace for p in self.properties)


def parse(data: bytes, where: str = "XMP", limits: Limits = DEFAULT) -> Packet:
    """Parse a packet in element or attribute form.

    Raises:
        MalformedError: It is not XML or has a DTD.
        LimitError: It exceeds limits.max_xmp or the limits whose names begin with it.
    """
    text = data.strip(b"\0 \t\r\n\xef\xbb\xbf")
    check(data, text, where, limits)
    with xml_errors(where):
        root = _tree(text, where, limits)
    if root is None:
        return Packet((), "")
    found = [one for d in root.iter(f"{{{RDF}}}Description") for one in _properties(d)]
    for _, value in found:
        limits.check("max_xmp_items", len(value) if isinstance(value, tuple) else 0, "items of an array", where=where)
    names = [(key[1:].partition("}"), value) for key, value in found if key.startswith("{")]
    return Packet(tuple(Property(namespace, name, value) for (namespace, _, name), value in names
                        if namespace not in (RDF, XML)), root.get(f"{{{META}}}xmptk", ""))


@contextmanager
def xml_errors(where: str) -> Iterator[None]:
    """Convert the errors of XML parsers."""
    try:
        yield
    except (SyntaxError, ExpatError, ValueError, LookupError) as error:      # SyntaxError: that of ElementTree
        raise MalformedError(f"the XMP is not well-formed XML: {error}", where=where) from None
    except MemoryError:
        raise LimitError("the XMP does not fit into memory", where=where) from None


def _tree(text: bytes, where: str, limits: Limits) -> Any:
    """Return the root element, or None. Limits are exceeded before all of the text is in memory."""
    depth = count = 0
    root: Any = None
    parser: Any = ElementTree.XMLPullParser(("start", "end"))
    for at in range(0, len(text) + 1, CHUNK):
        parser.feed(text[at : at + CHUNK])
        if at + CHUNK > len(text):
            parser.close()
        for event, element in parser.read_events():
            root = element if root is None else root
            depth += 1 if event == "start" else -1
            count += event == "start"
            limits.check("max_xmp_nesting", depth, "nested elements", where=where)
        limits.check("max_xmp_elements", count, "elements", where=where)
    return root


def _properties(description: Any) -> Iterator[tuple[str, Value]]:
    """Yield (name, value) of simple properties and arrays, in attribute or element form."""
    yield from description.attrib.items()
    for child in description:
        array = next((c for c in child if c.tag in _ARRAYS), None)
        if array is not None:
            yield child.tag, tuple((li.text or "").strip() for li in array)
        elif len(child) == 0:
            yield child.tag, (child.text or "").strip()


def check(data: bytes, text: bytes, where: str, limits: Limits) -> None:
    """Check a packet before a parser sees it, because parsers load all attributes of a tag and expand names.

    `text` is the packet without surrounding bytes. Raises MalformedError, LimitError.
    """
    limits.check("max_xmp", len(data), where=where)
    if b"\0" in text:
        raise MalformedError("the XMP is not UTF-8", where=where)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise MalformedError("the XMP declares a document type or an entity, which is not allowed", where=where)
    most = limits.max_xmp_attributes
    count = sum(1 for _ in islice(_VALUE.finditer(text), most + 1))
    limits.check("max_xmp_attributes", count, "attributes", where=where)
    if any(m[1] for m in _LONG_URI.finditer(text)):
        raise LimitError(f"the XMP declares a namespace of more than {MAX_URI:,} characters", where=where)


def escape(text: str) -> str:
    """Escape the text of an element; xml.sax.saxutils would load urllib and http for it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def serialise(properties: Iterable[Property], prefixes: dict[str, str], toolkit: str = TOOLKIT) -> bytes:
    """Return a packet in Apple's form; `prefixes` maps a namespace to its prefix."""
    listed = list(properties)
    used = list(dict.fromkeys(p.namespace for p in listed))
    lines = [f'<x:xmpmeta xmlns:x="{META}" x:xmptk="{toolkit}">', f'   <rdf:RDF xmlns:rdf="{RDF}">',
             '      <rdf:Description rdf:about=""']
    lines += [f'            xmlns:{prefixes[n]}="{n}"' for n in used]
    lines[-1] += ">"
    for p in listed:
        tag = f"{prefixes[p.namespace]}:{p.name}"
        if isinstance(p.value, str):
            lines.append(f"         <{tag}>{escape(p.value)}</{tag}>")
        else:
            lines += [f"         <{tag}>", "            <rdf:Seq>"]
            lines += [f"               <rdf:li>{escape(item)}</rdf:li>" for item in p.value]
            lines += ["            </rdf:Seq>", f"         </{tag}>"]
    lines += ["      </rdf:Description>", "   </rdf:RDF>", "</x:xmpmeta>", ""]
    return "\n".join(lines).encode()
