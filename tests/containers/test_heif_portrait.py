"""The profile apple-portrait: what a donor gives, what of the photo changes, and that nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heif_kit import heic, item_bytes, kept_items, picture, tool
from photo_kit import gray, ramp

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.containers import registry
from gpudepth.containers.base import Donor
from gpudepth.errors import NoDepthError, UnsupportedError
from gpudepth.formats import exif

DONOR = "heic/iphone13pro_portrait.heic"
PHOTO = "heic/iphone14pro_front_rotated_mirrored_no_depth.heic"


def test_a_donor_gives_what_its_file_says(sample: Any) -> None:
    donor = registry.donor(sample(DONOR))
    said = json.loads(tool("exiftool", "-j", "-n", "-a", "-SimulatedAperture", "-CustomRendered", sample(DONOR)))[0]
    assert float(donor.aperture or 0) == said["SimulatedAperture"] and donor.custom_rendered == said["CustomRendered"]
    assert donor.disparity == (1.498046875, 4.3828125)
    assert len(donor.rendering) == 1612  # base64 of 1,208 bytes


def test_the_photo_becomes_a_portrait(sample: Any, tmp_path: Path) -> None:
    """Only one Exif tag of the photo changes, and it is said; the map is limited; every rule of the profile is kept."""
    photo, out = sample(PHOTO), tmp_path / "out.heic"
    with pytest.warns(UserWarning, match="Exif CustomRendered: none → 8"):
        gpudepth.attach(photo, np.full((1024, 768), 2.0, np.float32) - ramp(768, 1024) / 65535, out,
                        profile="apple-portrait", donor=sample(DONOR), calibration="exif")
    found = gpudepth.check(out, profile="apple-portrait")
    assert found.conforms, [f for f in found.findings if f.verdict != "ok"]
    data = gpudepth.read(out)
    assert data is not None and (data.width, data.height) == (576, 768)

    before, after = item_bytes(photo.read_bytes()), item_bytes(out.read_bytes())
    changed = [i for i in before if before[i] != after.get(i)]
    assert len(changed) == 1 and b"Exif\0\0" in before[changed[0]][:12]
    assert exif.parse_item(after[changed[0]]).custom_rendered == 8

    def tags(path: Path) -> dict[str, Any]:
        dump = tool("exiftool", "-j", "-n", "-a", "-G1", "-Exif:all", "-MakerNotes:all", "-XMP:all", path)
        return dict(json.loads(dump)[0])

    old, new = tags(photo), tags(out)
    gone = {k for k in old if k not in new or new[k] != old[k]} - {"SourceFile"}
    assert not gone
    assert {k for k in new if k not in old and k.startswith(("ExifIFD", "IFD0", "Apple"))} == {"ExifIFD:CustomRendered"}


def test_the_donors_range_scales_a_gray_map(sample: Any, tmp_path: Path) -> None:
    photo = tmp_path / "p.heic"
    photo.write_bytes(heic(picture(96, 72)))
    out = tmp_path / "o.heic"
    assert run_command(["attach", str(photo), str(gray(tmp_path / "d.png")), "--profile", "apple-portrait", "--donor",
                        str(sample(DONOR)), "--white", "near", "-o", str(out)]) == 0
    data = gpudepth.read(out)
    assert data is not None and data.range() == (1.498046875, 4.3828125)
    assert data.disparity()[-1, -1] > data.disparity()[0, 0]  # white is near


def test_a_photo_without_exif_gets_the_one_tag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, out = tmp_path / "p.heic", tmp_path / "o.heic"
    photo.write_bytes(heic(picture(96, 72)))
    assert run_command(["attach", str(photo), str(gray(tmp_path / "d.png")), "--near", "1", "--far", "2", "--profile",
                        "apple-portrait", "-o", str(out)]) == 0
    said = capsys.readouterr().err
    assert "changed: Exif CustomRendered: none → 9 (a new Exif item)" in said
    assert said.count("warning: apple-portrait") == 3 and "--donor" in said
    kept_items(photo.read_bytes(), out.read_bytes())
    assert tool("exiftool", "-s3", "-n", "-CustomRendered", out).strip() == "9"


def test_who_is_no_donor(sample: Any, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="not a Portrait photo"):
        registry.donor(sample("heic/article_output.heic"))
    with pytest.raises(NoDepthError):
        registry.donor(sample(PHOTO))
    plist = gpudepth.convert(sample(DONOR), tmp_path / "d.plist")
    with pytest.raises(UnsupportedError, match="be a donor"):
        registry.donor(plist)


def test_a_job_names_its_donor(sample: Any, tmp_path: Path) -> None:
    (tmp_path / "p.heic").write_bytes(heic(picture(96, 72)))
    gray(tmp_path / "d.png")
    (tmp_path / "donor.heic").write_bytes(sample(DONOR).read_bytes())
    (tmp_path / "job.yaml").write_text(
        "source: {color: p.heic, depth: d.png}\nencoding: {near: 0.5, far: 1}\n"
        "output: {path: 'out/{stem}.heic', profile: apple-portrait, donor: donor.heic}\nrun: {workers: 1}\n")
    source = tmp_path / "job.yaml"
    source.write_text(source.read_text().replace("p.heic", "{stem}.heic", 1).replace("color: {stem}", "color: p"))
    assert run_command(["run", str(source)]) == 0
    found = gpudepth.check(tmp_path / "out/p.heic", profile="apple-portrait")
    assert {f.rule for f in found.findings if f.verdict == "fail"} == {"calibration"}


def test_donors_are_values() -> None:
    assert Donor("UkVORA==") == Donor("UkVORA==")
