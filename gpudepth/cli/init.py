"""gpudepth init"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import GpudepthError, UsageError
from .output import print_message

Folder = Annotated[Path, typer.Argument(help="The folder with photos and maps.")]
JobOut = Annotated[Path | None, typer.Option("-o", "--output", show_default=False,
                                             help="The job. [default: job.yaml in the folder]")]
Force = Annotated[bool, typer.Option("--force", help="Write over a job that is there.")]


def init(folder: Folder = Path(), output: JobOut = None, force: Force = False) -> None:
    """Write a job from what lies in a folder: which maps belong to which photos, and what their values seem to mean.

    What only you can know is marked with LOOK.

    \b
    gpudepth init folder/
    gpudepth run folder/job.yaml --dry-run
    """
    from ..attachment.output import atomic
    from ..batch import runner
    from ..scaffold.draft import draft

    job = output or folder / "job.yaml"
    if job.suffix.lower() not in (".yaml", ".yml"):
        raise UsageError("a job is YAML", where=job, hint="-o job.yaml")
    if job.parent.resolve() != folder.resolve():
        raise UsageError("paths of a job are relative to it: it belongs into the folder it is about", where=job,
                         hint=f"-o {folder / 'job.yaml'}")
    if job.exists() and not force:
        raise UsageError("there is a job already", where=job, hint="--force writes over it")
    made = draft(folder)
    with atomic(job) as file:
        file.write(made.text.encode("utf-8", "surrogateescape"))
    for line in made.found:
        print_message(line)
    for line in made.unsure:
        print_message(f"look at {line}")
    try:
        print_message(f"{len(runner.plan(job).items)} items to do")
    except GpudepthError as error:
        print_message(f"the job is not ready: {error}")
    print_message(f"next: gpudepth run {job} --dry-run")
    print(job)
