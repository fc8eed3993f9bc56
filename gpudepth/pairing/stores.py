"""Object stores, by whatever fsspec has for a URL (`pip install gpudepth[s3]`): listing, reading, writing.

An object is told by what the store says of it, ETag and size; nothing is hashed to know whether it has changed.
Credentials and the address of a store come from where its own tools take them (AWS_…, ~/.aws), never from a job, and
what a store says of them goes into no message. Requests are repeated by the store's own client, and by nobody else.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from ..errors import AccessError, FileError, GpudepthError, MissingInputError, OutputError, UsageError
from ..formats.bytesource import VirtualFile
from ..limits import DEFAULT, Limits
from .urls import is_url

AT_ONCE = 64        # requests
PAGE = 1000         # objects of a listing
MOST_READ = 64 << 20        # bytes of many objects
Facts: TypeAlias = tuple[int, str]
"""Size and ETag."""

_CREDENTIALS = frozenset({
    "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "NoCredentialsError", "PartialCredentialsError",
    "ProfileNotFound", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired",
    "UnauthorizedSSOTokenError"})


@dataclass(frozen=True)
class RemoteFile(VirtualFile):
    """An object that is read, as it was when it was listed."""

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
        """All its bytes. Raises LimitError before anything is fetched, FileError when it is not what was listed."""
        limits.check("max_file", self.size, where=self.url)
        self._check(self.size)      # what has grown since is not fetched
        with _told(self.url):
            data: bytes = store(self.url).cat_file(self.url)
        self._check(len(data))
        return data

    def fetch(self, path: Path, limits: Limits) -> None:
        """Write it to a file. Raises as `read`, and OutputError."""
        limits.check("max_file", self.size, where=self.url)
        self._check(self.size)
        with _told(self.url):
            store(self.url).get_file(self.url, str(path))
        self._check(path.stat().st_size)

    def _check(self, size: int) -> None:
        """What came is what the store has now; that has to be what was listed."""
        if size != self.size or facts(self.url) != (self.size, self.etag):
            raise FileError("has changed since it was listed", where=self.url,
                            hint="run again; or, where a plan was written, gpudepth plan job.yaml -o …")


@dataclass(frozen=True)
class Target:
    """An object that is written."""

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
        return known_facts(self.url) is not None

    def put(self, path: Path) -> Facts:
        """Write a file there; what the store says of it. Raises OutputError, AccessError."""
        with _told(self.url, writing=True):
            store(self.url).put_file(str(path), self.url)
            size, etag = facts(self.url)
        if size != path.stat().st_size:
            raise OutputError(f"the store keeps {size:,} of {path.stat().st_size:,} bytes", where=self.url)
        return size, etag


def target(text: str) -> Path | Target:
    """What a job writes: a file, or an object. Raises UsageError for credentials in a URL."""
    if not is_url(text):
        return Path(text)
    check_url(text)
    return Target(text)


def store(url: str) -> Any:
    """The file system that fsspec has for a URL, one for each protocol. Raises UsageError."""
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
        raise UsageError(f"{protocol}:// needs a package that is not installed: {error}",
                         hint="pip install 'gpudepth[s3]', or what fsspec names for that protocol") from None
    except ValueError as error:
        raise UsageError(f"{protocol}:// is no store: {error}") from None
    if protocol in ("s3", "s3a"):
        system.retries = 1      # botocore repeats what is worth it
    return system


def check_url(url: str) -> None:
    """Raise UsageError for credentials in a URL."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise UsageError("a job names no credentials", hint="they are taken from the environment")


def facts(url: str) -> Facts:
    """Of an object. Raises MissingInputError when it is not there."""
    with _told(url):
        return _facts(store(url).info(url))


_KNOWN: dict[str, Facts | None] = {}


def known_facts(url: str) -> Facts | None:
    """The same, of `look_at` when that has looked; None: it is not there."""
    if url not in _KNOWN:
        try:
            return facts(url)
        except MissingInputError:
            return None
    return _KNOWN[url]


