"""Efforts of lossless HEVC maps and of HEIC photos."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, get_args

import heif_kit as kit
import numpy as np
import pillow_heif
import pytest
from photo_kit import gray, heic, pixels, plain, ramp
from PIL import Image

import gpudepth
from gpudepth.attachment.clips.still import StillEncoder
from gpudepth.batch.runner import run
from gpudepth.cli.app import run_command
from gpudepth.containers.heif.photo_encoder import encode_pixels
from gpudepth.errors import JobError, UsageError
from gpudepth.formats.hevc.codec import encode_monochrome
from gpudepth.formats.hevc.effort import Effort
from gpudepth.formats.hevc.pcm import encode_pcm
from gpudepth.settings.job import parse_job
from gpudepth.settings.settings import Settings

EFFORTS: tuple[Effort, ...] = get_args(Effort)
DIGITS = "0123456789"


def uneven(width: int, height: int, top: int = 65535) -> Any:
    """Codes with edges and noise, so that efforts differ."""
    codes = ramp(width, height, top).astype(np.int64) + np.random.default_rng(1).integers(-top // 60, top // 60, (height, width))
    codes[height // 3 :, width // 2 :] //= 3
    return codes.clip(0, top).astype(np.uint16)


# -- maps -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("orientation", [1, 6])
def test_every_effort_stores_the_same_codes(tmp_path: Path, bits: Any, orientation: int) -> None:
    photo, found = heic(tmp_path / "p.heic", 128, 96, orientation), {}
    depth = uneven(128, 96) if orientation == 1 else uneven(96, 128)
    for effort in EFFORTS:
        out = gpudepth.attach(photo, depth, tmp_path / f"{effort}.heic", near=0.5, far=12, bits=bits, effort=effort)
        verdicts = gpudepth.check(out)
        assert verdicts.conforms
        assert [f.rule for f in verdicts.findings if f.verdict != "ok"] == (["bits"] if bits > 8 else [])
        found[effort] = out.read_bytes()
    first = kit.libheif(found["balanced"])
    (coded,) = kit.ffmpeg_gray(found["balanced"])
    for data in found.values():
        judged = kit.libheif(data)
        assert np.array_equal(judged.depth, first.depth)
        assert np.array_equal(judged.pixels, first.pixels)
        assert np.array_equal(kit.ffmpeg_gray(data)[0], coded)
    assert len(set(found.values())) == 3
    assert len(found["small"]) < len(found["fast"]) > len(found["balanced"])


def test_fast_uses_no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = ramp(40, 30, 255)
    monkeypatch.setattr("gpudepth.formats.hevc.codec.x265", None)
    assert encode_monochrome(codes, effort="fast") == encode_pcm(codes)
    with pytest.raises(TypeError):
        encode_monochrome(codes)


def test_fast_takes_maps_that_are_too_small_for_an_encoder(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic")
    with pytest.raises(gpudepth.errors.UnsupportedError, match="too small for HEVC"):
        gpudepth.attach(photo, ramp(8, 6), tmp_path / "o.heic", near=0.5, far=12)
    out = gpudepth.attach(photo, ramp(8, 6), tmp_path / "o.heic", near=0.5, far=12, effort="fast")
    assert kit.libheif(out.read_bytes()).depth.shape == (6, 8)
    assert gpudepth.check(out).conforms


@pytest.mark.parametrize("effort", EFFORTS)
def test_the_same_bytes_with_any_number_of_workers(tmp_path: Path, effort: str) -> None:
    for name in ("photos", "depth"):
        (tmp_path / name).mkdir()
    for n in range(4):
        plain(tmp_path / f"photos/{n}.png", 128, 96)
        gray(tmp_path / f"depth/{n}.png", 40 + n, 30)
    text = (f"source: {{color: 'photos/*.png', depth: 'depth/{{stem}}.png'}}\nencoding: {{near: 0.5, far: 12}}\n"
            f"refine: {{fit: stretch}}\nmap: {{effort: {effort}}}\noutput: {{path: 'W/{{stem}}.heic', photo_effort: {effort}}}\n")
    for workers in (1, 3):
        summary = run(parse_job(text.replace("W/", f"{workers}/"), [f"run.workers={workers}"]), base=tmp_path, quiet=True)
        assert summary.done == 4
    for n in range(4):
        assert (tmp_path / f"1/{n}.heic").read_bytes() == (tmp_path / f"3/{n}.heic").read_bytes()


def test_lossy_maps_have_no_effort(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, depth = heic(tmp_path / "p.heic"), gray(tmp_path / "d.png")
    with pytest.raises(UsageError) as caught:
        gpudepth.attach(photo, depth, tmp_path / "o.heic", near=0.5, far=12, crf=20, effort="fast")
    assert str(caught.value) == 'effort="fast": applies to lossless HEVC, and crf=20 is lossy (leave out one of them)'
    arguments = ["--near", "0.5", "--far", "12", "--crf", "20", "--effort", "small", "-o", str(tmp_path / "o.heic")]
    assert run_command(["attach", str(photo), str(depth), *arguments]) == 2
    assert "--effort small: applies to lossless HEVC, and --crf 20 is lossy" in capsys.readouterr().err
    text = ("source: {color: a/*.heic, depth: 'd/{stem}.png'}\nencoding: {near: 0.5, far: 12}\n"
            "map: {crf: 20, effort: fast}\noutput: {path: 'o/{stem}.heic'}\n")
    with pytest.raises(JobError, match=r"map.effort.*: applies to lossless HEVC, and map.crf: 20 is lossy"):
        parse_job(text)
    assert Settings(crf=20, effort="balanced").crf == 20
    codes = ramp(64, 48, 255)
    assert encode_monochrome(codes, crf=20, effort="fast") == encode_monochrome(codes, crf=20)


# -- photos -----------------------------------------------------------------------------------------------------------

def test_efforts_of_photos(tmp_path: Path) -> None:
    photo, depth = plain(tmp_path / "p.png", 320, 240), gray(tmp_path / "d.png")
    wanted = np.asarray(pixels(320, 240), np.float64)
    found = set()
    for effort in EFFORTS:
        out = gpudepth.attach(photo, depth, tmp_path / f"{effort}.heic", near=0.5, far=12, photo_effort=effort)
        data = out.read_bytes()
        error = np.asarray(pillow_heif.open_heif(io.BytesIO(data)), np.float64) - wanted
        assert 10 * np.log10(255**2 / (error**2).mean()) > 33     # the picture has edges of color
        found.add(data)
    assert len(found) == 3
    default = gpudepth.attach(photo, depth, tmp_path / "o.heic", near=0.5, far=12)
    assert default.read_bytes() == (tmp_path / "balanced.heic").read_bytes()


def test_small_photos_are_those_of_libheif_itself() -> None:
    image, buffer = pixels(128, 96), io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=80)
    (primary,) = kit.item_bytes(buffer.getvalue()).values()
    assert primary in kit.item_bytes(encode_pixels(image, quality=80, effort="small")).values()
    assert primary not in kit.item_bytes(encode_pixels(image, quality=80)).values()


def test_effort_of_frames() -> None:
    import av

    frame = av.VideoFrame.from_image(Image.fromarray(np.asarray(pixels(256, 192)) // 2)).reformat(format="yuv420p")
    frame.pts = 0
    small, balanced, fast = (StillEncoder(90, effort).encode(frame, ".heic") for effort in EFFORTS)
    assert fast == balanced != small
    assert np.asarray(pillow_heif.open_heif(io.BytesIO(small))).shape == (192, 256, 3)
