"""Names of version 0.1 that still work, with a DeprecationWarning; and keywords that nobody knows."""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.util
import inspect
import types
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def renamed_keywords(unknown: Callable[[str, list[str]], Exception],
                     **new: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function take keywords by their old names, and say of unknown ones which name is near.

    Args:
        unknown: Makes the error for a keyword that the function does not have.
        new: The new name of each old one.
    """
    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        known = list(inspect.signature(function).parameters)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            named: dict[str, Any] = {}
            for name, value in kwargs.items():
                if name in new:
                    warnings.warn(f"{name}= is now {new[name]}=", DeprecationWarning, stacklevel=2)
                elif name not in known:
                    raise unknown(name, known)
                named[new.get(name, name)] = value
            return function(*args, **named)
        return call
    return decorate


def renamed_attribute(old: str, new: str) -> Any:
    """Return a property that reads an attribute or method by its old name, with a DeprecationWarning."""
    def read(self: object) -> Any:
        warnings.warn(f"{type(self).__name__}.{old} is now {new}", DeprecationWarning, stacklevel=2)
        return getattr(self, new)
    return property(read)


MODULES = dict(line.split() for line in """
    formats.window formats.bytesource
    formats.inputs formats.bytesource
    formats.hevc.intra formats.hevc.codec
    containers.heif.photo containers.heif.photo_encoder
    containers.quicktime video.quicktime
    containers.mp4at video.mp4at
    containers.matroska video.matroska
    containers.lerobot video.lerobot
    sources.arrays maps.arrays
    sources.exr maps.exr
    sources.hdf5 maps.hdf5
    sources.pictures maps.pictures
    sources.colouring maps.pictures
    sources.calib maps.recognise
    sources.scene_linear maps.scene_linear
    sources.presets maps.presets
    sources.recognise maps.recognise
    sources.stacks maps.stacks
    sources.tensors maps.tensors
    sources.raw maps.raw
    sources.pfm maps.netpbm
    sources.pgm maps.netpbm
    sources.rows maps.raw
    sources.maps maps.reader
    sources.record3d maps.record3d
    sources.network maps.network
    sources.letterbox maps.network
    sources.video_codes maps.video_codes
    sources.colmap_camera datasets.colmap
    sources.colmap_model datasets.colmap
    sources.video video.reader
    sources.matching video.matching
    sources.clips pairing.clips
    sources.archived pairing.archive
    sources.catalogue pairing.catalogue
    sources.embedded pairing.captures
    sources.found pairing.files
    sources.indices pairing.by_index
    sources.listed pairing.manifest
    sources.pair_lists pairing.csv
    sources.pair_table pairing.pair_table
    sources.pairing pairing.by_name
    sources.pairs pairing.pairs
    sources.previews pairing.pairs
    sources.shards pairing.archive
    sources.stores pairing.stores
    sources.templates pairing.templates
    sources.timestamps pairing.by_time
    sources.transforms pairing.manifest
    sources.urls pairing.stores
    pipeline.recipe settings.settings
    pipeline.job settings.job
    pipeline.encoding_records settings.sections
    pipeline.network_record settings.sections
    pipeline.refine_record settings.sections
    pipeline.run_record settings.sections
    pipeline.source_record settings.source
    pipeline.strict_yaml settings.strict_yaml
    pipeline.tar_names pairing.templates
    pipeline.aspect depth.aspect
    pipeline.stopwatch timing
    pipeline.beside attachment.side_inputs
    pipeline.guide attachment.photo
    pipeline.intake attachment.decode
    pipeline.shape attachment.prepare
    pipeline.road attachment.pipeline
    pipeline.refine attachment.prepare
    pipeline.precision attachment.precision
    pipeline.convert attachment.convert
    pipeline.export attachment.export
    pipeline.estimate attachment.estimate
    pipeline.output attachment.output
    pipeline.report attachment.inspection
    pipeline.clips attachment.clips
    pipeline.clips.record settings.clip
    pipeline.clips.frames video.frames
    pipeline.clips.ordered video.ordered
    pipeline.clips.item batch.work_item
    pipeline.clips.plan batch.clip_plan
    pipeline.foresight batch.preflight
    pipeline.item batch.work_item
    pipeline.task batch.work_item
    pipeline.stored batch.work_item
    pipeline.ledger batch.ledger
    pipeline.part_ledger batch.part_ledger
    pipeline.memory batch.memory
    pipeline.merge batch.merge
    pipeline.plan batch.plan
    pipeline.plan_file batch.plan_file
    pipeline.plan_lines batch.plan_lines
    pipeline.progress batch.progress
    pipeline.runner batch.runner
    pipeline.sample batch.sample
    pipeline.sharded batch.sharded
    pipeline.shards batch.shards
    pipeline.tars batch.tars
    pipeline.views batch.plan
    pipeline.workers batch.workers
    pipeline.engines batch.engines
    pipeline.engines.local batch.engines
    pipeline.datasets datasets
    pipeline.scaffold scaffold
""".strip().splitlines())
"""Modules of version 0.1, and where their content is now."""

NAMES = {"Recipe": "Settings", "RawRows": "RawLayout", "Held": "VirtualFile", "Beside": "SideInputs",
         "ClipOptions": "ClipSettings"}
"""Classes of version 0.1, and what they are called now."""

_MOVED = {"Resize": "settings.values", "Smooth": "settings.values", "Confidence": "settings.values",
          "job_hash": "batch.job_hash"}


def _new_name(old: str) -> str | None:
    """Return where a module of version 0.1 is now, also in a package that moved as a whole; None if it is unknown."""
    if old in MODULES:
        return MODULES[old]
    parent, _, leaf = old.rpartition(".")
    moved = MODULES.get(parent)
    if moved is None or importlib.util.find_spec(f"gpudepth.{moved}.{leaf}") is None:
        return None
    return f"{moved}.{leaf}"


class _Loader:
    """Loads a module of version 0.1 as a view of the new one."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Return the view."""
        module = types.ModuleType(spec.name)
        new = _new_name(spec.name.removeprefix("gpudepth."))
        if new is not None:
            warnings.warn(f"{spec.name} is now gpudepth.{new}", DeprecationWarning, stacklevel=2)

            def find(name: str) -> Any:
                if name.startswith("__"):       # __path__ would let submodules be loaded a second time
                    raise AttributeError(name)
                home = importlib.import_module("gpudepth." + _MOVED.get(name, new))
                return getattr(home, NAMES.get(name, name))

            module.__getattr__ = find  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: attributes are looked up when they are used."""


def find_spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """Return the spec of a module that only version 0.1 had."""
    old = name.removeprefix("gpudepth.")
    new = _new_name(old)
    package = any(known.startswith(old + ".") for known in MODULES) or (
        new is not None and hasattr(importlib.import_module(f"gpudepth.{new}"), "__path__"))
    if new is None and not package:
        return None
    return importlib.machinery.ModuleSpec(name, _Loader(), is_package=package)      # type: ignore[arg-type]
