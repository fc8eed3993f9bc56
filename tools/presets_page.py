"""Makes docs/presets.md from the presets."""

from __future__ import annotations

from gpudepth.maps.presets import PRESETS

HEAD = """# Presets

<!-- made by `make pages` from gpudepth/maps/presets.py; do not edit -->

What data sets, sensors and depth models write, for `--preset NAME` and `encoding: {preset: NAME}` in jobs; `gpudepth
presets` prints this table. Parameters in bold are required. Relative models leave scale and shift open: give near and
far in metres, or samples to align to; nothing is guessed. `auto` selects a preset only if a file's content, name and
neighbours determine it.

"""

BLENDER = """
## Blender

```sh
gpudepth attach r.exr r.exr --preset blender-exr --scale 1 --color-transform srgb --clamp 0.1,100 -o r.heic
```

`--scale` is the length of a scene unit in metres. The background is 1e10 units away, which is infinitely far in
disparity; `--clamp` moves it to the end of the scene, which saves codes. Whether Z is along the axis or along the ray
depends on the engine and its version. Check a wall that faces the camera: if its corners are farther than its middle, Z
is along the ray, and `--focal-px` converts it to depth along the axis. Its value is focal length / sensor width · width
of the picture.
"""


def page() -> str:
    """Return the page."""
    return HEAD + table() + BLENDER


def table() -> str:
    """Return all presets as a Markdown table."""
    lines = ["| preset | for | files | parameters | accuracy | source | note |", "|---|---|---|---|---|---|---|"]
    for p in PRESETS:
        takes = ", ".join([*(f"**{n}**" for n in p.needs), *p.takes])
        lines.append(f"| `{p.name}` | {p.about} | {p.files} | {takes} | {p.accuracy} | {p.cited} | {p.note} |")
    return "\n".join(lines) + "\n"
