"""Packets edited where they stand: every byte that is not cut or put in is kept."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpudepth.errors import GpudepthError, LimitError, MalformedError
from gpudepth.formats import rdf, xmp
from gpudepth.limits import Limits

A, B = "http://a.example/", "http://b.example/"
PACKET = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{xmp.RDF}">
  <rdf:Description rdf:about="uuid:1" xmlns:a="{A}" xmlns:b="{B}"
     a:One="1 &lt; 2" b:Two = '2>1'
     a:Three="3">
   <a:Four>vier</a:Four><b:Five><rdf:Seq><rdf:li rdf:parseType="Resource"><b:Six b:X="6"/></rdf:li></rdf:Seq></b:Five>
  </rdf:Description>
  <rdf:Description rdf:about="uuid:1" xmlns:c="{A}" c:Seven="7"/>
 </rdf:RDF>
</x:xmpmeta>
PADDING
<?xpacket end="w"?>""".replace("PADDING", 20 * " ").encode()


def test_nodes_know_their_bytes() -> None:
    tree = rdf.parse(PACKET)
    first, second = tree.descriptions()
    assert {n[1]: PACKET[slice(*span)].strip() for n, span in first.spans.items() if n[0] in (A, B)} == {
        "One": b'a:One="1 &lt; 2"', "Two": b"b:Two = '2>1'", "Three": b'a:Three="3"'}
    four, five = first.children
    assert PACKET[four.start : four.end] == b"<a:Four>vier</a:Four>" and five.name == (B, "Five")
    assert PACKET[five.start : five.end].endswith(b"</b:Five>") and PACKET[five.close :].startswith(b"</b:Five>")
    assert second.attributes[(A, "Seven")] == "7"  # another prefix, the same namespace
    assert first.own() == {(A, "One"): "1 < 2", (B, "Two"): "2>1", (A, "Three"): "3", (A, "Four"): "vier"}
    assert [n.own()[(B, "X")] for n in first.walk() if (B, "X") in n.own()] == ["6"]
    assert tree.about() == "uuid:1"


def test_cutting_leaves_the_rest() -> None:
    tree = rdf.parse(PACKET)
    left = tree.without(tree.properties([A]))
    for piece in (b'\n     a:One="1 &lt; 2"', b'\n     a:Three="3"', b"<a:Four>vier</a:Four>", b' c:Seven="7"'):
        assert PACKET.count(piece) == 1
    expected = PACKET
    for piece in (b'\n     a:One="1 &lt; 2"', b'\n     a:Three="3"', b"<a:Four>vier</a:Four>", b' c:Seven="7"'):
        expected = expected.replace(piece, b"")
    expected = expected.replace(b'<rdf:Description rdf:about="uuid:1" xmlns:c="http://a.example/"/>\n', b"")  # held no other
    assert left == expected
    assert {p.name for p in xmp.parse(left).properties} == {"Two", "Five"}
    assert tree.without([]) == PACKET and tree.without([(5, 9), (6, 8)]) == PACKET[:5] + PACKET[9:]


def test_inserting_leaves_the_rest() -> None:
    block = rdf.description("uuid:1", {"g": "http://g.example/"}, {"g:Eight": 'a<b & "c"'})
    out = rdf.insert(rdf.parse(PACKET), block)
    assert out.replace(block, b"") == PACKET
    assert xmp.parse(out).text("http://g.example/", "Eight") == 'a<b & "c"'
    assert xmp.parse(rdf.packet(block)).text("http://g.example/", "Eight") == 'a<b & "c"'


def test_padding_is_what_gives_way() -> None:
    at = PACKET.index(b"</x:xmpmeta>") + len(b"</x:xmpmeta>")
    assert rdf.shrink_padding(PACKET, 5) == PACKET[:at] + PACKET[at + 5 :]
    assert rdf.shrink_padding(PACKET, 0) == PACKET
    assert len(rdf.shrink_padding(PACKET, 10_000)) == len(PACKET) - 21
    assert rdf.shrink_padding(b"<a/>", 5) == b"<a/>"


