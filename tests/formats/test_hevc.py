"""NAL units, parameter sets, hvcC, the depth SEI, and FFmpeg's codec behind them."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpudepth.errors import GpudepthError, LimitError, MalformedError, RangeError, TruncatedError, UnsupportedError
from gpudepth.formats.hevc.codec import decode_luma, encode_monochrome
from gpudepth.formats.hevc.depth_sei import UNIFORM_DISPARITY, UNIFORM_Z, DepthRepresentation
from gpudepth.formats.hevc.nal import (
    PPS,
    SPS,
    VPS,
    Bits,
    BitWriter,
    escape,
    join_lengths,
    nal_type,
    split_annex_b,
    split_lengths,
    unescape,
)
from gpudepth.formats.hevc.parameter_sets import Configuration, ProfileTierLevel, SequenceParameters, level_idc
from gpudepth.limits import Limits


def hexed(text):
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


# -- SEI --------------------------------------------------------------------------------------------------------------

CAMERA = """
    00000011            # length of what follows
    0000000d            # NAL length
    4e01                # NAL header: PREFIX_SEI, layer 0, temporal id 0
    b1 09               # payload type 177, 9 bytes
    35 1f7bfc010bc62020 # 0011 010 1 | 0 0011111 01111 … | 0 0100001 01111 …
"""
SEIS = [
    # seen in files that Apple software wrote
    (CAMERA, DepthRepresentation(1, d_min=1.498046875, d_max=4.3828125)),
    ("00000011 0000000d 4e01 b109 351f7e1a010bde5020", DepthRepresentation(1, d_min=1.7626953125, d_max=5.89453125)),
    ("00000011 0000000d 4e01 b109 351e78960103f22020", DepthRepresentation(1, d_min=0.53662109375, d_max=3.56640625)),
    ("00000011 0000000d 4e01 b109 351f7c640103f00020", DepthRepresentation(1, d_min=1.548828125, d_max=3.5)),
]


@pytest.mark.parametrize(("text", "sei"), SEIS)
def test_sei(text, sei):
    assert DepthRepresentation.parse(hexed(text)) == sei
    assert sei.serialise() == hexed(text)


def test_depth_sei_has_no_reference_view():
    sei = DepthRepresentation(UNIFORM_Z, z_near=0.5, z_far=12.0)
    raw = sei.serialise()
    # 1100 (near and far) 011 (type 2), then 0 0011110 01111 0000000000000000 = 0.5
    bits = bin(int.from_bytes(raw[12:], "big"))[2:]
    assert bits.startswith("1100" "011" "0" "0011110" "01111" + "0" * 16 + "0" "0100010" "01111" "1000000000000000")
    assert DepthRepresentation.parse(raw) == sei


def test_sei_without_numbers():
    assert DepthRepresentation.parse(DepthRepresentation(1).serialise()) == DepthRepresentation(1)


HALVES = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(float)


def test_all_halves_go_through_the_sei():
    for lo, hi in zip(HALVES[256:-1:97], HALVES[257::97], strict=True):
        try:
            raw = DepthRepresentation(UNIFORM_DISPARITY, d_min=lo, d_max=hi).serialise()
        except RangeError:
            assert hi < 2**-14  # next to zero: readers do not agree on the escaping
        else:
            again = DepthRepresentation.parse(raw)
            assert (again.d_min, again.d_max) == (lo, hi)
            assert b"\0\0\3" not in raw[8:]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2.0**97])
def test_sei_takes_finite_numbers_only(value):
    with pytest.raises(RangeError):
        DepthRepresentation(UNIFORM_DISPARITY, d_min=0.0, d_max=value).serialise()


def test_sei_numbers_are_rounded_to_16_bits_of_mantissa():
    raw = DepthRepresentation(UNIFORM_Z, z_near=0.3, z_far=1.0 - 2.0**-30).serialise()
    again = DepthRepresentation.parse(raw)
    assert again.z_near == pytest.approx(0.3, rel=2**-16)
    assert again.z_far == 1.0
    assert DepthRepresentation.parse(DepthRepresentation(1, d_min=-2.5, d_max=2.5).serialise()).d_min == -2.5


def test_other_mantissa_lengths_and_exponents():
    w = BitWriter()
    for n, value in ((4, 0b0011), (3, 0b010), (1, 1)):
        w.u(n, value)
    for sign, exponent, length, mantissa in ((0, 31, 1, 1), (1, 127, 3, 5)):
        w.u(1, sign)
        w.u(7, exponent)
        w.u(5, length - 1)
        w.u(length, mantissa)
    payload = w.align()
    nal = hexed("4e01b1") + bytes([len(payload)]) + payload
    raw = (len(nal) + 4).to_bytes(4, "big") + len(nal).to_bytes(4, "big") + nal
    assert DepthRepresentation.parse(raw) == DepthRepresentation(1, d_min=1.5, d_max=None)  # 127: unspecified


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_as_sei(data):
    with contextlib.suppress(GpudepthError):
        DepthRepresentation.parse(data)


@pytest.mark.parametrize("size", [0, 1, 3, 11])
def test_sei_cut_off(size):
    with pytest.raises(TruncatedError):
        DepthRepresentation.parse(hexed(CAMERA)[:size])


# -- NAL units --------------------------------------------------------------------------------------------------------

def test_annex_b_and_lengths():
    stream = hexed("00000001 4001aa 000001 4201bb 00 00000001 2801cc")
    nals = split_annex_b(stream)
    assert [n.hex() for n in nals] == ["4001aa", "4201bb", "2801cc"]
    assert [nal_type(n) for n in nals] == [VPS, SPS, 20]
    joined = join_lengths(nals)
    assert joined == hexed("00000003 4001aa 00000003 4201bb 00000003 2801cc")
    assert split_lengths(joined, 4) == nals
    assert split_lengths(hexed("02 4001 01 42"), 1) == [hexed("4001"), hexed("42")]
    for bad in ("00000004 4001aa", "000000", "ffffffff"):
        with pytest.raises(MalformedError, match="NAL unit"):
            split_lengths(hexed(bad), 4)
    with pytest.raises(MalformedError, match="NAL unit at 4 is empty"):
        split_lengths(bytes(1000), 4)
    with pytest.raises(LimitError, match=r"asks for 6 NAL units, limits.max_nal_units is 5"):
        split_lengths(hexed("0140") * 9, 1, limits=Limits(max_nal_units=5))


@pytest.mark.parametrize(("rbsp", "nal"), [
    ("000000", "00000300"), ("000001", "00000301"), ("000002", "00000302"), ("000003", "00000303"),
    ("000004", "000004"), ("00000000", "0000030000"), ("0000000000", "000003000003 00"), ("aabb", "aabb"),
])
def test_emulation_prevention(rbsp, nal):
    assert escape(hexed(rbsp)) == hexed(nal)
    assert unescape(hexed(nal)) == hexed(rbsp)


def escaped(rbsp):
    """The standard's own words, byte by byte."""
    out = bytearray()
    zeros = 0
    for byte in rbsp:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


