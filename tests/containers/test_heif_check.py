"""Rules of depth in HEIF files: what Apple wrote and what we write keeps them, every broken file breaks its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heif_kit import attach, coded_map, heic, picture

import gpudepth
from gpudepth.attachment.inspection import check_file
from gpudepth.cli.app import run_command
from gpudepth.containers.heif.file import DEPTH_URNS
from gpudepth.containers.rules import Verdicts
from gpudepth.demo.broken import Surgery
from gpudepth.errors import UsageError
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.hevc.codec import encode_monochrome
from gpudepth.formats.isobmff.box import make_full
from gpudepth.formats.isobmff.items import Reference

PHOTO = heic(picture(96, 72))
GOOD = attach(PHOTO, coded_map())


def verdicts(data: bytes, profile: str | None = None) -> Verdicts:
    with ByteSource(data) as source:
        return check_file(source, profile)


def broken(data: bytes, profile: str | None = None) -> dict[str, str]:
    """rule → where, of those that fail."""
    return {f.rule: f.where for f in verdicts(data, profile).findings if f.verdict == "fail"}


def warned(data: bytes, profile: str | None = None) -> set[str]:
    return {f.rule for f in verdicts(data, profile).findings if f.verdict == "warn"}


# -- what is right ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "profile"), [
    ("heic/article_output.heic", None), ("heic/article_output.heic", "article"),
    ("heic/iphone13pro_portrait.heic", None), ("heic/iphone13pro_portrait.heic", "apple-depth"),
    ("heic/iphone13pro_portrait.heic", "apple-portrait")])
def test_what_apple_wrote_passes(sample: Any, name: str, profile: str | None) -> None:
    found = gpudepth.check(sample(name), profile=profile)
    assert found.conforms, [f for f in found.findings if f.verdict != "ok"]
    assert len(found.findings) > 30


def test_the_article_is_no_camera_photo(sample: Any) -> None:
    found = gpudepth.check(sample("heic/article_output.heic"), profile="apple-depth")
    assert {f.rule for f in found.findings if f.verdict == "fail"} == {"filtered", "quality"}


@pytest.mark.parametrize("fmt", ["hdis", "fdis", "hdep", "fdep"])
@pytest.mark.parametrize("profile", ["apple-depth", "article"])
def test_what_we_write_passes(fmt: str, profile: str) -> None:
    data = attach(PHOTO, coded_map(fmt=fmt), profile=profile)
    assert not broken(data, profile) and not broken(data)
    assert warned(data, "article") <= {"filtered", "quality"}


def test_more_bits_are_a_warning() -> None:
    for bits in (10, 12):
        data = attach(PHOTO, coded_map(bits=bits))
        assert not broken(data) and warned(data) == {"bits"}


def test_every_rule_is_said_with_its_source() -> None:
    for finding in verdicts(GOOD, "apple-portrait").findings:
        assert finding.says and finding.source and finding.where and (finding.found != "" or finding.verdict == "ok")


# -- what is wrong ----------------------------------------------------------------------------------------------------

def surgery(cut: Callable[[Surgery], None]) -> bytes:
    s = Surgery(GOOD)
    cut(s)
    return s.close()


def packet(old: bytes, new: bytes) -> bytes:
    assert old in Surgery(GOOD).file.data(3)
    return surgery(lambda s: s.xmp(lambda p: p.replace(old, new)))


def unhide(s: Surgery) -> None:
    s.meta.items[s.depth] = replace(s.meta.items[s.depth], hidden=False, raw=b"")


def astray(s: Surgery) -> None:
    s.meta.references = [replace(r, targets=(s.meta.primary,)) if r.kind == "cdsc" else r for r in s.meta.references]


def elsewhere(s: Surgery) -> None:
    s.meta.references = [replace(r, targets=(s.about,)) if r.kind == "auxl" else r for r in s.meta.references]


def lax(s: Surgery) -> None:
    pairs = s.meta.properties.associations
    pairs[s.depth] = [(n, False) for n, _ in pairs[s.depth]]


def turned(s: Surgery) -> None:
    pairs, boxes = s.meta.properties.associations, s.meta.properties.boxes
    pairs[s.depth] = [(n, e) for n, e in pairs[s.depth] if boxes[n - 1].kind != "irot"]
    s.meta.properties.associate(s.depth, b"\0\0\0\x09irot\1")


def in_idat(s: Surgery) -> None:
    data = s.file.data(s.about)
    from gpudepth.formats.isobmff.box import make
    from gpudepth.formats.isobmff.locations import IDAT, Extent, Location

    s.meta.idat = data
    s.meta.order.append(("idat", make("idat", data)))
    s.meta.locations.items[s.about] = Location(IDAT, (Extent(0, len(data)),))


def limited(s: Surgery) -> None:
    """The same codes from a stream that says they are of limited range."""
    import av

    context = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 32, 24, "gray", Fraction(1, 25)
    context.options = {"x265-params": "keyint=1:info=0:lossless=1:range=limited:log-level=none"}
    frame = av.VideoFrame.from_ndarray(coded_map().codes, "gray")
    from gpudepth.formats.hevc.nal import join_lengths, nal_type, split_annex_b
    from gpudepth.formats.hevc.parameter_sets import Configuration

    nals = split_annex_b(b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)]))
    s.property(Configuration.of(nals).serialise())
    s.edit.put(s.depth, join_lengths([n for n in nals if nal_type(n) < 32]))


def larger(s: Surgery) -> None:
    hvcc, data = encode_monochrome(np.zeros((48, 96), np.uint8))
    s.property(hvcc)
    s.property(make_full("ispe", 0, 0, (96).to_bytes(4, "big") + (48).to_bytes(4, "big")))
    s.edit.put(s.depth, data)


def two_targets(s: Surgery) -> None:
    s.meta.references = [replace(r, targets=(*r.targets, s.about)) if r.kind == "auxl" else r
                         for r in s.meta.references]


def disparity_sei_in_depth() -> bytes:
    s = Surgery(attach(PHOTO, coded_map(fmt="hdep")))
    s.aux_c(DEPTH_URNS[0], Surgery(GOOD).sei)
    return s.close()


CASES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "SEI and XMP disagree": (lambda: packet(b"FloatMaxValue>2.250000", b"FloatMaxValue>2.350000"), "sei-range", "auxC"),
    "wrong URN": (lambda: surgery(lambda s: s.aux_c("urn:mpeg:hevc:2015:auxid:9", s.sei)), "auxc-urn", "auxC"),
    "no hidden flag": (lambda: surgery(unhide), "hidden", "meta/iinf: item 2"),
    "cdsc to the picture": (lambda: surgery(astray), "cdsc", "meta/iref"),
    "auxl to the XMP": (lambda: surgery(elsewhere), "auxl", "meta/iref"),
    "no XMP": (lambda: surgery(lambda s: s.xmp(None)), "xmp", "meta/iref"),
    "XMP in idat": (lambda: surgery(in_idat), "xmp-in-mdat", "meta/iloc: item 3"),
    "XMP cut": (lambda: surgery(lambda s: s.xmp(lambda p: p[:300])), "xmp-parses", "XMP"),
    "XMP without a key": (lambda: packet(b"IntMinValue>0</apdi:IntMinValue", b"IntMin>0</apdi:IntMin"), "xmp-keys", "XMP"),
    "XMP of no depth format": (lambda: packet(b"1751411059", b"1278226488"), "native-format", "XMP"),
    "XMP of the other quantity": (lambda: packet(b">disparity<", b">depth<"), "auxiliary-type", "XMP"),
    "XMP of other bits": (lambda: packet(b"IntMaxValue>255", b"IntMaxValue>1023"), "stored-format", "XMP"),
    "range upside down": (lambda: packet(b"FloatMinValue>0.500000", b"FloatMinValue>9.000000"), "range", "XMP"),
    "SEI cut": (lambda: surgery(lambda s: s.aux_c(DEPTH_URNS[0], b"\0\0")), "sei-parses", "auxC"),
    "SEI of the other quantity": (disparity_sei_in_depth, "sei-kind", "auxC"),
    "limited range": (lambda: surgery(limited), "full-range", "SPS"),
    "another aspect": (lambda: surgery(larger), "aspect", "ispe"),
    "turned": (lambda: surgery(turned), "orientation", "irot"),
    "not essential": (lambda: surgery(lax), "essential", "ipma"),
    "pixi of ten bits": (lambda: surgery(lambda s: s.property(make_full("pixi", 0, 0, b"\1\x0a"))), "pixi", "pixi"),
    "coded in colour": (lambda: surgery(lambda s: s.property(
        next(p.raw for p in s.meta.properties.of(s.meta.primary) if p.kind == "hvcC"))), "monochrome", "hvcC"),
    "size of twice": (lambda: surgery(lambda s: s.property(
        make_full("ispe", 0, 0, bytes([0, 0, 0, 64, 0, 0, 0, 48])))), "decodes", "item 2"),
    "truncated": (lambda: GOOD[:-200], "structure", "mdat"),
    "no depth": (lambda: PHOTO, "depth-present", "meta/iref"),
    "empty": (lambda: b"", "structure", "whole file"),
    "not a picture": (lambda: b"This is not a picture, whatever its name says.", "structure", "whole file"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_defect_is_found_at_its_place(case: str) -> None:
    make, rule, place = CASES[case]
    found = broken(make())
    assert rule in found, found
    assert place in found[rule]


def test_a_defect_breaks_little_else() -> None:
    """A finding names what is wrong: the rest of the file is not called wrong with it."""
    allowed = {"depth-present", "decodes", "xmp", "cdsc", "sei-range", "hevc", "monochrome", "pixi", "stored-format"}
    for case, (make, rule, _) in CASES.items():
        assert set(broken(make())) <= {rule, *allowed}, case


def test_warnings_do_not_fail() -> None:
    data = surgery(two_targets)
    assert not broken(data) and warned(data) == {"auxl-targets"}
    data = surgery(lambda s: s.aux_c(DEPTH_URNS[0]))
    assert not broken(data) and warned(data) == {"sei"} and "sei" in broken(data, "apple-depth")
    constant = attach(PHOTO, replace(coded_map(), codes=np.zeros((24, 32), np.uint8)))
    assert "varies" in warned(constant) and not broken(constant)

    def twice(s: Surgery) -> None:
        item = s.edit.add("hvc1", s.file.data(s.depth))
        for p in s.meta.properties.of(s.depth):
            s.meta.properties.associate(item, p.raw)
        s.meta.references.append(Reference("auxl", item, (s.meta.primary,)))
        s.meta.references = [replace(r, targets=(*r.targets, item)) if r.kind == "cdsc" else r
                             for r in s.meta.references]

    assert warned(surgery(twice)) == {"one-map"}


# -- the portrait -----------------------------------------------------------------------------------------------------

def test_a_portrait_without_a_donor_says_what_is_missing() -> None:
    with ByteSource(PHOTO) as source:
        from gpudepth.containers.base import Placement
        from gpudepth.containers.heif.heif import Heif

        edit = Heif().attach(source, coded_map(), Placement("apple-portrait"))
        data = edit.splice.to_bytes()
    assert set(broken(data, "apple-portrait")) == {"calibration", "rendering-parameters", "simulated-aperture"}
    for rule in ("calibration", "rendering-parameters", "simulated-aperture"):
        assert any(rule in w for w in edit.warnings)


# -- the command ------------------------------------------------------------------------------------------------------

def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.heic", tmp_path / "bad.heic"
    good.write_bytes(GOOD)
    bad.write_bytes(surgery(unhide))
    assert run_command(["check", str(good)]) == 0
    assert "conforms" in capsys.readouterr().out
    assert run_command(["check", str(good), "--all"]) == 0
    assert capsys.readouterr().out.count("\n  ok") > 30
    assert run_command(["check", str(good), str(bad)]) == 4
    text = capsys.readouterr().out
    assert "FAIL  hidden" in text and "at: meta/iinf: item 2" in text and "8.11.6" in text
    assert run_command(["check", str(bad), "--json"]) == 4
    said = json.loads(capsys.readouterr().out)
    assert said["conforms"] is False and said["container"] == "heif"
    assert [f["rule"] for f in said["findings"] if f["verdict"] == "fail"] == ["hidden"]
    assert run_command(["check", str(tmp_path / "missing.heic")]) == 2
    assert run_command(["check", str(good), "--profile", "dng"]) == 2
    with pytest.raises(UsageError, match="apple-depth"):
        gpudepth.check(good, profile="nonsense")


def test_metadata_that_is_nowhere() -> None:
    """An item of the table of items that the table of places does not know: a finding, no bug."""
    from heif_kit import Item, Layout, depth_item, main_item

    packet = Item(3, "mime", b"<x/>", content_type=b"application/rdf+xml", hidden=True)
    data = bytearray(Layout([main_item(), depth_item(2), packet], references=[("auxl", 2, [1]), ("cdsc", 3, [2])]).build())
    at = data.index(b"iloc")
    entry = data.index(b"\0\3\0\0", at)
    data[entry : entry + 2] = b"\0\x63"
    assert broken(bytes(data))["xmp-in-mdat"] == "meta/iloc: item 3"
