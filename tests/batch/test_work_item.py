"""One photo of a run, and files that are written to while it is done."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from photo_kit import gray, plain

from gpudepth.attachment.output import Written, atomic
from gpudepth.batch import ledger
from gpudepth.batch import work_item as module
from gpudepth.batch.job_hash import JobHash
from gpudepth.batch.work_item import ItemContext, PhotoItem, Task
from gpudepth.depth.encoding import Gray
from gpudepth.errors import FileError
from gpudepth.settings.settings import Settings

RECIPE = Settings(encoding=Gray(0.5, 12.0))


@pytest.fixture
def item(tmp_path: Path) -> PhotoItem:
    return PhotoItem("a.jpg", plain(tmp_path / "a.jpg", 64, 48), gray(tmp_path / "a.png", 32, 24), tmp_path / "out/a.jpg", "a.jpg")


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Something happens when the output is made, before the ledger's row is."""
    run_item = module.run_item

    def run(*args: Any, **options: Any) -> Any:
        out = run_item(*args, **options)
        happens()
        return out

    monkeypatch.setattr(module, "run_item", run)


@pytest.mark.parametrize("which", ["photo", "depth"])
@pytest.mark.parametrize("what", ["written", "replaced", "removed"])
def test_what_is_written_to_while_it_is_read_is_not_done(item: PhotoItem, which: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the ledger would say that the output is made of the new file."""
    path: Path = getattr(item, which)

    def happens() -> None:
        if what == "removed":
            path.unlink()
        elif what == "written":
            with path.open("ab") as file:
                file.write(b"more")
        else:
            new = path.with_suffix(".new")
            new.write_bytes(bytes(path.stat().st_size))
            os.utime(new, ns=(0, 10**18))
            new.replace(path)

    meanwhile(monkeypatch, happens)
    with pytest.raises(FileError, match="changed while it was being read") as caught:
        item.run(Task(item, RECIPE, "numpy", "job"), ItemContext())
    assert caught.value.where == str(path)


def test_what_is_read_alone_is_done(item: PhotoItem, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, lambda: None)
    row = item.run(Task(item, RECIPE, "numpy", "job"), ItemContext())
    assert row.done(JobHash("job"), item.inputs, item.output) and item.is_complete(row)


@pytest.mark.parametrize("name", ["a.jpg", "a.npy", "a.pfm", "a.hdis"])
def test_the_output_is_hashed_while_it_is_written(item: PhotoItem, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read again. The row has the size and the hash of the file."""
    assert isinstance(item.output, Path)
    item, hashed, original = replace(item, output=item.output.with_name(name)), [], ledger.sha256
    monkeypatch.setattr(ledger, "sha256", lambda path: (hashed.append(path), original(path))[1])
    row = item.run(Task(item, RECIPE, "numpy", "job"), ItemContext())
    assert isinstance(item.output, Path)
    content = item.output.read_bytes()
    assert (row.output_size, row.output_sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert hashed == [item.photo, item.depth]


def test_a_file_that_is_written_again_is_hashed_from_its_start(tmp_path: Path) -> None:
    written = Written()
    with pytest.raises(RuntimeError), atomic(tmp_path / "a", written=written) as file:
        file.write(b"a part")
        raise RuntimeError
    with atomic(tmp_path / "a", written=written) as file:
        file.write(b"all of it")
    assert (written.size, written.sha256) == (9, hashlib.sha256(b"all of it").hexdigest())
