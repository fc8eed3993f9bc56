from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpudepth.errors import JobError, UsageError
from gpudepth.pairing.csv import COLUMNS, find_listed
from gpudepth.pairing.pairs import Pairing


def make(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(b"x")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    make(tmp_path, *(f"p/{i}.jpg" for i in (1, 2, 10)), *(f"d/{i}.png" for i in (1, 2, 10)), "c/1.png", "m/1.npy")
    return tmp_path


def find(base: Path, text: str, output: str | None = "out/{stem}.jpg", *, name: str = "pairs.csv",
         allow_missing: bool = False) -> Pairing:
    (base / name).parent.mkdir(exist_ok=True)
    (base / name).write_text(text, encoding="utf-8")
    return find_listed(base, name, output, allow_missing=allow_missing)


def told(found: Pairing, base: Path) -> list[tuple[str, str, str]]:
    return [(p.key, p.depth.relative_to(base).as_posix(), p.output.relative_to(base).as_posix()) for p in found.pairs
            if p.output]


def problems(base: Path, text: str, output: str = "out/{stem}.jpg", name: str = "pairs.csv") -> list[str]:
    with pytest.raises(JobError) as caught:
        find(base, text, output, name=name)
    return [line.removeprefix(str(base / name)) for line in caught.value.problems]


def test_a_list(base: Path) -> None:
    found = find(base, "color,depth\np/10.jpg,d/1.png\np/2.jpg,d/10.png\n")
    assert told(found, base) == [("p/2.jpg", "d/10.png", "out/2.jpg"), ("p/10.jpg", "d/1.png", "out/10.jpg")]
    assert found.names == {"stem"} and not found.duplicates and not found.collisions and not found.unmatched_color


def test_every_column_comments_a_bom_and_any_order(base: Path) -> None:
    text = ("\ufeff# made by hand\r\nid, out, color, depth, metric, confidence\r\n\r\n"
            '"one, 1",results/x.heic,p/1.jpg,d/1.png,m/1.npy,c/1.png\r\n# p/9.jpg\r\nb,,p/2.jpg,d/2.png,,\r\n')
    found = find(base, text, "out/{id}_{stem}.jpg")
    assert told(found, base) == [("p/1.jpg", "d/1.png", "results/x.heic"), ("p/2.jpg", "d/2.png", "out/b_2.jpg")]
    assert [(p.metric, p.confidence) for p in found.pairs] == [(base / "m/1.npy", base / "c/1.png"), (None, None)]
    assert found.pairs[0].fields == {"stem": "1", "id": "one, 1"} and found.names == {"stem", "id"}


def test_lines_of_json(base: Path) -> None:
    rows = [{"color": "p/1.jpg", "depth": "d/1.png", "id": 7}, {"color": "p/2.jpg", "depth": "d/2.png", "id": "b", "out": None}]
    found = find(base, "\n\n".join(json.dumps(row) for row in rows), "out/{id}.jpg", name="pairs.JSONL")
    assert told(found, base) == [("p/1.jpg", "d/1.png", "out/7.jpg"), ("p/2.jpg", "d/2.png", "out/b.jpg")]


def test_paths_are_relative_to_the_list(base: Path) -> None:
    found = find(base, f"color,depth,out\n../p/1.jpg,{base}/d/1.png,o/1.jpg\n", name="lists/pairs.csv")
    assert told(found, base) == [("lists/../p/1.jpg", "d/1.png", "lists/o/1.jpg")]


def test_missing_maps_may_be_left_out(base: Path) -> None:
    text = "color,depth\np/1.jpg,d/1.png\np/2.jpg,d/3.png\np/10.jpg,\n"
    assert problems(base, text) == [":3: depth 'd/3.png' does not exist", ":4: depth is missing"]
    found = find(base, text, allow_missing=True)
    assert [p.key for p in found.pairs] == ["p/1.jpg"]
    assert found.unmatched_color == (base / "p/2.jpg", base / "p/10.jpg")


def test_missing_files_are_told_together_with_their_lines(base: Path) -> None:
    text = "# x\ncolor,depth,metric,confidence\np/3.jpg,d/1.png,,\np/1.jpg,d/1.png,m/2.npy,c/2.png\n,d/2.png,,\n"
    assert problems(base, text) == [":3: color 'p/3.jpg' does not exist", ":4: confidence 'c/2.png' does not exist",
                                    ":4: metric 'm/2.npy' does not exist", ":5: color is missing"]


def test_what_is_there_twice(base: Path) -> None:
    (base / "link").symlink_to("p", target_is_directory=True)
    text = "color,depth,out\np/1.jpg,d/1.png,a.jpg\nlink/1.jpg,d/2.png,b.jpg\np/2.jpg,d/2.png,a.jpg\n"
    told_ = problems(base, text)
    assert told_[0] == ":3: color '1.jpg' is already in line 2"
    assert told_[1].startswith(":4: the output") and "is also that of line 2" in told_[1]
    assert "that of line 2" in problems(base, "color,depth\np/1.jpg,d/1.png\np/2.jpg,d/2.png\n", "out/all.jpg")[0]
    shared = find(base, "color,depth\np/1.jpg,d/1.png\np/2.jpg,d/1.png\n")
    assert len(shared.pairs) == 2 and shared.duplicates[0].shared


def test_an_output_that_is_an_input(base: Path) -> None:
    found = find(base, "color,depth,out\np/1.jpg,d/1.png,p/2.jpg\np/2.jpg,d/2.png,o.jpg\n")
    assert [c.reason for c in found.collisions] == ["it is an input"]


def test_ids_that_output_path_needs(base: Path) -> None:
    text = "color,depth,id\np/1.jpg,d/1.png,\np/2.jpg,d/2.png,a/b\n"
    found = problems(base, text, "out/{id}.jpg")
    assert found[0] == ":2: the line has no id, which output.path uses" and "cannot be part of a file name" in found[1]
    assert len(find(base, text).pairs) == 2
    with pytest.raises(UsageError, match=r"placeholder \{id\} \(it can use \{stem\}\)"):
        find(base, "color,depth\np/1.jpg,d/1.png\n", "out/{id}.jpg")


@pytest.mark.parametrize(("text", "message"), [
    ("color,deph\n", f":1: unknown column 'deph'; use {', '.join(COLUMNS)}"),
    ("color;depth\n", ":1: unknown column 'color;depth'"),
    ("color,depth,color\n", ":1: column color occurs twice"),
    ("color,out\n", ":1: column depth is missing"),
    ("color,depth\na,b,c\n", ":2: the line has 3 cells, but the first line names 2 columns"),
    ("color,depth\na\n", ":2: the line has 1 cells"),
    ('color,depth\n"a,b\n', ":2: not a line of CSV"),
    ("color,depth,out\np/1.jpg,d/1.png,a\0b\n", ":2: "),
])
def test_csv_that_is_wrong(base: Path, text: str, message: str) -> None:
    assert problems(base, text)[0].startswith(message)


@pytest.mark.parametrize(("text", "message"), [
    ('{"color": "a", "depht": "b"}', ":1: unknown key 'depht'; use "),
    ('{"color": "a", "color": "b"}', ":1: key color occurs twice"),
    ("[1]", ":1: not an object"), ("{}", ":1: not an object"), ('[["color", "a"]]', ":1: not an object"),
    ('\n{"color": "a"', ":2: not JSON"),
    ('{"color": 1}', ":1: color is 1; it must be a string"), ('{"id": true}', ":1: id is true"),
    ('{"depth": "d/1.png"}', ":1: color is missing"),
    ('{"color": "p/1.jpg", "depth": "d/1.png", "out": "a\\u0000b"}', ":1: out 'a\\x00b' is not a path"),
])
def test_json_that_is_wrong(base: Path, text: str, message: str) -> None:
    assert problems(base, text, name="pairs.jsonl")[0].startswith(message)


def test_what_is_no_list(base: Path) -> None:
    for name in ("pairs.txt", "pairs"):
        with pytest.raises(UsageError, match="not a list of pairs"):
            find(base, "color,depth\n", name=name)
    for text in ("", "# nothing\n", "color,depth\n"):
        with pytest.raises(UsageError, match="list names no photos"):
            find(base, text)
