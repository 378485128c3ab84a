"""docs/cli.md tells of every command and of every option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from headrace.cli.main import COMMANDS, cli

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def section(command: str) -> str:
    """What the page says under a command's heading."""
    found = re.search(rf"^## `headrace {command}\b.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/cli.md has no section on `headrace {command}`"
    return found[0]


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """The long options of a command and of those below it."""
    for each in command.params:
        if isinstance(each, click.Option):
            yield max(each.opts, key=len)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from options(below, context)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_its_options_are_there(name: str) -> None:
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    text = section(name)
    assert [each for each in options(command, context) if f"`{each}" not in text] == []


def test_no_command_is_there_that_is_not() -> None:
    assert set(re.findall(r"^## `headrace (\w+)", PAGE, re.MULTILINE)) == set(COMMANDS)


def test_the_options_before_the_command_are_there() -> None:
    assert [each for each in ("--debug", "--version", "--help") if f"`{each}`" not in PAGE] == []


@pytest.mark.parametrize("code", ["0", "1", "2", "130"])
def test_every_exit_code_is_there(code: str) -> None:
    assert f"\n| {code} | " in PAGE
