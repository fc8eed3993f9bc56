"""A third party's container, found by its entry point, that makes trouble in the workers that read its files."""

from __future__ import annotations

import os
from pathlib import Path

MODULE = '''
"""Files that start with TROUBLE: and a word. Planning looks at them too, and nothing happens there."""

import multiprocessing
import os
import signal
import time

from gpudepth.containers.jpeg.jpeg import Jpeg


class Trouble(Jpeg):
    name, suffixes = "trouble", (".trouble",)

    def sniff(self, head):
        if not head.startswith(b"TROUBLE:"):
            return False
        if multiprocessing.parent_process() is not None:
            word = head[8:].split(b";")[0].decode()
            if word == "poison":
                os.kill(os.getpid(), signal.SIGKILL)
            elif word == "hang":
                time.sleep(3600)
            elif word == "huge":
                bytearray(1 << 62)
            elif word == "hog":
                held = []
                while True:
                    held.append(bytearray(os.urandom(1 << 12) * (1 << 12)))
            elif word == "bug":
                1 // 0
        return True
'''


def install(folder: Path) -> dict[str, str]:
    """An environment in which it is installed."""
    (folder / "trouble-1.0.dist-info").mkdir(parents=True)
    (folder / "trouble.py").write_text(MODULE)
    (folder / "trouble-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: trouble\nVersion: 1.0\n")
    (folder / "trouble-1.0.dist-info/entry_points.txt").write_text("[gpudepth.containers]\ntrouble = trouble:Trouble\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def put(path: Path, word: str) -> None:
    """In place of a photo."""
    path.write_bytes(f"TROUBLE:{word};".encode() + bytes(64))
