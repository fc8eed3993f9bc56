"""Linear light: the curve, and which primaries a photo's profile means."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from photo_kit import pixels
from PIL import ImageCms

from gpudepth.attachment.photo import file_guide
from gpudepth.datasets.photo import DISPLAY_P3, SRGB, _profile, curve, linear
from gpudepth.errors import MalformedError
from gpudepth.limits import DEFAULT

SRGB_ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile(colorants: tuple[tuple[float, ...], ...], gamma: float | None = None) -> bytes:
    """An ICC profile (v2, three XYZ colorants and a curve): gamma, or sRGB's own curve as a table."""
    def xyz(v: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(c * 65536)) for c in v)

    def text(value: str) -> bytes:
        return b"desc\0\0\0\0" + struct.pack(">I", len(value) + 1) + value.encode() + bytes(79)

    if gamma is None:
        table = np.arange(1024) / 1023
        table = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
        trc = b"curv\0\0\0\0" + struct.pack(">I", 1024) + np.rint(table * 65535).astype(">u2").tobytes()
    else:
        trc = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    tags = {"desc": text("a test"), "cprt": b"text\0\0\0\0none\0\0\0\0", "wtpt": xyz((0.9642, 1, 0.8249)), "rXYZ": xyz(colorants[0]),
            "gXYZ": xyz(colorants[1]), "bXYZ": xyz(colorants[2]), "rTRC": trc, "gTRC": trc, "bTRC": trc}
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        body = tag + bytes(-len(tag) % 4)
        table += name.encode() + struct.pack(">II", start + len(data), len(body))
        data += body
    head = struct.pack(">I4sI4s4s4s12s4s", start + len(data), b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp")
    head = (head + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)).ljust(128, b"\0")
    return head + struct.pack(">I", len(tags)) + table + data


# adapted to D50, as Apple's own profile has them
P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
SRGB_XYZ = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))


def saved(path: Path, icc: bytes | None) -> Path:
    pixels(96, 64).save(path, "PNG", **({"icc_profile": icc} if icc else {}))
    return path


def read(path: Path) -> tuple[np.ndarray, object]:
    return linear(path, file_guide(path, "display", DEFAULT), 96, 64)


def test_the_curve() -> None:
    """IEC 61966-2-1, in points of its own."""
    found = curve()
    assert found[0] == 0 and found[255] == 1
    assert found[10] == pytest.approx(10 / 255 / 12.92)
    assert found[188] == pytest.approx(((188 / 255 + 0.055) / 1.055) ** 2.4)
    assert found[188] == pytest.approx(0.5028865, abs=1e-6)
    assert (np.diff(found.astype(np.float16)) > 0).all()      # halves tell all codes apart


@pytest.mark.parametrize("icc", [None, SRGB_ICC, profile(SRGB_XYZ)], ids=["none", "LittleCMS", "table"])
def test_srgb(tmp_path: Path, icc: bytes | None) -> None:
    light, space = read(saved(tmp_path / "p.png", icc))
    assert space == SRGB
    np.testing.assert_array_equal(light, curve().astype(np.float16)[np.asarray(pixels(96, 64))])


def test_display_p3_keeps_its_primaries(tmp_path: Path) -> None:
    light, space = read(saved(tmp_path / "p.png", profile(P3)))
    assert space == DISPLAY_P3
    np.testing.assert_array_equal(light, curve().astype(np.float16)[np.asarray(pixels(96, 64))])


@pytest.mark.parametrize("icc", [profile(ADOBE, 2.2), profile(P3, 1.8), profile(SRGB_XYZ, 1.0)], ids=["Adobe", "P3 1.8", "linear"])
def test_other_profiles_become_srgb(tmp_path: Path, icc: bytes) -> None:
    """By LittleCMS; a profile with known primaries and another curve is another profile."""
    light, space = read(saved(tmp_path / "p.png", icc))
    judge = ImageCms.profileToProfile(pixels(96, 64), ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB"))
    np.testing.assert_array_equal(light, curve().astype(np.float16)[np.asarray(judge)])
    assert getattr(space, "note") == "converted from 'a test' to sRGB"  # noqa: B009
    assert getattr(space, "chromaticities") == SRGB.chromaticities  # noqa: B009


def test_a_damaged_profile(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="the colour profile cannot be read"):
        read(saved(tmp_path / "p.png", b"no profile at all"))


def test_iphones_are_display_p3(sample: Callable[[str], Path]) -> None:
    for name in ("heic/iphone13pro_portrait.heic", "jpeg/iphone7plus_portrait.jpg"):
        path = sample(name)
        _, space = linear(path, file_guide(path, "display", DEFAULT), 40, 30)
        assert space == DISPLAY_P3, name


@pytest.mark.parametrize("kind", [IndexError, KeyError, AttributeError, RuntimeError, EOFError])
def test_whatever_libheif_raises_of_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    import pillow_heif

    def broken(path: object) -> None:
        raise kind("damaged")

    monkeypatch.setattr(pillow_heif, "open_heif", broken)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(MalformedError, match=r"a.heic: libheif cannot open it: .*damaged"):
        _profile(tmp_path / "a.heic")
