"""The RayJob, against KubeRay's own definition where that is at hand."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_kit import manifest, options_of

jsonschema = pytest.importorskip("jsonschema")


def closed(schema: Any) -> Any:
    """The schema with nothing allowed that it does not name, as the API server prunes it."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: closed(value) for key, value in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
        out.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string") is True:
        out.pop("type", None)
    return out


@pytest.fixture
def check() -> Any:
    samples = os.environ.get("GPUDEPTH_SAMPLES")
    path = Path(samples or ".").parent / "schemas" / "ray.io_rayjobs.yaml"
    if not samples or not path.is_file():
        pytest.skip("needs KubeRay's ray.io_rayjobs.yaml beside GPUDEPTH_SAMPLES")
    definition = yaml.load(path.read_text(), yaml.CSafeLoader)
    [version] = [v for v in definition["spec"]["versions"] if v["name"] == "v1"]
    schema = closed(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return jsonschema.Draft202012Validator(schema)


def test_it_is_a_rayjob(check: Any) -> None:
    job = manifest("kuberay/rayjob.yaml")
    assert [e.message for e in check.iter_errors(job)] == []
    broken = copy.deepcopy(job)
    broken["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replica"] = 4
    broken["spec"]["shutdownAfterJobFinishes"] = "yes"
    assert len(list(check.iter_errors(broken))) == 2


def test_what_it_runs() -> None:
    spec = manifest("kuberay/rayjob.yaml")["spec"]
    options = options_of(spec["entrypoint"])
    assert (options["engine"], options["shards"], options["exit_zero"]) == ("ray", 16, True)
    [workers] = spec["rayClusterSpec"]["workerGroupSpecs"]
    assert workers["replicas"] * int(workers["rayStartParams"]["num-cpus"]) == options["shards"]
    assert spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_head_and_workers_see_the_same_folders() -> None:
    cluster = manifest("kuberay/rayjob.yaml")["spec"]["rayClusterSpec"]
    pods = [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    for pod in pods:
        assert pod["volumes"] == pods[0]["volumes"]
        assert pod["containers"][0]["volumeMounts"] == pods[0]["containers"][0]["volumeMounts"]
        assert pod["containers"][0]["image"] == pods[0]["containers"][0]["image"]
        assert pod["securityContext"]["runAsNonRoot"]
