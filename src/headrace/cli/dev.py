"""`headrace dev`: takes the project, serves it, and runs it again whenever a file changes.

It supervises two ordinary commands, `serve` (all the time) and `run` (after each change), as child
processes: the code of Python models is always fresh, and neither can take the other down.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from watchfiles import DefaultFilter, watch

from headrace.cli.opening import open_project
from headrace.cli.options import environment_option, host_option, port_option, project_option
from headrace.cli.printing import counted, faint

_GRACE_SECONDS = 10
_POLL_MILLISECONDS = 200
_NAMED = 3


@click.command(name="dev")
@host_option
@port_option
@environment_option
@project_option
@click.pass_context
def command(
    ctx: click.Context, host: str | None, port: int | None, environment: str | None, folder: Path
) -> None:
    """Run, serve, and run again on every change of a file of the project.

    A mistake is shown and changes nothing: the last good snapshot is served until it is repaired.
    Ctrl-C ends it.
    """
    _end_like_interrupt(signal.SIGTERM, signal.SIGHUP)
    opened = open_project(folder)
    target = ["--project", str(opened.root), "--environment", opened.environment(environment)]
    address = [*_given("--host", host), *_given("--port", port)]
    watched = changes(opened.root, opened.settings.store)
    # It watches from here on, so what is saved during the first run is not missed.
    next(watched)
    run_command("run", target)
    click.echo(faint(f"Watching {opened.root}: what you save is built and published."))
    with serving([*target, *address]) as server:
        for paths in watched:
            if server.poll() is not None:
                ctx.exit(server.returncode)
            if paths:
                click.echo(faint(f"\n{described(paths, opened.root)}"))
                run_command("run", target)


def _end_like_interrupt(*signals: signal.Signals) -> None:
    """Let each of `signals` end this process as Ctrl-C does, so that the server ends with it."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for each in signals:
        signal.signal(each, interrupt)


def run_command(name: str, arguments: list[str]) -> int:
    """Run one of our own commands to its end; gives its exit code."""
    return subprocess.run(_command(name, arguments), check=False).returncode  # noqa: S603  # our own


@contextmanager
def serving(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that serves, ended when the block ends, however it ends."""
    server = subprocess.Popen(_command("serve", arguments))  # noqa: S603  # our own command
    try:
        yield server
    finally:
        # Not SIGINT: Ctrl-C has sent it one already, and a second one would cut its answers off.
        server.terminate()
        try:
            server.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def changes(root: Path, store: Path) -> Iterator[list[Path]]:
    """The files that changed, each time that some did; [] now and then when none did.

    What headrace itself writes below `root` does not count.
    """
    ignored = [store, root / ".headrace"]
    filtered = DefaultFilter(ignore_paths=ignored)
    for found in watch(
        root,
        watch_filter=filtered,
        rust_timeout=_POLL_MILLISECONDS,
        yield_on_timeout=True,
        raise_interrupt=True,
    ):
        yield sorted({Path(path) for _, path in found})


def _command(name: str, arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "headrace.cli.main", name, *arguments]


def _given(option: str, value: object) -> list[str]:
    return [] if value is None else [option, str(value)]


def described(paths: list[Path], root: Path) -> str:
    """Changed files in words, relative to `root`."""
    # Editors write to a temporary file and rename it: what is gone again is not worth a word.
    named = [path for path in paths if path.exists()] or paths
    if len(named) > _NAMED:
        return f"{counted(len(named), 'file')} changed"
    names = ", ".join(str(path.relative_to(root)) for path in named)
    return f"{names} changed"
