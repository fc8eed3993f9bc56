"""The PTX that NVRTC emits, executed: the same bits as numpy, for every architecture and every kernel."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
import pytest
from kernel_kit import a_map, a_picture, same, without_barriers
from ptx_machine import Launch, PtxDevice, PtxError, entries, library, parse

from gpudepth.compute import nvrtc as nvrtc_module
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.kernels import KernelBackend
from gpudepth.compute.refine.smooth import _network
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import FDIS, HDIS, L008, L012, Quantity
from gpudepth.errors import BackendError
from gpudepth.resources import folder

TWIN = NumpyBackend()
ARCHITECTURES = [(12, 70), (12, 80), (12, 90), (12, 100), (12, 120), (13, 75), (13, 90), (13, 120)]
"""Of NVRTC's major versions, one for each of the extras gpu and gpu13."""

for major in (12, 13):
    try:
        library(major)
    except BackendError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing), allow_module_level=True)


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=str)
def ptx(request: pytest.FixtureRequest) -> KernelBackend:
    major, capability = request.param
    return KernelBackend(PtxDevice(capability, major=major))


def both(ptx: KernelBackend, name: str, *args: Any, **options: Any) -> None:
    ours, theirs = (getattr(b, name)(*args, **options) for b in (ptx, TWIN))
    if isinstance(theirs, tuple):
        same(ptx.host(ours[0]), theirs[0])
        assert repr(ours[1]) == repr(theirs[1])
    elif isinstance(theirs, np.ndarray):
        same(ours, theirs)
    else:
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("shape", [(1, 1), (5, 13), (3, 64)], ids=str)
def test_codes_and_ranges(ptx: KernelBackend, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape[1])
    rule = Linear(255, 0.4, 7.5, reciprocal=True, invalid=(0, 9))
    for fmt in (HDIS, FDIS):
        for kind in ("u1", "u2", "f4"):
            codes = a_map(rng, shape) * 40 if kind == "f4" else rng.integers(0, 256, shape).astype(kind)
            both(ptx, "convert_span", codes, rule, fmt)
            both(ptx, "convert", codes, rule, fmt, factor=rng.uniform(0.5, 1, shape).astype(np.float32))
        for dtype in (np.float16, np.float32):
            both(ptx, "reciprocal_to", a_map(rng, shape, dtype), fmt)
    for kind in ("f2", "f4"):
        values = a_map(rng, shape, kind, holes=0)
        both(ptx, "span", a_map(rng, shape, kind, holes=0.4))
        both(ptx, "quantise", values, 0.2, 4.1, L008)
        both(ptx, "quantise", values, 0.2, 4.1, L012)
        holed = a_map(rng, shape, kind, holes=0.3)
        both(ptx, "clip", holed, 0.3, 2.5)
        both(ptx, "positive", holed)
        both(ptx, "mask", holed, rng.integers(0, 2, shape).astype(np.uint8))
        both(ptx, "crop", holed, (shape[1] // 2, shape[0] // 2, shape[1] - shape[1] // 2, shape[0] - shape[0] // 2))
        for fmt in (HDIS, FDIS):
            both(ptx, "cast", holed, fmt)


def test_orientation(ptx: KernelBackend) -> None:
    rng = np.random.default_rng(1)
    for kind in ("u1", "f2", "f4", "f8"):
        for orientation in (1, 2, 3, 4, 5, 6, 7, 8):
            both(ptx, "orient", rng.integers(0, 200, (37, 34)).astype(kind), orientation)


def test_resize_and_fill(ptx: KernelBackend) -> None:
    rng = np.random.default_rng(2)
    for kind in ("f2", "f4"):
        values = a_map(rng, (11, 14), kind, holes=0.4)
        for method in ("area", "bilinear", "nearest"):
            both(ptx, "resize", values, 7, 23, method)
        for how in ("nearest", "far"):
            both(ptx, "fill", values, how, Quantity.DISPARITY)


def test_refine(ptx: KernelBackend) -> None:
    rng = np.random.default_rng(3)
    values, guide = a_map(rng, (6, 7), holes=0.2), a_picture(rng, (6, 7))
    both(ptx, "upsample", values, a_picture(rng, (17, 15)), rng.integers(0, 256, (6, 7)).astype(np.uint8))
    for picture in (None, guide):
        both(ptx, "inpaint", values, picture)
        both(ptx, "bilateral", values, 2, picture)
    for size in (3, 5):
        both(ptx, "median", values, size)
    both(ptx, "affine", values, 0.7, -0.3)
    both(ptx, "blend", values, values * np.float32(1.03), guide, guide ^ np.uint8(3), 0.3)
    for limit in (24, 96):
        both(ptx, "changes", guide, guide ^ np.uint8(15), limit)
        both(ptx, "unchanged", values, guide, guide ^ np.uint8(15), limit)


# ---- what must not pass: a kernel made wrong on purpose -----------------------------------------------------------------


def flip(device: PtxDevice, *changed: tuple[int, Any]) -> None:
    source = np.zeros((8, 32), np.float32)
    args: list[Any] = [source, np.int32(32), np.empty_like(source), np.int32(32), np.int32(32), np.int32(8),
                       np.int32(1), np.int32(0)]
    for index, value in changed:
        args[index] = value
    device.launch("orient", "flip_4", (1, 1), (32, 8), *args)


def test_short_buffers_and_wrong_widths() -> None:
    device = PtxDevice(80)
    flip(device)
    with pytest.raises(PtxError, match="out-of-bounds access at offset 10"):
        flip(device, (2, np.empty((7, 32), np.float32)))
    with pytest.raises(PtxError, match="param_1 is u32, the argument int64"):
        flip(device, (1, np.int64(32)))
    with pytest.raises(PtxError, match="not a pointer"):
        flip(device, (1, np.zeros(1, np.int32)))
    with pytest.raises(PtxError, match="7 arguments"):
        device.launch("orient", "flip_4", (1, 1), (32, 8), *([np.int32(1)] * 7))


def test_a_missing_barrier_is_a_race(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc_module, "texts", without_barriers)
    mutant = KernelBackend(PtxDevice(80, (*nvrtc_module.FLAGS, "-DWITHOUT_BARRIERS")))
    with pytest.raises(PtxError, match=r"race|nobody wrote"):
        mutant.orient(np.zeros((33, 34), np.float32), 6)


@pytest.mark.parametrize("wrong", ["--fmad=true", "--ftz=true", "--prec-div=false"])
def test_inline_arithmetic_is_proof_against_flags(wrong: str) -> None:
    """CuPy would add -ftz=true behind our back: no result changes even then."""
    option = wrong.partition("=")[0]
    flags = (*(f for f in nvrtc_module.FLAGS if not f.startswith(option)), wrong)
    values = np.array([[1e-40, 3, 0.1, 7]], np.float32)
    try:
        ours = KernelBackend(PtxDevice(80, flags)).affine(values, 0.3, 1e-39)
    except PtxError as error:
        assert "ftz" in str(error)  # in a comparison, which is of bits
    else:
        same(ours, TWIN.affine(values, 0.3, 1e-39))


PLAIN = """
.visible .entry plain(.param .u64 plain_param_0, .param .u32 plain_param_1)
{{
.reg .pred %p<4>; .reg .f32 %f<9>; .reg .b32 %r<9>; .reg .b64 %rd<9>;
.shared .align 4 .b8 room[128];
ld.param.u64 %rd1, [plain_param_0];
ld.param.u32 %r1, [plain_param_1];
mov.u32 %r2, %tid.x;
mul.wide.u32 %rd2, %r2, 4;
add.s64 %rd3, %rd1, %rd2;
mov.u64 %rd4, room;
add.s64 %rd5, %rd4, %rd2;
{body}
ret;
}}
"""


def plain(body: str, threads: int = 32, limit: int = 16) -> np.ndarray:
    out = np.arange(1, threads + 1, dtype=np.float32)
    Launch(parse(PLAIN.format(body=body))["plain"], (1, 1), (threads, 1), (out, np.uint32(limit))).run()
    return out


def test_a_loop_and_a_branch() -> None:
    """Each thread doubles its number as often as its index says; half of them then add one."""
    out = plain("""ld.global.f32 %f1, [%rd3];
mov.u32 %r3, 0;
$L_loop:
setp.ge.u32 %p1, %r3, %r2;
@%p1 bra $L_done;
add.rn.f32 %f1, %f1, %f1;
add.s32 %r3, %r3, 1;
bra $L_loop;
$L_done:
setp.lt.u32 %p2, %r2, %r1;
@!%p2 bra $L_end;
add.rn.f32 %f1, %f1, 0f3F800000;
$L_end:
st.global.f32 [%rd3], %f1;""")
    index = np.arange(32)
    same(out, ((index + 1) * 2.0**index + (index < 16)).astype(np.float32))


@pytest.mark.parametrize(("body", "message"), [
    ("fma.rn.f32 %f1, %f2, %f3, %f4;", "not exact"),
    ("add.rn.ftz.f32 %f1, %f2, %f3;", "not exact"),
    ("div.approx.f32 %f1, %f2, %f3;", "not exact"),
    ("mul.rz.f32 %f1, %f2, %f3;", "not rounded to nearest"),
    ("cvt.rzi.s32.f32 %r3, %f1;", "another rounding"),
    ("sin.approx.f32 %f1, %f2;", "not exact"),
    ("shfl.sync.idx.b32 %r3, %r4, 0, 31, -1;", "unknown instruction"),
    ("ld.global.f32 %f1, [%rd3+4];", "out-of-bounds"),
    ("ld.global.f32 %f1, [%rd3+2];", "misaligned"),
    ("ld.global.f32 %f1, [%rd2];", "no array"),
    ("ld.shared.f32 %f1, [%rd5];", "nobody wrote"),
    ("st.shared.f32 [%rd5+4], %f1;", "out-of-bounds access to shared"),
    ("st.shared.f32 [%rd4], %f1;", "two threads write"),
    ("st.shared.f32 [%rd5], %f1; ld.shared.f32 %f2, [%rd4];", "race: read after"),
    ("st.shared.f32 [%rd5], %f1; bar.sync 0; ld.shared.f32 %f2, [%rd4]; st.shared.f32 [%rd5], %f2;",
     "race: write after another thread's read"),
    ("setp.lt.u32 %p1, %r2, %r1; @!%p1 bra $L_over; bar.sync 0; $L_over:", "not all threads"),
    ("$L_for: bra $L_for;", "does not end"),
])
def test_the_machine_catches(monkeypatch: pytest.MonkeyPatch, body: str, message: str) -> None:
    monkeypatch.setattr("ptx_machine.MOST", 10_000)
    with pytest.raises(PtxError, match=message):
        plain(body.replace(": ", ":\n"))


def test_a_barrier_makes_it_right() -> None:
    """Turned around through shared memory."""
    out = plain("""ld.global.f32 %f1, [%rd3];
st.shared.f32 [%rd5], %f1;
bar.sync 0;
mov.u64 %rd6, 124;
sub.s64 %rd7, %rd6, %rd2;
ld.shared.f32 %f2, [%rd7];
st.global.f32 [%rd3], %f2;""")
    assert out.tolist() == list(range(32, 0, -1))


MODULES = [path.stem for path in folder("kernels").glob("*.cu")]


def test_arrays_of_a_thread_are_registers() -> None:
    """None lies in local memory, which is as slow as the device's: the sorts of median and guided would."""
    for module in MODULES:
        for major, capability in ARCHITECTURES:
            found = entries(module, capability, major=major)
            assert not [name for name, entry in found.items() if entry.local], (module, major, capability)


def test_the_networks_of_the_kernels_are_numpy_s() -> None:
    text = (folder("kernels") / "sort.cuh").read_text().replace("\\\n", " ")
    for count in (9, 16, 25):
        line = re.search(rf"#define GD_SORT_{count}\(SWAP\)(.*)", text)
        assert line is not None
        assert [(int(a), int(b)) for a, b in re.findall(r"SWAP\((\d+), (\d+)\)", line[1])] == _network(count)


def test_no_instruction_of_ours_is_inexact() -> None:
    """All that is emitted, not only what the tests above run through."""
    for module in MODULES:
        for major, capability in ARCHITECTURES:
            for entry in entries(module, capability, major=major).values():
                for i in entry.code:
                    assert not {"ftz", "approx", "f64"} & set(i.op) and i.op[0] != "fma", i.text
