"""Edits XMP packets in place: every node knows its bytes, so that it can be removed and others inserted.

`xmp` reads simple properties. This module reads nested ones (Dynamic Depth) and edits packets of other programs, which
keep every other byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from ..errors import LimitError, MalformedError
from ..limits import DEFAULT, Limits
from .xmp import META, RDF, TOOLKIT, XML, check, escape, xml_errors

MAX_NODES = 20_000  # in addition to limits.max_xmp_elements, because nodes take much memory
MAX_PREFIXES = 4096  # declarations in total; each one copies those in scope
_NAME = re.compile(rb"<[^\s/>]++")
_ATTRIBUTE = re.compile(rb"\s++([^\s=/>]++)\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+')")
_START_TAG = re.compile(rb"<(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+>")

Span = tuple[int, int]
Name = tuple[str, str]


@dataclass(eq=False)
class Node:
    """An element.

    Attributes:
        name: (namespace, name).
        start: Offset of its start tag.
        open_end: Offset of the end of its start tag.
        end: Offset of its end.
        close: Offset of its end tag.
        attributes: Attributes.
        spans: Bytes of each attribute.
        children: Child elements.
        text: Its text.
    """

    name: Name
    start: int
    open_end: int
    end: int = 0
    close: int = 0
    attributes: dict[Name, str] = field(default_factory=dict)
    spans: dict[Name, Span] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def walk(self) -> Iterator[Node]:
        """Yield this node and everything below it, in document order."""
        todo = [self]
        while todo:
            node = todo.pop()
            yield node
            todo += reversed(node.children)

    def own(self) -> dict[Name, str]:
        """Return simple properties of this node: attributes, and child elements that only hold text."""
        out = {n: v for n, v in self.attributes.items() if n[0] not in (RDF, XML)}
        for child in self.children:
            if not child.children and child.name[0] != RDF:
                out.setdefault(child.name, child.text.strip())
        return out

    def span_of(self, name: Name) -> Span | None:
        """Return the bytes of one of its own properties, in either form."""
        if name in self.spans:
            return self.spans[name]
        return next(((c.start, c.end) for c in self.children if c.name == name), None)


@dataclass(eq=False)
class Tree:
    """A packet.

    Attributes:
        data: Its bytes.
        root: Its root element.
    """

    data: bytes
    root: Node

    def descriptions(self) -> list[Node]:
        """Return the rdf:Description elements that hold properties."""
        return [d for r in self.root.walk() if r.name == (RDF, "RDF") for d in r.children
                if d.name == (RDF, "Description")]

    def properties(self, namespaces: Iterable[str], *names: Name) -> list[Span]:
        """Return the bytes of every property with these namespaces or names, and of descriptions without others."""
        wanted = set(namespaces)

        def goes(name: Name) -> bool:
            return name[0] in wanted or name in names

        out: list[Span] = []
        for d in self.descriptions():
            mine = [span for n, span in d.spans.items() if goes(n)]
            mine += [(c.start, c.end) for c in d.children if goes(c.name)]
            others = [n for n in d.attributes if n[0] not in (RDF, XML) and not goes(n)]
            if mine and not others and all(goes(c.name) for c in d.children):
                mine = [(d.start, d.end + (self.data[d.end : d.end + 1] == b"\n"))]
            out += mine
        return out

    def without(self, spans: Iterable[Span]) -> bytes:
        """Return the packet without some of its bytes."""
        out, at = [], 0
        for start, end in sorted(spans):
            if start >= at:
                out.append(self.data[at:start])
                at = end
        return b"".join([*out, self.data[at:]])

    def about(self) -> str:
        """Return rdf:about, which is the same on every description of a packet."""
        return next((v for d in self.descriptions() if (v := d.attributes.get((RDF, "about"))) is not None), "")


def parse(data: bytes, where: str = "XMP", limits: Limits = DEFAULT) -> Tree:
    """Parse a packet.

    Raises:
        MalformedError: It is not XML, declares a document type, or is nested too deeply.
        LimitError: It exceeds limits.max_xmp, or has too many nodes, attributes or prefixes.
    """
    lead = len(data) - len(data.lstrip(b"\0 \t\r\n"))
    body = data[lead:].rstrip(b"\0")
    check(data, body, where, limits)
    builder = _Builder(body, lead, where, limits)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    builder.parser = parser
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.stop
    parser.CharacterDataHandler = builder.characters
    with xml_errors(where):
        parser.Parse(body, True)
    if builder.root is None:
        raise MalformedError("the XMP has no element", where=where)
    return Tree(data, builder.root)


class _Builder:
    """Builds nodes from expat's events. Namespaces are resolved here, because the bytes hold raw names."""

    def __init__(self, body: bytes, lead: int, where: str, limits: Limits) -> None:
        self.body, self.lead, self.where, self.limits = body, lead, where, limits
        self.parser: Any = None
        self.root: Node | None = None
        self.stack: list[tuple[Node, dict[str, str]]] = []
        self.texts: list[list[str]] = []  # pieces of text of the elements on the stack
        self.count = self.prefixes = 0

    def start(self, raw: str, attributes: dict[str, str]) -> None:
        self.count += 1
        self.limits.check("max_xmp_nesting", len(self.stack) + 1, "nested elements", where=self.where)
        self.limits.check("max_xmp_elements", self.count, "elements", where=self.where)
        if self.count > MAX_NODES:
            raise LimitError(f"the XMP has more than {MAX_NODES:,} elements", where=self.where)
        at = self.parser.CurrentByteIndex
        tag = _START_TAG.match(self.body, at)
        if tag is None:
            raise MalformedError(f"the element at {at} cannot be located", where=self.where)
        scope = self._scope(attributes)
        node = Node(self._name(raw, scope, scope.get("", "")), self.lead + at, self.lead + tag.end())
        spans = self._spans(at, tag.end())
        for key, value in attributes.items():
            if key == "xmlns" or key.startswith("xmlns:"):
                continue
            name = self._name(key, scope, "")
            node.attributes[name] = value
            if key in spans:
                node.spans[name] = (self.lead + spans[key][0], self.lead + spans[key][1])
        if tag[0].endswith(b"/>"):
            node.end = node.close = node.open_end
        if self.stack:
            self.stack[-1][0].children.append(node)
        else:
            self.root = node
        self.stack.append((node, scope))
        self.texts.append([])

    def _scope(self, attributes: dict[str, str]) -> dict[str, str]:
        """Return the prefixes in scope of an element; its parent's own dictionary if it declares none."""
        scope = self.stack[-1][1] if self.stack else {"xml": XML}
        declared = {key[6:]: value for key, value in attributes.items() if key == "xmlns" or key.startswith("xmlns:")}
        self.prefixes += len(declared)
        if self.prefixes > MAX_PREFIXES:
            raise LimitError(f"the XMP declares more than {MAX_PREFIXES:,} prefixes", where=self.where)
        return {**scope, **declared} if declared else scope

    def _spans(self, at: int, end: int) -> dict[str, Span]:
        """Return the places of the attributes of the tag at `at`.

        Each match starts where the last one ended, because a search would try every blank of a long run again.
        """
        found: dict[str, Span] = {}
        last = _NAME.match(self.body, at, end)
        while last is not None and (last := _ATTRIBUTE.match(self.body, last.end(), end)) is not None:
            found[last[1].decode("utf-8", "replace")] = last.span()
        return found

    @staticmethod
    def _name(raw: str, scope: dict[str, str], default: str) -> Name:
        prefix, colon, local = raw.partition(":")
        return (scope.get(prefix, prefix), local) if colon else (default, raw)

    def stop(self, raw: str) -> None:
        node, _ = self.stack.pop()
        node.text = "".join(self.texts.pop())
        if not node.end:
            at = self.parser.CurrentByteIndex
            node.close = self.lead + at
            node.end = self.lead + self.body.index(b">", at) + 1

    def characters(self, text: str) -> None:
        if self.texts:
            self.texts[-1].append(text)