@settings(deadline=None)
@given(st.binary(max_size=60).map(lambda b: bytes(x & 3 for x in b)), st.integers(1, 9))
def test_escaping_comes_back(rbsp, part):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpudepth.formats.hevc.nal._PART", part)
        nal = escape(rbsp)
    assert nal == escape(rbsp) == escaped(rbsp)
    assert unescape(nal) == rbsp
    assert all(nal[i : i + 3] not in (b"\0\0\0", b"\0\0\1", b"\0\0\2") for i in range(len(nal)))


def test_exp_golomb():
    w = BitWriter()
    for value in (0, 1, 2, 3, 7, 255, 65535):
        w.ue(value)
    b = Bits(w.align())
    assert [b.ue() for _ in range(7)] == [0, 1, 2, 3, 7, 255, 65535]
    with pytest.raises(MalformedError, match="too long"):
        Bits(bytes(8)).ue()
    with pytest.raises(MalformedError, match="9 bits are needed, but 8"):
        Bits(b"\0").u(9)


# -- parameter sets and hvcC ------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("width", "height", "level"), [
    (192, 256, 60), (320, 384, 60), (768, 576, 90), (1024, 768, 93), (1920, 1088, 120), (4032, 2208, 150),
    (8192, 4320, 180)])
def test_levels_are_apples(width, height, level):
    assert level_idc(width * height) == level


def test_beyond_the_last_level():
    with pytest.raises(MalformedError, match="exceed HEVC"):
        level_idc(35_651_585)


@pytest.mark.parametrize(("bits", "constraints"), [(8, "bfc8"), (10, "bdc8"), (12, "b9c8")])
def test_hvcc_is_written_as_apple_does(bits, constraints):
    codes = np.zeros((250, 188), np.uint8 if bits == 8 else np.uint16)
    box, _ = encode_monochrome(codes, bits)
    depth = f"{0xF8 | bits - 8:02x}"
    assert box[8:31] == hexed(f"""
        01                              # configurationVersion
        04 08000000                     # general profile 4 (range extensions), compatibility flags
        {constraints}00000000           # constraint flags of the Monochrome profiles
        3c                              # general_level_idc 60 (level 2)
        f000 fc                         # min_spatial_segmentation, parallelism: not said
        fc {depth} {depth}              # chroma format 0, bit depths
        0000 0b                         # frame rate 0; one temporal layer, 4-byte lengths
        03                              # arrays
    """)
    configuration = Configuration.parse(box[8:])
    assert [kind for kind, _ in configuration.arrays] == [VPS, SPS, PPS]
    assert configuration.length_size == 4
    assert configuration.serialise() == box
    sequence = configuration.sequence()
    assert (sequence.width, sequence.height, sequence.chroma_format, sequence.bit_depth) == (188, 250, 0, bits)
    assert (sequence.coded_width % 8, sequence.coded_height % 8) == (0, 0)
    for kind in (VPS, SPS):  # the same in both, and nothing else of them changed
        ptl = ProfileTierLevel.of(configuration.first(kind))
        assert (ptl.profile, ptl.level, ptl.constraints.hex()) == (4, 60, constraints + "00000000")
        assert ptl.put_into(configuration.first(kind)) == configuration.first(kind)
    assert configuration.annex_b().count(b"\0\0\0\1") == 3


