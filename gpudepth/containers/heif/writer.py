"""Writes codes as a depth item and its XMP item, with the properties and references that Apple writes."""

from __future__ import annotations

from ...depth.data import Storage
from ...depth.pixel_format import PixelFormat, Quantity, quantity_of, stored
from ...errors import ExistingDepthError, NoDepthError, UnsupportedError, UsageError, located
from ...formats import exif
from ...formats.hevc.codec import encode_monochrome
from ...formats.hevc.depth_sei import UNIFORM_DISPARITY, UNIFORM_Z, DepthRepresentation, outward
from ...formats.isobmff.box import make_full
from .. import apple
from ..base import C2PA_BROKEN, DEFAULT_PLACEMENT, REPLACE, CodedMap, Donor, Edit, Placement
from .file import DEPTH_URNS, GAIN_MAP_URNS, XMP_TYPE, HeifFile
from .rewrite import Rewriter

IPCO_LIMIT = 100  # libheif 1.23 refuses files with more property boxes

ENCODED = 8         # bytes of memory per pixel to encode a map with libx265, as measured


def storage(fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
    """Return 8, 10 or 12 bits over [lo, hi], rounded outward as the SEI requires; half floats are exact.

    The default is 8, as Apple's cameras write.
    """
    bits = 8 if bits is None else bits
    if bits not in (8, 10, 12):
        raise UsageError(f"HEIC depth has 8, 10 or 12 bits, not {bits}")
    return Storage(stored(bits), outward(lo, up=False), outward(hi, up=True))


def aux_c(coded: CodedMap) -> bytes:
    """Return auxC: the HEVC depth URN, then the range as an SEI message."""
    lo, hi = coded.storage.lo, coded.storage.hi
    if quantity_of(coded.pixel_format) is Quantity.DISPARITY:
        sei = DepthRepresentation(UNIFORM_DISPARITY, d_min=lo, d_max=hi)
    else:
        sei = DepthRepresentation(UNIFORM_Z, z_near=lo, z_far=hi)
    return make_full("auxC", 0, 0, DEPTH_URNS[0].encode() + b"\0" + sei.serialise())


def attach(file: HeifFile, coded: CodedMap, profile: str, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
    """Return the file with depth. Raises ExistingDepthError, UnsupportedError."""
    edit = Rewriter(file)
    meta, primary, name = file.meta, file.meta.primary, file.source.name
    if file.depth_items():
        if not placement.replace:
            raise ExistingDepthError("the photo already has depth", where=name, hint=REPLACE)
        _drop_depth(file, edit)
    if meta.targets("thmb", primary) or meta.targets("pred", primary):
        raise UnsupportedError(f"primary item {primary} is a thumbnail or a predicted picture of another item, where "
                               "readers do not look for depth", where=f"{name}: meta/iref")
    file.source.limits.charge(coded.codes.size * ENCODED)
    hvcc, data = encode_monochrome(coded.codes, coded.storage.format.bits, coded.crf, coded.effort)
    packet = apple.serialise(coded, profile, placement.donor, file.source.limits)
    depth = edit.add("hvc1", data)
    about = edit.add("mime", packet, content_type=XMP_TYPE)  # in mdat, as ImageIO reportedly ignores XMP in idat
    height, width = coded.codes.shape
    properties = meta.properties
    properties.associate(depth, make_full("ispe", 0, 0, width.to_bytes(4, "big") + height.to_bytes(4, "big")))
    turns = [p.raw for p in properties.of(primary) if p.kind in ("irot", "imir")]
    if not any(raw[4:8] == b"irot" for raw in turns):
        turns.insert(0, b"\0\0\0\x09irot\0")  # as Apple's files always have one
    for raw in turns:
        properties.associate(depth, raw)
    properties.associate(depth, make_full("pixi", 0, 0, bytes([1, coded.storage.format.bits])))
    properties.associate(depth, aux_c(coded))
    properties.associate(depth, hvcc)
    edit.refer("auxl", depth, primary, *_tone_mapped(file))
    edit.refer("cdsc", about, depth)
    warnings, changes = _warnings(file), []
    if profile == "apple-portrait":
        from .. import apple_rules

        changes = _mark_portrait(file, edit, placement.donor)
        warnings += apple_rules.missing_of_portrait(packet, (width, height))
    if len(properties.boxes) > IPCO_LIMIT:
        warnings.append(f"the file has {len(properties.boxes)} property boxes; libheif 1.23 opens at most {IPCO_LIMIT}")
    return Edit(edit.splice(), warnings, changes)


def remove(file: HeifFile) -> Edit:
    """Return the file without depth. Raises NoDepthError."""
    edit = Rewriter(file)
    if not file.depth_items():
        raise NoDepthError("the photo has no depth to remove", where=file.source.name)
    _drop_depth(file, edit)
    return Edit(edit.splice(), _warnings(file))


def _drop_depth(file: HeifFile, edit: Rewriter) -> None:
    """Drop every depth item of the primary, its XMP and its tiles."""
    meta = file.meta
    depth = set(file.depth_items())
    gone = set(depth)
    for item in depth:
        for other in (*meta.to("cdsc", item), *meta.targets("dimg", item)):
            users = {t for r in meta.references if r.kind == "cdsc" and r.source == other for t in r.targets}
            users |= set(meta.to("dimg", other))
            if users <= depth:
                gone.add(other)
    edit.drop(gone - {meta.primary})


def _mark_portrait(file: HeifFile, edit: Rewriter, donor: Donor | None) -> list[str]:
    """Set Exif CustomRendered to the donor's value; return descriptions of what changed."""
    value, change = apple.custom_rendered(file.exif().custom_rendered, donor)
    if not change:
        return []
    for item in file.meta.to("cdsc", file.meta.primary):
        if item in file.meta.items and file.meta.items[item].type == "Exif":
            data = file.data(item, "max_metadata")
            at = 4 + int.from_bytes(data[:4], "big")
            with located(f"Exif item {item}"):
                edit.put(item, data[:at] + _set(data[at:], value))
            return [change]
    item = edit.add("Exif", (6).to_bytes(4, "big") + exif.HEADING + exif.with_custom_rendered(b"", value))
    edit.refer("cdsc", item, file.meta.primary)
    return [f"{change} (a new Exif item)"]


def _set(block: bytes, value: int) -> bytes:
    heading = exif.HEADING if block.startswith(exif.HEADING) else b""
    return heading + exif.with_custom_rendered(block[len(heading) :], value)


def _tone_mapped(file: HeifFile) -> list[int]:
    """Return the tmap items that other auxiliary images, except gain maps, refer to besides the primary.

    A second target makes libheif 1.15 to 1.17 refuse the whole file, so it is only added where the file already has it.
    """
    meta, out = file.meta, []
    for item, urn in file.auxiliaries():
        if urn not in (*GAIN_MAP_URNS, *DEPTH_URNS):
            out += [t for t in meta.targets("auxl", item) if t != meta.primary and t in meta.items
                    and meta.items[t].type == "tmap"]
    return list(dict.fromkeys(out))


def _warnings(file: HeifFile) -> list[str]:
    types = {i.type for i in file.meta.items.values()}
    c2pa = any(b.type == "jumb" for b in file.boxes) or "c2pa" in types or any(
        b.type == "uuid" and file.source.read(b.payload, min(16, b.size - b.header)) == _C2PA for b in file.boxes)
    return [C2PA_BROKEN] if c2pa else []


_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # the uuid box of the C2PA specification, A.5
