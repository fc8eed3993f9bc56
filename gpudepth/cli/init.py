"""gpudepth init"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..errors import GpudepthError, UsageError, counted
from .command import Argument, Option
from .output import print_message

Folder = Annotated[Path, Argument(help="The folder with photos and maps. [default: .]")]
JobOut = Annotated[Path | None, Option("-o", "--output", show_default=False, help=(
    "The job file. [default: job.yaml in the folder]"))]
Force = Annotated[bool, Option("--force", help="Overwrite an existing job.")]


def init(folder: Folder = Path(), output: JobOut = None, force: Force = False) -> None:
    """Write a job for the photos and maps in a folder, with its guess of what the values of the maps mean.

    Lines marked with LOOK need your knowledge.

    \b
    gpudepth init folder/
    gpudepth run folder/job.yaml --dry-run
    """
    from ..attachment.output import atomic
    from ..batch import runner
    from ..scaffold.draft import draft

    job = output or folder / "job.yaml"
    if job.suffix.lower() not in (".yaml", ".yml"):
        raise UsageError("the name of a job must end in .yaml or .yml", where=job, hint="-o job.yaml")
    if job.parent.resolve() != folder.resolve():
        raise UsageError("the job must lie in the photos' folder, because its paths are relative to it", where=job,
                         hint=f"-o {folder / 'job.yaml'}")
    if job.exists() and not force:
        raise UsageError("the job exists already", where=job, hint="--force overwrites it")
    made = draft(folder)
    with atomic(job) as file:
        file.write(made.text.encode("utf-8", "surrogateescape"))
    for line in made.found:
        print_message(line)
    for line in made.checks:
        print_message(f"please check {line}")
    try:
        print_message(f"{counted(len(runner.plan(job).items), 'item')} to process")
    except GpudepthError as error:
        print_message(f"the job is not ready: {error}")
    print_message(f"next: gpudepth run {job} --dry-run")
    print(job)
