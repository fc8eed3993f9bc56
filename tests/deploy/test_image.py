"""The image: linted here, built and run by deploy/test_image.sh."""

from __future__ import annotations

import json
import re
import subprocess

from deploy_kit import DEPLOY, lint, manifest

ROOT = DEPLOY.parent


def instructions() -> list[tuple[str, str]]:
    """Each instruction and what follows it, of all stages."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", (ROOT / "Dockerfile.cuda").read_text(), flags=re.M))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines() if line]


def test_hadolint() -> None:
    assert lint("hadolint", "--failure-threshold=style", str(ROOT / "Dockerfile.cuda")) == ""


def test_shellcheck() -> None:
    assert lint("shellcheck", str(DEPLOY / "test_image.sh")) == ""
    assert subprocess.run(["bash", "-n", str(DEPLOY / "test_image.sh")], check=False).returncode == 0


def test_what_a_cluster_counts_on() -> None:
    found = instructions()
    assert found[0][0] == "ARG" and found[0][1].startswith("BASE_IMAGE=")
    assert [what for name, what in found if name == "FROM"] == ["${BASE_IMAGE} AS build", "${BASE_IMAGE}"]
    last = dict(found[max(i for i, (name, _) in enumerate(found) if name == "FROM"):])
    assert json.loads(last["ENTRYPOINT"]) == ["gpudepth"]
    user = manifest("kubernetes/job.yaml")["spec"]["template"]["spec"]["securityContext"]
    assert last["USER"] == f"{user['runAsUser']}:{user['runAsGroup']}"
    environment = dict(one.split("=", 1) for one in last["ENV"].split())
    assert environment["NVIDIA_DRIVER_CAPABILITIES"] == "compute,video,utility"
    for name in ("CUPY_CACHE_DIR", "GPUDEPTH_CACHE", "HOME"):
        assert environment[name].startswith("/tmp")        # all that a read-only root leaves to write to


def test_what_is_sent_to_the_build_is_what_packaging_needs() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {"gpudepth", "kernels", "configs", "README.md", "LICENSE", "pyproject.toml"}
    project = (ROOT / "pyproject.toml").read_text()
    assert all((ROOT / name).exists() for name in kept)
    assert all(f'"{name}"' in project for name in kept - {"pyproject.toml"})
