"""Settings of one item out of keywords: the same for the command line and for Python functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..containers import registry
from ..depth.encoding import Depth, Encoding, parse_scale
from ..errors import UsageError
from ..maps.network import Network
from .declare import specs, unknown
from .options import EncodingOptions, MapOptions, names
from .settings import Settings


def item_settings(values: Mapping[str, Any], *, encoding: Encoding | None = None, network: Network | None = None,
                  floats: bool = False) -> Settings:
    """Return the settings that keywords name.

    Args:
        values: Keywords of `options.names`, with values as Python, the command line or a job writes them.
        encoding: Any other rule for the values of the map.
        network: Estimates the map from the photo.
        floats: The map is an array of floats, which are metres unless something else is named.

    Raises:
        UsageError: For a keyword that nobody knows, a value that it cannot have, or two that contradict each other.
    """
    known = names()
    for name in values:
        if name not in known:
            raise unknown(name, known)
    meaning = EncodingOptions(**_of(EncodingOptions, values))
    options = MapOptions(**_of(MapOptions, values))
    if encoding is not None and (meaning.preset is not None or meaning.encoding() is not None):
        raise UsageError("‹encoding› says what the values mean already", hint="leave out ‹near›, ‹preset› and the like")
    encoding = encoding or meaning.encoding()
    aligned = options.align_to is not None
    if floats and encoding is None and meaning.preset is None and not aligned:
        encoding = Depth()
    resize = options.resize
    if resize is not None and options.resize_method is not None:
        resize = replace(resize, method=options.resize_method)
    donor = options.donor
    settings = Settings(
        **_of(Settings, values), encoding=encoding, resize=resize, rows=options.layout(), confidence=options.trust(),
        align=(options.align_in or "disparity") if aligned else None, network=network, donor_white=meaning.white,
        metric_encoding=Depth(parse_scale(options.align_scale)) if options.align_scale else None,
        donor=registry.donor(donor) if isinstance(donor, str | Path) else donor)
    if meaning.preset is None:
        return settings
    return settings.with_preset(meaning.preset, align=options.align_in, **meaning.parameters())


def _of(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a class declares, without those that nobody named."""
    declared = specs(cls)
    return {name: value for name, value in values.items() if name in declared and value is not None}
