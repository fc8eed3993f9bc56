"""`run:` and `limits:` of a job: how it is done, and what a file may ask for. Neither decides the bytes of outputs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ..compute.cores import available_cores
from ..limits import Limits
from .encoding_records import Config

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def _bytes(value: Any) -> Any:
    match = re.fullmatch(r"\s*([0-9.]+)\s*([KMG]i?B|B|)\s*", value) if isinstance(value, str) else None
    return int(float(match.group(1)) * _SIZES[match.group(2)]) if match else value


ByteSize = Annotated[int, BeforeValidator(_bytes), Field(ge=0)]


class RunConfig(Config):
    """workers: processes, each with one item in flight; auto: one a core. memory: of decoded pictures and maps that all
    workers hold together, by what headers declare; 0: any. deterministic: the same input gives the same bytes; false
    lets an encoder be used for more than one frame of a clip, a little faster. on_existing: what to do about outputs
    that the ledger does not know. ledger: relative to the job file. ledger_rows: of a part, where outputs and ledger
    are in an object store: a killed run redoes no more. progress_seconds: between lines of progress where there is no
    terminal. heartbeat: a file, relative to the job file, that is replaced every few seconds while the run is alive,
    and says how far it is."""

    backend: Literal["auto", "numpy", "cupy"] = "auto"
    workers: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    memory: ByteSize = 2 << 30
    deterministic: bool = True
    on_existing: Literal["resume", "overwrite", "error"] = "resume"
    on_error: Literal["continue", "stop"] = "continue"
    ledger: str | None = None
    ledger_rows: int = Field(500, ge=1)
    progress_seconds: float = Field(10.0, gt=0)
    heartbeat: str | None = None

    def processes(self, auto: int | None = None) -> int:
        """How many workers; auto: what that word means, all cores without."""
        return self.workers if self.workers != "auto" else auto or available_cores()


class LimitsConfig(Config):
    """0 switches a limit off."""

    max_pixels: int = Field(Limits.max_pixels, ge=0)
    max_decoded_bytes: ByteSize = Limits.max_decoded_bytes
    max_file: ByteSize = Limits.max_file
    max_items: int = Field(Limits.max_items, ge=0)
    max_children: int = Field(Limits.max_children, ge=0)
    max_extents: int = Field(Limits.max_extents, ge=0)
    max_references: int = Field(Limits.max_references, ge=0)
    max_parameter_sets: int = Field(Limits.max_parameter_sets, ge=0)
    max_nal_units: int = Field(Limits.max_nal_units, ge=0)
    max_coded: int = Field(Limits.max_coded, ge=0)
    max_segments: int = Field(Limits.max_segments, ge=0)
    max_metadata: ByteSize = Limits.max_metadata
    max_images: int = Field(Limits.max_images, ge=0)
    max_ifds: int = Field(Limits.max_ifds, ge=0)
    max_entries: int = Field(Limits.max_entries, ge=0)
    max_values: int = Field(Limits.max_values, ge=0)
    max_xmp: ByteSize = Limits.max_xmp
    max_xmp_nesting: int = Field(Limits.max_xmp_nesting, ge=0)
    max_xmp_items: int = Field(Limits.max_xmp_items, ge=0)
    max_xmp_elements: int = Field(Limits.max_xmp_elements, ge=0)
    max_xmp_attributes: int = Field(Limits.max_xmp_attributes, ge=0)
    max_list: ByteSize = Limits.max_list
    max_samples: int = Field(Limits.max_samples, ge=0)
    max_movie: ByteSize = Limits.max_movie
    max_moov: ByteSize = Limits.max_moov
    max_archive: ByteSize = Limits.max_archive
    max_members: int = Field(Limits.max_members, ge=0)
    max_ratio: int = Field(Limits.max_ratio, ge=0)
    seconds_per_item: float = Field(120.0, ge=0)

    def limits(self) -> Limits:
        return Limits(**self.model_dump(exclude={"seconds_per_item"}))
