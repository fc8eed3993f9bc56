"""Encodes monochrome pictures as HEVC without an encoder library: blocks of samples are stored as they are (I_PCM).

    slice   header, then for each block its bins and its samples, then two bytes that end the slice
    bins    end_of_slice_segment_flag of the block before, part_mode, pcm_flag: arithmetic code, two bytes
    samples the 32×32 codes of the block by rows, 8, 10 or 12 bits each, most significant bit first

The arithmetic coder starts again after each block, and only the state of part_mode is kept. The bins are the same in
every picture, so that they depend on nothing but the number of the block.

Source: H.265 7.3.8 (syntax of a slice), 7.3.8.7 (pcm_sample), 9.3 (CABAC), A.4 (levels).
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedError
from .nal import BitWriter, escape, join_lengths
from .parameter_sets import MONOCHROME, RANGE_EXTENSIONS, Configuration, ProfileTierLevel, level_idc

BLOCK = 32
_SAMPLES = BLOCK * BLOCK
# NAL header of an IDR picture without leading pictures (type 20); first slice of the picture, no pictures before it
# matter, PPS 0, I slice, slice_qp_delta 0, alignment
_SLICE = bytes.fromhex("2801 af")
_END = bytes.fromhex("fe80")    # end_of_slice_segment_flag 1, the stop bit, alignment
_COMPATIBILITY = bytes.fromhex("08000000")     # general_profile_compatibility_flag[4]

# rangeTabLps of states 0 to 62 (table 9.52), column 3: the range is 510 or 508 when part_mode is coded
_LPS = (240, 227, 216, 205, 195, 185, 175, 166, 158, 150, 142, 135, 128, 122, 116, 110, 104, 99, 94, 89, 85, 80, 76, 72,
        69, 65, 62, 59, 56, 53, 50, 48, 45, 43, 41, 39, 37, 35, 33, 31, 30, 28, 27, 25, 24, 23, 22, 21, 20, 19, 18, 17,
        16, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9)


def encode_pcm(codes: NDArray[Any], bits: int = 8) -> tuple[bytes, bytes]:
    """Encode codes as one HEVC picture of I_PCM blocks.

    The level admits the size of the data, about one byte per pixel at 8 bits. It is therefore higher than that of a
    compressed picture: `level_idc` has the rule.

    Args:
        codes: (H, W) uint8 or uint16.
        bits: 8, 10 or 12.

    Returns:
        The hvcC box, and the item's data with 4-byte NAL lengths.

    Raises:
        UnsupportedError: The bits are not supported.
        MalformedError: The picture is larger than the largest level allows.
    """
    if bits not in MONOCHROME:
        raise UnsupportedError(f"HEVC depth has 8, 10 or 12 bits, not {bits}", hint="‹bits=12›")
    height, width = codes.shape
    coded = -(-width // BLOCK) * BLOCK, -(-height // BLOCK) * BLOCK
    level_idc(coded[0] * coded[1])      # refuses a picture that is too large before its samples are packed
    nal = escape(_slice(_packed(_blocks(codes), bits)))
    level = level_idc(coded[0] * coded[1], len(nal), bits)
    return _configuration((width, height), coded, bits, level), join_lengths([nal])


def _blocks(codes: NDArray[Any]) -> NDArray[Any]:
    """Return codes (H, W) as blocks (rows, columns, 32, 32); the last row and column are repeated to fill blocks."""
    height, width = codes.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    if (height, width) != (rows * BLOCK, columns * BLOCK):
        codes = np.pad(codes, ((0, rows * BLOCK - height), (0, columns * BLOCK - width)), mode="edge")
    return codes.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)


def _packed(blocks: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return the samples of each block as bytes (blocks, bytes)."""
    samples = blocks.reshape(-1, _SAMPLES)
    if bits == 8:
        return samples.astype(np.uint8, copy=False)
    group = 4 if bits == 10 else 2      # samples that fill whole bytes
    size = group * bits // 8
    grouped = samples.astype(np.uint16, copy=False).reshape(len(samples), -1, group)
    out = np.empty((*grouped.shape[:2], size), np.uint8)
    for n in range(size):       # byte n of a group holds bits of the samples i and, unless they end together, i + 1
        first, last = 8 * n // bits, (8 * n + 7) // bits
        right = (last + 1) * bits - 8 * (n + 1)     # bits of the last sample that follow the byte
        byte = grouped[..., last] >> right
        out[..., n] = byte if first == last else byte | grouped[..., first] << (bits - right)
    return out.reshape(len(samples), -1)


def _slice(samples: NDArray[np.uint8]) -> bytes:
    """Return the slice with all blocks, before emulation prevention."""
    count = len(samples)
    body = np.empty((count, 2 + samples.shape[1]), np.uint8)
    body[:, :2] = _bins(count)
    body[:, 2:] = samples
    return b"".join((_SLICE, body.data, _END))


def _bins(count: int) -> NDArray[np.uint8]:
    """Return the bins before the samples of each block (count, 2).

    Each bin takes the lower part of the range but the last, whose code word is 2 below the end of the range. The state
    of part_mode, which starts at 0, grows by 1 with each block until 62. The range is at least 256 after part_mode, so
    that it is never doubled: the value is 9 bits, the last of them 1, and zeros follow (9.3.4.3.5).
    """
    return _first_bins()[np.minimum(np.arange(count), len(_LPS))]


