"""`headrace new`: takes a folder's name, writes a small project there that works as it is."""

from __future__ import annotations

import re
from pathlib import Path

import click

from headrace.base.errors import UsageError

_SKELETON = Path(__file__).parent / "skeleton"
_NAME = "{{name}}"
# A file of that very name would hide our own files from git.
_RENAMED = {"gitignore": ".gitignore"}
_NEXT = """\
Created {folder}.

  cd {folder}
  headrace dev

builds it, serves it on http://127.0.0.1:8000 and builds again whatever you change.
"""
_NEXT_DEMO = """\
Created {folder}.

  cd {folder}
  headrace run          builds it
  sh accounts.sh        adds an account for each role, and shows a key of each, once
  headrace serve        serves it on http://127.0.0.1:8000

README.md says what is in it, and what to try.
"""


@click.command(name="new")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--demo", is_flag=True, help="The coffee chain: half a million orders in two years.")
def command(folder: Path, demo: bool) -> None:
    """Create a project in the new folder FOLDER that works as it is.

    It has one source with two raw files, one model, one check, one endpoint and unit tests.
    """
    _require_empty(folder)
    if demo:
        from headrace.cli.demo.writing import write_demo

        write_demo(folder)
    else:
        write_skeleton(folder)
    click.echo((_NEXT_DEMO if demo else _NEXT).format(folder=folder), nl=False)


def write_skeleton(folder: Path) -> None:
    """Write the files of a small project into `folder`, which is created."""
    name = re.sub(r"\W+", "_", folder.resolve().name)
    for template in sorted(_SKELETON.rglob("*")):
        if template.is_file():
            relative = template.relative_to(_SKELETON)
            target = folder / relative.with_name(_RENAMED.get(relative.name, relative.name))
            target.parent.mkdir(parents=True, exist_ok=True)
            text = template.read_text(encoding="utf-8").replace(_NAME, name)
            target.write_text(text, encoding="utf-8")


def _require_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; expected a new or empty folder; choose another name")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is not empty; expected a new or empty folder; choose another name"
        )
