from __future__ import annotations

from pathlib import Path

from gpudepth.pairing.stores import display_path, is_url, located


def test_urls() -> None:
    assert all(is_url(text) for text in ("s3://b/x", "gs://b", "abfs://c@a/x", "s3+x://b"))
    assert not any(is_url(text) for text in ("s3:/b", "/a://b", "C:/x", "x", "s3:///b", "://x"))
    for text in ("s3://b/x y/z.jpg", "s3://b", "a/b.jpg", "/a/b", "../a"):
        assert display_path(Path(text)) == text
    assert located(Path("jobs"), "s3://b/x") == Path("s3://b/x")
    assert located(Path("jobs"), "x") == Path("jobs/x")
