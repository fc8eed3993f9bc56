"""XMP packets: Apple's form byte for byte, other forms read, everything else refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpudepth.errors import GpudepthError, LimitError, MalformedError
from gpudepth.formats import rdf, xmp
from gpudepth.formats.xmp import Packet, Property
from gpudepth.limits import Limits

A, B = "http://ns.example/a/", "http://ns.example/b/"
PREFIXES = {A: "a", B: "b"}
APPLE = f'''<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 6.0.0">
   <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
      <rdf:Description rdf:about=""
            xmlns:b="{B}"
            xmlns:a="{A}">
         <b:First>1 &lt; 2 &amp; 3</b:First>
         <a:List>
            <rdf:Seq>
               <rdf:li>0.0</rdf:li>
               <rdf:li>1</rdf:li>
            </rdf:Seq>
         </a:List>
         <b:Last></b:Last>
      </rdf:Description>
   </rdf:RDF>
</x:xmpmeta>
'''.encode()
PROPERTIES = (Property(B, "First", "1 < 2 & 3"), Property(A, "List", ("0.0", "1")), Property(B, "Last", ""))


def test_apples_form():
    assert xmp.parse(APPLE) == Packet(PROPERTIES)
    assert xmp.serialise(PROPERTIES, PREFIXES) == APPLE


def test_look_up():
    packet = Packet(PROPERTIES)
    assert packet.text(B, "First") == "1 < 2 & 3"
    assert packet.text(A, "List") is None
    assert packet.get(A, "List") == ("0.0", "1")
    assert packet.get(A, "First") is None
    assert packet.has(A)
    assert not packet.has("http://ns.example/c/")


@pytest.mark.parametrize("wrap", [
    lambda d: b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n' + d + b'   \n<?xpacket end="w"?>',
    lambda d: b"\xef\xbb\xbf" + d, lambda d: d + bytes(100), lambda d: b'<?xml version="1.0"?>' + d])
def test_wrappers_and_padding(wrap):
    assert xmp.parse(wrap(APPLE)) == Packet(PROPERTIES)


def test_attribute_form_and_other_arrays():
    data = (f'<rdf:RDF xmlns:rdf="{xmp.RDF}" xmlns:a="{A}"><rdf:Description rdf:about="" a:One="1" xml:lang="x">'
            f'<a:Bag><rdf:Bag><rdf:li> 5 </rdf:li></rdf:Bag></a:Bag><a:Deep rdf:parseType="Resource"><a:X>1</a:X></a:Deep>'
            f'</rdf:Description><rdf:Description a:Two="2"/></rdf:RDF>').encode()
    assert xmp.parse(data) == Packet((Property(A, "One", "1"), Property(A, "Bag", ("5",)), Property(A, "Two", "2")), "")


@pytest.mark.parametrize(("data", "words"), [
    (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "document type"),
    ('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'.encode("utf-16"), "not UTF-8"),
    ("<x/>".encode("utf-32"), "not UTF-8"),
    (b"<x>\xff</x>", "not well-formed"),
    (b"<x>", "not well-formed"),
    (b"<a:x/>", "not well-formed"),
    (b"", "not well-formed"),
    (b'<?xml version="1.0" encoding="no-such"?><x/>', "not well-formed"),
])
def test_refused(data, words):
    with pytest.raises(MalformedError, match=words) as caught:
        xmp.parse(data, "item 7")
    assert caught.value.where == "item 7"


def test_limits():
    with pytest.raises(LimitError, match="max_xmp"):
        xmp.parse(APPLE, limits=Limits(max_xmp=100))
    long = f'<rdf:RDF xmlns:rdf="{xmp.RDF}" xmlns:a="{A}"><rdf:Description><a:L><rdf:Seq>{"<rdf:li/>" * 1001}</rdf:Seq></a:L></rdf:Description></rdf:RDF>'
    with pytest.raises(LimitError, match=r"1,001 items of an array, limits\.max_xmp_items is 1,000"):
        xmp.parse(long.encode())
    with pytest.raises(LimitError, match=r"257 nested elements, limits\.max_xmp_nesting is 256"):
        xmp.parse(b"<x>" * 257 + b"</x>" * 257)
    for parse in (xmp.parse, rdf.parse):
        for limits, words in ((Limits(max_xmp_nesting=2), "3 nested elements"), (Limits(max_xmp_elements=3), "elements, limits.max_xmp_elements is 3"),
                              (Limits(max_xmp_attributes=2), "3 attributes")):
            with pytest.raises(LimitError, match=words):
                parse(b"<a b='1' c='2' d='3'><e><f/></e><g/></a>", limits=limits)
        parse(b"<x>" * 257 + b"</x>" * 257, limits=Limits(max_xmp_nesting=0, max_xmp_attributes=0, max_xmp_elements=0))


@pytest.mark.parametrize(("data", "error", "words"), [
    (b"<a>" + b"<b/>" * 3_000_000 + b"</a>", LimitError, "elements, limits.max_xmp_elements is 100,000"),
    (b"<a>" + b"<b>" * 3_000_000, LimitError, "257 nested elements")])
def test_what_is_too_much_is_noticed_early(data: bytes, error, words, monkeypatch):
    """A parser keeps a hundred bytes and more of each element."""
    fed = 0

    class Counted(xmp.ElementTree.XMLPullParser):
        def feed(self, part):
            nonlocal fed
            fed += len(part)
            super().feed(part)

    monkeypatch.setattr(xmp.ElementTree, "XMLPullParser", Counted)
    with pytest.raises(error, match=words):
        xmp.parse(data)
    assert fed < 1_000_000


@pytest.mark.parametrize(("data", "words"), [
    (b"<a " + b" ".join(b"b%d=''" % n for n in range(100_001)) + b"/>", "100,001 attributes"),
    (b"<a " + b" ".join(b"b%d \n= \"\"" % n for n in range(100_001)) + b"/>", "100,001 attributes"),
    # a parser writes every name out with its namespace: 20 KB that become 40 MB
    (b"<p:a xmlns:p='" + b"u" * 10_000 + b"'>" + b"".join(b"<p:b%d/>" % n for n in range(4000)) + b"</p:a>", "200 characters"),
    (b"<a xmlns   =\n\"" + b"u" * 10_000 + b"\"/>", "200 characters")])
def test_tags_that_grow_in_memory(data: bytes, words: str):
    for parse in (xmp.parse, rdf.parse):
        with pytest.raises(LimitError, match=words) as caught:
            parse(data, "item 7")
        assert caught.value.where == "item 7"


def test_long_values_and_ordinary_namespaces():
    data = f'<rdf:RDF xmlns:rdf="{xmp.RDF}" xmlns:a="{A}"><rdf:Description a:T="{"xmlns=" + "x" * 3_000_000}"/></rdf:RDF>'
    assert len(xmp.parse(data.encode()).text(A, "T") or "") == 3_000_006


def test_running_out_of_memory_is_said(monkeypatch):
    def none(*_):
        raise MemoryError

    monkeypatch.setattr(xmp.ElementTree, "XMLPullParser", none)
    monkeypatch.setattr(rdf.expat, "ParserCreate", type("P", (), {"Parse": none}))
    for parse in (xmp.parse, rdf.parse):
        with pytest.raises(LimitError, match="memory"):
            parse(APPLE)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=30))
def test_any_text_comes_back(text):
    properties = (Property(A, "T", text), Property(B, "L", (text, "x")))
    assert xmp.parse(xmp.serialise(properties, PREFIXES)).properties == properties


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(data):
    with contextlib.suppress(GpudepthError):
        xmp.parse(data)
