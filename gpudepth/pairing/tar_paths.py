"""Places photos in tar files: the output `out/{tar}.tar/{stem}.heic` of a job."""

from __future__ import annotations

from ..errors import UsageError

NUMBER = "{tar}"
INSIDE = ".tar/"


def check(template: str) -> None:
    """Raise UsageError when a template does not name a tar by its number and a photo in it."""
    archive, inside, member = template.partition(INSIDE)
    name = archive.rpartition("/")[2]
    if not inside or name.count(NUMBER) != 1 or archive.count("{") != 1 or "{" not in member or INSIDE in member:
        raise UsageError(f"{template!r} must name a tar by {{tar}} and a photo in it",
                         hint="output: {path: 'out/{tar}.tar/{stem}.heic', tars: 64}")


def for_pairing(template: str) -> str:
    """Return a template that pairs can fill in before it is known which tar each photo goes to."""
    return template.replace(NUMBER, "0")


def tar_of(output: str, template: str, number: int, count: int) -> str:
    """Return the path of tar `number` of `count`, `out/07.tar`, from the output of one of its photos."""
    folder, slash, _ = output.partition(INSIDE)[0].rpartition("/")
    name = template.partition(INSIDE)[0].rpartition("/")[2] + INSIDE[:-1]
    return folder + slash + name.replace(NUMBER, f"{number:0{len(str(count - 1))}}")
