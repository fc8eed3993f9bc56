from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpudepth.batch.job_hash import job_hash
from gpudepth.depth.encoding import Depth, Disparity, DisparityRange, Distance, Gray, Relative, Stereo, ZBuffer
from gpudepth.depth.pixel_format import HDEP
from gpudepth.errors import JobError, UsageError
from gpudepth.settings.job import Job, load_job, parse_job

BASE = """
source:   {color: "photos/*.heic", depth: "depth/{stem}.png"}
encoding: {kind: gray, near: 0.5, far: 12.0, curve: depth, white: far}
refine:   {fill: nearest, resize: {long_side: 768}}
map:      {pixel_format: hdis, accuracy: relative, calibration: exif}
output:   {container: heic, path: "out/{stem}.heic", profile: apple-depth}
run:      {backend: auto, workers: auto, memory: 2GiB, on_existing: resume, on_error: continue}
limits:   {max_pixels: 268435456}
"""


def test_the_design_example_is_a_job() -> None:
    job = parse_job(BASE)
    settings = job.item_settings()
    assert settings.encoding == Gray(0.5, 12.0)
    assert settings.resize is not None
    assert settings.resize.target(4032, 3024) == (768, 576)
    assert (settings.fill, settings.calibration, settings.accuracy) == ("nearest", "exif", "relative")
    assert job.run.memory == 2 << 30


@pytest.mark.parametrize(("text", "encoding"), [
    ("{near: 1, far: 2, white: near}", Gray(1, 2, white="near")),
    ("{kind: gray, disparity: [1.2627, 6.8086]}", DisparityRange(1.2627, 6.8086)),
    ("{kind: depth, scale: 1/256}", "1/256"),
    ("{kind: depth, scale: mm, invalid: [0, 65535]}", "1/1000"),
    ("{kind: disparity}", "1"),
    ("{kind: stereo, focal_px: 994.978, baseline_m: 0.193001, doffs: 32.778}", Stereo(994.978, 0.193001, 32.778)),
    ("{kind: zbuffer, near: 0.1, far: .inf, reversed: true}", ZBuffer(0.1, reversed=True)),
    ("{kind: distance, focal_px: 886.81}", Distance(focal_px=886.81)),
    ("{kind: embedded}", None),
])
def test_every_encoding_kind(text: str, encoding: object) -> None:
    got = parse_job(BASE.replace("{kind: gray, near: 0.5, far: 12.0, curve: depth, white: far}", text)).item_settings().encoding
    if isinstance(encoding, str):
        assert isinstance(got, Depth | Disparity)
        assert str(got.scale) == encoding
    else:
        assert got == encoding


def test_all_mistakes_at_once_with_file_and_line() -> None:
    text = BASE.replace("near: 0.5", "near: x").replace("nearest", "neerest").replace("profile:", "profle:")
    text = text.replace("max_pixels", "max_pixel")
    with pytest.raises(JobError) as caught:
        parse_job(text, name="job.yaml")
    problems = "\n".join(caught.value.problems)
    assert caught.value.exit_code == 2
    assert "job.yaml:3: encoding.near: input should be a valid number" in problems
    assert "job.yaml:4: refine.fill: input should be 'nearest', 'far', 'near' or 'inpaint'" in problems
    assert "job.yaml:6: output.profle: unknown key; did you mean profile?" in problems
    assert "job.yaml:8: limits.max_pixel: unknown key; did you mean max_pixels?" in problems


@pytest.mark.parametrize(("old", "new", "message"), [
    ("near: 0.5", "near: 15", "job:3: encoding: near (15 m) must be smaller than far"),
    ("near: 0.5", "near: 0", "near (0 m) has no disparity"),
    ("near: 0.5, ", "", "gray needs near and far"),
    ("long_side: 768", "width: 5", "either width and height or a long side"),
    ("fill: nearest", "clamp: [5, 2]", "expected two distances in metres, 0 < min < max"),
    ("kind: gray", "kind: grey", "encoding"),
    ("output:   {", "outputs:  {", "output: is missing"),
])
def test_mistakes(old: str, new: str, message: str) -> None:
    with pytest.raises(JobError) as caught:
        parse_job(BASE.replace(old, new))
    assert message in str(caught.value)


def test_settings_override_any_leaf() -> None:
    job = parse_job(BASE, ["encoding.far=20", "map.pixel_format=hdep", "refine.clamp=[0.3, 20]", "run.workers=3"])
    settings = job.item_settings()
    assert settings.encoding == Gray(0.5, 20)
    assert settings.pixel_format is HDEP
    assert settings.clamp == (0.3, 20)
    assert job.run.workers == 3
    with pytest.raises(JobError, match=r"--set encoding.far=x: input should be a valid number"):
        parse_job(BASE, ["encoding.far=x"])
    with pytest.raises(UsageError, match="key=value"):
        parse_job(BASE, ["encoding.far"])
    with pytest.raises(UsageError, match="not a section"):
        parse_job(BASE, ["encoding.far.x=1"])


def test_the_hash_follows_what_decides_the_bytes() -> None:
    base = job_hash(parse_job(BASE))
    assert job_hash(parse_job(BASE, ["run.workers=7", "output.path=other/{stem}.heic", "limits.max_pixels=5"])) == base
    assert job_hash(parse_job(BASE, ["encoding.far=13"])) != base
    assert job_hash(parse_job(BASE, ["map.bits=10"])) != base
    efforts = [job_hash(parse_job(BASE, [f"map.effort={e}"])).value for e in ("small", "balanced", "fast")]
    assert len(set(efforts)) == 3 and efforts[1] == base.value


def test_mistakes_in_refine_have_their_line() -> None:
    lines = ["refine:", "  smooth: median4", "  confidence: {path: c.png, highest: 0}", "  align: {too: x}"]
    old = next(line for line in BASE.splitlines() if line.startswith("refine:"))
    text = BASE.replace(old, "\n".join(lines))
    with pytest.raises(JobError) as caught:
        parse_job(text, name="job.yaml")
    problems = "\n".join(caught.value.problems)
    line = text.splitlines().index("refine:") + 1
    assert f"job.yaml:{line + 1}: refine.smooth: there is no median of 4×4" in problems
    assert f"job.yaml:{line + 2}: refine.confidence.highest: input should be greater than or equal to 1" in problems
    assert "refine.align.too: unknown key; did you mean to?" in problems
    with pytest.raises(JobError, match="unknown smoothing ''"):
        parse_job(BASE.replace(old, 'refine: {smooth: ""}'))


def test_example_jobs_are_valid() -> None:
    configs = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
    assert configs
    for path in configs:
        load_job(path)


def test_schema_is_json_and_names_the_leaves() -> None:
    schema = json.dumps(Job.model_json_schema())
    for leaf in ("pixel_format", "on_existing", "long_side", "baseline_m"):
        assert leaf in schema


def test_set_reads_yaml_and_replaces_the_kind() -> None:
    whole = parse_job(BASE, ["encoding={preset: midas, near: 1, far: 40}"]).item_settings()
    assert whole.encoding == parse_job(BASE, ["encoding.preset=midas", "encoding.near=1", "encoding.far=40"]).item_settings().encoding
    assert whole.encoding == Relative(1, 40)
    with pytest.raises(JobError, match=r"job:3: encoding"):
        parse_job(BASE, ["encoding.kind=grey"])


def test_old_keys_work_with_a_warning() -> None:
    text = BASE.replace("profile: apple-depth", "quality: 80")
    with pytest.warns(DeprecationWarning, match=r"job:6: output.quality is now called photo_quality"):
        assert parse_job(text).item_settings().photo_quality == 80
