"""The options that several commands share: takes a command's function, gives it one more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def project_option(function: Command) -> Command:
    """Add `-C/--project FOLDER`, given as `folder`."""
    return click.option(
        "-C",
        "--project",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        default=".",
        help="A folder of the project; by default the current one.",
    )(function)


def environment_option(function: Command) -> Command:
    """Add `-e/--env/--environment NAME`; None stands for the one of `headrace.toml`."""
    return click.option(
        "-e",
        "--env",
        "--environment",
        "environment",
        metavar="NAME",
        help="The environment; by default the one that headrace.toml names, else prod.",
    )(function)


def selection_options(function: Command) -> Command:
    """Add `--only`, `--from` and `--to`, given as `only`, `start` and `end`."""
    for option in (
        click.option(
            "--to",
            "end",
            metavar="TIME",
            default="",
            help="The last partition to build, such as 2024-03-31 or 2024-03.",
        ),
        click.option(
            "--from",
            "start",
            metavar="TIME",
            default="",
            help="The first partition to build, such as 2024-03-01; others stay as published.",
        ),
        click.option(
            "--only",
            "only",
            metavar="TABLES",
            callback=_names,
            help="Models to build, with commas between; others stay as published.",
        ),
    ):
        function = option(function)
    return function


def _names(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...]:
    return tuple(each.strip() for each in (text or "").split(",") if each.strip())


def json_option(function: Command) -> Command:
    """Add `--json`, given as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, errors too.")(function)


def accept_option(function: Command) -> Command:
    """Add `--accept-breaking ENDPOINT`, given as the tuple `accepted`."""
    return click.option(
        "--accept-breaking",
        "accepted",
        multiple=True,
        metavar="ENDPOINT",
        help="Let this endpoint break its users; repeat it for each that does.",
    )(function)


def host_option(function: Command) -> Command:
    """Add `--host ADDRESS`; None stands for the one of `headrace.toml`."""
    return click.option(
        "--host",
        metavar="ADDRESS",
        help="Address to listen on; by default the one of headrace.toml, else 127.0.0.1.",
    )(function)


def port_option(function: Command) -> Command:
    """Add `--port NUMBER`; None stands for the one of `headrace.toml`."""
    return click.option(
        "--port",
        type=click.IntRange(0, 65_535),
        help="Port; 0 is any free one; by default the one of headrace.toml, else 8000.",
    )(function)
