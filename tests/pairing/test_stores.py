"""Stores by way of fsspec's store in memory, and what is made of their errors."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from gpudepth.errors import AccessError, FileError, LimitError, MissingInputError, OutputError, UsageError
from gpudepth.limits import DEFAULT, Limits
from gpudepth.pairing import stores
from gpudepth.pairing.stores import (
    RemoteFile,
    Target,
    existing_facts,
    facts_of,
    list_objects,
    put_bytes,
    read_all,
    target,
)

pytest.importorskip("fsspec")


@pytest.fixture
def url() -> str:
    return f"memory://bucket{secrets.token_hex(4)}"


def test_read_write_list(url: str, tmp_path: Path) -> None:
    put_bytes(f"{url}/a.bin", b"abc")
    put_bytes(f"{url}/sub/b.bin", b"defg")
    found = sorted(list_objects(url), key=str)
    assert [(one.name, one.size) for one in found] == [("a.bin", 3), ("b.bin", 4)]
    assert [one.read() for one in found] == list(read_all(found)) == [b"abc", b"defg"]
    assert (found[0].stem, found[0].suffix, found[0].stat().st_size, str(found[0])) == ("a", ".bin", 3, f"{url}/a.bin")
    found[1].fetch(tmp_path / "copy", DEFAULT)
    assert (tmp_path / "copy").read_bytes() == b"defg"
    size, etag = Target(f"{url}/c.bin").put(tmp_path / "copy")
    assert size == 4 and etag and Target(f"{url}/c.bin").exists() and not Target(f"{url}/d.bin").exists()
    known = facts_of([f"{url}/a.bin", f"{url}/d.bin"])
    assert known == {f"{url}/a.bin": existing_facts(f"{url}/a.bin"), f"{url}/d.bin": None}
    stores.store(url).rm_file(f"{url}/a.bin")
    assert existing_facts(f"{url}/a.bin") is None


def test_a_million_objects_leave_nothing_in_memory(url: str) -> None:
    """One file system a protocol is kept, and no URL."""
    first = stores.store(f"{url}/a")
    assert all(stores.store(f"{url}/{n}") is first for n in range(10))
    assert not hasattr(stores.store, "cache_info")
    assert stores._system.cache_info().currsize <= 2


def test_many_are_read_a_few_megabytes_at_a_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    at_once = stores._at_once
    monkeypatch.setattr(stores, "_at_once", lambda urls, *names: asked.append(len(urls)) or at_once(urls, *names))
    monkeypatch.setattr(stores, "MOST_READ", 10)
    monkeypatch.setattr(stores, "AT_ONCE", 3)
    for n, size in enumerate([20, 1, 2, 3, 4, 6, 5, 9]):
        put_bytes(f"{url}/{n}", b"x" * size)
    assert [len(data) for data in read_all(sorted(list_objects(url), key=str))] == [20, 1, 2, 3, 4, 6, 5, 9]
    assert asked == [1, 3, 2, 1, 1]
    assert list(read_all([])) == []


def test_what_is_not_as_it_was(url: str, tmp_path: Path) -> None:
    put_bytes(f"{url}/a", b"abc")
    [one] = list_objects(url)
    with pytest.raises(LimitError, match="max_file is 2"):
        one.read(Limits(max_file=2))
    with pytest.raises(LimitError):
        one.fetch(tmp_path / "copy", Limits(max_file=2))
    assert not (tmp_path / "copy").exists()
    for size, etag in ((2, one.etag), (3, "other")):
        with pytest.raises(FileError, match="changed after it was listed"):
            RemoteFile(one.url, size, etag).read()
    stores.store(url).rm_file(one.url)
    with pytest.raises(MissingInputError, match="the object does not exist"):
        one.read()


class RefusedError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(f"{code} for key AKIA-SECRET")
        self.response = {"Error": {"Code": code, "Message": "AKIA-SECRET"}}


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(("error", "writing", "kind", "message"), [
    (caused(PermissionError("AKIA-SECRET"), RefusedError("InvalidAccessKeyId")), False, AccessError, "InvalidAccessKeyId"),
    (caused(PermissionError("AKIA-SECRET"), RefusedError("ExpiredToken")), True, AccessError, "ExpiredToken"),
    (caused(PermissionError("AKIA-SECRET"), RefusedError("AccessDenied")), True, AccessError, "denies writing: AccessDenied"),
    (caused(PermissionError("AKIA-SECRET"), RefusedError("AccessDenied")), False, MissingInputError, "denies reading: AccessDenied"),
    (caused(FileNotFoundError("AKIA-SECRET"), RefusedError("NoSuchBucket")), False, AccessError, "the bucket does not exist"),
    (FileNotFoundError("AKIA-SECRET"), True, AccessError, "the bucket does not exist"),
    (FileNotFoundError("AKIA-SECRET"), False, MissingInputError, "the object does not exist"),
    (caused(OSError(5, "AKIA-SECRET"), RefusedError("SlowDown")), False, OutputError, "the store failed: SlowDown"),
    (RefusedError("<AKIA-SECRET>"), False, OutputError, "the store failed: RefusedError"),
    (ConnectionResetError("AKIA-SECRET"), True, OutputError, "the store failed: ConnectionResetError"),
    (ValueError("AKIA-SECRET"), False, OutputError, "the store failed: ValueError"),
    (OSError(28, "AKIA-SECRET"), False, OutputError, r"the temporary folder is full \(set TMPDIR"),
])
def test_errors_of_stores(error: Exception, writing: bool, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught, stores._store_errors("s3://b/x", writing=writing):
        raise error
    assert "SECRET" not in str(caught.value) and caught.value.__cause__ is None and caught.value.__suppress_context__


def test_errors_of_ours_stay() -> None:
    with pytest.raises(LimitError), stores._store_errors("s3://b/x"):
        raise LimitError("too much")


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    stores._system.cache_clear()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"pip install 'gpudepth\[s3\]'"):
        stores.store("s3://b/x")
    stores._system.cache_clear()


def test_nothing_of_it_is_loaded_without_a_url() -> None:
    script = ("import sys, json, gpudepth.batch.runner\n"
              "print(json.dumps([m for m in ('fsspec', 's3fs', 'botocore') if m in sys.modules]))")
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_no_target_names_credentials() -> None:
    """A plan's URL neither: it would be in messages, and the store sees a bucket of that name."""
    with pytest.raises(UsageError, match="must not contain credentials") as caught:
        target("s3://me:secret@bucket/plan.jsonl")
    assert "secret" not in str(caught.value)
    assert target("s3://bucket/a@b.jsonl") == Target("s3://bucket/a@b.jsonl")
    assert target("a@b.jsonl") == Path("a@b.jsonl")
