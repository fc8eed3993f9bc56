"""The numpy back end against the reference: the same bits, for every source, format, layout and number of threads."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpudepth.compute import Span
from gpudepth.compute.bits import PIECE
from gpudepth.compute.cpu import LOOK_UP_CHUNK, PAIRS_FROM, SPAN_CHUNK, NumpyBackend
from gpudepth.compute.threads import CHUNK, Scratch, map_chunks, parallel_map
from gpudepth.depth import numeric
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import FDEP, FDIS, HDEP, HDIS, L008, L010, L012, L016, NATIVE, STORED, PixelFormat
from gpudepth.errors import HolesError, UsageError

CPU = NumpyBackend()

RULES = [
    Linear(255, 12.0, 0.5),
    Linear(255, 1 / 12, 2.0, reciprocal=True),
    Linear(255, 2.0, 0.0, reciprocal=True, invalid=(0,)),
    Linear(65535, 0.1, 100.0, invalid=(0, 65535)),
    Linear(1000, 0.0, 1.0, invalid=(0,)),
    Linear(1000, 0.0, 1.0, reciprocal=True, invalid=(0, 7)),
    Linear(1, 0.0, 1.0, reciprocal=True, positive=True),
    Linear(1, 0.0, 1.0, reciprocal=True),
    Linear(1, 0.0, 1.0, positive=True),
    Linear(1, 0.0, 1.0),
    Linear(1, 5.0, 1.0),
    Linear(1, 0.0, 2.0),
    Linear(1, -0.0, 1.0, reciprocal=True),
    Linear(1, -0.0, -1.0, reciprocal=True),
    Linear(1, -3.0, 1e-38),
    Linear(1e-30, 0.0, 1.0),
    Linear(1, 3e38, -3e38),
]


def same(got: np.ndarray, expected: np.ndarray) -> None:
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got.view(f"u{got.itemsize}"), expected.view(f"u{expected.itemsize}"))


def reference(codes: np.ndarray, rule: Linear, fmt: PixelFormat, factor: np.ndarray | None = None) -> np.ndarray:
    with np.errstate(over="ignore"):
        return numeric.pack(numeric.values(codes, rule, factor), fmt)


def awkward_floats() -> np.ndarray:
    """Pieces of ordinary depth, and pieces with each kind of trouble, each piece longer than what is done at a time."""
    rng = np.random.default_rng(7)
    ordinary = rng.uniform(0.3, 60, (11, CHUNK)).astype(np.float32)
    troubles = [[], [np.nan], [0.0, -0.0], [np.inf, -np.inf], [-1.0, -1e-45], [1e-45, 1e-30, 1e-5],
                [4.5e-5, 2.0 ** -14], [65519.9, 65520.0], [22222.0, 1e5], [3e38, 7.0],
                list(rng.integers(0, 1 << 32, 500, dtype=np.uint32).view(np.float32))]
    for row, trouble in zip(ordinary, troubles, strict=True):
        row[rng.choice(CHUNK, len(trouble), replace=False)] = trouble
    return ordinary


def sources() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    floats = awkward_floats()
    with np.errstate(over="ignore"):
        halves = floats[:3].astype(np.float16)
    return {
        "u8": rng.integers(0, 256, (301, 257), dtype=np.uint8),
        "u16": np.arange(65536, dtype=np.uint16).reshape(256, 256),
        "f16 every": np.arange(65536, dtype=np.uint16).view(np.float16).reshape(64, 1024),
        "f16": halves,
        "f32": floats,
        "f64": np.concatenate([floats[:2].astype(np.float64), np.full((1, CHUNK), 1e300)]),
    }


@pytest.mark.parametrize("fmt", NATIVE, ids=str)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_convert_is_the_reference(rule: Linear, fmt: PixelFormat) -> None:
    for codes in sources().values():
        same(CPU.convert(codes, rule, fmt), reference(codes, rule, fmt))


def test_convert_many_ranges() -> None:
    rng = np.random.default_rng(0)
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    gray = codes.astype(np.float32) / np.float32(65535)
    for near, far in np.exp(rng.uniform(-9, 9, (30, 2))):
        rule = Linear(65535, float(near), float(far), reciprocal=bool(near > 1))
        same(CPU.convert(codes, rule, HDIS), reference(codes, rule, HDIS))
        rule = dataclasses.replace(rule, divisor=1)
        same(CPU.convert(gray, rule, HDIS), reference(gray, rule, HDIS))


@pytest.mark.parametrize("name", sources())
@pytest.mark.parametrize("rule", [RULES[2], RULES[4], RULES[6], RULES[9]], ids=str)
def test_convert_with_factor(name: str, rule: Linear) -> None:
    codes = sources()[name]
    factor = np.random.default_rng(1).uniform(0.4, 1, codes.shape).astype(np.float32)
    factor[0, :5] = np.nan, np.inf, 0, -1, 1e-30
    for fmt in (HDIS, FDEP):
        same(CPU.convert(codes, rule, fmt, factor=factor), reference(codes, rule, fmt, factor))


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (1, PAIRS_FROM + 1), (PAIRS_FROM + 1, 1), (257, 255),
                                   (1, LOOK_UP_CHUNK + 1), (0, 5), (5, 0)])
@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "f2", "f4", ">f4", ">f8"])
def test_convert_of_every_shape_and_byte_order(shape: tuple[int, int], dtype: str) -> None:
    codes = np.random.default_rng(2).integers(0, 256, shape).astype(dtype)
    rule = Linear(255, 0.25, 9.0, reciprocal=True, invalid=(3,))
    same(CPU.convert(codes, rule, HDIS), reference(codes, rule, HDIS))


def layouts(a: np.ndarray) -> list[np.ndarray]:
    wide = np.empty((a.shape[0], a.shape[1] * 2 + 3), a.dtype)
    wide[:, 3::2] = a
    odd = np.empty(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    odd[...] = a
    frozen = a.copy()
    frozen.flags.writeable = False
    return [np.asfortranarray(a), a[::-1, ::-1].copy()[::-1, ::-1], wide[:, 3::2], odd, frozen, a[:, :1], a[5:6]]


@pytest.mark.parametrize("name", sources())
def test_convert_of_every_layout_leaves_the_input_alone(name: str) -> None:
    codes = sources()[name]
    rule = Linear(200, 0.1, 5.0, reciprocal=True, invalid=(0,), positive=True)
    for variant in layouts(codes):
        before = variant.copy()
        same(CPU.convert(variant, rule, HDIS), reference(before, rule, HDIS))
        same(variant.copy(), before)


@pytest.mark.parametrize("fmt", [HDIS, FDEP], ids=str)
@pytest.mark.parametrize("name", sources())
def test_convert_into_padded_rows(name: str, fmt: PixelFormat) -> None:
    codes = sources()[name]
    padded = np.full((codes.shape[0], codes.shape[1] + 13), 42, fmt.dtype)
    out = padded[:, :codes.shape[1]]
    assert CPU.convert(codes, RULES[3], fmt, out=out) is out
    same(out.copy(), reference(codes, RULES[3], fmt))
    assert (padded[:, codes.shape[1]:] == 42).all()


def test_zero_ends_of_either_sign_do_not_share_a_table() -> None:
    codes = np.zeros((1, 2), np.uint8)
    for a in (0.0, -0.0, 0.0):
        rule = Linear(255, a, -1.0, reciprocal=True)
        same(CPU.convert(codes, rule, HDIS), reference(codes, rule, HDIS))
    assert CPU.convert(codes, Linear(255, -0.0, -1.0, reciprocal=True), HDIS)[0, 0] == -math.inf


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
                  elements=st.floats(width=32, allow_nan=True, allow_subnormal=True)),
       st.sampled_from(RULES), st.sampled_from(NATIVE))
def test_convert_any_floats(codes: np.ndarray, rule: Linear, fmt: PixelFormat) -> None:
    same(CPU.convert(codes, rule, fmt), reference(codes, rule, fmt))


def test_convert_refuses_what_is_no_map() -> None:
    codes = np.zeros((2, 2), np.uint8)
    with pytest.raises(TypeError, match="int32"):
        CPU.convert(codes.astype(np.int32), RULES[0], HDIS)
    with pytest.raises(ValueError, match="two dimensions"):
        CPU.convert(codes[0], RULES[0], HDIS)
    with pytest.raises(ValueError, match="out must be"):
        CPU.convert(codes, RULES[0], HDIS, out=np.zeros((2, 2), np.float32))
    with pytest.raises(ValueError, match="factor has"):
        CPU.convert(codes, RULES[0], HDIS, factor=np.ones((2, 3), np.float32))
    with pytest.raises(UsageError, match="holds codes"):
        CPU.convert(codes, RULES[0], L008)


def naive_span(values: np.ndarray) -> Span:
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return Span(math.nan, math.nan, 0, values.size)
    return Span(float(finite.min()) + 0.0, float(finite.max()) + 0.0, finite.size, values.size)


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f2", ">f4"])
def test_span(dtype: str) -> None:
    rng = np.random.default_rng(3)
    plain = rng.uniform(0.1, 9, (2, PIECE - 7))
    holes, negative, both = (plain.copy() for _ in range(3))
    holes[:, ::3], holes[1, 1::3] = np.nan, np.inf
    negative[1] -= 5
    both[:, ::3], both[0, 5], both[1, 7] = np.nan, -np.inf, -3
    for values in (plain, holes, negative, both, -plain):
        for layout in layouts(values.astype(dtype)):
            assert repr(CPU.span(layout)) == repr(naive_span(layout))       # NaN is not equal to itself


@pytest.mark.parametrize("threads", [1, 2])
def test_span_of_a_large_map(threads: int) -> None:
    values = np.full((2, SPAN_CHUNK), 3, np.float16)
    values[0, 9], values[1, -1], values[1, 0] = 7, 0.5, np.nan
    assert NumpyBackend(threads).span(values) == Span(0.5, 7.0, 2 * SPAN_CHUNK - 1, 2 * SPAN_CHUNK)


def test_span_of_extremes_and_of_nothing() -> None:
    every = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(256, 256)
    assert CPU.span(every) == Span(-65504.0, 65504.0, 63488, 65536)
    zeros = CPU.span(np.array([[-0.0, 0.0, -0.0]], np.float16))
    assert (math.copysign(1, zeros.lo), math.copysign(1, zeros.hi)) == (1, 1)
    for nothing in ([[np.nan, np.inf, -np.inf]], [[]], [[np.nan]], [[-np.nan, np.nan]]):
        for dtype in (np.float16, np.float32):
            got = CPU.span(np.array(nothing, dtype))
            assert math.isnan(got.lo)
            assert math.isnan(got.hi)
            assert (got.valid, got.total) == (0, len(nothing[0]))


@given(hnp.arrays(np.uint16, st.tuples(st.integers(1, 5), st.integers(1, 9))))
def test_span_of_any_halves(patterns: np.ndarray) -> None:
    got, expected = CPU.span(patterns.view(np.float16)), naive_span(patterns.view(np.float16))
    assert str(got) == str(expected)    # so that NaN equals NaN, and -0 does not equal 0


@pytest.mark.parametrize("fmt", STORED, ids=str)
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f2", ">f4"])
def test_quantise_is_the_reference(fmt: PixelFormat, dtype: str) -> None:
    rng = np.random.default_rng(4)
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(62, 1024)
    for values in (halves, rng.uniform(-1, 13, (97, 1013))):
        native = values.astype(dtype)
        for lo, hi in [(0.0, 1.0), (0.5, 12.0), (-1.0, 13.0), (2.0, 2.0), (3.0, 1.0), (0.0, 1e-6), (-65504.0, 65504.0)]:
            for layout in (native, native.T, native[::2, ::3]):
                got = CPU.quantise(layout, lo, hi, fmt)
                same(got, numeric.store(layout, lo, hi, fmt.max_code or 0))
                assert got.flags.c_contiguous


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("hi", [2.0, 1.0])
def test_quantise_has_no_code_for_a_hole(hole: float, dtype: type, hi: float) -> None:
    values = np.ones((500, 400), dtype)
    values[7, :3] = hole
    values[499, 399] = hole
    with pytest.raises(HolesError, match=r"4 of 200,000 pixels \(0\.002 %\) .* L008") as caught:
        CPU.quantise(values, 1.0, hi, L008)
    assert 'fill="nearest"' in str(caught.value)


def test_quantise_and_load_want_a_stored_format() -> None:
    with pytest.raises(UsageError, match="hdis holds values"):
        CPU.quantise(np.ones((1, 1), np.float16), 0, 1, HDIS)
    with pytest.raises(UsageError, match="hdis holds values"):
        CPU.load(np.ones((1, 1), np.uint8), 0, 1, HDIS, HDIS)


@pytest.mark.parametrize("fmt", NATIVE, ids=str)
@pytest.mark.parametrize("stored", [L008, L010, L012, L016], ids=str)
def test_load_is_the_reference(stored: PixelFormat, fmt: PixelFormat) -> None:
    # A file may hold a code above its format's largest: it is read as it stands, in every back end.
    codes = np.random.default_rng(5).integers(0, np.iinfo(stored.dtype).max + 1, (99, 101)).astype(stored.dtype)
    for lo, hi in ((0.0, 1.0), (1 / 12, 2.0), (0.4, 0.4)):
        same(CPU.load(codes, lo, hi, stored, fmt),
             numeric.pack(numeric.load(codes, lo, hi, stored.max_code or 0), fmt))


@pytest.mark.parametrize("fmt", NATIVE, ids=str)
def test_reciprocal_is_the_reference(fmt: PixelFormat) -> None:
    every = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(256, 256)
    for values in (every, every.byteswap().view(">f2"), every.T, awkward_floats(), awkward_floats().T):
        same(CPU.reciprocal_to(values, fmt), numeric.pack(numeric.reciprocal(values), fmt))


ORIENTED = {    # [[1, 2, 3], [4, 5, 6]] as displayed
    1: [[1, 2, 3], [4, 5, 6]], 2: [[3, 2, 1], [6, 5, 4]], 3: [[6, 5, 4], [3, 2, 1]], 4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]], 6: [[4, 1], [5, 2], [6, 3]], 7: [[6, 3], [5, 2], [4, 1]], 8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orient(orientation: int) -> None:
    small = np.array([[1, 2, 3], [4, 5, 6]], np.float16)
    assert CPU.orient(small, orientation).tolist() == ORIENTED[orientation]
    quarters = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation]    # counter-clockwise, after the mirror
    big = np.random.default_rng(6).integers(0, 65536, (771, 513), dtype=np.uint16)
    for values in (big, big[:1], big[:, :1], np.asfortranarray(big)):
        got = CPU.orient(values, orientation)
        source = values[:, ::-1] if orientation in (2, 4, 5, 7) else values
        np.testing.assert_array_equal(got, np.rot90(source, quarters))
        assert got.flags.c_contiguous
        assert not np.shares_memory(got, values)


@pytest.mark.parametrize("orientation", [0, 9, -1])
def test_orient_refuses_other_numbers(orientation: int) -> None:
    with pytest.raises(UsageError, match="Exif orientation"):
        CPU.orient(np.zeros((2, 2), np.float16), orientation)


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_threads_change_no_bit(threads: int) -> None:
    many = NumpyBackend(threads)
    rng = np.random.default_rng(8)
    u8 = rng.integers(0, 256, (1201, 901), dtype=np.uint8)
    u16 = rng.integers(0, 65536, (1201, 901), dtype=np.uint16)
    f32 = np.resize(awkward_floats(), (801, 901))
    whole = rng.uniform(0.1, 5, (1201, 901)).astype(np.float16)
    rule = Linear(255, 0.5, 9.0, reciprocal=True, invalid=(0,))
    jobs: list[Any] = [
        lambda b: b.convert(u8, rule, HDIS), lambda b: b.convert(u16, rule, FDIS), lambda b: b.convert(f32, rule, HDEP),
        lambda b: b.convert(u16[:, ::-1], rule, HDIS), lambda b: b.quantise(whole, 0.1, 5, L008),
        lambda b: b.quantise(whole.astype(np.float32), 0.1, 5, L012), lambda b: b.reciprocal_to(f32, HDIS),
        lambda b: b.orient(u16, 6), lambda b: b.orient(u16, 3),
    ]
    for job in jobs:
        same(job(many), job(CPU))
    assert many.span(whole) == CPU.span(whole)
    assert many.span(f32) == CPU.span(f32)


def test_threads_keep_the_order_and_pass_errors_on() -> None:
    assert parallel_map(lambda _, job: job * 2, range(11), 4) == [2 * i for i in range(11)]
    assert parallel_map(lambda _, job: job, [], 4) == []
    assert map_chunks(lambda _, part: part.tolist(), np.arange(10).reshape(2, 5), threads=2, chunk=4) == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    strided = np.arange(12).reshape(3, 4)[:, :2]
    assert map_chunks(lambda _, part: part.tolist(), strided, chunk=4) == [[[0, 1], [4, 5]], [[8, 9]]]
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda _, job: 1 // job, [1, 0, 1], 2)


def test_room_keeps_its_buffers() -> None:
    scratch = Scratch()
    first = scratch.like(np.empty((3, 4)), np.uint16, "a")
    assert first.shape == (3, 4)
    assert np.shares_memory(first, scratch.like(np.empty(5), np.uint16, "a"))
    assert not np.shares_memory(first, scratch.like(np.empty(5), np.uint16, "b"))


@pytest.mark.parametrize("kind", ["u1", "u2", ">u2"])
@pytest.mark.parametrize("fmt", [HDIS, FDIS, HDEP], ids=str)
@pytest.mark.parametrize("reciprocal", [False, True])
def test_codes_that_are_kept(kind: str, fmt: PixelFormat, reciprocal: bool) -> None:
    """Their span, stored codes and samples are those of the converted map, for ranges in either direction."""
    rng = np.random.default_rng(5)
    top = np.iinfo(kind).max
    for shape in ((1, 1), (7, 5), (300, 401)):
        first, last = sorted(int(x) for x in rng.integers(1, top, 2))
        codes = rng.integers(first, last + 1, shape).astype(kind)
        for near, far in ((0.4, 9.0), (9.0, 0.4), (0.4, 70000.0)):
            rule = Linear(float(top), near, far, reciprocal=reciprocal, invalid=(0,))
            values, span = CPU.convert_span(codes, rule, fmt)
            found = CPU.keep_codes(codes, rule, fmt)
            if not np.isfinite(values).all():       # 70,000 is no half
                assert found is None
                continue
            assert found is not None
            kept, kept_span = found
            assert kept_span == span
            assert (kept.shape, kept.dtype) == (values.shape, values.dtype)
            same(CPU.put(kept), values)
            same(CPU.host(kept), values)
            same(CPU.sample(kept, 3), CPU.sample(values, 3))
            for stored in (L008, L010, L016):
                same(CPU.quantise(kept, span.lo, span.hi, stored), CPU.quantise(values, span.lo, span.hi, stored))
                same(CPU.quantise(kept, span.lo * 1.5, span.hi * 0.7, stored), CPU.quantise(values, span.lo * 1.5, span.hi * 0.7, stored))


def test_codes_that_have_to_be_converted() -> None:
    """Holes, and values that neither rise nor fall; floats."""
    codes = np.array([[0, 5, 9]], np.uint16)
    assert CPU.keep_codes(codes, Linear(65535, 1, 2, invalid=(5,)), HDIS) is None
    assert CPU.keep_codes(codes, Linear(65535, 0, 2, reciprocal=True), FDIS) is None       # 1/0
    assert CPU.keep_codes(codes, Linear(1, -3, 2, reciprocal=True), FDIS) is None
    assert CPU.keep_codes(codes.astype(np.float32), Linear(1, 0, 1), HDIS) is None
    assert CPU.keep_codes(codes[:, :0], Linear(1, 0, 1), HDIS) is None
