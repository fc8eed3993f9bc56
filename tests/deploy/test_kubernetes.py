"""The Kubernetes Job, against the schemas of its API."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from deploy_kit import manifest, options_of

from gpudepth import errors

kubernetes_validate = pytest.importorskip("kubernetes_validate")


@pytest.fixture(params=["job", "store"])
def job(request: pytest.FixtureRequest) -> dict[str, Any]:
    return manifest(f"kubernetes/{request.param}.yaml")


@pytest.mark.parametrize("version", ["1.33", "1.34"])
def test_it_is_a_job(job: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(job, version, strict=True)


@pytest.mark.parametrize("path", [("spec", "backoffLimitPerIndx"), ("spec", "template", "spec", "restartPolicies")])
def test_a_misspelt_field_is_none(job: dict[str, Any], path: tuple[str, ...]) -> None:
    broken: Any = copy.deepcopy(job)
    at = broken
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.34", strict=True)


def test_every_index_is_a_shard(job: dict[str, Any]) -> None:
    spec = job["spec"]
    [container] = spec["template"]["spec"]["containers"]
    options = options_of([a.replace("$(JOB_COMPLETION_INDEX)", "3") for a in container["args"]])
    assert spec["completionMode"] == "Indexed"
    assert options["shard"] == f"3/{spec['completions']}"
    assert options["exit_zero"]
    assert f"run.workers={container['resources']['requests']['cpu']}" in options["settings"]


def test_exit_codes_are_told_apart(job: dict[str, Any]) -> None:
    """What is wrong with the job ends an index; what another try may mend does not."""
    [fail, ignore] = job["spec"]["podFailurePolicy"]["rules"]
    ends = set(fail["onExitCodes"]["values"])
    assert fail["action"] == "FailIndex"
    assert {e.exit_code for e in (errors.UsageError, errors.JobError, errors.MissingInputError)} == ends
    assert ends.isdisjoint({e.exit_code for e in (errors.OutputError, errors.LockedError)} | {137, 143})
    assert fail["onExitCodes"]["containerName"] == job["spec"]["template"]["spec"]["containers"][0]["name"]
    assert ignore == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def test_it_may_do_little(job: dict[str, Any]) -> None:
    pod = job["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                            "capabilities": {"drop": ["ALL"]}}
    assert pod["automountServiceAccountToken"] is False
    volumes = {v["name"] for v in pod["volumes"]}
    assert {m["name"] for m in container["volumeMounts"]} == volumes


def test_with_a_store_all_shards_read_one_plan() -> None:
    job = manifest("kubernetes/store.yaml")
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert options_of([a.replace("$(JOB_COMPLETION_INDEX)", "3") for a in container["args"]])["plan"] == "s3://bucket/plan.jsonl"
    assert job["spec"]["podReplacementPolicy"] == "Failed"
    assert not any("persistentVolumeClaim" in volume for volume in job["spec"]["template"]["spec"]["volumes"])
