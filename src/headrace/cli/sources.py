"""`headrace sources`: takes raw files, writes the contract that their rows fit, to be kept."""

from __future__ import annotations

import re
from pathlib import Path

import click
import yaml

from headrace.base.errors import UsageError
from headrace.base.names import is_name
from headrace.cli.options import project_option
from headrace.pipeline.project.loading import find_root

_GLOB = re.compile(r"[*?\[]")


@click.group(name="sources")
def command() -> None:
    """Work with the contracts of raw files."""


@command.command(name="infer")
@click.argument("files", nargs=-1, required=True, metavar="NAME_OR_FILES...")
@click.option("--name", help="Name of the source; by default taken from the files.")
@click.option("--write", is_flag=True, help="Write sources/<name>.yaml instead of printing it.")
@click.option("--force", is_flag=True, help="With --write: replace the file if there is one.")
@project_option
def infer(files: tuple[str, ...], name: str | None, write: bool, force: bool, folder: Path) -> None:
    """Infer the contract of a source from all its rows.

    Give the files (paths or patterns, relative to the project; quote the patterns), or the name
    of a source whose file has no columns yet. Read what comes out: it is what the data looks like
    today, and what it must look like from now on.
    """
    # It imports an engine, which `headrace sources --help` has no need of.
    from headrace.sources.inference import infer_source, render_yaml

    root = find_root(folder.resolve())
    declared = root / "sources" / f"{files[0]}.yaml"
    if len(files) == 1 and declared.is_file():
        name, files = name or files[0], declared_files(declared)
    name = name or source_name(files[0])
    text = render_yaml(infer_source(root, files, name))
    if not write:
        click.echo(text, nl=False)
        return
    target = root / "sources" / f"{name}.yaml"
    _write(target, text, force=force)
    click.echo(f"wrote {target.relative_to(root)}: read it, then `headrace run`")


def declared_files(path: Path) -> tuple[str, ...]:
    """The `files` of a source's file that may lack everything else.

    Raises:
        UsageError: it has none.
    """
    try:
        header = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: it cannot be read: {exc}") from exc
    files = header.get("files") if isinstance(header, dict) else None
    listed = [files] if isinstance(files, str) else files
    if not isinstance(listed, list) or not listed:
        raise UsageError(
            f"{path}: `files` is {files!r}; expected a path or a list of paths;"
            " add it, as in `files: data/orders/*.csv`"
        )
    return tuple(map(str, listed))


def source_name(pattern: str) -> str:
    """The name that a source gets from its first file or pattern.

    >>> source_name("data/orders/*.csv"), source_name("data/store list-2024.csv.gz")
    ('orders', 'store_list_2024')

    Raises:
        UsageError: nothing in it can be a name.
    """
    path = Path(pattern)
    parts = [path.name.partition(".")[0], *reversed(path.parent.parts)]
    plain = [part for part in parts if not _GLOB.search(part)]
    names = [re.sub(r"\W+", "_", part).strip("_").lower() for part in plain]
    for name in names:
        if is_name(name):
            return name
    raise UsageError(f"{pattern!r} gives no name; expected --name, as in `--name orders`")


def _write(target: Path, text: str, *, force: bool) -> None:
    if target.exists() and not force:
        raise UsageError(
            f"{target} exists; expected a new file; --force replaces it, --name writes another"
        )
    target.parent.mkdir(exist_ok=True)
    target.write_text(text, encoding="utf-8")
