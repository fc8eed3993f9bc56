"""The number of processors that this process may use, from its affinity and the quota of its control groups.

A container started with `--cpus 2` on a machine of 64 processors still sees 64; only its control group holds the 2.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return the number of processors that this process may use; a part of one counts as one."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([seen, *map(int, quotas())]))


def quotas(groups: Path = GROUPS, own: Path = OWN) -> Iterator[float]:
    """Yield the processors that the control groups of this process, and those above them, allow.

    Version 2 stores the quota in `cpu.max`, version 1 in `cpu.cfs_quota_us` and `cpu.cfs_period_us` of the controller
    `cpu`. A group without a quota yields nothing.

    Source:
        "Control Group v2" and "CFS Bandwidth Control" in the documentation of the Linux kernel.
    """
    for line in _text(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for folder in _from_the_root(groups / "cpu" if controllers else groups, path):
            text = _text(folder / "cpu.max") if not controllers else " ".join(
                _text(folder / name) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
            with suppress(ValueError, ZeroDivisionError):       # "max", or no such file
                quota, period = map(int, text.split())
                if quota > 0:
                    yield quota / period


def _from_the_root(root: Path, path: str) -> Iterator[Path]:
    """Yield the folders of a group and of those above it; in a container the root may stand for the group itself."""
    yield root
    folder = root
    for part in PurePosixPath(path).parts[1:]:
        folder /= part
        yield folder


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
