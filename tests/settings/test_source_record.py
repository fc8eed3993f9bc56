"""Which keys of `source` go together."""

from __future__ import annotations

import pytest
import yaml

from gpudepth.errors import JobError
from gpudepth.settings.job import Job, parse_job

REST = "\nencoding: {near: 0.5, far: 12}\noutput: {path: 'out/{stem}.jpg'}\nrun: {workers: 1}\n"


def problems(source: str) -> list[str]:
    with pytest.raises(JobError) as caught:
        parse_job(f"source: {source}{REST}")
    return [line.removeprefix("job:1: ") for line in caught.value.problems]


@pytest.mark.parametrize(("source", "expected"), [
    ("{}", ["source.color: is missing", "source.depth: is missing"]),
    ("{color: a}", ["source.depth: is missing"]),
    ("{color: a, depth: null}", ["source.depth: is missing"]),
    ("{pairs: a.csv, depth: b}", ["source.depth: source.pairs names the files already; color and depth, or pairs"]),
    ("{pairs: a.csv, transforms: b.json}", ["source.transforms: source.pairs names the files already; give one of them"]),
    ("{transforms: a.json, color: b}", ["source.color: source.transforms names the files already; color and depth, or transforms"]),
    ("{pairs: a.csv, match: time}", ["source.match: applies to color and depth, but source.pairs lists the pairs"]),
    ("{pairs: 5}", ["source.pairs: input should be a valid string; it is 5"]),
    ("{color: a, depth: b, tolerance: 1}", ["source.tolerance: requires source.match: time"]),
    ("{color: a, depth: b, match: index, offset: 0}", ["source.offset: requires source.match: time"]),
    ("{color: a, depth: b, match: time, depth_start: 0}", ["source.depth_start: requires source.match: index"]),
    ("{pairs: a.csv, color_stride: 2}", ["source.color_stride: requires source.match: index"]),
    ("{color: a, depth: b, match: time, tolerance: 0}", ["source.tolerance: input should be greater than 0"]),
    ("{color: a, depth: b, match: time, offset: .inf}", ["source.offset: input should be a finite number"]),
    ("{color: a, depth: b, match: index, color_stride: 0}", ["source.color_stride: input should be greater than or equal to 1"]),
    ("{color: a, depth: b, match: stem}", ["source.match: input should be 'name', 'time', 'index' or 'embedded'"]),
    ("{color: a, depth: b, pair: c}", ["source.pair: unknown key; did you mean pairs?"]),
])
def test_what_does_not_go_together(source: str, expected: list[str]) -> None:
    assert problems(source) == expected


@pytest.mark.parametrize("source", ["{color: a, depth: b}", "{pairs: a.csv}", "{transforms: a.json, allow_missing: true}",
                                    "{color: a, depth: b, match: time, tolerance: 0.1, offset: -3}",
                                    "{color: a, depth: b, match: index, color_start: 1, color_stride: 2}"])
def test_what_is_shown_is_a_job_again(source: str) -> None:
    job = parse_job(f"source: {source}{REST}")
    assert parse_job(yaml.safe_dump(job.model_dump(mode="json", exclude_none=True))) == job


def test_the_schema_says_which_keys_there_are() -> None:
    record = Job.model_json_schema()["$defs"]["SourceConfig"]
    assert {"pairs", "transforms", "match", "tolerance", "offset", "color_start", "depth_stride"} <= set(record["properties"])
    assert record["oneOf"] == [{"required": ["color", "depth"]}, {"required": ["pairs"]}, {"required": ["transforms"]},
                               {"required": ["shards"]}, {"required": ["archive"]}, {"required": ["video"]},
                               {"required": ["color", "match"], "properties": {"match": {"const": "embedded"}}}]