def insert(tree: Tree, block: bytes) -> bytes:
    """Insert a description before the end of the packet's rdf:RDF. Raises MalformedError without one."""
    rdf = next((n for n in tree.root.walk() if n.name == (RDF, "RDF")), None)
    if rdf is None or rdf.close == rdf.open_end == rdf.end:
        raise MalformedError("there is no rdf:RDF to insert a property into", where="XMP")
    return tree.data[: rdf.close] + block + tree.data[rdf.close :]


def shrink_padding(data: bytes, by: int) -> bytes:
    """Remove up to `by` bytes of the white space that an xpacket wrapper reserves for edits."""
    end = data.rfind(b"<?xpacket end")
    if end < 0 or by <= 0:
        return data
    start = len(data[:end].rstrip())
    spare = max(0, end - start - 1)
    return data[:start] + data[start + min(by, spare) :]


def description(about: str, namespaces: dict[str, str], properties: dict[str, str], inner: str = "") -> bytes:
    """Return a description with namespaces (prefix → URI), simple properties as attributes, and further elements."""
    lines = [f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="{attribute(about)}"']
    lines += [f'    xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items()]
    lines += [f'    {name}="{attribute(value)}"' for name, value in properties.items()]
    end = f">\n{inner}</rdf:Description>\n" if inner else "/>\n"
    return ("\n".join(lines) + end).encode()


def attribute(text: str) -> str:
    """Escape the text of an attribute."""
    return escape(text).replace('"', "&quot;")


def packet(block: bytes) -> bytes:
    """Return a packet with one description."""
    head = f'<x:xmpmeta xmlns:x="{META}" x:xmptk="{TOOLKIT}">\n<rdf:RDF xmlns:rdf="{RDF}">\n'
    return head.encode() + block + b"</rdf:RDF>\n</x:xmpmeta>\n"
