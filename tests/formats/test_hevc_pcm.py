"""Stills of I_PCM blocks: their bytes, and what FFmpeg and libde265 (libheif) decode."""

from __future__ import annotations

import io

import av
import heif_kit as kit
import numpy as np
import pillow_heif
import pytest

from gpudepth import api
from gpudepth.errors import MalformedError, UnsupportedError
from gpudepth.formats.hevc.nal import PPS, SPS, VPS, split_lengths
from gpudepth.formats.hevc.parameter_sets import MONOCHROME, Configuration, ProfileTierLevel, level_idc
from gpudepth.formats.hevc.pcm import encode_pcm

BITS = (8, 10, 12)
SWEEP = 70


def hexed(text):
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


def noise(width, height, bits=8, seed=0):
    codes = np.random.default_rng(seed).integers(0, 1 << bits, (height, width))
    return codes.astype(np.uint8 if bits == 8 else np.uint16)


def ffmpeg(box, data):
    """What FFmpeg decodes, without our own reading of the parameter sets."""
    context = av.CodecContext.create("hevc", "r")
    context.thread_count = 1
    stream = Configuration.parse(box[8:]).annex_b() + b"".join(b"\0\0\0\1" + n for n in split_lengths(data, 4))
    (frame,) = [*context.decode(av.Packet(stream)), *context.decode(None)]
    assert frame.color_range == 2       # AVCOL_RANGE_JPEG
    return frame.to_ndarray()