@contextlib.contextmanager
def look_at(urls: Iterable[str]) -> Iterator[None]:
    """Ask for the facts of many objects, many at once; they are known while the block runs."""
    try:
        source = iter(urls)
        while some := list(itertools.islice(source, PAGE)):
            for url, found in zip(some, _at_once(some, "_info", "info"), strict=True):
                if isinstance(found, FileNotFoundError):
                    _KNOWN[url] = None
                    continue
                with _told(url):
                    _KNOWN[url] = _facts(_sound(found))
        yield
    finally:
        _KNOWN.clear()


def read_all(objects: Sequence[RemoteFile]) -> Iterator[bytes]:
    """The bytes of many objects, in their order, many at once."""
    start = 0
    while start < len(objects):
        end, size = start + 1, objects[start].size
        while end < min(len(objects), start + AT_ONCE) and size + objects[end].size <= MOST_READ:
            size, end = size + objects[end].size, end + 1
        some, start = [one.url for one in objects[start:end]], end
        for url, found in zip(some, _at_once(some, "_cat_file", "cat_file"), strict=True):
            with _told(url):
                data: bytes = _sound(found)
            yield data


def put_bytes(url: str, data: bytes) -> None:
    """Write an object. Raises OutputError, AccessError."""
    with _told(url, writing=True):
        store(url).pipe_file(url, data)


def listed(folder: str) -> Iterator[RemoteFile]:
    """All objects below a folder, as the store lists them, a page in memory at a time."""
    protocol, rest = folder.split("://", 1)
    with _told(folder):
        system = store(folder)
        bucket, _, prefix = rest.rstrip("/").partition("/")
        if not hasattr(system, "_iterdir"):     # s3fs has it; else all at once
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
    """A method's result, or error, for each URL."""
    with _told(urls[0]):
        system = store(urls[0])
        if not getattr(system, "async_impl", False):
            return [_tried(getattr(system, plain), url) for url in urls]
        from fsspec.asyn import _run_coros_in_chunks, sync

        async def ask() -> list[Any]:
            found: list[Any] = await _run_coros_in_chunks([getattr(system, name)(url) for url in urls],
                                                          batch_size=AT_ONCE, return_exceptions=True)
            return found

        asked: list[Any] = sync(system.loop, ask)
        return asked


def _tried(function: Any, url: str) -> Any:
    try:
        return function(url)
    except Exception as error:
        return error


def _sound(found: Any) -> Any:
    if isinstance(found, BaseException):
        raise found
    return found


def _facts(entry: dict[str, Any]) -> Facts:
    """S3 says ETag, others etag; what says neither, when it was changed, as a date or as seconds."""
    for name in ("ETag", "etag", "mtime", "LastModified", "last_modified", "created"):
        value = entry.get(name)
        if value:
            seconds = value.timestamp() if isinstance(value, datetime) else value
            said = f"{seconds:.6f}" if isinstance(seconds, int | float) else str(value).strip('"')
            return int(entry["size"]), said
    return int(entry["size"]), ""


@contextlib.contextmanager
def _told(url: str, *, writing: bool = False) -> Iterator[None]:
    """Errors of a store as ours: what it refuses is usage, what fails is I/O. No text of theirs, but the kind."""
    try:
        yield
    except GpudepthError:
        raise
    except Exception as error:
        kind = _kind(error)
        if kind in _CREDENTIALS:
            raise AccessError(f"the store takes no such credentials: {kind}", where=url, hint=_WHENCE) from None
        if kind == "NoSuchBucket" or (writing and isinstance(error, FileNotFoundError)):
            raise AccessError("there is no such bucket", where=url) from None
        if isinstance(error, FileNotFoundError):
            raise MissingInputError("no such object", where=url) from None
        if isinstance(error, PermissionError):
            if writing:
                raise AccessError(f"the store refuses to write: {kind}", where=url, hint=_WHENCE) from None
            raise MissingInputError(f"the store refuses to give it: {kind}", where=url, hint=_WHENCE) from None
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError("the scratch folder is full", where=url, hint="TMPDIR names another one") from None
        raise OutputError(f"the store fails: {kind}", where=url,
                          hint="run it again: what is done is not done again") from None


_WHENCE = "credentials, profile and address are taken from the environment, as AWS's own tools do"


def _kind(error: BaseException | None) -> str:
    """The code that the store gave, or the name of the error."""
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
