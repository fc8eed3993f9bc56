"""Bad files in the spirit of public test suites, made here: bombs, loops, lies about sizes, cuts, odd kinds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from seeds import seeds

from bad_files.archives import archives, lists_of_properties
from bad_files.arrays import arrays, hdf5s
from bad_files.bombs import bombs, inflating
from bad_files.builders import Files
from bad_files.films import films, playlists
from bad_files.heifs import heifs
from bad_files.jpegs import jpegs
from bad_files.packets import packets
from bad_files.pictures import pictures, tiffs
from bad_files.texts import texts


def cuts() -> Files:
    """Every seed cut off in 9 places, and with its middle gone."""
    for name, data in seeds().items():
        stem, _, suffix = name.rpartition(".")
        for tenth in range(1, 10):
            yield f"{stem}.cut{tenth}.{suffix}", data[: len(data) * tenth // 10]
        yield f"{stem}.hole.{suffix}", data[: len(data) // 3] + bytes(len(data) // 3) + data[2 * (len(data) // 3) :]
        yield f"{stem}.gone.{suffix}", data[: len(data) // 3] + data[2 * (len(data) // 3) :]
        yield f"{stem}.longer.{suffix}", data + data


FAMILIES: dict[str, Callable[[], Files]] = {
    "bombs": bombs, "inflating": inflating, "pictures": pictures, "tiffs": tiffs, "jpegs": jpegs, "heifs": heifs, "arrays": arrays, "hdf5s": hdf5s,
    "archives": archives, "texts": texts, "playlists": playlists, "films": films, "lists_of_properties": lists_of_properties, "cuts": cuts,
    "packets": lambda: ((f"{name}.xmp", data) for name, data in packets())}


def write(folder: Path, *families: str, every: int = 1) -> int:
    """Every so many'th file of these families, of all without a name, each family into a folder of its own. Returns
    how many."""
    count = 0
    for family in families or FAMILIES:
        (folder / family).mkdir(parents=True, exist_ok=True)
        for name, data in islice(FAMILIES[family](), 0, None, every):
            count += 1
            (folder / family / name).write_bytes(data)
    return count
