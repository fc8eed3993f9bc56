"""Where photos lie in tars: `out/{tar}.tar/{stem}.heic` of a job."""

from __future__ import annotations

from ..errors import UsageError

NUMBER = "{tar}"
INSIDE = ".tar/"


def check(template: str) -> None:
    """Raises UsageError for one that does not name a tar by its number, and a photo in it."""
    archive, inside, member = template.partition(INSIDE)
    name = archive.rpartition("/")[2]
    if not inside or name.count(NUMBER) != 1 or archive.count("{") != 1 or "{" not in member or INSIDE in member:
        raise UsageError(f"{template!r} does not say where photos lie in which tar",
                         hint="output: {path: 'out/{tar}.tar/{stem}.heic', tars: 64}")


def for_pairing(template: str) -> str:
    """A template that pairs can fill in: which tar it is, is known later."""
    return template.replace(NUMBER, "0")


def tar_of(output: str, template: str, number: int, count: int) -> str:
    """The tar of one of its photos, by its number of so many: `out/07.tar`."""
    folder, slash, _ = output.partition(INSIDE)[0].rpartition("/")
    name = template.partition(INSIDE)[0].rpartition("/")[2] + INSIDE[:-1]
    return folder + slash + name.replace(NUMBER, f"{number:0{len(str(count - 1))}}")
