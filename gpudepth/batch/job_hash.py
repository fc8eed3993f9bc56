"""Hashes the part of a job that determines the bytes of an output; a changed job processes its items again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..settings.settings import Settings

if TYPE_CHECKING:       # workers read ledgers, but no jobs
    from ..settings.job import Job

_SOURCE = {"key", "orientation", "rows", "clip", "color_transform"}
_NOT_OUTPUT = {"path", "replace_depth", "donor"}
_FIXED = {"output.photo_quality": "output.quality"}
"""Names of renamed keys in hashes, so that renaming a key repeats nothing."""
_CLIP = {"frames", "stride", "match", "tolerance", "offset", "fps", "color_stream", "depth_stream", "color_crop",
         "depth_crop", "coding", "range", "qp"}
_VERSION_1 = {
    "refine": {"fit", "confidence", "align", "clamp", "smooth", "resize", "fill"},
    "map": {"pixel_format", "bits", "crf", "jpeg_quality", "compression", "accuracy", "quality", "filtered",
            "calibration"},
    "source": _SOURCE,
    "output": {"tars", "container", "profile", "also", "trailer", "orientation", "turn", "transcode", "photo_quality"},
}
"""The keys that version 0.1 hashed, defaults included."""


@dataclass(frozen=True)
class JobHash:
    """The hash of a job.

    Attributes:
        value: The hash in new rows of the ledger.
        version_1: The hash of version 0.1 for the same job; empty if the job uses newer keys.
    """

    value: str
    version_1: str = ""

    def covers(self, job: str) -> bool:
        """Return whether a row with this hash was made by the same settings."""
        return job != "" and job in (self.value, self.version_1)


def job_hash(job: Job, settings: Settings | None = None) -> JobHash:
    """Return the hash of all settings that determine the bytes of an output; `run` and `limits` do not.

    Args:
        job: The job.
        settings: Its settings, with the content of files that it names: a donor and a network.
    """
    named = {_FIXED.get(name, name): value for name, value in _leaves(_decisive(job, exclude_defaults=True), "")
             if name != "output.container"}
    from_files: dict[str, Any] = {"donor": asdict(settings.donor) if settings and settings.donor else None}
    if settings is not None and settings.network is not None:
        from_files["network"] = settings.network.digest()
    old = _version_1(job)
    return JobHash(_hash({**named, **{k: v for k, v in from_files.items() if v is not None}}),
                   "" if old is None else _hash({**old, **from_files}))


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _decisive(job: Job, **how: Any) -> dict[str, Any]:
    content = job.model_dump(mode="json", include={"encoding", "refine", "map"}, **how)
    content["source"] = job.source.model_dump(mode="json", include=_SOURCE, **how)
    content["output"] = job.output.model_dump(mode="json", exclude=_NOT_OUTPUT, **how)
    return content


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield dotted names and values of nested sections."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _version_1(job: Job) -> dict[str, Any] | None:
    """Return what version 0.1 hashed, or None for a job that it could not run."""
    content, named = _decisive(job), _decisive(job, exclude_defaults=True)
    for section, keys in _VERSION_1.items():
        if set(named.get(section, {})) - keys:
            return None
        content[section] = {key: value for key, value in content[section].items() if key in keys}
    if content["source"]["clip"] is not None:
        if set(named["source"]["clip"]) - _CLIP:
            return None
        clip = content["source"]["clip"] = {k: v for k, v in content["source"]["clip"].items() if k in _CLIP}
        if clip["range"] == "auto":
            clip["range"] = "clip"      # its default; the frames that it wrote share a range as well
    content["output"]["quality"] = content["output"].pop("photo_quality")
    return content
