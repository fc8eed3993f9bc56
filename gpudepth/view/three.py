"""three.js, for pages that open from a file and without a network.

Two files of the npm package `three`, version 0.140.2, lie unchanged in `static/`, with its license (MIT): the last
minor version of 2022 that still comes as one script which defines THREE, with controls to match.
"""

from __future__ import annotations

from importlib import resources

FILES = ("three-0.140.2.min.js", "three-0.140.2.TrackballControls.js")


def script() -> str:
    """Return three.js with TrackballControls: a script that defines THREE."""
    folder = resources.files(__package__).joinpath("static")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in FILES)
