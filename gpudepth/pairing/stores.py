"""Lists, reads and writes objects in stores through fsspec (`pip install gpudepth[s3]`).

An object is identified by the ETag and size that the store reports; nothing is hashed to detect changes. Credentials
and the address of a store come from the usual sources (AWS_…, ~/.aws), never from a job, and messages never quote what
a store reports about them. Only the store's own client repeats requests.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, TypeAlias

from ..errors import AccessError, FileError, GpudepthError, MissingInputError, OutputError, UsageError
from ..formats.bytesource import VirtualFile
from ..limits import DEFAULT, Limits

AT_ONCE = 64        # simultaneous requests
PAGE = 1000         # objects per page of a listing
MOST_READ = 64 << 20        # bytes of objects that are fetched together
Facts: TypeAlias = tuple[int, str]
"""Size in bytes, and ETag."""

_CREDENTIALS = frozenset({
    "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "NoCredentialsError", "PartialCredentialsError",
    "ProfileNotFound", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired",
    "UnauthorizedSSOTokenError"})


@dataclass(frozen=True)
class RemoteFile(VirtualFile):
    """An object to read, as it was when it was listed.

    Attributes:
        url: Its URL.
        size: Its size in bytes.
        etag: Its ETag.
    """

    url: str
    size: int
    etag: str

    @property
    def path(self) -> Path:
        return Path(self.url)

    def __str__(self) -> str:
        return self.url

    def stat(self) -> os.stat_result:
        return os.stat_result((0, 0, 0, 0, 0, 0, self.size, 0, 0, 0))

    def read(self, limits: Limits = DEFAULT) -> bytes:
        """Return all its bytes. Raises LimitError before fetching, FileError when it differs from the listing."""
        limits.check("max_file", self.size, where=self.url)
        self._check(self.size)      # an object that has grown since is not fetched
        with _store_errors(self.url):
            data: bytes = store(self.url).cat_file(self.url)
        self._check(len(data))
        return data

    def fetch(self, path: Path, limits: Limits) -> None:
        """Write it to a file. Raises the errors of `read`, and OutputError."""
        limits.check("max_file", self.size, where=self.url)
        self._check(self.size)
        with _store_errors(self.url):
            store(self.url).get_file(self.url, str(path))
        self._check(path.stat().st_size)

    def _check(self, size: int) -> None:
        """Check that the object is still what was list_objects. Raises FileError."""
        if size != self.size or facts(self.url) != (self.size, self.etag):
            raise FileError("the object changed after it was listed", where=self.url,
                            hint="run again, or write the plan file again with gpudepth plan job.yaml -o …")


@dataclass(frozen=True)
class Target:
    """An object to write."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.url).suffix

    def exists(self) -> bool:
        return existing_facts(self.url) is not None

    def put(self, path: Path) -> Facts:
        """Upload a file and return what the store reports about it. Raises OutputError, AccessError."""
        with _store_errors(self.url, writing=True):
            store(self.url).put_file(str(path), self.url)
            size, etag = facts(self.url)
        if size != path.stat().st_size:
            raise OutputError(f"the store kept only {size:,} of {path.stat().st_size:,} bytes", where=self.url)
        return size, etag


def target(text: str) -> Path | Target:
    """Return the file or object that a job writes. Raises UsageError for credentials in a URL."""
    if not is_url(text):
        return Path(text)
    check_url(text)
    return Target(text)


def store(url: str) -> Any:
    """Return fsspec's file system for a URL, one per protocol. Raises UsageError."""
    return _system(url.partition("://")[0])


@cache
def _system(protocol: str) -> Any:
    try:
        import fsspec

        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if protocol in ("s3", "s3a"):
            options["config_kwargs"] = {"max_pool_connections": AT_ONCE}
        system = fsspec.filesystem(protocol, **options)
    except ImportError as error:
        raise UsageError(f"{protocol}:// requires a package that is not installed: {error}",
                         hint="pip install 'gpudepth[s3]', or the package fsspec names for that protocol") from None
    except ValueError as error:
        raise UsageError(f"{protocol}:// is not a known kind of store: {error}") from None
    if protocol in ("s3", "s3a"):
        system.retries = 1      # botocore already retries what is worth it
    return system


def check_url(url: str) -> None:
    """Raise UsageError for credentials in a URL."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise UsageError("URLs must not contain credentials", hint="credentials are taken from the environment")


def facts(url: str) -> Facts:
    """Ask the store for an object's size and ETag. Raises MissingInputError when it does not exist."""
    with _store_errors(url):
        return _facts(store(url).info(url))


def existing_facts(url: str) -> Facts | None:
    """Return an object's size and ETag, or None if it does not exist. Raises OutputError, AccessError."""
    try:
        return facts(url)
    except MissingInputError:
        return None


def facts_of(urls: Iterable[str]) -> dict[str, Facts | None]:
    """Return size and ETag of many objects, None for those that do not exist; the store is asked concurrently."""
    known: dict[str, Facts | None] = {}
    source = iter(urls)
    while some := list(itertools.islice(source, PAGE)):
        for url, found in zip(some, _at_once(some, "_info", "info"), strict=True):
            if isinstance(found, FileNotFoundError):
                known[url] = None
                continue
            with _store_errors(url):
                known[url] = _facts(_raise_error(found))
    return known