def test_full_range_is_said_in_the_vui():
    import av

    box, data = encode_monochrome(np.arange(256, dtype=np.uint8).reshape(16, 16))
    context = av.CodecContext.create("hevc", "r")
    stream = Configuration.parse(box[8:]).annex_b() + b"".join(b"\0\0\0\1" + n for n in split_lengths(data, 4))
    (frame,) = [*context.decode(av.Packet(stream)), *context.decode(None)]
    assert frame.color_range == 2  # AVCOL_RANGE_JPEG
    assert frame.format.name == "gray"


def test_parameter_sets_that_lie():
    for raw in (b"", b"\x42", b"\x42\1\0\0"):
        with pytest.raises(MalformedError):
            SequenceParameters.parse(raw)
    with pytest.raises(MalformedError, match="too short"):
        ProfileTierLevel.of(b"\x42\1\0\0")
    with pytest.raises(MalformedError, match="no SPS"):
        Configuration(()).sequence()
    with pytest.raises(MalformedError, match="no NAL unit of type 32"):
        Configuration.of([])
    assert ProfileTierLevel(4, bytes(4), bytes(6), 60).put_into(b"\x44\1\0") == b"\x44\1\0"  # PPS: none in there


# -- codec ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("width", "height"), [(16, 16), (17, 23), (33, 16), (64, 48), (65, 47), (130, 70)])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_lossless(width, height, bits):
    rng = np.random.default_rng(width * height)
    codes = rng.integers(0, 1 << bits, (height, width)).astype(np.uint8 if bits == 8 else np.uint16)
    box, data = encode_monochrome(codes, bits)
    again, found = decode_luma(Configuration.parse(box[8:]), data)
    assert found == bits
    assert again.dtype == codes.dtype
    assert np.array_equal(again, codes)
    assert encode_monochrome(codes, bits) == (box, data)


def test_sliced_and_transposed_codes():
    codes = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64).astype(np.uint8)
    for view in (codes[::2, ::-1], codes.T, np.asfortranarray(codes)):
        box, data = encode_monochrome(view)
        assert np.array_equal(decode_luma(Configuration.parse(box[8:]), data)[0], view)


@pytest.mark.parametrize(("shape", "bits", "words"), [
    ((15, 16), 8, "too small"), ((16, 15), 8, "too small"), ((16, 16), 9, "8, 10 or 12"), ((16, 16), 16, "8, 10 or 12")])
def test_what_is_not_encoded(shape, bits, words):
    with pytest.raises(UnsupportedError, match=words):
        encode_monochrome(np.zeros(shape, np.uint8), bits)


def test_size_is_checked_before_decoding():
    box, data = encode_monochrome(np.zeros((64, 64), np.uint8))
    with pytest.raises(LimitError, match="max_pixels"):
        decode_luma(Configuration.parse(box[8:]), data, Limits(max_pixels=4000))


def test_a_larger_sps_in_the_data_does_not_get_around_the_limit():
    small, _ = encode_monochrome(np.zeros((16, 16), np.uint8))
    large, data = encode_monochrome(np.zeros((256, 256), np.uint8))
    sets = [n for _, nals in Configuration.parse(large[8:]).arrays for n in nals]
    with pytest.raises((LimitError, MalformedError)):
        decode_luma(Configuration.parse(small[8:]), join_lengths(sets) + data)


@pytest.mark.parametrize("nal", [b"", b"\0\0" + bytes(30), hexed("4401") + bytes(30)])
def test_parameter_sets_that_are_none(nal):
    """hvcC lists a unit as an SPS, and it says that it is something else."""
    configuration = Configuration(((SPS, (nal,)),))
    with pytest.raises(MalformedError):
        configuration.serialise()
    with pytest.raises(MalformedError, match="another type than it is listed as"):
        ProfileTierLevel.of(nal)


def test_a_depth_of_more_bits_than_there_are():
    """bit_depth_luma_minus8 is 8 at most (H.265, 7.4.3.2.1); hvcC has three bits for it."""
    w = BitWriter()
    w.u(16, 0x4201)                             # NAL unit header: SPS
    w.u(8, 0x01)                                # VPS 0, one sub-layer, nested
    w.u(96, 0)                                  # profile, tier, level
    for value in (0, 0, 64, 64):                # SPS 0, monochrome, width, height
        w.ue(value)
    w.u(1, 0)                                   # no conformance window
    w.ue(9)
    with pytest.raises(MalformedError, match="bit_depth_luma_minus8 is 9"):
        SequenceParameters.parse(w.align())
