from __future__ import annotations

import math
from pathlib import Path

import pytest

from gpudepth.errors import JobError, MissingInputError
from gpudepth.settings.strict_yaml import load, parse, scalar


@pytest.mark.parametrize(("text", "value"), [
    ("1", 1), ("-7", -7), ("1e3", 1000.0), ("1.5", 1.5), (".5", 0.5), ("0x10", 16), ("0o17", 15), ("0", 0),
    ("no", "no"), ("yes", "yes"), ("12:30:45", "12:30:45"), ("true", True), ("null", None), ("~", None), ("", None),
    (".inf", math.inf), ("-.inf", -math.inf), ("2GiB", "2GiB"), ("1_000", "1_000"), ("hdis", "hdis"), ("1.", 1.0),
])
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@pytest.mark.parametrize("text", [".nan", ".NaN", "012", "-007"])
def test_scalars_nobody_means(text: str) -> None:
    with pytest.raises(ValueError, match=r"quote it|not a value"):
        scalar(text)


def test_quoted_scalars_are_text() -> None:
    assert parse("a: '012'\nb: \"1\"").data == {"a": "012", "b": "1"}


def test_lines_are_known() -> None:
    document = parse("a:\n  b: 1\n  c:\n    - x\n    - y\n", "job.yaml")
    assert document.place(("a", "b")) == "job.yaml:2: a.b"
    assert document.place(("a", "c", 1)) == "job.yaml:5: a.c[1]"
    assert document.place(("a", "missing")) == "job.yaml:1: a.missing"


@pytest.mark.parametrize(("text", "message"), [
    ("a: &x 1\nb: *x", "anchors"),
    ("a: 1\na: 2\n", "twice"),
    ("a: !!python/object/apply:os.system [ls]", "tags"),
    ("a: !thing 1", "tags"),
    ("[" * 40 + "]" * 40, "nested deeper"),
    ("- 1\n- 2", "a job is a mapping"),
    ("a: [1, 2", "expected"),
    ("a: .nan", "not a value"),
    ("a:\n <<: {b: 1}", "plain words"),
    ("? [1, 2]\n: x", "plain words"),
    ('a: "b\\x00c"', r"job.yaml:1: a: 'b.x00c' holds a character that no path can have"),
    ('a: ["\\ud800"]', r"job.yaml:1: a\[0\]: '.ud800' holds a character"),
])
def test_refusals_name_the_line(text: str, message: str) -> None:
    with pytest.raises(JobError, match=message) as caught:
        parse(text, "job.yaml")
    assert "job.yaml:" in str(caught.value)


def test_names_that_are_no_utf_8() -> None:
    """A byte of a file's name, as Python writes it."""
    assert parse('a: "\\udcff.jpg"').data == {"a": "\udcff.jpg"}


def test_more_than_any_job_has() -> None:
    with pytest.raises(JobError, match=r"job.yaml:2500: more than 5,000 keys and values"):
        parse("".join(f"k{n}: 1\n" for n in range(6000)), "job.yaml")


def test_alias_bomb_costs_nothing() -> None:
    bomb = "a: &a [x,x]\n" + "\n".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)}]" for i in range(20))
    with pytest.raises(JobError, match="anchors"):
        parse(bomb)


def test_files(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\xfe\xfa")
    with pytest.raises(JobError, match="UTF-8"):
        load(tmp_path / "latin.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (1 << 18) + b"#")
    with pytest.raises(JobError, match="at most"):
        load(tmp_path / "big.yaml")
    (tmp_path / "empty.yaml").write_bytes(b"")
    assert load(tmp_path / "empty.yaml").data == {}
