"""Run readers on files in one process that has loaded everything before; what each costs, a line of JSON for each.

    python measure.py KIT READER FILE [READER FILE]...
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

from readers import READERS, make_kit, warm

from gpudepth.errors import GpudepthError


def _status(field: str) -> int:
    """VmRSS or VmHWM, the most it ever was, in bytes."""
    text = Path("/proc/self/status").read_text("ascii")
    return int(text.split(f"{field}:")[1].split()[0]) * 1024


def measured(reader: str, file: Path, kit: object) -> dict[str, object]:
    """said, kind, seconds of CPU and bytes that it grew by at most."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")      # VmHWM starts anew
    before, start = _status("VmRSS"), time.process_time()
    kind = said = "ok"
    try:
        READERS[reader](file, kit)  # type: ignore[arg-type]
    except GpudepthError as error:
        kind, said = type(error).__name__, str(error)
    except BaseException as error:
        kind, said = "BUG", repr(error)
    return {"kind": kind, "said": said, "seconds": time.process_time() - start, "growth": _status("VmHWM") - before}


def main(kit_folder: str, *pairs: str) -> None:
    warnings.simplefilter("ignore")
    kit = make_kit(Path(kit_folder))
    warm(kit)
    work = list(zip(pairs[::2], map(Path, pairs[1::2]), strict=True))
    for reader in dict.fromkeys(reader for reader, _ in work):      # what a reader loads when it is first used
        for sound in (kit.photo, kit.depth, kit.out.parent / "depth.npz", kit.out.parent / "colour.mp4"):
            measured(reader, sound, kit)
    for reader, file in work:
        print(json.dumps(measured(reader, file, kit)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