@pytest.mark.parametrize(("data", "message"), [
    (b"", "not well-formed"), (b"<a", "not well-formed"), (b"<a></b>", "not well-formed"),
    (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"), (b"<a>\0</a>", "UTF-8"),
    (PACKET.decode().encode("utf-16"), "UTF-8")])
def test_what_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        rdf.parse(data)


def test_limits() -> None:
    with pytest.raises(LimitError):
        rdf.parse(PACKET, limits=Limits(max_xmp=100))
    with pytest.raises(LimitError):
        rdf.parse(b"<a>" * 1000 + b"</a>" * 1000)
    with pytest.raises(LimitError):
        rdf.parse(b"<a>" + b"<b/>" * 30_000 + b"</a>")
    nested = b"".join(b"<a " + b" ".join(b"xmlns:p%d='u'" % (100 * n + k) for k in range(100)) + b">" for n in range(200))
    with pytest.raises(LimitError, match="4,096 prefixes"):
        rdf.parse(nested + b"</a>" * 200)
    with pytest.raises(MalformedError, match="rdf:RDF"):
        rdf.insert(rdf.parse(b"<a/>"), b"<b/>")
    with pytest.raises(MalformedError, match="rdf:RDF"):
        rdf.insert(rdf.parse(f'<r:RDF xmlns:r="{xmp.RDF}"/>'.encode()), b"<b/>")


def test_prefixes_are_copied_where_one_is_declared() -> None:
    data = b"<a xmlns:p='1' xmlns='0'><p:b><c xmlns:p='2' p:x=''><p:d/></c><p:e/></p:b></a>"
    assert [n.name for n in rdf.parse(data).root.walk()] == [("0", "a"), ("1", "b"), ("0", "c"), ("2", "d"), ("1", "e")]
    builder, outer = rdf._Builder(data, 0, "", Limits()), {"p": "1"}
    builder.stack = [(rdf.Node(("", "a"), 0, 0), outer)]
    assert builder._scope({"p:x": ""}) is outer
    assert builder._scope({"xmlns:q": "2"}) == {"p": "1", "q": "2"} and outer == {"p": "1"}


class Counted:
    """A pattern that says how often it was tried."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern, self.tried = pattern, 0

    def match(self, data: bytes, at: int, end: int) -> re.Match[bytes] | None:
        self.tried += 1
        return self.pattern.match(data, at, end)


def test_a_run_of_blanks_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(rdf._ATTRIBUTE)
    monkeypatch.setattr(rdf, "_ATTRIBUTE", counted)
    blanks = b" \t\r\n" * 200_000
    data = b"<a" + blanks + b"b='1'" + blanks + b'c="2"' + blanks + b">" + b"<d" + blanks + b"/>" + blanks + b"</a" + blanks + b">"
    tree = rdf.parse(data)
    assert counted.tried == 4  # once for each attribute, once behind the last one
    assert {n[1]: data[slice(*span)].strip() for n, span in tree.root.spans.items()} == {"b": b"b='1'", "c": b'c="2"'}
    assert tree.root.children[0].name == ("", "d") and tree.root.end == len(data)


def test_text_in_pieces() -> None:
    data = b"<a>" + b"x&amp;<b/>" * 10_000 + b"</a>"
    root = rdf.parse(data).root
    assert root.text == "x&" * 10_000 and len(root.children) == 10_000 and root.children[0].text == ""


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PACKET) - 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=5))
def test_mutations_end_in_typed_errors_or_edits_that_parse(edits: list[tuple[int, bytes]]) -> None:
    data = bytearray(PACKET)
    for at, new in edits:
        data[at : at + len(new)] = new
    with contextlib.suppress(GpudepthError):
        tree = rdf.parse(bytes(data))
        rdf.parse(tree.without(tree.properties([A, B])))
