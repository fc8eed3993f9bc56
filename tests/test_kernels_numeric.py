"""kernels/numeric.cuh, built for the host, against the numpy reference: the same bits everywhere."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gpudepth.depth import numeric
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import FDIS, HDIS

KERNELS = Path(__file__).parent.parent / "kernels"

WRAPPER = r"""
#include "numeric.cuh"
extern "C" {
void values(long n, const float *code, const GdRule *rule, const float *factor, gd_u32 *out)
{ for (long i = 0; i < n; ++i) out[i] = gd_pack32(gd_value(code[i], *rule, factor ? factor + i : nullptr)); }
void pack16(long n, const float *v, gd_u16 *out) { for (long i = 0; i < n; ++i) out[i] = gd_pack16(v[i]); }
void unpack16(long n, const gd_u16 *h, float *out) { for (long i = 0; i < n; ++i) out[i] = gd_unpack16(h[i]); }
void reciprocal(long n, const float *v, float *out) { for (long i = 0; i < n; ++i) out[i] = gd_reciprocal(v[i]); }
void store(long n, const float *v, float lo, float hi, float max_code, gd_u32 *out)
{ for (long i = 0; i < n; ++i) out[i] = gd_store(v[i], lo, hi, max_code); }
}
"""

RULES = [
    Linear(255, 12.0, 0.5),
    Linear(255, 1 / 12, 2.0),
    Linear(255, 1 / 12, 2.0, reciprocal=True),
    Linear(255, 0.0, 2.0, reciprocal=True),
    Linear(255, 2.0, 0.0, reciprocal=True, invalid=(0,)),
    Linear(65535, 0.1, 100.0, invalid=(0, 65535)),
    Linear(65535, 1 / 300, 1 / 0.3, reciprocal=True),
    Linear(1000, 0.0, 1.0, invalid=(0,)),
    Linear(256, 0.0, 1.0, reciprocal=True, invalid=(0, 1, 2, 3)),
    Linear(1, 0.0, 1.0, reciprocal=True, positive=True),
    Linear(1, 0.0, 1.0),
    Linear(1, 1.0, 0.0),
    Linear(1, -3.0, 1e-38),
    Linear(1e-30, 0.0, 1.0),
    Linear(1, 3e38, -3e38, reciprocal=True),
]


class GdRule(ctypes.Structure):
    _fields_ = [("divisor", ctypes.c_float), ("a", ctypes.c_float), ("b", ctypes.c_float),
                ("reciprocal", ctypes.c_int), ("positive", ctypes.c_int), ("invalid_count", ctypes.c_int),
                ("invalid", ctypes.c_float * 4)]

    @classmethod
    def of(cls, rule: Linear, *, floats: bool) -> GdRule:
        return cls(rule.divisor, rule.a, rule.b, rule.reciprocal, rule.positive and floats, len(rule.invalid),
                   (ctypes.c_float * 4)(*rule.invalid))


class Host:
    def __init__(self, library: Path) -> None:
        self.lib = ctypes.CDLL(str(library))

    def __call__(self, name: str, source: np.ndarray, dtype: type, *args: object) -> np.ndarray:
        source = np.ascontiguousarray(source)
        out = np.empty(source.shape, dtype)
        getattr(self.lib, name)(ctypes.c_long(source.size), _pointer(source), *args, _pointer(out))
        return out

    def values(self, codes: np.ndarray, rule: Linear, factor: np.ndarray | None = None) -> np.ndarray:
        with np.errstate(over="ignore"):
            source = codes.astype(np.float32)
        given = GdRule.of(rule, floats=codes.dtype.kind == "f")
        return self("values", source, np.uint32, ctypes.byref(given), None if factor is None else _pointer(factor))

    def store(self, v: np.ndarray, lo: float, hi: float, max_code: int) -> np.ndarray:
        return self("store", v, np.uint32, *(ctypes.c_float(x) for x in (lo, hi, max_code)))


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    compiler = shutil.which("g++")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("g++ is missing, and CI must build the kernels for the host")
        pytest.skip("g++ is not installed")
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "wrapper.cpp").write_text(WRAPPER)
    subprocess.run([compiler, "-std=c++17", "-DGD_HOST", "-O2", "-ffp-contract=off", "-fno-fast-math", "-Wall",
                    "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{KERNELS}", "wrapper.cpp", "-o", "wrapper.so"],
                   cwd=folder, check=True)
    return Host(folder / "wrapper.so")


def awkward() -> np.ndarray:
    """Floats of every kind: NaNs with payloads, infinities, zeros, subnormals, around every half, random bits."""
    rng = np.random.default_rng(5)
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    near = halves[np.isfinite(halves)].astype(np.float32).view(np.uint32)
    middle = near + 0x1000
    special = np.array([0x7F800001, 0x7FC00000, 0xFFC12345, 0x7F800000, 0xFF800000, 0, 0x80000000, 1, 0x80000001,
                        0x477FEFFF, 0x477FF000, 0x477FF001, 0x33000000, 0x33000001, 0x387FFFFF, 0x38800000], np.uint32)
    random = rng.integers(0, 1 << 32, 1 << 18, dtype=np.uint32)
    return np.concatenate([special, near, near + 1, near - 1, middle, middle + 1, middle - 1, random]).view(np.float32)


def same(ours: np.ndarray, reference: np.ndarray) -> None:
    np.testing.assert_array_equal(ours.view(f"u{ours.itemsize}"), reference.view(f"u{reference.itemsize}"))


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("codes", [np.arange(256, dtype=np.uint8), np.arange(65536, dtype=np.uint16), awkward()],
                         ids=["u8", "u16", "f32"])
def test_values(host: Host, codes: np.ndarray, rule: Linear) -> None:
    same(host.values(codes, rule), numeric.pack(numeric.values(codes, rule), FDIS))


def test_values_of_many_ranges(host: Host) -> None:
    rng = np.random.default_rng(1)
    codes = np.arange(65536, dtype=np.uint16)
    for near, far in np.exp(rng.uniform(-9, 9, (40, 2))):
        for reciprocal in (False, True):
            rule = Linear(65535, float(near), float(far), reciprocal=reciprocal)
            same(host.values(codes, rule), numeric.values(codes, rule))


def test_values_with_factor(host: Host) -> None:
    rng = np.random.default_rng(2)
    codes = awkward()
    factor = rng.uniform(0.5, 1, codes.size).astype(np.float32)
    factor[:4] = np.nan, np.inf, 0, 1e-38
    for rule in (Linear(1, 0, 1), Linear(1, 0, 1, reciprocal=True), Linear(1000, 0.3, 70.0, positive=True)):
        same(host.values(codes, rule, factor), numeric.values(codes, rule, factor))


def test_pack16(host: Host) -> None:
    same(host("pack16", awkward(), np.uint16), numeric.pack(awkward(), HDIS))


def test_unpack16(host: Host) -> None:
    bits = np.arange(65536, dtype=np.uint16)
    same(host("unpack16", bits, np.float32), bits.view(np.float16).astype(np.float32))


def test_reciprocal(host: Host) -> None:
    same(host("reciprocal", awkward(), np.float32), numeric.reciprocal(awkward()))


@pytest.mark.parametrize("max_code", [255, 1023, 4095, 65535])
def test_store(host: Host, max_code: int) -> None:
    rng = np.random.default_rng(3)
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].astype(np.float32)
    noise = rng.uniform(-1, 20, 1 << 16).astype(np.float32)
    ranges = [(0.0, 1.0), (0.083, 2.0), (0.5, 0.5), (2.0, 1.0), (-1.0, 3.0), (-3.0, -1.0), (0.0, 65504.0), (1.0, 1.001),
              (-0.0, 0.0), (0.0, 6e-8)]
    for lo, hi in ranges + [tuple(sorted(pair)) for pair in rng.uniform(-1, 20, (20, 2)).tolist()]:
        for v in (halves, noise):
            same(host.store(v, lo, hi, max_code).astype(np.uint16),
                 numeric.store(v, lo, hi, max_code).astype(np.uint16))
