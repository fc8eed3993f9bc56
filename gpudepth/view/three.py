"""three.js, for pages that have to work from a file and without a network: out of the viewer that trimesh brings."""

from __future__ import annotations

import zipfile
from importlib import resources

from ..errors import UsageError

ARCHIVE, MEMBER = "templates/viewer.zip", "viewer.html.template"
_FIRST, _LAST = "<script>", "var camera,controls,scene,renderer"


def script() -> str:
    """three.js with TrackballControls: a script that defines THREE. Raises UsageError."""
    try:
        archive = resources.files("trimesh").joinpath("resources", *ARCHIVE.split("/"))
        with archive.open("rb") as file, zipfile.ZipFile(file) as members:
            page = members.read(MEMBER).decode()
    except (ModuleNotFoundError, FileNotFoundError, KeyError) as error:
        raise UsageError(f"the 3D viewer needs trimesh: {error}", hint="pip install trimesh") from None
    start, end = page.find(_FIRST), page.find(_LAST)
    code = page[start + len(_FIRST) : end]
    if not 0 <= start < end or "THREE.TrackballControls" not in code or "</script" in code:
        raise UsageError("this version of trimesh brings another viewer than we know",
                                  hint="pip install 'trimesh<6'")
    return code