def libde265(box, data, width, height):
    """What libheif decodes of a file whose only picture is this."""
    item = kit.Item(1, data=data, properties=[(box, True), (kit.ispe(width, height), False)])
    heif = pillow_heif.open_heif(io.BytesIO(kit.Layout([item]).build()), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    return np.asarray(heif).reshape(height, width)


def check(codes, bits):
    box, data = encode_pcm(codes, bits)
    height, width = codes.shape
    assert np.array_equal(ffmpeg(box, data), codes)
    assert np.array_equal(libde265(box, data, width, height), codes)
    return data


# -- bytes ------------------------------------------------------------------------------------------------------------

def test_parameter_sets_of_a_tiny_still():
    box, _ = encode_pcm(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    assert box[:31] == hexed("""
        0000006c 68766343               # hvcC
        01                              # configurationVersion
        04 08000000                     # profile 4 (range extensions), compatibility flags
        bfc800000000                    # constraint flags of the Monochrome profile
        3c                              # general_level_idc 60 (level 2)
        f000 fc                         # min_spatial_segmentation, parallelism: not said
        fc f8 f8                        # chroma format 0, 8 bits
        0000 0b                         # frame rate 0; one temporal layer, 4-byte lengths
        03                              # arrays
    """)
    sets = Configuration.parse(box[8:])
    assert sets.first(VPS) == hexed("""
        4001                            # NAL type 32
        0c01                            # 0000 VPS 0; 1 1 base layer; 000000 one layer; 000 one sub-layer; 1 nested
        ffff                            # reserved
        04 08000003 00 bfc800000300 00 3c   # profile, tier, level, with emulation prevention
        f0                              # 1 ordering information; 1 1 1 one buffer, no reordering, no latency …
        24                              # … 000000 layer 0; 1 one layer set; 0 timing; 0 extension; 1 stop, 00
    """)
    assert sets.first(SPS) == hexed("""
        4201                            # NAL type 33
        01                              # 0000 VPS 0; 000 sub-layers; 1 nested
        04 08000003 00 bfc800000300 00 3c
        c1 0821                         # 1 SPS 0; 1 chroma 0; 00000100001 width 32; 00000100001 height 32
        c3 d0                           # 1 window; 1 left 0; 000011110 right 29; 1 top 0; 000011111 bottom 30 …
        ff                              # … 1 1 bit depths 8; 1 four bits of order
        f7                              # 1 ordering information; 1 1 1 as in the VPS; 011 coding blocks of 32; 1 no larger
        93                              # 1 transform blocks of 4; 00100 to 32; 1 1 no hierarchy
        17                              # 0 0 0 no lists, partitions, offset; 1 PCM; 0111 luma of 8 bits
        77                              # 0111 chroma; 011 PCM blocks of 32; 1 no larger
        c4                              # 1 no filter; 1 no reference sets; 0 0 0; 1 VUI; 0 0 no aspect, no overscan
        dc                              # 1 signal type; 101 format 5; 1 full range; 1 colour description …
        080808                          # … 00000010 three times: unspecified …
        02                              # … 00000 00 0 no more; 1 stop, 0
    """)
    assert sets.first(PPS) == hexed("""
        4401                            # NAL type 34
        c0                              # 1 PPS 0; 1 SPS 0; 0 dependent slices; 0 output flag; 000 extra bits; 0 signs …
        71                              # … 0 cabac_init; 1 1 1 references, QP 26; 0 0 0; 1 chroma offset …
        80                              # 1 chroma offset; 0000000 slices, weights, bypass, tiles, wavefronts, filter
        a4                              # 1 deblocking control; 0 override; 1 disabled; 0 lists; 0; 1 merge level; 0 0
        80                              # 1 stop
    """)


def test_slice_of_a_tiny_still():
    _, data = encode_pcm(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    assert data == hexed("""
        00000407                        # length
        2801                            # NAL type 20: IDR without leading pictures
        af                              # 1 first slice; 0 earlier pictures; 1 PPS 0; 011 I slice; 1 QP 26; 1 alignment
        8680                            # part_mode 2N×2N, pcm_flag: 9 bits, of which the last is 1; alignment
    """) + b"\1\2" + b"\3" * 30 + (b"\4\5" + b"\6" * 30) * 31 + hexed("fe80  # end_of_slice_segment_flag 1, stop")


@pytest.mark.parametrize(("bits", "codes", "packed"), [
    (8, [1, 255, 0, 128], "01 ff 00 80"),
    (10, [1, 63, 960, 512], "00 43 ff 02 00"),          # 0000000001 0000111111 1111000000 1000000000
    (12, [1, 4095, 0, 2048], "00 1f ff 00 08 00"),
])
def test_samples_are_packed(bits, codes, packed):
    _, data = encode_pcm(np.tile(np.array(codes, np.uint16), (32, 8)), bits)
    assert data[9:-2] == bytes.fromhex(packed) * 256    # after length, headers and bins


def test_level_admits_the_data():
    """H.265 A.4.2: at most max(samples, MaxLumaSr / 300) / MinCr bytes at 8 bits; by hand for a map of an iPhone."""
    assert 1_069_547_520 // 300 // 8 == 445_644
    assert level_idc(768 * 576) == 90
    assert level_idc(768 * 576, 443_241) == 156     # level 5.2
    assert level_idc(768 * 576, 445_600) == 183     # level 6.1: 891,289
    assert level_idc(768 * 576, 553_833, 10) == level_idc(768 * 576, 664_425, 12) == 156
    assert level_idc(4032 * 3024, 12_000_000) == 186    # no level admits it
    for bits in BITS:
        box, _ = encode_pcm(noise(768, 576, bits), bits)
        for kind in (VPS, SPS):
            profile = ProfileTierLevel.of(Configuration.parse(box[8:]).first(kind))
            assert (profile.profile, profile.constraints, profile.level) == (4, MONOCHROME[bits], 156)


def test_refuses_other_pictures():
    with pytest.raises(UnsupportedError, match="8, 10 or 12 bits, not 16"):
        encode_pcm(np.zeros((4, 4), np.uint16), 16)
    with pytest.raises(MalformedError, match="exceed HEVC"):
        encode_pcm(np.zeros((6000, 6000), np.uint8))


# -- independent decoders ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("decoder", ["ffmpeg", "libde265"])
def test_all_sizes(decoder):
    """8 bits in sizes with an even sum, 10 and 12 in the others."""
    whole = {bits: noise(SWEEP, SWEEP, bits) for bits in BITS}
    for height in range(1, SWEEP + 1):
        for width in range(1, SWEEP + 1):
            bits = 8 if (width + height) % 2 == 0 else 10 if width % 4 < 2 else 12
            codes = whole[bits][:height, :width]
            box, data = encode_pcm(codes, bits)
            found = ffmpeg(box, data) if decoder == "ffmpeg" else libde265(box, data, width, height)
            assert np.array_equal(found, codes), (width, height, bits)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(("width", "height"), [(70 * 32, 20), (20, 70 * 32), (768, 576), (641, 479)])
def test_more_blocks_than_states(width, height, bits):
    """The state of part_mode ends at 62, after 62 blocks."""
    check(noise(width, height, bits), bits)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("what", ["zeros", "largest", "few", "zeros at the ends", "ramp"])
def test_emulation_prevention(what, bits):
    top = (1 << bits) - 1
    codes = {
        "zeros": np.zeros((95, 130)), "largest": np.full((95, 130), top), "few": noise(130, 95, 2),
        "zeros at the ends": np.pad(noise(90, 95, bits), ((0, 0), (20, 20))),
        "ramp": (np.arange(95 * 130) % (top + 1)).reshape(95, 130)}[what].astype(np.uint8 if bits == 8 else np.uint16)
    data = check(codes, bits)
    (nal,) = split_lengths(data, 4)
    assert not any(bad in nal for bad in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
    if what == "zeros":
        assert nal.count(b"\0\0\3") > codes.size * bits // 8 // 3


@pytest.mark.parametrize("name", ["heic/article_output.heic", "heic/iphone13pro_portrait.heic"])
def test_real_maps(sample, name):
    depth = api.read(sample(name), orientation="coded")
    lo, hi = depth.storage.lo, depth.storage.hi
    for bits in BITS:
        top = (1 << bits) - 1
        codes = np.rint((depth.map.astype(np.float64) - lo) / (hi - lo) * top)
        check(codes.clip(0, top).astype(np.uint8 if bits == 8 else np.uint16), bits)


def test_codes_in_any_memory_layout():
    codes = noise(100, 70, 12)
    assert encode_pcm(np.asfortranarray(codes), 12) == encode_pcm(codes, 12)
    assert encode_pcm(codes[::-1, ::2], 12) == encode_pcm(codes[::-1, ::2].copy(), 12)
    assert encode_pcm((codes >> 4).astype(np.uint16), 8) == encode_pcm((codes >> 4).astype(np.uint8), 8)
