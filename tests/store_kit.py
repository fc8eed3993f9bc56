"""An S3 server on loopback (moto), in a process of its own, that tells every request it gets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from photo_kit import gray, plain

SECRET = "wJalrXUtnFEMI/not-a-key"
JOB = """
source:   {color: "s3://bucket/photos/*.jpg", depth: "s3://bucket/depth/{stem}.png"}
encoding: {near: 0.5, far: 12}
output:   {path: "s3://bucket/out/{stem}.jpg"}
run:      {workers: 2, backend: numpy, ledger_rows: 3}
"""


class Server:
    """The server, and its bucket as a client of its own sees it."""

    def __init__(self, address: str, log: Path, process: subprocess.Popen[bytes]) -> None:
        import boto3

        self.address, self.log, self.process = address, log, process
        self.client: Any = boto3.client("s3", endpoint_url=address, region_name="us-east-1",
                                        aws_access_key_id="testing", aws_secret_access_key=SECRET)
        self.mark = 0

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket="bucket", Key=key, Body=data)

    def objects(self, prefix: str = "out/") -> dict[str, bytes]:
        """All but ledgers."""
        found = {}
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix=prefix):
            for entry in page.get("Contents", []):
                if "gpudepth-ledger/" not in entry["Key"]:
                    found[entry["Key"].removeprefix(prefix)] = self.client.get_object(Bucket="bucket", Key=entry["Key"])["Body"].read()
        return found

    def parts(self) -> list[str]:
        page = self.client.list_objects_v2(Bucket="bucket", Prefix="out/gpudepth-ledger/")
        return [entry["Key"].rpartition("/")[2] for entry in page.get("Contents", [])]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def requests(self, method: str = "") -> list[str]:
        """What was asked since the last call: `PUT /bucket/out/a.jpg`."""
        lines = self.log.read_text().splitlines()
        new, self.mark = lines[self.mark:], len(lines)
        asked = [line.split('"')[1].rpartition(" ")[0] for line in new if '"' in line]
        return [one for one in asked if one.startswith(method)]


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "requests.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Server(f"http://127.0.0.1:{port}", log, process)
    finally:
        process.kill()
        process.wait()


def environment(address: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_MAX_ATTEMPTS": "2"}


def fill(server: Server, folder: Path, count: int, width: int = 64, height: int = 48) -> Path:
    """Photos and maps in a bucket that is new, and a job."""
    wipe(server)
    for n in range(count):
        server.put(f"photos/p{n:02}.jpg", plain(folder / "seed.jpg", width + 8 * (n % 3), height + 6 * (n % 3)).read_bytes())
        server.put(f"depth/p{n:02}.png", gray(folder / "seed.png", 32, 24, 255 - n).read_bytes())
    job = folder / "job.yaml"
    job.write_text(JOB)
    return job


def wipe(server: Server) -> None:
    known = [bucket["Name"] for bucket in server.client.list_buckets()["Buckets"]]
    if "bucket" in known:
        for page in server.client.get_paginator("list_objects_v2").paginate(Bucket="bucket"):
            for entry in page.get("Contents", []):
                server.client.delete_object(Bucket="bucket", Key=entry["Key"])
    else:
        server.client.create_bucket(Bucket="bucket")
