from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth.errors import FileError, JobError, MissingInputError
from gpudepth.pairing.manifest import SHOWN, ListFile


def test_lines_with_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffa\r\n\n  # no\nb c\u2028d\n".encode())
    assert list(ListFile(path).lines()) == [(1, "a"), (4, "b c\u2028d")]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="the list of files does not exist"):
        ListFile(tmp_path / "nothing.csv")
    with pytest.raises(MissingInputError):
        ListFile(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"color\n\xff\xfe\n")
    with pytest.raises(JobError, match=r"a\.csv:2: not UTF-8"):
        ListFile(tmp_path / "a.csv")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "a.csv").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileError, match="cannot be read: Permission denied"):
        ListFile(tmp_path / "a.csv")


def test_all_mistakes_up_to_a_number(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.touch()
    source = ListFile(path)
    source.check()
    for line in range(1, SHOWN + 4):
        assert source.named(line, "color", "a.jpg" if line % 2 else "") is None
    with pytest.raises(JobError) as caught:
        source.check()
    assert caught.value.exit_code == 2
    assert len(caught.value.problems) == SHOWN + 1
    assert caught.value.problems[0] == f"{path}:1: color 'a.jpg' does not exist"
    assert caught.value.problems[1] == f"{path}:2: color is missing"
    assert caught.value.problems[-1] == f"{path}: and 3 more"


def test_named_files(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "a.jpg").touch()
    (tmp_path / "lists/x.json").write_text("{\n,}")
    source = ListFile(tmp_path / "lists/x.json")
    assert source.named(1, "color", "../a.jpg") == tmp_path / "lists/../a.jpg"
    assert source.named(1, "color", str(tmp_path / "a.jpg")) == tmp_path / "a.jpg"
    assert not source.has("a\0b") and not source.has("..") and not source.has("x" * 5000)
    with pytest.raises(JobError, match=r"x\.json:2: not JSON"):
        source.json()
    (tmp_path / "lists/x.json").write_text("[" * 200_000)
    with pytest.raises(JobError, match=r"nested too deeply|not JSON"):
        ListFile(tmp_path / "lists/x.json").json()
