"""Attach depth to the photos of a Hugging Face data set, and read it back as a column in metres.

    python examples/datasets_map.py photos/ depth/ out/       # out/IMG_1.jpg of photos/IMG_1.jpg and depth/IMG_1.png
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from datasets import Dataset, Image

import gpudepth


def attached(row: dict[str, Any], out: str) -> dict[str, str]:
    """Write a copy of the photo, which is not re-encoded, and attach the map (16-bit gray)."""
    photo = row["image"]
    target = Path(out) / Path(photo["path"]).name
    target.write_bytes(photo["bytes"] or Path(photo["path"]).read_bytes())
    gpudepth.attach(target, row["depth"], in_place=True, near=0.5, far=12)
    return {"photo": str(target)}


def metres(row: dict[str, Any]) -> dict[str, Any]:
    data = gpudepth.read(row["photo"])
    return {"metres": None if data is None else data.depth()}


def main(photos: str, maps: str, out: str) -> Dataset:
    Path(out).mkdir(exist_ok=True)
    files = sorted(Path(photos).iterdir())
    rows = {"image": [str(f) for f in files], "depth": [str(Path(maps, f.stem + ".png")) for f in files]}
    data = Dataset.from_dict(rows).cast_column("image", Image(decode=False)).cast_column("depth", Image())
    return data.map(attached, fn_kwargs={"out": out}).map(metres)


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
