"""gpudepth config schema, validate and show"""

from __future__ import annotations

import json

import click

from .command import command
from .options import JobFile, Set


def schema() -> None:
    """Print the JSON schema of job files, for editors that check YAML."""
    from ..settings.job import Job

    print(json.dumps(Job.model_json_schema(), indent=2))


def validate(job: JobFile, settings: Set = None) -> None:
    """Check a job file and show each mistake with file and line."""
    from ..settings.job import load_job

    load_job(job, settings)
    print(f"{job}: valid")


def show(job: JobFile, settings: Set = None) -> None:
    """Print a job with all its defaults."""
    import yaml

    from ..settings.job import load_job

    record = load_job(job, settings).model_dump(mode="json", exclude_none=True)
    print(yaml.safe_dump(record, sort_keys=False, allow_unicode=True), end="")


app = click.Group("config", [command(schema), command(validate), command(show)],
                  help="Print the schema of job files, check a job file, or print it with its defaults.")
