"""HEIF: references that loop, properties that lie, items that are not what they say."""

from __future__ import annotations

import io
from typing import Any

import archive_kit
from heif_kit import (
    DEPTH_URN,
    Item,
    Layout,
    aux_c,
    box,
    coded_depth,
    depth_item,
    full,
    irot,
    ispe,
    main_item,
    u16,
    u32,
)
from seeds import seeds

from bad_files.builders import HUGE, Files
from bad_files.packets import packets


def heifs() -> Files:
    hvcc, data = coded_depth(32, 24)
    grid = full("grid", 0, 0)[8:]

    def made(name: str, items: list[Item], **fields: Any) -> tuple[str, bytes]:
        return f"{name}.heic", Layout(items, **fields).build()

    yield made("loop.dimg", [main_item(), Item(2, "grid", b"\0\0\1\1\0\x80\0\x80", properties=[(ispe(128, 128), False)])],
               references=[("dimg", 2, [2, 2, 2, 2]), ("dimg", 1, [2])], primary=2)
    yield made("loop.iovl", [Item(1, "iovl", grid + bytes(16), properties=[(ispe(64, 64), False)])], references=[("dimg", 1, [1])])
    yield made("loop.auxl", [main_item(), depth_item(2)], references=[("auxl", 2, [1, 2]), ("auxl", 1, [2])])
    yield made("loop.thmb", [main_item()], references=[("thmb", 1, [1]), ("cdsc", 1, [1])])
    yield made("grid.huge", [main_item(), Item(2, "grid", b"\0\1\xff\xff" + u32(HUGE) + u32(HUGE), properties=[(ispe(HUGE, HUGE), False)])],
               references=[("dimg", 2, [1] * 900)], primary=2)
    yield made("depth.grid", [main_item(), Item(2, "grid", b"\0\0\0\0\0\x20\0\x18", properties=[(ispe(32, 24), False), (aux_c(DEPTH_URN), True)])],
               references=[("auxl", 2, [1]), ("dimg", 2, [2])])
    yield made("depth.identity", [main_item(), Item(2, "iden", b"", properties=[(ispe(32, 24), False), (aux_c(DEPTH_URN), True)])],
               references=[("auxl", 2, [1]), ("dimg", 2, [1])])
    yield made("missing.target", [main_item(), depth_item(2)], references=[("auxl", 2, [77]), ("auxl", 99, [1])])
    yield made("no.properties", [Item(1, data=data)])
    yield made("primary.mime", [Item(1, "mime", b"text", content_type=b"a/b")])
    yield made("depth.mime", [main_item(), Item(2, "mime", b"text", content_type=b"a/b", properties=[(ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("turns", [main_item(1, 64, 64, *[(irot(n), True) for n in (1, 2, 3, 1)], (box("imir", b"\x02"), True), (box("irot", b""), True)), depth_item(2)],
               references=[("auxl", 2, [1])])
    yield made("clap", [main_item(1, 64, 64, (box("clap", *map(u32, (64, 0, 64, 1, 0, 1, 0, 1))), True))])
    yield made("clap.negative", [main_item(1, 64, 64, (box("clap", *map(u32, (0xFFFFFFFF, 1, 64, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0, 1))), True))])
    yield made("ispe.zero", [Item(1, data=data, properties=[(hvcc, True), (ispe(0, 0), False)])])
    yield made("ispe.short", [Item(1, data=data, properties=[(hvcc, True), (box("ispe", bytes(6)), False)])])
    yield made("hvcc.short", [main_item(), Item(2, data=data, properties=[(box("hvcC", b"\1" + bytes(5)), True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    many = b"\1" + bytes(20) + b"\3\xff" + (b"\x20" + u16(HUGE) + bytes(2 * HUGE)) * 255
    yield made("hvcc.empty", [main_item(), Item(2, data=data, properties=[(box("hvcC", many), True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("nal.zeros", [main_item(), Item(2, data=bytes(32 << 20), properties=[(hvcc, True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("nal.ones", [main_item(), Item(2, data=b"\xff" * 1000, properties=[(hvcc, True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("nal.repeated", [main_item(), Item(2, data=data * 2000, properties=[(hvcc, True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("depth.empty", [main_item(), depth_item(2, 32, 24)], references=[("auxl", 2, [1])])
    yield made("depth.avif", [main_item(), Item(2, "av01", b"\x12\0", properties=[(box("av1C", bytes(4)), True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("depth.jpeg", [main_item(), Item(2, "jpeg", seeds()["bare.jpg"], properties=[(ispe(64, 48), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    for n, sei in enumerate((b"", bytes(4), b"\xff" * 20, bytes(64), bytes.fromhex("00000011 0000000d 4e01b109 ffffffff ffffffffffff"))):
        yield made(f"sei.{n}", [main_item(), depth_item(2, subtype=sei)], references=[("auxl", 2, [1])])
    for n, (_, packet) in enumerate(packets()):
        if len(packet) < 1 << 20:
            yield made(f"xmp.{n}", [main_item(), depth_item(2), Item(3, "mime", packet, content_type=b"application/rdf+xml", hidden=True)],
                       references=[("auxl", 2, [1]), ("cdsc", 3, [2])])
    for n, block in enumerate((b"", b"\xff\xff\xff\xff", bytes(4), b"\0\0\0\6Exif\0\0", b"\0\0\0\0II*\0\xff\xff\xff\xff")):
        yield made(f"exif.{n}", [main_item(), Item(2, "Exif", block, hidden=True)], references=[("cdsc", 2, [1])])
    yield made("items.many", [main_item(), *(Item(n, "mime", b"", content_type=b"a") for n in range(2, 1500))])
    yield made("references.many", [main_item()], references=[("abcd", 1, [1] * 60_000)] * 20)
    yield made("references.wide", [main_item(0x10000)], references=[("abcd", 0x10000, [0x10000] * 60_000)] * 20, primary=0x10000,
               iloc_version=2)
    yield made("groups.many", [main_item()], groups=[("altr", 9, [1] * 400_000)])
    yield made("properties.many", [main_item()], filler_properties=5000)
    yield made("in.other.file", [main_item(), depth_item(2, data_reference=1)], references=[("auxl", 2, [1])])
    whole = seeds()["depth.heic"]
    meta = whole.index(b"meta") - 4
    nested = b""
    for _ in range(3000):
        nested = box("meta", bytes(4) + nested)
    yield "nested.heic", whole[:meta] + nested
    yield "boxes.many.heic", whole[:meta] + box("free") * 100_000 + whole[meta:]
    yield "boxes.two.metas.heic", whole[:meta] + whole[meta:] + whole[meta:]
    yield "sequence.heic", box("ftyp", b"hevc", u32(0), b"hevcmsf1") + whole[meta:] + box("moov", b"")
    yield "mini.heic", box("ftyp", b"mif3", b"avif") + box("mini", bytes(20))
    yield "brands.heic", box("ftyp", b"heic", u32(0), b"mif1" * 100_000) + whole[meta:]
    yield "ftyp.only.heic", whole[:meta]
    yield "meta.cut.heic", whole[: meta + 100]
    yield "meta.open.heic", whole[:meta] + u32(0) + whole[meta + 4 :]
    yield "meta.wide.heic", whole[:meta] + u32(1) + b"meta" + b"\xff" * 8 + whole[meta + 8 :]
    pairs = u32(1000) + b"".join(u16(1) + b"\xff" + b"\x01" * 255 for _ in range(1000))
    ipma = box("iprp", box("ipco", ispe(8, 8)), full("ipma", 0, 0, pairs) * 10)
    at = whole.index(b"iprp") - 4
    yield "pairs.many.heic", whole[:at] + ipma + whole[at + int.from_bytes(whole[at : at + 4], "big") :]
    out = io.BytesIO()
    try:
        archive_kit.pixels(64, 48).save(out, "AVIF")
        yield "photo.avif", out.getvalue()
        yield "photo.cut.avif", out.getvalue()[:-50]
    except (OSError, KeyError):
        pass
