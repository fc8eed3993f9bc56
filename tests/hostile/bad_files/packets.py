"""XMP: what entities, depth, lengths and encodings can do to a parser."""

from __future__ import annotations

from bad_files.builders import Files


def packets() -> Files:
    """XMP: what entities, depth, lengths and encodings can do to a parser."""
    head = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    tail = b"</rdf:RDF></x:xmpmeta>"
    apdi = b"xmlns:apdi='http://ns.apple.com/pixeldatainfo/1.0/' xmlns:depthData='http://ns.apple.com/depthData/1.0/'"
    laughs = b"<!DOCTYPE l [<!ENTITY a 'lol'>" + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(10)) + b"]><l>&k;</l>"
    yield "laughs", laughs
    yield "quadratic", b"<!DOCTYPE l [<!ENTITY a '" + b"a" * 50_000 + b"'>]><l>" + b"&a;" * 2000 + b"</l>"
    yield "external", b"<!DOCTYPE l [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><l>&a;</l>"
    yield "external.utf16", ("\ufeff<!DOCTYPE l [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><l>&a;</l>").encode("utf-16-le")
    yield "laughs.utf7", b"<?xml version='1.0' encoding='utf-7'?>+ADw-!DOCTYPE l+AD4-<l/>"
    yield "encoding", b"<?xml version='1.0' encoding='cp037'?><l/>"
    yield "encoding.unknown", b"<?xml version='1.0' encoding='none'?><l/>"
    yield "encoding.hex", b"<?xml version='1.0' encoding='hex'?><l/>"
    yield "deep", b"<a>" * 200_000 + b"</a>" * 200_000
    yield "deep.description", head + b"<rdf:Description>" * 200 + b"</rdf:Description>" * 200 + tail
    yield "deep.rdf", head + b"<rdf:Description><rdf:RDF>" * 120 + b"<rdf:Description xmlns:a='b'>" + b"<a:x/>" * 15_000 + b"</rdf:Description>" + b"</rdf:RDF></rdf:Description>" * 120 + tail
    yield "attribute", head + b"<rdf:Description a='" + b"a" * (30 << 20) + b"'/>" + tail
    yield "attribute.15", head + b"<rdf:Description a='" + b"a" * (15 << 20) + b"'/>" + tail
    yield "attributes", head + b"<rdf:Description " + b" ".join(b"a%d='1'" % n for n in range(300_000)) + b"/>" + tail
    yield "attributes.names", head + b"<rdf:Description xmlns:b='" + b"b" * 200 + b"' " + b" ".join(b"b:a%d='1'" % n for n in range(90_000)) + b"/>" + tail
    yield "namespace.long", head + b"<rdf:Description xmlns:b='" + b"b" * 201 + b"' b:a='1'/>" + tail
    yield "namespaces", head + b"<rdf:Description " + b" ".join(b"xmlns:n%d='u%d'" % (n, n) for n in range(50_000)) + b"/>" + tail
    yield "elements", head + b"<rdf:Description>" + b"<a/>" * 300_000 + b"</rdf:Description>" + tail
    yield "elements.99k", head + b"<rdf:Description xmlns:a='b'>" + b"<a:x>1</a:x>" * 99_000 + b"</rdf:Description>" + tail
    yield "li", head + b"<rdf:Description " + apdi + b"><depthData:IntrinsicMatrix><rdf:Seq>" + b"<rdf:li>1</rdf:li>" * 1500 + b"</rdf:Seq></depthData:IntrinsicMatrix></rdf:Description>" + tail
    yield "comment", head + b"<!--" + b"-" * (1 << 20) + b"-->" + tail
    yield "spaces", head + b"<rdf:Description" + b" " * (8 << 20) + b"/>" + tail
    yield "quotes", head + b"<rdf:Description a='" + b"\"" * (4 << 20) + b"'/>" + tail
    yield "angle", b"<" * (1 << 20)
    yield "prefix", b"<x:y/>"
    yield "wrong.uri", b"<x:xmpmeta xmlns:x='a'><x:b x:c='1' x:c='2'/></x:xmpmeta>"
    yield "nul", head + b"\0" + tail
    yield "surrogate", head + b"<a>\xed\xa0\x80</a>" + tail
    yield "latin", head + b"<a>\xe9</a>" + tail
    yield "no.root", b"<?xpacket begin=''?>"
    for name, value in (("nan", b"nan"), ("inf", b"-inf"), ("huge", b"1e400"), ("long", b"9" * 5000), ("empty", b""), ("arabic", "\u0663".encode()),
                        ("under", b"1_000"), ("hex", b"0x10"), ("minus", b"-1")):
        names = (b"NativeFormat", b"StoredFormat", b"IntMinValue", b"IntMaxValue", b"FloatMinValue", b"FloatMaxValue")
        yield f"number.{name}", head + b"<rdf:Description " + apdi + b" apdi:AuxiliaryImageType='disparity' " + b" ".join(b"apdi:%s='%s'" % (n, value) for n in names) + b"/>" + tail
    matrix = b"".join(b"<rdf:li>%s</rdf:li>" % v for v in (b"1e38",) * 9)
    yield "camera", head + b"<rdf:Description " + apdi + b" depthData:IntrinsicMatrixReferenceWidth='1e-30' depthData:IntrinsicMatrixReferenceHeight='1e38'><depthData:IntrinsicMatrix><rdf:Seq>" + matrix + b"</rdf:Seq></depthData:IntrinsicMatrix></rdf:Description>" + tail
