"""Every command in README.md and docs/ is typed, page by page, in order; and ends as the page says."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import page_files
import pytest
from page_kit import PAGES, ROOT, Command, commands

from gpudepth.cli.app import app, run_command
from gpudepth.settings.job import parse_job
from tools.cli_page import verbs

# what is not typed here: how it begins, and why
ELSEWHERE = {
    "sudo apt-get install": "changes the machine",
    "make demo": "is `gpudepth demo`, in an environment of its own",
    "make test": "is this",
    "pip install ": "asks an index of packages; of the checkout, test_tour_page does it (make soak)",
    "python3 -m venv": "the same", ". venv/bin/activate": "the same",
    "gpudepth demo demo-out": "test_tour_page types it",
    "gpudepth bench": "minutes; tests/cli runs it small",
    "gpudepth check IMG_0001.HEIC --profile apple-portrait": "of a photo of Portrait mode; test_heif_portrait has one",
    "gpudepth check --apple-report": "needs a report of a Mac",
    "swift ": "needs a Mac",
    "docker ": "needs an engine; tests/deploy reads the file, deploy/test_image.sh builds it",
    "kubectl ": "needs a cluster; tests/deploy judges the files",
    "gpudepth plan job.yaml -o s3://": "needs a store; tests/batch/test_store_runs has one",
    "gpudepth run job.yaml --plan s3://": "the same", "gpudepth merge job.yaml --plan s3://": "the same",
    "gpudepth run job.yaml --engine ray": "tests/batch/engines starts it",
    ".venv/bin/python -m pytest": "is a test",
    "python fuzz/": "minutes; tests/hostile runs a little of each",
    "cd tests && PYTHONPATH=hostile:.": "tests/hostile uses the same",
}
# what a page needs done before it begins: its own words stand for a long run, or for what is not typed here
BEFORE = {"docs/cli.md": ["run job.yaml --shard 0/1 -q", "plan job.yaml -o plan.jsonl",
                           "run job.yaml --set run.ledger=logs/ledger.jsonl -q"]}
TOUR = "docs/tour.md"       # test_tour_page


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


TYPED = {name_of(page): list(commands(page.read_text(encoding="utf-8"))) for page in PAGES}


def elsewhere(command: Command) -> str | None:
    return next((start for start in ELSEWHERE if command.text.startswith(start)), None)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("pages") / "files"
    base.mkdir()
    page_files.make(base)
    return base


@pytest.mark.filterwarnings("ignore::UserWarning")      # what gpudepth warns Python of, the page is about
@pytest.mark.parametrize("page", [name for name, found in TYPED.items() if found and name != TOUR
                                  and not all(map(elsewhere, found))])
def test_commands_of(page: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                     capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"
    shutil.copytree(files, work)
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path))
    for line in BEFORE.get(page, ()):
        assert run_command(shlex.split(line)) == 0
    left_out: list[str] = []
    wrong: list[str] = []
    for command in TYPED[page]:
        missing = [real for real in page_files.REAL if real in command.text and f"-o {real}" not in command.text
                   and not (work / real).exists()]
        if missing:
            left_out += missing
        elif elsewhere(command) is None:
            capsys.readouterr()
            code = python(command.text) if command.python else typed(command.text)
            said = capsys.readouterr()
            if code != command.code:
                wrong.append(f"{command.text}\nended with {code}\n{said.out[-2000:]}{said.err[-2000:]}")
    assert wrong == [], "\n".join(wrong)
    if left_out:
        pytest.skip(f"all but what needs the real file {left_out[0]} under GPUDEPTH_SAMPLES")


def typed(line: str) -> int:
    """As a shell would: words, wildcards. gpudepth in this process, the rest in one of its own."""
    words = shlex.split(line)
    if words[0] != "gpudepth":
        return subprocess.run(["/bin/sh", "-e", "-c", line], check=False).returncode
    expanded = [found for word in words[1:] for found in (sorted(map(str, Path().glob(word))) if "*" in word else []) or [word]]
    return run_command(expanded)


def python(text: str) -> int:
    """A block of Python, with what its page takes as given."""
    given = ("import numpy as np\nmetres = np.load('depth.npy')\ntensor = np.load('metric.npy')\n"
             "frames = [(1 / metres, np.zeros((*metres.shape, 3), np.uint8))] * 2\n")
    done = subprocess.run([sys.executable, "-c", given + text], check=False, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    return done.returncode


def test_what_is_not_typed_is_known_and_there() -> None:
    """The list neither grows silently nor keeps what no page says any more."""
    found = {elsewhere(command) for of_page in TYPED.values() for command in of_page} - {None}
    assert found == set(ELSEWHERE)
    assert len(ELSEWHERE) <= 20
    assert sum(len(found) for found in TYPED.values()) > 200


def test_every_verb_is_typed_somewhere() -> None:
    text = "\n".join(command.text for found in TYPED.values() for command in found)
    for verb, _ in verbs(app):
        if verb not in ("gpudepth config validate", "gpudepth config show"):
            assert f"{verb} " in f"{text} ".replace("\n", " "), verb


def test_verbs_in_sentences_are_verbs() -> None:
    known = {verb.split()[1] for verb, _ in verbs(app)} | {"COMMAND", "--help", "--version", "test"}
    for page in PAGES:
        for said in re.findall(r"`gpudepth ([\w-]+)", page.read_text(encoding="utf-8")):
            assert said in known, (page.name, said)


def test_jobs_on_pages_are_jobs() -> None:
    """Blocks of YAML that are whole jobs are valid, and lines that are ways of pairing as well."""
    whole = lines = 0
    for page in PAGES:
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            if "output:" in block:
                whole += 1
                parse_job(block)
                continue
            for line in (line for line in block.splitlines() if line.startswith("source: {")):
                lines += 1
                parse_job(f"{line}\nencoding: {{preset: midas, near: 0.5, far: 12}}\n"
                          "output: {path: 'out/{stem}.heic'}\n")
    assert whole >= 3 and lines >= 8


def test_commands_are_found_where_they_stand() -> None:
    text = ("    not a command\n\n```sh\nmkdir x\n# no\ncp a b\ngpudepth a b    # says; exit code 4\n```\n"
            "1. In a list:\n\n    ```sh\n    gpudepth c\n    ```\n"
            "```yaml\ngpudepth: no\n```\n```python\nx = 1\n\ny = 2\n```\n")
    assert list(commands(text)) == [Command("mkdir x"), Command("cp a b"), Command("gpudepth a b", 4), Command("gpudepth c"),
                                    Command("x = 1\n\ny = 2\n", python=True)]