def read_all(objects: Sequence[RemoteFile]) -> Iterator[bytes]:
    """Yield the bytes of many objects in their order; several are fetched at once."""
    start = 0
    while start < len(objects):
        end, size = start + 1, objects[start].size
        while end < min(len(objects), start + AT_ONCE) and size + objects[end].size <= MOST_READ:
            size, end = size + objects[end].size, end + 1
        some, start = [one.url for one in objects[start:end]], end
        for url, found in zip(some, _at_once(some, "_cat_file", "cat_file"), strict=True):
            with _store_errors(url):
                data: bytes = _raise_error(found)
            yield data


def put_bytes(url: str, data: bytes) -> None:
    """Write an object. Raises OutputError, AccessError."""
    with _store_errors(url, writing=True):
        store(url).pipe_file(url, data)


def list_objects(folder: str) -> Iterator[RemoteFile]:
    """Yield all objects below a folder; only one page of the listing is in memory at a time."""
    protocol, rest = folder.split("://", 1)
    with _store_errors(folder):
        system = store(folder)
        bucket, _, prefix = rest.rstrip("/").partition("/")
        if not hasattr(system, "_iterdir"):     # only s3fs lists page by page
            entries: Iterable[dict[str, Any]] = system.find(folder, detail=True).values()
        else:
            entries = _pages(system, bucket, f"{prefix}/" if prefix else "")
        for entry in entries:
            if entry["type"] == "file":
                size, etag = _facts(entry)
                yield RemoteFile(f"{protocol}://{str(entry['name']).lstrip('/')}", size, etag)


def _pages(system: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    from fsspec.asyn import sync

    async def page(source: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
        some: list[dict[str, Any]] = []
        async for entry in source:
            some.append(entry)
            if len(some) == PAGE:
                break
        return some

    source = system._iterdir(bucket, delimiter="", prefix=prefix)
    while some := sync(system.loop, page, source):
        yield from some


def _at_once(urls: list[str], name: str, plain: str) -> list[Any]:
    """Call a method for each URL concurrently and return its result or error."""
    with _store_errors(urls[0]):
        system = store(urls[0])
        if not getattr(system, "async_impl", False):
            return [_result_or_error(getattr(system, plain), url) for url in urls]
        from fsspec.asyn import _run_coros_in_chunks, sync

        async def ask() -> list[Any]:
            found: list[Any] = await _run_coros_in_chunks([getattr(system, name)(url) for url in urls],
                                                          batch_size=AT_ONCE, return_exceptions=True)
            return found

        asked: list[Any] = sync(system.loop, ask)
        return asked


def _result_or_error(function: Any, url: str) -> Any:
    try:
        return function(url)
    except Exception as error:
        return error


def _raise_error(found: Any) -> Any:
    """Return a result, or raise it when it is an error."""
    if isinstance(found, BaseException):
        raise found
    return found


def _facts(entry: dict[str, Any]) -> Facts:
    """Return size and ETag of an entry; where there is no ETag, the time of its last change as a date or in seconds."""
    for name in ("ETag", "etag", "mtime", "LastModified", "last_modified", "created"):
        value = entry.get(name)
        if value:
            seconds = value.timestamp() if isinstance(value, datetime) else value
            return int(entry["size"]), f"{seconds:.6f}" if isinstance(seconds, int | float) else str(value).strip('"')
    return int(entry["size"]), ""


@contextlib.contextmanager
def _store_errors(url: str, *, writing: bool = False) -> Iterator[None]:
    """Convert a store's errors: refusals are usage errors, failures I/O errors. Only the kind of error is quoted."""
    try:
        yield
    except GpudepthError:
        raise
    except Exception as error:
        kind = _kind(error)
        if kind in _CREDENTIALS:
            raise AccessError(f"the store rejects the credentials: {kind}", where=url, hint=_WHENCE) from None
        if kind == "NoSuchBucket" or (writing and isinstance(error, FileNotFoundError)):
            raise AccessError("the bucket does not exist", where=url) from None
        if isinstance(error, FileNotFoundError):
            raise MissingInputError("the object does not exist", where=url) from None
        if isinstance(error, PermissionError):
            if writing:
                raise AccessError(f"the store denies writing: {kind}", where=url, hint=_WHENCE) from None
            raise MissingInputError(f"the store denies reading: {kind}", where=url, hint=_WHENCE) from None
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError("the temporary folder is full", where=url, hint="set TMPDIR to another folder") from None
        raise OutputError(f"the store failed: {kind}", where=url,
                          hint="run again; finished items are not processed again") from None


_WHENCE = "credentials, profile and address are taken from the environment, as by AWS's own tools"


def _kind(error: BaseException | None) -> str:
    """Return the error code that the store gave, or the name of the error."""
    first = type(error).__name__
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict) and isinstance(response.get("Error"), dict):
            code = str(response["Error"].get("Code", first))
            return code if code.isalnum() else first
        if type(error).__name__ in _CREDENTIALS:
            return type(error).__name__
        error = error.__cause__ or error.__context__
    return first


_URL = re.compile(r"([a-z][a-z0-9+.-]+)://(?=[^/])")
_AS_PATH = re.compile(r"([a-z][a-z0-9+.-]+):/(?=[^/])")


def is_url(text: str) -> bool:
    return _URL.match(text) is not None


def located(base: Path, text: str) -> Path:
    """Return the path that a job's path stands for: below the base, unless it is absolute or a URL."""
    return Path(text) if is_url(text) else base / text


def display_path(path: PurePath) -> str:
    """Return the path, or the URL that it stands for, with `/`."""
    text = path.as_posix()
    return _AS_PATH.sub(r"\1://", text, count=1) if _AS_PATH.match(text) else text