@cache
def _first_bins() -> NDArray[np.uint8]:
    """Return the bins before the first 64 blocks (64, 2); those of later ones are equal to the last."""
    table = []
    for block in range(len(_LPS) + 1):
        span = (508 if block else 510) - _LPS[min(block, len(_LPS) - 1)]
        value = (span - 2 | 1) << 7
        table.append((value >> 8, value & 255))
    return np.array(table, np.uint8)


@lru_cache(64)
def _configuration(size: tuple[int, int], coded: tuple[int, int], bits: int, level: int) -> bytes:
    """Return the hvcC box, which the pictures of a size share."""
    profile = ProfileTierLevel(RANGE_EXTENSIONS, _COMPATIBILITY, MONOCHROME[bits], level)
    sets = [_video_parameters(profile), _sequence_parameters(profile, size, coded, bits), _PICTURE]
    return Configuration.of(sets).serialise()


def _video_parameters(profile: ProfileTierLevel) -> bytes:
    """Return the VPS (7.3.2.1)."""
    # VPS 0, base layer, one layer and sub-layer, nested; 16 reserved bits
    head = bytes.fromhex("4001 0c01 ffff") + profile.serialise()
    w = BitWriter()
    w.u(1, 1)                           # vps_sub_layer_ordering_info_present_flag
    for value in (0, 0, 0):             # one picture buffer, no reordering, no limit of latency
        w.ue(value)
    w.u(6, 0)                           # vps_max_layer_id
    w.ue(0)                             # vps_num_layer_sets_minus1
    w.u(2, 0)                           # no timing, no extension
    return escape(head + _trailing(w))


def _sequence_parameters(profile: ProfileTierLevel, size: tuple[int, int], coded: tuple[int, int], bits: int) -> bytes:
    """Return the SPS (7.3.2.2)."""
    # VPS 0, one sub-layer, nested
    head = bytes.fromhex("4201 01") + profile.serialise()
    w = BitWriter()
    for value in (0, 0, *coded):        # SPS 0, 4:0:0, coded size
        w.ue(value)
    w.u(1, 1)                           # conformance window: left, right, top, bottom
    for value in (0, coded[0] - size[0], 0, coded[1] - size[1]):
        w.ue(value)
    for value in (bits - 8, bits - 8, 0):   # bit depths of luma and chroma, log2_max_pic_order_cnt_lsb_minus4
        w.ue(value)
    w.u(1, 1)                           # sps_sub_layer_ordering_info_present_flag, then as in the VPS
    # coding blocks of 32 and no others, transform blocks from 4 to 32, no transform hierarchy
    for value in (0, 0, 0, 2, 0, 0, 3, 0, 0):
        w.ue(value)
    w.u(3, 0)                           # no scaling lists, asymmetric partitions or sample adaptive offset
    w.u(1, 1)                           # pcm_enabled_flag
    w.u(4, bits - 1)
    w.u(4, bits - 1)
    w.ue(2)                             # I_PCM blocks of 32 and no others
    w.ue(0)
    w.u(1, 1)                           # pcm_loop_filter_disabled_flag
    w.ue(0)                             # no short-term reference picture sets
    w.u(3, 0)                           # no long-term ones, temporal motion vectors or strong smoothing
    w.u(1, 1)                           # vui_parameters_present_flag
    w.u(2, 0)                           # no aspect ratio, no overscan
    w.u(1, 1)                           # video_signal_type_present_flag
    w.u(3, 5)                           # video_format unspecified
    w.u(1, 1)                           # video_full_range_flag
    w.u(1, 1)                           # colour description: unspecified, as Apple writes it
    w.u(24, 0x020202)
    w.u(5, 0)           # no chroma location, neutral chroma, fields, field information, default display window
    w.u(2, 0)           # no timing, no restrictions of the bitstream
    w.u(1, 0)                           # sps_extension_present_flag
    return escape(head + _trailing(w))


def _picture_parameters() -> bytes:
    """Return the PPS (7.3.2.3)."""
    w = BitWriter()
    w.ue(0)                             # PPS 0
    w.ue(0)                             # SPS 0
    w.u(7, 0)       # no dependent slices, output flag, extra bits, hidden signs, cabac_init_flag
    for value in (0, 0, 0):             # one reference picture, init_qp_minus26
        w.ue(value)
    w.u(3, 0)                           # no constrained intra prediction, transform skip, QP of blocks
    w.ue(0)
    w.ue(0)                             # chroma QP offsets
    w.u(7, 0)       # no offsets in slices, weighted prediction, bypass, tiles, wavefronts, filter across slices
    w.u(3, 0b101)   # deblocking control: without override, deblocking disabled
    w.u(2, 0)                           # no scaling lists, no modification of reference lists
    w.ue(0)                             # log2_parallel_merge_level_minus2
    w.u(2, 0)                           # no extension of slice headers, no extension
    return escape(bytes.fromhex("4401") + _trailing(w))


def _trailing(w: BitWriter) -> bytes:
    """Return the bytes with rbsp_trailing_bits."""
    w.u(1, 1)
    w.u(-w.length % 8, 0)
    return w.value.to_bytes(w.length // 8, "big")


_PICTURE = _picture_parameters()
